"""Layers: operations that own their parameters. Chapter: scratch/numpy_resnet.

A layer remembers the cache of its last forward pass, so that ``backward(dy)`` returns dx and leaves
the gradients of its parameters in ``grads``. Parameters have torchvision's names, so that weights
move between NumPy and PyTorch by name. Arrays are replaced, never changed in place.
"""

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from jaxtyping import Float

from resnet_tutorial.scratch import ops

Array = np.ndarray


def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Float[Array, "o c kh kw"]:
    """float32 weights of variance 2 / (out * k * k): He et al. 2015 (arXiv 1502.01852), eq. 14.

    The fan-out form, which keeps the second moment of the gradients; torchvision uses it too.

    >>> w = he_normal((64, 64, 3, 3), np.random.default_rng(0))
    >>> w.shape, w.dtype.name, round(float(w.std() * math.sqrt(9 * 64 / 2)), 1)
    ((64, 64, 3, 3), 'float32', 1.0)
    """
    out, _, kh, kw = shape
    return (rng.standard_normal(shape) * math.sqrt(2 / (out * kh * kw))).astype(np.float32)


class Layer:
    """Something with a forward pass, a backward pass, and perhaps parameters and parts.

    ``params``, ``grads`` and ``buffers`` (state without a gradient) are dicts of arrays by name.

    >>> layer = Linear(3, 2, np.random.default_rng(0))
    >>> y = layer(np.ones((5, 3), np.float32))
    >>> layer.backward(np.ones_like(y)).shape, sorted(layer.named_grads())
    ((5, 3), ['bias', 'weight'])
    """

    def __init__(self):
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}
        self._cache = None

    def __call__(self, x: Array, training: bool = True) -> Array:
        return self.forward(x, training)

    def forward(self, x: Array, training: bool = True) -> Array:
        """The output for x; keeps in ``cache`` what the backward pass needs."""
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        """dx from dy, of the last forward pass; leaves the parameters' gradients in ``grads``."""
        raise NotImplementedError

    @property
    def cache(self):
        """What the last forward pass kept. Raises ValueError if there was none."""
        if self._cache is None:
            raise ValueError(f"{type(self).__name__}.backward needs a forward pass before it")
        return self._cache

    @cache.setter
    def cache(self, value: object) -> None:
        self._cache = value

    @property
    def children(self) -> "dict[str, Layer]":
        """The layers that this one is made of, by the name of the attribute, as PyTorch does."""
        return {name: part for name, part in vars(self).items() if isinstance(part, Layer)}

    def named_layers(self, prefix: str = "") -> Iterator[tuple[str, "Layer"]]:
        """This layer and all layers inside it, each with the prefix of its parameters' names."""
        yield prefix, self
        for name, child in self.children.items():
            yield from child.named_layers(f"{prefix}{name}.")

    def named_grads(self) -> dict[str, Array]:
        """The gradients that the last backward pass left, by the name of the parameter."""
        return {p + name: g for p, layer in self.named_layers() for name, g in layer.grads.items()}

    def state_dict(self) -> dict[str, Array]:
        """Parameters and buffers by torchvision's names, as in ``layer2.0.downsample.0.weight``."""
        return {
            prefix + name: array
            for prefix, layer in self.named_layers()
            for name, array in (layer.params | layer.buffers).items()
        }

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Replace all parameters and buffers; their precision becomes the one of ``state``.

        PyTorch's ``num_batches_tracked``, which batch norm does not use, is left out.
        Raises ValueError, and changes nothing, for missing or unexpected names or other shapes.
        """
        own = self.state_dict()
        state = {
            k: np.asarray(v).copy()
            for k, v in state.items()
            if not k.endswith("num_batches_tracked")
        }
        if missing := sorted(own.keys() - state.keys()):
            raise ValueError(f"the state lacks {', '.join(missing)}")
        if unexpected := sorted(state.keys() - own.keys()):
            raise ValueError(f"the network has no {', '.join(unexpected)}")
        for name, array in own.items():
            if state[name].shape != array.shape:
                raise ValueError(f"{name} must be {array.shape}, got {state[name].shape}")
        for prefix, layer in self.named_layers():
            for arrays in (layer.params, layer.buffers):
                arrays.update({name: state[prefix + name] for name in arrays})


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
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        self.params = {"weight": ones, "bias": zeros}
        self.buffers = {"running_mean": zeros, "running_var": ones}
        self.momentum, self.eps = momentum, eps

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


def global_avg_pool() -> Function:
    """A global average pooling layer.

    >>> global_avg_pool()(np.ones((2, 3, 4, 4))).shape
    (2, 3)
    """
    return Function(ops.global_avg_pool, ops.global_avg_pool_backward)


class Sequential(Layer):
    """Layers one after the other, named by their position: "0", "1", ...

    >>> net = Sequential(global_avg_pool(), Linear(3, 10, np.random.default_rng(0)))
    >>> list(net.state_dict())
    ['1.weight', '1.bias']
    """

    def __init__(self, *layers: Layer):
        super().__init__()
        self.layers = layers

    @property
    def children(self) -> dict[str, Layer]:
        return {str(i): layer for i, layer in enumerate(self.layers)}

    def forward(self, x: Array, training: bool = True) -> Array:
        for layer in self.layers:
            x = layer(x, training)
        return x

    def backward(self, dy: Array) -> Array:
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy
