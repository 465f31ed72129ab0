"""PyTorch judges NumPy: forward, every gradient, and what a layer keeps, in float64."""

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import settings

examples = settings(max_examples=40, deadline=None, derandomize=True)


def close(got, expected, tolerance=1e-10):
    """Equal shapes, and differences small against the largest entry."""
    if isinstance(expected, torch.Tensor):
        expected = expected.detach().numpy()
    assert np.shape(got) == np.shape(expected)
    scale = max(np.abs(expected).max(), 1e-3)
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)


def random_dy(y):
    """A random upstream gradient. With ones, or with dy = x, the dx of batch norm would be 0: so
    not from a seed that draws some x."""
    return np.random.default_rng(1000).standard_normal(np.shape(y))[()]


def op_agrees(op, op_backward, reference, *arrays, **arguments):
    """``op(*arrays, **arguments)`` and its gradients equal those of ``reference(*tensors)``."""
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    expected = reference(*tensors)
    y, cache = op(*arrays, **arguments)
    close(y, expected)
    dy = random_dy(y)
    expected.backward(torch.as_tensor(dy))
    gradients = op_backward(dy, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    for gradient, tensor in zip(gradients, tensors, strict=True):
        close(gradient, tensor.grad)


def layer_agrees(layer, reference, x, training):
    """A layer with random weights equals ``reference(weights by name, x)``: output, gradients, and
    running statistics, which the reference updates in place."""
    rng = np.random.default_rng(2)
    state = {name: rng.uniform(0.5, 2, array.shape) for name, array in layer.state_dict().items()}
    layer.load_state_dict(state)
    weights = {k: torch.tensor(v, requires_grad="running" not in k) for k, v in state.items()}
    tensor = torch.tensor(x, requires_grad=True)
    expected = reference(weights, tensor)
    y = layer(x, training)
    close(y, expected)
    dy = random_dy(y)
    expected.backward(torch.as_tensor(dy))
    close(layer.backward(dy), tensor.grad)
    gradients = layer.named_grads()
    assert gradients.keys() == {name for name in state if "running" not in name}
    for name, gradient in gradients.items():
        close(gradient, weights[name].grad)
    for name, array in layer.state_dict().items():
        close(array, weights[name])


@pytest.fixture
def shapes_unchecked():
    """Without the shape checks of the test run, as a reader calls the package."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def operations(rng):
    """Every operation with its arrays and settings."""
    x, v = rng.standard_normal((3, 2, 5, 5)), rng.uniform(0.5, 2, (4, 2))
    logits = rng.standard_normal((4, 3))
    w, b = rng.standard_normal((4, 3)), rng.standard_normal(4)
    return {
        "conv2d": ((x, rng.standard_normal((3, 2, 3, 3))), {"stride": 2, "padding": 1}),
        "batch_norm": ((x, v[0], v[1]), {}),
        "batch_norm_eval": ((x, v[0], v[1]), {"mean": v[2], "var": v[3]}),
        "relu": ((x,), {}),
        "max_pool2d": ((x,), {"size": 3, "stride": 2, "padding": 1}),
        "global_avg_pool": ((x,), {}),
        "linear": ((logits, w, b), {}),
        "cross_entropy": ((logits,), {"labels": np.array([0, 2, 1, 1])}),
    }


OPERATIONS = operations(np.random.default_rng(0))
