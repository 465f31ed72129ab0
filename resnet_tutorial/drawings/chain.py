"""Layers in a row, forward and backward, and what pooling does to both directions.

Chapters: scratch/small_layers, scratch/numpy_resnet.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from resnet_tutorial.drawings.convolution import CELL, draw_grid
from resnet_tutorial.drawings.svg import (
    INK,
    INNER,
    MUTED,
    RESIDUAL,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    said_number,
    shape_text,
)
from resnet_tutorial.palette import PLAIN
from resnet_tutorial.scratch import ops
from resnet_tutorial.scratch.layer import Layer

STEP = 42  # between two boxes


def chain(layers: Sequence, x: Float[np.ndarray, "n ..."], end: str = "loss") -> Drawing:
    """NumPy layers in their order: left the arrays that go down, right the gradients that come up.

    A layer is any object with ``forward(x)`` and ``backward(dy)``. Its name is its class's, or its
    operation's; a grey one has ``params``. The arrows carry the shapes for one image of ``x``; what
    follows the last layer is called ``end``. Chapter: scratch/small_layers.

    >>> from resnet_tutorial.scratch.layers import Linear, global_avg_pool
    >>> pair = [global_avg_pool(), Linear(16, 10, np.random.default_rng(0))]
    >>> print(chain(pair, np.ones((2, 16, 4, 4))).alt)
    Forward: 16×4×4, global avg pool, 16, linear, 10, loss. Backward the same shapes come up again.
    """
    shapes, gradients, y = [x.shape], [], x
    for layer in layers:
        y = layer.forward(y)
        shapes.append(y.shape)
    dy = np.ones_like(y)
    for layer in reversed(layers):
        gradients.insert(0, dy.shape)
        dy = layer.backward(dy)
    gradients.insert(0, dy.shape)
    canvas, middle, y = Canvas(INNER), INNER / 2, 24.0
    canvas.text(middle - 62, 8, "forward", color=RESIDUAL, anchor="middle", weight="700")
    canvas.text(middle + 62, 8, "backward", color=PLAIN, anchor="middle", weight="700")
    names = [_name(layer) for layer in layers]
    for i, name in enumerate([*names, end]):
        _arrows(canvas, middle, y, shape_text(shapes[i][1:]), shape_text(gradients[i][1:]))
        weights = i < len(layers) and bool(getattr(layers[i], "params", None))
        canvas.rect(middle - 78, y + STEP - 8, 156, 26, WEIGHTS if weights else "#ffffff", INK, 3)
        canvas.text(middle, y + STEP + 5, name, anchor="middle")
        y += STEP + 24
    canvas.height = y
    steps = [text for pair in zip(shapes, [*names, end], strict=True) for text in
             (shape_text(pair[0][1:]), pair[1])]  # fmt: skip
    again = "the same shapes come up again" if shapes == gradients else "other shapes come up"
    return Drawing(canvas, f"Forward: {', '.join(steps)}. Backward {again}.")


def _name(layer: object) -> str:
    """Of the operation, where the layer only wraps one; a stride stands behind it."""
    name = getattr(getattr(layer, "op", None), "__name__", type(layer).__name__).replace("_", " ")
    stride = getattr(layer, "stride", 1)
    return name.lower() + (f", stride {stride}" if stride > 1 else "")


def _arrows(canvas: Canvas, middle, y, shape: str, gradient: str) -> None:
    """One array down and its gradient up, between two boxes."""
    canvas.arrow(middle - 62, y, middle - 62, y + STEP - 10, RESIDUAL, 1.8)
    canvas.arrow(middle + 62, y + STEP - 8, middle + 62, y + 2, PLAIN, 1.8)
    canvas.text(middle - 72, y + STEP / 2 - 6, shape, SMALL, MUTED, "end")
    canvas.text(middle + 72, y + STEP / 2 - 6, gradient, SMALL, MUTED)


def averaged(x: Float[np.ndarray, "h w"], dy: float) -> Drawing:
    """Global average pooling of one feature map, forward, and its gradient ``dy`` on the way back.

    Chapter: scratch/small_layers.

    >>> averaged(np.array([[1.0, 2.0], [4.0, 5.0]]), dy=2.0).alt
    'Forward the 4 values of a map become their mean, 3. Backward each gets 0.5 of the gradient 2.'
    """
    y, cache = ops.global_avg_pool(x[None, None])
    dx = ops.global_avg_pool_backward(np.full((1, 1), dy), cache)[0, 0]
    canvas, wide, high = Canvas(INNER), CELL * x.shape[1], CELL * x.shape[0]
    left, top = (INNER - wide - 130 - CELL) / 2, 26
    right = left + wide + 130
    for title, grid, one, color in (("forward", x, y[0, 0], RESIDUAL), ("backward", dx, dy, PLAIN)):
        canvas.text(left - 8, top - 14, title, color=color, weight="700")
        draw_grid(canvas, grid, left, top)
        draw_grid(canvas, np.full((1, 1), one), right, top + high / 2 - CELL / 2)
        a, b = left + wide + 12, right - 12
        start, stop = (a, b) if title == "forward" else (b, a)
        canvas.arrow(start, top + high / 2, stop, top + high / 2, color, 1.8)
        said = "mean" if title == "forward" else f"÷ {x.size}"
        canvas.text((a + b) / 2, top + high / 2 - 11, said, SMALL, MUTED, "middle")
        top += high + 44
    canvas.height = top - 40
    values = (said_number(v) for v in (y[0, 0], dx[0, 0], dy))
    return Drawing(canvas, "Forward the {} values of a map become their mean, {}. Backward each "
                           "gets {} of the gradient {}.".format(x.size, *values))  # fmt: skip


def picked(
    shortcut: Layer, x: Float[np.ndarray, "h w"], dy: Float[np.ndarray, "k h2 w2"]
) -> Drawing:
    """A shortcut that picks pixels of one channel and appends channels of zeros, and its transpose.

    For option A, the package's ``PadShortcut``. Chapter: scratch/residual_block.

    >>> from resnet_tutorial.scratch.blocks import PadShortcut
    >>> option_a = PadShortcut(1, 2, 2, np.random.default_rng(0))
    >>> picked(option_a, np.arange(1.0, 17).reshape(4, 4), np.arange(1.0, 9).reshape(2, 2, 2)).alt
    'Forward 4 of 16 pixels are kept and 4 zeros appended. Backward 4 of 8 gradients come back.'
    """
    y = shortcut(x[None, None])[0]
    dx = shortcut.backward(dy[None])[0, 0]
    canvas, top, left, right = Canvas(INNER), 26.0, 60, 60 + CELL * x.shape[1] + 90
    each = CELL * y.shape[1] + 8
    tall = max(CELL * len(x), each * len(y) - 8)
    for title, one, many, color in (
        ("forward: S", x, y, RESIDUAL),
        ("backward: Sᵀ", dx, dy, PLAIN),
    ):
        canvas.text(left, top - 14, title, color=color, weight="700")
        middle = top + tall / 2
        draw_grid(canvas, one, left, middle - CELL * len(x) / 2, marked=dx != 0)
        for i, channel in enumerate(many):
            kept = np.full(channel.shape, i == 0)
            place = middle - (each * len(y) - 8) / 2 + i * each
            draw_grid(canvas, channel, right, place, marked=kept, faint=~kept)
        ends = (right - 76, right - 14)
        start, stop = ends if one is x else ends[::-1]
        canvas.arrow(start, middle, stop, middle, color, 1.8)
        top += tall + 44
    canvas.height = top - 40
    alt = (
        f"Forward {y[0].size} of {x.size} pixels are kept and {y[1:].size} zeros appended. "
        f"Backward {np.count_nonzero(dx)} of {dy.size} gradients come back."
    )
    return Drawing(canvas, alt)


def blame(z: Float[np.ndarray, " k"], true: int) -> Drawing:
    """Scores, their softmax p, the truth t and the gradient p - t, one bar for each class.

    Chapter: scratch/small_layers.

    >>> blame(np.log([1.0, 2.0, 3.0]), true=2).alt
    'Class 1: p = 0.17, gradient +0.17. Class 2: p = 0.33, gradient +0.33. Class 3: p = 0.50, \
gradient -0.50.'
    """
    _, cache = ops.cross_entropy(z[None], np.array([true]))
    gradient = ops.cross_entropy_backward(1.0, cache)[0]
    t = np.eye(len(z))[true]
    canvas, unit = Canvas(INNER), 44  # pixels for 1, in all three columns
    columns = (("p", t + gradient, 20), ("t", t, 112), ("p − t", gradient, 248))
    for title, values, zero in columns:
        signed = title == "p − t"
        canvas.text(zero + (0 if signed else unit / 2), 8, title,
                    anchor="middle", weight="700", style="italic")  # fmt: skip
        for i, value in enumerate(values):
            color = PLAIN if value < 0 else RESIDUAL
            start = zero + unit * min(value, 0)
            canvas.rect(start, 24 + 26 * i, unit * abs(value), 12, color, None, 0)
            said = f"{value:+.2f}".replace("-", "−") if signed else f"{value:.2f}"
            canvas.text(zero + unit + 6, 34 + 26 * i, said, SMALL, MUTED)
        canvas.line(zero, 20, zero, 40 + 26 * (len(z) - 1), MUTED, 1)
    for i in range(len(z)):
        canvas.text(0, 34 + 26 * i, f"{i + 1}", weight="700" if i == true else None)
    canvas.height = 30 + 26 * len(z) - 4
    said = (f"Class {i + 1}: p = {p:.2f}, gradient {g:+.2f}." for i, (p, g) in
            enumerate(zip(t + gradient, gradient, strict=True)))  # fmt: skip
    return Drawing(canvas, " ".join(said))
