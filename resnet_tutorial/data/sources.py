"""Where the files of a data set lie on this machine, how they get there, and whether to trust them.

A source is one of the few ways in which data sets come; `catalogue` names one for each.
"""

import tarfile
import zlib
from pathlib import Path

from resnet_tutorial import Mistake
from resnet_tutorial.data import cifar, fashion, tiny_imagenet
from resnet_tutorial.download import Remote, home, sha256


class BuiltIn:
    """Data that are there already, with a package or made by code; `place` says where."""

    downloadable = False

    def __init__(self, place: str):
        self._place = place

    def place(self) -> str:
        return self._place

    def fetch(self) -> None:
        """There is nothing to fetch."""

    def verify(self) -> bool:
        return True


class FashionFiles:
    """The four idx files of Fashion-MNIST, each with its checksum."""

    downloadable = True

    def place(self) -> str | None:
        """Where the files lie that `data.load` would read; None when there are none yet."""
        copies = [fashion.files_called(name) for name in fashion.FILES]
        return str(copies[0][0].parent) if all(copies) else None

    def fetch(self) -> None:
        """Downloads what is missing. Raises ConnectionError with the ways out."""
        fashion.fashion_mnist()

    def verify(self) -> bool:
        """Whether checksums vouch for the files. ValueError for damaged ones; downloads nothing."""
        for name in fashion.FILES:
            if fashion.intact_content(name) is None:
                copies = ", ".join(map(str, fashion.files_called(name)))
                raise Mistake(f"wrong checksum: {copies}; delete it and fetch the data again")
        return True


class Archive:
    """A data set in the folder `folder` of an archive."""

    downloadable = True

    def __init__(self, remote: Remote, folder: str):
        self.remote, self.folder = remote, folder

    def place(self) -> str | None:
        """Where the folder or the archive lies; None when neither is there."""
        found = cifar.folder_or_archive(self.remote, self.folder)
        return None if found is None else str(found)

    def fetch(self) -> None:
        """Downloads and unpacks what is missing."""
        cifar.unpacked(self.remote, self.folder)

    def verify(self) -> bool:
        """Whether the archive is there and right, and an unpacked folder holds what it holds.

        Without the archive nobody knows: False. Raises ValueError for damaged files.
        """
        archive, folder = home() / self.remote.file, home() / self.folder
        if not archive.is_file():
            return False
        if sha256(archive) != self.remote.sha256:
            raise Mistake(f"wrong checksum: {archive}; delete it and fetch the data again")
        if folder.is_dir() and (path := _unlike(archive, folder)):
            raise Mistake(f"{path} is not what {archive.name} holds; delete {folder}")
        return True


class JpegCopy:
    """The JPEG-75 copy of CIFAR-10, which is never downloaded; its fingerprint vouches for it."""

    downloadable = False

    def place(self) -> str | None:
        """The array file or the folder of images; None when there is neither."""
        found = cifar.jpeg75_copy()
        return None if found is None else str(found)

    def fetch(self) -> None:
        """Raises ValueError, saying where the copy should be, when it is not there."""
        cifar.cifar10_jpeg75()

    def verify(self) -> bool:
        return False


class ArchiveOrJpegCopy(Archive):
    """CIFAR-10: the original, or the JPEG-75 copy in its place."""

    def place(self) -> str | None:
        return super().place() or JpegCopy().place()


class TinyImageNet:
    """A part of Tiny ImageNet, never downloaded: its authors give no checksum."""

    downloadable = False

    def __init__(self, name: str):
        self.name = name

    def place(self) -> str | None:
        """The array file, else the unpacked folder; None when there is neither."""
        kept = tiny_imagenet.kept(self.name)
        found = kept if kept.is_file() else tiny_imagenet.place()
        return None if found is None else str(found)

    def fetch(self) -> None:
        """Raises ValueError, saying where the folder should be, when it is not there."""
        if self.place() is None:
            tiny_imagenet.source()

    def verify(self) -> bool:
        return False


Source = BuiltIn | FashionFiles | Archive | JpegCopy | TinyImageNet


def _unlike(archive: Path, folder: Path) -> Path | None:
    """The first file of the unpacked `folder` that is missing or differs from the archive's."""
    try:
        with tarfile.open(archive) as tar:
            for member in filter(tarfile.TarInfo.isfile, tar):
                path = folder.parent / member.name
                if not path.is_file() or path.read_bytes() != tar.extractfile(member).read():
                    return path
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise Mistake(f"{archive} cannot be read ({error}); delete it and fetch again") from None
    return None
