"""Checkers of the exercises of training/comparing."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge


def seeds(function: Callable) -> Verdict:
    """`function(spread, difference)`: the seeds of each of two nets for a power of 80 %."""
    both = "both means have a standard error, and their variances add"
    return judge(
        function,
        [
            Case("a spread of 0.16 and a difference of 0.2", (0.16, 0.2), 11, both),
            Case("a spread of 0.45 and a difference of 0.2", (0.45, 0.2), 80, both),
            Case(
                "a spread of 0.3 and a difference of 1.3", (0.3, 1.3), 2, "one seed has no spread"
            ),
            Case("a spread of 1 and a difference of 1", (1.0, 1.0), 16, "1.96 + 0.84 errors"),
            Case("a spread of 0.7 and a difference of 0.3", (0.7, 0.3), 86, "a whole number"),
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


def variance_parts(function: Callable) -> Verdict:
    """`function(wrong)`, `(seeds, images)` of 0 and 1: what seeds and images add to the variance.

    The variance of the mean over all seeds and images, as two numbers.
    """
    rng = np.random.default_rng(0)
    cases = []
    for what, nets, n in (("3 nets, 40 images", 3, 40), ("6 nets, 200 images", 6, 200)):
        wrong = (rng.random((nets, n)) < rng.beta(0.3, 2, n)).astype(float)
        cases.append(
            Case(
                what,
                (wrong,),
                _parts(wrong),
                "the first is V, the second I = W - E of this one net",
            )
        )
    same = np.tile(np.arange(10) < 2, (4, 1)).astype(float)
    cases.append(Case("four equal nets", (same,), _parts(same), "they have no spread"))
    apart = np.array([[1.0, 0, 1, 0], [0, 1, 0, 1]])
    hint = "I is what two seeds have in common: take out what one of them has alone"
    cases.append(Case("two nets that never fail together", (apart,), _parts(apart), hint))
    return judge(function, cases)


def _parts(wrong: np.ndarray) -> tuple[float, float]:
    nets, images = wrong.shape
    covariances = np.cov(wrong)[~np.eye(nets, dtype=bool)]
    return wrong.mean(1).var(ddof=1) / nets, covariances.mean() / images
