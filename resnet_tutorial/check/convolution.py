"""Checkers of the exercises of scratch/convolution."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge
from resnet_tutorial.scratch import ops

Array = np.ndarray
# Shapes of x and w, stride, padding. Square and equal channels first: there a wrong kernel fits.
CONVOLUTIONS = [
    ((1, 1, 4, 4), (1, 1, 3, 3), 1, 0),
    ((2, 3, 5, 5), (3, 3, 3, 3), 1, 1),
    ((2, 2, 5, 4), (3, 2, 3, 3), 1, 1),
    ((2, 3, 5, 7), (2, 3, 3, 3), 1, 2),
    ((3, 2, 7, 7), (4, 2, 3, 3), 2, 1),
    ((2, 2, 8, 6), (3, 2, 3, 3), 2, 1),
    ((2, 2, 6, 6), (3, 2, 1, 1), 2, 0),
    ((2, 3, 8, 7), (2, 3, 2, 2), 3, 0),
]


def _arrays(*shapes: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(len(shapes[0]) + sum(shapes[0]))
    return [rng.standard_normal(shape) for shape in shapes]


def _what(x: Array, w: Array, stride: int, padding: int) -> str:
    return f"x {x.shape}, w {w.shape}, stride {stride}, padding {padding}"


def conv2d(function: Callable) -> Verdict:
    """`function(x, w, stride, padding)` returns y, without a cache."""
    cases = []
    for x_shape, w_shape, stride, padding in CONVOLUTIONS:
        x, w = _arrays(x_shape, w_shape)
        y = ops.conv2d(x, w, stride, padding)[0]
        cases.append(Case(_what(x, w, stride, padding), (x, w, stride, padding), y))
    return judge(function, cases)


def conv2d_backward(function: Callable) -> Verdict:
    """`function(dy, x, w, stride, padding)` returns dx, dw."""
    cases = []
    for x_shape, w_shape, stride, padding in CONVOLUTIONS:
        x, w = _arrays(x_shape, w_shape)
        y, cache = ops.conv2d(x, w, stride, padding)
        [dy] = _arrays(y.shape)
        expected = ops.conv2d_backward(dy, cache)
        arguments = dy, x, w, stride, padding
        hint = "the results are dx, dw"
        cases.append(Case(_what(x, w, stride, padding), arguments, expected, hint))
    return judge(function, cases)


def output_size(function: Callable) -> Verdict:
    """`function(size, kernel, stride, padding)`: the number of positions along one axis."""
    cases = []
    for size, kernel, stride, padding in [
        (5, 3, 1, 0),
        (32, 3, 1, 1),
        (32, 3, 2, 1),
        (33, 3, 2, 1),
        (34, 3, 2, 1),
        (12, 4, 3, 0),
        (224, 7, 2, 3),
        (112, 3, 2, 1),
        (9, 1, 2, 0),
        (10, 4, 3, 0),
        (3, 5, 2, 1),
    ]:
        image = np.zeros((1, 1, size, size))
        y, _ = ops.conv2d(image, np.zeros((1, 1, kernel, kernel)), stride, padding)
        what = f"size {size}, kernel {kernel}, stride {stride}, padding {padding}"
        cases.append(Case(what, (size, kernel, stride, padding), y.shape[2]))
    return judge(function, cases)


def _windows(x: Array, k: int, stride: int, padding: int) -> Array:
    """(n, c * k * k, positions): every window as a column, channel first, by plain slicing."""
    (n, c, h, w), frame = x.shape, (padding, padding)
    xp = np.pad(x, ((0, 0), (0, 0), frame, frame))
    rows, cols = (range(0, size + 2 * padding - k + 1, stride) for size in (h, w))
    columns = [xp[:, :, i : i + k, j : j + k].reshape(n, c * k * k) for i in rows for j in cols]
    return np.stack(columns, axis=-1)


def col2im(function: Callable) -> Verdict:
    """`function(columns, shape, k, stride, padding)`: the transpose of im2col, of x's `shape`."""
    cases = []
    for shape, k, stride, padding in [
        ((1, 1, 4, 4), 2, 2, 0),
        ((1, 1, 4, 4), 3, 1, 0),
        ((2, 3, 5, 4), 3, 1, 1),
        ((2, 2, 7, 8), 3, 2, 1),
        ((2, 2, 6, 6), 1, 2, 0),
    ]:
        unit = np.eye(int(np.prod(shape))).reshape(-1, *shape)
        matrix = np.array([_windows(x, k, stride, padding).ravel() for x in unit])
        [columns] = _arrays(_windows(unit[0], k, stride, padding).shape)
        expected = (matrix @ columns.ravel()).reshape(shape)
        what = f"shape {shape}, k {k}, stride {stride}, padding {padding}"
        cases.append(Case(what, (columns, shape, k, stride, padding), expected))
    return judge(function, cases)


def max_pool_backward(function: Callable) -> Verdict:
    """`function(dy, x, size, stride, padding)` returns dx; of equal values the first counts."""
    cases = []
    for shape, size, stride, padding, ties in [
        ((2, 2, 4, 4), 2, 2, 0, ""),
        ((1, 2, 5, 5), 3, 1, 0, ""),
        ((2, 2, 7, 5), 3, 2, 0, ""),
        ((2, 3, 8, 8), 3, 2, 1, ""),
        ((2, 2, 7, 7), 3, 2, 1, "with ties at 0"),
        ((2, 2, 6, 6), 2, 2, 0, "with ties, the first by rows"),
    ]:
        [x] = _arrays(shape)
        if not ties:
            x = x - 5  # all below a frame of zeros
        elif ties == "with ties at 0":
            x = np.maximum(x - 1.5, 0)
        else:
            x = np.floor(x)
        y, cache = ops.max_pool2d(x, size, stride, padding)
        [dy] = _arrays(y.shape)
        what = f"x {shape}, size {size}, stride {stride}, padding {padding}"
        what += f", {ties}" if ties else ""
        expected = ops.max_pool2d_backward(dy, cache)
        cases.append(Case(what, (dy, x, size, stride, padding), expected))
    return judge(function, cases)


def _with_holes(w: Array, dilation: int) -> Array:
    o, c, kh, kw = w.shape
    spread = np.zeros((o, c, dilation * (kh - 1) + 1, dilation * (kw - 1) + 1))
    spread[:, :, ::dilation, ::dilation] = w
    return spread


def dilated_backward(function: Callable) -> Verdict:
    """`function(dy, x, w, padding, dilation)` returns dx, dw; stride 1, taps `dilation` apart."""
    cases = []
    for x_shape, w_shape, padding, dilation in [
        ((2, 2, 5, 5), (3, 2, 3, 3), 1, 1),
        ((2, 2, 7, 7), (2, 2, 3, 3), 2, 2),
        ((1, 3, 8, 9), (2, 3, 3, 3), 0, 3),
        ((2, 2, 6, 7), (3, 2, 2, 2), 1, 2),
    ]:
        x, w = _arrays(x_shape, w_shape)
        y, cache = ops.conv2d(x, _with_holes(w, dilation), 1, padding)
        [dy] = _arrays(y.shape)
        dx, dw = ops.conv2d_backward(dy, cache)
        what = f"x {x_shape}, w {w_shape}, padding {padding}, dilation {dilation}"
        expected = dx, dw[:, :, ::dilation, ::dilation]
        cases.append(Case(what, (dy, x, w, padding, dilation), expected, "results: dx, dw"))
    return judge(function, cases)
