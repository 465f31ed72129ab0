"""Angles between two inputs: which units are on for both, and the next layer's cosine.

Chapter: theory/shattered_gradients.
"""

from collections.abc import Mapping
from math import cos, degrees, pi, sin

import numpy as np
from jaxtyping import Float

from resnet_tutorial.drawings.svg import (
    FAINT,
    INK,
    INNER,
    MUTED,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    number,
    said_number,
)
from resnet_tutorial.palette import OTHERS

RADIUS = 84


def half_circles(angle: float) -> Drawing:
    """Two inputs at an angle (radians), and for each the half circle of the weights whose unit is
    on for it; the sector that both half circles share is filled.

    A unit is on when its weights' direction lies within a right angle of the input's.
    Raises ValueError unless the angle is between 0 and pi. Chapter: theory/shattered_gradients.

    >>> half_circles(pi / 3).alt[-69:]
    'the sector of 120 degrees: of the units on for x, 67 % are on for x′.'
    """
    if not 0 <= angle <= pi:
        raise ValueError(f"expected an angle between 0 and pi, got {angle:g}: it is in radians")
    canvas, x, y = Canvas(INNER), INNER / 2, 132
    share = 1 - angle / pi

    def at(turn, length):
        return x + length * cos(turn), y - length * sin(turn)

    def arc(start, end, length):
        points = (at(start + (end - start) * t / 48, length) for t in range(49))
        return "L".join(f"{number(a)} {number(b)}" for a, b in points)

    low, high = angle / 2, pi - angle / 2
    canvas.fill(f"M{number(x)} {number(y)}L{arc(low, high, RADIUS)}Z", WEIGHTS)
    canvas.circle(x, y, RADIUS, "none", FAINT)
    for i, (name, side) in enumerate((("x", 1), ("x′", -1))):
        color, middle = OTHERS[i], pi / 2 + side * angle / 2
        canvas.path(f"M{arc(middle - pi / 2, middle + pi / 2, RADIUS + 6 + 8 * i)}", color, 4)
        canvas.line(x, y, *at(middle, RADIUS - 12), color, 2.4)
        canvas.circle(*at(middle, RADIUS - 12), 3.4, color)
        tip = at(middle, RADIUS + 28)
        canvas.text(*tip, name, color=color, anchor="middle", weight="700", style="italic")
    canvas.circle(x, y, 3, INK)
    bottom = y + RADIUS + 34
    said = f"angle {degrees(angle):.0f}°: of the units on for x,"
    canvas.text(x, bottom, said, anchor="middle")
    canvas.text(x, bottom + 20, f"{share:.0%} are on for x′", anchor="middle", weight="700")
    canvas.height = bottom + 30
    alt = (
        f"A circle of directions and two inputs at an angle of {degrees(angle):.0f} degrees. Each "
        f"has a half circle of weights that are on for it; they share the sector of "
        f"{180 - degrees(angle):.0f} degrees: of the units on for x, {100 * share:.0f} % are on "
        f"for x′."
    )
    return Drawing(canvas, alt)


def cosine_maps(
    cosines: Float[np.ndarray, " n"], maps: Mapping[str, Float[np.ndarray, " n"]]
) -> Drawing:
    """The next layer's cosine against this layer's, a curve for each name; the dashed diagonal
    is a cosine that stays. At most five curves. Chapter: theory/shattered_gradients.

    >>> cosine_maps(np.array([-1.0, 1.0]), {"flat": np.array([0.5, 1.0])}).alt
    'Next cosine against cosine: flat, from 0.5 at −1 to 1 at 1.'
    """
    canvas, side, left = Canvas(INNER), 232, 60
    top = 14 + 20 * len(maps)
    low = min(-1.0, *(float(values.min()) for values in maps.values()))

    def at(a, b):
        return left + side * (a + 1) / 2, top + side * (1 - b) / (1 - low)

    canvas.rect(left, top, side, side, "none", FAINT, 0, 1)
    for zero in (((0, low), (0, 1)), ((-1, 0), (1, 0))):
        canvas.line(*at(*zero[0]), *at(*zero[1]), FAINT, 1)
    canvas.line(*at(max(low, -1), max(low, -1)), *at(1, 1), MUTED, 1.2, "4 4")
    said = []
    for i, (name, values) in enumerate(maps.items()):
        points = (at(a, b) for a, b in zip(cosines, values, strict=True))
        path = "L".join(f"{number(a)} {number(b)}" for a, b in points)
        canvas.path(f"M{path}", OTHERS[i], 2.6)
        canvas.line(left, 8 + 20 * i, left + 22, 8 + 20 * i, OTHERS[i], 2.6)
        canvas.text(left + 30, 8 + 20 * i, name, color=OTHERS[i], weight="700")
        ends = [said_number(v) for v in (values[0], cosines[0], values[-1], cosines[-1])]
        said.append(f"{name}, from {ends[0]} at {ends[1]} to {ends[2]} at {ends[3]}")
    for value in (-1, 0, 1):
        label = str(value).replace("-", "−")
        canvas.text(at(value, low)[0], top + side + 12, label, SMALL, MUTED, "middle")
        canvas.text(left - 8, at(0, value)[1], label, SMALL, MUTED, "end")
    canvas.text(left + side / 2, top + side + 32, "cosine of two inputs", SMALL, MUTED, "middle")
    canvas.text(left - 20, top + side / 4, "next", SMALL, MUTED, "end")
    canvas.height = top + side + 40
    return Drawing(canvas, f"Next cosine against cosine: {'; '.join(said)}.")
