"""Each checker accepts a right answer and rejects the typical wrong ones."""

import re

import numpy as np
import pytest

from resnet_tutorial.check import residual_learning as check


def relu(x):
    return np.maximum(x, 0)


def minimiser(a, c, lam, p):
    return (c * a + lam * p) / (c + lam)


MINIMISERS = {
    "no penalty": lambda a, c, lam, p: a,
    "pulled to 0": lambda a, c, lam, p: c * a / (c + lam),
    "pulled to 1": lambda a, c, lam, p: (c * a + lam) / (c + lam),
    "curvature left out": lambda a, c, lam, p: (a + lam * p) / (1 + lam),
    "weights exchanged": lambda a, c, lam, p: (lam * a + c * p) / (c + lam),
    "not divided": lambda a, c, lam, p: c * a + lam * p,
    "the penalty without its half": lambda a, c, lam, p: (c * a + 2 * lam * p) / (c + 2 * lam),
    "w in place of h": lambda a, c, lam, p: c * (a - p) / (c + lam),
    "pushed away from p": lambda a, c, lam, p: (c * a - lam * p) / (c + lam),
    "raises": lambda a, c, lam, p: a[0],
}


def plain_kernel(w, channels=None, row=None):
    """w + Dirac kernel; the arguments misplace its ones."""
    w, k, diagonal = w.copy(), w.shape[-1] // 2, np.arange(len(w))
    w[diagonal, diagonal if channels is None else channels, k if row is None else row, k] += 1
    return w


def all_centres(w):
    w = w.copy()
    w[:, :, w.shape[-1] // 2, w.shape[-1] // 2] += 1
    return w


KERNELS = {
    "unchanged": lambda w: w,
    "one in every entry": lambda w: w + 1,
    "centre of every pair of channels": all_centres,
    "corner": lambda w: plain_kernel(w, row=0),
    "channels reversed": lambda w: plain_kernel(w, channels=np.arange(len(w))[::-1]),
    "first channel only": lambda w: plain_kernel(w, channels=0),
    "unit matrix over rows and columns": lambda w: w + np.eye(w.shape[-1]),
    "the whole kernel of its own channel": lambda w: w + np.eye(len(w))[:, :, None, None],
    "subtracted": lambda w: 2 * w - plain_kernel(w),
    "only the Dirac kernel": lambda w: plain_kernel(np.zeros_like(w)),
    "transposed channels": lambda w: plain_kernel(w.swapaxes(0, 1)),
}


def block_backward(dy, x, w1, w2, last=True, skip=True):
    a = x @ w1.T
    ds = dy * (x + relu(a) @ w2.T > 0) if last else dy
    da = (ds @ w2) * (a > 0)
    return skip * ds + da @ w1, da.T @ x, ds.T @ relu(a)


def skip_not_gated(dy, x, w1, w2):
    dx, dw1, dw2 = block_backward(dy, x, w1, w2, skip=False)
    return dx + dy, dw1, dw2


def gated_by_branch(dy, x, w1, w2):
    ds = dy * (relu(x @ w1.T) @ w2.T > 0)
    return block_backward(ds, x, w1, w2, last=False)


def no_inner_gate(dy, x, w1, w2):
    ds = dy * (x + relu(x @ w1.T) @ w2.T > 0)
    return ds + ds @ w2 @ w1, (ds @ w2).T @ x, ds.T @ relu(x @ w1.T)


def no_relu_in_dw2(dy, x, w1, w2):
    dx, dw1, _ = block_backward(dy, x, w1, w2)
    return dx, dw1, (dy * (x + relu(x @ w1.T) @ w2.T > 0)).T @ (x @ w1.T)


BACKWARDS = {
    "no shortcut": lambda *a: block_backward(*a, skip=False),
    "no last relu": lambda *a: block_backward(*a, last=False),
    "shortcut not gated": skip_not_gated,
    "gated by the branch alone": gated_by_branch,
    "no inner gate": no_inner_gate,
    "dw2 from before the relu": no_relu_in_dw2,
    "dx alone": lambda *a: block_backward(*a)[0],
    "results in another order": lambda *a: block_backward(*a)[::-1],
    "weights transposed": lambda *a: tuple(g.T for g in block_backward(*a)),
    "averaged over the batch": lambda *a: tuple(g / 2 for g in block_backward(*a)),
}


def absorbed(w1, w2):
    eye = np.eye(w1.shape[1])
    return np.concatenate([w1, eye, -eye]), np.concatenate([w2, eye, -eye], axis=1)


def half_absorbed(w1, w2):
    eye = np.eye(w1.shape[1])
    return np.concatenate([w1, eye]), np.concatenate([w2, eye], axis=1)


def without_minus(w1, w2):
    eye = np.eye(w1.shape[1])
    return np.concatenate([w1, eye, -eye]), np.concatenate([w2, eye, eye], axis=1)


def same_sign_first(w1, w2):
    eye = np.eye(w1.shape[1])
    return np.concatenate([w1, eye, eye]), np.concatenate([w2, eye, -eye], axis=1)


def too_wide(w1, w2):
    v1, v2 = absorbed(w1, w2)
    return np.concatenate([v1, v1]), np.concatenate([v2, v2], axis=1) / 2


ABSORBED = {
    "unchanged": (lambda w1, w2: (w1, w2), "off by"),
    "x >= 0 only": (half_absorbed, "off by"),
    "|x|": (without_minus, "off by"),
    "0 in place of x": (same_sign_first, "off by"),
    "identity alone": (lambda w1, w2: absorbed(0 * w1, w2), "off by"),
    "half the branch": (lambda w1, w2: absorbed(w1, w2 / 2), "off by"),
    "wider than needed": (too_wide, "more than m"),
    "exchanged": (lambda w1, w2: absorbed(w1, w2)[::-1], "raised|expected shape"),
    "stacked along the wrong axis": (lambda w1, w2: np.concatenate([w1, w2]), "raised"),
}


def rejected(verdict, message):
    assert not verdict
    assert "\n" not in repr(verdict)
    assert re.search(message, repr(verdict)), repr(verdict)


@pytest.mark.parametrize(
    "answer",
    [minimiser, plain_kernel, block_backward, absorbed],
    ids=lambda f: f.__name__,
)
def test_right_answers_pass(answer):
    checker = getattr(check, answer.__name__)
    assert checker(answer), checker(answer)
    assert repr(checker(lambda *arguments: None)).startswith("not written yet")


@pytest.mark.parametrize("name", MINIMISERS)
def test_minimiser_rejects(name):
    rejected(check.minimiser(MINIMISERS[name]), "off by .*derivative|raised TypeError")


@pytest.mark.parametrize("name", KERNELS)
def test_plain_kernel_rejects(name):
    rejected(check.plain_kernel(KERNELS[name]), "wrong on .*off by .*centre")


@pytest.mark.parametrize("name", BACKWARDS)
def test_block_backward_rejects(name):
    message = "result [123]: (off by|expected shape)|expected 3 results"
    rejected(check.block_backward(BACKWARDS[name]), message)


@pytest.mark.parametrize("name", ABSORBED)
def test_absorbed_rejects(name):
    rejected(check.absorbed(ABSORBED[name][0]), ABSORBED[name][1])
