import numpy as np
import pytest
from against_torch import OPERATIONS

from resnet_tutorial.scratch import ops
from resnet_tutorial.scratch.gradcheck import gradcheck, numerical_gradient


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_backward_pass(name):
    arrays, how = OPERATIONS[name]
    op, op_backward = getattr(ops, name), getattr(ops, f"{name}_backward")
    assert gradcheck(op, op_backward, *arrays, **how) < 1e-7


def test_numerical_gradient():
    x = np.random.default_rng(0).standard_normal((2, 3))
    copy = x.copy()
    np.testing.assert_allclose(numerical_gradient(lambda a: np.sin(a).sum(), x), np.cos(x), 1e-8)
    assert np.array_equal(x, copy)


def unflipped(dy, cache):
    """dx with the kernel of the forward pass, not flipped."""
    xp, w, *rest = cache
    dx = ops.conv2d_backward(dy, (xp, w[:, :, ::-1, ::-1], *rest))[0]
    return dx, ops.conv2d_backward(dy, cache)[1]


def without_statistics(dy, cache):
    """dx as if mean and variance were constants."""
    return ops.batch_norm_eval_backward(dy, cache)


def zero_dx(dy, cache):
    dx, dgamma, dbeta = ops.batch_norm_backward(dy, cache)
    return 0 * dx, dgamma, dbeta


WRONG = {
    "conv2d": unflipped,
    "batch_norm": without_statistics,
    "relu": lambda dy, x: dy,
    "max_pool2d": lambda dy, cache: ops.max_pool2d_backward(dy, (cache[0] * 0, *cache[1:])),
    "global_avg_pool": lambda dy, x: ops.global_avg_pool_backward(dy, x) * 25,
    "cross_entropy": lambda dy, cache: ops.cross_entropy_backward(dy, cache) * 4,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_backward_pass_is_caught(name):
    arrays, how = OPERATIONS[name]
    assert gradcheck(getattr(ops, name), WRONG[name], *arrays, **how) > 0.05


def test_why_the_upstream_gradient_is_random():
    """sum(batch_norm(x)) has gradient 0: with dy = 1, a dx of zeros would pass."""
    (x, gamma, beta), _ = OPERATIONS["batch_norm"]
    y, cache = ops.batch_norm(x, gamma, beta)
    assert np.abs(ops.batch_norm_backward(np.ones_like(y), cache)[0]).max() < 1e-12
    assert gradcheck(ops.batch_norm, zero_dx, x, gamma, beta) == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("seed", range(3))
def test_upstream_gradient_is_not_the_x_of_the_same_seed(seed):
    x = np.random.default_rng(seed).standard_normal((4, 2, 3, 3))
    seen = []

    def op_backward(dy, cache):
        seen.append(dy)
        return ops.batch_norm_backward(dy, cache)

    assert gradcheck(ops.batch_norm, op_backward, x, np.ones(2), np.zeros(2), seed=seed) < 1e-7
    assert abs(np.corrcoef(seen[0].ravel(), x.ravel())[0, 1]) < 0.5


def test_mistakes_get_a_clear_line():
    x = np.ones(3)
    with pytest.raises(ValueError, match="need float64, got float32"):
        gradcheck(ops.relu, ops.relu_backward, x.astype(np.float32))
    with pytest.raises(ValueError, match=r"shapes \[\(3,\)\], got \[\(3,\), \(3,\)\]"):
        gradcheck(ops.relu, lambda dy, x: (dy, dy), x)
    with pytest.raises(ValueError, match=r"shapes \[\(3,\)\], got \[\(1,\)\]"):
        gradcheck(ops.relu, lambda dy, x: dy[:1], x)
