"""Figures of one run: before it, while it trains, and of what the trained net gets wrong.

A `sweep` is a `train.sweep.Sweep`, a `report` a `reports.Report`, a step a `train.Step`.

>>> from resnet_tutorial import data, experiments, reports
>>> from resnet_tutorial.train.sweep import Sweep
>>> [ax.get_title() for ax in run(experiments.recorded("digits_depth")[0], [])][:2]
['error (%)', 'training loss (nats)']
>>> ax = rate_sweep(Sweep(np.geomspace(1e-3, 1.0, 4), np.array([5.0, 4.0, 2.0, 1.0])), lr=0.1)
>>> digits, rng = data.load("digits"), np.random.default_rng(0)
>>> report = reports.report(rng.dirichlet(np.ones(10), 500), digits)
>>> ax, axes = confusion_rates(report), reliability(report)
>>> len(surest_mistakes(report, digits.test.images[report.mistakes(3)], columns=3))
3

Chapter: practice/own_images.
"""

import os
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes

from resnet_tutorial import files
from resnet_tutorial.figures import _axes
from resnet_tutorial.palette import OTHERS, PLAIN, RESIDUAL, THEORY
from resnet_tutorial.records import Record

FEW = 10  # images of a bin, below which its share says little


def write(axes: Axes | Sequence[Axes], path: str | os.PathLike) -> None:
    """Writes the figure of `axes` as PNG, whole or not at all, and closes it.

    >>> import os, tempfile
    >>> from resnet_tutorial import figures
    >>> with tempfile.TemporaryDirectory() as place:
    ...     write(figures.lines({"a": ([0, 1], [0, 1])}, "x", "y"), f"{place}/a.png")
    ...     os.path.getsize(f"{place}/a.png") > 1000
    True
    """
    figure = np.ravel(axes)[0].figure
    with files.replacing(path) as file:
        figure.savefig(file, format="png")
    plt.close(figure)


def run(record: Record, steps: Sequence) -> list[Axes]:
    """Six panels against the epoch: errors, loss, rate, gradient, updates, waiting.

    `steps` are those that a Watch was told of; the errors are the record's. The dotted line is an
    update of a thousandth, about that of a healthy run before the rate falls.
    """
    axes = _axes(3, 2)
    axes[0].figure.set_size_inches(11.5, 5.6)
    epochs = np.arange(1, len(record.curve) + 1)
    for part, color in (("train", OTHERS[0]), ("test", RESIDUAL)):
        errors = [100 * getattr(epoch, f"{part}_error") for epoch in record.curve]
        label = {"train": "training", "test": "test"}[part]
        axes[0].plot(epochs, errors, ".-", color=color, label=f"{label} {errors[-1]:.1f}")
    axes[0].set_ylim(bottom=0)
    at = [step.epoch for step in steps]
    axes[1].plot(at, [step.loss for step in steps], ".-", color=OTHERS[0])
    axes[2].plot(at, [step.lr for step in steps], ".-", color=THEORY)
    axes[3].plot(at, [step.gradient for step in steps], ".-", color=OTHERS[0])
    names = list(steps[0].updates) if steps else []
    shades = plt.colormaps["viridis"](np.linspace(0, 0.9, len(names)))  # from the first layer on
    for name, color in zip(names, shades, strict=True):
        axes[4].plot(at, [s.updates.get(name, np.nan) for s in steps], color=color, label=name)
    axes[4].axhline(1e-3, color=THEORY, ls=":", lw=1)
    axes[5].plot(at, [100 * step.waited / step.seconds for step in steps], ".-", color=OTHERS[0])
    axes[5].set_ylim(0, 100)
    titles = ("error (%)", "training loss (nats)", "learning rate", "norm of the gradient",
              "update / weight, by layer group", "time waiting for images (%)")  # fmt: skip
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=10)
        ax.set_xlim(0, len(epochs) * 1.02)
        ax.xaxis.get_major_locator().set_params(integer=True)
    for ax in (axes[3], axes[4]):
        ax.set_yscale("log")
    for ax in axes[3:]:
        ax.set_xlabel("epoch")
    for ax in (axes[0], *([axes[4]] * bool(steps))):
        ax.legend(frameon=False, fontsize=8, ncols=2 if ax is axes[4] else 1)
    return axes


def rate_sweep(sweep, lr: float | None = None) -> Axes:
    """Loss against the rate of each step, smoothed too; `lr` marks the rate of a recipe."""
    [ax] = _axes()
    smoothed = sweep.smoothed
    ax.plot(sweep.rates, sweep.losses, ".", ms=4, color=OTHERS[0], alpha=0.4, label="loss")
    ax.plot(sweep.rates[: len(smoothed)], smoothed, color=OTHERS[0], lw=2, label="smoothed")
    marks = {
        "suggested": (sweep.suggestion, RESIDUAL, "-"),
        "explodes": (sweep.explodes, PLAIN, "-"),
        "recipe": (lr, THEORY, ":"),
    }
    for name, (rate, color, style) in marks.items():
        if rate is not None:
            ax.axvline(rate, color=color, ls=style, label=f"{name}: {rate:.2g}")
    top = np.nanmax(smoothed[: smoothed.argmin() + 1])
    ax.set(xscale="log", xlabel="learning rate of the step", ylabel="training loss (nats)",
           ylim=(0, 2 * top))  # fmt: skip
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    return ax


def confusion_rates(report, most: int = 20, by_similarity: bool = False) -> Axes:
    """The confusion matrix: a row a true class, shaded by the share of the row, counts written.

    Of more than `most` classes those with the most mistakes are drawn. `by_similarity` puts next to
    each other what is confused. What is right, the diagonal, has a colour of its own.
    """
    order = report.order() if by_similarity else np.arange(len(report.classes))
    if len(order) > most:
        wrong = report.counts.sum(1) - report.counts.diagonal()
        kept = np.argsort(-wrong, kind="stable")[:most]
        order = order[np.isin(order, kept)]
    rates = report.counts / np.maximum(report.counts.sum(1, keepdims=True), 1)
    counts, rates = report.counts[np.ix_(order, order)], rates[np.ix_(order, order)]
    right = np.eye(len(order), dtype=bool)
    top = max(0.3, rates[~right].max(initial=0.0))  # a single mistake stays pale
    [ax] = _axes()
    side = 1.9 + 0.42 * max(len(order), 7)
    ax.figure.set_size_inches(side, side - 0.4)
    ax.imshow(np.where(right | (rates == 0), np.nan, rates), cmap="Oranges", vmin=0, vmax=top)
    ax.imshow(np.where(right, rates, np.nan), cmap="Blues", vmin=0, vmax=1.6)
    for (row, column), count in np.ndenumerate(counts):
        dark = rates[row, column] > (0.9 if row == column else 0.6 * top)
        if count:
            ax.text(column, row, count, ha="center", va="center", color="w" if dark else "k",
                    fontsize=8 if count < 1000 else 6)  # fmt: skip
    _class_ticks(ax, [report.classes[i] for i in order])
    ax.set(xlabel="predicted", ylabel="true")
    ax.set_xticks(np.arange(1, len(order)) - 0.5, minor=True)
    ax.set_yticks(np.arange(1, len(order)) - 0.5, minor=True)
    ax.grid(True, which="minor", color="#eeeeee", lw=0.6)
    if len(order) < len(report.classes):
        some = f"the {len(order)} of {len(report.classes)} classes with most mistakes"
        ax.set_title(some, fontsize=10)
    return ax


def _class_ticks(ax: Axes, names: Sequence[str]) -> None:
    """Names at both axes, the long ones cut, and slanted below."""
    names = list(map(_cut, names))
    long = max(map(len, names)) > 2
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
    ax.set_xticks(range(len(names)), names, **slanted)
    ax.set_yticks(range(len(names)), names)
    ax.grid(False)
    ax.tick_params(which="both", length=0)


def reliability(report) -> list[Axes]:
    """Share of right answers against their probability, a bar a bin; below, the images a bin."""
    found = report.bins()
    filled, width = found.images > 0, 1 / len(found.images)
    middles = (np.arange(len(found.images)) + 0.5) * width
    axes = _axes(1, 2)
    upper, lower = axes
    upper.figure.set_size_inches(4.8, 5.4)
    upper.bar(middles[filled], found.right[filled], width, color=RESIDUAL, alpha=0.35, ec="white")
    upper.plot(found.confidence[filled], found.right[filled], color=RESIDUAL, lw=1)
    for kept, fill, label in ((found.images >= FEW, RESIDUAL, f"{FEW} images or more"),
                              (filled & (found.images < FEW), "white", "fewer")):  # fmt: skip
        upper.plot(found.confidence[kept], found.right[kept], "o", color=RESIDUAL, mfc=fill,
                   ms=5, label=label)  # fmt: skip
    upper.plot([0, 1], [0, 1], ls="--", color=THEORY, lw=1, label="as it should be")
    upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    upper.set_title(f"expected calibration error {100 * found.error:.1f} %", fontsize=10)
    upper.legend(loc="lower right", fontsize=8, framealpha=0.9, edgecolor="none")
    lower.bar(middles, found.images, width, color=OTHERS[0], ec="white")
    lower.set(xlabel="probability of the answer", ylabel="images", xlim=(0, 1))
    if found.images.max() > 100:
        lower.set_yscale("symlog", linthresh=10)
    return axes


def surest_mistakes(report, images: UInt8[np.ndarray, "m c h w"], columns: int = 6) -> list[Axes]:
    """The surest mistakes as pictures: true class, answer, its probability, index.

    `images` are those at `report.mistakes(m)`, in this order.
    """
    chosen = report.mistakes(len(images))
    rows = max(1, -(-len(chosen) // columns))
    axes = _axes(columns, rows)
    axes[0].figure.set_size_inches(1.75 * columns, 2.2 * rows)
    for ax in axes:
        ax.axis("off")
    for ax, index, image in zip(axes, chosen, images, strict=False):
        true, answer = (report.classes[part[index]] for part in (report.labels, report.predicted))
        ax.imshow(image.transpose(1, 2, 0), cmap="gray")
        title = f"{_cut(true)}\ntaken for {_cut(answer)}, {100 * report.confidence[index]:.0f} %"
        ax.set_title(title, fontsize=8)
        name = _cut(report.called(index), 24)
        place = {"ha": "center", "va": "top", "transform": ax.transAxes}
        ax.text(0.5, -0.03, name, fontsize=7, color="#666666", **place)
    if not len(chosen):
        axes[0].text(0, 0.5, "no image is wrong", transform=axes[0].transAxes)
    return axes


def _cut(name: str, most: int = 18) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
