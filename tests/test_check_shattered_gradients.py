import math

import numpy as np
from exercises import verdict_tests

from resnet_tutorial.check import shattered_gradients as check


def right_correlation(shortcut, variances, agreement):
    kept, total = 1.0, 1.0
    for a in variances:
        kept, total = kept * (shortcut**2 + a * agreement), total * (shortcut**2 + a)
    return kept / total


def acf(slopes, divisors=lambda n: np.ones(n)):
    d = slopes - slopes.mean()
    sums = np.array([d[: len(d) - k] @ d[k:] for k in range(len(d))]) / divisors(len(d))
    return sums / sums[0]


def right_memory(slopes, spacing):
    return spacing * next(k for k, c in enumerate(acf(slopes)) if c <= math.exp(-1))


def kernel(cosine):
    theta = math.acos(cosine)
    return (math.sin(theta) + (math.pi - theta) * cosine) / math.pi


def right_cosine(cosine, slope):
    """By the absolute value: the activation is ((1 + s) t + (1 - s) |t|) / 2."""
    absolute = 2 * kernel(cosine) - cosine
    return ((1 + slope) ** 2 * cosine + (1 - slope) ** 2 * absolute) / (2 * (1 + slope**2))


WRONG_CORRELATION = {
    "the plain law": lambda s, v, p: p ** len(v),
    "three quarters for every block": lambda s, v, p: 0.75 ** len(v),
    "shortcut not squared": lambda s, v, p: right_correlation(math.sqrt(s), v, p),
    "variances squared": lambda s, v, p: right_correlation(s, np.square(v), p),
    "coins, whatever the agreement": lambda s, v, p: right_correlation(s, v, 0.5),
    "agreement squared": lambda s, v, p: right_correlation(s, v, p**2),
    "both gates on, p/2, and the norm not halved": lambda s, v, p: right_correlation(s, v, p / 2),
    "the shortcut gated too": lambda s, v, p: p * right_correlation(s, v, p),
    "the last block alone": lambda s, v, p: right_correlation(s, v[-1:], p),
    "the branches added up": lambda s, v, p: right_correlation(s, [sum(v)], p),
    "not divided by the norm": lambda s, v, p: math.prod(s**2 + a * p for a in v),
    "the shortcut forgotten": lambda s, v, p: right_correlation(0, v, p),
}
WRONG_MEMORY = {
    "mean not subtracted": lambda s, h: (
        h * np.argmax(np.correlate(s, s, "full")[len(s) - 1 :] / (s @ s) <= 1 / math.e)
    ),
    "each lag divided by its number of terms": lambda s, h: (
        h * np.argmax(acf(s, lambda n: n - np.arange(n)) <= 1 / math.e)
    ),
    "threshold one half": lambda s, h: h * np.argmax(acf(s) <= 0.5),
    "threshold zero": lambda s, h: h * np.argmax(acf(s) <= 0),
    "one lag too many": lambda s, h: right_memory(s, h) + h,
    "the lag before": lambda s, h: right_memory(s, h) - h,
    "the spacing forgotten": lambda s, h: right_memory(s, 1),
    "negative lags": lambda s, h: -right_memory(s, h),
    "the middle of np.correlate forgotten": lambda s, h: (
        h * np.argmax(np.correlate(s - s.mean(), s - s.mean(), "full") <= 1 / math.e)
    ),
    "absolute values": lambda s, h: h * np.argmax(np.abs(acf(s)) <= 1 / math.e),
    "no division by the lag-0 sum": lambda s, h: (
        h * np.argmax(acf(s) * ((s - s.mean()) ** 2).sum() <= 1 / math.e)
    ),
}
WRONG_COSINE = {
    "the ReLU for every slope": lambda c, s: kernel(c),
    "not normalised": lambda c, s: right_cosine(c, s) * (1 + s**2) / 2,
    "a mixture of the cosines": lambda c, s: s * c + (1 - s) * kernel(c),
    "cross terms forgotten": lambda c, s: (
        (s**2 * c + (1 - s) ** 2 * kernel(c) / 2) / (s**2 + (1 - s) ** 2 / 2)
    ),
    "the gate agreement": lambda c, s: 1 - math.acos(c) / math.pi,
    "the kernel not halved": lambda c, s: (s * c + (1 - s) ** 2 * kernel(c)) / (1 - s + s**2),
    "theta for pi - theta": lambda c, s: (
        (2 * s * c + (1 - s) ** 2 * (math.sin(math.acos(c)) + math.acos(c) * c) / math.pi)
        / (1 + s**2)
    ),
    "degrees": lambda c, s: right_cosine(math.cos(math.degrees(math.acos(c))), s),
}
EXERCISES = {
    "gate_correlation": (check.gate_correlation, right_correlation, WRONG_CORRELATION),
    "memory": (check.memory, right_memory, WRONG_MEMORY),
    "cosine_map": (check.cosine_map, right_cosine, WRONG_COSINE),
}


test_right, test_wrong = verdict_tests(EXERCISES)


def agrees(draws, law):
    """Whether their mean is within four standard errors of the law."""
    return abs(draws.mean() - law) < 4 * draws.std() / math.sqrt(len(draws))


def test_the_right_answers_are_what_random_layers_do():
    """The laws by simulation, not by the formulas of the checkers."""
    rng = np.random.default_rng(0)
    n, draws, shortcut, variance, agreement = 8, 20_000, 0.5, 0.3, 0.7
    g = rng.standard_normal(n)
    w = math.sqrt(2 * variance / n) * rng.standard_normal((draws, n, n))
    on = rng.random((draws, n)) < 0.5  # for the other input: on with `agreement` where this is on
    other = rng.random((draws, n)) < np.where(on, agreement, 1 - agreement)
    back, back_other = (shortcut * g + np.einsum("di,dij->dj", d * g, w) for d in (on, other))
    norm = (shortcut**2 + variance) * (g @ g)
    law = right_correlation(shortcut, [variance], agreement)
    assert agrees((back * back_other).sum(1) / norm, law)
    u, v = rng.standard_normal((2, 200_000))
    v = 0.3 * u + math.sqrt(1 - 0.3**2) * v
    f, f_other = (np.where(t > 0, t, 0.2 * t) for t in (u, v))
    assert agrees(f * f_other / ((1 + 0.2**2) / 2), right_cosine(0.3, 0.2))
