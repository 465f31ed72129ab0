"""Each checker accepts right answers of another make and rejects the typical wrong ones."""

import numpy as np
import pytest

from resnet_tutorial.check import residual_block as check
from resnet_tutorial.scratch.gradcheck import gradcheck, numerical_gradient
from resnet_tutorial.scratch.ops import (
    batch_norm,
    batch_norm_backward,
    batch_norm_eval_backward,
    conv2d,
    conv2d_backward,
    relu,
    relu_backward,
)


def rejected(verdict):
    assert not verdict
    assert repr(verdict).startswith("wrong on"), repr(verdict)


# ---- the v1 block ------------------------------------------------------------------------------


def forward(x, w1, gamma1, beta1, w2, gamma2, beta2, skip=True, late_relu=True, norm=True):
    f, conv1 = conv2d(x, w1, padding=1)
    f, bn1 = batch_norm(f, gamma1, beta1)
    f, relu1 = relu(f)
    f, conv2 = conv2d(f, w2, padding=1)
    before = f
    f, bn2 = batch_norm(f, gamma2, beta2)
    f = f if norm else before
    s = f + x if skip else f
    y, relu2 = relu(s)
    return (y if late_relu else x + relu(f)[0]), (conv1, bn1, relu1, conv2, bn2, relu2)


def backward(dy, cache, norm=batch_norm_backward, inner=relu_backward, last=relu_backward):
    conv1, bn1, relu1, conv2, bn2, relu2 = cache
    ds = last(dy, relu2)
    df, dgamma2, dbeta2 = norm(ds, bn2)
    df, dw2 = conv2d_backward(df, conv2)
    df = inner(df, relu1)
    df, dgamma1, dbeta1 = norm(df, bn1)
    df, dw1 = conv2d_backward(df, conv1)
    return ds, df, (dw1, dgamma1, dbeta1, dw2, dgamma2, dbeta2)


def total(dy, cache, **parts):
    ds, df, rest = backward(dy, cache, **parts)
    return ds + df, *rest


def no_skip(dy, cache):
    ds, df, rest = backward(dy, cache)
    return df, *rest


def skip_past_the_relu(dy, cache):
    ds, df, rest = backward(dy, cache)
    return dy + df, *rest


def skip_multiplied(dy, cache):
    ds, df, rest = backward(dy, cache)
    return ds * df, *rest


def skip_doubled(dy, cache):
    ds, df, rest = backward(dy, cache)
    return 2 * ds + df, *rest


def wrong_order(dy, cache):
    """The ReLU's mask taken before the second convolution is undone."""
    conv1, bn1, relu1, conv2, bn2, relu2 = cache
    ds = relu_backward(dy, relu2)
    df, dgamma2, dbeta2 = batch_norm_backward(ds, bn2)
    df, dw2 = conv2d_backward(relu_backward(df, relu1), conv2)
    df, dgamma1, dbeta1 = batch_norm_backward(df, bn1)
    df, dw1 = conv2d_backward(df, conv1)
    return ds + df, dw1, dgamma1, dbeta1, dw2, dgamma2, dbeta2


def parameters_swapped(dy, cache):
    dx, dw1, dgamma1, dbeta1, dw2, dgamma2, dbeta2 = total(dy, cache)
    return dx, dw2, dgamma2, dbeta2, dw1, dgamma1, dbeta1


def keep(dy, cache):
    return dy


BLOCKS = {
    "no skip term": (forward, no_skip),
    "no mask of the last ReLU": (forward, lambda dy, c: total(dy, c, last=keep)),
    "no mask of the inner ReLU": (forward, lambda dy, c: total(dy, c, inner=keep)),
    "skip past the last ReLU": (forward, skip_past_the_relu),
    "batch norm taken as affine": (
        forward,
        lambda dy, c: total(dy, c, norm=batch_norm_eval_backward),
    ),
    "wrong order": (forward, wrong_order),
    "skip multiplied": (forward, skip_multiplied),
    "skip counted twice": (forward, skip_doubled),
    "gradients of the parameters swapped": (forward, parameters_swapped),
    "only dx": (forward, lambda dy, c: total(dy, c)[:1]),
    "ReLU before the addition": (lambda *a: forward(*a, late_relu=False), total),
    "no addition": (lambda *a: forward(*a, skip=False), no_skip),
    "no second batch norm": (lambda *a: forward(*a, norm=False), total),
}


def test_the_block_itself_is_right():
    arrays = check._arrays((2, 2, 4, 3), 0)
    assert gradcheck(forward, total, *arrays) < 1e-6
    verdict = check.block(forward, total)
    assert verdict and "2 cases" in repr(verdict)


@pytest.mark.parametrize("name", BLOCKS)
def test_wrong_block(name):
    rejected(check.block(*BLOCKS[name]))


# ---- the pre-activation block ------------------------------------------------------------------


def pre_forward(x, w1, gamma1, beta1, w2, gamma2, beta2):
    f, bn1 = batch_norm(x, gamma1, beta1)
    f, relu1 = relu(f)
    f, conv1 = conv2d(f, w1, padding=1)
    f, bn2 = batch_norm(f, gamma2, beta2)
    f, relu2 = relu(f)
    f, conv2 = conv2d(f, w2, padding=1)
    return x + f, (bn1, relu1, conv1, bn2, relu2, conv2)


def pre_backward(dy, cache, skip=lambda dy, df: dy + df, norm=batch_norm_backward, mask=True):
    bn1, relu1, conv1, bn2, relu2, conv2 = cache
    df, dw2 = conv2d_backward(dy, conv2)
    df = relu_backward(df, relu2)
    df, dgamma2, dbeta2 = norm(df, bn2)
    df, dw1 = conv2d_backward(df, conv1)
    df = relu_backward(df, relu1) if mask else df
    df, dgamma1, dbeta1 = norm(df, bn1)
    return skip(dy, df), dw1, dgamma1, dbeta1, dw2, dgamma2, dbeta2


def relu_first(*arrays):
    y, cache = pre_forward(*arrays)
    return np.maximum(y, 0), cache


PRE_ACTIVATION = {
    "no skip term": (pre_forward, lambda dy, c: pre_backward(dy, c, skip=lambda dy, df: df)),
    "no branch": (pre_forward, lambda dy, c: pre_backward(dy, c, skip=lambda dy, df: dy)),
    "skip multiplied": (pre_forward, lambda dy, c: pre_backward(dy, c, skip=np.multiply)),
    "affine": (pre_forward, lambda dy, c: pre_backward(dy, c, norm=batch_norm_eval_backward)),
    "no mask": (pre_forward, lambda dy, c: pre_backward(dy, c, mask=False)),
    "ReLU after the addition": (relu_first, pre_backward),
    "the v1 block": (forward, total),
}


def test_the_pre_activation_block_itself_is_right():
    arrays = check._arrays((2, 2, 4, 3), 0)
    assert gradcheck(pre_forward, pre_backward, *arrays) < 1e-6
    assert check.pre_activation_block(pre_forward, pre_backward)


@pytest.mark.parametrize("name", PRE_ACTIVATION)
def test_wrong_pre_activation_block(name):
    rejected(check.pre_activation_block(*PRE_ACTIVATION[name]))


# ---- option A ----------------------------------------------------------------------------------


def by_the_transpose(dy, shape, stride):
    """S as a matrix, column by column, and its transpose."""
    columns = []
    for unit in np.eye(int(np.prod(shape))):
        y = np.zeros(dy.shape)
        y[:, : shape[1]] = unit.reshape(shape)[:, :, ::stride, ::stride]
        columns.append(y.ravel())
    return (np.array(columns) @ dy.ravel()).reshape(shape)


def into(dy, shape, stride, first=0, kept=slice(None), scale=1.0):
    dx = np.zeros(shape)
    target = dx[:, :, first::stride, first::stride]
    source = scale * dy[:, kept][:, : shape[1], : target.shape[2], : target.shape[3]]
    target[:, :, : source.shape[2], : source.shape[3]] = source
    return dx


PADS = {
    "the last channels": lambda dy, s, k: into(dy, s, k, kept=slice(dy.shape[1] - s[1], None)),
    "the wrong pixels": lambda dy, s, k: into(dy, s, k, first=k - 1),
    "an average": lambda dy, s, k: into(dy, s, k, scale=1 / k**2),
    "repeated pixels": lambda dy, s, k: (
        dy[:, : s[1]].repeat(k, 2).repeat(k, 3)[:, :, : s[2], : s[3]]
    ),
    "channels not dropped": lambda dy, s, k: into(dy, (s[0], dy.shape[1], *s[2:]), k),
    "stride forgotten": lambda dy, s, k: dy[:, : s[1]],
    "even sizes only": lambda dy, s, k: np.kron(dy[:, : s[1]], np.eye(k)[:1].T @ np.eye(k)[:1]),
    "a fixed stride": lambda dy, s, k: into(dy, s, min(k, 2)),
    "a stride by the sizes": lambda dy, s, k: into(dy, s, s[2] // dy.shape[2]),
    "channels summed": lambda dy, s, k: into(dy.sum(1, keepdims=True).repeat(s[1], 1), s, k),
}


def test_option_a_is_right():
    assert check.pad_backward(by_the_transpose)


@pytest.mark.parametrize("name", PADS)
def test_wrong_option_a(name):
    rejected(check.pad_backward(PADS[name]))


# ---- a gradient check --------------------------------------------------------------------------


def passes(op, op_backward, x, upstream=None, near=None):
    y, cache = op(x)
    dy = np.random.default_rng(3).standard_normal(y.shape) if upstream is None else upstream(y)
    dx = op_backward(dy, cache)
    numeric = numerical_gradient(lambda a: np.sum(dy * op(a)[0]), x)
    if near is not None:
        return near(dx, numeric)
    return np.abs(dx - numeric).max() < 1e-5 * np.abs(numeric).max()


def one_direction(op, op_backward, x):
    """One random direction instead of every entry: right as well."""
    rng = np.random.default_rng(5)
    y, cache = op(x)
    dy, v = rng.standard_normal(y.shape), rng.standard_normal(x.shape)
    slope = np.sum(dy * (op(x + 1e-5 * v)[0] - op(x - 1e-5 * v)[0])) / 2e-5
    return bool(np.isclose(np.sum(op_backward(dy, cache) * v), slope, rtol=1e-5, atol=0))


def nearly(dx, numeric):
    return np.allclose(dx, numeric, rtol=1e-4, atol=1e-3)


CHECKS = {
    "dy = 1": lambda *a: passes(*a, upstream=np.ones_like, near=nearly),
    "dy = y": lambda *a: passes(*a, upstream=lambda y: y, near=nearly),
    "an absolute tolerance": lambda *a: passes(*a, near=lambda a, b: np.abs(a - b).max() < 1e-4),
    "a loose tolerance": lambda *a: passes(*a, near=lambda a, b: np.allclose(a, b, 0.5, 0.5)),
    "the first entry": lambda *a: passes(*a, near=lambda a, b: np.isclose(a.flat[0], b.flat[0])),
    "the norm": lambda *a: passes(
        *a, near=lambda a, b: np.isclose(np.linalg.norm(a), np.linalg.norm(b))
    ),
    "the mean error at 1e-3": lambda *a: passes(
        *a, near=lambda a, b: np.abs(a - b).mean() < 1e-3 * np.abs(b).max()
    ),
    "the mean error at 1e-3 of the mean": lambda *a: passes(
        *a, near=lambda a, b: np.abs(a - b).mean() < 1e-3 * np.abs(b).mean()
    ),
    "the error of the norm at 1e-2": lambda *a: passes(
        *a, near=lambda a, b: np.linalg.norm(a - b) < 1e-2 * np.linalg.norm(b)
    ),
    "the median error": lambda *a: passes(
        *a, near=lambda a, b: np.median(np.abs(a - b)) < 1e-5 * np.abs(b).max()
    ),
    "the first image": lambda *a: passes(
        *a, near=lambda a, b: np.abs(a - b)[0].max() < 1e-5 * np.abs(b).max()
    ),
    "the mean": lambda *a: passes(*a, near=lambda a, b: np.isclose(a.mean(), b.mean(), 1e-5, 0)),
    "the size only": lambda *a: passes(
        *a, near=lambda a, b: np.abs(np.abs(a) - np.abs(b)).max() < 1e-5 * np.abs(b).max()
    ),
    "the opposite": lambda *a: not passes(*a),
    "always": lambda *a: True,
    "never": lambda *a: False,
    "the error itself": lambda *a: passes(*a, near=lambda a, b: np.abs(a - b).max()),
}


def entrywise(op, op_backward, x, seed=3, tolerance=1e-5):
    """Relative to every entry."""

    def near(dx, numeric):
        return bool(np.all(np.abs(dx - numeric) <= tolerance * np.abs(numeric)))

    def normal(y):
        return np.random.default_rng(seed).standard_normal(y.shape)

    return passes(op, op_backward, x, upstream=normal, near=near)


def seeded(seed):
    return lambda *arguments: entrywise(*arguments, seed=seed)


@pytest.mark.parametrize("right", [passes, one_direction, *map(seeded, range(10))])
def test_a_check_that_is_not_empty(right):
    assert check.gradient_check(right)


@pytest.mark.parametrize("name", CHECKS)
def test_wrong_check(name):
    rejected(check.gradient_check(CHECKS[name]))


@pytest.mark.parametrize("name", ["dy = 1", "dy = y"])
def test_an_empty_check_fails_for_being_empty(name):
    verdict = repr(check.gradient_check(CHECKS[name]))
    assert "backward of zeros" in verdict and "expected False" in verdict


# ---- zero gamma, and the others ----------------------------------------------------------------

MOVING = {
    "gamma2": {"gamma2", "beta2"},
    "w2": {"w2", "beta2"},
    "gamma1": {"beta2"},
    "w1": {"beta2"},
}
ALL = set(check.PARAMETERS)


@pytest.mark.parametrize("zeroed", MOVING)
def test_what_moves_by_finite_differences(zeroed):
    """Central differences of the block at the special point; the ReLU's kink needs one side."""
    arrays = dict(zip(("x", *check.PARAMETERS), check._arrays((2, 2, 3, 3), 1), strict=True))
    for name in ("beta1", "beta2", zeroed):
        arrays[name] = np.zeros_like(arrays[name])
    dy = np.random.default_rng(2).standard_normal((2, 2, 3, 3))

    def slope(name):
        moved = arrays | {name: arrays[name] + 1e-7}
        return np.sum(dy * (forward(*moved.values())[0] - forward(*arrays.values())[0])) / 1e-7

    quiet = ALL - MOVING[zeroed]
    # At gamma1 = 0 or w1 = 0 the ReLU sits on its kink and its gradient is 0 by convention only.
    if zeroed in ("gamma1", "w1"):
        quiet -= {"gamma1", "beta1", "w1"}
    assert all(slope(name) == 0 for name in quiet)
    assert all(abs(slope(name)) > 1e-3 for name in MOVING[zeroed])


PREDICTIONS = {
    "everything moves": lambda zeroed: ALL,
    "nothing moves": lambda zeroed: set(),
    "always gamma2 and beta2": lambda zeroed: {"gamma2", "beta2"},
    "all but the zeroed": lambda zeroed: ALL - {zeroed},
    "only the zeroed": lambda zeroed: {zeroed},
    "gamma2 also where w2 = 0": lambda zeroed: MOVING[zeroed] | {"gamma2"},
    "convolutions also where gamma2 = 0": lambda zeroed: (
        MOVING[zeroed] | ({"w1", "w2"} if zeroed == "gamma2" else set())
    ),
    "the ReLU open at 0": lambda zeroed: (
        {"gamma1", "beta1", "beta2"} if zeroed == "gamma1" else MOVING[zeroed]
    ),
    "a misspelt name": lambda zeroed: {"gamma_2"},
}


def test_right_prediction():
    assert check.moving_parameters(lambda zeroed: MOVING[zeroed])


@pytest.mark.parametrize("name", PREDICTIONS)
def test_wrong_prediction(name):
    rejected(check.moving_parameters(PREDICTIONS[name]))


# ---- lengths of paths --------------------------------------------------------------------------


def by_convolution(blocks, eps):
    """The generating polynomial ((1 + eps z) / (1 + eps)) ** blocks, factor by factor."""
    shares = np.ones(1)
    for _ in range(blocks):
        shares = np.convolve(shares, [1 / (1 + eps), eps / (1 + eps)])
    return shares


def powers(blocks, eps):
    return eps ** np.arange(blocks + 1.0)


SHARES = {
    "eps forgotten": lambda blocks, eps: by_convolution(blocks, 1.0),
    "not normalised": lambda blocks, eps: by_convolution(blocks, eps) * (1 + eps) ** blocks,
    "no binomial": lambda blocks, eps: powers(blocks, eps) / powers(blocks, eps).sum(),
    "longest first": lambda blocks, eps: by_convolution(blocks, eps)[::-1],
    "without k = 0": lambda blocks, eps: by_convolution(blocks, eps)[1:],
    "probability eps": lambda blocks, eps: by_convolution(blocks, eps / (1 + 1e-9 - eps)),
    "divided by 2**L": lambda blocks, eps: by_convolution(blocks, eps) * ((1 + eps) / 2) ** blocks,
}


def test_right_shares():
    assert check.path_shares(by_convolution)


@pytest.mark.parametrize("name", SHARES)
def test_wrong_shares(name):
    rejected(check.path_shares(SHARES[name]))


# ---- not written yet ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verdict",
    [
        lambda: check.block(lambda *a: None, lambda *a: None),
        lambda: check.block(forward, lambda dy, cache: None),
        lambda: check.pre_activation_block(lambda *a: None, lambda *a: None),
        lambda: check.pad_backward(lambda *a: None),
        lambda: check.gradient_check(lambda *a: None),
        lambda: check.moving_parameters(lambda zeroed: None),
        lambda: check.path_shares(lambda *a: None),
    ],
)
def test_not_written_yet(verdict):
    assert repr(verdict()).startswith("not written yet")
