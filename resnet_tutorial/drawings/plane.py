"""Drawings in a plane: a step that turns a weight, the balance of step and decay, eigenvalues, the
arms of an experiment.

Chapters: problem/residual_learning, training/weight_without_size, training/depth_sweep,
training/your_hardware, theory/gradient_flow, theory/explosion.
"""

from collections.abc import Mapping, Sequence
from math import acos, atan2, cos, degrees, pi, sin, sqrt

import numpy as np
from jaxtyping import Float

from resnet_tutorial.drawings.svg import (
    FAINT,
    INK,
    INNER,
    MUTED,
    RESIDUAL,
    SMALL,
    Canvas,
    Drawing,
    number,
    said_number,
)
from resnet_tutorial.palette import OTHERS, PLAIN


def _tip(canvas: Canvas, x1, y1, x2, y2, color: str, thick=2.2) -> None:
    """An arrow in any direction."""
    length = sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2)
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    canvas.line(x1, y1, x2 - 5 * dx, y2 - 5 * dy, color, thick)
    a, b = x2 - 9 * dx, y2 - 9 * dy
    corners = ((x2, y2), (a - 4.5 * dy, b + 4.5 * dx), (a + 4.5 * dy, b - 4.5 * dx))
    canvas.fill("M" + "L".join(f"{number(u)} {number(v)}" for u, v in corners) + "Z", color)


def turns(
    steps: Mapping[str, tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]], rate: float
) -> Drawing:
    """How far one step of gradient descent turns each weight, and how much longer it makes it.

    ``steps`` holds a weight and its gradient under each name; all are drawn to one scale, the
    weight level, the step's part across it upright. Chapter: training/weight_without_size.

    >>> turns({"w": (np.array([3.0, 4.0]), np.array([-8.0, 6.0]))}, rate=0.1).alt
    'w: length 5, a step of 1; it turns by 11.3 degrees and has length 5.1.'
    """
    sides = {}
    for name, (weight, gradient) in steps.items():
        weight, step = np.asarray(weight, float), -rate * np.asarray(gradient, float)
        long = sqrt(weight @ weight)
        along = step @ weight / long
        sides[name] = long, along, sqrt(max(step @ step - along**2, 0.0))
    scale = (INNER - 30) / max(long + max(along, 0) for long, along, _ in sides.values())
    canvas, said, y = Canvas(INNER), [], 0.0
    for name, (long, along, across) in sides.items():
        angle, new = degrees(atan2(across, long + along)), sqrt((long + along) ** 2 + across**2)
        step = sqrt(along**2 + across**2)
        canvas.text(0, y + 8, name, style="italic", weight="700")
        canvas.text(INNER, y + 8, f"length {said_number(long)}, a step of {said_number(step)}",
                    SMALL, MUTED, "end")  # fmt: skip
        base = y + 30 + scale * across
        end = scale * (long + along), base - scale * across
        canvas.line(0, base, scale * long, base, MUTED, 2.2)
        _tip(canvas, scale * long, base, *end, RESIDUAL, 3)
        _tip(canvas, 0, base, *end, INK)
        canvas.text(0, base + 16, f"a turn by {angle:.1f}°, new length {said_number(new)}", SMALL)
        y = base + 46
        said.append(f"{name}: length {said_number(long)}, a step of {said_number(step)}; it turns "
                    f"by {angle:.1f} degrees and has length {said_number(new)}")  # fmt: skip
    canvas.height = y - 22
    return Drawing(canvas, f"{'. '.join(said)}.")


def decay_triangle(rate: float, decay: float) -> Drawing:
    """The balance of a weight that has no size of its own: decay shortens it, the step, which is at
    a right angle to it, turns and lengthens it, and the norm stays.

    ``rate`` is the learning rate and ``decay`` the weight decay, of plain gradient descent; the
    weight turns by arccos(1 - rate * decay) at every step. Their product should be 0.05 or more to
    be seen. Raises ValueError unless it lies between 0 and 1.
    Chapter: training/weight_without_size.

    >>> decay_triangle(rate=0.5, decay=0.2).alt[-39:]
    'urns by 25.8 degrees and stays as long.'
    """
    shrink = rate * decay
    if not 0 < shrink < 1:
        raise ValueError(
            f"expected rate * decay between 0 and 1, got {shrink:g}: take 0.1 and 1, for example"
        )
    angle, r = acos(1 - shrink), 250
    canvas, x, y = Canvas(INNER, 284), 62, 272
    start = -8 * pi / 180  # of w, against the vertical

    def at(length, turn):
        return x + length * sin(start + turn), y - length * cos(start + turn)

    arc = [at(r, angle * t / 20) for t in range(-3, 27)]
    canvas.path("M" + "L".join(f"{number(a)} {number(b)}" for a, b in arc), FAINT, 1.4, "4 4")
    w, short, new = at(r, 0), at(r * (1 - shrink), 0), at(r, angle)
    _tip(canvas, x, y, *w, MUTED)
    _tip(canvas, x, y, *new, INK)
    _tip(canvas, *w, *short, PLAIN, 3)
    _tip(canvas, *short, *new, RESIDUAL, 3)
    canvas.circle(x, y, 3, INK)
    canvas.text(w[0] - 12, w[1] - 4, "w", anchor="end", style="italic")
    canvas.text(new[0] + 10, new[1] + 2, "next w", style="italic")
    canvas.text(166, 200, f"decay: shorter by {shrink:.0%}", color=PLAIN, size=SMALL)
    canvas.text(166, 220, "step: at a right angle", color=RESIDUAL, size=SMALL)
    canvas.text(166, 240, f"together: a turn by {degrees(angle):.1f}°", SMALL)
    canvas.text(166, 260, "w and next w: as long", SMALL)
    alt = (
        f"A triangle: decay shortens the weight by {shrink:.0%}, a step at a right angle brings it "
        f"back to its length; the weight turns by {degrees(angle):.1f} degrees and stays as long."
    )
    return Drawing(canvas, alt)


def discs(eigenvalues: Mapping[str, np.ndarray]) -> Drawing:
    """Eigenvalues in the complex plane, a panel for each name, beside the circle around 0 and the
    one around 1, both of radius 1.

    A name that begins with plain is orange, any other blue. Chapter: theory/gradient_flow.

    >>> values = {"plain": np.array([0.5, 0.2j]), "residual": np.array([1.5, 1 + 0.2j])}
    >>> discs(values).alt
    'Eigenvalues: plain, 2, moduli 0.2 to 0.5; residual, 2, moduli 1.02 to 1.5.'
    """
    every = np.concatenate([np.asarray(v).ravel() for v in eigenvalues.values()])
    left, right = min(-1.0, every.real.min()), max(2.0, every.real.max())
    tall = max(1.0, np.abs(every.imag).max())
    unit = (INNER - 20) / (right - left)
    canvas, said, y = Canvas(INNER), [], 0.0
    for title, values in eigenvalues.items():
        values = np.asarray(values).ravel()
        color = PLAIN if title.startswith("plain") else RESIDUAL
        canvas.text(0, y + 8, title, color=color, weight="700")
        middle, zero = y + 40 + unit * tall, 10 - unit * left
        canvas.line(0, middle, INNER, middle, FAINT, 1)
        canvas.text(INNER, middle + 12, "real part", SMALL, MUTED, "end")
        canvas.line(zero, middle - unit * tall, zero, middle + unit * tall, FAINT, 1)
        canvas.text(zero, middle - unit * tall - 8, "imaginary part", SMALL, MUTED, "middle")
        for center in (0, 1):
            canvas.circle(zero + unit * center, middle, unit, "none", FAINT)
            canvas.line(zero + unit * center, middle - 5, zero + unit * center, middle + 5, MUTED)
            canvas.text(zero + unit * center, middle + unit * tall + 12, str(center), SMALL, MUTED,
                        "middle")  # fmt: skip
        for value in values:
            canvas.circle(zero + unit * value.real, middle - unit * value.imag, 2.2, color)
        y = middle + unit * tall + 44
        sizes = np.abs(values)
        said.append(f"{title}, {len(values)}, moduli {sizes.min():.3g} to {sizes.max():.3g}")
    canvas.text(0, y - 12, "for scale: circles of radius 1 around 0 and 1", SMALL, MUTED)
    canvas.height = y - 4
    return Drawing(canvas, f"Eigenvalues: {'; '.join(said)}.")


def arms(
    values: Mapping[str, Sequence[float]], unit: str, ends: tuple[float, float] | None = None
) -> Drawing:
    """The arms of an experiment, one below the other: a dot for each run, a line at their mean.

    ``unit`` names the axis, as in "test error (%)". Names that begin with plain are orange, with
    res blue. With ``ends`` the axis goes from the one to the other, means are whole numbers, and
    dots that would hide each other are put beside the line. Chapters: training/comparing,
    theory/explosion.

    >>> arms({"plain20": [4.0, 5.0], "resnet20": [2.0, 3.0]}, "test error (%)").alt
    'test error (%): plain20, mean 4.5 of 2 runs, 4 to 5; resnet20, mean 2.5 of 2 runs, 2 to 3.'
    """
    every = [v for group in values.values() for v in group]
    low, high = ends or (min(every), max(every))
    scale = (INNER - 40) / (high - low or 1)
    canvas, said = Canvas(INNER), []
    rest = iter(OTHERS * len(values))
    for i, (name, group) in enumerate(values.items()):
        y, mean = 46 * i, float(np.mean(group))
        color = PLAIN if name.startswith("plain") else (
            RESIDUAL if name.startswith("res") else next(rest))  # fmt: skip
        canvas.text(0, y + 8, name, weight="700", color=color)
        canvas.text(INNER, y + 8, f"mean {round(mean) if ends else said_number(mean)}", SMALL,
                    MUTED, "end")  # fmt: skip
        canvas.line(0, y + 30, INNER, y + 30, FAINT, 1)
        place = 20 + scale * (mean - low)
        canvas.line(place, y + 20, place, y + 40, color, 2.4)
        for value, up in zip(group, _aside(group, 6 / scale if ends else 0.0), strict=True):
            canvas.circle(20 + scale * (value - low), y + 30 - 5 * up, 4.2, color, "#ffffff")
        said.append(f"{name}, mean {mean:.4g} of {len(group)} runs, {min(group):g} to "
                    f"{max(group):g}")  # fmt: skip
    bottom = 46 * len(values) + 12
    canvas.text(20, bottom, said_number(low), SMALL, anchor="middle")
    canvas.text(INNER - 20, bottom, said_number(high), SMALL, anchor="middle")
    canvas.text(INNER / 2, bottom, unit, SMALL, MUTED, "middle")
    canvas.height = bottom + 6
    return Drawing(canvas, f"{unit}: {'; '.join(said)}.")


def _aside(values: Sequence[float], near: float) -> list[int]:
    """How far each dot is moved, up or down, so that none hides another.

    >>> _aside([1.0, 9.0, 1.1, 0.9], near=0.5)
    [0, 0, 1, -1]
    """
    taken: list[tuple[float, int]] = []
    places = sorted(range(-len(values), len(values) + 1), key=lambda up: (abs(up), -up))
    for value in values:
        hidden = {up for other, up in taken if abs(other - value) < near}
        taken.append((value, next(up for up in places if up not in hidden)))
    return [up for _, up in taken]
