"""Text for a terminal: columns, shapes, the program's name."""

from collections.abc import Sequence

PROGRAM = "resnet-tutorial"


def table(rows: Sequence[Sequence[object]], left: Sequence[int] = (0,)) -> str:
    """Rows as aligned columns, numbers with separators; the columns `left` begin flush left.

    >>> print(table([("stage", "parameters"), ("stem", 464)]))
    stage  parameters
    stem          464
    """
    texts = [[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in texts
    )
    return "\n".join(lines)


def shape(image_shape: Sequence[int]) -> str:
    """1x28x28 for (1, 28, 28)."""
    return "x".join(map(str, image_shape))
