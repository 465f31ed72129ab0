"""Checkers of the exercises of training/recipe."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge


def largest_rate(function: Callable) -> Verdict:
    """Whether `function(curvature, momentum, long_run)` is the largest stable learning rate.

    Of SGD in PyTorch's form on a parabola of that curvature; with `long_run` the answer is the rate
    over (1 - momentum), the speed along a constant gradient. Chapter: training/recipe
    """
    cases = []
    for curvature, momentum in ((1.0, 0.0), (4.0, 0.5), (38.0, 0.9)):
        for long_run in (False, True):
            rate = 2 * (1 + momentum) / curvature
            expected = rate / (1 - momentum) if long_run else rate
            what = f"curvature {curvature}, momentum {momentum}, long_run {long_run}"
            hint = "at the limit the root z = -1 solves the recursion"
            cases.append(Case(what, (curvature, momentum, long_run), expected, hint))
    return judge(function, cases)


def floor(function: Callable) -> Verdict:
    """Whether `function(lr, momentum, curvature, noise)` is the stationary variance of SGD.

    Of the weight on a parabola, with gradients that carry independent noise of variance `noise`.
    Chapter: training/recipe
    """
    cases = []
    for lr, mu, h, noise in ((0.5, 0.0, 1.0, 1.0), (0.1, 0.9, 2.0, 1.0), (0.2, 0.5, 3.0, 4.0)):
        expected = lr * noise * (1 + mu) / (h * (1 - mu) * (2 * (1 + mu) - lr * h))
        what = f"lr {lr}, momentum {mu}, curvature {h}, noise {noise}"
        hint = "multiply the recursion by w for E w w_, and square it for E w^2; no approximation"
        cases.append(Case(what, (lr, mu, h, noise), expected, hint))
    return judge(function, cases)


def decay_for_clock(function: Callable) -> Verdict:
    """Whether `function(clock, lr, momentum)` is the weight decay that acts within `clock` steps.

    The clock is the relaxation time of |w|^4 of a scale-invariant weight under SGD in PyTorch's
    form, to leading order. Chapter: training/recipe
    """
    cases = [
        Case(
            f"clock {clock}, lr {lr}, momentum {momentum}",
            (clock, lr, momentum),
            (1 - momentum) / (4 * lr * clock),
            hint="solve (1 - mu) / (4 eta lambda) = clock for lambda",
        )
        for clock, lr, momentum in ((2500, 0.1, 0.9), (25, 0.1, 0.9), (60, 0.05, 0.0))
    ]
    return judge(function, cases)


def variance_ratio(function: Callable) -> Verdict:
    """Whether `function(w, x, keep)` is the variance in evaluation over that in training.

    Of u = x w behind inverted dropout that keeps each entry of x with probability `keep`; the rows
    of `x` (m, d) are the population, each as likely as the next, and `w` is (d,).
    Chapter: training/recipe
    """
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((7, 4)) + [0.0, 1.0, -2.0, 0.5], rng.standard_normal(4)
    examples = {
        "one entry, values 0 and 2": (np.ones(1), np.array([[0.0], [2.0]]), 0.5),
        "two equal entries": (np.ones(2), np.array([[1.0, 1.0], [-1.0, -1.0]]), 0.5),
        "a mean that is not zero": (w, x, 0.8),
        "nothing dropped": (w, x, 1.0),
    }
    cases = []
    for what, (w, x, keep) in examples.items():
        evaluation = (x @ w).var()
        noise = (1 / keep - 1) * (w**2 @ (x**2).mean(0))
        hint = "dropout adds (1 / keep - 1) E[x_j^2] w_j^2 for each entry"
        cases.append(Case(what, (w, x, keep), evaluation / (evaluation + noise), hint))
    return judge(function, cases)
