"""What a folder of pictures holds, said before anybody trains on it.

Chapter: practice/own_images.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from jaxtyping import Int64

from resnet_tutorial import Mistake
from resnet_tutorial.data import decode
from resnet_tutorial.data.folders import BROKEN, attempts
from resnet_tutorial.data.listing import Listing

FEW = 20  # pictures of a class in training, below which it is named
NEAR = 6  # bits of 64 in which near-duplicates may differ; of 50,000 other pictures no pair does
MOST_COMPARED = 50_000  # pictures: each is compared with every other
ROWS = 1000  # compared at a time
EXTRA = 'pip install "resnet_tutorial[photos]"'


@dataclass(frozen=True)
class Seen:
    """One picture: width and height once upright, Pillow's mode, 64 bits of its looks or None."""

    size: tuple[int, int]
    mode: str
    bits: tuple[bool, ...] | None = None


@dataclass(frozen=True)
class Pair:
    """Two pictures that look the same, and whether they lie in both parts, and in two classes."""

    names: tuple[str, str]
    across: bool
    classes_differ: bool


@dataclass(frozen=True, eq=False)
class Inspection:
    """All pictures of a listing, decoded once: what was seen of each, or what is wrong with it."""

    found: Listing
    seen: Sequence[Seen | Mistake]

    @property
    def paths(self) -> list[str]:
        """Of all pictures, those of training first."""
        return self.found.train.paths + self.found.test.paths

    @property
    def broken(self) -> list[Mistake]:
        """What is wrong with those that cannot be read."""
        return [result for result in self.seen if isinstance(result, Mistake)]

    @cached_property
    def good(self) -> Listing:
        """The listing without those that cannot be read."""
        pairs = zip(self.paths, self.seen, strict=True)
        return self.found.without({p for p, s in pairs if isinstance(s, Mistake)}, BROKEN)

    @property
    def modes(self) -> Counter:
        """How many pictures have each of Pillow's modes."""
        return Counter(seen.mode for seen in self._readable())

    def counts(self) -> list[tuple[str, int, int]]:
        """Of every class its name, training pictures and test pictures, broken ones left out."""
        n = len(self.found.classes)
        train, test = (np.bincount(p.labels, minlength=n) for p in (self.good.train,
                                                                   self.good.test))  # fmt: skip
        return list(zip(self.found.classes, train.tolist(), test.tolist(), strict=True))

    def few(self) -> list[str]:
        """The classes with fewer than 20 training pictures."""
        return [name for name, train, _ in self.counts() if train < FEW]

    def sizes(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Width and height of the smallest, the median and the largest picture, by area."""
        ordered = sorted((seen.size for seen in self._readable()), key=lambda s: (s[0] * s[1], s))
        return ordered[0], ordered[len(ordered) // 2], ordered[-1]

    def duplicates(self) -> Iterator[Pair]:
        """Pairs that look alike, or are equal byte by byte where imagehash is not installed.

        Of more than 50,000 pictures as many are compared, drawn with a fixed seed.
        """
        train, test = self.good.train, self.good.test
        names = [*train.names, *test.names]
        labels = np.concatenate([train.labels, test.labels])
        for i, j in self._alike(train.paths + test.paths):
            across = (i < len(train)) != (j < len(train))
            yield Pair((names[i], names[j]), across, bool(labels[i] != labels[j]))

    def _alike(self, paths: list[str]) -> list[tuple[int, int]]:
        bits = [seen.bits for seen in self._readable()]
        if not bits or bits[0] is None:
            return _equal_files(paths)
        chosen = np.arange(len(bits))
        if len(bits) > MOST_COMPARED:
            chosen = np.random.default_rng(0).choice(len(bits), MOST_COMPARED, replace=False)
        near = _near(np.array(bits)[chosen])
        return sorted(tuple(sorted(pair)) for pair in chosen[near].tolist())

    def _readable(self) -> list[Seen]:
        return [seen for seen in self.seen if isinstance(seen, Seen)]


def inspect(found: Listing, looks: bool = False, workers: int | None = None) -> Inspection:
    """Decodes every picture of a listing in worker processes; with `looks` for near-duplicates."""
    look = partial(_look, looks=looks and can_compare_looks())
    parts = (found.train, found.test)
    return Inspection(found, [s for p in parts for s in attempts(p, look, "reading", workers)])


def can_compare_looks() -> bool:
    """Whether imagehash is installed."""
    try:
        import imagehash  # noqa: F401
    except ImportError:
        return False
    return True


def _look(path: str, looks: bool) -> Seen:
    with decode.told(path), decode.opened(path) as image:
        size, mode = decode.upright_size(image), image.mode
        image = decode.upright(image, min(size) / 64)
        if not looks:
            return Seen(size, mode)
        import imagehash

        return Seen(size, mode, tuple(imagehash.phash(image).hash.ravel().tolist()))


def _near(bits: np.ndarray) -> Int64[np.ndarray, "pairs 2"]:
    """The pairs of rows that differ in at most `NEAR` bits."""
    signs = (2 * bits - 1).astype(np.float32)  # their product is 64 - 2 * differing bits
    found = []
    for start in range(0, len(signs), ROWS):
        equal = signs[start : start + ROWS] @ signs[start:].T >= bits.shape[1] - 2 * NEAR
        pairs = np.argwhere(np.triu(equal, 1)) + start
        found.append(pairs)
    return np.concatenate(found).astype(np.int64)


def _equal_files(paths: list[str]) -> list[tuple[int, int]]:
    """Every file with the first one of the same bytes."""
    first, pairs = {}, []
    for i, path in enumerate(paths):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        if digest in first:
            pairs.append((first[digest], i))
        first.setdefault(digest, i)
    return pairs
