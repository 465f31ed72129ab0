"""One picture of a file as bytes of pixels, whatever the camera or the program wrote.

Chapter: practice/own_images.
"""

import contextlib
import math
import os
import warnings
from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from resnet_tutorial import Mistake
from resnet_tutorial.paths import readable

GREY = {"1", "L", "LA", "La"}  # Pillow's modes
ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
ORIENTATION, ON_ITS_SIDE = 0x0112, {5, 6, 7, 8}  # EXIF
TRIES = 10  # to draw a box that fits
Box = tuple[int | float, ...]  # left, upper, right, lower, in pixels


def picture(path: str | os.PathLike, size: int | None = None) -> UInt8[np.ndarray, "c h w"]:
    """The picture in the file, grey `(1, h, w)` or coloured `(3, h, w)`, upright.

    With `size` the middle square, scaled to `size` by `size`. The rotation that EXIF asks for is
    done. What is transparent lies on white. 16 bits a channel become 8 by the factor 1/257.
    Raises ValueError that names the file when it holds no picture, a part of one, numbers that have
    no white (32 bits or floating point), or more pixels than Pillow's `Image.MAX_IMAGE_PIXELS`.

    >>> picture("no_such_file.png")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: no_such_file.png cannot be read as an image (... No such file ...
    """
    with told(path), opened(path) as image:
        scale = 1.0 if size is None else min(image.size) / size
        image = upright(image, scale)
        if size is not None:
            image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def center(path: str | os.PathLike, size: int, crop_pct: float) -> UInt8[np.ndarray, "size size 3"]:
    """Of the picture the middle square whose side is the share `crop_pct` of the shorter side.

    It is scaled to `size`: what scaling the shorter side to size / crop_pct and cutting out the
    middle gives.
    """
    with told(path), opened(path) as image:
        w, h = upright_size(image)
        side = min(w, h) * crop_pct
        left, upper = (w - side) / 2, (h - side) / 2
        return cut(image, (left, upper, left + side, upper + side), size)


def random_resized(
    path: str | os.PathLike, size: int, key: tuple[int, int], scale: tuple, ratio: tuple
) -> UInt8[np.ndarray, "size size 3"]:
    """A box drawn by `key`, scaled to `size` by `size` pixels: see `draw_box`."""
    with told(path), opened(path) as image:
        box = draw_box(*upright_size(image), np.random.default_rng(key), scale, ratio)
        return cut(image, box, size)


def draw_box(
    w: int, h: int, rng: np.random.Generator, scale: tuple, ratio: tuple
) -> tuple[int, int, int, int]:
    """A box in a picture of `w` by `h` pixels: share of its area and ratio of sides are drawn.

    The share is uniform in `scale`, the logarithm of width over height in that of `ratio`. When
    nothing fits in ten tries, as in a panorama, it is the largest box in the middle of a ratio that
    is allowed. Source: Szegedy et al. 2014, arXiv:1409.4842, section 6.

    >>> draw_box(40, 30, np.random.default_rng(0), (1.0, 1.0), (4 / 3, 4 / 3))
    (0, 0, 40, 30)
    """
    for _ in range(TRIES):
        area = w * h * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < width <= w and 0 < height <= h:
            left, upper = rng.integers(0, (w - width + 1, h - height + 1)).tolist()
            return left, upper, left + width, upper + height
    aspect = min(max(w / h, ratio[0]), ratio[1])
    width, height = min(w, round(h * aspect)), min(h, round(w / aspect))
    width, height = max(1, width), max(1, height)
    left, upper = (w - width) // 2, (h - height) // 2
    return left, upper, left + width, upper + height


def cut(image: Image.Image, box: Box, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The `box` of the picture once it is upright, scaled in one step to `size` by `size`, RGB."""
    before = upright_size(image)
    image = upright(image, min(box[2] - box[0], box[3] - box[1]) / size)
    fx, fy = image.width / before[0], image.height / before[1]
    box = (box[0] * fx, box[1] * fy, min(box[2] * fx, image.width), min(box[3] * fy, image.height))
    if box != (0, 0, size, size) or image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    return np.asarray(image.convert("RGB"))


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an opened picture once it is turned as EXIF says."""
    w, h = image.size
    return (h, w) if _orientation(image) in ON_ITS_SIDE else (w, h)


def upright(image: Image.Image, scale: float = 1.0) -> Image.Image:
    """The whole picture, turned as EXIF says, as 8 bits grey or RGB.

    A JPEG of which `scale` times fewer pixels along each side suffice is decoded with as many, or
    up to twice as many: its blocks of 8x8 pixels need not be computed in full.
    """
    if scale >= 2:
        image.draft(None, tuple(math.ceil(side / scale) for side in image.size))
    turned = _orientation(image) != 1
    if image.mode in ("RGB", "L") and "transparency" not in image.info and not turned:
        image.load()
        return image
    if turned:
        image = ImageOps.exif_transpose(image)
    return _eight_bits(image)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF is no reason to lose the picture; Pillow raises many kinds
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    # 16 bits; Pillow calls them "I", of 32, in PNG before its version 10 and in PGM.
    if image.mode.startswith("I;16") or image.mode == "I" and image.format in ("PNG", "PPM"):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode[0] in "IF":
        raise Mistake(f"its mode is {image.mode}, expected 8 or 16 bits a channel; convert it")
    mode = "L" if image.mode in GREY else "RGB"
    if image.mode in ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[Image.Image]:
    """The picture, opened and not yet decoded; one of too many pixels is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(readable(path)) as image:
                yield image
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise Mistake(
                f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels, which fill the memory; scale "
                "it down, or raise PIL.Image.MAX_IMAGE_PIXELS"
            ) from None


@contextlib.contextmanager
def told(path: str | os.PathLike) -> Iterator[None]:
    """Turns what Pillow's decoders raise on damaged bytes, a dozen kinds, into one line."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise Mistake(f"{path} cannot be read as an image ({why}); replace or delete it") from None
