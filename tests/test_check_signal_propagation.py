import math

import numpy as np
import pytest
from exercises import verdict_tests

from resnet_tutorial.check import signal_propagation as check


def right_std(shape, slope):
    return math.sqrt(2 / ((1 + slope**2) * math.prod(shape[1:])))


def right_scale(blocks, v, bound):
    return math.sqrt((bound ** (1 / blocks) - 1) / v)


def right_moments(second, variance, blocks, v):
    return second + v * blocks / 2, variance + v * blocks * (math.pi - 1) / (2 * math.pi)


WRONG_STD = {
    "the variance": lambda s, a: right_std(s, a) ** 2,
    "factor 2 lost (Xavier's constant)": lambda s, a: right_std(s, a) / math.sqrt(2),
    "factor 2 outside the root": lambda s, a: math.sqrt(2) * right_std(s, a),
    "fan-out": lambda s, a: math.sqrt(2 / ((1 + a**2) * s[0] * math.prod(s[2:]))),
    "channels without the kernel's taps": lambda s, a: math.sqrt(2 / ((1 + a**2) * s[1])),
    "the slope ignored": lambda s, a: right_std(s, 0),
    "the slope not squared": lambda s, a: math.sqrt(2 / ((1 + a) * math.prod(s[1:]))),
    "the framework's default bound": lambda s, a: 1 / math.sqrt(math.prod(s[1:])),
}
WRONG_SCALE = {
    "1/sqrt(L)": lambda n, v, b: n**-0.5,
    "the square": lambda n, v, b: right_scale(n, v, b) ** 2,
    "v forgotten": lambda n, v, b: right_scale(n, 1, b),
    "v outside the root": lambda n, v, b: right_scale(n, 1, b) / v,
    "log(bound)/L, below the largest": lambda n, v, b: math.sqrt(math.log(b) / (n * v)),
    "the growth linear in L": lambda n, v, b: math.sqrt((b - 1) / (n * v)),
    "the bound on the norm": lambda n, v, b: right_scale(n, v, b**2),
}
WRONG_MOMENTS = {
    "every block doubles": lambda m, s, n, v: (m * 2**n, s * 2**n),
    "both by one": lambda m, s, n, v: (m + v / 2 * n, s + v / 2 * n),
    "the two swapped": lambda m, s, n, v: right_moments(m, s, n, v)[::-1],
    "v of the last layer ignored": lambda m, s, n, v: right_moments(m, s, n, 2),
    "v not halved": lambda m, s, n, v: right_moments(m, s, n, 2 * v),
    "1/(2 pi), the squared mean, for 1/pi": lambda m, s, n, v: (
        m + v / 2 * n,
        s + v / 2 * (1 - 0.5 / math.pi) * n,
    ),
    "the start forgotten": lambda m, s, n, v: right_moments(0, 0, n, v),
    "one block too many": lambda m, s, n, v: right_moments(m, s, n + 1, v),
    "the second moment alone": lambda m, s, n, v: m + v / 2 * n,
}
EXERCISES = {
    "he_std": (check.he_std, right_std, WRONG_STD),
    "branch_scale": (check.branch_scale, right_scale, WRONG_SCALE),
    "moments": (check.moments, right_moments, WRONG_MOMENTS),
}


test_right, test_wrong = verdict_tests(EXERCISES)


def test_the_moments_as_an_array_are_right():
    assert check.moments(lambda *arguments: np.array(right_moments(*arguments)))


def agrees(draws, theory):
    """Whether their mean is within four standard errors of theory."""
    return abs(draws.mean() - theory) < 4 * draws.std() / math.sqrt(len(draws))


def test_the_right_answers_keep_what_they_promise():
    """The laws by simulation and by substitution, not by the formulas of the checkers."""
    rng = np.random.default_rng(0)
    inputs = np.linspace(-1, 2, 50)
    rows = right_std((100, 50), 0.5) * rng.standard_normal((20_000, 50))
    z = rows @ inputs
    assert agrees(np.where(z > 0, z, 0.5 * z) ** 2, (inputs**2).mean())
    assert (1 + 2 * right_scale(50, 2, 10) ** 2) ** 50 == pytest.approx(10)
    relu = np.maximum(rng.standard_normal(20_000), 0)
    second, variance = right_moments(0, 0, 1, 2)
    assert agrees(2 * relu**2, second)
    assert agrees(2 * (relu - relu.mean()) ** 2, variance)
