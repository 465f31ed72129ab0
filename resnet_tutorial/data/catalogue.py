"""What each named data set holds, where a copy of it lies, and how one is got."""

from dataclasses import dataclass

from resnet_tutorial.data import FINGERPRINTS, cifar, fashion
from resnet_tutorial.data.dataset import Dataset
from resnet_tutorial.data.download import Remote, home, sha256


class Bundled:
    """Data that come with scikit-learn; also the base of the other sources."""

    downloadable = False

    def place(self) -> str | None:
        """Where the copy is that `data.load` would read; None when there is none yet."""
        return "inside scikit-learn"

    def get(self) -> None:
        """Downloads what is missing. Raises ConnectionError or ValueError with the ways out."""

    def verify(self) -> None:
        """Raises ValueError, saying what to do, for damaged files. Downloads nothing."""


class IdxFiles(Bundled):
    """Fashion-MNIST."""

    downloadable = True

    def place(self) -> str | None:
        copies = [fashion.find(name) for name in fashion.FILES]
        return str(copies[0][0].parent) if all(copies) else None

    def get(self) -> None:
        fashion.fashion_mnist()

    def verify(self) -> None:
        for name in fashion.FILES:
            if fashion.whole(name) is None:
                copies = ", ".join(map(str, fashion.find(name)))
                raise ValueError(f"wrong checksum: {copies}; delete it and fetch the data again")


class Archive(Bundled):
    """A data set in the folder `folder` of an archive."""

    downloadable = True

    def __init__(self, remote: Remote, folder: str):
        self.remote, self.folder = remote, folder

    def place(self) -> str | None:
        found = cifar.find(self.remote, self.folder)
        return None if found is None else str(found)

    def get(self) -> None:
        cifar.get(self.remote, self.folder)

    def verify(self) -> None:
        archive = home() / self.remote.file
        if archive.is_file() and sha256(archive) != self.remote.sha256:
            raise ValueError(f"wrong checksum: {archive}; delete it and fetch the data again")


class Copy(Bundled):
    """The JPEG-75 copy of CIFAR-10, which is never downloaded."""

    def place(self) -> str | None:
        found = cifar.find_copy()
        return None if found is None else str(found)

    def get(self) -> None:
        cifar.cifar10_jpeg75()


class ArchiveOrCopy(Archive):
    """CIFAR-10: the original, or the JPEG-75 copy in its place."""

    def place(self) -> str | None:
        return super().place() or Copy().place()


@dataclass(frozen=True)
class Entry:
    """Training and test images, the shape `(c, h, w)` of one, the number of classes, the source."""

    sizes: tuple[int, int]
    image_shape: tuple[int, int, int]
    classes: int
    source: Bundled

    def check(self, dataset: Dataset) -> None:
        """Raises ValueError when `dataset` is not what is described here, or has other pixels."""
        found = (len(dataset.train), len(dataset.test)), dataset.image_shape, len(dataset.classes)
        expected = self.sizes, self.image_shape, self.classes
        if found != expected:
            raise ValueError(
                f"{dataset.name}: expected training and test images, shape, classes {expected}, "
                f"got {found}; replace the data at: {self.source.place()}"
            )
        fingerprint = FINGERPRINTS.get(dataset.name, dataset.fingerprint)
        if dataset.fingerprint != fingerprint:
            raise ValueError(
                f"{dataset.name}: expected the fingerprint {fingerprint}, got "
                f"{dataset.fingerprint}: other pixels or labels than in the book's records, by "
                f"damage or by another decoder; replace the data at: {self.source.place()}"
            )


CATALOGUE = {
    "digits": Entry((1297, 500), (1, 8, 8), 10, Bundled()),
    "fashion_mnist": Entry((60_000, 10_000), (1, 28, 28), 10, IdxFiles()),
    "cifar10": Entry(cifar.SIZES, cifar.SHAPE, 10, ArchiveOrCopy(cifar.CIFAR10, cifar.FOLDER10)),
    "cifar10-jpeg75": Entry(cifar.SIZES, cifar.SHAPE, 10, Copy()),
    "cifar100": Entry(cifar.SIZES, cifar.SHAPE, 100, Archive(cifar.CIFAR100, cifar.FOLDER100)),
}
