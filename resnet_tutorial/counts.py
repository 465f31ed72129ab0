"""What can be counted before training: parameters, multiply-adds, receptive fields.

Chapter: pytorch/counting.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from resnet_tutorial.models import ResNet
from resnet_tutorial.models.shortcuts import on_shortcuts


@dataclass(frozen=True)
class StageRow:
    """One row of ``stage_table``; the output shape is without the batch axis.

    >>> StageRow("stem", (16, 32, 32), parameters=464, macs=442_368, receptive_field=3).macs
    442368
    """

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field: int


class _Call(NamedTuple):
    """That a submodule gave an output of this shape; the batch axis is left out."""

    module: nn.Module
    shape: tuple[int, ...]

    @property
    def macs(self) -> int:
        """One multiply-add for each weight that meets each output position; no bias, no norm."""
        if isinstance(self.module, nn.Conv2d):
            return self.module.weight.numel() * prod(self.shape[1:])
        if isinstance(self.module, nn.Linear):
            return self.module.weight.numel() * prod(self.shape[:-1])
        return 0


def count_parameters(model: nn.Module) -> int:
    """The number of trainable and frozen parameters; batch norm's running averages are none.

    >>> count_parameters(nn.Linear(64, 10))
    650
    """
    return sum(p.numel() for p in model.parameters())


def count_macs(model: nn.Module, image_shape: tuple[int, int, int] = (3, 32, 32)) -> int:
    """Multiply-adds of the convolutions and linear layers for one image of shape (c, h, w).

    The ResNet paper calls these FLOPs; others count a multiply-add as two FLOPs. Counted by hooks
    while one black image passes in evaluation mode; the model is left as found.

    Raises:
        ValueError: by the model, for images that it cannot take.

    >>> count_macs(nn.Conv2d(3, 16, 3, padding=1), (3, 32, 32))  # 16 * 3 * 3 * 3 for each pixel
    442368
    """
    return sum(call.macs for call in _trace(model, image_shape))


def receptive_field(model: nn.Module) -> int:
    """The side, in pixels, of the square that one position of the last feature maps depends on.

    r = 1 + sum over layers of (k - 1) times the product of the strides before, on the path
    through all the branches: a shortcut only sees part of what its branch sees. Borders and
    global pooling are left aside. The modules must be registered in the order of their calls.

    >>> from resnet_tutorial.models import build
    >>> receptive_field(build("resnet20"))
    81
    """
    return _reach(model.modules(), on_shortcuts(model))[0]


def stage_table(model: ResNet, image_shape: tuple[int, int, int] = (3, 32, 32)) -> list[StageRow]:
    """A ``ResNet`` as rows: stem, layer1, layer2, ..., head, the receptive field cumulative.

    The head averages all positions, so its receptive field is that of their union. Parameters and
    multiply-adds sum to ``count_parameters`` and ``count_macs``.

    Raises:
        ValueError: by the model, for images that it cannot take.

    >>> from resnet_tutorial.models import build
    >>> for row in stage_table(build("resnet20"))[:2]:
    ...     print(row.name, row.output_shape, row.parameters, row.receptive_field)
    stem (16, 32, 32) 464 3
    layer1 (16, 32, 32) 14016 15
    """
    calls = _trace(model, image_shape)
    children = set(model.children())
    top = [call.module for call in calls if call.module in children]  # in the order of the calls
    first, last = top.index(model.stages[0]), top.index(model.stages[-1])
    groups = {"stem": top[:first]}
    groups |= {f"layer{i}": [stage] for i, stage in enumerate(model.stages, start=1)}
    groups["head"] = top[last + 1 :]
    rows, seen, aside = [], [], on_shortcuts(model)
    for name, members in groups.items():
        inside = {module for member in members for module in member.modules()}
        mine = [call for call in calls if call.module in inside]
        side = max(seen[-1].shape[1:]) if name == "head" else 1
        seen += mine
        field, jump = _reach((call.module for call in seen), aside)
        parameters = sum(count_parameters(member) for member in members)
        macs = sum(call.macs for call in mine)
        rows.append(StageRow(name, mine[-1].shape, parameters, macs, field + (side - 1) * jump))
    return rows


def bytes_for_backward(model: nn.Module, loss: Callable[[], Tensor]) -> int:
    """Bytes that computing `loss()` saves for the backward pass, beside the weights of `model`.

    Each map once, however many layers keep it. It is what training needs in memory and prediction
    does not. Chapter: practice/it_does_not_train.

    >>> net, x = nn.Linear(3, 4), torch.zeros(5, 3)  # keeps the input, and the loss's own square
    >>> bytes_for_backward(net, lambda: net(x).square().sum()) == 4 * (5 * 3 + 5 * 4)
    True
    """
    kept: dict[int, int] = {}  # by address

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # alive, so that no address comes twice

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        alive = loss()
    for tensor in (*model.parameters(), *model.buffers()):
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    del alive
    return sum(kept.values())


def _reach(modules: Iterable[nn.Module], aside: set[nn.Module]) -> tuple[int, int]:
    """Receptive field and total stride of the convolutions and poolings that are not `aside`."""
    field, jump = 1, 1
    for module in modules:
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) and module not in aside:
            kernel, stride, dilation = (
                value if isinstance(value, int) else value[0]
                for value in (module.kernel_size, module.stride, getattr(module, "dilation", 1))
            )
            field += (kernel - 1) * dilation * jump
            jump *= stride
    return field, jump


def _trace(model: nn.Module, image_shape: tuple[int, int, int]) -> list[_Call]:
    """Every call of a submodule in one evaluation pass of one image, in order of completion."""
    calls: list[_Call] = []
    modes = [(module, module.training) for module in model.modules()]
    weight = next(model.parameters(), torch.empty(0))
    image = torch.zeros(1, *image_shape, dtype=weight.dtype, device=weight.device)
    with ExitStack() as stack, torch.no_grad():
        for module in model.modules():
            stack.enter_context(module.register_forward_hook(partial(_record, calls)))
        stack.callback(lambda: [setattr(module, "training", mode) for module, mode in modes])
        model.eval()
        model(image)
    return calls


def _record(calls: list, module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
    calls.append(_Call(module, tuple(output.shape[1:])))
