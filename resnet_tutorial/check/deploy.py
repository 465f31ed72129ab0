"""Checkers of the exercises of practice/deploy."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge


def _norm(rng: np.random.Generator, channels: int) -> tuple[np.ndarray, ...]:
    """gamma, beta, mean, var of a norm that has learned something; no two are alike."""
    sign = rng.choice([-1.0, 1.0], channels)
    return (
        sign * rng.uniform(0.5, 2, channels),
        rng.uniform(0.5, 2, channels),
        rng.uniform(-3, -1, channels),
        rng.uniform(0.2, 4, channels),
    )


def _factor(gamma: np.ndarray, var: np.ndarray, eps: float) -> np.ndarray:
    return gamma / np.sqrt(var + eps)


def fold(function: Callable) -> Verdict:
    """`function(w, b, gamma, beta, mean, var, eps)`: kernels and bias of norm(w * x + b).

    `w` has the shape (O, C, k, k), the others (O,). ((w * x) is the convolution.)
    """
    rng, cases = np.random.default_rng(0), []
    for what, (out, inside, k), eps, hint in (
        ("no bias", (2, 3, 3), 1e-5, "the kernels of channel o are multiplied by its own factor"),
        ("a bias", (4, 2, 1), 1e-5, "the bias of the convolution is normalised too"),
        ("as many channels in as out", (3, 3, 2), 1e-5, "axis 0 of w is the output channel"),
        ("a large eps", (3, 2, 3), 0.5, "eps is added to the variance, under the root"),
    ):
        w = rng.standard_normal((out, inside, k, k))
        b = np.zeros(out) if what == "no bias" else rng.standard_normal(out)
        gamma, beta, mean, var = _norm(rng, out)
        a = _factor(gamma, var, eps)
        expected = a[:, None, None, None] * w, a * (b - mean) + beta
        cases.append(Case(what, (w, b, gamma, beta, mean, var, eps), expected, hint))
    return judge(function, cases)


def fold_next(function: Callable) -> Verdict:
    """`function(gamma, beta, mean, var, eps, w, b)`: kernels and bias of w * norm(x) + b, unpadded.

    `w` has the shape (O, C, k, k) and `b` (O,); the norm has C channels.
    """
    rng, cases = np.random.default_rng(1), []
    for what, (out, inside, k), eps, hint in (
        ("1x1 kernels", (2, 3, 1), 1e-5, "the factor belongs to the input channel, axis 1 of w"),
        ("as many channels in as out", (3, 3, 1), 1e-5, "the factor belongs to axis 1 of w"),
        ("3x3 kernels", (4, 2, 3), 1e-5, "the shift meets every weight of its input channel"),
        ("a large eps", (2, 3, 2), 0.5, "eps is added to the variance, under the root"),
    ):
        w, b = rng.standard_normal((out, inside, k, k)), rng.standard_normal(out)
        gamma, beta, mean, var = _norm(rng, inside)
        a = _factor(gamma, var, eps)
        expected = a[:, None, None] * w, b + w.sum((2, 3)) @ (beta - a * mean)
        cases.append(Case(what, (gamma, beta, mean, var, eps, w, b), expected, hint))
    return judge(function, cases)


def padding(function: Callable) -> Verdict:
    """`function(gamma, beta, mean, var, eps)`: for each channel the x that the norm makes 0."""
    rng, cases = np.random.default_rng(2), []
    for what, eps in (("three channels", 1e-5), ("a large eps", 0.5)):
        gamma, beta, mean, var = _norm(rng, 3)
        expected = mean - beta / _factor(gamma, var, eps)
        hint = "solve a (x - mean) + beta = 0 for x"
        cases.append(Case(what, (gamma, beta, mean, var, eps), expected, hint))
    return judge(function, cases)
