"""The residual and plain networks for CIFAR and ImageNet, in PyTorch.

``build`` makes a network by its name; shortcuts, blocks and stems are the parts to make others
from. The parameters have torchvision's names, so its ImageNet checkpoints load with
``strict=True``.

Chapter: pytorch/residual_networks.
"""

from resnet_tutorial.models import named
from resnet_tutorial.models.blocks import BasicBlock, Bottleneck, BottleneckV1, PlainBlock
from resnet_tutorial.models.descendants import DroppedBranchBlock
from resnet_tutorial.models.named import build
from resnet_tutorial.models.preact import PreActBasicBlock, PreActBlock, PreActBottleneck
from resnet_tutorial.models.resnet import Architecture, ResNet, cifar_stem, imagenet_stem
from resnet_tutorial.models.shortcuts import (
    PadShortcut,
    option_a,
    option_a_dropped,
    option_a_forgotten,
    option_b,
    option_b_preact,
    option_c,
)

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
    "PreActBlock",
    "PreActBottleneck",
    "ResNet",
    "build",
    "cifar_stem",
    "imagenet_stem",
    "option_a",
    "option_a_dropped",
    "option_a_forgotten",
    "option_b",
    "option_b_preact",
    "option_c",
]

#: The parts of every named network.
ARCHITECTURES = named.ARCHITECTURES
