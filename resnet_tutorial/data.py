"""Data sets by name, as arrays.

`load("digits")` needs no download: scikit-learn ships the 1,797 handwritten digits, and every
chapter that trains live uses them.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from resnet_tutorial import names

TEST_SIZE = 500  # of the 1,797 digits; 1,297 remain for training
SPLIT_SEED = 0


@dataclass(frozen=True, eq=False)
class Split:
    """Images `(n, c, h, w)` as stored, and their class numbers `(n,)`."""

    images: UInt8[np.ndarray, "n c h w"]
    labels: Int64[np.ndarray, " _"]  # n of them; checked below, with a message

    def __post_init__(self):
        if self.images.ndim != 4 or len(self.images) != len(self.labels):
            raise ValueError(
                f"expected images (n, c, h, w) and n labels, got images of shape "
                f"{self.images.shape} and {len(self.labels)} labels"
            )
        if len(self.images) == 0:
            raise ValueError("expected at least one image, got an empty split")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices) -> "Split":
        """The images and labels at `indices` (any NumPy index)."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named data set: raw pixels, labels and class names.

    Raises ValueError when a label does not name a class.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]

    def __post_init__(self):
        for part, split in (("training", self.train), ("test", self.test)):
            low, high = split.labels.min(), split.labels.max()
            if low < 0 or high >= len(self.classes):
                wrong = low if low < 0 else high
                raise ValueError(
                    f"{self.name}: {part} label {wrong} is not one of the {len(self.classes)} "
                    f"classes 0 to {len(self.classes) - 1}; correct the labels or the class names"
                )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(c, h, w)` of one image."""
        return self.train.images.shape[1:]

    @cached_property
    def mean(self) -> Float32[np.ndarray, "c 1 1"]:
        """Mean of each channel over the training images, in raw pixel units."""
        return self.train.images.mean((0, 2, 3), keepdims=True)[0].astype(np.float32)

    @cached_property
    def std(self) -> Float32[np.ndarray, "c 1 1"]:
        """Standard deviation of each channel over the training images, in raw pixel units."""
        return self.train.images.std((0, 2, 3), keepdims=True)[0].astype(np.float32)

    def normalize(self, images: UInt8[np.ndarray, "n c h w"]) -> Float32[np.ndarray, "n c h w"]:
        """Images with the training set's mean 0 and standard deviation 1 in each channel."""
        return (images - self.mean) / self.std

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the sha256 of all pixels and labels: what a Record cites."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            digest.update(repr(split.images.shape).encode())
            digest.update(np.ascontiguousarray(split.images).tobytes())
            digest.update(np.ascontiguousarray(split.labels).tobytes())
        return digest.hexdigest()[:16]


def digits() -> Dataset:
    """1,797 real handwritten digits, 8x8, grey levels 0 to 16: 1,297 to train, 500 to test.

    The split is a fixed permutation. The writers of the training and the test digits are the same
    people, so the test error is optimistic for new writers.
    """
    from sklearn.datasets import load_digits  # 0.5 s, and only the digits need it

    raw = load_digits()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(raw.target))
    images = raw.images[order].astype(np.uint8)[:, None]
    everything = Split(images, raw.target[order].astype(np.int64))
    return Dataset(
        name="digits",
        train=everything.take(slice(TEST_SIZE, None)),
        test=everything.take(slice(TEST_SIZE)),
        classes=tuple("0123456789"),
    )


DATASETS = {"digits": digits}


def load(name: str) -> Dataset:
    """The data set called `name`; ValueError with the nearest names when there is none.

    >>> dataset = load("digits")
    >>> dataset.train.images.shape, len(dataset.test)
    ((1297, 1, 8, 8), 500)
    """
    return names.lookup(DATASETS, name, "data set")()
