"""A training that goes wrong: in which order to look, and what is seen. Chapter:
practice/it_does_not_train.
"""

import math
from collections.abc import Mapping, Sequence

from resnet_tutorial.drawings.svg import (
    FAINT,
    INK,
    INNER,
    MUTED,
    PLAIN,
    RESIDUAL,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    number,
    row,
)

BOX, LEAF = 146, 20
PANEL, TALL = 164, 84
MOST = 1e3  # times the guess: a loss above it is drawn at the rim


def looks(order: Mapping[str, Sequence[str]], well: str = "go on training") -> Drawing:
    """Looks from the first to the last, and the causes that each of them finds.

    Chapter: practice/it_does_not_train.

    >>> looks({"first loss": ["wrong pixels"], "curves": ["mixed labels"]}).alt
    'Look in this order: first loss finds wrong pixels; curves finds mixed labels.'
    """
    canvas, y = Canvas(INNER), 0.0
    for i, (look, causes) in enumerate(order.items(), 1):
        tall = max(44.0, LEAF * len(causes) + 4)
        middle = y + tall / 2
        canvas.rect(0, middle - 20, BOX, 40, WEIGHTS, RESIDUAL, 5, 2)
        canvas.text(BOX / 2, middle, f"{i} {look}", SMALL, INK, "middle", "700")
        for j, cause in enumerate(causes):
            at = middle + LEAF * (j - (len(causes) - 1) / 2)
            canvas.path(
                f"M{BOX} {number(middle)}C{BOX + 16} {number(middle)} {BOX + 6} {number(at)} "
                f"{BOX + 22} {number(at)}",
                PLAIN,
            )
            canvas.text(BOX + 26, at, cause, SMALL, PLAIN)
        below = middle + 20
        y += tall + 22
        after = list(order.values())[i : i + 1]
        coming = max(44.0, LEAF * len(after[0]) + 4) / 2 - 20 if after else 0.0
        canvas.arrow(BOX / 2, below, BOX / 2, y + coming, INK, 1.6)
        canvas.text(BOX / 2 + 8, (below + y + coming) / 2 - 2, "fine", SMALL, MUTED)
    canvas.text(BOX / 2, y + 10, well, SMALL, RESIDUAL, "middle", "700")
    canvas.height = y + 18
    said = "; ".join(f"{look} finds {', '.join(causes)}" for look, causes in order.items())
    return Drawing(canvas, f"Look in this order: {said}.")


def runs(records: Mapping, guess: float) -> Drawing:
    """The loss of several runs after each epoch, a panel a run, with the errors at its end.

    A record has a `curve` of epochs. The dashed line is the loss ``guess`` of a net that guesses;
    every panel has one scale, logarithmic, so that a loss of 100 fits.
    Chapter: practice/it_does_not_train.

    >>> from resnet_tutorial.records import Epoch
    >>> class Run:
    ...     curve = [Epoch(2.0, 0.5, 0.6, 1.0), Epoch(1.0, 0.25, 0.5, 2.0)]
    >>> runs({"run 1": Run}, 2.3).alt
    'Loss, then errors in %, training and test: run 1, loss 2.00 to 1.00, errors 25 and 50.'
    """
    low, high = math.log(0.01), math.log(MOST / 5)
    panels, said = [], []

    def height(loss: float) -> float:
        value = loss if math.isfinite(loss) else MOST
        return 22 + TALL * (high - min(max(math.log(max(value, 1e-9)), low), high)) / (high - low)

    for name, record in records.items():
        losses, last = [e.train_loss for e in record.curve], record.curve[-1]
        canvas = Canvas(PANEL, TALL + 46)
        canvas.text(PANEL / 2, 8, name, SMALL, INK, "middle", "700")
        canvas.rect(0, 20, PANEL, TALL + 4, "#ffffff", FAINT, 2, 1)
        canvas.line(0, height(guess), PANEL, height(guess), MUTED, 1, "4 3")
        at = [10 + (PANEL - 52) * i / max(1, len(losses) - 1) for i in range(len(losses))]
        points = [f"{number(x)} {number(height(loss))}" for x, loss in zip(at, losses, strict=True)]
        canvas.path("M" + "L".join(points), RESIDUAL, 2.2)
        for x, loss in zip(at, losses, strict=True):
            canvas.circle(x, height(loss), 2.6, RESIDUAL)
        shown = f"{losses[-1]:.3g}" if losses[-1] >= 0.1 else f"{losses[-1]:.2f}"
        label = height(losses[-1])
        label += 9 * (1 if losses[-1] < guess else -1) if abs(label - height(guess)) < 8 else 0
        canvas.text(PANEL - 4, label, shown, SMALL, RESIDUAL, "end", "700")
        pair = [f"{100 * e:.0f}" for e in (last.train_error, last.test_error)]
        canvas.text(PANEL / 2, TALL + 38, f"wrong: {pair[0]} %, test {pair[1]} %", SMALL, INK,
                    "middle")  # fmt: skip
        panels.append(canvas)
        ends = f"loss {losses[0]:.2f} to {losses[-1]:.2f}"
        said.append(f"{name}, {ends}, errors {pair[0]} and {pair[1]}")
    return Drawing(
        row(panels, gap=8, below=14),
        f"Loss, then errors in %, training and test: {'; '.join(said)}.",
    )


def reached(gradients: Mapping[str, Mapping[str, float]]) -> Drawing:
    """How large the gradient of each layer group is, a panel a net: a cross where there is none.

    Groups are in the order of the picture's way; the bar is logarithmic, from a millionth of the
    largest on. Chapter: practice/it_does_not_train.

    >>> reached({"cut": {"conv1": 0.0, "fc": 2.0}}).alt
    'Gradient by layer group: cut, conv1 none, fc 2.'
    """
    panels, said = [], []
    for name, groups in gradients.items():
        canvas, top = Canvas(160, 26 + 24 * len(groups)), max(groups.values())
        canvas.text(80, 8, name, SMALL, INK, "middle", "700")
        for i, (group, value) in enumerate(groups.items()):
            y = 32 + 24 * i
            canvas.text(44, y, group, SMALL, INK if value else PLAIN, "end")
            if value:
                long = 100 * max(0.02, 1 + math.log10(value / top) / 6)
                canvas.rect(50, y - 7, long, 14, RESIDUAL, None, 1)
            else:
                for a in (-5, 5):
                    canvas.line(55 - 5, y - a, 55 + 5, y + a, PLAIN, 2.4)
        panels.append(canvas)
        shown = ", ".join(f"{k} {f'{v:.2g}' if v else 'none'}" for k, v in groups.items())
        said.append(f"{name}, {shown}")
    return Drawing(row(panels), f"Gradient by layer group: {'; '.join(said)}.")
