"""The weights that torchvision publishes for ImageNet: addresses, checksums, normalisation.

Chapter: pytorch/weight_files.
"""

import os
from pathlib import Path

import numpy as np

from resnet_tutorial import download
from resnet_tutorial.download import Remote
from resnet_tutorial.inputs import Inputs

FOLDER = "weights"  # of `download.home()`
MIRROR = "https://download.pytorch.org/models/"
# The name of a published file ends with the first eight hex digits of its sha256. The sizes are
# those of the tensors; what a file has more is less than `SLACK` of it.
FILES = {
    "resnet18": ("resnet18-f37072fd.pth", 46_796_448),
    "resnet34": ("resnet34-b627a593.pth", 87_258_784),
    "resnet50": ("resnet50-0676ba61.pth", 102_440_608),
    "resnet101": ("resnet101-63fe2227.pth", 178_618_016),
    "resnet152": ("resnet152-394f9c45.pth", 241_376_928),
}
SLACK = 1.02
CLASSES = 1000
#: Per channel, of pixels in 0 to 1: what all of these networks were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _remote(model: str) -> Remote:
    """Where the published weights of the network called `model` come from.

    >>> _remote("resnet18").sha256, _remote("resnet18").file
    ('f37072fd', 'weights/resnet18-f37072fd.pth')
    """
    name, tensors = FILES[model]
    digits = Path(name).stem.partition("-")[2]
    ways = "or begin with new weights"
    return Remote(f"{FOLDER}/{name}", digits, int(SLACK * tensors), (MIRROR + name,), ways)


def fetch(model: str) -> Path:
    """The file of published weights of `model`, downloaded unless it lies here.

    It is looked for in the folder `weights` of `data.home()`, then where torchvision keeps its
    downloads. Raises ConnectionError, which says what to put where, when it cannot be had.

    >>> fetch("resnet18").name  # doctest: +SKIP
    'resnet18-f37072fd.pth'
    """
    source = _remote(model)
    cache = os.environ.get("TORCH_HOME") or Path.home() / ".cache" / "torch"
    kept = Path(cache, "hub", "checkpoints", Path(source.file).name)
    if kept.is_file() and download.sha256(kept).startswith(source.sha256):
        return kept
    return download.fetch(source)


def inputs() -> Inputs:
    """How pictures become the input of these networks; the classes are numbers, "0" to "999".

    A picture's shorter side is scaled to 256 pixels and the middle 224 x 224 are taken, which is
    the middle 224 / 256 of it at once.

    >>> inputs().words()
    'mean 123.7, 116.3, 103.5, deviation 58.4, 57.12, 57.38 of pixels in 0 to 255'
    """
    mean, std = (np.float32(255 * np.array(v)[:, None, None]) for v in (MEAN, STD))
    classes = tuple(map(str, range(CLASSES)))
    return Inputs(classes, mean, std, (3, 224, 224), crop_pct=224 / 256)
