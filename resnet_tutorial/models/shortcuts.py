"""Shortcuts: what a residual block adds to its branch. Chapter: pytorch/residual_networks.

A shortcut is made by a function of (in_channels, out_channels, stride); the three options are those
of He et al. 2015 (arXiv 1512.03385), section 4.1.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from resnet_tutorial import Mistake

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
            raise Mistake(
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


class Forgotten(nn.Module):
    """x itself, through which no gradient comes back.

    >>> import torch
    >>> Forgotten()(torch.ones(1, 1, 2, 2, requires_grad=True)).requires_grad
    False
    """

    def forward(self, x: Input) -> Input:
        return x.detach()


def option_a_forgotten(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Option A with the bug of a backward pass that leaves the shortcut out: the output is right,
    the gradient is that of the branch alone. Chapter: scratch/residual_block.

    >>> option_a_forgotten(16, 32, stride=2)
    Sequential(
      (0): Forgotten()
      (1): PadShortcut()
    )
    """
    return nn.Sequential(Forgotten(), option_a(in_channels, out_channels, stride))


def on_shortcuts(model: nn.Module) -> set[nn.Module]:
    """Every module that stands on a shortcut of `model`, a network or a block.

    What a module keeps under ``downsample`` is its shortcut: torchvision's name, which the
    parameters have as well.

    >>> on_shortcuts(option_b(16, 32, stride=2))  # a shortcut by itself is a layer like any other
    set()
    """
    shortcuts = (getattr(module, "downsample", None) for module in model.modules())
    return {part for h in shortcuts if isinstance(h, nn.Module) for part in h.modules()}
