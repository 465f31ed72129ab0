"""Weights that were trained elsewhere, put into a network: all of them, or all but the head.

Chapter: pytorch/weight_files.
"""

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from resnet_tutorial import Mistake
from resnet_tutorial.models.resnet import Architecture, ResNet
from resnet_tutorial.models.weights import classes_and_channels, load_into, mismatch

HEAD = "fc."  # how the names of the classifier's tensors begin


def transfer(
    net: ResNet,
    tensors: Mapping[str, Tensor],
    source: str | os.PathLike,
    table: Mapping[str, Architecture],
) -> None:
    """Gives `net` the weights; where they are for another number of classes, all but the head.

    A warning says that the head is a new one. Raises ValueError when they are another network's,
    which names the one of `table` that they fit.

    >>> from resnet_tutorial import models
    >>> small = models.build("resnet8", num_classes=2).state_dict()
    >>> transfer(models.build("resnet20"), small, "this file", models.ARCHITECTURES)
    Traceback (most recent call last):
    resnet_tutorial.Mistake: this file holds another network's weights: ...; they fit ...
    """
    found, wanted = classes_and_channels(tensors)[0], net.architecture.num_classes
    state = {**tensors}
    if found is not None and found != wanted:
        fresh = {k: v for k, v in net.state_dict().items() if k.startswith(HEAD)}
        state = {k: v for k, v in tensors.items() if not k.startswith(HEAD)} | fresh
    if problem := mismatch(net, state):
        raise Mistake(
            f"{source} holds another network's weights: {problem}; {_advice(net, tensors, table)}"
        )
    load_into(net, state, source)
    if found is not None and found != wanted:
        warnings.warn(
            f"{source}: the head for {found} classes was replaced by a new one for {wanted}",
            stacklevel=3,
        )


def _advice(net: ResNet, tensors: Mapping[str, Tensor], table: Mapping[str, Architecture]) -> str:
    """What to do with weights that do not fit `net`."""
    classes, channels = classes_and_channels(tensors)
    if not {name.partition(".")[0] for name in tensors} & {n for n, _ in net.named_children()}:
        return "its tensors should be called as torchvision calls them: conv1.weight, bn1.weight"
    fits = [name for name in table if _fits(table[name], tensors)]
    if net.name in fits:
        if channels != net.in_channels:
            return f"they are for images of {channels} channel{'s' * (channels > 1)}"
        return "exchange the same parts in models.build as when they were trained"
    return f"they fit {', '.join(fits)}" if fits else "no network that has a name here has them"


def _fits(architecture: Architecture, tensors: Mapping[str, Tensor]) -> bool:
    """Whether the network has these tensors, whatever its channels and classes."""
    sizes = []  # compared first, since the deepest networks take long to build
    for name in tensors:
        stage, _, rest = name.removeprefix("layer").partition(".")
        block = rest.partition(".")[0]
        if name.startswith("layer") and stage.isdecimal() and block.isdecimal():
            sizes += [0] * (min(int(stage), 100) - len(sizes))
            sizes[int(stage) - 1] = max(sizes[int(stage) - 1], int(block) + 1)
    if tuple(sizes) != tuple(architecture.stage_sizes):
        return False
    classes, channels = classes_and_channels(tensors)
    with torch.device("meta"):
        net = ResNet(replace(architecture, num_classes=classes or 1), channels or 3)
    return not mismatch(net, tensors)
