"""Each checker accepts a right answer and rejects the typical wrong ones."""

import itertools

import numpy as np
import pytest
import torch
from exercises import verdict_tests

from resnet_tutorial.check import recipe as check


def right_rate(curvature, momentum, long_run):
    rate = 2 * (1 + momentum) / curvature
    return rate / (1 - momentum) if long_run else rate


def right_floor(lr, momentum, curvature, noise):
    a = 1 + momentum - lr * curvature
    share = a / (1 + momentum)
    return lr**2 * noise / (1 - a**2 - momentum**2 + 2 * a * momentum * share)


def right_decay(clock, lr, momentum):
    return (1 - momentum) / (4 * lr * clock)


def right_ratio(w, x, keep):
    evaluation = (x @ w).var()
    return evaluation / (evaluation + (1 / keep - 1) * (w**2 @ (x**2).mean(0)))


def ratio(noise, evaluation=lambda w, x: (x @ w).var()):
    """An answer with this variance added by dropout, and this one in evaluation."""

    def answer(w, x, keep):
        kept = evaluation(w, x)
        return kept / (kept + noise(w, x, keep))

    return answer


EXERCISES = {
    "largest_rate": (
        check.largest_rate,
        right_rate,
        {
            "no momentum": lambda h, m, long_run: right_rate(h, 0.0, long_run),
            "the other root": lambda h, m, long_run: right_rate(h, -m, long_run),
            "never the long run": lambda h, m, long_run: right_rate(h, m, False),
            "always the long run": lambda h, m, long_run: right_rate(h, m, True),
            "half of it": lambda h, m, long_run: right_rate(h, m, long_run) / 2,
            "no curvature": lambda h, m, long_run: right_rate(1.0, m, long_run),
        },
    ),
    "floor": (
        check.floor,
        right_floor,
        {
            "no momentum": lambda lr, m, h, s: right_floor(lr, 0.0, h, s),
            "the long-run rate": lambda lr, m, h, s: right_floor(lr / (1 - m), 0.0, h, s),
            "the small rate": lambda lr, m, h, s: lr * s / (2 * h * (1 - m)),
            "the loss": lambda lr, m, h, s: h * right_floor(lr, m, h, s) / 2,
            "the deviation": lambda lr, m, h, s: right_floor(lr, m, h, s) ** 0.5,
            "noise squared": lambda lr, m, h, s: right_floor(lr, m, h, s**2),
        },
    ),
    "decay_for_clock": (
        check.decay_for_clock,
        right_decay,
        {
            "half of the rate": lambda c, lr, m: (1 - m) / (2 * lr * c),
            "no momentum": lambda c, lr, m: 1 / (4 * lr * c),
            "momentum inverted": lambda c, lr, m: 1 / ((1 - m) * 4 * lr * c),
            "the angle's momentum": lambda c, lr, m: (1 + m) / (4 * lr * c),
        },
    ),
    "variance_ratio": (
        check.variance_ratio,
        right_ratio,
        {
            "one": lambda w, x, keep: 1.0,
            "the inverse": lambda w, x, keep: 1 / right_ratio(w, x, keep),
            "keep": lambda w, x, keep: keep,
            "the variance of x": ratio(lambda w, x, keep: (1 / keep - 1) * (w**2 @ x.var(0))),
            "dropped, not kept": ratio(
                lambda w, x, keep: (1 / (1.5 - keep) - 1) * (w**2 @ (x**2).mean(0))
            ),
            "w not squared": ratio(
                lambda w, x, keep: (1 / keep - 1) * (np.abs(w) @ (x**2).mean(0))
            ),
            "independent entries": ratio(
                lambda w, x, keep: (1 / keep - 1) * (w**2 @ (x**2).mean(0)),
                lambda w, x: w**2 @ x.var(0),
            ),
        },
    ),
}

test_right, test_wrong = verdict_tests(EXERCISES)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_right_rate_is_where_pytorch_s_sgd_begins_to_explode(momentum):
    for factor, explodes in ((0.98, False), (1.02, True)):
        w = torch.ones(1, dtype=torch.float64, requires_grad=True)
        sgd = torch.optim.SGD([w], factor * right_rate(3.0, momentum, False), momentum)
        for _ in range(2000):
            w.grad = 3.0 * w.detach()
            sgd.step()
        assert (w.abs().item() > 1) == explodes


def test_the_right_floor_is_that_of_a_simulation():
    rng, w, v = np.random.default_rng(0), np.zeros(50_000), 0.0
    for _ in range(200):
        v = 0.5 * v + 3.0 * w + 2.0 * rng.standard_normal(w.shape)
        w = w - 0.2 * v
    error = (w**2).std() / len(w) ** 0.5
    assert abs((w**2).mean() - right_floor(0.2, 0.5, 3.0, 4.0)) < 4 * error


def test_the_right_ratio_is_that_of_all_masks():
    """By listing every mask: with keep = 1/2 all are equally likely."""
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((5, 3)) + 1, rng.standard_normal(3)
    masks = np.array(list(itertools.product((0.0, 2.0), repeat=3)))
    training = np.array([(x * mask) @ w for mask in masks]).var()
    assert right_ratio(w, x, 0.5) == pytest.approx((x @ w).var() / training)
