"""The operations of a residual network, gradients by hand. Chapter: scratch/residual_block.

One rule for all: ``y, cache = op(x, ...)`` computes, and ``op_backward(dy, cache)`` returns
one gradient for each array argument, in argument order. dx is dL/dx and has the shape of x. The
precision of the input is the precision of the output. Images are (n, c, h, w); the convolution
returns them with another order in memory, see ``_correlate``, which no other operation notices.

Every function raises ValueError, naming what it expected and what came, for shapes that do not fit
and for arrays that are not float32 or float64: images of integers are to be converted before.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from resnet_tutorial.scratch.normalization import (
    BatchNormCache,
    batch_norm,
    batch_norm_backward,
    batch_norm_eval,
    batch_norm_eval_backward,
)
from resnet_tutorial.scratch.shapes import (
    require,
    require_array,
    require_fit,
    require_floats,
    require_gradient,
    require_images,
    require_whole,
)

__all__ = [
    "conv2d",
    "conv2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_eval",
    "batch_norm_eval_backward",
    "BatchNormCache",
    "relu",
    "relu_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "global_avg_pool",
    "global_avg_pool_backward",
    "linear",
    "linear_backward",
    "cross_entropy",
    "cross_entropy_backward",
]

Array = np.ndarray

# ---- convolution -------------------------------------------------------------------------------
#
# One pixel of a whole batch is a (c, n) matrix. Stored as (h, w, c, n), the kw neighbouring pixels
# under one kernel row follow each other in memory, so that they already are one (kw*c, n) matrix.
# A kernel row is (o, kw*c): one matrix product for each output pixel, and no window is copied.


def _rows(xp: Float[Array, "h w c n"], kh: int, kw: int, stride: int) -> Array:
    """What each kernel row sees, (kh, h_out, w_out, kw*c, n): a view of ``xp``, not a copy."""
    windows = sliding_window_view(xp, (kh, kw), axis=(0, 1))[::stride, ::stride]
    h, w, c, n = windows.shape[:4]
    return windows.transpose(4, 0, 1, 5, 2, 3).reshape(kh, h, w, kw * c, n)


def _correlate(
    xp: Float[Array, "h w c n"], w: Float[Array, "o c kh kw"], stride: int = 1
) -> Float[Array, "n o h2 w2"]:
    o, c, kh, kw = w.shape
    w_rows = w.transpose(2, 0, 3, 1).reshape(kh, o, kw * c)
    rows = _rows(xp, kh, kw, stride)
    y = w_rows[0] @ rows[0]
    for i in range(1, kh):
        y += w_rows[i] @ rows[i]
    return y.transpose(3, 2, 0, 1)


def conv2d(
    x: Float[Array, "n c h w"], w: Float[Array, "o c_w kh kw"], stride: int = 1, padding: int = 0
) -> tuple[Float[Array, "n o h2 w2"], tuple]:
    """What deep learning calls convolution: slide the kernel, unflipped, and take inner products.

    y[n, o, i, j] = sum over c, a, b of w[o, c, a, b] * xp[n, c, stride*i + a, stride*j + b], with
    xp the image framed by ``padding`` zeros. There is no bias: batch norm would remove it.
    Chapter: scratch/convolution.

    >>> x, w = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))
    >>> y, cache = conv2d(x, w, padding=1)
    >>> y[0, 0].tolist()  # how many pixels each window sees
    [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]
    """
    require_images(x)
    require_floats(w=w)
    require(w.ndim == 4, f"w must be (out, in, kh, kw), got an array of shape {w.shape}")
    require(x.shape[1] == w.shape[1], f"x has {x.shape[1]} channels, w expects {w.shape[1]}")
    require_fit(x.shape[2:], w.shape[2:], stride, padding)
    n, c, height, width = x.shape
    xp = np.zeros((height + 2 * padding, width + 2 * padding, c, n), x.dtype)
    xp[padding : padding + height, padding : padding + width] = x.transpose(2, 3, 1, 0)
    y = _correlate(xp, w, stride)
    return y, (xp, w, stride, padding, y.shape)


def conv2d_backward(dy: Float[Array, "n o h2 w2"], cache: tuple) -> tuple[Array, Array]:
    """dw correlates the image with dy; dx convolves dy with the flipped kernel, o and c swapped.

    >>> y, cache = conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2)), stride=2)
    >>> dx, dw = conv2d_backward(np.ones_like(y), cache)
    >>> dx.shape, dw.tolist()
    ((1, 1, 4, 4), [[[[4.0, 4.0], [4.0, 4.0]]]])
    """
    xp, w, stride, padding, shape = cache
    require_gradient(dy, shape)
    dy = dy.transpose(2, 3, 1, 0)  # (h_out, w_out, o, n)
    h_out, w_out, o, n = dy.shape
    c, kh, kw = w.shape[1:]

    rows = _rows(xp, kh, kw, stride).swapaxes(-1, -2)
    dw = np.stack([(dy @ row).sum(axis=(0, 1)) for row in rows])
    dw = dw.reshape(kh, o, kw, c).transpose(1, 3, 0, 2)

    # Undo the stride with zeros between the pixels of dy, and frame them so that each pixel of
    # the padded image meets every kernel position that saw it; then leave the padding out.
    height, width = xp.shape[0] + kh - 1, xp.shape[1] + kw - 1
    spread = np.zeros((height, width, o, n), dy.dtype)
    spread[kh - 1 :: stride, kw - 1 :: stride][:h_out, :w_out] = dy
    spread = spread[padding : height - padding, padding : width - padding]
    dx = _correlate(spread, w[:, :, ::-1, ::-1].swapaxes(0, 1))
    return dx, dw


# ---- the others --------------------------------------------------------------------------------


def relu(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Array]:
    """max(x, 0); its gradient at 0 is taken to be 0.

    >>> y, cache = relu(np.array([-1.0, 0.0, 2.0]))
    >>> y.tolist(), relu_backward(np.ones(3), cache).tolist()
    ([0.0, 0.0, 2.0], [0.0, 0.0, 1.0])
    """
    require_floats(x=x)
    return np.maximum(x, 0), x


def relu_backward(dy: Float[Array, "..."], x: Float[Array, "..."]) -> Float[Array, "..."]:
    """dx = dy where x was positive, else 0; its cache is x itself."""
    require_gradient(dy, x.shape)
    return dy * (x > 0)


def max_pool2d(
    x: Float[Array, "n c h w"], size: int, stride: int | None = None, padding: int = 0
) -> tuple[Float[Array, "n c h2 w2"], tuple]:
    """The largest value of each size x size window, framed by -inf; ``stride`` is ``size`` if None.

    Windows may overlap. Of equal values the first in reading order counts, as in PyTorch.

    >>> y, cache = max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), size=2)
    >>> y[0, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    >>> max_pool2d_backward(np.ones_like(y), cache)[0, 0, 1].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    require_images(x)
    require_whole(1, size=size)
    stride = size if stride is None else stride
    require_fit(x.shape[2:], (size, size), stride, padding)
    require(2 * padding <= size, f"padding must be at most half of size {size}, got {padding}")
    n, c, height, width = x.shape
    xp = np.full_like(x, -np.inf, shape=(n, c, height + 2 * padding, width + 2 * padding))
    xp[:, :, padding : padding + height, padding : padding + width] = x
    y = _seen(xp, 0, size, stride)
    winner = np.zeros_like(y, dtype=np.int32)
    for position in range(1, size * size):
        seen = _seen(xp, position, size, stride)
        winner[seen > y] = position
        y = np.maximum(y, seen)
    return y, (winner, xp.shape, size, stride, padding)


def _seen(xp: Float[Array, "n c h w"], position: int, size: int, stride: int) -> Array:
    """The pixel that each size x size window has at ``position``, in reading order: a view."""
    i, j = divmod(position, size)
    height, width = xp.shape[2] - size + 1, xp.shape[3] - size + 1
    return xp[:, :, i : i + height : stride, j : j + width : stride]


def max_pool2d_backward(dy: Float[Array, "n c h2 w2"], cache: tuple) -> Float[Array, "n c h w"]:
    """Each dy goes to the pixel that won its window; a pixel that won several gets their sum."""
    winner, shape, size, stride, padding = cache
    require_gradient(dy, winner.shape)
    dxp = np.zeros_like(dy, shape=shape)
    for position in range(size * size):
        seen = _seen(dxp, position, size, stride)
        seen += dy * (winner == position)
    height, width = shape[2:]
    return dxp[:, :, padding : height - padding, padding : width - padding]


def global_avg_pool(x: Float[Array, "n c h w"]) -> tuple[Float[Array, "n c"], Array]:
    """The mean of each feature map.

    >>> y, cache = global_avg_pool(np.arange(8.0).reshape(1, 2, 2, 2))
    >>> y.tolist(), float(global_avg_pool_backward(np.ones((1, 2)), cache)[0, 0, 0, 0])
    ([[1.5, 5.5]], 0.25)
    """
    require_images(x)
    return x.mean(axis=(2, 3)), x


def global_avg_pool_backward(dy: Float[Array, "n c"], x: Array) -> Float[Array, "n c h w"]:
    """Each pixel of a feature map gets an equal share of the gradient of its mean."""
    require_gradient(dy, x.shape[:2])
    dx = np.empty_like(x)  # has x's order in memory, and so keeps the backward pass in it
    dx[...] = dy[:, :, None, None] / (x.shape[2] * x.shape[3])
    return dx


def linear(
    x: Float[Array, "n d"], w: Float[Array, "k d_w"], b: Float[Array, " k_b"]
) -> tuple[Float[Array, "n k"], tuple]:
    """y = x w^T + b, with w stored (outputs, inputs) as in PyTorch.

    >>> y, cache = linear(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]), np.zeros(2))
    >>> y.tolist(), [g.tolist() for g in linear_backward(np.ones((1, 2)), cache)]
    ([[1.0, 5.0]], [[[4.0, 1.0]], [[1.0, 2.0], [1.0, 2.0]], [1.0, 1.0]])
    """
    require_floats(x=x, w=w, b=b)
    require(x.ndim == 2 and w.ndim == 2, f"x and w must be matrices, got {x.shape} and {w.shape}")
    require(x.shape[1] == w.shape[1], f"x has {x.shape[1]} features, w expects {w.shape[1]}")
    require(b.shape == w.shape[:1], f"w has {w.shape[0]} outputs, b is {b.shape}")
    return x @ w.T + b, (x, w)


def linear_backward(dy: Float[Array, "n k"], cache: tuple) -> tuple[Array, Array, Array]:
    """dx = dy w, dw = dy^T x, and db the sum of dy over the batch."""
    x, w = cache
    require_gradient(dy, (len(x), len(w)))
    return dy @ w, dy.T @ x, dy.sum(axis=0)


def cross_entropy(
    logits: Float[Array, "n k"], labels: Int[Array, " n_labels"]
) -> tuple[float, tuple[Array, Array]]:
    """-log softmax(logits)[label], averaged over the batch; no overflow for large logits.

    >>> loss, cache = cross_entropy(np.zeros((1, 4)), np.array([2]))
    >>> round(loss, 3), cross_entropy_backward(1.0, cache).tolist()  # ln 4, p - y
    (1.386, [[0.25, 0.25, -0.75, 0.25]])
    """
    require_floats(logits=logits)
    require_array(labels=labels)
    require(logits.ndim == 2, f"expected logits (n, classes), got an array of {logits.shape}")
    n, classes = logits.shape
    require(n > 0 and classes > 0, f"the mean of no loss: logits have the shape {logits.shape}")
    integer = np.issubdtype(labels.dtype, np.integer)
    require(integer, f"labels must be integers, got {labels.dtype}: use labels.astype(int)")
    require(labels.shape == (n,), f"expected one label for each of {n} rows, got {labels.shape}")
    low, high = int(labels.min()), int(labels.max())
    require(0 <= low and high < classes, f"labels must be 0..{classes - 1}, got {low}..{high}")
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_p[np.arange(n), labels].mean()), (log_p, labels)


def cross_entropy_backward(dloss: float, cache: tuple[Array, Array]) -> Float[Array, "n k"]:
    """(p - y) / n: the probabilities less the one-hot labels."""
    require(np.isrealobj(dloss) and np.ndim(dloss) == 0, f"dloss must be one number, got {dloss!r}")
    log_p, labels = cache
    dlogits = np.exp(log_p)
    dlogits[np.arange(len(labels)), labels] -= 1
    return dlogits * (float(dloss) / len(labels))  # a NumPy scalar would set the precision
