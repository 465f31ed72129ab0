"""Photos that stay in their files, and are decoded when they are needed.

Chapter: practice/own_images.
"""

import hashlib
import itertools
import os
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from resnet_tutorial import Mistake
from resnet_tutorial.data import decode
from resnet_tutorial.data.dataset import Dataset
from resnet_tutorial.data.decoders import broken
from resnet_tutorial.data.folders import (
    attempts,
    check_size,
    histogram,
    name_of,
    resident,
    settle,
    tell_left_out,
)
from resnet_tutorial.data.listing import Files, Listing, listing

MOST_RESIDENT = 2**30  # bytes of decoded pictures that are kept in memory
SIZE = 224  # pixels of a side, where nobody says another
CROP_PCT = 0.875  # of the shorter side, evaluated: 224 of 256, as in most code
MOST_MEASURED = 2000  # pictures from which mean and deviation are estimated


@dataclass(frozen=True, eq=False)
class Photos(Dataset):
    """A Dataset whose pictures lie in files of any size, and are never all in memory.

    The network sees RGB squares of `size` pixels. In evaluation a square of the share `crop_pct` of
    a picture's shorter side is cut out of its middle. Mean and deviation are those of at most 2,000
    training pictures, cut so, drawn with a fixed seed. `workers` processes decode, by default one
    for each core and at most 16; 0 decodes in this process. The fingerprint is of names, bytes of
    files, labels and `size`, not of pixels.

    Raises ValueError for a size that no picture has, and for labels that name no class.

    >>> files = Files(".", np.array(["a.png", "b.png"], object), np.array([9, 8]), np.array([0, 1]))
    >>> photos = Photos("two", files, files, ("cat", "dog"), size=64)
    >>> photos.image_shape, len(photos.train)
    ((3, 64, 64), 2)
    """

    train: Files
    test: Files
    size: int = SIZE
    crop_pct: float = CROP_PCT
    workers: int | None = None

    def __post_init__(self):
        check_size(self.size)
        if not 0 < self.crop_pct <= 1:
            raise Mistake(f"crop_pct must be a share in (0, 1], got {self.crop_pct}")
        self._check_labels()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(3, size, size)`, of what the network sees."""
        return 3, self.size, self.size

    @cached_property
    def _histogram(self) -> Int64[np.ndarray, "c 256"]:
        sample = self.train
        if len(sample) > MOST_MEASURED:
            chosen = np.random.default_rng(0).choice(len(sample), MOST_MEASURED, replace=False)
            sample = sample.take(np.sort(chosen))
        cut = partial(_histogram_of, size=self.size, crop_pct=self.crop_pct)
        found = attempts(sample, cut, "mean and deviation", self.workers)
        if bad := [result for result in found if isinstance(result, Mistake)]:
            raise broken(bad, len(sample))
        return np.sum(found, 0)

    def pictures(self, part: Files) -> UInt8[np.ndarray, "n 3 h w"]:
        """The photos of `part` as a network is shown them in evaluation, decoded now."""
        squares = [decode.center(path, self.size, self.crop_pct) for path in part.paths]
        return np.stack(squares).transpose(0, 3, 1, 2)

    @property
    def pixel_mean(self) -> Float32[np.ndarray, "c h w"]:
        """Photos have no mean image: ValueError."""
        raise Mistake(
            f"{self.name}: photos of many sizes have no mean image; leave per_pixel_mean out"
        )

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the sha256 of names, bytes, labels, size and share."""
        digest = hashlib.sha256(f"{self.size} {self.crop_pct} {self.classes}".encode())
        for part in (self.train, self.test):
            names = "\0".join(name.replace(os.sep, "/") for name in part.names)
            digest.update(names.encode(errors="surrogateescape"))
            digest.update(np.ascontiguousarray(part.sizes).tobytes())
            digest.update(np.ascontiguousarray(part.labels).tobytes())
        return digest.hexdigest()[:16]


def load(
    path: str | os.PathLike,
    size: int | None = None,
    *,
    skip_broken: bool = False,
    held_out: float = 0.2,
    seed: int = 0,
    workers: int | None = None,
) -> Dataset:
    """The pictures under `path`: arrays when all have one size and fit into 1 GiB, else `Photos`.

    The arguments are those of `folder` and `Photos`. With `skip_broken` every picture is decoded
    once before the first step.
    """
    check_size(size)
    return of_listing(listing(path, held_out, seed), size, skip_broken, workers)


def of_listing(
    found: Listing, size: int | None, skip_broken: bool = False, workers: int | None = None
) -> Dataset:
    """The pictures of a listing, as `load` gives them."""
    if _is_small(found):
        return resident(found, size, skip_broken)
    tell_left_out(found)
    if skip_broken:
        found = checked(found, workers)
    train, test, name = found.train, found.test, name_of(found)
    return Photos(name, train, test, found.classes, size or SIZE, workers=workers)


def checked(found: Listing, workers: int | None = None) -> Listing:
    """The listing without its broken pictures; every one is decoded to the end."""
    bad = []
    for part in (found.train, found.test):
        results = attempts(part, _read, "reading every picture", workers)
        pairs = zip(part.paths, results, strict=True)
        bad += [(path, result) for path, result in pairs if isinstance(result, Mistake)]
    return settle(found, bad, skip_broken=True)


def _is_small(found: Listing) -> bool:
    """Whether all pictures have one size and fit into memory; stops at the first that differs."""
    first, count = None, len(found.train) + len(found.test)
    for path in itertools.chain(found.train.paths, found.test.paths):
        try:
            with decode.told(path), decode.opened(path) as image:
                size = decode.upright_size(image)
        except Mistake:  # told later, with all others
            continue
        first = first or size
        if size != first or 3 * size[0] * size[1] * count > MOST_RESIDENT:
            return False
    return True


def _histogram_of(path: str, size: int, crop_pct: float) -> Int64[np.ndarray, "3 256"]:
    return histogram(decode.center(path, size, crop_pct)[None])


def _read(path: str) -> None:
    decode.center(path, 8, 1.0)  # a JPEG at an eighth of its scale, but to its last byte
