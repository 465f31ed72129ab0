"""The shortcuts: options A, B and C. Chapter: scratch/residual_block.

A shortcut is ``shortcut(in_channels, out_channels, stride, rng)`` and gives a layer: a class, or a
function that chooses one. Source: He et al. 2015 (arXiv 1512.03385), sections 3.2 to 4.1.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from resnet_tutorial import Mistake
from resnet_tutorial.scratch.layers import BatchNorm2d, Conv2d, Identity, Layer, Sequential
from resnet_tutorial.scratch.shapes import require, require_gradient, require_images, require_whole

Input = Float[np.ndarray, "n c h w"]
Output = Float[np.ndarray, "n d h2 w2"]
Generator = np.random.Generator
Shortcut = Callable[[int, int, int, Generator], Layer]


def conv1x1(in_channels: int, out_channels: int, rng: Generator, stride: int = 1) -> Conv2d:
    """A 1x1 convolution: a linear map of the channels of each pixel.

    >>> conv1x1(16, 32, np.random.default_rng(0))(np.zeros((1, 16, 8, 8))).shape
    (1, 32, 8, 8)
    """
    return Conv2d((out_channels, in_channels, 1, 1), rng, stride)


class IdentityShortcut(Identity):
    """x itself. Raises ValueError where the block changes the shape: x could not be added.

    >>> shortcut = IdentityShortcut(16, 16, 1, np.random.default_rng(0))
    >>> x = np.ones((1, 16, 8, 8))
    >>> shortcut(x) is x
    True
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, rng: Generator):
        super().__init__()
        if (in_channels, 1) != (out_channels, stride):
            raise Mistake(
                f"an identity shortcut cannot go from {in_channels} to {out_channels} channels "
                f"with stride {stride}: use PadShortcut or ProjectionShortcut"
            )


class PadShortcut(Layer):
    """Option A: every stride-th pixel, and zeros for the new channels, after the last one.

    y = S x is linear and has no parameters; the backward pass is S transposed: drop the gradient
    of the new channels, and put zeros where the pixels were left out.
    Raises ValueError if channels would have to be dropped.

    >>> shortcut = PadShortcut(1, 2, 2, np.random.default_rng(0))
    >>> shortcut(np.arange(4.0).reshape(1, 1, 2, 2)).tolist()
    [[[[0.0]], [[0.0]]]]
    >>> shortcut.backward(np.ones((1, 2, 1, 1)))[0, 0].tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, rng: Generator):
        super().__init__()
        require_whole(1, in_channels=in_channels, out_channels=out_channels, stride=stride)
        if out_channels < in_channels:
            raise Mistake(
                f"a padded shortcut cannot go from {in_channels} down to {out_channels} channels: "
                "use ProjectionShortcut"
            )
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride

    def forward(self, x: Input, training: bool = True) -> Output:
        require_images(x)
        expected = self.in_channels
        require(x.shape[1] == expected, f"x has {x.shape[1]} channels, not {expected}")
        kept = x[:, :, :: self.stride, :: self.stride]
        n, c, h, w = kept.shape
        y = np.zeros_like(kept, shape=(n, self.out_channels, h, w))
        y[:, :c] = kept
        self.cache = x.shape, y.shape
        return y

    def backward(self, dy: Output) -> Input:
        x_shape, y_shape = self.cache
        require_gradient(dy, y_shape)
        dx = np.zeros_like(dy, shape=x_shape)
        dx[:, :, :: self.stride, :: self.stride] = dy[:, : self.in_channels]
        return dx


class ProjectionShortcut(Sequential):
    """A 1x1 convolution with the block's stride, and batch norm: option C, around every block.

    >>> list(ProjectionShortcut(16, 32, 2, np.random.default_rng(0)).state_dict())[:2]
    ['0.weight', '1.weight']
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, rng: Generator):
        super().__init__(conv1x1(in_channels, out_channels, rng, stride), BatchNorm2d(out_channels))


def option_a(in_channels: int, out_channels: int, stride: int, rng: Generator) -> Layer:
    """Identity, or ``PadShortcut`` where the shape changes: no parameters.

    >>> [type(option_a(16, d, 1, np.random.default_rng(0))).__name__ for d in (16, 32)]
    ['IdentityShortcut', 'PadShortcut']
    """
    same = (in_channels, 1) == (out_channels, stride)
    return (IdentityShortcut if same else PadShortcut)(in_channels, out_channels, stride, rng)


def option_b(in_channels: int, out_channels: int, stride: int, rng: Generator) -> Layer:
    """Identity, or ``ProjectionShortcut`` where the shape changes.

    >>> [type(option_b(16, d, 1, np.random.default_rng(0))).__name__ for d in (16, 32)]
    ['IdentityShortcut', 'ProjectionShortcut']
    """
    same = (in_channels, 1) == (out_channels, stride)
    part = IdentityShortcut if same else ProjectionShortcut
    return part(in_channels, out_channels, stride, rng)


def option_b_preact(in_channels: int, out_channels: int, stride: int, rng: Generator) -> Layer:
    """Option B of the pre-activation nets: its input is normalised already, so no batch norm.

    >>> list(option_b_preact(16, 32, 1, np.random.default_rng(0)).state_dict())
    ['weight']
    """
    same = (in_channels, 1) == (out_channels, stride)
    if same:
        return IdentityShortcut(in_channels, out_channels, stride, rng)
    return conv1x1(in_channels, out_channels, rng, stride)


def option_c(in_channels: int, out_channels: int, stride: int, rng: Generator) -> Layer:
    """``ProjectionShortcut`` around every block.

    >>> sorted(option_c(16, 16, 1, np.random.default_rng(0)).state_dict())[:2]
    ['0.weight', '1.bias']
    """
    return ProjectionShortcut(in_channels, out_channels, stride, rng)
