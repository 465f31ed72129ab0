"""Each checker accepts a right answer and rejects the typical wrong ones."""

import numpy as np
import pytest
import torch
from exercises import rejected, verdict_tests
from torch import nn

from resnet_tutorial.check import batch_norm as check

AXES = (0, 2, 3)


def backward(dy, x, gamma, eps, axes=AXES, mean=1, x_hat=1, ddof=0, affine=True):
    """Batch norm's backward with a switch for each of its terms."""
    g = gamma[:, None, None]
    xh = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True, ddof=ddof) + eps)
    inner = mean * dy.mean(axes, keepdims=True) + x_hat * xh * (dy * xh).mean(axes, keepdims=True)
    std = np.sqrt(x.var(axes, keepdims=True, ddof=ddof) + eps)
    dx = (g if affine else 1) * (dy - inner) / std
    return dx, (dy * xh).sum(AXES), dy.sum(AXES)


BACKWARDS = {
    "no mean term": lambda dy, x, g, e: backward(dy, x, g, e, mean=0),
    "no x_hat term": lambda dy, x, g, e: backward(dy, x, g, e, x_hat=0),
    "statistics as constants": lambda dy, x, g, e: backward(dy, x, g, e, mean=0, x_hat=0),
    "x_hat term added": lambda dy, x, g, e: backward(dy, x, g, e, x_hat=-1),
    "unbiased variance": lambda dy, x, g, e: backward(dy, x, g, e, ddof=1),
    "eps forgotten": lambda dy, x, g, e: backward(dy, x, g, 0),
    "eps outside the root": lambda dy, x, g, e: backward(
        dy, x, g, (2 * x.std(AXES, keepdims=True) + e) * e
    ),
    "gamma forgotten": lambda dy, x, g, e: backward(dy, x, g, e, affine=False),
    "statistics over the batch": lambda dy, x, g, e: backward(dy, x, g, e, axes=0),
    "statistics of each image": lambda dy, x, g, e: backward(dy, x, g, e, axes=(2, 3)),
    "statistics over the channels": lambda dy, x, g, e: backward(dy, x, g, e, axes=(1, 2, 3)),
    "sums for means": lambda dy, x, g, e: backward(dy, x, g, e, mean=x[:, 0].size),
    "dgamma and dbeta swapped": lambda dy, x, g, e: tuple(
        backward(dy, x, g, e)[i] for i in (0, 2, 1)
    ),
    "dx alone": lambda dy, x, g, e: backward(dy, x, g, e)[0],
    "dgamma as a mean": lambda dy, x, g, e: (
        backward(dy, x, g, e)[0],
        backward(dy, x, g, e)[1] / x[:, 0].size,
        dy.sum(AXES),
    ),
}


def update(mean, var, x, momentum, axes=AXES, ddof=1):
    batch = x.mean(axes), x.var(axes, ddof=ddof)
    return tuple(
        (1 - momentum) * old + momentum * new for old, new in zip((mean, var), batch, strict=True)
    )


def with_count(m, v, x, a, count):
    return update(m, v, x, a)[0], (1 - a) * v + a * x.var(AXES) * count / (count - 1)


UPDATES = {
    "biased": lambda m, v, x, a: update(m, v, x, a, ddof=0),
    "momentum swapped, as Keras writes it": lambda m, v, x, a: update(m, v, x, 1 - a),
    "the batch alone": lambda m, v, x, a: update(m, v, x, 1),
    "nothing new": lambda m, v, x, a: (m, v),
    "old value not damped": lambda m, v, x, a: (m + a * x.mean(AXES), v + a * x.var(AXES, ddof=1)),
    "standard deviation": lambda m, v, x, a: (
        update(m, v, x, a)[0],
        (1 - a) * v + a * x.std(AXES, ddof=1),
    ),
    "corrected by the images alone": lambda m, v, x, a: with_count(m, v, x, a, len(x)),
    "corrected the wrong way": lambda m, v, x, a: with_count(m, v, x, a, 1 - x[:, 0].size),
    "second moment": lambda m, v, x, a: (
        update(m, v, x, a)[0],
        (1 - a) * v + a * (x**2).sum(AXES) / (x[:, 0].size - 1),
    ),
    "around the running mean": lambda m, v, x, a: (
        update(m, v, x, a)[0],
        (1 - a) * v + a * ((x - m[:, None, None]) ** 2).sum(AXES) / (x[:, 0].size - 1),
    ),
    "one number for all channels": lambda m, v, x, a: update(m, v, x, a, axes=None),
    "variance first": lambda m, v, x, a: update(m, v, x, a)[::-1],
}


def neighbours(n, c, groups):
    """A number for each (image, channel); equal numbers are normalised together."""
    return np.arange(n)[:, None] * groups + np.arange(c) // (c // groups)


def group_norm(together=neighbours, ddof=0, use_eps=True):
    """A forward pass; the arguments turn the right one into wrong ones."""

    def op(x, gamma, beta, groups, eps):
        label = together(*x.shape[:2], groups)
        x_hat, std = np.empty_like(x), np.empty((*x.shape[:2], 1, 1))
        for k in np.unique(label):
            own = label == k
            std[own] = np.sqrt(x[own].var(ddof=ddof) + eps * use_eps)
            x_hat[own] = (x[own] - x[own].mean()) / std[own]
        y = x_hat * gamma[:, None, None] + beta[:, None, None]
        return y, (x_hat, std, gamma, label)

    return op


def group_norm_backward(inside=True, mean=1, x_hat=1, use_gamma=True, reduce=AXES):
    """As `group_norm`; with `inside` False, gamma stands in front of the means as in batch norm."""

    def op_backward(dy, cache):
        xh, std, gamma, label = cache
        g = gamma[:, None, None] if use_gamma else np.ones((len(gamma), 1, 1))
        d = dy * g if inside else dy
        dx = np.empty_like(dy)
        for k in np.unique(label):
            own = label == k
            inner = mean * d[own].mean() + x_hat * xh[own] * (d[own] * xh[own]).mean()
            dx[own] = (d[own] - inner) / std[own]
        return dx if inside else dx * g, (dy * xh).sum(reduce), dy.sum(reduce)

    return op_backward


GROUP_NORMS = {
    "gamma in front of the means": (group_norm(), group_norm_backward(inside=False)),
    "gamma forgotten": (group_norm(), group_norm_backward(use_gamma=False)),
    "no mean term": (group_norm(), group_norm_backward(mean=0)),
    "no x_hat term": (group_norm(), group_norm_backward(x_hat=0)),
    "dgamma per image": (group_norm(), group_norm_backward(reduce=(2, 3))),
    "unbiased variance": (group_norm(ddof=1), group_norm_backward()),
    "eps forgotten": (group_norm(use_eps=False), group_norm_backward()),
    "batch norm": (
        group_norm(lambda n, c, k: np.tile(np.arange(c), (n, 1))),
        group_norm_backward(),
    ),
    "groups over the batch": (
        group_norm(lambda n, c, k: np.tile(np.arange(c) // (c // k), (n, 1))),
        group_norm_backward(),
    ),
    "always layer norm": (group_norm(lambda n, c, k: neighbours(n, c, 1)), group_norm_backward()),
    "always instance norm": (
        group_norm(lambda n, c, k: neighbours(n, c, c)),
        group_norm_backward(),
    ),
    "groups of that many channels": (
        group_norm(lambda n, c, k: neighbours(n, c, c // k)),
        group_norm_backward(),
    ),
    "every k-th channel together": (
        group_norm(lambda n, c, k: np.arange(n)[:, None] * k + np.arange(c) % k),
        group_norm_backward(),
    ),
}
SINGLE = {
    "backward": (check.backward, backward, BACKWARDS),
    "running_update": (check.running_update, update, UPDATES),
}


test_right, test_wrong = verdict_tests(SINGLE)


def test_group_norm_accepts_the_right_answer_and_a_stub_is_not_written_yet():
    op, op_backward = group_norm(), group_norm_backward()
    assert check.group_norm(op, op_backward)
    for stub in ((lambda *a: None, op_backward), (op, lambda *a: None)):
        assert repr(check.group_norm(*stub)).startswith("not written yet")


@pytest.mark.parametrize("name", GROUP_NORMS)
def test_group_norm_rejects(name):
    rejected(check.group_norm(*GROUP_NORMS[name]))


# The right answers of this file, and so the checkers, against PyTorch.


def torch_results(layer, x, dy):
    x = torch.tensor(x, requires_grad=True)
    y = layer(x)
    y.backward(torch.tensor(dy))
    return [a.detach().numpy() for a in (y, x.grad, layer.weight.grad, layer.bias.grad)]


@pytest.fixture
def arrays():
    rng = np.random.default_rng(7)
    return [rng.standard_normal(shape) for shape in ((2, 6, 3, 3), (2, 6, 3, 3), 6, 6)]


def filled(layer, gamma, beta):
    layer.load_state_dict(
        layer.state_dict() | {"weight": torch.tensor(gamma), "bias": torch.tensor(beta)}
    )
    return layer


def test_batch_norm_is_pytorchs(arrays):
    x, dy, gamma, beta = arrays
    layer = filled(nn.BatchNorm2d(6, eps=0.1, momentum=0.3).double(), gamma, beta)
    theirs = torch_results(layer, x, dy)[1:]
    for mine, their in zip(backward(dy, x, gamma, 0.1), theirs, strict=True):
        np.testing.assert_allclose(mine, their, rtol=0, atol=1e-12)
    mean, var = update(np.zeros(6), np.ones(6), x, 0.3)
    np.testing.assert_allclose(mean, layer.running_mean.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(var, layer.running_var.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm_is_pytorchs(arrays, groups):
    x, dy, gamma, beta = arrays
    y, cache = group_norm()(x, gamma, beta, groups, 0.1)
    layer = filled(nn.GroupNorm(groups, 6, eps=0.1).double(), gamma, beta)
    theirs = torch_results(layer, x, dy)
    for mine, their in zip((y, *group_norm_backward()(dy, cache)), theirs, strict=True):
        np.testing.assert_allclose(mine, their, rtol=0, atol=1e-12)
