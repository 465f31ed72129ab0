"""What a module does to one image, operation by operation.

The operations are recorded while an image passes, so a drawing shows what the code computes, not
what its names promise; functions like ``relu`` and ``+`` are seen as well as modules. Chapters:
practice/deploy, and every one with a drawing of a network.
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from resnet_tutorial import Mistake

KINDS = {
    "conv2d": "conv",
    "batch_norm": "norm",
    "relu": "relu",
    "relu_": "relu",
    "add": "add",
    "add_": "add",
    "__add__": "add",
    "__radd__": "add",
    "__iadd__": "add",
    "pad": "pad",
    "__getitem__": "pick",
    "dropout": "dropout",
    "max_pool2d": "max pool",
    "avg_pool2d": "average",
    "adaptive_avg_pool2d": "average",
    "mean": "average",
    "linear": "linear",
}
SILENT = {"flatten", "view", "reshape", "squeeze", "contiguous", "to", "float", "detach"}


@dataclass(frozen=True)
class Operation:
    """One operation on feature maps. ``inputs`` are numbers of earlier operations, -1 is the
    module's input; ``shape`` is the output's, without the batch axis.

    >>> trace(nn.ReLU(), (3, 8, 8))
    [Operation(kind='relu', owner='', inputs=(-1,), shape=(3, 8, 8), kernel=0, stride=1, extra=0)]
    """

    kind: str
    owner: str  # the submodule that called it
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    kernel: int = 0
    stride: int = 1
    extra: int = 0  # channels of zeros that a padding appends


@dataclass(frozen=True)
class Parts:
    """A block's operations in order; without an addition all are in ``branch``.

    >>> split(trace(nn.ReLU(), (3, 8, 8))).shortcut is None
    True
    """

    before: list[Operation]
    branch: list[Operation]
    shortcut: list[Operation] | None
    after: list[Operation]


class _Recorder(TorchFunctionMode):
    def __init__(self, x: Tensor):
        super().__init__()
        self.known, self.alive, self.operations, self.owners = {id(x): -1}, [x], [], [""]

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        sources = [a for a in args if isinstance(a, Tensor) and id(a) in self.known]
        if isinstance(result, Tensor) and sources:
            inputs = tuple(self.known[id(a)] for a in sources)
            name = function.__name__
            if name in SILENT:
                self.known[id(result)] = inputs[0]
            else:
                found = Operation(
                    KINDS.get(name, name), self.owners[-1], inputs, tuple(result.shape[1:])
                )
                before = tuple(sources[0].shape[1:])
                self.operations.append(_detailed(found, before, args, kwargs or {}))
                self.known[id(result)] = len(self.operations) - 1
            self.alive.append(result)  # an id must not be given away while it is looked up
        return result


def _detailed(operation: Operation, before: tuple, args: tuple, kwargs: dict) -> Operation:
    """With kernel and stride of what has one; a stride is read from the sides before and after."""
    sides = len(before) == len(operation.shape) == 3
    if operation.kind in ("pick", "max pool", "conv") and sides:
        operation = replace(operation, stride=-(-before[1] // operation.shape[1]))
    if operation.kind == "conv":
        weight = args[1] if len(args) > 1 else kwargs["weight"]
        stride = args[3] if len(args) > 3 else kwargs.get("stride", operation.stride)
        stride = stride if isinstance(stride, int) else stride[0]
        return replace(operation, kernel=weight.shape[-1], stride=stride)
    if operation.kind == "max pool":
        kernel = args[1] if len(args) > 1 else kwargs["kernel_size"]
        return replace(operation, kernel=kernel if isinstance(kernel, int) else kernel[0])
    if operation.kind == "pad" and sides:
        return replace(operation, extra=operation.shape[0] - before[0])
    return operation


def trace(module: nn.Module, shape: tuple[int, ...]) -> list[Operation]:
    """The operations on an image of ``shape`` (c, h, w) in evaluation mode, in their order; the
    module is left as found.

    Raises ValueError by the module, for images that it cannot take.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU())
    >>> [(o.kind, o.stride, o.shape) for o in trace(net, (3, 8, 8))]
    [('conv', 2, (8, 4, 4)), ('relu', 1, (8, 4, 4))]
    """
    weight = next(module.parameters(), torch.empty(0))
    x = torch.zeros(1, *shape, dtype=weight.dtype, device=weight.device)
    recorder = _Recorder(x)
    modes = [(m, m.training) for m in module.modules()]
    with ExitStack() as stack, torch.no_grad():
        stack.callback(lambda: [setattr(m, "training", mode) for m, mode in modes])
        for name, child in module.named_modules():
            stack.enter_context(child.register_forward_pre_hook(_entering(recorder, name)))
            stack.enter_context(
                child.register_forward_hook(lambda *_: recorder.owners.pop() and None)
            )
        module.eval()
        with recorder:
            module(x)
    return recorder.operations


def _entering(recorder: _Recorder, name: str):
    def hook(module, inputs):
        recorder.owners.append(name)

    return hook


def split(operations: list[Operation]) -> Parts:
    """The parts of one block: before the fork, branch, shortcut, after the addition.

    The branch is the side with more convolutions. Raises ValueError for two additions or more.

    >>> from resnet_tutorial.models import BasicBlock
    >>> parts = split(trace(BasicBlock(4, 8, stride=2), (4, 8, 8)))
    >>> [o.kind for o in parts.branch], [o.kind for o in parts.shortcut], len(parts.after)
    (['conv', 'norm', 'relu', 'conv', 'norm'], ['pick', 'pad'], 1)
    """
    adds = [i for i, o in enumerate(operations) if o.kind == "add"]
    if not adds:
        return Parts([], operations, None, [])
    if len(adds) > 1 or len(operations[adds[0]].inputs) != 2:
        raise Mistake(
            f"expected a block with at most one addition, got {len(adds)}: draw one block, or the "
            "whole net with drawings.stages"
        )
    sides = [_path(operations, i) for i in operations[adds[0]].inputs]
    fork = 0
    while all(fork < len(s) for s in sides) and sides[0][fork] == sides[1][fork]:
        fork += 1
    before = sides[0][:fork]
    sides = [[operations[i] for i in s[fork:]] for s in sides]
    shortcut, branch = sorted(sides, key=lambda s: (sum(o.kind == "conv" for o in s), len(s)))
    return Parts(
        [operations[i] for i in before], branch, shortcut, operations[adds[0] + 1 :]
    )  # what follows the addition cannot come before it


def _path(operations: list[Operation], last: int) -> list[int]:
    """From the input to ``last``; ValueError where two earlier results meet on the way."""
    found = []
    while last >= 0:
        found.append(last)
        sources = set(operations[last].inputs)
        if len(sources) > 1:
            raise Mistake(
                f"expected one addition as the only place where two results meet, got a "
                f"{operations[last].kind} of two: draw the parts of the block one by one"
            )
        last = sources.pop()
    return found[::-1]


def groups(module: nn.Module, operations: list[Operation]) -> list[tuple[str, list[Operation]]]:
    """The operations block by block: (name of the block, its operations), and ("", [operation])
    for what is in no block.

    A block is the smallest module with two convolutions that is not a plain container, or a
    container of convolutions.

    >>> from resnet_tutorial import models
    >>> net = models.build("resnet8")
    >>> [name for name, _ in groups(net, trace(net, (3, 32, 32))) if name]
    ['layer1.0', 'layer2.0', 'layer3.0']
    """
    names = _blocks(module, operations)
    found: list[tuple[str, list[int]]] = []
    for i, operation in enumerate(operations):
        inside = [n for n in names if f"{operation.owner}.".startswith(f"{n}.")]
        name = inside[0] if inside else ""
        if name and found and found[-1][0] == name:
            found[-1][1].append(i)
        else:
            found.append((name, [i]))
    return [(name, _renumbered(operations, numbers)) for name, numbers in found]


def _renumbered(operations: list[Operation], numbers: list[int]) -> list[Operation]:
    place = {n: i for i, n in enumerate(numbers)}
    return [
        replace(operations[n], inputs=tuple(place.get(i, -1) for i in operations[n].inputs))
        for n in numbers
    ]


def _blocks(module: nn.Module, operations: list[Operation]) -> list[str]:
    owners = [o.owner for o in operations if o.kind == "conv"]
    containers = nn.Sequential | nn.ModuleList

    def convolutions(name):
        return sum(f"{o}.".startswith(f"{name}.") for o in owners)

    several = [(n, m) for n, m in module.named_modules() if n and convolutions(n) > 1]
    own = [n for n, m in several if not isinstance(m, containers)]
    own = [n for n in own if not any(other.startswith(f"{n}.") for other in own)]
    bare = [
        n
        for n, m in several
        if isinstance(m, containers)
        and any(isinstance(child, nn.Conv2d) for child in m)
        and not any(f"{n}.".startswith(f"{o}.") for o in own)
    ]
    return own + bare
