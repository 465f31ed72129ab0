"""A whole net as stages of blocks, read from what it computes."""

from dataclasses import dataclass
from itertools import groupby

import torch
from torch import nn

from resnet_tutorial import Mistake
from resnet_tutorial.trace import Operation, groups, split, trace


@dataclass(frozen=True)
class Block:
    """A block of a net: its name there, the shapes that enter and leave it, the convolutions of
    its branch, and its shortcut."""

    name: str
    entering: tuple[int, ...]
    shape: tuple[int, ...]
    convolutions: tuple[Operation, ...]
    shortcut: tuple[Operation, ...] | None

    @property
    def signature(self) -> tuple:
        """What the blocks of a stage have in common: kernel and channels of each convolution."""
        return tuple((o.kernel, o.shape[0]) for o in self.convolutions)

    @property
    def stride(self) -> int:
        """By how much the block divides the sides of the maps."""
        product = 1
        for operation in self.convolutions:
            product *= operation.stride
        return product


@dataclass(frozen=True)
class Plan:
    """A net as the drawings see it: what comes before the blocks, stages of blocks, the rest."""

    stem: list[Operation]
    stages: list[list[Block]]
    head: list[Operation]

    @property
    def residual(self) -> bool:
        return any(block.shortcut is not None for stage in self.stages for block in stage)

    @property
    def depth(self) -> int:
        """Layers with weights, shortcuts left out: the number in a network's name."""
        inside = sum(len(block.convolutions) for stage in self.stages for block in stage)
        return inside + sum(o.kind in ("conv", "linear") for o in self.stem + self.head)


def plan(net: nn.Module, shape: tuple[int, int, int]) -> Plan:
    """The plan of a net, for images of ``shape`` (c, h, w).

    A stage is a run of blocks with outputs of one shape. Raises ValueError where no block is found.

    >>> from resnet_tutorial.models import build
    >>> found = plan(build("resnet20"), (3, 32, 32))
    >>> [len(stage) for stage in found.stages], found.depth
    ([3, 3, 3], 20)
    """
    parts = groups(net, trace(net, shape))
    places = [i for i, (name, _) in enumerate(parts) if name]
    if not places:
        raise Mistake(
            f"expected a net made of blocks with two convolutions or more, got {type(net).__name__}"
            " with none: draw a single block with drawings.blocks"
        )
    outside = {"stem": parts[: places[0]], "head": parts[places[-1] + 1 :]}
    stem, head = ([o for _, ops in outside[k] for o in ops] for k in ("stem", "head"))
    found, entering = [], stem[-1].shape if stem else shape
    for name, operations in parts[places[0] : places[-1] + 1]:
        if name:
            sides = split(operations)
            convolutions = tuple(o for o in sides.branch if o.kind == "conv")
            shortcut = None if sides.shortcut is None else tuple(sides.shortcut)
            leaving = operations[-1].shape
            found.append(Block(name, entering, leaving, convolutions, shortcut))
        entering = operations[-1].shape
    stages = [list(stage) for _, stage in groupby(found, key=lambda block: block.shape)]
    return Plan(stem, stages, head)


def is_identity(block: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a block in evaluation mode returns non-negative maps as they came, measured.

    >>> is_identity(nn.ReLU(), (4, 8, 8)), is_identity(nn.Conv2d(4, 4, 1), (4, 8, 8))
    (True, False)
    """
    modes = [(m, m.training) for m in block.modules()]
    block.eval()
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = block(x)
    for module, mode in modes:
        module.training = mode
    return y.shape == x.shape and torch.allclose(y, x, atol=1e-3)
