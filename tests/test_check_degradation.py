import numpy as np
import pytest

from resnet_tutorial.check import degradation as check


def growth(norms):
    return (norms[0] / norms[-1]) ** (1 / (len(norms) - 1))


WRONG_GROWTH = {
    "the whole ratio": lambda n: n[0] / n[-1],
    "as many roots as layers": lambda n: (n[0] / n[-1]) ** (1 / len(n)),
    "last over first": lambda n: (n[-1] / n[0]) ** (1 / (len(n) - 1)),
    "the mean quotient of neighbours": lambda n: np.mean(n[:-1] / n[1:]),
    "its logarithm": lambda n: np.log(growth(n)),
    "the largest over the smallest": lambda n: (n.max() / n.min()) ** (1 / (len(n) - 1)),
    "regression slope": lambda n: np.exp(-np.polyfit(range(len(n)), np.log(n), 1)[0]),
    "the median quotient of neighbours": lambda n: np.median(n[:-1] / n[1:]),
    "never below 1": lambda n: max(1.0, growth(n)),
    "shared out, not multiplied": lambda n: n[0] / n[-1] / (len(n) - 1),
}


def worse(shallow, deep, part):
    return deep[:, part].min() > shallow[:, part].max()


def compare(shallow, deep):
    degraded = worse(shallow, deep, 0)
    return degraded, worse(shallow, deep, 1) and not degraded


def compare_means(shallow, deep):
    train, test = deep.mean(0) > shallow.mean(0)
    return train, test and not train


def compare_seeds(shallow, deep):
    train, test = (deep > shallow).all(0)
    return train, test and not train


def compare_with(worse):
    def answer(shallow, deep):
        train, test = (worse(shallow[:, part], deep[:, part]) for part in (0, 1))
        return train, test and not train

    return answer


WRONG_COMPARE = {
    ">=": compare_with(lambda s, d: d.min() >= s.max()),
    "first row against last": compare_with(lambda s, d: d[0] > s[-1]),
    "last row against first": compare_with(lambda s, d: d[-1] > s[0]),
    "best against best": compare_with(lambda s, d: d.min() > s.min()),
    "worst against worst": compare_with(lambda s, d: d.max() > s.max()),
    "medians": compare_with(lambda s, d: np.median(d) > np.median(s)),
    "a fixed threshold of errors": compare_with(lambda s, d: d.min() > 0.07),
    "a fixed threshold of differences": compare_with(lambda s, d: d.min() - s.max() > 0.005),
    "two standard errors": compare_with(
        lambda s, d: d.mean() - s.mean() > 2 * np.hypot(s.std(), d.std()) / len(s) ** 0.5
    ),
    "the first two seeds": lambda s, d: compare(s[:2], d[:2]),
    "test error for degradation": lambda s, d: (worse(s, d, 1), False),
    "overfits though degraded": lambda s, d: (worse(s, d, 0), worse(s, d, 1)),
    "means": compare_means,
    "seed by seed": compare_seeds,
    "the wrong way round": lambda s, d: compare(d, s),
    "answers exchanged": lambda s, d: compare(s, d)[::-1],
    "never": lambda s, d: (False, False),
    "one answer": lambda s, d: worse(s, d, 0),
}


def dirac(channels, kernel):
    w = np.zeros((channels, channels, kernel, kernel))
    w[range(channels), range(channels), kernel // 2, kernel // 2] = 1
    return w


def identity(mean, var, eps, kernel):
    return dirac(len(mean), kernel), np.sqrt(var + eps), mean


def rescaled_identity(mean, var, eps, kernel):
    """Other parameters that are right too."""
    gamma = np.sqrt(var + eps) / 2
    return 2 * dirac(len(mean), kernel), gamma, mean / 2


def ones(mean, var, eps, kernel):
    return np.ones((len(mean), len(mean), kernel, kernel)), np.sqrt(var + eps), mean


def all_channels(mean, var, eps, kernel):
    w = np.zeros((len(mean), len(mean), kernel, kernel))
    w[:, :, kernel // 2, kernel // 2] = 1
    return w, np.sqrt(var + eps), mean


def corner(mean, var, eps, kernel):
    w = np.roll(dirac(len(mean), kernel), 1, axis=(2, 3))
    return w, np.sqrt(var + eps), mean


def only_three(mean, var, eps, kernel):
    w = np.zeros((len(mean), len(mean), kernel, kernel))
    w[range(len(mean)), range(len(mean)), 1, 1] = 1
    return w, np.sqrt(var + eps), mean


WRONG_IDENTITY = {
    "gamma = sigma": lambda m, v, e, k: (dirac(len(m), k), np.sqrt(v), m),
    "gamma = sigma + eps": lambda m, v, e, k: (dirac(len(m), k), np.sqrt(v) + e, m),
    "gamma = variance": lambda m, v, e, k: (dirac(len(m), k), v + e, m),
    "gamma = 1": lambda m, v, e, k: (dirac(len(m), k), np.ones_like(m), m),
    "beta = 0": lambda m, v, e, k: (dirac(len(m), k), np.sqrt(v + e), np.zeros_like(m)),
    "beta = -mean": lambda m, v, e, k: (dirac(len(m), k), np.sqrt(v + e), -m),
    "a kernel of ones": ones,
    "the sum of all channels": all_channels,
    "the wrong tap": corner,
    "the centre of a 3x3 in every kernel": only_three,
    "beta forgotten": lambda m, v, e, k: (dirac(len(m), k), np.sqrt(v + e)),
}


@pytest.mark.parametrize(
    "checker, right",
    [
        (check.layer_growth, growth),
        (check.compare, compare),
        (check.identity_layer, identity),
        (check.identity_layer, rescaled_identity),
    ],
)
def test_accepts(checker, right):
    assert checker(right)


WRONG = [
    *((check.layer_growth, name, f) for name, f in WRONG_GROWTH.items()),
    *((check.compare, name, f) for name, f in WRONG_COMPARE.items()),
    *((check.identity_layer, name, f) for name, f in WRONG_IDENTITY.items()),
]


@pytest.mark.parametrize(
    "checker, name, wrong", WRONG, ids=lambda value: getattr(value, "__name__", value)
)
def test_rejects(checker, name, wrong):
    verdict = checker(wrong)
    assert not verdict and verdict.message.startswith("wrong on")


@pytest.mark.parametrize("checker", [check.layer_growth, check.compare, check.identity_layer])
def test_unwritten_and_broken_answers_are_told_in_one_line(checker):
    assert "not written yet" in checker(lambda *arguments: None).message
    broken = checker(lambda *arguments: 1 / 0)
    assert not broken and "ZeroDivisionError" in broken.message and "\n" not in broken.message
