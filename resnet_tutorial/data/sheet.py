"""Contact sheets: many small pictures in one, with their names.

Chapter: practice/own_images.
"""

import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from resnet_tutorial import files
from resnet_tutorial.data import decode
from resnet_tutorial.data.listing import Listing
from resnet_tutorial.paths import expanded

SIDE, GAP, LINE = 96, 4, 18  # pixels: of a picture, between pictures, of a line of text
LEAST_WIDTH = 200  # for the titles
COLUMNS, MOST_ROWS = 10, 60
Rows = Sequence[tuple[str, Sequence[np.ndarray]]]


def of_listing(found: Listing, side: int = SIDE) -> Rows:
    """Of each class, at most 60, ten training pictures evenly spread, each as a square."""
    rows = []
    for label, name in enumerate(found.classes[:MOST_ROWS]):
        mine = found.train.take(found.train.labels == label)
        chosen = np.unique(np.linspace(0, len(mine) - 1, COLUMNS).round().astype(int))
        paths = mine.take(chosen).paths
        rows.append((f"{name} ({len(mine)})", [decode.center(path, side, 1.0) for path in paths]))
    return rows


def save(rows: Rows, path: str | os.PathLike) -> None:
    """Writes rows of pictures `(h, w, 3)` or `(h, w, 1)`, a title above each, as a PNG file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     save([("black", [np.zeros((8, 8, 3), np.uint8)] * 2)], f"{place}/sheet.png")
    ...     with Image.open(f"{place}/sheet.png") as image:
    ...         image.size
    (200, 34)
    """
    with files.replacing(expanded(path)) as file:
        Image.fromarray(drawn(rows)).save(file, format="PNG")


def drawn(rows: Rows) -> UInt8[np.ndarray, "height width 3"]:
    """The sheet as an array."""
    h = max(picture.shape[0] for _, pictures in rows for picture in pictures)
    w = max(picture.shape[1] for _, pictures in rows for picture in pictures)
    columns, step = max(len(pictures) for _, pictures in rows), h + LINE + 2 * GAP
    width = max(GAP + columns * (w + GAP), LEAST_WIDTH)
    sheet = Image.new("RGB", (width, step * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (title, pictures) in enumerate(rows):
        _write(draw, (GAP, i * step + 2), title)
        for j, picture in enumerate(pictures):
            tile = Image.fromarray(np.broadcast_to(picture, (*picture.shape[:2], 3)).copy())
            sheet.paste(tile, (GAP + j * (w + GAP), i * step + LINE + GAP))
    return np.asarray(sheet)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str) -> None:
    try:
        draw.text(place, text, "black", ImageFont.load_default(13))
    except (TypeError, OSError, ImportError):  # Pillow before 10.1, or without FreeType: Latin only
        draw.text(place, text.encode("ascii", "replace").decode(), "black")
