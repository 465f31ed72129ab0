"""Central differences: the judge of every backward pass. Chapter: scratch/residual_block."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from resnet_tutorial import Mistake
from resnet_tutorial.scratch.shapes import require, require_array

Array = np.ndarray


def numerical_gradient(
    f: Callable[[Array], float], x: Float[Array, "..."], step: float = 1e-5
) -> Float[Array, "..."]:
    """The gradient of a scalar function at ``x`` by (f(x + step) - f(x - step)) / (2 step).

    Two evaluations for each entry of ``x``, which must be float64: in float32 the difference
    drowns in rounding. The error is of order step^2 where f is smooth, and a kink of f closer
    to ``x`` than ``step`` (a ReLU at 0, a tie in a max pooling) gives nonsense.

    >>> numerical_gradient(lambda x: float((x**2).sum()), np.array([1.0, 3.0])).round(6)
    array([2., 6.])
    """
    require_array(x=x)
    if x.dtype != np.float64:
        raise Mistake(f"central differences need float64, got {x.dtype}: use x.astype(float)")
    require(0 < step < np.inf, f"step must be positive and finite, got {step!r}")
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += step
        below[index] -= step
        difference = f(above) - f(below)
        require(np.ndim(difference) == 0, f"f must return one number, got {np.shape(difference)}")
        gradient[index] = difference / (2 * step)
    return gradient


def gradcheck(
    op: Callable, op_backward: Callable, *arrays: Float[Array, "..."], seed: int = 0, **settings
) -> float:
    """The largest error of ``op_backward``, relative to the largest gradient, over all ``arrays``.

    The scalar that is differentiated is sum(dy * y) with a *random* upstream gradient dy. The
    obvious choice, sum(y), is a check that cannot fail where it matters: batch norm makes
    sum(y) constant, so its dx is 0, and a backward pass that returns zeros would pass.

    Args:
        op: ``y, cache = op(*arrays, **settings)``.
        op_backward: ``op_backward(dy, cache)``, one gradient for each of ``arrays``.
        arrays: float64 arrays to differentiate by.
        seed: of dy.
        settings: further arguments of ``op``, not differentiated by: strides, labels.

    Raises:
        ValueError: an array is not float64, or a gradient is missing or has the wrong shape.

    >>> from resnet_tutorial.scratch.ops import relu, relu_backward
    >>> gradcheck(relu, relu_backward, np.array([-1.0, 0.5, 2.0])) < 1e-9
    True
    """
    require(arrays != (), "expected at least one array to differentiate by")
    for array in arrays:
        require_array(array=array)
        require(array.size > 0, f"an array of shape {array.shape} has nothing to differentiate by")
    result = op(*arrays, **settings)
    pair = isinstance(result, tuple) and len(result) == 2
    require(pair, f"op must return y, cache, got {type(result).__name__}")
    y, cache = result
    # Not default_rng(seed): with an x drawn from default_rng(seed), dy would be equal to x, and
    # sum(x * batch_norm(x)) hardly changes with x: vacuous again.
    dy = np.random.default_rng((seed, 1)).standard_normal(np.shape(y))[()]
    gradients = op_backward(dy, cache)
    gradients = gradients if isinstance(gradients, tuple | list) else (gradients,)
    if (got := [np.shape(g) for g in gradients]) != (expected := [a.shape for a in arrays]):
        raise Mistake(f"expected gradients of the shapes {expected}, got {got}")
    errors = []
    for i, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):

        def loss(a: Array, i: int = i) -> float:
            return np.sum(dy * op(*arrays[:i], a, *arrays[i + 1 :], **settings)[0])

        numeric = numerical_gradient(loss, array)
        scale = max(np.abs(numeric).max(), np.abs(gradient).max(), np.finfo(float).tiny)
        errors.append(np.abs(gradient - numeric).max() / scale)
    return float(np.max(errors))  # Python's max would lose a NaN
