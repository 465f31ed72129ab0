"""Blocks and shortcuts, drawn from the modules themselves.

Chapters: scratch/residual_block, pytorch/residual_networks, pytorch/architectures.
"""

from collections.abc import Mapping

import torch
from torch import nn

from resnet_tutorial.drawings.svg import (
    FAINT,
    INK,
    INNER,
    MUTED,
    PAPER,
    RESIDUAL,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    Number,
    color_of,
    number,
    row,
    shape_text,
    width_of,
)
from resnet_tutorial.trace import Operation, split, trace

BOX = 98  # least width of an operation
LABELS = {"norm": "batch norm", "relu": "ReLU", "average": "average", "dropout": "dropout"}


def label(operation: Operation) -> list[str]:
    """The lines that stand in an operation's box.

    >>> label(Operation("conv", "", (-1,), (32, 8, 8), kernel=3, stride=2))
    ['conv 3×3, 32', 'stride 2']
    """
    stride = [f"stride {operation.stride}"] if operation.stride > 1 else []
    if operation.kind == "conv":
        return [f"conv {operation.kernel}×{operation.kernel}, {operation.shape[0]}", *stride]
    if operation.kind == "max pool":
        return [f"max pool {operation.kernel}×{operation.kernel}", *stride]
    if operation.kind == "pick":
        nth = {2: "2nd", 3: "3rd"}.get(operation.stride, f"{operation.stride}th")
        return ["take every", f"{nth} pixel"] if operation.stride > 1 else ["all pixels"]
    if operation.kind == "pad":
        return [f"append {operation.extra}", "zero channels"]
    if operation.kind == "linear":
        return [f"linear, {operation.shape[0]}"]
    return [LABELS.get(operation.kind, operation.kind)]


def height_of(operation: Operation) -> int:
    return 26 if len(label(operation)) == 1 else 42


def box_width(operations: list[Operation]) -> Number:
    """How wide the boxes of a column are, so that every text has room."""
    return max(BOX, *(width_of(line) + 16 for o in operations for line in label(o)))


def draw_operation(
    canvas: Canvas, x: Number, y: Number, operation: Operation, wide: Number
) -> None:
    """A box with its middle at x and its top at y: filled with weights, round for a norm, with
    the hinge for ReLU, dashed for what has nothing to learn."""
    height, left = height_of(operation), x - wide / 2
    weights = operation.kind in ("conv", "linear")
    dashes = "4 3" if operation.kind in ("pick", "pad", "dropout") else None
    radius = height / 2 if operation.kind == "norm" else 3
    canvas.rect(left, y, wide, height, WEIGHTS if weights else "#ffffff", INK, radius, 1.2, dashes)
    lines = label(operation)
    for i, line in enumerate(lines):
        strong = "700" if line.startswith("stride") else None
        middle = y + height / 2 + 16 * (i - (len(lines) - 1) / 2)
        canvas.text(x, middle, line, anchor="middle", weight=strong)
    if operation.kind == "relu":
        a, b = number(left + 10), number(y + height / 2 + 5)
        canvas.path(f"M{a} {b}h9l8 -10", MUTED, 1.8)


class _Column:
    """A pen that goes down a column of operations; its arrows have the block's colour."""

    def __init__(self, canvas: Canvas, wide: Number, color: str):
        self.canvas, self.wide, self.x, self.y, self.color = canvas, wide, wide / 2, 0.0, color

    def arrow(self, length: Number, text: str = "") -> None:
        self.canvas.arrow(self.x, self.y, self.x, self.y + length, self.color, 1.8)
        if text:
            self.canvas.text(self.x + 9, self.y + min(length / 2, 13) - 1, text, SMALL, MUTED)
        self.y += length

    def operation(self, operation: Operation) -> None:
        draw_operation(self.canvas, self.x, self.y, operation, self.wide)
        self.y += height_of(operation)

    def chain(self, operations: list[Operation], last: str = "") -> None:
        """Operations and the arrows after them; a convolution's arrow carries its shape."""
        for operation in operations:
            self.operation(operation)
            shaped = operation.kind in ("conv", "pad")
            self.arrow(26 if shaped else 16, shape_text(operation.shape) if shaped else "")


def block_panel(module: nn.Module, shape: tuple[int, int, int], title: str) -> Canvas:
    """One block under its title, from its input down to its output."""
    operations = trace(module, shape)
    parts = split(operations)
    residual = parts.shortcut is not None
    color = color_of(residual)
    shapes = [shape, *(o.shape for o in operations)]
    wide, carries = box_width(operations), bool(parts.shortcut)
    side = max(wide / 2, 9 + max(width_of(shape_text(s), SMALL) for s in shapes))
    out = wide / 2 + side + (10 + wide / 2 if carries else 14)
    width = wide / 2 + side if not residual else out + (wide / 2 if carries else 10)
    canvas = Canvas(max(width, wide / 2 + width_of(title) / 2))
    canvas.text(wide / 2, 8, title, color=color, anchor="middle", weight="700")
    pen = _Column(canvas, wide, color)
    pen.y = 22
    pen.arrow(26 if parts.before else 44, shape_text(shape))
    pen.chain(parts.before)
    fork = pen.y - (8 if parts.before else 16)
    pen.chain(parts.branch if residual else parts.branch[:-1])
    if residual:
        _join(canvas, pen, parts.shortcut, fork, out)
        if parts.after:
            pen.arrow(16)
            pen.chain(parts.after[:-1])
            pen.operation(parts.after[-1])
    else:
        pen.operation(parts.branch[-1])
    pen.arrow(30, shape_text(operations[-1].shape))
    canvas.height = pen.y
    return canvas


def _join(canvas: Canvas, pen: _Column, shortcut: list[Operation], fork: Number, out: Number):
    """The addition, and the shortcut that reaches it."""
    canvas.circle(pen.x, fork, 3.2, RESIDUAL)
    middle = pen.y + 13
    canvas.shortcut(pen.x, fork, middle, out, stop=14)
    draw_addition(canvas, pen.x, middle)
    canvas.text(pen.x - 18, middle - 16, "F(x)", SMALL, MUTED, "end", style="italic")
    total = sum(height_of(o) for o in shortcut) + 16 * (len(shortcut) - 1)
    y = (fork + middle - total) / 2
    for operation in shortcut:
        draw_operation(canvas, out, y, operation, pen.wide)
        y += height_of(operation) + 16
        if operation is not shortcut[-1]:
            canvas.head(out, y, "down", RESIDUAL)
    if not shortcut:
        half = (fork + middle) / 2
        canvas.rect(out - 7, half - 11, 14, 22, PAPER, None)
        canvas.text(out, half, "x", anchor="middle", style="italic")
    pen.y = middle + 13


def draw_addition(canvas: Canvas, x: Number, y: Number, radius: Number = 13) -> None:
    """The circle with a plus."""
    canvas.circle(x, y, radius, "#ffffff", RESIDUAL)
    arm = radius / 2
    canvas.line(x - arm, y, x + arm, y, RESIDUAL, 1 + radius / 13)
    canvas.line(x, y - arm, x, y + arm, RESIDUAL, 1 + radius / 13)


def blocks(modules: Mapping[str, nn.Module], shape: tuple[int, int, int]) -> Drawing:
    """Blocks side by side, each under its title, for an input of ``shape`` (c, h, w).

    Grey boxes have weights, rounded ones are batch norms, dashed ones have nothing to learn. A
    block without an addition is orange, one with it blue. Any module is drawn that computes with
    PyTorch's functions and adds at most once.

    Raises ValueError for a module with two additions, and by the module, for a wrong shape.
    Chapter: scratch/residual_block.

    >>> from resnet_tutorial.models import BasicBlock, PlainBlock
    >>> pair = {"plain": PlainBlock(16, 16), "residual": BasicBlock(16, 16)}
    >>> print(blocks(pair, (16, 8, 8)).alt)  # doctest: +ELLIPSIS
    plain: conv 3×3, 16; batch norm; ReLU; ... residual: ... The input is added to the result; ...
    """
    panels = [block_panel(module, shape, title) for title, module in modules.items()]
    alt = " ".join(f"{title}: {_said(module, shape)}" for title, module in modules.items())
    return Drawing(row(panels), alt)


def _said(module: nn.Module, shape: tuple[int, int, int]) -> str:
    parts = split(trace(module, shape))

    def named(operations):
        return "; ".join(" ".join(label(o)) for o in operations)

    if parts.shortcut is None:
        return f"{named(parts.branch)}."
    first = f"{named(parts.before)}; then the branch " if parts.before else ""
    carried = f" (on its way: {named(parts.shortcut)})" if parts.shortcut else ""
    origin = "The input" if not parts.before or not parts.shortcut else "The activated input"
    last = f"; {named(parts.after)} follows" if parts.after else ""
    return f"{first}{named(parts.branch)}. {origin} is added{carried} to the result{last}."


def reads(module: nn.Module, shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """What a shortcut's output depends on, found with gradients: (d, c) for channels and (h, w)
    for pixels, both boolean.

    >>> from resnet_tutorial.models import option_a
    >>> channels, pixels = reads(option_a(2, 3, stride=2), (2, 4, 4))
    >>> channels.int().tolist(), int(pixels.sum())
    ([[1, 0], [0, 1], [0, 0]], 4)
    """
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    x = torch.ones(1, *shape, requires_grad=True)
    y = module(x)[0]
    channels = [torch.autograd.grad(z.sum(), x, retain_graph=True, allow_unused=True)[0] if
                z.requires_grad else None for z in y]  # fmt: skip
    for m, mode in modes:
        m.training = mode
    slopes = torch.stack([torch.zeros(shape) if g is None else g[0] for g in channels])
    return slopes.abs().sum((2, 3)) > 0, slopes.abs().sum((0, 1)) > 0


def shortcuts(modules: Mapping[str, nn.Module], shape: tuple[int, int, int]) -> Drawing:
    """What shortcuts do to pixels and channels, found out with gradients on a small input.

    Left the pixels that are read, right a line from every channel that an output channel depends
    on; an output channel that depends on nothing is a zero. Take few channels and pixels:
    ``shape`` (2, 4, 4) is enough. Chapter: pytorch/architectures.

    >>> from resnet_tutorial.models import option_a, option_b, option_c
    >>> changed = {"A": option_a(2, 4, 2), "B": option_b(2, 4, 2), "C": option_c(2, 4, 2)}
    >>> "A: 4 of 16 pixels" in shortcuts(changed, shape=(2, 4, 4)).alt
    True
    """
    full, said, y = Canvas(INNER), [], 0.0
    for title, module in modules.items():
        panel, text = _shortcut_panel(module, shape, title)
        full.place(panel, 0, y)
        y += panel.height + 26
        said.append(f"{title}: {text}.")
    full.height = y - 26
    return Drawing(full, " ".join(said))


def _shortcut_panel(module, shape, title) -> tuple[Canvas, str]:
    channels, pixels = reads(module, shape)
    zeros = int((~channels.any(1)).sum())
    mixes = bool((channels.sum(1) > 1).any())
    where = "appended" if channels[0].any() else "around the others"
    kind = (
        "a 1×1 convolution mixes the channels"
        if mixes
        else f"{zeros} channels of zeros {where}"
        if zeros
        else "nothing changes"
    )
    read = f"{int(pixels.sum())} of {pixels.numel()} pixels"
    canvas = Canvas(INNER)
    canvas.text(0, 8, title, color=RESIDUAL, weight="700")
    canvas.text(0, 27, f"{read}; {kind}", SMALL, MUTED)
    top, cell, pitch = 44, 22, 26
    for (r, c), used in ((divmod(i, shape[2]), p) for i, p in enumerate(pixels.flatten())):
        canvas.rect(14 + cell * c, top + cell * r, cell, cell, RESIDUAL if used else PAPER, FAINT,
                    0, 1)  # fmt: skip
    left, right = 206, 292
    rows, inside = channels.shape
    high = max(cell * shape[1], pitch * rows)

    def at(i, count):
        return top + high / 2 + pitch * (i - (count - 1) / 2)

    for o, i in channels.nonzero().tolist():
        canvas.line(left + 9, at(i, inside), right - 9, at(o, rows), RESIDUAL, 1.8)
    for i in range(inside):
        canvas.circle(left, at(i, inside), 9, "#ffffff", INK)
    for o in range(rows):
        live = bool(channels[o].any())
        canvas.circle(right, at(o, rows), 9, "#ffffff", INK if live else MUTED)
        if not live:
            canvas.text(right, at(o, rows), "0", SMALL, MUTED, "middle")
    bottom = top + high + 14
    canvas.text(14 + cell * shape[2] / 2, bottom, "pixels read", SMALL, MUTED, "middle")
    canvas.text((left + right) / 2, bottom, f"{inside} to {rows} channels", SMALL, MUTED, "middle")
    canvas.height = bottom + 8
    return canvas, f"{read} are read; {kind}; {inside} channels become {rows}"
