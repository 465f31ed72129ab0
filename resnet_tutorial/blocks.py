"""The parts of the PyTorch networks: shortcuts and blocks.

Parameters have torchvision's names. Every operation is out of place, so that a hook keeps what it
saw. Sources: He et al. 2015 (arXiv 1512.03385); for pre-activation He et al. 2016 (arXiv
1603.05027). ``resnet_tutorial.models`` builds networks from these and exports them too.

Chapter: pytorch/residual_networks.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout, pad, relu

Shortcut = Callable[[int, int, int], nn.Module]  # (in_channels, out_channels, stride)
Input = Float[Tensor, "n c h w"]
Output = Float[Tensor, "n d h2 w2"]


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps H and W at stride 1; no bias, which batch norm would cancel.

    >>> conv(16, 32, kernel=3, stride=2)
    Conv2d(16, 32, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
    """
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)


class PadShortcut(nn.Module):
    """Option A: every stride-th pixel, then "extra zero entries padded" after the last channel.

    The paper does not say on which side; the word "extra" reads as appended, and then channel i
    stays channel i. Some others put half of the zeros in front. The counts are the same.
    Raises ValueError if channels would have to be dropped.

    >>> import torch
    >>> PadShortcut(1, 2, stride=2)(torch.ones(1, 1, 2, 2)).flatten().tolist()
    [1.0, 0.0]
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.extra, self.stride = out_channels - in_channels, stride
        if self.extra < 0:
            raise ValueError(
                "option A appends channels and cannot remove any, "
                f"got {in_channels} -> {out_channels}: use option_b or option_c"
            )

    def forward(self, x: Input) -> Output:
        x = x[:, :, :: self.stride, :: self.stride]
        return pad(x, (0, 0, 0, 0, 0, self.extra))


def option_a(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Identity, or ``PadShortcut`` where the shape changes: no parameters.

    >>> option_a(16, 16, stride=1), option_a(16, 32, stride=2)
    (Identity(), PadShortcut())
    """
    same = (in_channels, 1) == (out_channels, stride)
    return nn.Identity() if same else PadShortcut(in_channels, out_channels, stride)


def option_b(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Identity, or a projection (1x1 convolution, batch norm) where the shape changes.

    >>> option_b(16, 16, stride=1), len(option_b(16, 32, stride=2))
    (Identity(), 2)
    """
    same = (in_channels, 1) == (out_channels, stride)
    return nn.Identity() if same else option_c(in_channels, out_channels, stride)


def option_b_preact(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Option B of the pre-activation nets: its input is normalised already, so no batch norm.

    >>> option_b_preact(16, 32, stride=2)
    Conv2d(16, 32, kernel_size=(1, 1), stride=(2, 2), bias=False)
    """
    same = (in_channels, 1) == (out_channels, stride)
    return nn.Identity() if same else conv(in_channels, out_channels, 1, stride)


def option_c(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """A projection (1x1 convolution, batch norm) around every block.

    >>> sum(p.numel() for p in option_c(16, 16, stride=1).parameters())  # 16 * 16, and batch norm
    288
    """
    return nn.Sequential(conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))


def option_a_dropped(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Option A with half of its values set to zero in training: He et al. 2016, table 1, failed.

    >>> option_a_dropped(16, 16, stride=1)[1]
    Dropout(p=0.5, inplace=False)
    """
    return nn.Sequential(option_a(in_channels, out_channels, stride), nn.Dropout(0.5))


class PlainBlock(nn.Module):
    """``BasicBlock`` without the addition; ignores its shortcut, to be exchangeable with it.

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

    def forward(self, x: Input) -> Output:
        x = self.conv1(x)
        x = self.bn1(x)
        x = relu(x)
        x = self.conv2(x)
        x = self.bn2(x)
        return relu(x)


class BasicBlock(nn.Module):
    """relu(x + F(x)), F two 3x3 convolutions. Chapter: scratch/residual_block.

    >>> import torch
    >>> block, x = BasicBlock(16, 16), torch.rand(2, 16, 8, 8)
    >>> _ = nn.init.zeros_(block.bn2.weight)  # F(x) = 0
    >>> torch.equal(block(x), x)
    True
    """

    expansion = 1

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, shortcut: Shortcut = option_a
    ):
        super().__init__()
        self.conv1 = conv(in_channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(in_channels, width, stride)

    def forward(self, x: Input) -> Output:
        f = self.conv1(x)
        f = self.bn1(f)
        f = relu(f)
        f = self.conv2(f)
        f = self.bn2(f)
        y = self.downsample(x) + f
        return relu(y)


class DroppedBranchBlock(BasicBlock):
    """BasicBlock with half of the values between its convolutions set to zero in training.

    The place is that of wide residual networks (Zagoruyko and Komodakis 2016), in the paper's order
    of layers. Chapter: training/recipe.

    >>> import torch
    >>> block, x = DroppedBranchBlock(16, 16).eval(), torch.rand(2, 16, 8, 8)
    >>> torch.equal(block(x), BasicBlock.forward(block, x))  # nothing is dropped in evaluation
    True
    """

    def forward(self, x: Input) -> Output:
        f = self.conv1(x)
        f = self.bn1(f)
        f = relu(f)
        f = dropout(f, 0.5, self.training)
        f = self.conv2(f)
        f = self.bn2(f)
        y = self.downsample(x) + f
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

    def forward(self, x: Input) -> Output:
        f = self.conv1(x)
        f = self.bn1(f)
        f = relu(f)
        f = self.conv2(f)
        f = self.bn2(f)
        f = relu(f)
        f = self.conv3(f)
        f = self.bn3(f)
        y = self.downsample(x) + f
        return relu(y)


class BottleneckV1(Bottleneck):
    """The stride is on the first 1x1, as in the paper's Caffe models: it skips 3 pixels of 4.

    >>> BottleneckV1(64, 16, stride=2).conv1.stride
    (2, 2)
    """

    strided_conv = 1


class PreActBasicBlock(nn.Module):
    """x + F(x), F with batch norm and ReLU *before* each of its two 3x3 convolutions.

    Where the shape changes, the shortcut starts from the activated x, as in the authors' code.

    >>> [name for name, _ in PreActBasicBlock(16, 32, stride=2).named_children()]
    ['bn1', 'conv1', 'bn2', 'conv2', 'downsample']
    """

    expansion = 1

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, shortcut: Shortcut = option_a
    ):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv(in_channels, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.downsample = shortcut(in_channels, width, stride)

    def forward(self, x: Input) -> Output:
        a = self.bn1(x)
        a = relu(a)
        f = self.conv1(a)
        f = self.bn2(f)
        f = relu(f)
        f = self.conv2(f)
        unchanged = isinstance(self.downsample, nn.Identity)
        return self.downsample(x if unchanged else a) + f


class PreActBottleneck(nn.Module):
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

    def forward(self, x: Input) -> Output:
        a = self.bn1(x)
        a = relu(a)
        f = self.conv1(a)
        f = self.bn2(f)
        f = relu(f)
        f = self.conv2(f)
        f = self.bn3(f)
        f = relu(f)
        f = self.conv3(f)
        unchanged = isinstance(self.downsample, nn.Identity)
        return self.downsample(x if unchanged else a) + f
