"""The operations of a residual network, gradients by hand. Chapter: scratch/residual_block.

One rule for all: ``y, cache = op(x, ...)`` computes, and ``op_backward(dy, cache)`` returns
one gradient for each array argument, in argument order. dx is dL/dx and has the shape of x. The
precision of the input is the precision of the output. Images are (n, c, h, w); the convolution
returns them with another order in memory, see ``_correlate``, which no other operation notices.

Every function raises ValueError, naming what it expected and what came, for shapes that do not fit.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_images(x: Array) -> None:
    _require(x.ndim == 4, f"expected images (n, c, h, w), got an array of shape {x.shape}")


def _require_gradient(dy: Array, shape: tuple[int, ...]) -> None:
    # NumPy would broadcast a gradient of the wrong shape and return a wrong answer.
    _require(dy.shape == shape, f"dy must have the shape of the output, {shape}, got {dy.shape}")


def _require_fit(image: tuple[int, int], kernel: tuple[int, int], stride: int, padding: int):
    _require(
        stride >= 1 and padding >= 0,
        f"stride must be at least 1 and padding at least 0, got {stride} and {padding}",
    )
    padded = tuple(size + 2 * padding for size in image)
    _require(
        padded[0] >= kernel[0] and padded[1] >= kernel[1],
        f"the image with its padding, {padded}, is smaller than the kernel, {kernel}",
    )


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
    """
    _require_images(x)
    _require(w.ndim == 4, f"w must be (out, in, kh, kw), got an array of shape {w.shape}")
    _require(x.shape[1] == w.shape[1], f"x has {x.shape[1]} channels, w expects {w.shape[1]}")
    _require_fit(x.shape[2:], w.shape[2:], stride, padding)
    n, c, height, width = x.shape
    xp = np.zeros((height + 2 * padding, width + 2 * padding, c, n), x.dtype)
    xp[padding : padding + height, padding : padding + width] = x.transpose(2, 3, 1, 0)
    y = _correlate(xp, w, stride)
    return y, (xp, w, stride, padding, y.shape)


def conv2d_backward(dy: Float[Array, "n o h2 w2"], cache: tuple) -> tuple[Array, Array]:
    """dw correlates the image with dy; dx convolves dy with the flipped kernel, o and c swapped."""
    xp, w, stride, padding, shape = cache
    _require_gradient(dy, shape)
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


# ---- batch norm --------------------------------------------------------------------------------


class BatchNormCache(NamedTuple):
    """What the backward pass needs; ``mean`` and biased ``var`` also feed the running averages."""

    x_hat: Array
    inv_std: Array
    gamma: Array
    mean: Array
    var: Array


def _per_channel(v: Float[Array, " c"]) -> Float[Array, "c 1 1"]:
    return v[:, None, None]


def _sum(x: Float[Array, "n c h w"]) -> Float[Array, " c"]:
    return np.einsum("nchw->c", x)


def _dot(a: Float[Array, "n c h w"], b: Float[Array, "n c h w"]) -> Float[Array, " c"]:
    return np.einsum("nchw,nchw->c", a, b)


def _require_channels(x: Array, **vectors: Array) -> None:
    _require_images(x)
    for name, v in vectors.items():
        _require(v.shape == x.shape[1:2], f"x has {x.shape[1]} channels, {name} is {v.shape}")


def batch_norm(
    x: Float[Array, "n c h w"],
    gamma: Float[Array, " c_gamma"],
    beta: Float[Array, " c_beta"],
    eps: float = 1e-5,
) -> tuple[Float[Array, "n c h w"], BatchNormCache]:
    """Training mode: each channel to mean 0 and variance 1 over batch and pixels, then gamma, beta.

    y = gamma * x_hat + beta, x_hat = (x - mean) / sqrt(var + eps), var the biased variance.
    Source: Ioffe and Szegedy 2015. Chapter: scratch/batch_norm.
    """
    _require_channels(x, gamma=gamma, beta=beta)
    m = x.size // x.shape[1]
    _require(m > 1, f"batch norm needs several values per channel to train, got x of {x.shape}")
    mean = _sum(x) / m
    centred = x - _per_channel(mean)
    var = _dot(centred, centred) / m
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = centred * _per_channel(inv_std)
    y = x_hat * _per_channel(gamma) + _per_channel(beta)
    return y, BatchNormCache(x_hat, inv_std, gamma, mean, var)


def batch_norm_backward(dy: Float[Array, "n c h w"], cache: BatchNormCache) -> tuple[Array, ...]:
    """dx = gamma / sqrt(var + eps) * (dy - mean(dy) - x_hat * mean(dy * x_hat))."""
    x_hat, inv_std, gamma = cache[:3]
    _require_gradient(dy, x_hat.shape)
    m = dy.size // dy.shape[1]
    dbeta = _sum(dy)
    dgamma = _dot(dy, x_hat)
    through_statistics = x_hat * _per_channel(dgamma / m) + _per_channel(dbeta / m)
    dx = (dy - through_statistics) * _per_channel(gamma * inv_std)
    return dx, dgamma, dbeta


def batch_norm_eval(
    x: Float[Array, "n c h w"],
    gamma: Float[Array, " c_gamma"],
    beta: Float[Array, " c_beta"],
    mean: Float[Array, " c_mean"],
    var: Float[Array, " c_var"],
    eps: float = 1e-5,
) -> tuple[Float[Array, "n c h w"], BatchNormCache]:
    """Evaluation mode: the same formula with a given mean and variance, which get no gradient."""
    _require_channels(x, gamma=gamma, beta=beta, mean=mean, var=var)
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = (x - _per_channel(mean)) * _per_channel(inv_std)
    y = x_hat * _per_channel(gamma) + _per_channel(beta)
    return y, BatchNormCache(x_hat, inv_std, gamma, mean, var)


def batch_norm_eval_backward(
    dy: Float[Array, "n c h w"], cache: BatchNormCache
) -> tuple[Array, ...]:
    _require_gradient(dy, cache.x_hat.shape)
    dx = dy * _per_channel(cache.gamma * cache.inv_std)
    return dx, _dot(dy, cache.x_hat), _sum(dy)


# ---- the others --------------------------------------------------------------------------------


def relu(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Array]:
    """max(x, 0); its gradient at 0 is taken to be 0."""
    return np.maximum(x, 0), x


def relu_backward(dy: Float[Array, "..."], x: Float[Array, "..."]) -> Float[Array, "..."]:
    _require_gradient(dy, x.shape)
    return dy * (x > 0)


def max_pool2d(
    x: Float[Array, "n c h w"], size: int, stride: int | None = None, padding: int = 0
) -> tuple[Float[Array, "n c h2 w2"], tuple]:
    """The largest value of each size x size window, framed by -inf; ``stride`` is ``size`` if None.

    Windows may overlap. Of equal values the first in reading order counts, as in PyTorch.
    """
    _require_images(x)
    stride = size if stride is None else stride
    _require_fit(x.shape[2:], (size, size), stride, padding)
    _require(2 * padding <= size, f"padding must be at most half of size {size}, got {padding}")
    frame = (padding, padding)
    xp = np.pad(x, ((0, 0), (0, 0), frame, frame), constant_values=-np.inf)
    windows = sliding_window_view(xp, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    flat = windows.reshape(*windows.shape[:4], size * size)
    winner = flat.argmax(axis=-1)
    y = np.take_along_axis(flat, winner[..., None], axis=-1)[..., 0]
    return y, (winner, xp.shape, size, stride, padding)


def max_pool2d_backward(dy: Float[Array, "n c h2 w2"], cache: tuple) -> Float[Array, "n c h w"]:
    """Each dy goes to the pixel that won its window; a pixel that won several gets their sum."""
    winner, shape, size, stride, padding = cache
    _require_gradient(dy, winner.shape)
    dxp = np.zeros(shape, dy.dtype)
    for position in range(size * size):
        i, j = divmod(position, size)
        seen = dxp[:, :, i::stride, j::stride][:, :, : dy.shape[2], : dy.shape[3]]
        seen += dy * (winner == position)
    height, width = shape[2:]
    return dxp[:, :, padding : height - padding, padding : width - padding]


def global_avg_pool(x: Float[Array, "n c h w"]) -> tuple[Float[Array, "n c"], Array]:
    """The mean of each feature map."""
    _require_images(x)
    return x.mean(axis=(2, 3)), x


def global_avg_pool_backward(dy: Float[Array, "n c"], x: Array) -> Float[Array, "n c h w"]:
    _require_gradient(dy, x.shape[:2])
    dx = np.empty_like(x)  # has x's order in memory, and so keeps the backward pass in it
    dx[...] = dy[:, :, None, None] / (x.shape[2] * x.shape[3])
    return dx


def linear(
    x: Float[Array, "n d"], w: Float[Array, "k d_w"], b: Float[Array, " k_b"]
) -> tuple[Float[Array, "n k"], tuple]:
    """y = x w^T + b, with w stored (outputs, inputs) as in PyTorch."""
    _require(x.ndim == 2 and w.ndim == 2, f"x and w must be matrices, got {x.shape} and {w.shape}")
    _require(x.shape[1] == w.shape[1], f"x has {x.shape[1]} features, w expects {w.shape[1]}")
    _require(b.shape == w.shape[:1], f"w has {w.shape[0]} outputs, b is {b.shape}")
    return x @ w.T + b, (x, w)


def linear_backward(dy: Float[Array, "n k"], cache: tuple) -> tuple[Array, Array, Array]:
    x, w = cache
    _require_gradient(dy, (len(x), len(w)))
    return dy @ w, dy.T @ x, dy.sum(axis=0)


def cross_entropy(
    logits: Float[Array, "n k"], labels: Int[Array, " n_labels"]
) -> tuple[float, tuple[Array, Array]]:
    """-log softmax(logits)[label], averaged over the batch; no overflow for large logits."""
    _require(logits.ndim == 2, f"expected logits (n, classes), got an array of {logits.shape}")
    n, classes = logits.shape
    integer = np.issubdtype(labels.dtype, np.integer)
    _require(integer, f"labels must be integers, got {labels.dtype}: use labels.astype(int)")
    _require(labels.shape == (n,), f"expected one label for each of {n} rows, got {labels.shape}")
    low, high = int(labels.min()), int(labels.max())
    _require(0 <= low and high < classes, f"labels must be 0..{classes - 1}, got {low}..{high}")
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_p[np.arange(n), labels].mean()), (log_p, labels)


def cross_entropy_backward(dloss: float, cache: tuple[Array, Array]) -> Float[Array, "n k"]:
    """(p - y) / n: the probabilities less the one-hot labels."""
    log_p, labels = cache
    dlogits = np.exp(log_p)
    dlogits[np.arange(len(labels)), labels] -= 1
    return dlogits * (float(dloss) / len(labels))  # a NumPy scalar would set the precision
