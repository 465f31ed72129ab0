"""Whole nets side by side, a bar for every layer or block.

Chapter: problem/degradation.
"""

from collections.abc import Mapping

from torch import nn

from resnet_tutorial.drawings.blocks import draw_addition, label
from resnet_tutorial.drawings.plan import Block, Plan, is_identity, plan
from resnet_tutorial.drawings.svg import (
    FAINT,
    INK,
    MUTED,
    RESIDUAL,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    Number,
    color_of,
    row,
    shape_text,
)
from resnet_tutorial.trace import Operation

BAR, TALL, LEFT = 90, 16, 56  # a layer, and the room beside it for the size of the maps


def layers(nets: Mapping[str, nn.Module], shape: tuple[int, int, int]) -> Drawing:
    """Nets side by side, every layer a bar, after the paper's figure 3; at most three on a card.

    A bold frame marks where the maps shrink. A shortcut that changes the shape is dashed.
    Chapter: problem/degradation.

    >>> from resnet_tutorial.models import build
    >>> nets = {name: build(name, in_channels=1) for name in ("plain20", "resnet20")}
    >>> print(layers(nets, (1, 8, 8)).alt.replace(". ", ".\\n"))
    plain20: 20 layers on maps of 8×8, 4×4, 2×2, 0 shortcuts.
    resnet20: 20 layers on maps of 8×8, 4×4, 2×2, 9 shortcuts.
    """
    panels, said = [], []
    for title, net in nets.items():
        found = plan(net, shape)
        panels.append(_layer_panel(found, shape, title))
        sides = list(dict.fromkeys(shape_text(stage[-1].shape[1:]) for stage in found.stages))
        count = sum(b.shortcut is not None for stage in found.stages for b in stage)
        said.append(
            f"{title}: {found.depth} layers on maps of {', '.join(sides)}, {count} shortcuts."
        )
    return Drawing(row(panels, gap=4), " ".join(said))


def _layer_panel(found: Plan, shape, title: str) -> Canvas:
    canvas = Canvas(LEFT + BAR + 20)
    bars = _Bars(canvas, color_of(found.residual))
    canvas.text(bars.x, 8, title, color=bars.color, anchor="middle", weight="700")
    canvas.text(bars.x, 28, f"image {shape_text(shape)}", SMALL, MUTED, "middle")
    for operation in found.stem:
        if operation.kind in ("conv", "max pool"):
            bars.add(operation)
    canvas.line(bars.x, bars.y, bars.x, bars.y + 4, bars.color, 1.6)
    bars.y += 4
    for stage in found.stages:
        for block in stage:
            start = bars.y
            for operation in block.convolutions:
                bars.add(operation)
            bars.close(block, start)
    for operation in found.head:
        if operation.kind in ("average", "linear"):
            bars.add(operation)
    canvas.height = bars.y
    return canvas


class _Bars:
    """A pen that goes down a column of layers; the size of the maps stands where it changes."""

    def __init__(self, canvas: Canvas, color: str):
        self.canvas, self.color, self.x, self.y = canvas, color, LEFT + BAR / 2, 38.0
        self.maps: tuple[int, ...] = ()

    def add(self, operation: Operation) -> None:
        canvas, x, strided = self.canvas, self.x, operation.stride > 1
        canvas.arrow(x, self.y, x, self.y + 10, self.color, 1.6)
        self.y += 10
        weights = operation.kind in ("conv", "linear")
        canvas.rect(x - BAR / 2, self.y, BAR, TALL, WEIGHTS if weights else "#ffffff",
                    thick=2.4 if strided else 1.1)  # fmt: skip
        name = label(operation)[0].removeprefix("conv ").removeprefix("max ")
        text = f"{name}, /{operation.stride}" if strided else name
        canvas.text(x, self.y + TALL / 2, text, SMALL, anchor="middle")
        if operation.shape[1:] and operation.shape[1:] != self.maps:
            self.maps = operation.shape[1:]
            canvas.text(x - BAR / 2 - 6, self.y + TALL / 2, shape_text(self.maps), SMALL, INK,
                        "end", "700")  # fmt: skip
        self.y += TALL

    def close(self, block: Block, start: Number) -> None:
        """The end of a block: an addition, or the same length of line, so that equals stand
        level."""
        end = self.y + 10
        if block.shortcut is None:
            self.canvas.line(self.x, self.y, self.x, end + 7, self.color, 1.6)
        else:
            self.canvas.line(self.x, self.y, self.x, end - 4, self.color, 1.6)
            self.canvas.circle(self.x, start + 2, 2.4, RESIDUAL)
            self.canvas.shortcut(self.x, start + 2, end, self.x + BAR / 2 + 16, thick=1.8,
                                 dashes="4 3" if block.shortcut else None, stop=6)  # fmt: skip
            draw_addition(self.canvas, self.x, end, radius=6)
        self.y = end + 7


def inserted(nets: Mapping[str, nn.Module], shape: tuple[int, int, int]) -> Drawing:
    """Nets side by side, every block a bar; a run of blocks that are measured to be identities is
    one hollow bar, with their number.

    Chapter: problem/degradation.

    >>> import torch
    >>> from resnet_tutorial import models, surgery
    >>> shallow, deep = models.build("plain8").eval(), models.build("plain20")
    >>> deep = surgery.identity_extension(shallow, deep, torch.rand(4, 3, 8, 8))
    >>> print(inserted({"plain8": shallow, "extended": deep}, (3, 8, 8)).alt)
    plain8: 3 blocks, 0 of them identities. extended: 9 blocks, 6 of them identities.
    """
    plans = {title: plan(net, shape) for title, net in nets.items()}
    bars = {title: _bars_of(net, plans[title]) for title, net in nets.items()}
    panels, said = [], []
    for title, stages in bars.items():
        most = [max(len(other[i]) for other in bars.values() if i < len(other))
                for i in range(len(stages))]  # fmt: skip
        panels.append(_block_panel(plans[title], stages, title, most))
        blocks = [block for stage in plans[title].stages for block in stage]
        copies = sum(count for stage in stages for same, count, _ in stage if same)
        said.append(f"{title}: {len(blocks)} blocks, {copies} of them identities.")
    return Drawing(row(panels), " ".join(said))


def _bars_of(net: nn.Module, found: Plan) -> list[list[tuple[bool, int, Block]]]:
    """The bars of every stage: whether it stands for identities, for how many blocks, the first."""
    modules, stages = dict(net.named_modules()), []
    for stage in found.stages:
        bars: list[tuple[bool, int, Block]] = []
        for block in stage:
            same = is_identity(modules[block.name], block.entering)
            if same and bars and bars[-1][0]:
                bars[-1] = (True, bars[-1][1] + 1, bars[-1][2])
            else:
                bars.append((same, 1, block))
        stages.append(bars)
    return stages


def _block_panel(found: Plan, stages: list, title: str, most: list[int]) -> Canvas:
    """A stage is as tall as the longest of the stages beside it, so that equals stand level."""
    color, canvas, wide, step = color_of(found.residual), Canvas(152), 140, 34
    x, y = wide / 2, 20.0
    canvas.text(x, 8, title, color=color, anchor="middle", weight="700")
    for bars, slots in zip(stages, most, strict=True):
        for i in range(slots):
            canvas.line(x, y, x, y + 12, color, 1.8)
            if i >= len(bars):
                canvas.line(x, y + 12, x, y + step, color, 1.8)
            else:
                same, count, block = bars[i]
                canvas.head(x, y + 12, "down", color)
                canvas.rect(x - wide / 2, y + 12, wide, step - 12, "#ffffff" if same else WEIGHTS,
                            FAINT if same else INK, dashes="4 3" if same else None)  # fmt: skip
                text = f"{len(block.convolutions)} conv, {block.shape[0]}"
                if same:
                    text = "identity" if count == 1 else f"{count} identity blocks"
                canvas.text(x, y + 12 + (step - 12) / 2, text, SMALL, MUTED if same else INK,
                            "middle")  # fmt: skip
            y += step
        text = shape_text(bars[-1][2].shape)
        canvas.line(x, y, x, y + 18, color, 1.8)
        canvas.text(x + 9, y + 10, text, SMALL, MUTED)
        y += 18
    canvas.head(x, y, "down", color)
    canvas.height = y
    return canvas
