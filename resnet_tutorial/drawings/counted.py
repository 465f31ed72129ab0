"""What is counted: shares of a total, and images that nets get wrong.

Chapters: pytorch/counting, training/comparing.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool

from resnet_tutorial import Mistake
from resnet_tutorial.drawings.svg import (
    FAINT,
    INK,
    INNER,
    MUTED,
    SMALL,
    Canvas,
    Drawing,
    number,
    width_of,
)
from resnet_tutorial.palette import PLAIN, RESIDUAL

SHADES = ("#e4e9f0", "#c9d8e8", "#a9c3de", "#86abd0", "#e4e9f0")
HIGH = 38  # of a bar
EVEN = "#eceef1"  # an image on which nothing differs


def shares(values: Mapping[str, Mapping[str, int]]) -> Drawing:
    """Totals as bars of one length, each cut into its parts; a part that is wide enough is named.

    Raises ValueError for a total that is not positive. Chapter: pytorch/counting.

    >>> shares({"weights": {"stage 1": 1, "stage 2": 3}}).alt
    'weights, 4 in all: stage 1 25 %, stage 2 75 %.'
    """
    canvas, said = Canvas(INNER), []
    for i, (title, parts) in enumerate(values.items()):
        total, y, x = sum(parts.values()), 78 * i, 0.0
        if not total > 0:
            raise Mistake(f"expected parts with a positive sum, got {total} for {title!r}")
        canvas.text(0, y + 8, title, weight="700")
        canvas.text(INNER, y + 8, f"{total:,}", SMALL, MUTED, "end")
        for j, (name, part) in enumerate(parts.items()):
            wide, percent = INNER * part / total, f"{part / total:.0%}".replace("%", " %")
            shade = SHADES[j % len(SHADES)]
            canvas.rect(x, y + 20, wide, HIGH, shade, "#ffffff", 0, 1)
            if wide > max(width_of(name, SMALL), width_of(percent, SMALL)) + 4:
                canvas.text(x + wide / 2, y + 31, name, SMALL, anchor="middle")
                canvas.text(x + wide / 2, y + 48, percent, SMALL, anchor="middle", weight="700")
            x += wide
        named = ", ".join(f"{name} {part / total:.0%}" for name, part in parts.items())
        said.append(f"{title}, {total:,} in all: {named}".replace("%", " %"))
    canvas.height = 78 * len(values) - 18
    return Drawing(canvas, "; ".join(said) + ".")


def pairs(
    a: Bool[np.ndarray, " images"],
    b: Bool[np.ndarray, " others"],
    names: Sequence[str] = ("A", "B"),
    columns: int = 25,
) -> Drawing:
    """Two nets on the same test images, a square an image: which of them were wrong there.

    ``a`` and ``b`` are True where the net was wrong. Raises ValueError when they are not of one
    length. Chapter: training/comparing.

    >>> a, b = np.arange(6) < 3, np.arange(6) % 2 == 0
    >>> pairs(a, b).alt
    '6 test images as squares: both wrong on 2, only A on 1, only B on 1, both right on 2.'
    """
    if len(a) != len(b):
        raise Mistake(f"expected the same images for both nets, got {len(a)} and {len(b)}")
    canvas, side = Canvas(INNER), INNER / columns
    kinds = {
        "both wrong": (a & b, INK),
        f"only {names[0]} wrong": (a & ~b, PLAIN),
        f"only {names[1]} wrong": (b & ~a, RESIDUAL),
        "both right": (~a & ~b, EVEN),
    }
    for members, color in kinds.values():
        for i in np.flatnonzero(members).tolist():
            row, column = divmod(i, columns)
            canvas.rect(column * side + 0.7, row * side + 0.7, side - 1.4, side - 1.4, color,
                        None, 2)  # fmt: skip
    y = -(-len(a) // columns) * side + 20
    entries = [f"{name}: {int(members.sum())}" for name, (members, _) in kinds.items()]
    second = max(INNER / 2, 16 + max(width_of(entry, SMALL) for entry in entries[::2]) + 8)
    for i, (entry, (_, color)) in enumerate(zip(entries, kinds.values(), strict=True)):
        x, line = second * (i % 2), y + 22 * (i // 2)
        canvas.rect(x, line - 6, 12, 12, color, None, 2)
        canvas.text(x + 16, line, entry, SMALL)
    canvas.height = y + 30
    both, first, other, neither = (int(members.sum()) for members, _ in kinds.values())
    return Drawing(
        canvas,
        f"{len(a)} test images as squares: both wrong on {both}, only {names[0]} on {first}, only "
        f"{names[1]} on {other}, both right on {neither}.",
    )


def layout(wrong: Mapping[str, Bool[np.ndarray, "seeds images"]]) -> Drawing:
    """Nets with several seeds on the same images: a row a seed, a column an image, a stroke where
    the run is wrong.

    Only images are drawn that some run gets wrong, those that most runs get wrong on the left.
    Names that begin with plain are orange, others in turn blue and dark. Raises ValueError when the
    images are not of one number, or nothing is wrong. Chapter: training/comparing.

    >>> layout({"A": np.array([[True, False, True]]), "B": np.array([[True, False, False]])}).alt
    'Columns are the 2 of 3 images that some run gets wrong; wrong in a row: A 2 to 2; B 1 to 1.'
    """
    sizes = {runs.shape[1] for runs in wrong.values()}
    if len(sizes) != 1:
        raise Mistake(f"expected the same images for all nets, got {sorted(sizes)} images")
    often = sum(runs.sum(0) for runs in wrong.values())
    order = np.argsort(-often, kind="stable")[: int((often > 0).sum())]
    if not len(order):
        raise Mistake("expected runs that are wrong on some image, got none: nothing to draw")
    canvas, wide, y = Canvas(INNER), (INNER - 44) / len(order), 0.0
    rest = iter((RESIDUAL, INK) * len(wrong))
    for name, runs in wrong.items():
        color = PLAIN if name.startswith("plain") else next(rest)
        canvas.text(0, y + 8, name, weight="700", color=color)
        canvas.text(INNER, y + 8, "wrong", SMALL, MUTED, "end")
        y += 22
        for run in runs[:, order]:
            canvas.line(0, y + 15, INNER - 44, y + 15, FAINT, 1)
            marks = [f"M{number(wide * (i + 0.5))} {number(y + 2)}v12" for i in np.flatnonzero(run)]
            canvas.path("".join(marks), color, max(wide - 0.2, 0.6))
            canvas.text(INNER, y + 8, f"{int(run.sum())}", SMALL, anchor="end")
            y += 17
        y += 12
    canvas.text(0, y + 4, "hard images", SMALL, MUTED)
    canvas.text(INNER - 44, y + 4, "images that one run gets wrong", SMALL, MUTED, "end")
    canvas.height = y + 12
    each = "; ".join(
        f"{name} {runs.sum(1).min()} to {runs.sum(1).max()}" for name, runs in wrong.items()
    )
    return Drawing(
        canvas,
        f"Columns are the {len(order)} of {sizes.pop()} images that some run gets wrong; wrong in "
        f"a row: {each}.",
    )
