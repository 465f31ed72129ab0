"""The residual and plain networks for CIFAR and ImageNet, by name.

A network is a stem, stages of blocks, and a linear classifier. Which parts a named network has is
data (``ARCHITECTURES``); the parts themselves are in ``resnet_tutorial.blocks``. The names of the
parameters are torchvision's, so its ImageNet checkpoints load with ``strict=True``.

Chapter: pytorch/residual_networks.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from resnet_tutorial import weights as trained
from resnet_tutorial.blocks import (
    BasicBlock,
    Bottleneck,
    BottleneckV1,
    DroppedBranchBlock,
    PadShortcut,
    PlainBlock,
    PreActBasicBlock,
    PreActBottleneck,
    Shortcut,
    conv,
    option_a,
    option_a_dropped,
    option_b,
    option_b_preact,
    option_c,
)
from resnet_tutorial.names import lookup

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "BasicBlock",
    "Bottleneck",
    "BottleneckV1",
    "DroppedBranchBlock",
    "PadShortcut",
    "PlainBlock",
    "PreActBasicBlock",
    "PreActBottleneck",
    "PreActResNet",
    "ResNet",
    "build",
    "cifar_stem",
    "imagenet_stem",
    "option_a",
    "option_a_dropped",
    "option_b",
    "option_b_preact",
    "option_c",
]


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
            raise ValueError(f"{name} must be positive and of type int, got {value!r}")


@dataclass(frozen=True)
class Architecture:
    """The parts of a network. The defaults are those of the paper's CIFAR nets, section 4.2.

    ``stage_sizes`` counts the blocks of each stage, ``widths`` gives their ``width``; every stage
    but the first starts with stride 2. Raises ValueError for parts that make no network.

    >>> Architecture((3, 3), widths=(16, 32), shortcut=option_b).num_classes
    10
    """

    stage_sizes: Sequence[int]
    block: type[nn.Module] = BasicBlock
    shortcut: Shortcut = option_a
    widths: Sequence[int] = (16, 32, 64)
    stem: Callable[[int, int], tuple[nn.Module, nn.Module]] = cifar_stem
    num_classes: int = 10

    def __post_init__(self):
        _positive_ints(num_classes=self.num_classes)
        for part in ("block", "shortcut", "stem"):
            if not callable(getattr(self, part)):
                raise ValueError(
                    f"{part} must be the part itself, as in shortcut=option_b, "
                    f"got {getattr(self, part)!r}"
                )
        if not 0 < len(self.stage_sizes) == len(self.widths):
            raise ValueError(
                "stage_sizes and widths must have one entry for each stage, "
                f"got {self.stage_sizes} and {self.widths}"
            )
        for size, width in zip(self.stage_sizes, self.widths, strict=True):
            _positive_ints(stage_sizes=size, widths=width)


class ResNet(nn.Module):
    """Images (n, c, h, w) to logits (n, classes).

    Initialisation (torchvision's): convolutions He normal by fan-out, std sqrt(2 / (k^2 out)),
    from arXiv 1502.01852; batch norm gamma 1, beta 0; the classifier as PyTorch does by default,
    uniform in +-1/sqrt(in_features). Equal seeds give a plain net and its residual twin with
    option A equal weights.

    ``forward`` raises ValueError for images that the network cannot take.

    >>> import torch
    >>> net = ResNet(Architecture((1, 1), widths=(8, 16)), in_channels=1)
    >>> net.features(torch.zeros(2, 1, 8, 8)).shape, net(torch.zeros(2, 1, 8, 8)).shape
    (torch.Size([2, 16, 4, 4]), torch.Size([2, 10]))
    """

    def __init__(self, architecture: Architecture, in_channels: int = 3):
        super().__init__()
        _positive_ints(in_channels=in_channels)
        channels = architecture.widths[0]
        self.architecture = architecture
        self.conv1, self.maxpool = architecture.stem(in_channels, channels)
        self.bn1 = nn.BatchNorm2d(channels)
        stages = zip(architecture.stage_sizes, architecture.widths, strict=True)
        for i, (size, width) in enumerate(stages, start=1):
            blocks = []
            for j in range(size):
                stride = 2 if i > 1 and j == 0 else 1
                blocks.append(architecture.block(channels, width, stride, architecture.shortcut))
                channels = width * architecture.block.expansion
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, architecture.num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def stages(self) -> list[nn.Module]:
        """layer1, layer2, ..."""
        return [getattr(self, f"layer{i + 1}") for i in range(len(self.architecture.widths))]

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """The last feature maps, before the average pooling."""
        x = self.conv1(x)
        x = self.bn1(x)
        x = relu(x)
        x = self.maxpool(x)
        for stage in self.stages:
            x = stage(x)
        return x

    def forward(self, x: Tensor) -> Float[Tensor, "n k"]:
        self._check(x)
        x = self.features(x)
        x = x.mean(dim=(2, 3))
        return self.fc(x)

    def _check(self, x: Tensor) -> None:
        channels = self.conv1.in_channels
        pooling = getattr(self.maxpool, "stride", 1)
        stride = self.conv1.stride[0] * pooling * 2 ** (len(self.architecture.widths) - 1)
        if x.ndim != 4:
            hint = "add the batch axis with x[None]" if x.ndim == 3 else "reshape them"
        elif not x.is_floating_point():
            hint = "convert and normalise them, as Dataset.normalize does"
        elif x.shape[1] != channels:
            hint = (
                f"axis 1 is the channels; for {x.shape[1]}, build it with in_channels={x.shape[1]}"
            )
        elif min(x.shape[2:]) < stride:
            hint = f"the network divides H and W by {stride}, so enlarge or pad the images"
        else:
            return
        raise ValueError(
            f"expected float images (n, {channels}, h >= {stride}, w >= {stride}), "
            f"got {x.dtype} {tuple(x.shape)}: {hint}"
        )


class PreActResNet(ResNet):
    """A net of pre-activation blocks: He et al. 2016, appendix.

    The activation after conv1 is shared by both paths of the first block, which therefore has no
    ``bn1`` of its own (its ReLU finds nothing left to do), and one more activation, ``bn2``,
    follows the last addition.

    >>> PreActResNet(Architecture((1, 1), PreActBasicBlock, widths=(8, 16))).bn2.num_features
    16
    """

    def __init__(self, architecture: Architecture, in_channels: int = 3):
        super().__init__(architecture, in_channels)
        self.layer1[0].bn1 = nn.Identity()
        self.bn2 = nn.BatchNorm2d(self.fc.in_features)

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        x = super().features(x)
        x = self.bn2(x)
        return relu(x)


_imagenet = partial(
    Architecture,
    shortcut=option_b,
    widths=(64, 128, 256, 512),
    stem=imagenet_stem,
    num_classes=1000,
)

#: The parts of every named network.
ARCHITECTURES: dict[str, Architecture] = {
    **{f"plain{6 * n + 2}": Architecture((n, n, n), PlainBlock) for n in (1, 3, 5, 7, 9, 18)},
    **{f"resnet{6 * n + 2}": Architecture((n, n, n)) for n in (1, 3, 5, 7, 9, 18, 200)},
    "preact_resnet110": Architecture((18, 18, 18), PreActBasicBlock),
    "preact_resnet164": Architecture((18, 18, 18), PreActBottleneck, option_b_preact),
    "preact_resnet1001": Architecture((111, 111, 111), PreActBottleneck, option_b_preact),
    "plain18": _imagenet((2, 2, 2, 2), PlainBlock),
    "plain34": _imagenet((3, 4, 6, 3), PlainBlock),
    "resnet18": _imagenet((2, 2, 2, 2), BasicBlock),
    "resnet34": _imagenet((3, 4, 6, 3), BasicBlock),
    "resnet50": _imagenet((3, 4, 6, 3), Bottleneck),
    "resnet101": _imagenet((3, 4, 23, 3), Bottleneck),
    "resnet152": _imagenet((3, 8, 36, 3), Bottleneck),
}


def build(
    name: str,
    num_classes: int | None = None,
    in_channels: int | None = None,
    weights: str | os.PathLike | None = None,
    **parts,
) -> ResNet:
    """The network called ``name``, initialised from torch's global random state, or trained.

    Args:
        name: a key of ``ARCHITECTURES``.
        num_classes: by default 10 for the CIFAR nets and 1000 for the ImageNet nets.
        in_channels: 3 for colour images, the default, 1 for grey ones.
        weights: trained ones by the name of their data, ``"fashion_mnist"``, or a file of them,
            ``"runs/a/model.safetensors"``; by default the classes and channels are then theirs.
        parts: what to exchange, by the field of ``Architecture``: ``block=BottleneckV1``,
            ``shortcut=option_b``, ``widths=(8, 16, 32)``, ``stage_sizes=(1, 1, 1)``, ``stem=...``.

    Raises:
        ValueError: unknown name or part, a shortcut for a plain net, or a count below one.

    >>> sum(p.numel() for p in build("resnet20").parameters())
    269722
    """
    allowed = {field.name: field for field in fields(Architecture) if field.name != "num_classes"}
    for part in parts:
        lookup(allowed, part, "part")
    architecture = replace(lookup(ARCHITECTURES, name, "model"), **parts)
    tensors = {}
    if weights is not None:
        weights = trained.find(name, weights)
        tensors, _ = trained.load(weights)
        num_classes = num_classes or len(tensors.get("fc.bias", ())) or None
        in_channels = in_channels or tensors["conv1.weight"].shape[1]
    if num_classes is not None:
        architecture = replace(architecture, num_classes=num_classes)
    if architecture.block is PlainBlock and "shortcut" in parts:
        raise ValueError(f"{name!r} is a plain net and has no shortcut to exchange: leave it out")
    preact = architecture.block in (PreActBasicBlock, PreActBottleneck)
    net = (PreActResNet if preact else ResNet)(
        architecture, 3 if in_channels is None else in_channels
    )
    net.name = name
    if weights is not None:
        trained.put(net, tensors, weights)
    return net
