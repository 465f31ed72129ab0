import math

import numpy as np
import pytest
from exercises import verdict_tests

from resnet_tutorial.check import gradient_flow as check


def right_bound(blocks, keep):
    return 1 - keep ** (1 / blocks)


def right_backward(jacobians, gates, g):
    for jacobian, gate in zip(jacobians[::-1], gates[::-1], strict=True):
        g = gate * g
        g = g + jacobian.T @ g
    return g


def right_dropout(keep, blocks, inverted):
    return (1.0, keep**-blocks) if inverted else (keep**blocks, keep**blocks)


def right_scales(gradients, weights):
    relative = gradients / weights
    return np.sqrt(relative / relative[-1])


def wrong_order(jacobians, gates, g):
    return right_backward(jacobians[::-1], gates[::-1], g)


def untransposed(jacobians, gates, g):
    return right_backward(jacobians.transpose(0, 2, 1), gates, g)


def gate_after(jacobians, gates, g):
    for jacobian, gate in zip(jacobians[::-1], gates[::-1], strict=True):
        g = gate * (g + jacobian.T @ g)
    return g


def gate_on_the_branch(jacobians, gates, g):
    for jacobian, gate in zip(jacobians[::-1], gates[::-1], strict=True):
        g = g + jacobian.T @ (gate * g)
    return g


EXERCISES = {
    "branch_bound": (
        check.branch_bound,
        right_bound,
        {
            "the first order": lambda n, k: (1 - k) / n,
            "of the logarithm": lambda n, k: -math.log(k) / n,
            "the upper bound": lambda n, k: (1 / k) ** (1 / n) - 1,
            "the factor itself": lambda n, k: k ** (1 / n),
            "one block": lambda n, k: 1 - k,
        },
    ),
    "gated_backward": (
        check.gated_backward,
        right_backward,
        {
            "the blocks in the order of the forward pass": wrong_order,
            "not transposed": untransposed,
            "the gate after the block": gate_after,
            "the skip past the gate": gate_on_the_branch,
            "no gates": lambda j, d, g: right_backward(j, np.ones_like(d), g),
            "no skip": lambda j, d, g: right_backward(j - np.eye(4), d, g),
        },
    ),
    "dropout_shortcut": (
        check.dropout_shortcut,
        right_dropout,
        {
            "never inverted": lambda p, n, i: right_dropout(p, n, False),
            "always inverted": lambda p, n, i: right_dropout(p, n, True),
            "one block": lambda p, n, i: right_dropout(p, 1, i),
            "the squared mean": lambda p, n, i: (1, 1) if i else (p**n, p ** (2 * n)),
            "the variance": lambda p, n, i: (
                right_dropout(p, n, i)[0],
                right_dropout(p, n, i)[1] - right_dropout(p, n, i)[0] ** 2,
            ),
            "the mean alone": lambda p, n, i: right_dropout(p, n, i)[0],
        },
    ),
    "layer_scales": (
        check.layer_scales,
        right_scales,
        {
            "no root": lambda g, w: right_scales(g, w) ** 2,
            "the inverse": lambda g, w: 1 / right_scales(g, w),
            "of the gradients alone": lambda g, w: np.sqrt(g / g[-1]),
            "of the product": lambda g, w: np.sqrt(g * w / (g * w)[-1]),
            "the last one not kept": lambda g, w: np.sqrt(g / w),
            "over the first": lambda g, w: np.sqrt((g / w) / (g / w)[0]),
        },
    ),
}


test_right, test_wrong = verdict_tests(EXERCISES)


def test_the_right_answers_keep_what_they_promise():
    """By substitution and simulation, not by the formulas of the checkers."""
    assert (1 - right_bound(54, 0.5)) ** 54 == pytest.approx(0.5)
    kept = np.random.default_rng(0).random((100_000, 3)) < 0.8
    for inverted, factor in ((False, 1), (True, 1 / 0.8)):
        paths = np.prod(factor * kept, axis=1)
        for power, expected in enumerate(right_dropout(0.8, 3, inverted), start=1):
            error = (paths**power).std() / math.sqrt(len(paths))
            assert abs((paths**power).mean() - expected) < 4 * error
    gradients, weights = np.array([90.0, 6.0, 0.5]), np.array([5.0, 3.0, 2.0])
    s = right_scales(gradients, weights)
    np.testing.assert_allclose((gradients / s) / (weights * s), 0.25)


def test_the_gated_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(1)
    w, x, g = rng.standard_normal((2, 3, 3)) / 2, rng.random(3), rng.standard_normal(3)

    def forward(x):
        gates = []
        for matrix in w:
            s = x + matrix @ x
            gates.append(s > 0)
            x = np.maximum(s, 0)
        return x, np.array(gates, dtype=float)

    gates = forward(x)[1]
    steps = 1e-6 * np.eye(3)
    numeric = [g @ (forward(x + e)[0] - forward(x - e)[0]) / 2e-6 for e in steps]
    assert 0 < gates.mean() < 1  # otherwise the masks are not tested
    np.testing.assert_allclose(right_backward(w, gates, g), numeric, atol=1e-8)
