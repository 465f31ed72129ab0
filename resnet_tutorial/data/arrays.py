"""A data set as one .npz file: for images that take long to decode, or that decode differently.

Two versions of a JPEG decoder may differ in a pixel's last bit, and with it in the fingerprint of
the data; the arrays do not.
"""

import os
from pathlib import Path

import numpy as np

from resnet_tutorial import Mistake, files
from resnet_tutorial.data.dataset import Dataset, Split
from resnet_tutorial.paths import readable

ZIP = b"PK\3\4"  # how an .npz begins
PARTS = [f"{part}_{what}" for part in ("train", "test") for what in ("images", "labels")]


def save(dataset: Dataset, path: str | os.PathLike) -> None:
    """Writes images, labels and class names uncompressed, whole or not at all.

    >>> import tempfile
    >>> from resnet_tutorial import data
    >>> with tempfile.TemporaryDirectory() as place:
    ...     save(data.load("digits"), f"{place}/digits.npz")
    ...     read(f"{place}/digits.npz", "digits").fingerprint == data.load("digits").fingerprint
    True
    """
    with files.replacing(path) as file:
        np.savez(
            file,
            train_images=dataset.train.images,
            train_labels=dataset.train.labels,
            test_images=dataset.test.images,
            test_labels=dataset.test.labels,
            classes=np.array(dataset.classes),
        )


def read(path: str | os.PathLike, name: str) -> Dataset:
    """What `save` wrote, under `name`. ValueError in one line when the file is something else."""
    found = _arrays(readable(path))
    try:
        classes = found["classes"]
        if classes.ndim != 1 or classes.dtype.kind != "U":
            raise Mistake(f"classes should be names, are {classes.dtype} {classes.shape}")
        images, labels, test_images, test_labels = (found[part] for part in PARTS)
        for part in (labels, test_labels):
            if part.dtype.kind not in "iu":
                raise Mistake(f"labels should be whole numbers, are {part.dtype}")
        train = Split(images, labels.astype(np.int64))
        test = Split(test_images, test_labels.astype(np.int64))
        return Dataset(name, train, test, tuple(classes.tolist()))
    except Mistake as error:
        raise _unfit(path, error) from None


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        if (head := file.read(4)) != ZIP:
            raise _unfit(path, f"an .npz begins {ZIP}, this begins {head}")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in (*PARTS, "classes")}
        except Exception as error:  # NumPy and zipfile raise a dozen kinds on damaged bytes
            raise _unfit(path, error) from None


def _unfit(path: Path, why: object) -> Mistake:
    why = " ".join(str(why).split())[:200]
    return Mistake(
        f"{path} does not hold a data set ({why}); delete it, or write it anew with data.save"
    )
