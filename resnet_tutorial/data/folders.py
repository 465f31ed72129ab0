"""Any folder of images: train/CLASS/... and val/CLASS/... or test/CLASS/..."""

import os
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps
from tqdm import tqdm

from resnet_tutorial import Mistake
from resnet_tutorial.data.dataset import Dataset, Split
from resnet_tutorial.paths import expanded, readable

SUFFIXES = {
    ".bmp",
    ".gif",
    ".jfif",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
}
GREY = {"1", "L", "LA"}  # Pillow's modes


def folder(path: str | os.PathLike, size: int | None = None) -> Dataset:
    """The images under `path`/train and `path`/val (or test), a folder a class, all in memory.

    Classes are the folders of train, in alphabetical order; images may lie deeper inside. `size`
    cuts the middle square out of each image and scales it to `size` by `size` pixels; without it
    all images must have one size. When all images are grey they have one channel; grey images among
    coloured ones (ImageNet has some) are repeated in three channels, with a warning that counts
    them. Raises ValueError that names the file or folder when an image cannot be read, a class is
    empty, there is one class only, or the two parts have different classes.

    >>> folder("no_such_folder")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: expected the folders train and val ... no such folder
    """
    path = expanded(path)
    train, test = _parts(path)
    classes = _classes(train)
    if _classes(test) != classes:
        differ = sorted({*classes} ^ {*_classes(test)})
        raise Mistake(
            f"{train} and {test} have different classes: {', '.join(differ[:5])} only in one of "
            "them; give both the same class folders"
        )
    files = [[_files(part / name) for name in classes] for part in (train, test)]
    counts = [[len(images) for images in part] for part in files]
    images = _decode([file for part in files for group in part for file in group], size)
    labels = [np.repeat(np.arange(len(classes)), count) for count in counts]
    border = len(labels[0])
    return Dataset(
        f"folder:{path.resolve().name}",  # not the whole path: records go from machine to machine
        Split(images[:border], labels[0]),
        Split(images[border:], labels[1]),
        classes,
    )


def _parts(path: Path) -> tuple[Path, Path]:
    for test in ("val", "test"):
        if (path / "train").is_dir() and (path / test).is_dir():
            return path / "train", path / test
    raise Mistake(
        f"expected the folders train and val (or test) in {path}, each with one folder a class; "
        + ("not both are there" if path.is_dir() else "there is no such folder")
    )


def _classes(part: Path) -> tuple[str, ...]:
    found = sorted(p.name for p in part.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(found) < 2:
        raise Mistake(
            f"expected at least two class folders in {part}, got {len(found)}"
            + (f" ({found[0]})" if found else "")
        )
    return tuple(found)


def _files(group: Path) -> list[Path]:
    found = sorted(
        p for p in group.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
    )
    if not found:
        raise Mistake(
            f"no image in the class folder {group}; add images ({', '.join(sorted(SUFFIXES))}) or "
            "delete the folder"
        )
    return found


def _decode(files: list[Path], size: int | None) -> UInt8[np.ndarray, "n c h w"]:
    """All images as one array; grey ones are repeated, audibly, when others have colours."""
    images = [_image(file, size) for file in tqdm(files, "images", delay=2, mininterval=1)]
    for file, image in zip(files, images, strict=True):
        if image.shape[1:] != images[0].shape[1:]:
            (h, w), (first_h, first_w) = image.shape[1:], images[0].shape[1:]
            raise Mistake(
                f"{file} is {h}x{w} pixels (height x width) but {files[0]} is {first_h}x{first_w}; "
                "scale the images to one size, or pass one: data.folder(path, size=64)"
            )
    grey = [file for file, image in zip(files, images, strict=True) if len(image) == 1]
    if 0 < len(grey) < len(files):
        warnings.warn(
            f"{len(grey)} of {len(files)} images are grey, the first {grey[0]}: repeated in three "
            "channels",
            stacklevel=3,
        )
        images = [np.broadcast_to(image, (3, *image.shape[1:])) for image in images]
    return np.stack(images)


def _image(file: Path, size: int | None) -> UInt8[np.ndarray, "c h w"]:
    """One image, grey `(1, h, w)` or coloured `(3, h, w)`."""
    try:
        with Image.open(readable(file)) as image:
            if image.mode[0] in "IF":
                raise Mistake(f"its mode is {image.mode}, expected 8 bits a channel")
            image = image.convert("L" if image.mode in GREY else "RGB")
            if size is not None:
                image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
            pixels = np.asarray(image)
    except Exception as error:  # Pillow's decoders raise a dozen kinds on damaged bytes
        why = " ".join(str(error).split())[:200]
        raise Mistake(f"{file} cannot be read as an image ({why}); replace or delete it") from None
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
