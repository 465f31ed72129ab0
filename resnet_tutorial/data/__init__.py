"""Data sets by name, as arrays.

`load("digits")` needs no download: scikit-learn ships the 1,797 handwritten digits, and every
chapter that trains live uses them. The other sets are looked for in the folder named by the
environment variable RESNET_TUTORIAL_DATA and downloaded into it when they are not there; without
the variable that folder is the user's cache. All are rows of the table `CATALOGUE`.
"""

from resnet_tutorial import Mistake, names
from resnet_tutorial.data import catalogue, streamed
from resnet_tutorial.data.arrays import save
from resnet_tutorial.data.dataset import Dataset, Split
from resnet_tutorial.data.folders import folder
from resnet_tutorial.data.listing import Files
from resnet_tutorial.data.streamed import Photos
from resnet_tutorial.download import home

__all__ = [
    "CATALOGUE",
    "DATASETS",
    "FINGERPRINTS",
    "Dataset",
    "Files",
    "Photos",
    "Split",
    "folder",
    "home",
    "load",
    "save",
]

#: Every data set by its name: label, loader, sizes, fingerprint, source.
CATALOGUE = catalogue.CATALOGUE
#: What loads each data set, by its name.
DATASETS = {name: entry.load for name, entry in CATALOGUE.items()}
#: Of the data sets as they should be: what `Dataset.fingerprint` is for each, where it is known.
FINGERPRINTS = {name: entry.fingerprint for name, entry in CATALOGUE.items() if entry.fingerprint}


def load(name: str, size: int | None = None, **settings) -> Dataset:
    """The data set called `name`, or the images of a folder when `name` is "folder:PATH".

    Images of a folder are arrays, as `folder` gives them, when all have one size and fit into
    1 GiB; else they are streamed from their files as `Photos`, as squares of `size` pixels, by
    default 224. `settings` are the other ones of `folder`, and `workers`.

    Raises ValueError with the nearest names when there is none, or when files are not what they
    should be; ConnectionError, with the ways out, when the data can be had from no mirror.

    >>> dataset = load("digits")
    >>> dataset.train.images.shape, len(dataset.test)
    ((1297, 1, 8, 8), 500)
    """
    if isinstance(name, str) and name.startswith("folder:"):
        return streamed.load(name.removeprefix("folder:"), size, **settings)
    found = names.lookup(DATASETS | {"folder:PATH": folder}, name, "data set")
    if size is not None or settings:
        given = ", ".join([*([] if size is None else ["size"]), *settings])
        raise Mistake(f"{name} comes as it is; leave out what is for folders of images ({given})")
    return found()
