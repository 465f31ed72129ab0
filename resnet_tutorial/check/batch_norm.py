"""Checkers of the exercises of scratch/batch_norm."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, forward_and_backward, judge
from resnet_tutorial.scratch.layers import BatchNorm2d
from resnet_tutorial.scratch.ops import batch_norm, batch_norm_backward

Array = np.ndarray


def _arrays(shape: tuple[int, int, int, int], seed: int) -> tuple[Array, ...]:
    """dy, x, gamma and beta, none of them at a special value; each channel has its own scale."""
    rng, c = np.random.default_rng(seed), shape[1]
    scale = rng.uniform(0.5, 2, (c, 1, 1))
    dy, x = rng.standard_normal(shape), 1 + scale * rng.standard_normal(shape)
    return dy, x, rng.standard_normal(c), rng.standard_normal(c)


def backward(function: Callable) -> Verdict:
    """`function(dy, x, gamma, eps)`: dx, dgamma and dbeta of batch norm in training mode.

    dy and x are (n, c, h, w), gamma is (c,). Chapter: scratch/batch_norm
    """
    cases = []
    for seed, (shape, eps) in enumerate([((3, 2, 4, 5), 1e-5), ((2, 3, 1, 2), 0.5)]):
        dy, x, gamma, beta = _arrays(shape, seed)
        expected = batch_norm_backward(dy, batch_norm(x, gamma, beta, eps)[1])
        hint = "the results are dx, dgamma, dbeta; means run over images, rows and columns"
        cases.append(Case(f"x of shape {shape}, eps = {eps}", (dy, x, gamma, eps), expected, hint))
    return judge(function, cases)


def running_update(function: Callable) -> Verdict:
    """`function(running_mean, running_var, x, momentum)`: both after one batch, as in PyTorch.

    x is (n, c, h, w), the others (c,); `momentum` is the share of the new batch.
    Chapter: scratch/batch_norm
    """
    cases = []
    for seed, (shape, momentum) in enumerate([((4, 3, 2, 2), 0.1), ((2, 2, 1, 1), 0.25)]):
        _, x, mean, start = _arrays(shape, seed)
        layer = BatchNorm2d(shape[1], momentum)
        layer.buffers = {"running_mean": mean, "running_var": 1 + start**2}
        arguments = mean, 1 + start**2, x, momentum
        layer(x)
        expected = layer.buffers["running_mean"], layer.buffers["running_var"]
        what = f"x of shape {shape}, momentum = {momentum}"
        cases.append(Case(what, arguments, expected, "which variance does PyTorch store?"))
    return judge(function, cases)


def _group_norm(dy: Array, x: Array, gamma: Array, beta: Array, groups: int, eps: float):
    """y, then the gradients of x, gamma and beta.

    A group of one image plays the part of a channel: x_hat is batch norm's without gamma and beta.
    """
    n, c, h, w = x.shape
    shape = (1, n * groups, c // groups * h, w)
    ones, zeros = np.ones(n * groups), np.zeros(n * groups)
    x_hat, cache = batch_norm(x.reshape(shape), ones, zeros, eps)
    x_hat = x_hat.reshape(x.shape)
    scale = gamma[:, None, None]
    dx, _, _ = batch_norm_backward((dy * scale).reshape(shape), cache)
    axes = (0, 2, 3)
    y = x_hat * scale + beta[:, None, None]
    return y, dx.reshape(x.shape), (dy * x_hat).sum(axes), dy.sum(axes)


def group_norm(op: Callable, op_backward: Callable) -> Verdict:
    """`y, cache = op(x, gamma, beta, groups, eps)`; `op_backward(dy, cache)`: dx, dgamma, dbeta.

    Each image has its own statistics, over the c / groups neighbouring channels of each group and
    all pixels; gamma and beta are (c,). One group is layer norm. Chapter: scratch/batch_norm
    """

    cases = []
    for seed, (groups, eps) in enumerate([(1, 1e-5), (2, 1e-5), (6, 0.5)]):
        dy, x, gamma, beta = _arrays((2, 6, 3, 2), seed)
        arguments = dy, x, gamma, beta, groups, eps
        what = f"6 channels in {groups} group{'s' * (groups > 1)}, eps = {eps}"
        hint = "results: y, dx, dgamma, dbeta; gamma differs inside a group"
        cases.append(Case(what, arguments, _group_norm(*arguments), hint))
    return judge(forward_and_backward(op, op_backward), cases)
