"""Tiny ImageNet at 32x32, in two parts: 150 classes to learn features from, 50 others to use them.

Tiny ImageNet (Stanford, CS231n) has 200 of ImageNet's classes, 500 training and 50 labelled
validation pictures each, 64x64. Here each 2x2 square of pixels is averaged: a quarter of the work.
The validation pictures are the test set. Chapter: practice/fine_tuning.
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from tqdm import tqdm

from resnet_tutorial import Mistake
from resnet_tutorial.data import arrays
from resnet_tutorial.data.dataset import Dataset, Split
from resnet_tutorial.download import home
from resnet_tutorial.paths import readable

FOLDER = "tiny-imagenet-200"
ADDRESS = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
SPLIT_SEED, TARGETS = 0, 50  # draws the 50 classes of the second part
PICTURES = (500, 50)  # of each class, to train and to test
SHAPE = (3, 32, 32)
MOST_TEXT = 10_000_000  # bytes that are read of a list


def source() -> Dataset:
    """The 150 classes to pretrain on: 75,000 training and 7,500 test pictures, 3x32x32."""
    return _part("tiny-imagenet-150", slice(TARGETS, None))


def target() -> Dataset:
    """The 50 classes that pretraining does not see: 25,000 training and 2,500 test pictures."""
    return _part("tiny-imagenet-50", slice(TARGETS))


def place() -> Path | None:
    """The unpacked folder in `home()`, or in a folder there; None when there is none."""
    found = [home() / FOLDER, *sorted(home().glob(f"*/{FOLDER}"))]
    return next((path for path in found if (path / "wnids.txt").is_file()), None)


def kept(name: str) -> Path:
    """The array file that `name` is kept in once it is decoded."""
    return home() / f"{name}-32x32.npz"


def _part(name: str, some: slice) -> Dataset:
    """Classes `some` of the permutation of all by `SPLIT_SEED`, from the array file if there."""
    if kept(name).is_file():
        return arrays.read(kept(name), name)
    if (folder := place()) is None:
        raise Mistake(
            f"no folder {FOLDER} in {home()}; fetch {ADDRESS} (248 MB), unpack it there, or set "
            "RESNET_TUTORIAL_DATA to where it is"
        )
    dataset = decoded(folder, name, some)
    for split, each in zip((dataset.train, dataset.test), PICTURES, strict=True):
        if (np.bincount(split.labels, minlength=len(dataset.classes)) != each).any():
            raise Mistake(f"{folder} does not hold {each} pictures a class; unpack {ADDRESS} anew")
    try:
        arrays.save(dataset, kept(name))
    except OSError:
        pass  # a folder that cannot be written to: decoded again the next time
    return dataset


def decoded(folder: Path, name: str, some: slice) -> Dataset:
    """The pictures of the classes `some`, from the JPEG files below `folder`.

    Raises ValueError that names the file when one is missing or damaged.
    """
    ids = sorted(line[0] for line in _lines(folder / "wnids.txt"))
    chosen = [ids[i] for i in sorted(np.random.default_rng(SPLIT_SEED).permutation(len(ids))[some])]
    words = {line[0]: line[1].split(",")[0] for line in _lines(folder / "words.txt")}
    number = {wnid: i for i, wnid in enumerate(chosen)}
    train = [
        (path, number[wnid])
        for wnid in chosen
        for path in sorted((folder / "train" / wnid / "images").glob("*.JPEG"))
    ]
    test = [
        (folder / "val" / "images" / line[0], number[line[1]])
        for line in _lines(folder / "val" / "val_annotations.txt")
        if line[1] in number
    ]
    classes = tuple(words.get(wnid, wnid) for wnid in chosen)
    return Dataset(name, _split(train, folder), _split(test, folder), classes)


def _lines(path: Path) -> list[list[str]]:
    """The lines of a list, each cut at its tabulators."""
    with readable(path).open("rb") as file:
        text = file.read(MOST_TEXT).decode("utf-8", "replace")
    return [line.split("\t") for line in text.splitlines() if line]


def _split(files: list[tuple[Path, int]], folder: Path) -> Split:
    if not files:
        raise Mistake(f"{folder} has no pictures of these classes; unpack {ADDRESS} anew")
    images = np.empty((len(files), *SHAPE), np.uint8)
    for i, (path, _) in enumerate(tqdm(files, "pictures", delay=2, mininterval=1)):
        images[i] = _image(path)
    return Split(images, np.array([label for _, label in files], np.int64))


def _image(path: Path) -> UInt8[np.ndarray, "3 32 32"]:
    """One picture: grey ones get three equal channels, squares of 2x2 pixels are averaged."""
    try:
        with Image.open(readable(path)) as image:
            small = image.convert("RGB").reduce(2)
            if small.size != SHAPE[1:]:
                raise Mistake(f"it has {image.size} pixels, expected (64, 64)")
            return np.asarray(small).transpose(2, 0, 1)
    except Exception as error:  # Pillow's decoders raise a dozen kinds on damaged bytes
        why = " ".join(str(error).split())[:200]
        raise Mistake(f"{path} cannot be read ({why}); unpack {ADDRESS} anew") from None
