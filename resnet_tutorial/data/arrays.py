"""A data set as one .npz file: for images that take long to decode, or that decode differently.

Two versions of a JPEG decoder may differ in a pixel's last bit, and with it in the fingerprint of
the data; the arrays do not.
"""

import os
import zipfile
import zlib

import numpy as np

from resnet_tutorial import Mistake, files
from resnet_tutorial.data.dataset import Dataset, Split


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
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            train, test = (
                Split(arrays[f"{part}_images"], arrays[f"{part}_labels"].astype(np.int64))
                for part in ("train", "test")
            )
            classes = tuple(arrays["classes"].tolist())
    except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise Mistake(
            f"{path} does not hold a data set ({error}); delete it, or write it anew with data.save"
        ) from None
    return Dataset(name, train, test, classes)
