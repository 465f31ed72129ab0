"""Pre-activation blocks: batch norm and ReLU before each convolution.

Chapter: theory/gradient_flow. Source: He et al. 2016 (arXiv 1603.05027), figure 4e and appendix.
"""

import numpy as np

from resnet_tutorial.scratch.blocks import Block, conv1x1, conv3x3
from resnet_tutorial.scratch.layers import BatchNorm2d, Identity, Layer, relu
from resnet_tutorial.scratch.shortcuts import (
    IdentityShortcut,
    Input,
    Output,
    Shortcut,
)

Generator = np.random.Generator


class PreActBlock(Block):
    """shortcut + F(a), with a = relu(bn1(x)): what both pre-activation blocks share.

    The shortcut starts from x where it is an identity and from a where the shape changes, as in
    the authors' code. A subclass has the rest of F, ``branch(a)`` and ``branch_backward(df)``.

    >>> list(PreActBasicBlock(4, 4, np.random.default_rng(0)).ending(channels=4))
    ['bn2', 'relu2']
    """

    def follow_stem(self) -> None:
        """The stem ends with the activation that both paths of the first block share."""
        self.bn1 = Identity()

    def ending(self, channels: int) -> dict[str, Layer]:
        """The activation of the last sum, which no block is left to do."""
        return {"bn2": BatchNorm2d(channels), "relu2": relu()}

    def forward(self, x: Input, training: bool = True) -> Output:
        a = self.bn1(x, training)
        a = self.relu1(a, training)
        f = self.branch(a, training)
        start = x if isinstance(self.downsample, Identity) else a
        return f + self.downsample(start, training)

    def backward(self, dy: Output) -> Input:
        da = self.branch_backward(dy)
        shortcut = self.downsample.backward(dy)
        unchanged = isinstance(self.downsample, Identity)
        da = da if unchanged else da + shortcut
        dx = self.relu1.backward(da)
        dx = self.bn1.backward(dx)
        return dx + shortcut if unchanged else dx


class PreActBasicBlock(PreActBlock):
    """shortcut + F(x), F two 3x3 convolutions, each after batch norm and ReLU.

    >>> block = PreActBasicBlock(16, 16, np.random.default_rng(0))
    >>> block(np.ones((2, 16, 8, 8))).shape
    (2, 16, 8, 8)
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
        self.bn1 = BatchNorm2d(in_channels)
        self.relu1 = relu()
        self.conv1 = conv3x3(in_channels, width, rng, stride)
        self.bn2 = BatchNorm2d(width)
        self.relu2 = relu()
        self.conv2 = conv3x3(width, width, rng)
        self.downsample = shortcut(in_channels, width, stride, rng)

    def branch(self, a: Input, training: bool) -> Output:
        """F(x) from a = relu(bn1(x))."""
        f = self.conv1(a, training)
        f = self.bn2(f, training)
        f = self.relu2(f, training)
        return self.conv2(f, training)

    def branch_backward(self, df: Output) -> Input:
        """The gradient of a that comes back along F."""
        df = self.conv2.backward(df)
        df = self.relu2.backward(df)
        df = self.bn2.backward(df)
        return self.conv1.backward(df)


class PreActBottleneck(PreActBlock):
    """shortcut + F(x), F a 1x1, a 3x3 and a 1x1, each after batch norm and ReLU.

    The stride is on the first 1x1, as in the authors' code.

    >>> block = PreActBottleneck(64, 16, np.random.default_rng(0))
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
        shortcut: Shortcut = IdentityShortcut,
    ):
        super().__init__()
        self.bn1 = BatchNorm2d(in_channels)
        self.relu1 = relu()
        self.conv1 = conv1x1(in_channels, width, rng, stride)
        self.bn2 = BatchNorm2d(width)
        self.relu2 = relu()
        self.conv2 = conv3x3(width, width, rng)
        self.bn3 = BatchNorm2d(width)
        self.relu3 = relu()
        self.conv3 = conv1x1(width, 4 * width, rng)
        self.downsample = shortcut(in_channels, 4 * width, stride, rng)

    def branch(self, a: Input, training: bool) -> Output:
        """F(x) from a = relu(bn1(x))."""
        f = self.conv1(a, training)
        f = self.bn2(f, training)
        f = self.relu2(f, training)
        f = self.conv2(f, training)
        f = self.bn3(f, training)
        f = self.relu3(f, training)
        return self.conv3(f, training)

    def branch_backward(self, df: Output) -> Input:
        """The gradient of a that comes back along F."""
        df = self.conv3.backward(df)
        df = self.relu3.backward(df)
        df = self.bn3.backward(df)
        df = self.conv2.backward(df)
        df = self.relu2.backward(df)
        df = self.bn2.backward(df)
        return self.conv1.backward(df)
