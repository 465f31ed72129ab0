"""Any folder of images as arrays: small sets stay in memory.

Chapter: practice/own_images.
"""

import os
import warnings
from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Int64, UInt8
from tqdm import tqdm

from resnet_tutorial import Mistake
from resnet_tutorial.data import decode
from resnet_tutorial.data.dataset import Dataset, Split
from resnet_tutorial.data.decoders import CHUNK, Decoders, attempt, broken
from resnet_tutorial.data.listing import TOLD, Files, Listing, listing

BROKEN = "broken files"
FEW_BYTES = 2**26  # of files, that are decoded before worker processes would have begun


def folder(
    path: str | os.PathLike,
    size: int | None = None,
    *,
    skip_broken: bool = False,
    held_out: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """The images under `path`, all in memory: of train/CLASS and val/CLASS, of CLASS alone, of a
    CSV file with labels; see `listing` for the forms, `held_out` and `seed`.

    `size` cuts the middle square out of each image and scales it to `size` by `size` pixels;
    without it all images must have one size. When all images are grey they have one channel; grey
    images among coloured ones (ImageNet has some) are repeated in three channels, with a warning
    that counts them. Images that cannot be read are all named in one ValueError, or left out with
    `skip_broken`. Raises ValueError also when a class is empty, there is one class only, or the two
    parts have different classes. `load("folder:PATH")` streams what does not fit into memory.

    >>> folder("no_such_folder")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: expected the folders train and val ... no such folder
    """
    check_size(size)
    return resident(listing(path, held_out, seed), size, skip_broken)


def check_size(size: int | None) -> None:
    """ValueError unless `size` is a number of pixels that a side can have."""
    if size is not None and not (isinstance(size, int | np.integer) and 0 < size <= 4096):
        raise Mistake(f"size must be a whole number of pixels in 1 to 4096, got {size!r}")


def resident(found: Listing, size: int | None, skip_broken: bool) -> Dataset:
    """The pictures of a listing as arrays."""
    tell_left_out(found)
    parts, bad = [], []
    for part in (found.train, found.test):
        images, mistakes = _decode(part, size)
        parts.append(images)
        bad += mistakes
    found = settle(found, bad, skip_broken)
    images = _same_shape(found, [image for part in parts for image in part])
    border = len(found.train)
    return Dataset(
        name_of(found),
        Split(images[:border], found.train.labels, found.train.names),
        Split(images[border:], found.test.labels, found.test.names),
        found.classes,
    )


def name_of(found: Listing) -> str:
    """Not the whole path: records go from machine to machine."""
    return f"folder:{found.name}" + (f", {found.drawn}" if found.drawn else "")


def tell_left_out(found: Listing) -> None:
    """Warns of what was left out that a user may have meant to be there."""
    told = [f"{found.left_out[why]:,} {why}" for why in TOLD if found.left_out.get(why)]
    if told:
        warnings.warn(f"{found.name}: left out: {', '.join(told)}", stacklevel=4)


def settle(found: Listing, bad: Sequence[tuple[str, Mistake]], skip_broken: bool) -> Listing:
    """The listing without the pictures that are `bad`; without leave, a ValueError names them."""
    if not bad:
        return found
    total = len(found.train) + len(found.test)
    if not skip_broken:
        raise broken([mistake for _, mistake in bad], total)
    warnings.warn(f"left out {len(bad):,} of {total:,} pictures that are broken", stacklevel=4)
    return found.without({path for path, _ in bad}, BROKEN)


def attempts(files: Files, work, what: str, workers: int | None = None) -> list:
    """`work(path)` of every picture, in worker processes where that pays, or what was wrong."""
    few = files.sizes.sum() < FEW_BYTES
    paths, found = files.paths, []
    chunks = (paths[i : i + CHUNK] for i in range(0, len(paths), CHUNK))
    with (
        Decoders(0 if few else workers) as decoders,
        tqdm(total=len(paths), desc=what, unit=" images", delay=2, mininterval=1) as bar,
    ):
        for results in decoders.map(partial(attempt, work), chunks, ahead=16):
            found += results
            bar.update(len(results))
    return found


def _decode(files: Files, size: int | None) -> tuple[list[np.ndarray], list[tuple[str, Mistake]]]:
    results = attempts(files, partial(decode.picture, size=size), "images")
    pairs = list(zip(files.paths, results, strict=True))
    bad = [(path, result) for path, result in pairs if isinstance(result, Mistake)]
    return [result for result in results if not isinstance(result, Mistake)], bad


def _same_shape(found: Listing, images: list[np.ndarray]) -> UInt8[np.ndarray, "n c h w"]:
    """All images as one array; grey ones are repeated, audibly, when others have colours."""
    files = found.train.paths + found.test.paths
    for file, image in zip(files, images, strict=True):
        if image.shape[1:] != images[0].shape[1:]:
            (h, w), (first_h, first_w) = image.shape[1:], images[0].shape[1:]
            raise Mistake(
                f"{file} is {h}x{w} pixels (height x width) but {files[0]} is {first_h}x{first_w}; "
                "scale the images to one size, or pass one: data.folder(path, size=64), on the "
                "command line --size 64"
            )
    grey = [file for file, image in zip(files, images, strict=True) if len(image) == 1]
    if 0 < len(grey) < len(files):
        warnings.warn(
            f"{len(grey)} of {len(files)} images are grey, the first {grey[0]}: repeated in three "
            "channels",
            stacklevel=4,
        )
        images = [np.broadcast_to(image, (3, *image.shape[1:])) for image in images]
    return np.stack(images)


def histogram(images: UInt8[np.ndarray, "n h w c"]) -> Int64[np.ndarray, "c 256"]:
    """How often each channel has each of the 256 values."""
    channels = np.moveaxis(images, -1, 0)
    return np.stack([np.bincount(channel.ravel(), minlength=256) for channel in channels])
