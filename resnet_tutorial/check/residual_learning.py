"""Checkers of the exercises of problem/residual_learning."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, Wrong, judge, real
from resnet_tutorial.scratch.ops import conv2d, relu, relu_backward

Array = np.ndarray


def minimiser(function: Callable) -> Verdict:
    """`function(a, c, lam, p)`: the h that minimises c/2 (h - a)^2 + lam/2 (h - p)^2."""
    cases = []
    for a, c, lam, p in [
        (3.0, 1.0, 0.0, 0.0),
        (3.0, 1.0, 0.5, 0.0),
        (3.0, 1.0, 0.5, 1.0),
        (-2.0, 4.0, 0.5, 1.0),
        (1.5, 0.2, 3.0, -2.0),
    ]:
        what = f"a = {a}, c = {c}, lam = {lam}, p = {p}"
        hint = "set the derivative by h to 0; the answer lies between a and p"
        cases.append(Case(what, (a, c, lam, p), (c * a + lam * p) / (c + lam), hint))
    return judge(function, cases)


def plain_kernel(function: Callable) -> Verdict:
    """`function(w)`: the kernel w' with conv(x, w') = x + conv(x, w), size k odd, padding k // 2.

    `w` is (C, C, k, k); it is the convolutions that are compared.
    """

    def answer(x, w):
        kernel = function(w)
        if kernel is None:
            return None
        return conv2d(x, real(kernel), padding=w.shape[-1] // 2)[0]

    cases = []
    for channels, k in [(1, 3), (2, 1), (3, 3), (2, 5)]:
        rng = np.random.default_rng(k)
        x = rng.standard_normal((2, channels, 6, 7))
        w = rng.standard_normal((channels, channels, k, k))
        expected = x + conv2d(x, w, padding=k // 2)[0]
        hint = "output channel c needs one 1: in input channel c, at the centre"
        cases.append(Case(f"{channels} channels, kernel {k}x{k}", (x, w), expected, hint))
    return judge(answer, cases)


def block_backward(function: Callable) -> Verdict:
    """`function(dy, x, w1, w2)`: dx, dw1, dw2 of y = relu(x + relu(x w1^T) w2^T), x of (n, d)."""
    cases = []
    for seed, (n, d, m) in enumerate([(1, 1, 2), (5, 3, 4), (4, 2, 7)]):
        rng = np.random.default_rng(seed)
        shapes = ((n, d), (n, d), (m, d), (d, m))
        arguments = tuple(rng.standard_normal(shape) for shape in shapes)
        what = f"x of shape {(n, d)}, {m} hidden units"
        hint = "the results are dx, dw1, dw2; the last ReLU gates both paths"
        cases.append(Case(what, arguments, _gradients(*arguments), hint))
    return judge(function, cases)


def _gradients(dy: Array, x: Array, w1: Array, w2: Array) -> tuple[Array, Array, Array]:
    h, before = relu(x @ w1.T)
    ds = relu_backward(dy, x + h @ w2.T)
    da = relu_backward(ds @ w2, before)
    return ds + da @ w1, da.T @ x, ds.T @ h


def absorbed(function: Callable) -> Verdict:
    """`function(w1, w2)`: weights v1, v2 with relu(x v1^T) v2^T = x + relu(x w1^T) w2^T.

    For w1 (m, d) the plain block may have at most m + 2d hidden units.
    """

    def answer(x, w1, w2):
        weights = function(w1, w2)
        if weights is None:
            return None
        v1, v2 = map(real, weights)
        limit = len(w1) + 2 * w1.shape[1]
        if len(v1) > limit:
            raise Wrong(f"{len(v1)} hidden units, more than m + 2d = {limit}")
        return relu(x @ v1.T)[0] @ v2.T

    cases = []
    for seed, (d, m) in enumerate([(1, 1), (3, 2), (2, 5)]):
        rng = np.random.default_rng(seed)
        x, w1, w2 = (rng.standard_normal(shape) for shape in ((9, d), (m, d), (d, m)))
        expected = x + relu(x @ w1.T)[0] @ w2.T
        hint = "x = relu(x) - relu(-x) costs two units for each of the d entries"
        cases.append(Case(f"d = {d}, m = {m}", (x, w1, w2), expected, hint))
    return judge(answer, cases)
