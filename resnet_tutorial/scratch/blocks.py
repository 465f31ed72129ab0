"""Plain and residual blocks. Chapter: scratch/residual_block.

A block is ``block(in_channels, width, rng, stride, shortcut)`` and a shortcut is
``shortcut(in_channels, out_channels, stride, rng)``: parts are passed, not names. The parts of a
block have torchvision's names. Source: He et al. 2015 (arXiv 1512.03385), sections 3.2 to 4.1.
"""

import numpy as np

from resnet_tutorial.scratch.layers import BatchNorm2d, Conv2d, Layer, relu
from resnet_tutorial.scratch.shortcuts import (
    IdentityShortcut,
    Input,
    Output,
    PadShortcut,
    ProjectionShortcut,
    Shortcut,
    conv1x1,
    option_a,
    option_b,
    option_b_preact,
    option_c,
)

__all__ = [
    "BasicBlock",
    "Block",
    "Bottleneck",
    "BottleneckV1",
    "IdentityShortcut",
    "PadShortcut",
    "PlainBlock",
    "ProjectionShortcut",
    "conv1x1",
    "conv3x3",
    "option_a",
    "option_b",
    "option_b_preact",
    "option_c",
]

Generator = np.random.Generator


def conv3x3(in_channels: int, out_channels: int, rng: Generator, stride: int = 1) -> Conv2d:
    """A 3x3 convolution that keeps height and width at stride 1.

    >>> conv3x3(16, 32, np.random.default_rng(0), stride=2)(np.zeros((1, 16, 8, 8))).shape
    (1, 32, 4, 4)
    """
    return Conv2d((out_channels, in_channels, 3, 3), rng, stride, padding=1)


class Block(Layer):
    """What a network asks of a block beside the two passes; here, what most blocks answer.

    ``expansion`` is output channels / width.

    >>> BasicBlock.expansion, BasicBlock(4, 4, np.random.default_rng(0)).ending(4)
    (1, {})
    """

    expansion = 1

    def follow_stem(self) -> None:
        """Leave out what the stem before the first block did already: nothing."""

    def ending(self, channels: int) -> dict[str, Layer]:
        """What a network has between its last block and the pooling, by name: nothing."""
        return {}


class PlainBlock(Block):
    """Two 3x3 convolutions. Ignores its shortcut, to be exchangeable with ``BasicBlock``.

    >>> block = PlainBlock(16, 32, np.random.default_rng(0), stride=2)
    >>> block(np.ones((2, 16, 8, 8))).shape
    (2, 32, 4, 4)
    """

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


class BasicBlock(Block):
    """relu(F(x) + shortcut(x)), F two 3x3 convolutions.

    Backward, the addition hands its gradient to both paths unchanged; where the paths part, at x,
    the gradients that come back along them add up.

    >>> block = BasicBlock(16, 32, np.random.default_rng(0), stride=2, shortcut=PadShortcut)
    >>> y = block(np.ones((2, 16, 8, 8)))
    >>> y.shape, block.backward(np.ones_like(y)).shape
    ((2, 32, 4, 4), (2, 16, 8, 8))
    """

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


class Bottleneck(Block):
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


class BottleneckV1(Bottleneck):
    """``Bottleneck`` with the stride on its first 1x1, as in the paper's nets.

    >>> block = BottleneckV1(64, 16, np.random.default_rng(0), stride=2)
    >>> block.conv1.stride, block.conv2.stride
    (2, 1)
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        rng: Generator,
        stride: int = 1,
        shortcut: Shortcut = ProjectionShortcut,
    ):
        super().__init__(in_channels, width, rng, stride, shortcut)
        self.conv1.stride, self.conv2.stride = stride, 1
