"""Checkers of the exercises of theory/shattered_gradients."""

import math
from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge


def gate_correlation(function: Callable) -> Verdict:
    """Whether `function(shortcut, variances, agreement)` is the gradients' correlation.

    `shortcut` scales the shortcut (0: a plain net), `variances` holds a branch variance for each
    block, `agreement` is the probability that a unit that is on for one input is on for the other.
    Chapter: theory/shattered_gradients
    """
    questions = {
        "a plain net of three layers": (0.0, (1.0, 1.0, 1.0), 0.5, "a layer halves it"),
        "one residual block": (1.0, (1.0,), 0.5, "the shortcut is one half of the energy"),
        "falling branches": (1.0, (1.0, 0.5, 0.25), 0.5, "each block has its own factor"),
        "gates that nearly agree": (1.0, (1.0, 2.0), 0.9, "only the branch passes through gates"),
        "a scaled shortcut": (0.5, (1.0, 0.3), 0.7, "the shortcut acts on both gradients"),
    }
    cases = [
        Case(
            what,
            (shortcut, variances, agreement),
            math.prod((shortcut**2 + a * agreement) / (shortcut**2 + a) for a in variances),
            hint,
        )
        for what, (shortcut, variances, agreement, hint) in questions.items()
    ]
    return judge(function, cases)


def memory(function: Callable) -> Verdict:
    """Whether `function(slopes, spacing)` is the distance at which the memory falls to 1/e.

    The smallest multiple of `spacing` at which the autocorrelation of the series (its mean
    subtracted, every lag divided by the sum of squares) is at most 1/e.
    Chapter: theory/shattered_gradients
    """
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.standard_normal(60))
    questions = {
        "an alternating series": (np.array([1.0, -1.0] * 8), "lag 1 is already negative"),
        "a ramp": (np.arange(12.0), "the sums get shorter with the lag; do not divide by N - k"),
        "a walk around 50": (50 + walk, "subtract the mean"),
        "a slow wave": (np.cos(np.arange(80) / 9), "the threshold is 1/e = 0.37"),
    }
    return judge(
        function,
        [
            Case(what, (slopes.copy(), spacing), spacing * _memory(slopes), hint)
            for what, (slopes, hint) in questions.items()
            for spacing in (1.0, 0.25)
        ],
    )


def _memory(slopes: np.ndarray) -> int:
    d = slopes - slopes.mean()
    acf = np.correlate(d, d, "full")[len(d) - 1 :] / (d @ d)
    return int(np.argmax(acf <= 1 / math.e))


def cosine_map(function: Callable) -> Verdict:
    """Whether `function(cosine, slope)` is the next cosine behind a wide leaky ReLU layer.

    Chapter: theory/shattered_gradients
    """
    cases = [
        Case(
            f"cosine {cosine}, slope {slope}",
            (cosine, slope),
            _cosine(cosine, slope),
            {0.0: "the ReLU: this is the kernel of the chapter", 1.0: "the identity"}.get(
                slope, "write the activation as slope * t + (1 - slope) * relu(t)"
            ),
        )
        for slope in (0.0, 1.0, 0.2, -1.0)
        for cosine in (-0.5, 0.0, 0.3, 1.0)
    ]
    return judge(function, cases)


def _cosine(cosine: float, slope: float) -> float:
    theta = math.acos(cosine)
    kernel = ((math.pi - theta) * cosine + math.sin(theta)) / math.pi
    return (2 * slope * cosine + (1 - slope) ** 2 * kernel) / (1 + slope**2)
