"""How pictures in files become batches, and what is cut out of them.

Chapter: practice/own_images.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from resnet_tutorial.drawings.svg import (
    FAINT,
    INK,
    INNER,
    MUTED,
    RESIDUAL,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    Number,
    shape_text,
)
from resnet_tutorial.palette import OTHERS, PLAIN

COLORS = (RESIDUAL, PLAIN, *OTHERS)
CELLS, SHADES = 32, 12  # cells along a picture's longer side, greys that they have
Box = tuple[int, int, int, int]


def pipeline(workers: int, batch: int, shape: tuple[int, int, int]) -> Drawing:
    """Which process does what with streamed pictures, from the files to a step of the network.

    Chapter: practice/own_images.

    >>> pipeline(2, 8, (3, 32, 32)).alt.split(".")[0]
    'Files go to 2 workers, each of which opens a file, cuts a box and scales it to 32×32'
    """
    canvas, middle = Canvas(INNER), INNER / 2
    side = shape_text(shape[1:])
    _station(canvas, 0, 0, INNER, "the disk", ["files of any size"], "#ffffff")
    count = min(workers, 3)
    gap, top = 12, 78
    width = (INNER - gap * (count - 1)) / count
    for i in range(count):
        x = i * (width + gap)
        last = i == count - 1
        name = f"worker {workers if last else i + 1}" if count > 1 else "worker"
        lines = ["open, turn upright", "cut a random box", f"scale to {side}"]
        _station(canvas, x, top, width, name, lines, WEIGHTS)
        canvas.arrow(x + width / 2, 46, x + width / 2, top, INK)
        canvas.arrow(x + width / 2, top + 78, x + width / 2, top + 112, INK)
    lines = [f"stack {batch} of them: {shape_text((batch, *shape))}", "mirror, colour, normalise",
             "a step of the network"]  # fmt: skip
    _station(canvas, 0, top + 112, INNER, "the main process (or GPU)", lines, WEIGHTS, RESIDUAL)
    canvas.text(middle, top + 206, "while it takes a step, workers cut the next batches", SMALL,
                MUTED, "middle")  # fmt: skip
    canvas.height = top + 214
    who = "each of which" if workers > 1 else "which"
    return Drawing(
        canvas,
        f"Files go to {workers} worker{'s' * (workers > 1)}, {who} opens a file, cuts a box and "
        f"scales it to {side}. The main process stacks {batch} of them, mirrors, colours and "
        "normalises, and takes a step; meanwhile the next batches are cut.",
    )


def _station(
    canvas: Canvas,
    x: Number,
    y: Number,
    width: Number,
    name: str,
    lines: list[str],
    fill: str,
    color: str = INK,
) -> None:
    """A box with who works there, and what is done."""
    canvas.rect(x, y, width, 24 + 18 * len(lines), fill, color)
    canvas.text(x + width / 2, y + 13, name, SMALL, color, "middle", "700")
    for i, line in enumerate(lines):
        canvas.text(x + width / 2, y + 32 + 17 * i, line, SMALL, INK, "middle")


def cuts(picture: UInt8[np.ndarray, "h w c"], boxes: Mapping[str, Box]) -> Drawing:
    """Boxes on a picture, drawn in greys; a box is left, upper, right, lower in its pixels.

    Below stands each box's name, its sides, and the share of the picture that is in it.
    Chapter: practice/own_images.

    >>> cuts(np.zeros((100, 80, 3), np.uint8), {"the middle": (5, 15, 75, 85)}).alt
    'A picture of 80×100 pixels and boxes in it: the middle 70×70, 61 %.'
    """
    h, w = picture.shape[:2]
    canvas, scale = Canvas(INNER), min(INNER / w, 260 / h)
    left, step = (INNER - scale * w) / 2, max(h, w) / CELLS
    grey = picture.reshape(h, w, -1).mean(2)
    for i in range(round(h / step)):
        for j in range(round(w / step)):
            (y0, y1), (x0, x1) = ((int(k * step), int((k + 1) * step)) for k in (i, j))
            level = 255 - SHADES * ((255 - int(grey[y0:y1, x0:x1].mean())) // (2 * SHADES))
            side = scale * step + 0.6  # no seams
            canvas.rect(left + j * scale * step, i * scale * step, side, side,
                        f"#{level:02x}{level:02x}{level:02x}", None, 0)  # fmt: skip
    canvas.rect(left, 0, scale * w, scale * h, "none", FAINT, 0)
    said, y = [], scale * h + 18
    for (name, (x0, y0, x1, y1)), color in zip(boxes.items(), COLORS, strict=False):
        canvas.rect(left + scale * x0, scale * y0, scale * (x1 - x0), scale * (y1 - y0), "none",
                    color, 2, 2.6)  # fmt: skip
        share = f"{(x1 - x0) * (y1 - y0) / (w * h):.0%}".replace("%", " %")
        line = f"{name} {shape_text((x1 - x0, y1 - y0))}, {share}"
        canvas.rect(left, y - 5, 18, 10, "none", color, 2, 2.6)
        canvas.text(left + 26, y, line, SMALL, color)
        said.append(line)
        y += 20
    canvas.height = y - 8
    size = shape_text((w, h))
    return Drawing(canvas, f"A picture of {size} pixels and boxes in it: {'; '.join(said)}.")
