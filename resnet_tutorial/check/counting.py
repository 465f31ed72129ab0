"""Checkers of the exercises of pytorch/counting."""

from collections.abc import Callable

import torch

from resnet_tutorial.check.verdict import Case, Verdict, judge
from resnet_tutorial.models import ARCHITECTURES, Bottleneck, option_b

NAMED = ("resnet20", "resnet110", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def depth(function: Callable) -> Verdict:
    """`function(stage_sizes, layers_per_block)`: the depth that stands in the network's name."""
    cases = []
    for name in NAMED:
        architecture = ARCHITECTURES[name]
        layers = 3 if architecture.block is Bottleneck else 2
        arguments = (tuple(architecture.stage_sizes), layers)
        hint = "stem and classifier are one layer each, projections are none"
        cases.append(Case(name, arguments, int(name.removeprefix("resnet")), hint))
    return judge(function, cases)


def bottleneck_parameters(function: Callable) -> Verdict:
    """`function(in_channels, width, projection)`: weights and batch norms of a bottleneck.

    `projection` is True where the shortcut is a 1x1 convolution with batch norm.
    """
    cases = []
    for in_channels, width, projection in [
        (256, 64, False),
        (12, 3, False),
        (64, 64, True),
        (256, 128, True),
    ]:
        with torch.device("meta"):  # counted, never filled
            block = Bottleneck(in_channels, width, 2 if projection else 1, option_b)
        count = sum(p.numel() for p in block.parameters())
        what = f"{in_channels} channels, width {width}, projection {projection}"
        hint = "no biases; gamma and beta of every batch norm; the output has 4 width channels"
        cases.append(Case(what, (in_channels, width, projection), count, hint))
    return judge(function, cases)
