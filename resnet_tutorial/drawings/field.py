"""How far one output sees, layer by layer. Chapter: scratch/receptive_field."""

from collections.abc import Sequence

from resnet_tutorial import Mistake
from resnet_tutorial.drawings.convolution import LIGHT
from resnet_tutorial.drawings.svg import (
    FAINT,
    INNER,
    MUTED,
    RESIDUAL,
    SMALL,
    Canvas,
    Drawing,
    Number,
)

LEFT, BETWEEN, LARGEST = 116, 46, 24
WIDEST = 25  # pixels, the most that can be told apart


def field(layers: Sequence[tuple[int, int]]) -> Drawing:
    """Along one axis, from one output down to the image: the positions that each map is asked for,
    and lines from each position to those that it reads. Positions that nobody reads are dashed.

    ``layers`` are (kernel, stride), the layer next to the image first. Raises ValueError for a
    field of more than 25 pixels.

    >>> field([(3, 1), (3, 2), (3, 1)]).alt
    'One output reads 3 positions behind layer 2, 7 positions behind layer 1 and 9 pixels.'
    """
    maps, reads = _asked(layers)
    reach = maps[-1][-1] + 1
    if reach > WIDEST:
        raise Mistake(
            f"expected a receptive field of at most {WIDEST} pixels, got {reach}: take fewer layers"
        )
    canvas = Canvas(INNER)
    unit = min(LARGEST, (INNER - LEFT) / reach)
    places, side = _places(layers, unit), 0.72 * unit
    for row, below in enumerate(reads):
        top = BETWEEN * row + side
        for upper, lower in below:
            rim = upper in (maps[row][0], maps[row][-1]) and lower in (below[0][1], below[-1][1])
            canvas.line(places[row](upper), top, places[row + 1](lower), top + BETWEEN - side,
                        RESIDUAL if rim else FAINT, 1.8 if rim else 1)  # fmt: skip
    words = []
    for row, positions in enumerate(maps):
        y, behind = BETWEEN * row, len(layers) - row
        for i in range(positions[0], positions[-1] + 1):
            _square(canvas, places[row](i), y, side, i in positions)
        what = f"behind layer {behind}" if behind else "pixels"
        words.append(f"{len(positions)} {what}")
        canvas.text(0, y + side / 2, words[-1], SMALL, MUTED)
    canvas.height = BETWEEN * len(layers) + side
    said = [f"{len(p)} positions behind layer {len(layers) - i}" for i, p in enumerate(maps)][1:-1]
    said = ", ".join(said) + " and " if said else ""
    return Drawing(canvas, f"One output reads {said}{words[-1]}.")


def _asked(layers) -> tuple[list[list[int]], list[list[tuple[int, int]]]]:
    """The positions asked of each map, the output's first, and who of them reads whom."""
    maps, reads = [[0]], []
    for kernel, stride in reversed(layers):
        below = [(i, stride * i + a) for i in maps[-1] for a in range(kernel)]
        reads.append(below)
        maps.append(sorted({lower for _, lower in below}))
    return maps, reads


def _places(layers, unit: Number) -> list:
    """For each map, from the output's down: where position i stands, above the middle of what it
    reads."""
    jump, offset, found = 1.0, 0.5, []
    for kernel, stride in [(1, 1), *layers]:
        offset += (kernel - 1) / 2 * jump
        jump *= stride
        found.append(lambda i, jump=jump, offset=offset: LEFT + unit * (jump * i + offset))
    return found[::-1]


def _square(canvas: Canvas, x: Number, y: Number, side: Number, read: bool) -> None:
    canvas.rect(x - side / 2, y, side, side, LIGHT if read else "none", MUTED if read else FAINT,
                1, 1, None if read else "2 2")  # fmt: skip
