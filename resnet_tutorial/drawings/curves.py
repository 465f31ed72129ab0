"""Arrays drawn as curves and bars: a function with its slope, a histogram, sizes through depth.

Chapters: theory/shattered_gradients, theory/signal_propagation, scratch/numpy_resnet.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from resnet_tutorial import Mistake
from resnet_tutorial.drawings.svg import (
    FAINT,
    INNER,
    MUTED,
    RESIDUAL,
    SMALL,
    Canvas,
    Drawing,
    color_of,
    number,
    said_number,
)
from resnet_tutorial.palette import PLAIN

HIGH = 84  # of a curve's panel


def slopes(
    x: Float[np.ndarray, " n"], ys: Mapping[str, Float[np.ndarray, " n"]], width: float = 1.4
) -> Drawing:
    """Functions of one number, each with its slope below it.

    The slope is the difference of neighbours in y over the one in x, drawn between them, with its
    least and its greatest value; a grey line is at 0. A name that begins with plain is orange, any
    other blue. Chapter: theory/shattered_gradients.

    >>> slopes(np.array([0.0, 1.0, 2.0]), {"plain": np.array([0.0, 1.0, 1.0])}).alt
    'Curves from 0 to 2: plain and its slope, which changes its sign 0 times.'
    """
    canvas, said, top = Canvas(INNER), [], 0.0
    for title, y in ys.items():
        color = PLAIN if title.startswith("plain") else RESIDUAL
        slope = np.diff(y) / np.diff(x)
        turns = int((np.diff(np.sign(slope[slope != 0])) != 0).sum())
        canvas.text(0, top + 8, f"{title}: y", color=color, weight="700")
        _curve(canvas, top + 20, (x - x[0]) / (x[-1] - x[0]), y, color, width)
        top += HIGH + 30
        least, most = (said_number(float(f"{end:.2g}")) for end in (slope.min(), slope.max()))
        canvas.text(0, top + 8, f"its slope y′, from {least} to {most}", SMALL, MUTED)
        middles = (x[1:] + x[:-1]) / 2
        _curve(canvas, top + 20, (middles - x[0]) / (x[-1] - x[0]), slope, color, width)
        top += HIGH + 40
        said.append(f"{title} and its slope, which changes its sign {turns} times")
    canvas.text(0, top - 8, said_number(x[0]), SMALL, MUTED)
    canvas.text(INNER, top - 8, said_number(x[-1]), SMALL, MUTED, "end")
    canvas.text(INNER / 2, top - 8, "the input x; grey lines: 0", SMALL, MUTED, "middle")
    canvas.height = top
    span = f"{said_number(x[0])} to {said_number(x[-1])}"
    return Drawing(canvas, f"Curves from {span}: {'; '.join(said)}.")


def _curve(canvas: Canvas, top, places, values, color, width) -> None:
    """A curve in a panel; a faint line at zero, where zero is in it."""
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    scale = HIGH / (high - low or 1)
    canvas.line(0, top + scale * high, INNER, top + scale * high, FAINT, 1)
    points = zip(INNER * places, top + scale * (high - values), strict=True)
    canvas.path("M" + "L".join(f"{number(a)} {number(b)}" for a, b in points), color, width)


def kink(slope: float, jump: float, place: float, step: float) -> Drawing:
    """A line with one bend at ``place``, and the secant between both ends of a central difference.

    Left of the bend the line has ``slope``, right of it ``slope + jump``; 0 < place < step.
    Chapter: scratch/numpy_resnet.

    >>> kink(1.0, 2.0, 0.3, 1.0).alt
    'A line of slope 1 up to 0.3 and 3 beyond. From −1 to 1 the secant has slope 1.7.'
    """
    if not 0 < place < step:
        raise Mistake(f"expected a bend between 0 and the step {step}, got {place}")
    canvas, high, low = Canvas(INNER), 150, 14

    def f(t):
        return slope * t + jump * max(t - place, 0)

    top, bottom = max(f(step), f(-step), 0), min(f(step), f(-step), 0)

    def at(t, y):
        return 30 + (INNER - 90) * (t + step) / (2 * step), low + high * (top - y) / (top - bottom)

    axis = low + high + 12
    canvas.line(10, axis, INNER - 40, axis, FAINT, 1)
    for t, name in ((-step, "−h"), (0, "0"), (place, "t₀"), (step, "h")):
        x, y = at(t, f(t))
        canvas.line(x, y, x, axis, FAINT, 1, "3 3")
        canvas.text(x, axis + 12, name, SMALL, anchor="middle", style="italic")
    corner, end, gone = at(place, f(place)), at(step, f(step)), at(step, slope * step)
    canvas.line(*at(-step, f(-step)), *end, PLAIN, 1.8, "6 4")
    canvas.line(*at(-step, f(-step)), *corner, RESIDUAL, 2.4)
    canvas.line(*corner, *end, RESIDUAL, 2.4)
    canvas.line(*corner, *gone, MUTED, 1.2, "2 3")
    canvas.text(end[0] + 6, gone[1], f"slope {said_number(slope)}", SMALL, MUTED)
    beyond = f"{said_number(slope)} + Δ = {said_number(slope + jump)}"
    canvas.text(end[0] + 6, end[1], beyond, SMALL, RESIDUAL)
    secant = (f(step) - f(-step)) / (2 * step)
    x, y = at(-0.55 * step, f(-step) + 0.45 * step * secant)
    canvas.text(x, y - 16, f"secant: {secant:.2g}", SMALL, PLAIN, "end")
    canvas.height = axis + 20
    ends = f"From {said_number(-step)} to {said_number(step)}"
    return Drawing(canvas, f"A line of slope {said_number(slope)} up to {said_number(place)} and "
                           f"{said_number(slope + jump)} beyond. {ends} the secant has slope "
                           f"{secant:.2g}.")  # fmt: skip


def histogram(
    values: Float[np.ndarray, " n"], unit: str, bins: int = 24, counted: str = "values"
) -> Drawing:
    """How often a positive quantity takes which size, on a logarithmic axis, with mean and median.

    ``unit`` names the axis, ``counted`` what a bar counts. Raises ValueError for values that
    are not positive. Chapter: theory/signal_propagation.

    >>> histogram(np.array([1.0, 1.0, 10.0]), "energy").alt
    'Histogram of energy, 3 values from 1 to 10, logarithmic: the median is 1, the mean 4.'
    """
    if not values.min() > 0:
        raise ValueError(
            f"expected positive values, got {values.min():g}: a logarithmic axis has no zero"
        )
    logs = np.log10(values)
    counts, edges = np.histogram(logs, bins)
    canvas, wide, floor = Canvas(INNER), INNER / bins, 180
    scale = 130 / counts.max()
    for i, count in enumerate(counts):
        canvas.rect(wide * i + 0.5, floor - scale * count, wide - 1, scale * count, "#b9d4e6", None,
                    0)  # fmt: skip
    canvas.line(0, floor, INNER, floor, MUTED, 1)
    marks = [(values.mean(), "mean", PLAIN), (np.median(values), "median", RESIDUAL)]
    for i, (value, name, color) in enumerate(sorted(marks, reverse=True)):
        x = INNER * (np.log10(value) - edges[0]) / (edges[-1] - edges[0])
        canvas.line(x, 4 + 22 * i, x, floor, color, 2)
        # The larger on the right and above, so that no line runs through a label.
        right = x < (110, INNER - 110)[i == 0]
        canvas.text(x + 6 if right else x - 6, 10 + 22 * i, f"{name} {said_two(value)}", SMALL,
                    color, "start" if right else "end", "700")  # fmt: skip
    canvas.text(0, floor + 14, said_two(values.min()), SMALL)
    canvas.text(INNER, floor + 14, said_two(values.max()), SMALL, anchor="end")
    canvas.text(INNER / 2, floor + 14, f"{unit}, logarithmic", SMALL, MUTED, "middle")
    most = f"height of a bar: number of {counted}, at most {counts.max()}"
    canvas.text(INNER / 2, floor + 34, most, SMALL, MUTED, "middle")
    canvas.height = floor + 40
    return Drawing(
        canvas,
        f"Histogram of {unit}, {len(values)} values from {values.min():.3g} to "
        f"{values.max():.3g}, logarithmic: the median is {np.median(values):.3g}, the mean "
        f"{values.mean():.3g}.",
    )


def sizes(values: Mapping[str, Sequence[float] | Float[np.ndarray, " n"]]) -> Drawing:
    """A size through the depth of nets: a row a net, a bar for the input and for every layer.

    Each row has a scale of its own, and its first and last size in numbers. Names that begin with
    plain are orange, others blue. Chapter: theory/signal_propagation.

    >>> sizes({"plain": [1.0, 0.5, 0.25], "residual": [1.0, 1.4, 2.0]}).alt
    'Sizes from layer to layer: plain, 1 to 0.25 in 2; residual, 1 to 2 in 2.'
    """
    canvas, said, high = Canvas(INNER), [], 46
    for i, (name, row) in enumerate(values.items()):
        color, floor = color_of(not name.startswith("plain")), 88 * i + 24 + high
        canvas.text(0, floor - high - 14, name, color=color, weight="700")
        left, step = 44, (INNER - 92) / len(row)
        for j, value in enumerate(row):
            tall = max(0.5, high * value / max(row))
            canvas.rect(left + step * j + 1, floor - tall, step - 2, tall, color, None, 0)
        canvas.line(left, floor, INNER - 48, floor, MUTED, 1)
        first, last = said_two(row[0]), said_two(row[-1])
        canvas.text(left - 6, floor - 6, first, SMALL, anchor="end")
        canvas.text(INNER - 42, floor - 6, last, SMALL)
        said.append(f"{name}, {first} to {last} in {len(row) - 1}")
    canvas.text(44, 88 * len(values) - 2, "each row has its own scale", SMALL, MUTED)
    canvas.height = 88 * len(values) + 6
    return Drawing(canvas, f"Sizes from layer to layer: {'; '.join(said)}.")


def said_two(value: float) -> str:
    """Two digits, without an exponent where few zeros do.

    >>> said_two(0.00012345), said_two(1.0), said_two(41.23), said_two(1.2e-7)
    ('0.00012', '1', '41', '1e-07')
    """
    value = float(f"{value:.2g}")
    return f"{value:g}" if value >= 1e-4 else f"{value:.0e}"
