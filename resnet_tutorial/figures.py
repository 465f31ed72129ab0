"""The book's figures: arrays or Records in, matplotlib Axes out.

One style for every chapter: plain nets orange, residual nets blue, theory a dashed dark line;
single seeds are points or thin lines, their mean is a thick one.

>>> from resnet_tutorial import data, experiments
>>> digits, records = data.load("digits"), experiments.recorded("digits_depth")
>>> axes = errors_by_depth(records)
>>> axes = train_and_test({"the digits": records})
>>> ax = curves(records[-5:], part="train_loss")
>>> ax = lines({"theory": ([0, 5, 9], [1, 32, 512])}, x="layers", y="second moment", log="y")
>>> ax = law([1, 2], theory=[1, 2], measured=[1.1, 1.9], standard_error=[0.1, 0.1],
...          xlabel="blocks", ylabel="second moment")
>>> ax = layer_profiles({"plain": np.ones((3, 20))}, y="gradient norm")
>>> ax = confusion(np.array([[9, 1], [0, 10]]), classes=("cat", "dog"))
>>> axes = image_row(digits.train.images[:3], titles=("a", "b", "c"))
>>> contact_sheet(digits).get_title()
'digits'
>>> depth("plain56"), family("plain56"), colors(["plain56"])["plain56"] == PLAIN
(56, 'plain', True)
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle, groupby

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes

from resnet_tutorial.data import Dataset
from resnet_tutorial.palette import OTHERS, PLAIN, RESIDUAL, THEORY
from resnet_tutorial.records import Record

FIXED = {"plain": PLAIN, "theory": THEORY}  # of a word; a network's name has that of its blocks
FIXED |= dict.fromkeys(("residual", "resnet", "preact_resnet"), RESIDUAL)
PARTS = {
    "train_error": "training error (%)",
    "test_error": "test error (%)",
    "train_loss": "training loss (nats)",
}
STYLE = {
    "figure.dpi": 110,
    "figure.figsize": (6.4, 3.6),
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
}


def colors(labels: Iterable[str]) -> dict[str, str]:
    """The colour of each label: fixed for nets and theory by the first word, else in turn."""
    known = {label: color for label in labels if (color := _fixed(label))}
    rest = [label for label in labels if label not in known]
    return known | dict(zip(rest, cycle(OTHERS), strict=False))


def _fixed(label: str) -> str | None:
    word = re.match(r"\w*", label)[0]
    if word == family(word):  # no number: no network's name
        return FIXED.get(word)
    from resnet_tutorial.models import ARCHITECTURES  # here: with it comes torch

    net = ARCHITECTURES.get(word)
    return net and (RESIDUAL if net.residual else PLAIN)


def _axes(panels: int = 1, rows: int = 1, size: tuple[float, float] | None = None) -> list[Axes]:
    plt.draw_if_interactive()  # loads the notebook's backend, whose settings rc_context would undo
    with plt.rc_context(STYLE):
        usual = STYLE["figure.figsize"] if panels == 1 else (8.6, STYLE["figure.figsize"][1])
        _, axes = plt.subplots(rows, panels, figsize=size or usual)
        return list(np.ravel(axes))


def depth(model: str) -> int:
    """The number in a network's name: 56 for plain56."""
    return int("".join(filter(str.isdigit, model)))


def family(model: str) -> str:
    """The letters of a network's name: plain for plain56."""
    return model.rstrip("0123456789")


def errors_by_depth(records: Sequence[Record]) -> list[Axes]:
    """Training and test error (%) after the last epoch against depth, a point for each seed."""
    axes = _axes(2, size=(5.6, 3.1))  # so small that a phone shows its numbers large enough
    kinds = sorted({family(record.model) for record in records})
    palette = colors(kinds)
    for ax, part in zip(axes, ("train_error", "test_error"), strict=True):
        for kind in kinds:
            runs = sorted((depth(r.model), 100 * getattr(r, part)) for r in records
                          if family(r.model) == kind)  # fmt: skip
            means = {
                d: np.mean([e for _, e in g]) for d, g in groupby(runs, key=lambda run: run[0])
            }
            ax.plot(*zip(*runs, strict=True), "o", color=palette[kind], alpha=0.45)
            label = {"plain": "plain", "resnet": "residual"}.get(kind, kind)
            ax.plot(list(means), list(means.values()), color=palette[kind], lw=2, label=label)
            ax.set_xticks(list(means))
        ax.set(xlabel="depth (layers)", ylabel=PARTS[part])
        ax.set_ylim(bottom=-1)
    axes[0].legend(frameon=False)
    return axes


def train_and_test(groups: Mapping[str, Sequence[Record]]) -> list[Axes]:
    """A panel for each group: training error (dot) and test error (ring) of every run, in %.

    The line between them is the generalisation gap. Plain nets stand left of their depth's mark,
    residual nets right of it, a seed beside the other; a lone seed stands in the middle.
    """
    size, columns = ((5.6, 3.8), 2) if len(groups) == 1 else (None, 4)  # readable on a phone
    axes = _axes(len(groups), size=size)
    for ax, (title, records) in zip(axes, groups.items(), strict=True):
        depths = sorted({depth(record.model) for record in records})
        middle = np.mean([*{record.seed for record in records}])
        for kind, side in (("plain", -0.22), ("resnet", 0.22)):
            runs = [record for record in records if family(record.model) == kind]
            x = [depths.index(depth(r.model)) + side + 0.06 * (r.seed - middle) for r in runs]
            errors = np.array([(r.train_error, r.test_error) for r in runs]).reshape(-1, 2)
            color = colors([kind])[kind]
            train, test = 100 * errors.T
            ax.vlines(x, train, test, color=color, lw=1)
            ax.plot(x, train, "o", color=color, ms=4, label=f"{kind}, training error")
            ax.plot(x, test, "o", color=color, ms=7, mfc="none", label=f"{kind}, test error")
        ax.set_xticks(range(len(depths)), depths)
        ax.set_xticks(np.arange(1, len(depths)) - 0.5, minor=True)  # lines between the depths
        ax.grid(False, axis="x")
        ax.grid(True, axis="x", which="minor")
        ax.tick_params(axis="x", which="minor", length=0)
        ax.set(xlabel="depth (layers)", xlim=(-0.5, len(depths) - 0.5))
        ax.set_title(title, fontsize=10)
        ax.set_ylim(bottom=0)
    axes[0].set_ylabel("error (%)")
    entries = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(*entries, loc="outside lower center", ncols=columns, frameon=False)
    return axes


def curves(records: Sequence[Record], part: str = "train_error") -> Axes:
    """One line a run: `part` of its curve after each epoch; errors in %."""
    [ax] = _axes()
    models = sorted({record.model for record in records}, key=lambda m: (family(m), depth(m)))
    depths, palette = sorted({depth(model) for model in models}), colors(models)
    for record in records:
        first = record is next(r for r in records if r.model == record.model)
        values = [getattr(epoch, part) for epoch in record.curve]
        ax.plot(
            np.arange(1, len(values) + 1),
            100 * np.array(values) if part.endswith("error") else values,
            color=palette[record.model],
            lw=1 + 1.2 * depths.index(depth(record.model)) / max(1, len(depths) - 1),
            ls=(":", "--", "-")[depths.index(depth(record.model)) - len(depths)],
            label=record.model if first else None,
        )
    ax.set(xlabel="epoch", ylabel=PARTS[part])
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    return ax


def lines(series: Mapping[str, tuple], x: str, y: str, log: str = "") -> Axes:
    """Curves `label -> (xs, ys)`; a label that begins with "theory" is dashed.

    `xs` and `ys` are any two sequences of numbers of one length; when `ys` has one such row a seed,
    every seed is a thin line and their mean the curve. `x` and `y` name the axes with their units;
    `log` holds the letters of the logarithmic ones.
    """
    [ax] = _axes()
    palette = colors(series)
    for label, (xs, ys) in series.items():
        theory = label.startswith("theory")
        style = {"ls": "--", "zorder": 3} if theory else {"marker": ".", "ms": 5}
        seeds = np.atleast_2d(np.asarray(ys, dtype=float))
        if len(seeds) > 1:
            ax.plot(xs, seeds.T, color=palette[label], lw=0.6, alpha=0.4)
        ax.plot(xs, seeds.mean(0), color=palette[label], label=label, **style)
    ax.set(xlabel=x, ylabel=y, **{f"{axis}scale": "log" for axis in log})
    if len(series) > 1:
        ax.legend(frameon=False)
    return ax


def law(
    x: Sequence | np.ndarray,
    theory: Sequence | np.ndarray,
    measured: Sequence | np.ndarray,
    standard_error: Sequence | np.ndarray,
    xlabel: str,
    ylabel: str,
    log: str = "",
    label: str = "measured",
) -> Axes:
    """A predicted curve, dashed, and measured points with bars of two standard errors each way.

    All four sequences have one length. `log` holds the letters of the logarithmic axes; there a
    bar that reaches below zero is cut at the frame. A `label` whose first word is plain, residual
    or a network's name gives the points the colour of those nets.
    """
    [ax] = _axes()
    ax.plot(x, theory, ls="--", color=THEORY, label="theory", zorder=3)
    bars = 2 * np.asarray(standard_error)
    ax.errorbar(x, measured, bars, fmt="o", ms=4, capsize=2, color=colors([label])[label],
                label=f"{label} (bars: 2 standard errors)")  # fmt: skip
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log", nonpositive="clip")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False)
    return ax


def layer_profiles(
    profiles: Mapping[str, Float[np.ndarray, "seeds layers"]], y: str, log: bool = True
) -> Axes:
    """One quantity through the depth of several networks, the first layer at 0, the last at 1.

    Thin lines are seeds, the thick one is their geometric mean (arithmetic when not `log`).
    """
    [ax] = _axes()
    palette = colors(profiles)
    deepest = max(values.shape[1] for values in profiles.values())
    for label, values in profiles.items():
        position = np.linspace(0, 1, values.shape[1])
        mean = np.exp(np.log(values).mean(0)) if log else values.mean(0)
        style = "-" if values.shape[1] == deepest else "--"
        ax.plot(position, values.T, color=palette[label], lw=0.6, alpha=0.4, ls=style)
        ax.plot(position, mean, color=palette[label], lw=2.2, ls=style, label=label)
    ax.set(xlabel="position of the layer (0: input, 1: output)", ylabel=y)
    if log:
        ax.set_yscale("log")
    ax.legend(frameon=False)
    return ax


def confusion(counts: Int[np.ndarray, "k k"], classes: Sequence[str]) -> Axes:
    """A confusion matrix: rows are true classes, columns predicted, the diagonal left white."""
    [ax] = _axes()
    off_diagonal = np.where(np.eye(len(classes), dtype=bool), 0, counts)
    ax.imshow(off_diagonal, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dark = row != column and count > 0.6 * off_diagonal.max()
            ax.text(column, row, count, ha="center", va="center", fontsize=8,
                    color="white" if dark else "black")  # fmt: skip
    ticks = range(len(classes))
    ax.set(xticks=ticks, yticks=ticks, xlabel="predicted", ylabel="true")
    ax.set_xticklabels(classes)
    ax.set_yticklabels(classes)
    ax.grid(False)
    return ax


def image_row(
    images: UInt8[np.ndarray, "n c h w"] | Float[np.ndarray, "n c h w"],
    titles: Sequence[str],
    columns: int = 99,
) -> list[Axes]:
    """Images under their titles, at most `columns` side by side; one channel is drawn in grey."""
    columns, rows = min(columns, len(images)), -(-len(images) // columns)
    axes = _axes(columns, rows, (1.15 * columns, 1.6 * rows))
    for ax in axes:
        ax.axis("off")
    for ax, image, title in zip(axes[: len(images)], images, titles, strict=True):
        ax.imshow(image.transpose(1, 2, 0), cmap="gray")
        ax.set_title(title, fontsize=9)
    return axes[: len(images)]


def contact_sheet(dataset: Dataset, per_class: int = 10, classes: int = 20) -> Axes:
    """The first training images of each class side by side, a row a class, under the data's name.

    At most the first `classes` classes are drawn. A place stays white where a class has fewer than
    `per_class` images.
    """
    shown = dataset.classes[:classes]
    c, h, w = dataset.image_shape
    white = dataset.train.images.max()
    sheet = np.full((len(shown) * (h + 1) - 1, per_class * (w + 1) - 1, c), white, np.uint8)
    for row in range(len(shown)):
        chosen = np.flatnonzero(dataset.train.labels == row)[:per_class]
        for column, image in enumerate(dataset.train.images[chosen]):
            top, left = row * (h + 1), column * (w + 1)
            sheet[top : top + h, left : left + w] = image.transpose(1, 2, 0)
    [ax] = _axes(size=(1.6 + 0.45 * per_class, 0.4 + 0.45 * len(shown) * h / w))
    ax.imshow(sheet, cmap="gray", interpolation="nearest")
    ax.set_yticks(np.arange(len(shown)) * (h + 1) + (h - 1) / 2, shown)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_title(dataset.label)
    return ax
