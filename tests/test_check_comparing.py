from math import ceil

import numpy as np
from exercises import verdict_tests

from resnet_tutorial.check import comparing as check


def seeds(spread, difference):
    return max(2, ceil(2 * (2.8 * spread / difference) ** 2))


def images(b, c, n, difference):
    return ceil(4 * ((b + c) / n - difference**2) / difference**2)


def unpaired_images(b, c, n, difference):
    variances = (p * (1 - p) for p in (b / n, c / n))
    return ceil(4 * sum(variances) / difference**2)


def parts(wrong, ddof=1):
    k, n = wrong.shape
    covariances = np.cov(wrong)[~np.eye(k, dtype=bool)]
    return wrong.mean(1).var(ddof=ddof) / k, covariances.mean() / n


def test_the_parts_as_an_array_are_right():
    assert check.variance_parts(lambda wrong: np.array(parts(wrong)))


test_right, test_wrong = verdict_tests(
    {
        "seeds": (
            check.seeds,
            seeds,
            {
                "one net's error alone": lambda s, d: max(2, ceil((2.8 * s / d) ** 2)),
                "two standard errors": lambda s, d: max(2, ceil(8 * (s / d) ** 2)),
                "power one half": lambda s, d: max(2, ceil(2 * (1.96 * s / d) ** 2)),
                "the power's part alone": lambda s, d: max(2, ceil(2 * (0.84 * s / d) ** 2)),
                "not squared": lambda s, d: max(2, ceil(2 * 2.8**2 * s / d)),
                "squares apart": lambda s, d: max(2, ceil(2 * (1.96**2 + 0.84**2) * (s / d) ** 2)),
                "a fraction": lambda s, d: 2 * (2.8 * s / d) ** 2,
                "rounded down": lambda s, d: max(2, int(2 * (2.8 * s / d) ** 2)),
                "round()": lambda s, d: max(2, round(2 * (2.8 * s / d) ** 2)),
                "one seed": lambda s, d: ceil(2 * (2.8 * s / d) ** 2),
                "of both nets together": lambda s, d: 2 * seeds(s, d),
            },
        ),
        "images": (
            check.images,
            images,
            {
                "independent test sets": unpaired_images,
                "the pilot's difference": lambda b, c, n, d: ceil(
                    4 * ((b + c) / n - ((b - c) / n) ** 2) / d**2
                ),
                "b alone": lambda b, c, n, d: images(b, 0, n, d),
                "counts, not shares": lambda b, c, n, d: ceil(4 * (b + c - d**2) / d**2),
                "round()": lambda b, c, n, d: round(4 * ((b + c) / n - d**2) / d**2),
                "rounded down": lambda b, c, n, d: int(4 * ((b + c) / n - d**2) / d**2),
                "one standard error": lambda b, c, n, d: ceil(((b + c) / n - d**2) / d**2),
                "without the square of the mean": lambda b, c, n, d: ceil(4 * (b + c) / n / d**2),
            },
        ),
        "variance parts": (
            check.variance_parts,
            parts,
            {
                "exchanged": lambda w: parts(w)[::-1],
                "biased": lambda w: parts(w, ddof=0),
                "not divided": lambda w: (parts(w)[0] * len(w), parts(w)[1] * w.shape[1]),
                "every covariance": lambda w: (parts(w)[0], np.cov(w).mean() / w.shape[1]),
                "one net's variance": lambda w: (
                    parts(w)[0],
                    np.diag(np.cov(w)).mean() / w.shape[1],
                ),
                "the binomial law": lambda w: (parts(w)[0], w.mean() * (1 - w.mean()) / w.size),
                "seeds and images exchanged": lambda w: parts(w.T),
                "one number": lambda w: sum(parts(w)),
            },
        ),
    }
)
