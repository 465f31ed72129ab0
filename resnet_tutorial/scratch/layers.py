"""Layers: operations that own their parameters. Chapter: scratch/small_layers.

A layer remembers the cache of its last forward pass, so that ``backward(dy)`` returns dx and leaves
the gradients of its parameters in ``grads``. Parameters have torchvision's names, so that weights
move between NumPy and PyTorch by name. Arrays are replaced, never changed in place.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from resnet_tutorial.scratch import ops
from resnet_tutorial.scratch.layer import Layer
from resnet_tutorial.scratch.shapes import (
    require,
    require_generator,
    require_rates,
    require_whole,
)

__all__ = [
    "BatchNorm2d",
    "Conv2d",
    "Function",
    "Identity",
    "Layer",
    "Linear",
    "Sequential",
    "global_avg_pool",
    "he_normal",
    "max_pool",
    "relu",
]

Array = np.ndarray


def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Float[Array, "o c kh kw"]:
    """float32 weights of variance 2 / (out * k * k): He et al. 2015 (arXiv 1502.01852), eq. 14.

    The fan-out form, which keeps the second moment of the gradients; torchvision uses it too.

    >>> w = he_normal((64, 64, 3, 3), np.random.default_rng(0))
    >>> w.shape, w.dtype.name, round(float(w.std() * math.sqrt(9 * 64 / 2)), 1)
    ((64, 64, 3, 3), 'float32', 1.0)
    """
    require_generator(rng)
    require(len(shape) == 4, f"expected a shape (out, in, kh, kw), got {shape}")
    for size in shape:
        require_whole(1, **{f"each number of the shape {shape}": size})
    out, _, kh, kw = shape
    return (rng.standard_normal(shape) * math.sqrt(2 / (out * kh * kw))).astype(np.float32)


class Identity(Layer):
    """x itself: where a part is left out.

    >>> x = np.ones(3)
    >>> Identity()(x) is x
    True
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        return x

    def backward(self, dy: Array) -> Array:
        return dy


class Conv2d(Layer):
    """A convolution without bias. ``shape`` is the one of its weight, (out, in, kh, kw).

    >>> layer = Conv2d((8, 3, 3, 3), np.random.default_rng(0), stride=2, padding=1)
    >>> layer(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 8, 16, 16)
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        rng: np.random.Generator,
        stride: int = 1,
        padding: int = 0,
    ):
        super().__init__()
        require_whole(1, stride=stride)
        require_whole(0, padding=padding)
        self.params = {"weight": he_normal(shape, rng)}
        self.stride, self.padding = stride, padding

    def forward(self, x: Float[Array, "n c h w"], training: bool = True) -> Array:
        y, self.cache = ops.conv2d(x, self.params["weight"], self.stride, self.padding)
        return y

    def backward(self, dy: Float[Array, "n o h2 w2"]) -> Array:
        dx, self.grads["weight"] = ops.conv2d_backward(dy, self.cache)
        return dx


class BatchNorm2d(Layer):
    """Batch norm that keeps running averages for evaluation, by PyTorch's rule:

    running = (1 - momentum) * running + momentum * batch, with the *unbiased* batch variance.

    >>> layer = BatchNorm2d(1)
    >>> y = layer(np.array([1.0, 3.0]).reshape(2, 1, 1, 1))
    >>> {name: round(float(value[0]), 2) for name, value in layer.buffers.items()}
    {'running_mean': 0.2, 'running_var': 1.1}
    """

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5):
        super().__init__()
        require_whole(1, channels=channels)
        require_rates(momentum=momentum, eps=eps)
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        self.params = {"weight": ones, "bias": zeros}
        self.buffers = {"running_mean": zeros, "running_var": ones}
        self.momentum, self.eps = float(momentum), float(eps)  # a NumPy scalar sets the precision

    def forward(self, x: Float[Array, "n c h w"], training: bool = True) -> Array:
        gamma, beta = self.params["weight"], self.params["bias"]
        if training:
            y, cache = ops.batch_norm(x, gamma, beta, self.eps)
            m = x.size // x.shape[1]
            self._average("running_mean", cache.mean)
            self._average("running_var", cache.var * (m / (m - 1)))
            self.cache = ops.batch_norm_backward, cache
        else:
            mean, var = self.buffers["running_mean"], self.buffers["running_var"]
            y, cache = ops.batch_norm_eval(x, gamma, beta, mean, var, self.eps)
            self.cache = ops.batch_norm_eval_backward, cache
        return y

    def _average(self, name: str, batch: Float[Array, " c"]) -> None:
        self.buffers[name] = (1 - self.momentum) * self.buffers[name] + self.momentum * batch

    def backward(self, dy: Float[Array, "n c h w"]) -> Array:
        op_backward, cache = self.cache
        dx, self.grads["weight"], self.grads["bias"] = op_backward(dy, cache)
        return dx


class Linear(Layer):
    """x w^T + b. w and b start uniform in +-1/sqrt(in_features), PyTorch's default.

    Not He's normal: by fan-out, ten classes would start with logits of several units.

    >>> Linear(64, 10, np.random.default_rng(0))(np.zeros((5, 64), np.float32)).shape
    (5, 10)
    """

    def __init__(self, in_features: int, out_features: int, rng: np.random.Generator):
        super().__init__()
        require_generator(rng)
        require_whole(1, in_features=in_features, out_features=out_features)
        bound = 1 / math.sqrt(in_features)
        weight = rng.uniform(-bound, bound, (out_features, in_features))
        bias = rng.uniform(-bound, bound, out_features)
        self.params = {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}

    def forward(self, x: Float[Array, "n d"], training: bool = True) -> Float[Array, "n k"]:
        y, self.cache = ops.linear(x, self.params["weight"], self.params["bias"])
        return y

    def backward(self, dy: Float[Array, "n k"]) -> Float[Array, "n d"]:
        dx, self.grads["weight"], self.grads["bias"] = ops.linear_backward(dy, self.cache)
        return dx


class Function(Layer):
    """An operation without parameters as a layer: ``Function(ops.relu, ops.relu_backward)``.

    >>> pool = Function(ops.max_pool2d, ops.max_pool2d_backward, size=2)
    >>> pool(np.zeros((1, 1, 4, 4))).shape
    (1, 1, 2, 2)
    """

    def __init__(self, op: Callable, op_backward: Callable, **settings):
        super().__init__()
        self.op, self.op_backward, self.settings = op, op_backward, settings

    def forward(self, x: Array, training: bool = True) -> Array:
        y, self.cache = self.op(x, **self.settings)
        return y

    def backward(self, dy: Array) -> Array:
        return self.op_backward(dy, self.cache)


def relu() -> Function:
    """A ReLU layer.

    >>> relu()(np.array([-1.0, 1.0])).tolist()
    [0.0, 1.0]
    """
    return Function(ops.relu, ops.relu_backward)


def max_pool(size: int, stride: int, padding: int) -> Function:
    """A max pooling layer.

    >>> max_pool(3, stride=2, padding=1)(np.ones((1, 1, 7, 7))).shape
    (1, 1, 4, 4)
    """
    how = {"size": size, "stride": stride, "padding": padding}
    return Function(ops.max_pool2d, ops.max_pool2d_backward, **how)


def global_avg_pool() -> Function:
    """A global average pooling layer.

    >>> global_avg_pool()(np.ones((2, 3, 4, 4))).shape
    (2, 3)
    """
    return Function(ops.global_avg_pool, ops.global_avg_pool_backward)


class Sequential(Layer):
    """Layers one after the other, named by their position: "0", "1", ...

    A subclass may give its layers names instead, by setting attributes in their order.

    >>> net = Sequential(global_avg_pool(), Linear(3, 10, np.random.default_rng(0)))
    >>> list(net.state_dict())
    ['1.weight', '1.bias']
    """

    def __init__(self, *layers: Layer):
        super().__init__()
        for i, layer in enumerate(layers):
            right = isinstance(layer, Layer)
            require(right, f"expected layers, as in Sequential(a, b), got {type(layer).__name__}")
            setattr(self, str(i), layer)

    def forward(self, x: Array, training: bool = True) -> Array:
        for layer in self.children.values():
            x = layer(x, training)
        return x

    def backward(self, dy: Array) -> Array:
        for layer in reversed(self.children.values()):
            dy = layer.backward(dy)
        return dy
