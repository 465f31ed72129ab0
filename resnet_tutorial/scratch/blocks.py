"""Plain and residual blocks, and the three shortcuts. Chapter: scratch/residual_block.

A block is ``block(in_channels, width, rng, stride, shortcut)`` and a shortcut is
``shortcut(in_channels, out_channels, stride, rng)``: classes are passed, not names. The parts have
torchvision's names. Source: He et al. 2015 (arXiv 1512.03385), sections 3.2 to 4.1.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from resnet_tutorial.scratch.layers import BatchNorm2d, Conv2d, Layer, Sequential, relu

Input = Float[np.ndarray, "n c h w"]
Output = Float[np.ndarray, "n d h2 w2"]
Generator = np.random.Generator
Shortcut = Callable[[int, int, int, Generator], Layer]


def conv3x3(in_channels: int, out_channels: int, rng: Generator, stride: int = 1) -> Conv2d:
    """A 3x3 convolution that keeps height and width at stride 1.

    >>> conv3x3(16, 32, np.random.default_rng(0), stride=2)(np.zeros((1, 16, 8, 8))).shape
    (1, 32, 4, 4)
    """
    return Conv2d((out_channels, in_channels, 3, 3), rng, stride, padding=1)


def conv1x1(in_channels: int, out_channels: int, rng: Generator, stride: int = 1) -> Conv2d:
    """A 1x1 convolution: a linear map of the channels of each pixel.

    >>> conv1x1(16, 32, np.random.default_rng(0))(np.zeros((1, 16, 8, 8))).shape
    (1, 32, 8, 8)
    """
    return Conv2d((out_channels, in_channels, 1, 1), rng, stride)


class IdentityShortcut(Layer):
    """x itself. Raises ValueError where the block changes the shape: x could not be added.

    >>> shortcut = IdentityShortcut(16, 16, 1, np.random.default_rng(0))
    >>> x = np.ones((1, 16, 8, 8))
    >>> shortcut(x) is x
    True
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, rng: Generator):
        super().__init__()
        if (in_channels, 1) != (out_channels, stride):
            raise ValueError(
                f"an identity shortcut cannot go from {in_channels} to {out_channels} channels "
                f"with stride {stride}: use PadShortcut or ProjectionShortcut"
            )

    def forward(self, x: Input, training: bool = True) -> Output:
        return x

    def backward(self, dy: Output) -> Input:
        return dy


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
        if out_channels < in_channels:
            raise ValueError(
                f"a padded shortcut cannot go from {in_channels} down to {out_channels} channels: "
                "use ProjectionShortcut"
            )
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride

    def forward(self, x: Input, training: bool = True) -> Output:
        self.cache = x.shape
        kept = x[:, :, :: self.stride, :: self.stride]
        n, c, h, w = kept.shape
        y = np.zeros_like(kept, shape=(n, self.out_channels, h, w))
        y[:, :c] = kept
        return y

    def backward(self, dy: Output) -> Input:
        dx = np.zeros_like(dy, shape=self.cache)
        dx[:, :, :: self.stride, :: self.stride] = dy[:, : self.in_channels]
        return dx


class ProjectionShortcut(Sequential):
    """Option B: a 1x1 convolution with the block's stride, and batch norm.

    >>> list(ProjectionShortcut(16, 32, 2, np.random.default_rng(0)).state_dict())[:2]
    ['0.weight', '1.weight']
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, rng: Generator):
        super().__init__(conv1x1(in_channels, out_channels, rng, stride), BatchNorm2d(out_channels))


class PlainBlock(Layer):
    """Two 3x3 convolutions. Ignores its shortcut, to be exchangeable with ``BasicBlock``.

    >>> block = PlainBlock(16, 32, np.random.default_rng(0), stride=2)
    >>> block(np.ones((2, 16, 8, 8))).shape
    (2, 32, 4, 4)
    """

    expansion = 1  # output channels / width

    def __init__(
        self,
        in_channels: int,
        width: int,
        rng: Generator,
        stride: int = 1,
        shortcut: object = None,
    ):
        super().__init__()
        self.conv1 = conv3x3(in_channels, width, rng, stride)
        self.bn1 = BatchNorm2d(width)
        self.relu1 = relu()
        self.conv2 = conv3x3(width, width, rng)
        self.bn2 = BatchNorm2d(width)
        self.relu2 = relu()

    def forward(self, x: Input, training: bool = True) -> Output:
        x = self.conv1(x, training)
        x = self.bn1(x, training)
        x = self.relu1(x, training)
        x = self.conv2(x, training)
        x = self.bn2(x, training)
        return self.relu2(x, training)

    def backward(self, dy: Output) -> Input:
        dy = self.relu2.backward(dy)
        dy = self.bn2.backward(dy)
        dy = self.conv2.backward(dy)
        dy = self.relu1.backward(dy)
        dy = self.bn1.backward(dy)
        return self.conv1.backward(dy)


class BasicBlock(Layer):
    """relu(F(x) + shortcut(x)), F two 3x3 convolutions.

    Backward, the addition hands its gradient to both paths unchanged; where the paths part, at x,
    the gradients that come back along them add up.

    >>> block = BasicBlock(16, 32, np.random.default_rng(0), stride=2, shortcut=PadShortcut)
    >>> y = block(np.ones((2, 16, 8, 8)))
    >>> y.shape, block.backward(np.ones_like(y)).shape
    ((2, 32, 4, 4), (2, 16, 8, 8))
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        width: int,
        rng: Generator,
        stride: int = 1,
        shortcut: Shortcut = IdentityShortcut,
    ):
        super().__init__()
        self.conv1 = conv3x3(in_channels, width, rng, stride)
        self.bn1 = BatchNorm2d(width)
        self.relu1 = relu()
        self.conv2 = conv3x3(width, width, rng)
        self.bn2 = BatchNorm2d(width)
        self.downsample = shortcut(in_channels, width, stride, rng)
        self.relu2 = relu()

    def forward(self, x: Input, training: bool = True) -> Output:
        f = self.conv1(x, training)
        f = self.bn1(f, training)
        f = self.relu1(f, training)
        f = self.conv2(f, training)
        f = self.bn2(f, training)
        y = f + self.downsample(x, training)
        return self.relu2(y, training)

    def backward(self, dy: Output) -> Input:
        dy = self.relu2.backward(dy)
        df = self.bn2.backward(dy)
        df = self.conv2.backward(df)
        df = self.relu1.backward(df)
        df = self.bn1.backward(df)
        df = self.conv1.backward(df)
        return df + self.downsample.backward(dy)


class Bottleneck(Layer):
    """relu(F(x) + shortcut(x)), F a 1x1 to ``width`` channels, a 3x3, and a 1x1 to 4 ``width``.

    The stride is on the 3x3, as in torchvision ("v1.5"); the paper's nets have it on the first
    1x1, which then skips three pixels of four.

    >>> block = Bottleneck(64, 16, np.random.default_rng(0), shortcut=IdentityShortcut)
    >>> block(np.ones((2, 64, 8, 8))).shape
    (2, 64, 8, 8)
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        width: int,
        rng: Generator,
        stride: int = 1,
        shortcut: Shortcut = ProjectionShortcut,
    ):
        super().__init__()
        self.conv1 = conv1x1(in_channels, width, rng)
        self.bn1 = BatchNorm2d(width)
        self.relu1 = relu()
        self.conv2 = conv3x3(width, width, rng, stride)
        self.bn2 = BatchNorm2d(width)
        self.relu2 = relu()
        self.conv3 = conv1x1(width, 4 * width, rng)
        self.bn3 = BatchNorm2d(4 * width)
        self.downsample = shortcut(in_channels, 4 * width, stride, rng)
        self.relu3 = relu()

    def forward(self, x: Input, training: bool = True) -> Output:
        f = self.conv1(x, training)
        f = self.bn1(f, training)
        f = self.relu1(f, training)
        f = self.conv2(f, training)
        f = self.bn2(f, training)
        f = self.relu2(f, training)
        f = self.conv3(f, training)
        f = self.bn3(f, training)
        y = f + self.downsample(x, training)
        return self.relu3(y, training)

    def backward(self, dy: Output) -> Input:
        dy = self.relu3.backward(dy)
        df = self.bn3.backward(dy)
        df = self.conv3.backward(df)
        df = self.relu2.backward(df)
        df = self.bn2.backward(df)
        df = self.conv2.backward(df)
        df = self.relu1.backward(df)
        df = self.bn1.backward(df)
        df = self.conv1.backward(df)
        return df + self.downsample.backward(dy)
