"""Pre-activation blocks, and what a network of them has more. Chapter: pytorch/residual_networks.

Batch norm and ReLU stand *before* each convolution and nothing follows the addition. Source:
He et al. 2016 (arXiv 1603.05027).
"""

from torch import nn
from torch.nn.functional import relu

from resnet_tutorial.models.shortcuts import (
    Input,
    Output,
    Shortcut,
    conv,
    option_a,
    option_b_preact,
)


class PreActBlock(nn.Module):
    """x + F(x), F(x) = G(relu(bn1(x))); a subclass has ``bn1``, ``downsample`` and ``rest``, the G.

    Where the shape changes, the shortcut starts from the activated x, as in the authors' code;
    ``forward`` then shares one activation, so that bn1 sees each batch once. To change the branch
    of such a block, change ``rest``.

    >>> import torch
    >>> block, x = PreActBasicBlock(4, 8, stride=2).eval(), torch.randn(2, 4, 6, 6)
    >>> torch.equal(block(x), block.shortcut(x) + block.branch(x))
    True
    """

    expansion = 1

    def activate(self, x: Input) -> Input:
        """relu(bn1(x)), the first of F."""
        a = self.bn1(x)
        return relu(a)

    def rest(self, a: Input) -> Output:
        """F behind its first activation: a function of the activated x."""
        raise NotImplementedError

    def branch(self, x: Input) -> Output:
        """F(x): everything before the addition."""
        a = self.activate(x)
        return self.rest(a)

    def shortcut(self, x: Input) -> Output:
        """What is added to the branch: x itself, or from the activated x where it is changed."""
        return self.downsample(x if self._keeps_x() else self.activate(x))

    def forward(self, x: Input) -> Output:
        a = self.activate(x)
        f = self.rest(a)
        return self.downsample(x if self._keeps_x() else a) + f

    def _keeps_x(self) -> bool:
        return isinstance(self.downsample, nn.Identity)

    @staticmethod
    def complete(net: nn.Module) -> None:
        """Gives a ``ResNet`` whose last block is of this kind what it has more: the appendix.

        The activation behind conv1 is shared by both paths of the first block, which therefore has
        no ``bn1`` of its own (its ReLU finds nothing left to do), and one more activation, ``bn2``,
        follows the last addition.
        """
        _, first = net.blocks()[0]
        if isinstance(first, PreActBlock):
            first.bn1 = nn.Identity()
        net.bn2 = nn.BatchNorm2d(net.fc.in_features)


class PreActBasicBlock(PreActBlock):
    """x + F(x), F with batch norm and ReLU *before* each of its two 3x3 convolutions.

    >>> [name for name, _ in PreActBasicBlock(16, 32, stride=2).named_children()]
    ['bn1', 'conv1', 'bn2', 'conv2', 'downsample']
    """

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, shortcut: Shortcut = option_a
    ):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv(in_channels, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.downsample = shortcut(in_channels, width, stride)

    def rest(self, a: Input) -> Output:
        """The two convolutions, the second behind its own activation."""
        f = self.conv1(a)
        f = self.bn2(f)
        f = relu(f)
        return self.conv2(f)


class PreActBottleneck(PreActBlock):
    """``PreActBasicBlock`` with 1x1, 3x3, 1x1 in F; the stride is on the first (authors' code).

    >>> PreActBottleneck(64, 16).conv3.out_channels
    64
    """

    expansion = 4

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, shortcut: Shortcut = option_b_preact
    ):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv(in_channels, width, 1, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, 4 * width, 1)
        self.downsample = shortcut(in_channels, 4 * width, stride)

    def rest(self, a: Input) -> Output:
        """The three convolutions, the second and third behind activations of their own."""
        f = self.conv1(a)
        f = self.bn2(f)
        f = relu(f)
        f = self.conv2(f)
        f = self.bn3(f)
        f = relu(f)
        return self.conv3(f)
