"""Which parts of a net are trained, and what that gives. Chapter: practice/fine_tuning."""

from collections.abc import Mapping, Sequence
from math import ceil, floor

import torch
from torch import nn

from resnet_tutorial.drawings.svg import (
    FAINT,
    INK,
    INNER,
    MUTED,
    RESIDUAL,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    Number,
    row,
    shape_text,
)
from resnet_tutorial.palette import OTHERS, PLAIN

WIDE, TALL = 78, 34  # a part of a net
ARM_COLORS = (PLAIN, RESIDUAL, *OTHERS)


def frozen(nets: Mapping[str, nn.Module], shape: tuple[int, int, int]) -> Drawing:
    """Nets side by side, a box for the stem, each stage and the head: filled where it is trained.

    A part is trained when a parameter of it asks for a gradient; what is frozen is dashed. Below
    stands the share of the parameters that is trained. Chapter: practice/fine_tuning.

    >>> from resnet_tutorial.models import build
    >>> net = build("resnet8")
    >>> net.conv1.requires_grad_(False), net.bn1.requires_grad_(False)  # doctest: +ELLIPSIS
    (Conv2d(...), BatchNorm2d(...))
    >>> frozen({"a net": net}, (3, 32, 32)).alt
    'a net: stem frozen; stage 1, stage 2, stage 3, head trained, 99 % of its parameters.'
    """
    panels, said = [], []
    for title, net in nets.items():
        canvas, parts = Canvas(WIDE + 4), _parts(net, shape)
        middle, y = canvas.width / 2, 26.0
        canvas.text(middle, 8, title, SMALL, anchor="middle", weight="700")
        for name, modules, size in parts:
            _part(canvas, y, name, size, trains(modules))
            y += TALL + 16
            if name != "head":
                canvas.arrow(middle, y - 15, middle, y - 1, INK, 1.6)
        share = _percent(net)
        canvas.text(middle, y, share, SMALL, MUTED, "middle")
        canvas.height = y + 8
        panels.append(canvas)
        groups = {word: [n for n, m, _ in parts if trains(m) is (word == "trained")]
                  for word in ("frozen", "trained")}  # fmt: skip
        both = "; ".join(f"{', '.join(names)} {word}" for word, names in groups.items() if names)
        said.append(f"{title}: {both}, {share} of its parameters.")
    return Drawing(row(panels, gap=2), " ".join(said))


def trains(modules: Sequence[nn.Module]) -> bool:
    """Whether a parameter of them asks for a gradient.

    >>> trains([nn.Linear(2, 2)]), trains([nn.Linear(2, 2).requires_grad_(False)])
    (True, False)
    """
    return any(p.requires_grad for module in modules for p in module.parameters())


def _parts(net, shape) -> list[tuple[str, list[nn.Module], str]]:
    """Name, modules and what leaves it, from the input to the output."""
    mode = net.training
    with torch.no_grad():
        maps = net.eval().maps(torch.zeros(1, *shape))
    net.train(mode)
    sizes = [shape_text(x.shape[1:]) for x in maps.values()]
    stages = [(f"stage {i}", [stage]) for i, stage in enumerate(net.stages, start=1)]
    named = [("stem", [net.conv1, net.bn1]), *stages, ("head", [net.fc])]
    return [(*pair, size) for pair, size in zip(named, [*sizes, f"{net.fc.out_features} classes"],
                                                strict=True)]  # fmt: skip


def _percent(net: nn.Module) -> str:
    counts = [(p.numel(), p.requires_grad) for p in net.parameters()]
    share = sum(n for n, trained in counts if trained) / sum(n for n, _ in counts)
    return f"{share:.0%}".replace("%", " %") if share >= 0.01 else f"{share:.1%}".replace("%", " %")


def _part(canvas: Canvas, y: Number, name: str, size: str, trained: bool) -> None:
    """A box with what it is and what leaves it."""
    x, color = canvas.width / 2, RESIDUAL if trained else MUTED
    canvas.rect(x - WIDE / 2, y, WIDE, TALL, WEIGHTS if trained else "#ffffff", color,
                thick=2.2 if trained else 1.2, dashes=None if trained else "4 3")  # fmt: skip
    canvas.text(x, y + 11, name, SMALL, color, "middle", "700" if trained else None)
    canvas.text(x, y + 25, size, SMALL, INK if trained else MUTED, "middle")


def errors(groups: Mapping[str, Mapping[str, Sequence[float]]], unit: str) -> Drawing:
    """A dot for each run, in a row for each way of training, in a panel for each group.

    Values are fractions, drawn in per cent; the stroke is the mean. One scale for all panels, and
    the order of rows is that of the first one. Chapter: practice/fine_tuning.

    >>> errors({"10 pictures": {"scratch": [0.9, 0.88], "probe": [0.7, 0.72]}}, "test error").alt
    'test error in %: 10 pictures, scratch 88 to 90, probe 70 to 72.'
    """
    every = [100 * v for arms in groups.values() for runs in arms.values() for v in runs]
    low, high = 10 * floor(min(every) / 10), 10 * ceil(max(every) / 10)
    names = list(next(iter(groups.values())))
    colors = dict(zip(names, ARM_COLORS, strict=False))
    left, canvas, said, top = 84, Canvas(INNER), [], 0.0

    def at(value: Number) -> Number:
        return left + 8 + (INNER - left - 24) * (value - low) / (high - low)

    for title, arms in groups.items():
        canvas.text(0, top + 8, title, SMALL, INK, weight="700")
        top += 24
        shown = []
        for name, runs in arms.items():
            points, color = [100 * v for v in runs], colors[name]
            canvas.text(left - 4, top + 6, name, SMALL, color, "end")
            canvas.line(at(low), top + 6, at(high), top + 6, FAINT, 1)
            mean = at(sum(points) / len(points))
            canvas.line(mean, top - 2, mean, top + 14, color, 2.6)
            for point in points:
                canvas.circle(at(point), top + 6, 3.6, color, "#ffffff")
            shown.append(f"{name} {min(points):.0f} to {max(points):.0f}")
            top += 20
        top += 8
        said.append(f"{title}, {', '.join(shown)}")
    for value in range(low, high + 1, 10):
        canvas.text(at(value), top + 4, str(value), SMALL, INK, "middle")
    canvas.text((left + INNER) / 2, top + 22, f"{unit} (%)", SMALL, MUTED, "middle")
    canvas.height = top + 30
    return Drawing(canvas, f"{unit} in %: {'; '.join(said)}.")
