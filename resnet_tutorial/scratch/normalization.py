"""Batch norm, forward and backward, in both modes. Chapter: scratch/batch_norm."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from resnet_tutorial.scratch.shapes import (
    require,
    require_floats,
    require_gradient,
    require_images,
    require_rates,
)

Array = np.ndarray


class BatchNormCache(NamedTuple):
    """What the backward pass needs; ``mean`` and biased ``var`` also feed the running averages.

    >>> _, cache = batch_norm(np.arange(8.0).reshape(2, 1, 2, 2), np.ones(1), np.zeros(1))
    >>> float(cache.mean[0]), float(cache.var[0])
    (3.5, 5.25)
    """

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
    require_images(x)
    require_floats(**vectors)
    for name, v in vectors.items():
        require(v.shape == x.shape[1:2], f"x has {x.shape[1]} channels, {name} is {v.shape}")


def batch_norm(
    x: Float[Array, "n c h w"],
    gamma: Float[Array, " c_gamma"],
    beta: Float[Array, " c_beta"],
    eps: float = 1e-5,
) -> tuple[Float[Array, "n c h w"], BatchNormCache]:
    """Training mode: each channel to mean 0 and variance 1 over batch and pixels, then gamma, beta.

    y = gamma * x_hat + beta, x_hat = (x - mean) / sqrt(var + eps), var the biased variance.
    Source: Ioffe and Szegedy 2015. Chapter: scratch/batch_norm.

    >>> x = np.array([1.0, 3.0]).reshape(2, 1, 1, 1)
    >>> y, cache = batch_norm(x, np.ones(1), np.zeros(1), eps=0.0)
    >>> y.ravel().tolist(), float(cache.mean[0]), float(cache.var[0])
    ([-1.0, 1.0], 2.0, 1.0)
    """
    _require_channels(x, gamma=gamma, beta=beta)
    require_rates(eps=eps)
    m = x.size // x.shape[1]
    require(m > 1, f"batch norm needs several values per channel to train, got x of {x.shape}")
    mean = _sum(x) / m
    centred = x - _per_channel(mean)
    var = _dot(centred, centred) / m
    inv_std = 1 / np.sqrt(var + float(eps))
    x_hat = centred * _per_channel(inv_std)
    y = x_hat * _per_channel(gamma) + _per_channel(beta)
    return y, BatchNormCache(x_hat, inv_std, gamma, mean, var)


def batch_norm_backward(dy: Float[Array, "n c h w"], cache: BatchNormCache) -> tuple[Array, ...]:
    """dx = gamma / sqrt(var + eps) * (dy - mean(dy) - x_hat * mean(dy * x_hat)).

    >>> y, cache = batch_norm(np.arange(8.0).reshape(2, 1, 2, 2), np.ones(1), np.zeros(1))
    >>> dx, dgamma, dbeta = batch_norm_backward(np.ones_like(y), cache)
    >>> bool(np.allclose(dx, 0)), dbeta.tolist()  # sum(y) does not depend on x
    (True, [8.0])
    """
    x_hat, inv_std, gamma = cache[:3]
    require_gradient(dy, x_hat.shape)
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
    """Evaluation mode: the same formula with a given mean and variance, which get no gradient.

    >>> x, one = np.full((1, 1, 1, 1), 5.0), np.ones(1)
    >>> y, cache = batch_norm_eval(x, gamma=one, beta=one, mean=one, var=4 * one, eps=0.0)
    >>> y.item(), batch_norm_eval_backward(np.ones_like(y), cache)[0].item()
    (3.0, 0.5)
    """
    _require_channels(x, gamma=gamma, beta=beta, mean=mean, var=var)
    require_rates(eps=eps)
    require(not (var < 0).any(), f"var must not be negative, got {var.min()}")
    inv_std = 1 / np.sqrt(var + float(eps))
    x_hat = (x - _per_channel(mean)) * _per_channel(inv_std)
    y = x_hat * _per_channel(gamma) + _per_channel(beta)
    return y, BatchNormCache(x_hat, inv_std, gamma, mean, var)


def batch_norm_eval_backward(
    dy: Float[Array, "n c h w"], cache: BatchNormCache
) -> tuple[Array, ...]:
    """dx = gamma / sqrt(var + eps) * dy: the given statistics do not depend on x."""
    require_gradient(dy, cache.x_hat.shape)
    dx = dy * _per_channel(cache.gamma * cache.inv_std)
    return dx, _dot(dy, cache.x_hat), _sum(dy)
