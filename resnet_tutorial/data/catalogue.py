"""The table of the data sets: one row for each, and everything else is derived from it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from resnet_tutorial import Mistake
from resnet_tutorial.data import cifar, fashion, sources, tiny_imagenet
from resnet_tutorial.data.dataset import Dataset
from resnet_tutorial.data.digits import digits


@dataclass(frozen=True)
class Entry:
    """A row of the table: what a data set is called in captions, what loads it, what it holds.

    `sizes` are the numbers of training and test images, `image_shape` is `(c, h, w)`, and `classes`
    counts them. `fingerprint` is what `Dataset.fingerprint` has to be; None when it is not known.
    """

    label: str
    load: Callable[[], Dataset]
    sizes: tuple[int, int]
    image_shape: tuple[int, int, int]
    classes: int
    source: sources.Source
    fingerprint: str | None = None

    @property
    def pixels(self) -> int:
        """Pixels that an epoch shows, each counted once for all its channels."""
        return self.sizes[0] * math.prod(self.image_shape[1:])

    def check(self, dataset: Dataset) -> bool:
        """Whether the fingerprint is known, and then right, of a `dataset` as described here.

        Raises ValueError when it is another: other sizes, or other pixels and labels.
        """
        found = (len(dataset.train), len(dataset.test)), dataset.image_shape, len(dataset.classes)
        expected = self.sizes, self.image_shape, self.classes
        if found != expected:
            raise Mistake(
                f"{dataset.name}: expected training and test images, shape, classes {expected}, "
                f"got {found}; replace the data at: {self.source.place()}"
            )
        if self.fingerprint and dataset.fingerprint != self.fingerprint:
            raise Mistake(
                f"{dataset.name}: expected the fingerprint {self.fingerprint}, got "
                f"{dataset.fingerprint}: other pixels or labels than in the book's records, by "
                f"damage or by another decoder; replace the data at: {self.source.place()}"
            )
        return self.fingerprint is not None


#: Every data set by its name. To add one is to add a row: see CONTRIBUTING, "Add a data set".
CATALOGUE = {
    "digits": Entry(
        label="digits",
        load=digits,
        sizes=(1297, 500),
        image_shape=(1, 8, 8),
        classes=10,
        source=sources.BuiltIn("inside scikit-learn"),
        fingerprint="529a36f9fa2a1895",
    ),
    "fashion_mnist": Entry(
        label="Fashion-MNIST",
        load=fashion.fashion_mnist,
        sizes=(60_000, 10_000),
        image_shape=(1, 28, 28),
        classes=10,
        source=sources.FashionFiles(),
        fingerprint="a06d3266794aa014",
    ),
    "cifar10": Entry(  # nobody here had the original: its fingerprint is not known
        label="CIFAR-10",
        load=cifar.cifar10,
        sizes=cifar.SIZES,
        image_shape=cifar.SHAPE,
        classes=10,
        source=sources.ArchiveOrJpegCopy(cifar.CIFAR10, cifar.FOLDER10),
    ),
    "cifar10-jpeg75": Entry(
        label="CIFAR-10 (JPEG-75 copy)",
        load=cifar.cifar10_jpeg75,
        sizes=cifar.SIZES,
        image_shape=cifar.SHAPE,
        classes=10,
        source=sources.JpegCopy(),
        fingerprint="68bbfc5b79429794",
    ),
    "cifar100": Entry(
        label="CIFAR-100",
        load=cifar.cifar100,
        sizes=cifar.SIZES,
        image_shape=cifar.SHAPE,
        classes=100,
        source=sources.Archive(cifar.CIFAR100, cifar.FOLDER100),
    ),
    "tiny-imagenet-150": Entry(
        label="Tiny ImageNet at 32x32, 150 classes",
        load=tiny_imagenet.source,
        sizes=(75_000, 7_500),
        image_shape=tiny_imagenet.SHAPE,
        classes=150,
        source=sources.TinyImageNet("tiny-imagenet-150"),
        fingerprint="6585d441bda07eb7",
    ),
    "tiny-imagenet-50": Entry(
        label="Tiny ImageNet at 32x32, 50 other classes",
        load=tiny_imagenet.target,
        sizes=(25_000, 2_500),
        image_shape=tiny_imagenet.SHAPE,
        classes=50,
        source=sources.TinyImageNet("tiny-imagenet-50"),
        fingerprint="e1420b2bbb292c84",
    ),
}
