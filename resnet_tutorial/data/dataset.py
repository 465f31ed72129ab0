"""What a data set is: raw pixels, labels and class names, and what follows from them."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from resnet_tutorial import Mistake
from resnet_tutorial.inputs import Inputs

CONVERT = {
    "images": "(255 * images).round().astype(np.uint8) for values from 0 to 1",
    "labels": "np.array(labels, np.int64)",
}
HISTOGRAM_IMAGES = 1000  # counted at a time: bounds the memory, changes no number


@dataclass(frozen=True, eq=False)
class Split:
    """Images `(n, c, h, w)` as stored, and their class numbers `(n,)`.

    >>> split = Split(np.zeros((5, 3, 8, 8), np.uint8), np.arange(5))
    >>> len(split), split.take([0, 4]).labels.tolist()
    (5, [0, 4])
    """

    images: UInt8[np.ndarray, "n c h w"]
    labels: Int64[np.ndarray, " _"]  # n of them; checked below, with a message
    names: np.ndarray | None = None  # of the files that they came from

    def __post_init__(self):
        for name, array, kind in (("images", self.images, np.uint8),
                                  ("labels", self.labels, np.int64)):  # fmt: skip
            found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            if found != kind:
                raise Mistake(
                    f"expected {name} as a NumPy array of {kind.__name__}, got {found}; convert "
                    f"them, as in {CONVERT[name]}"
                )
        if self.images.ndim != 4 or self.labels.ndim != 1 or len(self.images) != len(self.labels):
            raise Mistake(
                f"expected images (n, c, h, w) and n labels, got images of shape "
                f"{self.images.shape} and {' x '.join(map(str, self.labels.shape))} labels"
            )
        if self.images.size == 0:
            raise Mistake(
                "expected at least one image, got an empty split: images of shape "
                f"{self.images.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices) -> "Split":
        """The images and labels at `indices` (any NumPy index)."""
        names = None if self.names is None else self.names[indices]
        return Split(self.images[indices], self.labels[indices], names)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named data set: raw pixels, labels and class names.

    `normalization` is what pretrained weights were given: its mean and std then take the place of
    the training set's, see `normalized_as`. Raises ValueError when a label does not name a class,
    or when the test images have another shape than the training images.

    >>> split = Split(np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), np.array([0, 1, 0, 1]))
    >>> dataset = Dataset("tiny", train=split, test=split, classes=("even", "odd"))
    >>> dataset.mean.item(), float(dataset.normalize(split.images).mean()), dataset.image_shape
    (1.5, 0.0, (1, 1, 1))
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    normalization: Inputs | None = field(default=None, kw_only=True)

    crop_pct = 1.0  # of a larger picture's sides, evaluated: all that the shape lets in

    def __post_init__(self):
        self._check_shape(self.test.images)
        self._check_labels()

    def _check_labels(self) -> None:
        if len({*self.classes}) < len(self.classes):
            twice = max(self.classes, key=self.classes.count)
            raise Mistake(f"{self.name}: two classes are called {twice!r}; give each its own name")
        for part, split in (("training", self.train), ("test", self.test)):
            low, high = split.labels.min(), split.labels.max()
            if low < 0 or high >= len(self.classes):
                wrong = low if low < 0 else high
                raise Mistake(
                    f"{self.name}: {part} label {wrong} is not one of the {len(self.classes)} "
                    f"classes 0 to {len(self.classes) - 1}; correct the labels or the class names"
                )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(c, h, w)` of one image."""
        return self.train.images.shape[1:]

    @property
    def label(self) -> str:
        """What a caption calls the data: "CIFAR-10 (JPEG-75 copy)" for cifar10-jpeg75."""
        from resnet_tutorial.data.catalogue import CATALOGUE  # whose loaders make data sets

        name, comma, part = self.name.partition(",")
        return (CATALOGUE[name].label if name in CATALOGUE else name) + comma + part

    @cached_property
    def _histogram(self) -> Int64[np.ndarray, "c 256"]:
        """How often each channel of the training images has each of the 256 values."""
        images = self.train.images
        parts = [images[i : i + HISTOGRAM_IMAGES] for i in range(0, len(images), HISTOGRAM_IMAGES)]
        return sum(
            np.stack(
                [np.bincount(channel.ravel(), minlength=256) for channel in part.swapaxes(0, 1)]
            )
            for part in parts
        )

    @cached_property
    def mean(self) -> Float32[np.ndarray, "c _ _"]:
        """Mean of each channel over the training images `(c, 1, 1)`, in raw pixel units."""
        if self.normalization is not None:
            return self.normalization.mean
        counts = self._histogram
        mean = counts @ np.arange(256.0) / counts.sum(1)
        return mean[:, None, None].astype(np.float32)

    @cached_property
    def std(self) -> Float32[np.ndarray, "c 1 1"]:
        """Standard deviation of each channel over the training images, in raw pixel units.

        Raises ValueError for a channel that never varies.
        """
        if self.normalization is not None:
            return self.normalization.std
        counts, values = self._histogram, np.arange(256.0)
        mean = counts @ values / counts.sum(1)
        variance = (counts * (values - mean[:, None]) ** 2).sum(1) / counts.sum(1)
        if not variance.all():
            channel = int(variance.argmin())
            raise Mistake(
                f"{self.name}: channel {channel} of the training images has the value "
                f"{mean[channel]:g} everywhere, so it cannot be scaled and says nothing; leave "
                "that channel out"
            )
        return np.sqrt(variance)[:, None, None].astype(np.float32)

    @cached_property
    def pixel_mean(self) -> Float32[np.ndarray, "c h w"]:
        """Mean training image, in raw pixel units: what the paper subtracts on CIFAR-10."""
        if self.normalization is not None:
            return self.normalization.mean
        return self.train.images.mean(0).astype(np.float32)

    def pictures(self, part: Split) -> UInt8[np.ndarray, "n c h w"]:
        """The images of `part` as a network is shown them, before they are normalised."""
        return part.images

    def normalize(self, images: UInt8[np.ndarray, "n c h w"]) -> Float32[np.ndarray, "n c h w"]:
        """Images with the training set's mean 0 and standard deviation 1 in each channel.

        Raises ValueError for images of another shape than the training images: one grey channel
        would else be spread silently over three.
        """
        self._check_shape(images)
        return (images - self.mean) / self.std

    def normalized_as(self, inputs: Inputs) -> "Dataset":
        """This data set with the mean and deviation that pretrained weights were given.

        A mean image of another size is replaced by its channels' means. Raises ValueError when the
        images have another number of channels.

        >>> from resnet_tutorial import data
        >>> digits = data.load("digits")
        >>> few = digits.held_out(1000)  # whose own mean is another
        >>> as_before = few.normalized_as(digits.inputs())
        >>> few.mean == digits.mean, as_before.mean == digits.mean
        (array([[[False]]]), array([[[ True]]]))
        """
        (wanted, *_), (c, *size) = inputs.shape, self.image_shape
        if wanted != c:
            raise Mistake(
                f"{self.name}: the weights are for images of {wanted} channels, these have {c}; "
                "convert the images, or take other weights"
            )
        if inputs.mean.shape[1:] not in {(1, 1), tuple(size)}:
            mean = inputs.mean.mean((1, 2), keepdims=True)
            inputs = replace(inputs, mean=mean)
        return replace(self, normalization=inputs)

    def in_colors(self) -> "Dataset":
        """This data set of grey images, each repeated in three channels: for weights for colours.

        >>> from resnet_tutorial import data
        >>> data.load("digits").in_colors().image_shape
        (3, 8, 8)
        """
        _, h, w = self.image_shape
        train, test = (
            replace(split, images=np.broadcast_to(split.images, (len(split), 3, h, w)))
            for split in (self.train, self.test)
        )
        return replace(self, train=train, test=test)

    def inputs(self, per_pixel_mean: bool = False) -> Inputs:
        """How pictures become the input of a network that is trained on these.

        With `per_pixel_mean` the mean image is subtracted, as a recipe of that name does.
        """
        mean = self.pixel_mean if per_pixel_mean else self.mean
        return Inputs(self.classes, mean, self.std, self.image_shape, self.crop_pct)

    def held_out(self, size: int, seed: int = 0) -> "Dataset":
        """This data set with `size` training images, drawn by `seed`, in the place of the test set.

        For choosing anything (a recipe, an epoch) without looking at the test images, which the
        result does not contain. The paper holds out 5,000 of CIFAR-10's 50,000. Mean and deviation
        become those of the images left for training. Raises ValueError when none would be left.

        >>> from resnet_tutorial import data
        >>> chosen_on = data.load("digits").held_out(297)
        >>> len(chosen_on.train), len(chosen_on.test), chosen_on.name
        (1000, 297, 'digits, 297 held out (seed 0)')
        """
        if not 0 < size < len(self.train):
            raise Mistake(
                f"{self.name}: expected to hold out 1 to {len(self.train) - 1} of the "
                f"{len(self.train)} training images, got {size}"
            )
        order = np.random.default_rng(seed).permutation(len(self.train))
        return replace(
            self,
            name=f"{self.name}, {size} held out (seed {seed})",
            train=self.train.take(np.sort(order[size:])),
            test=self.train.take(np.sort(order[:size])),
        )

    def _check_shape(self, images: np.ndarray) -> None:
        if images.shape[1:] != self.image_shape:
            raise Mistake(
                f"{self.name}: expected images of shape {self.image_shape} (channels, height, "
                f"width) as in the training set, got {images.shape[1:]}; convert them first"
            )

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the sha256 of all pixels and labels: what a Record cites."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            digest.update(repr(split.images.shape).encode())
            digest.update(np.ascontiguousarray(split.images).tobytes())
            digest.update(np.ascontiguousarray(split.labels).tobytes())
        return digest.hexdigest()[:16]
