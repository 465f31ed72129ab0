"""Blocks of the first paper: plain, basic, bottlenecks. Chapter: pytorch/residual_networks.

Every block has ``branch(x)``, all that happens to x before the addition; a residual block also has
``shortcut(x)``, what is added, and its ``forward`` is the shortcut, plus the branch, then what
follows. Parameters have torchvision's names. Every operation is out of place, so that a hook keeps
what it saw. Source: He et al. 2015 (arXiv 1512.03385).
"""

from torch import nn
from torch.nn.functional import relu

from resnet_tutorial.models.shortcuts import Input, Output, Shortcut, conv, option_a, option_b


class PlainBlock(nn.Module):
    """relu(F(x)), F two 3x3 convolutions; ignores its shortcut, to change places with BasicBlock.

    >>> [name for name, _ in PlainBlock(16, 32, stride=2).named_children()]
    ['conv1', 'bn1', 'conv2', 'bn2']
    """

    expansion = 1  # output channels / width

    def __init__(self, in_channels: int, width: int, stride: int = 1, shortcut: object = None):
        super().__init__()
        self.conv1 = conv(in_channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)

    def branch(self, x: Input) -> Output:
        """F(x): everything before the last ReLU."""
        f = self.conv1(x)
        f = self.bn1(f)
        f = relu(f)
        f = self.conv2(f)
        return self.bn2(f)

    def forward(self, x: Input) -> Output:
        f = self.branch(x)
        return relu(f)


class BasicBlock(PlainBlock):
    """relu(x + F(x)), F that of ``PlainBlock``. Chapter: scratch/residual_block.

    >>> import torch
    >>> block, x = BasicBlock(16, 16), torch.rand(2, 16, 8, 8)
    >>> torch.equal(block(x), relu(block.shortcut(x) + block.branch(x)))
    True
    >>> _ = nn.init.zeros_(block.bn2.weight)  # F(x) = 0
    >>> torch.equal(block(x), x)
    True
    """

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, shortcut: Shortcut = option_a
    ):
        super().__init__(in_channels, width, stride)
        self.downsample = shortcut(in_channels, width, stride)

    def shortcut(self, x: Input) -> Output:
        """What is added to the branch: x where the shape stays, unless the option is C."""
        return self.downsample(x)

    def forward(self, x: Input) -> Output:
        f = self.branch(x)
        y = self.shortcut(x) + f
        return relu(y)


class Bottleneck(nn.Module):
    """relu(x + F(x)), F a 1x1 convolution to ``width`` channels, a 3x3, a 1x1 to 4 ``width``.

    The stride is on the 3x3, as in torchvision ("v1.5"): no layer of F then skips a pixel.

    >>> block = Bottleneck(64, 16, stride=2)
    >>> block.conv1.stride, block.conv2.stride, block.conv3.out_channels
    ((1, 1), (2, 2), 64)
    """

    expansion = 4
    strided_conv = 2

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, shortcut: Shortcut = option_b
    ):
        super().__init__()
        stride1, stride2 = (stride, 1) if self.strided_conv == 1 else (1, stride)
        self.conv1 = conv(in_channels, width, 1, stride1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride2)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = shortcut(in_channels, 4 * width, stride)

    def branch(self, x: Input) -> Output:
        """F(x): everything before the addition."""
        f = self.conv1(x)
        f = self.bn1(f)
        f = relu(f)
        f = self.conv2(f)
        f = self.bn2(f)
        f = relu(f)
        f = self.conv3(f)
        return self.bn3(f)

    def shortcut(self, x: Input) -> Output:
        """What is added to the branch, as in ``BasicBlock``."""
        return self.downsample(x)

    def forward(self, x: Input) -> Output:
        f = self.branch(x)
        y = self.shortcut(x) + f
        return relu(y)


class BottleneckV1(Bottleneck):
    """The stride is on the first 1x1, as in the paper's Caffe models: it skips 3 pixels of 4.

    >>> BottleneckV1(64, 16, stride=2).conv1.stride
    (2, 2)
    """

    strided_conv = 1
