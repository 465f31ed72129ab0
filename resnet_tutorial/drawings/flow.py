"""What flows through blocks: forward, backward, and along paths.

Chapters: scratch/residual_block, theory/gradient_flow.
"""

from collections.abc import Sequence
from itertools import product
from math import comb, prod

from torch import nn

from resnet_tutorial import Mistake
from resnet_tutorial.drawings.blocks import draw_addition
from resnet_tutorial.drawings.svg import (
    FAINT,
    INK,
    MUTED,
    RESIDUAL,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    color_of,
    row,
    said_number,
)
from resnet_tutorial.trace import split, trace


def flow(block: nn.Module, shape: tuple[int, int, int], total: str = "y") -> Drawing:
    """A block forward, down, and backward, up: an addition copies a gradient, a fork sums two.

    Backward, J is the Jacobian of the branch F and dx the gradient with respect to x. What
    follows the addition is left out; ``total`` names what the addition gives. Chapter:
    theory/gradient_flow.

    >>> from resnet_tutorial.models import BasicBlock
    >>> flow(BasicBlock(16, 16), (16, 8, 8)).alt.split(". ")[1]
    'Backward: the addition copies dy to both sides, the fork adds them: dx = dy + Jᵀ dy.'
    """
    parts = split(trace(block, shape))
    residual = parts.shortcut is not None
    count = sum(o.kind == "conv" for o in parts.branch)
    panels = [_flow_panel(residual, bool(parts.shortcut), count, forward, total) for forward in
              (True, False)]  # fmt: skip
    dy = f"d{total}"
    short, back = ("S(x)", f"Sᵀ {dy}") if parts.shortcut else ("x", dy)
    if residual:
        alt = (
            f"Forward: the fork copies x, the addition gives {total} = {short} + F(x). "
            f"Backward: the addition copies {dy} to both sides, the fork adds them: "
            f"dx = {back} + Jᵀ {dy}."
        )
    else:
        alt = f"Forward: {total} = F(x). Backward: all of {dy} goes through F: dx = Jᵀ {dy}."
    return Drawing(row(panels), alt)


def _flow_panel(residual: bool, carries: bool, count: int, forward: bool, total: str) -> Canvas:
    canvas, x, out, dy = Canvas(166), 56, 128, f"d{total}"
    color = color_of(residual)
    canvas.text(78, 8, "forward" if forward else "backward", anchor="middle", weight="700",
                color=color)  # fmt: skip
    top, fork, box, join, bottom = 40, 66, 96, 186, 226
    names = ("x", "F(x)", total) if forward else ("dx", f"Jᵀ {dy}", dy)
    canvas.text(x, 30, names[0], anchor="middle", style="italic")

    def arrow(y1, y2):
        a, b = (y1, y2) if forward else (y2, y1)
        canvas.arrow(x, a, x, b, color, 1.8)

    end = join - 13 if residual else bottom
    arrow(top, fork - 3 if residual else box)
    if residual:
        arrow(fork + 3, box)
    arrow(box + 44, end)
    canvas.rect(x - 44, box, 88, 44, WEIGHTS)
    canvas.text(x, box + 14, "F", anchor="middle", style="italic")
    canvas.text(x, box + 31, f"{count} conv", SMALL, MUTED, "middle")
    middle = (box + 44 + end) / 2
    label = names[1] if forward else dy
    canvas.text(x - 10, middle, label, SMALL, MUTED, "end", style="italic")
    if residual:
        if not forward:
            canvas.text(x - 10, (fork + box) / 2 + 2, names[1], SMALL, MUTED, "end", style="italic")
        _flow_shortcut(canvas, x, fork, join, out, _shortcut_name(carries, forward, dy), forward)
        arrow(join + 13, bottom)
    canvas.text(x, bottom + 12, names[2], anchor="middle", style="italic")
    short = f"{_shortcut_name(carries, forward, dy)} + " if residual else ""
    formula = f"{total} = {short}F(x)" if forward else f"dx = {short}Jᵀ {dy}"
    canvas.text(78, bottom + 38, formula, anchor="middle", weight="700", color=color)
    canvas.height = bottom + 46
    return canvas


def _shortcut_name(carries: bool, forward: bool, dy: str) -> str:
    """What goes along the shortcut."""
    if forward:
        return "S(x)" if carries else "x"
    return f"Sᵀ {dy}" if carries else dy


def _flow_shortcut(canvas, x, fork, join, out, name, forward) -> None:
    """Forward a fork copies and a circle adds; backward they change places."""
    if forward:
        canvas.shortcut(x, fork, join, out, stop=14)
        canvas.circle(x, fork, 3.2, RESIDUAL)
        draw_addition(canvas, x, join)
    else:
        canvas.shortcut(x, join, fork, out, stop=9)
        canvas.circle(x, join, 3.2, RESIDUAL)
        canvas.line(x, join - 13, x, join + 13, RESIDUAL, 1.8)
        draw_addition(canvas, x, fork, 8)
    said = ("copy", "add") if forward else ("add", "copy")
    for text, y in zip(said, (fork, join), strict=True):
        canvas.text(x + 22, y - 11, text, SMALL, RESIDUAL)
    half = (fork + join) / 2
    canvas.rect(out - 8, half - 11, 16, 22, "#fdfdfb", None)
    canvas.text(out, half, name, SMALL, anchor="middle", style="italic")


def paths(blocks: int, factors: Sequence[float] = ()) -> Drawing:
    """Every path through so many residual blocks: each is taken or gone around. At most 4 blocks.

    With ``factors``, one a block, each path ends in what it contributes: the product of the factors
    of the blocks on it.

    Chapter: theory/gradient_flow.

    >>> paths(2).alt
    'The 4 paths through 2 blocks: 1 through 0 blocks, 2 through 1, 1 through 2.'
    """
    if not 1 <= blocks <= 4:
        raise Mistake(f"expected 1 to 4 blocks, got {blocks}: 5 have 32 paths, too many to see")
    if factors and len(factors) != blocks:
        raise Mistake(f"expected {blocks} factors, one a block, got {len(factors)}")
    canvas, step, high = Canvas(62 * blocks + 96), 62, 42
    choices = sorted(product((False, True), repeat=blocks), key=sum)
    for i, taken in enumerate(choices):
        y = 18 + high * i
        canvas.text(6, y, "x", style="italic")
        for j, through in enumerate(taken):
            x = 24 + step * j
            color = RESIDUAL if not through else INK
            if through:
                canvas.line(x, y, x + step, y, INK, 1.8)
                canvas.rect(x + 11, y - 11, 40, 22, WEIGHTS)
                name = "F" + "₀₁₂₃"[j]
                canvas.text(x + 31, y, name, SMALL, anchor="middle", style="italic")
            else:
                canvas.rect(x + 11, y - 11, 40, 22, "none", FAINT, dashes="3 3")
                canvas.path(f"M{x} {y}h2q3 0 3 -5v-5q0 -5 5 -5h42q5 0 5 5v5q0 5 3 5h2", color, 2.2)
        end = 24 + step * blocks
        canvas.arrow(end, y, end + 14, y)
        said = "1 block" if sum(taken) == 1 else f"{sum(taken)} blocks"
        if factors:
            said = said_number(
                prod((f for f, on in zip(factors, taken, strict=True) if on), start=1.0)
            )
        canvas.text(end + 20, y, said, SMALL, MUTED)
    canvas.height = 18 + high * (len(choices) - 1) + 18
    counts = [comb(blocks, k) for k in range(blocks + 1)]
    said = ", ".join(f"{n} through {k}" + (" blocks" * (k == 0)) for k, n in enumerate(counts))
    return Drawing(canvas, f"The {2**blocks} paths through {blocks} blocks: {said}.")
