"""The way back of a convolution with its numbers: stamps, spread gradient, turned kernels.

Every gradient is computed by ``resnet_tutorial.scratch.ops``. Take small arrays of small integers.
Chapter: scratch/convolution.
"""

import numpy as np
from jaxtyping import Float

from resnet_tutorial import Mistake
from resnet_tutorial.drawings.convolution import (
    CELL,
    Image,
    Kernel,
    check_at,
    convolved,
    draw_grid,
    frame,
)
from resnet_tutorial.drawings.svg import (
    INNER,
    MUTED,
    RESIDUAL,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    said_number,
)
from resnet_tutorial.scratch import ops


def stamps(dy: Image, w: Kernel, stride: int = 1) -> Drawing:
    """The gradient of a convolution with respect to its input: every dy stamps the kernel, times
    its own value, onto the pixels that it came from; the stamps are added.

    Raises ValueError by ``ops.conv2d_backward``.

    >>> drawing = stamps(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0]]))
    >>> drawing.alt
    '2 stamps of the kernel, times 1 and 2, are added to dx, 1×3 numbers: 1, 3, 2.'
    """
    side = [stride * (n - 1) + k for n, k in zip(dy.shape, w.shape, strict=True)]
    cache = ops.conv2d(np.zeros((1, 1, *side)), w[None, None], stride, 0)[1]
    parts = []
    for place in np.ndindex(dy.shape):
        one = np.zeros_like(dy)
        one[place] = dy[place]
        parts.append(ops.conv2d_backward(one[None, None], cache)[0][0, 0])
    total = ops.conv2d_backward(dy[None, None], cache)[0][0, 0]
    canvas, wide, high = Canvas(INNER), CELL * side[1], CELL * side[0]
    gap, kernel = 44, CELL * w.shape[1]
    left = (INNER - kernel - gap - CELL * dy.shape[1]) / 2
    canvas.text(left, 8, "dy", SMALL, MUTED)
    draw_grid(canvas, dy, left, 22, np.ones(dy.shape, bool))
    canvas.text(left + CELL * dy.shape[1] + gap, 8, "kernel", SMALL, MUTED)
    draw_grid(canvas, w, left + CELL * dy.shape[1] + gap, 22, fill=WEIGHTS)
    y = 22 + CELL * max(dy.shape[0], w.shape[0]) + 20
    across = max(1, min(dy.shape[1], int((INNER + 28) // (wide + 28))))
    for i, (place, part) in enumerate(zip(np.ndindex(dy.shape), parts, strict=True)):
        row, column = divmod(i, across)
        shown = min(across, len(parts) - across * row)
        x = (INNER - shown * wide - (shown - 1) * 28) / 2 + column * (wide + 28)
        top = y + row * (high + 40) + 20
        canvas.text(x, top - 11, f"{said_number(dy[place])} × kernel", SMALL, MUTED)
        on = np.zeros(part.shape, bool)
        r, c = stride * place[0], stride * place[1]
        on[r : r + w.shape[0], c : c + w.shape[1]] = True
        draw_grid(canvas, part, x, top, on, ~on)
        frame(canvas, x, top, r, c, *w.shape)
        if i:
            canvas.text(x - 14, top + high / 2, "+", 16, anchor="middle")
    y += -(-len(parts) // across) * (high + 40)
    canvas.text(INNER / 2 - wide / 2 - 16, y + 22 + high / 2, "=", 16, anchor="middle")
    canvas.text(INNER / 2 - wide / 2, y + 9, "dx, the sum", SMALL, MUTED)
    draw_grid(canvas, total, INNER / 2 - wide / 2, y + 22)
    canvas.height = y + 22 + high
    times = ", ".join(f"{v:g}" for v in dy.flat[:-1]) + f" and {dy.flat[-1]:g}"
    alt = (
        f"{dy.size} stamps of the kernel, times {times}, are added to dx, "
        f"{side[0]}×{side[1]} numbers: {', '.join(f'{v:g}' for v in total.flat)}."
    )
    return Drawing(canvas, alt)


def way_back(
    dy: Image, w: Kernel, stride: int = 1, padding: int = 0, at: tuple[int, int] = (0, 0)
) -> Drawing:
    """dx of a convolution as a convolution: dy spread with zeros for the stride and framed by
    k - 1 - padding more, times the flipped kernel, with stride 1.

    The window, and the number of dx at ``at``, are marked. For images whose last window ends at
    the last pixel, and square kernels. Raises ValueError as ``window``, and for a padding of k or
    more.

    >>> way_back(np.ones((2, 2)), np.ones((2, 2)), stride=2).alt[:58]
    'dy of 2×2, spread for stride 2 and framed by 1, is 5×5 num'
    """
    rim = w.shape[0] - 1 - padding
    if rim < 0:
        raise Mistake(f"expected a padding of at most {w.shape[0] - 1}, got {padding}: take less")
    side = [stride * (n - 1) + 1 + 2 * rim for n in dy.shape]
    wide, place = np.zeros(side), np.zeros(side, bool)
    inside = np.s_[rim : side[0] - rim : stride, rim : side[1] - rim : stride]
    wide[inside], place[inside] = dy, True
    flipped = w[::-1, ::-1]
    dx = convolved(wide, flipped, 1, 0)
    check_at(at, dx.shape)
    canvas, z_at = Canvas(INNER), INNER - CELL * side[1]
    high = CELL * side[0]
    middle = 22 + high / 2
    dy_top = middle - CELL * dy.shape[0] / 2
    canvas.text(0, dy_top - 14, "dy", SMALL, MUTED)
    draw_grid(canvas, dy, 0, dy_top, np.ones(dy.shape, bool))
    canvas.arrow(CELL * dy.shape[1] + 10, middle, z_at - 10, middle, RESIDUAL, 1.8)
    canvas.text(INNER, 8, f"spread for stride {stride}, frame {rim}", SMALL, MUTED, "end")
    draw_grid(canvas, wide, z_at, 22, place, ~place)
    frame(canvas, z_at, 22, *at, *w.shape)
    dx_at = z_at + CELL * (side[1] - dx.shape[1]) / 2
    top = 22 + high + 44
    down = dx_at + CELL * dx.shape[1] / 2
    canvas.arrow(down, 22 + high + 8, down, top - 12, RESIDUAL, 1.8)
    canvas.text(down - 12, 22 + high + 19, "multiply and add; stride 1", SMALL, MUTED, "end")
    lower = top + CELL * (dx.shape[0] - w.shape[0]) / 2
    turned_at = CELL * w.shape[1] + 36
    canvas.text(0, lower - 14, "kernel", SMALL, MUTED)
    draw_grid(canvas, w, 0, lower, fill=WEIGHTS)
    canvas.arrow(turned_at - 29, lower + CELL * w.shape[0] / 2, turned_at - 7,
                 lower + CELL * w.shape[0] / 2, RESIDUAL, 1.8)  # fmt: skip
    canvas.text(turned_at, lower - 14, "flipped", SMALL, MUTED)
    draw_grid(canvas, flipped, turned_at, lower, fill=WEIGHTS)
    level, across = lower + CELL * w.shape[0] / 2, turned_at + CELL * w.shape[1]
    canvas.line(across + 7, level, across + 16, level, RESIDUAL, 1.8)
    canvas.arrow(across + 16, level, across + 16, 22 + high + 30, RESIDUAL, 1.8)
    spot = np.zeros(dx.shape, bool)
    spot[at] = True
    draw_grid(canvas, dx, dx_at, top, spot)
    frame(canvas, dx_at, top, *at, 1, 1)
    canvas.text(down, top + CELL * dx.shape[0] + 14, "dx", SMALL, MUTED, "middle")
    canvas.height = top + CELL * dx.shape[0] + 22
    alt = (
        f"dy of {dy.shape[0]}×{dy.shape[1]}, spread for stride {stride} and framed by {rim}, is "
        f"{side[0]}×{side[1]} numbers. Windows on it times the flipped kernel give dx, "
        f"{dx.shape[0]}×{dx.shape[1]} numbers; the marked one is {dx[at]:g}."
    )
    return Drawing(canvas, alt)


def kernels_back(w: Float[np.ndarray, "o c k k"]) -> Drawing:
    """The kernels of a convolution, a row an output and a column an input channel, and those of
    its way back: each flipped, and rows and columns exchanged. At most two channels and 2x2.

    >>> kernels_back(np.arange(8.0).reshape(2, 1, 2, 2)).alt.split(". ")[1]
    'On the way back 1 rows of 2 kernels, each flipped.'
    """
    back = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    canvas, step = Canvas(INNER), CELL * w.shape[2] + 12
    top, x = 62, 28
    highest = max(w.shape[:2])
    for title, kernels, letters in (("forward", w, "yx"), ("back", back, "xy")):
        rows, columns = kernels.shape[:2]
        start = top + (highest - rows) * step / 2
        canvas.text(x, 8, title, SMALL, RESIDUAL, weight="700")
        for c in range(columns):
            name = f"{'d' if title == 'back' else ''}{letters[1]}{c}"
            canvas.text(x + step * c + step / 2 - 6, start - 14, name, SMALL, MUTED, "middle")
        for r in range(rows):
            name = f"{'d' if title == 'back' else ''}{letters[0]}{r}"
            canvas.text(x - 8, start + step * r + step / 2 - 6, name, SMALL, MUTED, "end")
            for c in range(columns):
                draw_grid(canvas, kernels[r, c], x + step * c, start + step * r, fill=WEIGHTS)
        if title == "forward":
            middle = top + highest * step / 2 - 6
            end = x + step * columns
            canvas.arrow(end - 6, middle, end + 20, middle, RESIDUAL, 1.8)
            x = end + 20 + 40
    canvas.width, canvas.height = x + step * back.shape[1] - 12, top + highest * step - 12
    alt = (
        f"Forward {w.shape[0]} rows of {w.shape[1]} kernels, a row an output channel. On the way "
        f"back {w.shape[1]} rows of {w.shape[0]} kernels, each flipped."
    )
    return Drawing(canvas, alt)
