import numpy as np
import torch
from exercises import verdict_tests
from torch.nn.functional import batch_norm, conv2d, pad

from resnet_tutorial.check import deploy as check


def factor(gamma, var, eps):
    return gamma / np.sqrt(var + eps)


def right_fold(w, b, gamma, beta, mean, var, eps):
    a = factor(gamma, var, eps)
    return a[:, None, None, None] * w, a * (b - mean) + beta


def right_next(gamma, beta, mean, var, eps, w, b):
    a = factor(gamma, var, eps)
    return w * a[:, None, None], b + (w * (beta - a * mean)[:, None, None]).sum((1, 2, 3))


def right_padding(gamma, beta, mean, var, eps):
    return mean - beta / factor(gamma, var, eps)


def changed(right, change):
    """The right answer, for arguments that were misread."""

    def wrong(*arguments):
        return right(*change(*arguments))

    return wrong


def of_inputs(w, b, gamma, beta, mean, var, eps):
    """Scales the input channels; where the counts differ, NumPy raises."""
    a = factor(gamma, var, eps)
    return a[:, None, None] * w, a * (b - mean) + beta


WRONG_FOLD = {
    "kernels unscaled": lambda w, *rest: (w, right_fold(w, *rest)[1]),
    "input channels scaled": of_inputs,
    "bias unscaled": lambda w, b, g, be, m, v, e: (
        right_fold(w, b, g, be, m, v, e)[0],
        b + be - factor(g, v, e) * m,
    ),
    "bias lost": lambda w, b, *rest: right_fold(w, 0 * b, *rest),
    "mean added": changed(right_fold, lambda w, b, g, be, m, v, e: (w, b, g, be, -m, v, e)),
    "mean lost": changed(right_fold, lambda w, b, g, be, m, v, e: (w, b, g, be, 0 * m, v, e)),
    "beta lost": changed(right_fold, lambda w, b, g, be, m, v, e: (w, b, g, 0 * be, m, v, e)),
    "beta scaled": lambda w, b, g, be, m, v, e: (
        right_fold(w, b, g, be, m, v, e)[0],
        factor(g, v, e) * (b - m + be),
    ),
    "eps lost": changed(right_fold, lambda w, b, g, be, m, v, e: (w, b, g, be, m, v, 0.0)),
    "eps outside the root": lambda w, b, g, be, m, v, e: (
        (g / (np.sqrt(v) + e))[:, None, None, None] * w,
        g / (np.sqrt(v) + e) * (b - m) + be,
    ),
    "variance for the root": lambda w, b, g, be, m, v, e: (
        (g / (v + e))[:, None, None, None] * w,
        g / (v + e) * (b - m) + be,
    ),
    "gamma lost": changed(right_fold, lambda w, b, g, be, m, v, e: (w, b, g**0, be, m, v, e)),
    "swapped": lambda *arguments: right_fold(*arguments)[::-1],
}
WRONG_NEXT = {
    "output channels scaled": lambda g, be, m, v, e, w, b: (
        factor(g, v, e)[: len(w), None, None, None] * w,
        right_next(g, be, m, v, e, w, b)[1],
    ),
    "shift of one weight": lambda g, be, m, v, e, w, b: (
        right_next(g, be, m, v, e, w, b)[0],
        b + w[:, :, 0, 0] @ (be - factor(g, v, e) * m),
    ),
    "shift through scaled kernels": lambda g, be, m, v, e, w, b: (
        right_next(g, be, m, v, e, w, b)[0],
        b + (w * factor(g, v, e)[:, None, None]).sum((2, 3)) @ (be - factor(g, v, e) * m),
    ),
    "bias lost": lambda g, be, m, v, e, w, b: right_next(g, be, m, v, e, w, 0 * b),
    "mean unscaled": lambda g, be, m, v, e, w, b: (
        right_next(g, be, m, v, e, w, b)[0],
        b + w.sum((2, 3)) @ (be - m),
    ),
    "beta lost": lambda g, be, m, v, e, w, b: right_next(g, 0 * be, m, v, e, w, b),
    "mean lost": lambda g, be, m, v, e, w, b: right_next(g, be, 0 * m, v, e, w, b),
    "eps lost": lambda g, be, m, v, e, w, b: right_next(g, be, m, v, 0.0, w, b),
    "mean of the weights": lambda g, be, m, v, e, w, b: (
        right_next(g, be, m, v, e, w, b)[0],
        b + w.mean((2, 3)) @ (be - factor(g, v, e) * m),
    ),
}
WRONG_PADDING = {
    "zero": lambda g, be, m, v, e: 0 * m,
    "the mean": lambda g, be, m, v, e: m,
    "the shift": lambda g, be, m, v, e: be - factor(g, v, e) * m,
    "sign": lambda g, be, m, v, e: m + be / factor(g, v, e),
    "gamma alone": lambda g, be, m, v, e: m - be / g,
    "times the factor": lambda g, be, m, v, e: m - be * factor(g, v, e),
    "eps lost": lambda g, be, m, v, e: right_padding(g, be, m, v, 0.0),
}
EXERCISES = {
    "fold": (check.fold, right_fold, WRONG_FOLD),
    "fold_next": (check.fold_next, right_next, WRONG_NEXT),
    "padding": (check.padding, right_padding, WRONG_PADDING),
}


test_right, test_wrong = verdict_tests(EXERCISES)


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def test_the_right_answers_are_those_of_torch():
    """What the expected numbers mean: norm(conv(x)), conv(norm(x)), and a rim that becomes 0."""
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((2, 3, 6, 5)), rng.standard_normal((4, 3, 3, 3))
    b, eps = rng.standard_normal(4), 0.3

    def norm(channels):
        gamma, beta, mean = rng.standard_normal((3, channels))
        return gamma, beta, mean, rng.uniform(0.2, 4, channels)

    def normed(x, gamma, beta, mean, var):
        gamma, beta, mean, var = tensors(gamma, beta, mean, var)
        return batch_norm(x, mean, var, gamma, beta, eps=eps)

    x, after = torch.from_numpy(x), norm(4)
    expected = normed(conv2d(x, *tensors(w, b), padding=1), *after)
    found = conv2d(x, *tensors(*right_fold(w, b, *after, eps)), padding=1)
    assert torch.allclose(found, expected, atol=1e-12)

    before = norm(3)
    expected = conv2d(normed(x, *before), *tensors(w, b))
    folded = tensors(*right_next(*before, eps, w, b))
    assert torch.allclose(conv2d(x, *folded), expected, atol=1e-12)

    expected = conv2d(normed(x, *before), *tensors(w, b), padding=1)
    assert not torch.allclose(conv2d(x, *folded, padding=1), expected, atol=1e-2)
    rim = torch.from_numpy(right_padding(*before, eps))[:, None, None]
    padded = pad(x - rim, (1, 1, 1, 1)) + rim
    assert torch.allclose(conv2d(padded, *folded), expected, atol=1e-12)
