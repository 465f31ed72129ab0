"""Convolution with its numbers: the window and the columns.

Every number is computed by ``resnet_tutorial.scratch.ops``. Take small arrays of small integers:
five pixels a side, a kernel of two or three. Chapter: scratch/convolution.
"""

import numpy as np
from jaxtyping import Bool, Float

from resnet_tutorial import Mistake
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
    said_number,
)
from resnet_tutorial.scratch import ops

CELL = 26
LIGHT = "#cfe3f1"  # what is looked at
Image, Kernel = Float[np.ndarray, "h w"], Float[np.ndarray, "kh kw"]


def draw_grid(
    canvas: Canvas,
    values: Float[np.ndarray, "h w"],
    x: Number,
    y: Number,
    marked: Bool[np.ndarray, "h w"] | None = None,
    faint: Bool[np.ndarray, "h w"] | None = None,
    fill: str = "#ffffff",
) -> None:
    """Numbers in squares from the upper left corner; ``marked`` ones are looked at, ``faint`` ones
    are there only for the shape."""
    for (r, c), value in np.ndenumerate(values):
        on = marked is not None and marked[r, c]
        pale = faint is not None and faint[r, c]
        canvas.rect(x + CELL * c, y + CELL * r, CELL, CELL, LIGHT if on else fill,
                    FAINT if pale else MUTED, 0, 1, "3 3" if pale and not on else None)  # fmt: skip
        canvas.text(x + CELL * (c + 0.5), y + CELL * (r + 0.5), said_number(value),
                    SMALL, MUTED if pale else INK, "middle", "700" if on else None)  # fmt: skip


def frame(canvas: Canvas, x, y, row, column, high, wide) -> None:
    """A thick frame around some squares of a grid."""
    canvas.rect(x + CELL * column, y + CELL * row, CELL * wide, CELL * high, "none", RESIDUAL, 1,
                2.6)  # fmt: skip


def convolved(x: Image, w: Kernel, stride: int, padding: int) -> np.ndarray:
    return ops.conv2d(x[None, None], w[None, None], stride, padding)[0][0, 0]


def check_at(at: tuple[int, int], shape: tuple[int, ...]) -> None:
    if not (0 <= at[0] < shape[0] and 0 <= at[1] < shape[1]):
        raise Mistake(
            f"expected a position in the output of {shape[0]} by {shape[1]}, got {at}: "
            f"take one from (0, 0) to {(shape[0] - 1, shape[1] - 1)}"
        )


def window(
    x: Image, w: Kernel, stride: int = 1, padding: int = 0, at: tuple[int, int] = (0, 0)
) -> Drawing:
    """One window of a convolution on an image: what it covers, the kernel, and the one output.

    Padding is drawn dashed; ``at`` is the row and column of the output. Raises ValueError when the
    output has no such position, and by ``ops.conv2d``.

    >>> x, w = np.ones((4, 4)), np.ones((3, 3))
    >>> window(x, w, stride=2, padding=1, at=(1, 1)).alt.split(": ")[0]
    'A 3×3 window on a 4×4 image with padding 1 and stride 2 gives 2×2 outputs'
    """
    y = convolved(x, w, stride, padding)
    check_at(at, y.shape)
    padded = np.pad(x, padding)
    border = np.pad(np.zeros(x.shape, bool), padding, constant_values=True)
    canvas = Canvas(INNER)
    left = (INNER - CELL * (padded.shape[1] + w.shape[1]) - 40) / 2
    edge = " and padding" if padding else ""
    top = 22
    canvas.text(left, 8, f"image{edge}", SMALL, MUTED)
    covered = np.zeros(padded.shape, bool)
    r, c = stride * at[0], stride * at[1]
    covered[r : r + w.shape[0], c : c + w.shape[1]] = True
    draw_grid(canvas, padded, left, top, covered, border)
    frame(canvas, left, top, r, c, *w.shape)
    right = left + CELL * padded.shape[1] + 40
    canvas.text(right, 8, "kernel", SMALL, MUTED)
    draw_grid(canvas, w, right, top, fill=WEIGHTS)
    canvas.text(right - 20, top + CELL * w.shape[0] / 2, "·", 20, anchor="middle")
    under = top + CELL * max(padded.shape[0], w.shape[0])
    middle = left + CELL * padded.shape[1] / 2
    canvas.arrow(middle, under + 8, middle, under + 32, RESIDUAL, 1.8)
    canvas.text(middle + 14, under + 19, f"multiply and add; stride {stride}", SMALL, MUTED)
    place = np.zeros(y.shape, bool)
    place[at] = True
    out = middle - CELL * y.shape[1] / 2
    draw_grid(canvas, y, out, under + 42, place)
    frame(canvas, out, under + 42, *at, 1, 1)
    canvas.text(middle, under + 42 + CELL * y.shape[0] + 14, "output", SMALL, MUTED, "middle")
    canvas.height = under + 42 + CELL * y.shape[0] + 22
    size = "×".join(map(str, y.shape))
    alt = (
        f"A {w.shape[0]}×{w.shape[1]} window on a {x.shape[0]}×{x.shape[1]} image with padding "
        f"{padding} and stride {stride} gives {size} outputs: the one in row {at[0]}, column "
        f"{at[1]} is {y[at]:g}."
    )
    return Drawing(canvas, alt)


def im2col(
    x: Image, w: Kernel, stride: int = 1, padding: int = 0, at: tuple[int, int] = (0, 0)
) -> Drawing:
    """A convolution as one matrix product: every window a column, the kernel a row.

    The window, its column and its output at ``at`` are marked. Raises ValueError as ``window``.

    >>> im2col(np.ones((3, 3)), np.ones((2, 2))).alt[:47]
    'Each of the 4 windows becomes a column of 4 num'
    """
    y = convolved(x, w, stride, padding)
    check_at(at, y.shape)
    padded = np.pad(x, padding)
    kh, kw = w.shape
    views = np.lib.stride_tricks.sliding_window_view(padded, w.shape)[::stride, ::stride]
    columns = views.reshape(y.size, kh * kw).T
    chosen = at[0] * y.shape[1] + at[1]
    canvas, gap = Canvas(INNER), 22
    middle = INNER / 2
    left = middle - CELL * padded.shape[1] / 2
    canvas.text(left, 8, "image and padding" if padding else "image", SMALL, MUTED)
    covered = np.zeros(padded.shape, bool)
    r, c = stride * at[0], stride * at[1]
    covered[r : r + kh, c : c + kw] = True
    border = np.pad(np.zeros(x.shape, bool), padding, constant_values=True)
    draw_grid(canvas, padded, left, 22, covered, border)
    frame(canvas, left, 22, r, c, kh, kw)
    under = 22 + CELL * padded.shape[0]
    canvas.arrow(middle, under + 8, middle, under + 32, RESIDUAL, 1.8)
    canvas.text(middle + 12, under + 19, "a column for each window", SMALL, MUTED)
    # The row stands left of its products, the columns above theirs.
    top = under + 44
    kernel_at = (INNER - CELL * (kh * kw + y.size) - gap) / 2
    left = kernel_at + CELL * kh * kw + gap
    draw_grid(canvas, columns, left, top,
              np.broadcast_to(np.arange(y.size) == chosen, columns.shape))  # fmt: skip
    frame(canvas, left, top, 0, chosen, kh * kw, 1)
    end = top + CELL * kh * kw + gap
    canvas.text(kernel_at, end - 12, "kernel as a row", SMALL, MUTED)
    draw_grid(canvas, w.reshape(1, -1), kernel_at, end, fill=WEIGHTS)
    x_chosen = left + CELL * (chosen + 0.5)
    canvas.arrow(x_chosen, end - gap + 3, x_chosen, end - 2, RESIDUAL, 1.8)
    draw_grid(canvas, y.reshape(1, -1), left, end, (np.arange(y.size) == chosen)[None])
    frame(canvas, left, end, 0, chosen, 1, 1)
    said = f"row times column: the {y.shape[0]}×{y.shape[1]} outputs"
    canvas.text(left + CELL * y.size, end + CELL + 13, said, SMALL, MUTED, "end")
    canvas.height = end + CELL + 22
    alt = (
        f"Each of the {y.size} windows becomes a column of {kh * kw} numbers. The kernel, as a row "
        f"of {kh * kw}, stands left of the outputs: row times column gives each of the {y.size} "
        f"outputs. The marked window gives {y[at]:g}."
    )
    return Drawing(canvas, alt)
