"""The networks that have a name. Chapter: pytorch/residual_networks.

Which parts a named network has is data: ``ARCHITECTURES``.
"""

import os
from dataclasses import fields, replace
from functools import partial

from resnet_tutorial import Mistake
from resnet_tutorial.models import weights as trained
from resnet_tutorial.models.blocks import BasicBlock, Bottleneck, PlainBlock
from resnet_tutorial.models.preact import PreActBasicBlock, PreActBottleneck
from resnet_tutorial.models.resnet import Architecture, ResNet, imagenet_stem
from resnet_tutorial.models.shortcuts import option_b, option_b_preact
from resnet_tutorial.names import lookup

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
            ``shortcut=option_b``, ``widths=(8, 16, 32)``, ``stage_sizes=(1, 1, 1)``,
            ``strides=(1, 2, 1)``, ``stem=...``.

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
        classes, channels = trained.classes_and_channels(tensors)
        num_classes, in_channels = num_classes or classes, in_channels or channels
    if num_classes is not None:
        architecture = replace(architecture, num_classes=num_classes)
    if "shortcut" in parts and not architecture.residual:
        raise Mistake(f"{name!r} is a plain net and has no shortcut to exchange: leave it out")
    net = ResNet(architecture, 3 if in_channels is None else in_channels)
    net.name = name
    if weights is not None:
        trained.load_into(net, tensors, weights)
    return net
