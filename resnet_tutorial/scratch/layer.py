"""What every layer, block and network is. Chapter: scratch/small_layers."""

from collections.abc import Iterator, Mapping

import numpy as np

from resnet_tutorial import Mistake
from resnet_tutorial.scratch.shapes import require, require_floats

Array = np.ndarray
TRACKED = "num_batches_tracked"


class Layer:
    """Something with a forward pass, a backward pass, and perhaps parameters and parts.

    ``params``, ``grads`` and ``buffers`` (state without a gradient) are dicts of arrays by name.

    >>> from resnet_tutorial.scratch.layers import Linear
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
            raise Mistake(f"{type(self).__name__}.backward needs a forward pass before it")
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

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Replace all parameters and buffers; their precision becomes the one of ``state``.

        Arrays by name, as ``safetensors.numpy.load_file`` gives them, or PyTorch's tensors. Half
        precision, in which files keep weights, becomes float32. PyTorch's
        ``num_batches_tracked``, which batch norm does not use, is left out.
        Raises ValueError, and changes nothing, for missing or unexpected names, other shapes, and
        values that are not finite.
        """
        own = self.state_dict()
        state = {k: _as_weight(k, v) for k, v in state.items() if k.split(".")[-1] != TRACKED}
        if missing := sorted(own.keys() - state.keys()):
            raise Mistake(f"the state lacks {_some(missing)}")
        if unexpected := sorted(state.keys() - own.keys()):
            raise Mistake(f"the network has no {_some(unexpected)}")
        for name, array in own.items():
            if state[name].shape != array.shape:
                raise Mistake(f"{name} must be {array.shape}, got {state[name].shape}")
        for prefix, layer in self.named_layers():
            for arrays in (layer.params, layer.buffers):
                arrays.update({name: state[prefix + name] for name in arrays})


def _as_weight(name: str, value: object) -> Array:
    """A copy, as float32 or float64: float16 goes into float32 exactly."""
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    array = array.astype(np.float32) if array.dtype == np.float16 else array.copy()
    require_floats(**{name: array})
    require(np.isfinite(array).all(), f"{name} must be finite: the training has diverged?")
    variance = name.endswith("running_var")
    require(not variance or (array >= 0).all(), f"{name} is a variance and must not be negative")
    return array


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
