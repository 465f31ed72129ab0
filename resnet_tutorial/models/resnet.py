"""A network: a stem, stages of blocks, and a linear classifier.

The parts are passed in; what a network of certain blocks has more is said by the block. The names
of the parameters are torchvision's. Chapter: pytorch/residual_networks.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from resnet_tutorial import Mistake
from resnet_tutorial.models.blocks import BasicBlock
from resnet_tutorial.models.shortcuts import Shortcut, conv, option_a

MOST = 10_000_000  # of anything that is counted here; beyond, sizes overflow
Stem = Callable[[int, int], nn.Module | Iterable[nn.Module]]  # (in_channels, width)


def cifar_stem(in_channels: int, width: int) -> tuple[nn.Module, nn.Module]:
    """A 3x3 convolution at full resolution, and no pooling.

    >>> convolution, pooling = cifar_stem(in_channels=3, width=16)
    >>> convolution.stride, pooling
    ((1, 1), Identity())
    """
    return conv(in_channels, width, 3), nn.Identity()


def imagenet_stem(in_channels: int, width: int) -> tuple[nn.Module, nn.Module]:
    """A 7x7 convolution and a 3x3 max pooling, each of stride 2.

    >>> convolution, pooling = imagenet_stem(in_channels=3, width=64)
    >>> convolution.kernel_size, convolution.stride, pooling.stride
    ((7, 7), (2, 2), 2)
    """
    return conv(in_channels, width, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)


def _positive_ints(**counts: object) -> None:
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise Mistake(f"{name} must be positive and of type int, got {value!r}")
        if value > MOST:
            raise Mistake(f"{name} must be at most {MOST:,}, got {value:,}")


def _stride(*modules: nn.Module) -> int:
    strides = (getattr(part, "stride", 1) for module in modules for part in module.modules())
    return prod(max(s) if isinstance(s, tuple) else s for s in strides)


@dataclass(frozen=True)
class Architecture:
    """The parts of a network. The defaults are those of the paper's CIFAR nets, section 4.2.

    ``stage_sizes`` counts the blocks of each stage, ``widths`` gives their ``width``, ``strides``
    the stride of the first block of each, by default 1 in the first stage and 2 in the others.

    ``block(in_channels, width, stride, shortcut)`` makes a block: a class, a ``functools.partial``
    of one, a function. The block gives ``width`` channels times its ``expansion``, 1 where it has
    none.

    ``stem(in_channels, width)`` gives a module, or several in their order. The first becomes
    ``conv1`` and gives ``width`` channels; batch norm and ReLU follow it, then what is left, the
    pooling for example. An ``nn.Sequential`` is one module.

    Raises ValueError for parts that make no network.

    >>> architecture = Architecture((3, 3), widths=(16, 32))
    >>> architecture.num_classes, architecture.stage_strides
    (10, (1, 2))
    """

    stage_sizes: Sequence[int]
    block: Callable[..., nn.Module] = BasicBlock
    shortcut: Shortcut = option_a
    widths: Sequence[int] = (16, 32, 64)
    stem: Stem = cifar_stem
    num_classes: int = 10
    strides: Sequence[int] | None = None

    def __post_init__(self):
        _positive_ints(num_classes=self.num_classes)
        for part in ("block", "shortcut", "stem"):
            if not callable(getattr(self, part)):
                raise Mistake(
                    f"{part} must be the part itself, as in shortcut=option_b, "
                    f"got {getattr(self, part)!r}"
                )
        if "shortcut" in getattr(self.block, "keywords", ()):
            raise Mistake(
                f"a block takes its shortcut from the architecture, got {self.block!r}: "
                "pass shortcut=... beside block=..."
            )
        if not 0 < len(self.stage_sizes) == len(self.widths) == len(self.stage_strides):
            raise Mistake(
                "stage_sizes and widths, and strides where they are given, must have one entry for "
                f"each stage, got {self.stage_sizes} and {self.widths}, {self.strides}"
            )
        stages = zip(self.stage_sizes, self.widths, self.stage_strides, strict=True)
        for size, width, stride in stages:
            _positive_ints(stage_sizes=size, widths=width, strides=stride)

    @property
    def stage_strides(self) -> Sequence[int]:
        """``strides``, or their default."""
        return (1,) + (2,) * (len(self.widths) - 1) if self.strides is None else self.strides

    @property
    def residual(self) -> bool:
        """Whether its blocks have shortcuts."""
        with torch.device("meta"):  # no memory, no random numbers
            block = self.block(self.widths[0], self.widths[0], 1, self.shortcut)
        return hasattr(block, "downsample")


class ResNet(nn.Module):
    """Images (n, c, h, w) to logits (n, classes).

    Initialisation (torchvision's): convolutions He normal by fan-out, std sqrt(2 / (k^2 out)),
    from arXiv 1502.01852; batch norm gamma 1, beta 0; the classifier as PyTorch does by default,
    uniform in +-1/sqrt(in_features). Equal seeds give a plain net and its residual twin with
    option A equal weights.

    A last block that has a method ``complete(net)`` adds what a network of such blocks has more;
    ``bn2`` is the batch norm, followed by ReLU, that pre-activation blocks ask for.

    ``forward``, ``maps`` and ``features`` raise ValueError for images that it cannot take.

    >>> import torch
    >>> net = ResNet(Architecture((1, 1), widths=(8, 16)), in_channels=1)
    >>> {name: tuple(x.shape[1:]) for name, x in net.maps(torch.zeros(2, 1, 8, 8)).items()}
    {'stem': (8, 8, 8), 'layer1': (8, 8, 8), 'layer2': (16, 4, 4)}
    >>> [name for name, block in net.blocks()]
    ['layer1.0', 'layer2.0']
    """

    def __init__(self, architecture: Architecture, in_channels: int = 3):
        super().__init__()
        _positive_ints(in_channels=in_channels)
        channels = architecture.widths[0]
        self.architecture, self.in_channels = architecture, in_channels
        stem = architecture.stem(in_channels, channels)
        self.conv1, *rest = [stem] if isinstance(stem, nn.Module) else stem
        self.bn1 = nn.BatchNorm2d(channels)
        self.maxpool = rest[0] if len(rest) == 1 else nn.Sequential(*rest)
        self.stride = _stride(self.conv1, self.maxpool) * prod(architecture.stage_strides)
        stages = zip(
            architecture.stage_sizes, architecture.widths, architecture.stage_strides, strict=True
        )
        for i, (size, width, first_stride) in enumerate(stages, start=1):
            blocks = []
            for stride in (first_stride,) + (1,) * (size - 1):
                block = architecture.block(channels, width, stride, architecture.shortcut)
                blocks.append(block)
                channels = width * getattr(block, "expansion", 1)
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, architecture.num_classes)
        self.bn2 = None
        self.inputs = None  # how pictures become its input, once it has trained weights
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if hasattr(blocks[-1], "complete"):
            blocks[-1].complete(self)

    @property
    def stages(self) -> list[nn.Module]:
        """layer1, layer2, ..."""
        return [getattr(self, f"layer{i + 1}") for i in range(len(self.architecture.widths))]

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """The blocks and their names, from the input to the output; those of plain nets too."""
        stages = enumerate(self.stages, start=1)
        return [(f"layer{i}.{j}", block) for i, stage in stages for j, block in enumerate(stage)]

    def maps(self, x: Tensor) -> dict[str, Float[Tensor, "n _ _ _"]]:
        """What the stem and each stage give, in order: "stem", "layer1", "layer2", ...

        The last of a pre-activation net is the last addition, before ``bn2``.
        """
        self._check(x)
        x = self.conv1(x)
        x = self.bn1(x)
        x = relu(x)
        x = self.maxpool(x)
        maps = {"stem": x}
        for i, stage in enumerate(self.stages, start=1):
            x = stage(x)
            maps[f"layer{i}"] = x
        return maps

    def features(self, x: Tensor) -> Float[Tensor, "n d h2 w2"]:
        """What is averaged: the last of ``maps``, in pre-activation nets behind bn2 and ReLU."""
        *_, x = self.maps(x).values()
        if self.bn2 is None:
            return x
        x = self.bn2(x)
        return relu(x)

    def forward(self, x: Tensor) -> Float[Tensor, "n k"]:
        x = self.features(x)
        x = x.mean(dim=(2, 3))
        return self.fc(x)

    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def _check(self, x: Tensor) -> None:
        stride = self.stride
        if x.ndim != 4:
            hint = "add the batch axis with x[None]" if x.ndim == 3 else "reshape them"
        elif not x.is_floating_point():
            hint = "convert and normalise them, as Dataset.normalize does"
        elif x.shape[1] != self.in_channels == x.shape[3]:
            hint = "axis 1 is the channels, not the last: x.permute(0, 3, 1, 2)"
        elif x.shape[1] != self.in_channels:
            hint = (
                f"axis 1 is the channels; for {x.shape[1]}, build it with in_channels={x.shape[1]}"
            )
        elif x.dtype != self._dtype() and not torch.is_autocast_enabled(x.device.type):
            hint = f"the weights are {self._dtype()}; convert the images: x.to({self._dtype()})"
        elif min(x.shape[2:]) < stride:
            hint = f"the network divides H and W by {stride}, so enlarge or pad the images"
        else:
            return
        raise Mistake(
            f"expected float images (n, {self.in_channels}, h >= {stride}, w >= {stride}), "
            f"got {x.dtype} {tuple(x.shape)}: {hint}"
        )
