"""Figures of one run: before it, while it trains, and of what the trained net gets wrong.

>>> from resnet_tutorial import experiments, train
>>> record = experiments.recorded("digits_depth")[0]
>>> [ax.get_title() for ax in run(record, [])][:2]
['error (%)', 'training loss (nats)']

Chapter: practice/own_images.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes

from resnet_tutorial import files
from resnet_tutorial.figures import STYLE, _axes, colors
from resnet_tutorial.palette import OTHERS, PLAIN, RESIDUAL, THEORY
from resnet_tutorial.records import Record

if TYPE_CHECKING:
    from resnet_tutorial.train.before import Sweep
    from resnet_tutorial.train.watch import Step


def write(axes: Axes | Sequence[Axes], path: str | os.PathLike) -> None:
    """Writes the figure of `axes` as PNG, whole or not at all, and closes it.

    >>> import tempfile
    >>> from resnet_tutorial import figures
    >>> with tempfile.TemporaryDirectory() as place:
    ...     write(figures.lines({"a": ([0, 1], [0, 1])}, "x", "y"), f"{place}/a.png")
    ...     (Path(place) / "a.png").stat().st_size > 1000
    True
    """
    figure = np.ravel(axes)[0].figure
    with files.replacing(path) as file:
        figure.savefig(file, format="png")
    plt.close(figure)


def run(record: Record, steps: Sequence["Step"]) -> list[Axes]:
    """Six panels against the epoch: errors, loss, rate, gradient, updates, waiting.

    `steps` are those that a Watch was told of; the errors are the record's. Marks on the updates
    are the thousandth that a healthy run stays near.
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
    for name, color in zip(names, plt.colormaps["viridis"](np.linspace(0, 0.9, len(names)))):
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


def rate_sweep(sweep: "Sweep", lr: float | None = None) -> Axes:
    """Loss against the rate of each step, smoothed too; `lr` marks the rate of a recipe."""
    [ax] = _axes()
    smoothed = sweep.smoothed
    ax.plot(sweep.rates, sweep.losses, ".", ms=4, color=OTHERS[0], alpha=0.4, label="loss")
    ax.plot(sweep.rates[: len(smoothed)], smoothed, color=OTHERS[0], lw=2, label="smoothed")
    marks = {"suggested": (sweep.suggestion, RESIDUAL, "-"), "explodes": (sweep.explodes, PLAIN, "-"),
             "recipe": (lr, THEORY, ":")}  # fmt: skip
    for name, (rate, color, style) in marks.items():
        if rate is not None:
            ax.axvline(rate, color=color, ls=style, label=f"{name}: {rate:.2g}")
    top = np.nanmax(smoothed[: smoothed.argmin() + 1])
    ax.set(xscale="log", xlabel="learning rate of the step", ylabel="training loss (nats)",
           ylim=(0, 2 * top))  # fmt: skip
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    return ax
