"""A whole net stage by stage. Chapter: pytorch/residual_networks."""

from math import log2

from torch import nn

from resnet_tutorial.drawings.blocks import draw_addition, label
from resnet_tutorial.drawings.plan import Block, Plan, plan
from resnet_tutorial.drawings.svg import (
    INNER,
    MUTED,
    RESIDUAL,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    Number,
    color_of,
    shape_text,
    width_of,
)
from resnet_tutorial.trace import Operation


def stages(net: nn.Module, shape: tuple[int, int, int]) -> Drawing:
    """A net with one row a stage: how many blocks of what, and the maps that leave it.

    Left the maps as a stack: its height grows with their side, its depth with the number of
    channels, both by doublings. Chapter: pytorch/residual_networks.

    >>> from resnet_tutorial.models import build
    >>> print(stages(build("resnet8"), (3, 32, 32)).alt.replace("; ", "\\n"))
    A residual net of 8 layers. Image 3×32×32
    conv 3×3, 16
    1 block of 3×3, 16 and 3×3, 16 to 16×32×32
    1 block of 3×3, 32 and 3×3, 32 to 32×16×16
    1 block of 3×3, 64 and 3×3, 64 to 64×8×8
    average
    linear, 10.
    """
    found = plan(net, shape)
    color = color_of(found.residual)
    canvas = Canvas(INNER)
    kind = "residual" if found.residual else "plain"
    canvas.text(INNER / 2, 8, f"{kind} net of {found.depth} layers", color=color, anchor="middle",
                weight="700")  # fmt: skip
    rows = [(shape, [["image"]], None)]
    stem = [o for o in found.stem if o.kind in ("conv", "max pool")]
    if stem:
        rows.append((stem[-1].shape, [[", ".join(label(o))] for o in stem], None))
    rows += [(stage[-1].shape, _stage_lines(stage), stage) for stage in found.stages]
    y = 30.0
    for i, (maps, lines, stage) in enumerate(rows):
        y = _stage_row(canvas, y, maps, lines, stage, color, last=i == len(rows) - 1)
    for operation in (o for o in found.head if o.kind in ("average", "linear")):
        y = _head_row(canvas, y, operation, color)
    canvas.height = y
    return Drawing(canvas, _stages_said(found, shape, kind, stem))


def _stages_said(found: Plan, shape, kind: str, stem: list[Operation]) -> str:
    said = [f"A {kind} net of {found.depth} layers. Image {shape_text(shape)}"]
    said += [", ".join(label(o)) for o in stem]
    for stage in found.stages:
        layers = " and ".join(f"{k}×{k}, {c}" for k, c in stage[-1].signature)
        blocks = "1 block" if len(stage) == 1 else f"{len(stage)} blocks"
        said.append(f"{blocks} of {layers} to {shape_text(stage[-1].shape)}")
    said += [label(o)[0] for o in found.head if o.kind in ("average", "linear")]
    return "; ".join(said) + "."


def _stage_lines(stage: list[Block]) -> list[list[str]]:
    return [[f"{k}×{k}, {c}"] for k, c in stage[-1].signature]


def _stage_row(canvas, y, maps, lines, stage, color, last) -> Number:
    """One row: the stack of maps, what makes them, and an arrow down."""
    side, depth = 12 * log2(2 * maps[1]) - 4, 3 * log2(2 * maps[0])
    high = max(side + depth, 20 * len(lines) + (22 if stage else 8))
    middle, left = y + high / 2, 78
    x0, y0 = left - (side + depth) / 2, middle - (side - depth) / 2
    for step in (depth, depth / 2, 0):  # from the back to the front
        canvas.rect(x0 + step, y0 - step, side, side, "#ffffff", color, 1, 1.4)
    if side > 40:
        canvas.text(x0 + side / 2, y0 + side / 2, f"{maps[1]}×{maps[2]}", SMALL, MUTED, "middle")
    else:
        canvas.text(x0 - 6, y0 + side / 2, f"{maps[1]}×{maps[2]}", SMALL, MUTED, "end")
    text = 168
    if stage is None:
        top = middle - 9 * len(lines)
        for i, [line] in enumerate(lines):
            canvas.text(text, top + 18 * i, line)
    else:
        _repeated(canvas, text, middle, stage, lines, color)
        top = middle - 10 * len(lines) - 12
    canvas.text(text, middle + (9 * len(lines) if stage is None else 10 * len(lines) + 13),
                f"to {shape_text(maps)}" if lines != [["image"]] else shape_text(maps), SMALL,
                MUTED)  # fmt: skip
    bottom = max(y + high, middle + 10 * len(lines) + 22)
    canvas.arrow(left, bottom + 4, left, bottom + 24, color, 1.8)
    return bottom + 30


def _repeated(canvas, x, middle, stage, lines, color) -> None:
    """The layers of a block, one below the other, in its frame, and how often it stands there."""
    wide = max(width_of(line) for [line] in lines) + 20
    high = 22 * len(lines)
    top = middle - high / 2 - 4
    count = f"{len(stage)} ×"
    canvas.text(x, top + high / 2, count, 15, color, weight="700")
    left = x + width_of(count, 15) + 12
    for i, [line] in enumerate(lines):
        canvas.rect(left, top + 22 * i + 1, wide, 20, WEIGHTS)
        canvas.text(left + wide / 2, top + 22 * i + 11, line, SMALL, anchor="middle")
    if stage[-1].shortcut is not None:
        add, below = left + wide - 7, top + high + 7
        canvas.shortcut(add, top - 1, below, left + wide + 17, RESIDUAL, 2, stop=6)
        draw_addition(canvas, add, below, 6)
    if stage[0].stride > 1:
        canvas.text(x, top - 13, f"first: stride {stage[0].stride}", SMALL, weight="700")


def _head_row(canvas, y, operation, color) -> Number:
    text = "average over each map" if operation.kind == "average" else label(operation)[0]
    values = operation.shape[0]
    wide = 12 * log2(2 * values) + 4
    canvas.rect(78 - wide / 2, y + 2, wide, 12, "#ffffff", color, 1, 1.4)
    canvas.text(168, y + 8, text)
    canvas.text(168, y + 26, f"to {values} numbers", SMALL, MUTED)
    if operation.kind == "average":
        canvas.arrow(78, y + 20, 78, y + 38, color, 1.8)
        return y + 44
    return y + 34
