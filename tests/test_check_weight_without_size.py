"""Each checker accepts a right answer and rejects the typical wrong ones."""

import math

import numpy as np
import pytest
from exercises import verdict_tests

from resnet_tutorial.check import weight_without_size as check


def one_step(norm, gradient, lr, wd):
    along, across = (1 - lr * wd) * norm, lr * gradient / norm
    return math.hypot(along, across), math.atan2(across, along)


STEPS = {
    "no decay": lambda n, g, lr, wd: one_step(n, g, lr, 0),
    "gradient as if at norm 1": lambda n, g, lr, wd: one_step(n, g * n, lr, wd),
    "gradient that grows with the weight": lambda n, g, lr, wd: one_step(n, g * n**2, lr, wd),
    "decay without the rate": lambda n, g, lr, wd: one_step(n, g, lr, wd / lr),
    "decay twice": lambda n, g, lr, wd: one_step(n, g, lr, 2 * wd),
    "step along the weight": lambda n, g, lr, wd: (
        (1 - lr * wd) * n + lr * g / n,
        one_step(n, g, lr, wd)[1],
    ),
    "the tangent": lambda n, g, lr, wd: (
        one_step(n, g, lr, wd)[0],
        math.tan(one_step(n, g, lr, wd)[1]),
    ),
    "the cosine": lambda n, g, lr, wd: (
        one_step(n, g, lr, wd)[0],
        math.cos(one_step(n, g, lr, wd)[1]),
    ),
    "degrees": lambda n, g, lr, wd: (
        one_step(n, g, lr, wd)[0],
        math.degrees(one_step(n, g, lr, wd)[1]),
    ),
    "small angle": lambda n, g, lr, wd: (one_step(n, g, lr, wd)[0], lr * g / n**2),
    "the squared norm": lambda n, g, lr, wd: (
        one_step(n, g, lr, wd)[0] ** 2,
        one_step(n, g, lr, wd)[1],
    ),
    "swapped": lambda n, g, lr, wd: one_step(n, g, lr, wd)[::-1],
}


def equilibrium(lr, wd, mu, g):
    return (lr * g**2 / (2 * wd * (1 - mu))) ** 0.25, math.sqrt(2 * lr * wd / (1 + mu))


EQUILIBRIA = {
    "the square of the norm": lambda lr, wd, mu, g: (
        equilibrium(lr, wd, mu, g)[0] ** 2,
        equilibrium(lr, wd, mu, g)[1],
    ),
    "the fourth power": lambda lr, wd, mu, g: (
        equilibrium(lr, wd, mu, g)[0] ** 4,
        equilibrium(lr, wd, mu, g)[1],
    ),
    "no momentum": lambda lr, wd, mu, g: equilibrium(lr, wd, 0, g),
    "momentum as a larger rate, in the angle too": lambda lr, wd, mu, g: equilibrium(
        lr / (1 - mu), wd, 0, g
    ),
    "1 - mu in the angle": lambda lr, wd, mu, g: (
        equilibrium(lr, wd, mu, g)[0],
        math.sqrt(2 * lr * wd / (1 - mu)),
    ),
    "1 + mu in the norm": lambda lr, wd, mu, g: (
        equilibrium(lr, wd, -mu, g)[0],
        equilibrium(lr, wd, mu, g)[1],
    ),
    "factor 2 lost": lambda lr, wd, mu, g: equilibrium(lr, wd / 2, mu, g),
    "gradient not squared": lambda lr, wd, mu, g: equilibrium(lr, wd, mu, math.sqrt(g)),
    "lr and weight decay swapped": lambda lr, wd, mu, g: equilibrium(wd, lr, mu, g),
    "angle squared": lambda lr, wd, mu, g: (
        equilibrium(lr, wd, mu, g)[0],
        equilibrium(lr, wd, mu, g)[1] ** 2,
    ),
    "degrees": lambda lr, wd, mu, g: (
        equilibrium(lr, wd, mu, g)[0],
        math.degrees(equilibrium(lr, wd, mu, g)[1]),
    ),
}


def undecayed(rates, wd, first=0, power=1):
    """`first` shifts which factors count; with `power` 0 those before a step count once."""
    factors = 1 - rates * wd
    upto = np.cumprod(factors)
    before = upto / factors
    return rates / (upto * before**power) * factors**first


UNDECAYED = {
    "the rates as they were": lambda r, wd: r,
    "each factor once": lambda r, wd: undecayed(r, wd, power=0),
    "one factor too few": lambda r, wd: undecayed(r, wd, first=1),
    "one factor too many": lambda r, wd: undecayed(r, wd, first=-1),
    "falling instead of rising": lambda r, wd: r**2 / undecayed(r, wd),
    "as if the rate were that of the first step": lambda r, wd: (
        r / (1 - r[0] * wd) ** (2 * np.arange(len(r)) + 1)
    ),
    "as if it were that of this step": lambda r, wd: (
        r / (1 - r * wd) ** (2 * np.arange(len(r)) + 1)
    ),
    "exponential": lambda r, wd: r * np.exp(2 * wd * np.cumsum(r) - r * wd),
    "the first rate only": lambda r, wd: undecayed(r, wd)[:1],
}
test_right, test_wrong = verdict_tests(
    {
        "one_step": (check.one_step, one_step, STEPS),
        "equilibrium": (check.equilibrium, equilibrium, EQUILIBRIA),
        "undecayed": (check.undecayed, undecayed, UNDECAYED),
    }
)


def test_several_results_as_an_array_are_right():
    assert check.one_step(lambda *arguments: np.array(one_step(*arguments)))
    assert check.equilibrium(lambda *arguments: np.array(equilibrium(*arguments)))


def test_undecayed_rates_give_the_same_directions():
    """Against SGD on a function of the direction alone."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((4, 4))

    def slope(w):  # of u^T M u with u = w / |w|
        u, size = w / np.linalg.norm(w), np.linalg.norm(w)
        full = (matrix + matrix.T) @ u
        return (full - u * (u @ full)) / size

    rates, wd = rng.uniform(0.01, 0.5, 30), 0.4
    w = v = rng.standard_normal(4)
    for rate, other in zip(rates, undecayed(rates, wd), strict=True):
        w, v = w - rate * (slope(w) + wd * w), v - other * slope(v)
        np.testing.assert_allclose(w / np.linalg.norm(w), v / np.linalg.norm(v), atol=1e-10)
    assert np.linalg.norm(v) > 5 * np.linalg.norm(w)


# The balance, against a simulation.


def walk(lr, weight_decay, momentum, gradient, steps, chains=60, d=10):
    """|w|^4 and squared angle of each step, averaged over the second half, for each chain."""
    rng = np.random.default_rng(0)
    w, v = rng.standard_normal((chains, d)), 0
    w *= equilibrium(lr, weight_decay, momentum, gradient)[0] / np.sqrt(d)
    sums = np.zeros((2, chains))
    for step in range(steps):
        square = (w**2).sum(1, keepdims=True)
        z = rng.standard_normal(w.shape)
        g = (z - w * (w * z).sum(1, keepdims=True) / square) / np.sqrt(square)
        v = momentum * v + gradient / np.sqrt(d - 1) * g + weight_decay * w
        new = w - lr * v
        cos = (w * new).sum(1) / np.sqrt(square[:, 0] * (new**2).sum(1))
        if step >= steps // 2:
            sums += square[:, 0] ** 2, np.arccos(cos) ** 2
        w = new
    return sums / (steps - steps // 2)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_equilibrium_is_the_one_of_a_random_walk(momentum):
    lr, weight_decay = 0.1, 0.01 * (1 - momentum)
    norm, angle = equilibrium(lr, weight_decay, momentum, 2.0)
    averages = walk(lr, weight_decay, momentum, 2.0, steps=4000)
    for chains, theory in zip(averages, (norm**4, angle**2), strict=True):
        standard_error = chains.std(ddof=1) / math.sqrt(len(chains))
        # Terms of the next order, lr * weight_decay / (1 - momentum), are left out.
        assert abs(chains.mean() - theory) < 4 * standard_error + 2e-3 * theory
