"""Checkers of the chapter training/depth_sweep."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge


def seeds(function: Callable) -> Verdict:
    """`function(spread, difference)`: the seeds of each of two nets."""
    both = "both means have a standard error, and their variances add"
    return judge(
        function,
        [
            Case("a spread of 0.16 and a difference of 0.2", (0.16, 0.2), 6, both),
            Case("a spread of 0.45 and a difference of 0.2", (0.45, 0.2), 41, both),
            Case("a spread of 0.3 and a difference of 1", (0.3, 1.0), 2, "one seed has no spread"),
            Case("a spread of 1 and a difference of 1", (1.0, 1.0), 8, "two errors or more"),
            Case("a spread of 0.7 and a difference of 0.3", (0.7, 0.3), 44, "a whole number"),
        ],
    )


def images(function: Callable) -> Verdict:
    """`function(b, c, n, difference)`: the size of a test set, from a pilot on n images.

    b images were wrong with the first net alone, c with the second alone.
    """
    paired = "an image that both nets get right, or both wrong, says nothing"
    return judge(
        function,
        [
            Case("b = 30, c = 30, n = 1000, 0.7 points", (30, 30, 1000, 0.007), 4894, paired),
            Case("b = 40, c = 20, n = 1000, 0.7 points", (40, 20, 1000, 0.007), 4894,
                 "the difference to detect is the one asked for, not that of the pilot"),
            Case("b = 5, c = 3, n = 16, 25 points", (5, 3, 16, 0.25), 28, paired),
            Case("b = 5, c = 0, n = 500, 0.3 points", (5, 0, 500, 0.003), 4441, paired),
            Case("b = 300, c = 301, n = 10000, 0.21 points", (300, 301, 10_000, 0.0021), 54_509,
                 paired),
        ],
    )  # fmt: skip


def epochs(function: Callable) -> Verdict:
    """`function(images, batch, rate, decay, momentum, clock)`: epochs at a constant rate."""
    return judge(
        function,
        [
            Case("CIFAR-10 at rate 0.1, clock 3.376", (50_000, 128, 0.1, 1e-4, 0.9, 3.376), 87,
                 "an epoch has images // batch steps: the incomplete batch is left out"),
            Case("without momentum", (50_000, 128, 0.1, 1e-4, 0.0, 3.376), 866,
                 "momentum makes each step 1 / (1 - momentum) times as long"),
            Case("60,000 images, batch 100, clock 1", (60_000, 100, 0.05, 5e-4, 0.9, 1.0), 7),
            Case("20.2 epochs", (1000, 100, 0.1, 1e-3, 0.5, 0.0404), 21, "at least the clock"),
            Case("4 epochs to the step", (8, 2, 0.25, 0.125, 0.5, 1.0), 4),
            Case("one batch an epoch", (64, 64, 0.1, 1e-3, 0.5, 0.1003), 502),
        ],
    )  # fmt: skip


def variance_parts(function: Callable) -> Verdict:
    """`function(wrong)`, `(seeds, images)` of 0 and 1: what seeds and images add to the variance.

    The variance of the mean over all seeds and images, as two numbers.
    """
    rng = np.random.default_rng(0)
    cases = []
    for what, nets, n in (("3 nets, 40 images", 3, 40), ("6 nets, 200 images", 6, 200)):
        wrong = (rng.random((nets, n)) < rng.beta(0.3, 2, n)).astype(float)
        cases.append(Case(what, (wrong,), _parts(wrong), "see (two-noises): V_seed / k and C / n"))
    same = np.tile(np.arange(10) < 2, (4, 1)).astype(float)
    cases.append(Case("four equal nets", (same,), _parts(same), "they have no spread"))
    apart = np.array([[1.0, 0, 1, 0], [0, 1, 0, 1]])
    hint = "C is a covariance of two different nets, not the variance of one"
    cases.append(Case("two nets that never fail together", (apart,), _parts(apart), hint))
    return judge(function, cases)


def _parts(wrong: np.ndarray) -> tuple[float, float]:
    nets, images = wrong.shape
    covariances = np.cov(wrong)[~np.eye(nets, dtype=bool)]
    return wrong.mean(1).var(ddof=1) / nets, covariances.mean() / images
