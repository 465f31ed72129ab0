"""A training run drawn: its rate, its batches on several processes, its time, what a change does.

Chapters: training/recipe, training/your_hardware, training/where_the_time_goes.
"""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

import numpy as np

from resnet_tutorial.drawings.ideas import draw_image
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
    number,
    said_number,
)
from resnet_tutorial.palette import OTHERS, PLAIN

DECADES, HIGH = 3, 78  # that a panel of a rate shows, and its height
LEFT = 46  # for the numbers beside a panel
POINTS = 1000  # of a curve: more than a panel has pixels


def schedules(of: Mapping[str, Any], rate: float, steps: int) -> Drawing:
    """The learning rate of every step, a panel for each schedule, on a logarithmic axis.

    A schedule has ``factor(step, steps)``, as `train.Steps` and `train.Cosine`; ``rate`` is the
    peak. Below a thousandth of the peak the curve runs along the floor.
    Chapter: training/recipe.

    >>> from resnet_tutorial.train import Steps
    >>> schedules({"paper": Steps()}, rate=0.1, steps=300).alt
    'Learning rate over 300 steps: paper, from 0.1 to 0.001, jumps at 150, 225.'
    """
    canvas, said, top = Canvas(INNER), [], 0.0
    wide = INNER - LEFT
    for title, schedule in of.items():
        factors = np.array([schedule.factor(step, steps) for step in range(steps)])
        jumps = [i for i in range(1, steps) if abs(log10(factors[i] / factors[i - 1])) > 0.9]
        canvas.text(LEFT, top + 8, title, weight="700", color=RESIDUAL)
        floor = top + 24 + HIGH
        for decade in range(DECADES):
            y = top + 24 + HIGH * decade / DECADES
            canvas.line(LEFT, y, INNER, y, FAINT, 1)
            canvas.text(LEFT - 6, y, said_rate(rate / 10**decade), SMALL, MUTED, "end")
        canvas.line(LEFT, floor, INNER, floor, MUTED, 1)
        low = 10.0**-DECADES
        drawn = {*np.linspace(0, steps - 1, min(steps, POINTS)).astype(int), *jumps}
        drawn |= {jump - 1 for jump in jumps}
        heights = {i: log10(max(factors[i], low)) * HIGH / DECADES for i in sorted(drawn)}
        points = [(LEFT + wide * i / steps, top + 24 - h) for i, h in heights.items()]
        canvas.path("M" + "L".join(f"{number(a)} {number(b)}" for a, b in points), RESIDUAL, 2.2)
        for jump in jumps:
            canvas.text(LEFT + wide * jump / steps, floor + 12, f"{jump:,}", SMALL, INK, "middle")
        top = floor + 34
        ends = f"from {said_rate(rate * factors[0])} to {said_rate(rate * factors[-1])}"
        where = f", jumps at {', '.join(f'{j:,}' for j in jumps)}" if jumps else ", no jumps"
        said.append(f"{title}, {ends}{where}")
    canvas.text(LEFT, top - 2, "step 0", SMALL, MUTED)
    canvas.text(INNER, top - 2, f"{steps:,}", SMALL, MUTED, "end")
    canvas.height = top + 6
    return Drawing(canvas, f"Learning rate over {steps:,} steps: {'; '.join(said)}.")


def said_rate(rate: float) -> str:
    """A learning rate, one digit.

    >>> said_rate(0.1), said_rate(0.00012)
    ('0.1', '0.0001')
    """
    return np.format_float_positional(float(f"{rate:.1g}"), trim="-")


def intervals(
    found: Mapping[str, Any], unit: str, span: tuple[Number, Number] | None = None
) -> Drawing:
    """Differences with their intervals, one below the other; blue where 0 lies outside.

    Each has a ``difference`` between ``low`` and ``high``, fractions, as `compare.Comparison`, and
    is drawn in points of 100. What leaves ``span`` (in points) ends in an arrow's head.
    Chapter: training/recipe.

    >>> from resnet_tutorial import compare
    >>> same = compare.rates([0.02, 0.03], [0.02, 0.03], images=100)
    >>> intervals({"nothing": same}, "points of test error").alt[:59]
    'points of test error: nothing, 0 from −5.25 to 5.25, holds '
    """
    points = {k: [100 * v for v in (c.difference, c.low, c.high)] for k, c in found.items()}
    every = [0.0, *(v for p in points.values() for v in p)]
    low, high = span or (floor(min(every)), ceil(max(every)))
    wide, canvas, said = INNER - 20, Canvas(INNER), []

    def at(value):
        return 10 + wide * (min(max(value, low), high) - low) / (high - low)

    bottom = 40 * len(points)
    for i, (name, (middle, below, above)) in enumerate(points.items()):
        y, clear = 40 * i, below > 0 or above < 0
        color = RESIDUAL if clear else MUTED
        canvas.text(0, y + 9, name, SMALL, color, weight="700" if clear else None)
        canvas.line(at(0), y + 17, at(0), y + 38, MUTED, 1, "3 3")
        canvas.line(at(below), y + 26, at(above), y + 26, color, 2.4)
        if above > high:
            canvas.head(INNER, y + 26, "right", color)
        if below < low:
            canvas.head(0, y + 26, "left", color)
        if low <= middle <= high:
            canvas.circle(at(middle), y + 26, 4.2, color, "#ffffff")
        ends = f"{said_number(middle)} from {said_number(below)} to {said_number(above)}"
        said.append(f"{name}, {ends}, {'leaves out' if clear else 'holds'} 0")
    for value in sorted({low, 0.0, high}):
        if value == 0 or abs(at(value) - at(0)) > 30:
            canvas.text(at(value), bottom + 14, said_number(float(value)), SMALL, INK, "middle")
    canvas.text(INNER / 2, bottom + 32, unit, SMALL, MUTED, "middle")
    canvas.height = bottom + 38
    return Drawing(canvas, f"{unit}: {'; '.join(said)}.")


def bars(groups: Mapping[str, Mapping[str, float]], unit: str) -> Drawing:
    """What makes up a whole: a panel for each group, a bar for each part, its share beside it.

    ``unit`` says what the parts are shares of. A part called conv is filled, since its layers have
    the weights. Chapter: training/where_the_time_goes.

    >>> bars({"a step": {"conv": 0.75, "BN": 0.25}}, "time of a step").alt
    'Shares of time of a step: a step, conv 75 %, BN 25 %.'
    """
    canvas, said, top = Canvas(INNER), [], 0.0
    for title, parts in groups.items():
        whole, shown = sum(parts.values()), []
        canvas.text(0, top + 8, title, weight="700")
        for i, (name, value) in enumerate(parts.items()):
            y, share = top + 26 + 22 * i, value / whole
            color = RESIDUAL if name == "conv" else PLAIN
            canvas.text(94, y, name, SMALL, INK, "end")
            canvas.rect(100, y - 7, max(1.0, 190 * share), 14, color, None, 1)
            canvas.text(106 + 190 * share, y, f"{share:.0%}".replace("%", " %"), SMALL, INK)
            shown.append(f"{name} {share:.0%}".replace("%", " %"))
        top += 26 + 22 * len(parts) + 14
        said.append(f"{title}, {', '.join(shown)}")
    canvas.text(INNER / 2, top, f"share of the {unit}", SMALL, MUTED, "middle")
    canvas.height = top + 6
    return Drawing(canvas, f"Shares of {unit}: {'; '.join(said)}.")


def batch_shares(images: np.ndarray, parts: Sequence[slice]) -> Drawing:
    """A batch on several processes: which takes which images, whose gradients are then averaged.

    ``images`` `(n, c, h, w)` are the batch, at most 16; ``parts`` holds a slice of it for each
    process, at most four. Raises ValueError when an image is taken twice, or by none.
    Chapter: training/your_hardware.

    >>> from resnet_tutorial.train.distributed import World
    >>> batch = np.zeros((4, 1, 8, 8))
    >>> batch_shares(batch, [World(rank, 2).share for rank in range(2)]).alt
    'A batch of 4 images: process 0 takes 0, 2; process 1 takes 1, 3; their gradients are averaged.'
    """
    images = np.asarray(images, dtype=float)
    taken = [list(range(len(images)))[part] for part in parts]
    if sorted(i for part in taken for i in part) != list(range(len(images))):
        raise ValueError(f"expected every image in one part, got {taken}: mend the parts")
    canvas, side = Canvas(INNER), min(34.0, INNER / len(images) - 3)
    color_of = dict(enumerate((RESIDUAL, PLAIN, *OTHERS)))
    first = (INNER - (side + 3) * len(images)) / 2
    canvas.text(INNER / 2, 8, f"a batch of {len(images)} images", anchor="middle", weight="700")
    for i, image in enumerate(images):
        owner = next(k for k, part in enumerate(taken) if i in part)
        x = first + (side + 3) * i
        draw_image(canvas, image, x, 22, side)
        canvas.rect(x, 22, side, side, "none", color_of[owner], 0, 2.6)
    middle, wide = [INNER * (k + 0.5) / len(taken) for k in range(len(taken))], INNER / len(taken)
    top = 22 + side
    small = min(24.0, (wide - 14) / max(map(len, taken)) - 2)
    for k, (x, part) in enumerate(zip(middle, taken, strict=True)):
        color = color_of[k]
        canvas.arrow(x, top + 8, x, top + 30, color, 1.8)
        canvas.text(x, top + 42, f"process {k}", SMALL, color, "middle", "700")
        left = x - (small + 2) * len(part) / 2
        for j, i in enumerate(part):
            draw_image(canvas, images[i], left + (small + 2) * j, top + 54, small)
        y = top + 60 + small
        canvas.arrow(x, y, x, y + 18, color, 1.8)
        canvas.rect(x - 38, y + 20, 76, 30, WEIGHTS, color, 5, 2)
        canvas.text(x, y + 35, "the net", SMALL, INK, "middle")
        canvas.arrow(x, y + 52, x, y + 72, color, 1.8)
        canvas.text(x, y + 84, "gradient", SMALL, color, "middle")
        canvas.line(x, y + 94, x, y + 106, color, 1.8)
    y += 106
    canvas.line(middle[0], y, middle[-1], y, INK, 1.4)
    canvas.arrow(INNER / 2, y, INNER / 2, y + 20, INK, 1.8)
    canvas.text(INNER / 2, y + 32, "average, the same step in every process", SMALL, INK, "middle")
    canvas.height = y + 38
    said = "; ".join(f"process {k} takes {', '.join(map(str, p))}" for k, p in enumerate(taken))
    return Drawing(
        canvas, f"A batch of {len(images)} images: {said}; their gradients are averaged."
    )
