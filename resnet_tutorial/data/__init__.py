"""Data sets by name, as arrays.

`load("digits")` needs no download: scikit-learn ships the 1,797 handwritten digits, and every
chapter that trains live uses them. The other sets are looked for in the folder named by the
environment variable RESNET_TUTORIAL_DATA and downloaded into it when they are not there; without
the variable that folder is the user's cache.
"""

import numpy as np

from resnet_tutorial import names
from resnet_tutorial.data.arrays import save
from resnet_tutorial.data.cifar import cifar10, cifar10_jpeg75, cifar100
from resnet_tutorial.data.dataset import Dataset, Split
from resnet_tutorial.data.download import home
from resnet_tutorial.data.fashion import fashion_mnist
from resnet_tutorial.data.folders import folder

__all__ = ["DATASETS", "FINGERPRINTS", "Dataset", "Split", "folder", "home", "load", "save"]

TEST_SIZE = 500  # of the 1,797 digits; 1,297 remain for training
SPLIT_SEED = 0


def digits() -> Dataset:
    """1,797 real handwritten digits, 8x8, grey levels 0 to 16: 1,297 to train, 500 to test.

    The split is a fixed permutation. The writers of the training and the test digits are the same
    people, so the test error is optimistic for new writers.

    >>> digits().label, digits().image_shape
    ('digits', (1, 8, 8))
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


#: What loads each data set, by its name.
DATASETS = {
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
    "cifar10-jpeg75": cifar10_jpeg75,
    "cifar100": cifar100,
}
#: Of the data sets as they should be: what `Dataset.fingerprint` is for each.
FINGERPRINTS = {
    "digits": "529a36f9fa2a1895",
    "fashion_mnist": "a06d3266794aa014",
    "cifar10-jpeg75": "68bbfc5b79429794",
}


def load(name: str) -> Dataset:
    """The data set called `name`, or the images of a folder when `name` is "folder:PATH".

    Raises ValueError with the nearest names when there is none, or when files are not what they
    should be; ConnectionError, with the ways out, when the data can be had from no mirror.

    >>> dataset = load("digits")
    >>> dataset.train.images.shape, len(dataset.test)
    ((1297, 1, 8, 8), 500)
    """
    if isinstance(name, str) and name.startswith("folder:"):
        return folder(name.removeprefix("folder:"))
    return names.lookup(DATASETS | {"folder:PATH": folder}, name, "data set")()
