"""Batch norm: which numbers are averaged together, and what its gradient loses.

Chapter: scratch/batch_norm.
"""

import copy
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from resnet_tutorial.drawings.svg import (
    FAINT,
    INNER,
    MUTED,
    RESIDUAL,
    SMALL,
    Canvas,
    Drawing,
    said_number,
)
from resnet_tutorial.palette import PLAIN
from resnet_tutorial.scratch import ops


def averaged(layer: nn.Module, shape: tuple[int, int, int, int]) -> torch.Tensor:
    """Which numbers of a batch (n, c, h, w) the first output depends on, found with its gradient
    in training mode; boolean, of that shape.

    >>> averaged(nn.BatchNorm2d(2), (2, 2, 1, 1)).flatten().tolist()
    [True, False, True, False]
    """
    layer = copy.deepcopy(layer).double().train()
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x.requires_grad_()
    # A normalised number is a saddle of nothing: its cube has a slope wherever it depends.
    (layer(x)[0, 0, 0, 0] ** 3).backward()
    return x.grad.abs() > 1e-12


def norm_axes(layers: Mapping[str, nn.Module], shape: tuple[int, int, int, int]) -> Drawing:
    """Which numbers of a batch share one mean and variance, found out by gradients.

    A column is an image, a row a channel, each small square a pixel. Take a small ``shape``
    (n, c, h, w): (4, 3, 3, 3) is enough.

    >>> layers = {"batch norm": nn.BatchNorm2d(3), "layer norm": nn.GroupNorm(1, 3)}
    >>> norm_axes(layers, (4, 3, 2, 2)).alt.split("; ")[0]
    'batch norm: 16 of 48 numbers share a mean and a variance (4 images, 1 of 3 channels)'
    """
    canvas, said, y = Canvas(), [], 0.0
    for title, layer in layers.items():
        mask = averaged(layer, shape).numpy()
        images, channels = mask.any((1, 2, 3)).sum(), mask.any((0, 2, 3)).sum()
        said.append(
            f"{title}: {mask.sum()} of {mask.size} numbers share a mean and a variance "
            f"({images} images, {channels} of {shape[1]} channels)"
        )
        canvas.text(0, y + 8, title, color=RESIDUAL, weight="700")
        canvas.text(0, y + 27, f"{mask.sum()} of {mask.size} numbers are averaged together", SMALL,
                    MUTED)  # fmt: skip
        y = _batch(canvas, y + 64, mask) + 24
    canvas.width, canvas.height = 270, y - 24
    return Drawing(canvas, "; ".join(said) + ".")


def _batch(canvas: Canvas, top, mask) -> float:
    """Maps as small grids, a column an image and a row a channel."""
    n, c, h, w = mask.shape
    cell = min(12, (INNER - 90) / n / (w + 0.8))
    wide, high = cell * (w + 0.8), cell * (h + 0.8)
    left = 84
    for i in range(n):
        canvas.text(left + wide * i + cell * w / 2, top - 12, f"{i + 1}", SMALL, MUTED, "middle")
    canvas.text(left - 12, top - 12, "image", SMALL, MUTED, "end")
    for k in range(c):
        canvas.text(left - 12, top + high * k + cell * h / 2, f"channel {k + 1}", SMALL, MUTED,
                    "end")  # fmt: skip
    for (i, k, r, col), on in np.ndenumerate(mask):
        canvas.rect(left + wide * i + cell * col, top + high * k + cell * r, cell, cell,
                    RESIDUAL if on else "#ffffff", FAINT, 0, 0.8)  # fmt: skip
    return top + high * c


def statistics(layer: nn.BatchNorm2d, batches: Mapping[str, torch.Tensor], channel: int) -> Drawing:
    """What a batch norm subtracts and divides by in one channel: a dot for the mean, a bar of one
    standard deviation each way. First its stored averages, then those of each batch `(n, c, h, w)`
    of its inputs, as training mode takes them. Chapter: practice/deploy.

    >>> batch = torch.tensor([1.0, 1.0, 3.0, 3.0])[:, None, None, None]
    >>> statistics(nn.BatchNorm2d(1), {"four": batch}, 0).alt
    'Mean and standard deviation of a channel: stored 0 and 1; four 2 and 1.'
    """
    rows = {
        "stored": (layer.running_mean[channel].item(), layer.running_var[channel].sqrt().item())
    }
    for name, x in batches.items():
        rows[name] = (x[:, channel].mean().item(), x[:, channel].std(correction=0).item())
    left, canvas = 88, Canvas(INNER)
    low = min(mean - spread for mean, spread in rows.values())
    high = max(mean + spread for mean, spread in rows.values())

    def at(value):
        return left + 8 + (INNER - left - 16) * (value - low) / (high - low)

    bottom = 24 * len(rows)
    canvas.line(at(rows["stored"][0]), 0, at(rows["stored"][0]), bottom + 2, MUTED, 1, "3 3")
    for i, (name, (mean, spread)) in enumerate(rows.items()):
        y, color = 24 * i + 12, PLAIN if i else RESIDUAL
        canvas.text(left - 6, y, name, SMALL, color, "end", None if i else "700")
        canvas.line(at(mean - spread), y, at(mean + spread), y, color, 2.4)
        canvas.circle(at(mean), y, 4.2, color, "#ffffff")
    for value in (low, high):
        side = "start" if value == low else "end"
        canvas.text(at(value), bottom + 14, said_number(value), SMALL, MUTED, side)
    canvas.text(at((low + high) / 2), bottom + 32, "what arrives in the channel", SMALL, MUTED,
                "middle")  # fmt: skip
    canvas.height = bottom + 38
    said = [f"{k} {said_number(mean)} and {said_number(std)}" for k, (mean, std) in rows.items()]
    return Drawing(canvas, f"Mean and standard deviation of a channel: {'; '.join(said)}.")


def removed(
    x: Float[np.ndarray, " m"], dy: Float[np.ndarray, " m"], divided: bool = False
) -> Drawing:
    """What the gradient of batch norm removes from dy, as bars that add up from the first row to
    the last: minus its mean, and minus its share along the normalised x. What remains is r dx, for
    gamma = 1; r is the standard deviation.

    ``x`` and ``dy`` are the numbers of one channel, at most 16 of them; up to 8 are written out.
    With ``divided`` a last row shows dx too; dy is called g there, the normalised x z, and r s.
    Chapters: scratch/batch_norm; theory/explosion, divided.

    >>> x, dy = np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 0.0, 2.0, 1.0])
    >>> removed(x, dy).alt[:54]
    'Bars of 4 numbers: dy 1, 0, 2, 1; minus its mean 1; mi'
    """
    one, zero = np.ones(1), np.zeros(1)
    normal = ops.batch_norm(x[:, None, None, None], one, zero)[0].ravel()
    mean, share = dy.mean(), (dy * normal).mean()
    left, grey, spread = dy - mean - share * normal, "#9aa0a8", float(x.std())
    rows = [
        (f"{'g' if divided else 'dy'}, what arrives", dy, MUTED),
        (f"minus its mean {said_number(mean)}", np.full_like(dy, -mean), grey),
        (f"minus {_in_brackets(share)} times {'z' if divided else 'the normalised x'}",
         -share * normal, grey),
        (f"the sum of the three rows: {'s' if divided else 'r'} dx", left, RESIDUAL),
    ]  # fmt: skip
    if divided:
        rows.append((f"divided by s = {said_number(spread)}", left / spread, RESIDUAL))
    canvas, half, high = Canvas(INNER), 20, 90
    largest = max(np.abs(values).max() for _, values, _ in rows)
    step = (INNER - 20) / len(dy)
    for i, (title, values, color) in enumerate(rows):
        y = high * i
        canvas.text(0, y + 8, title, SMALL, weight="700" if color == RESIDUAL else None)
        base = y + 34 + half
        for j, value in enumerate(values):
            size = half * abs(value) / largest
            top = base - size if value > 0 else base
            canvas.rect(10 + step * (j + 0.15), top, 0.7 * step, size, color, None, 0)
            if len(dy) <= 8:
                beyond = base + size + 10 if round(value, 6) < 0 else top - 10
                canvas.text(10 + step * (j + 0.5), beyond, said_number(value), SMALL,
                            anchor="middle")  # fmt: skip
        canvas.line(10, base, INNER - 10, base, MUTED, 1)
    canvas.height = high * len(rows)
    alt = (
        f"Bars of {len(dy)} numbers: dy {_listed(dy)}; minus its mean {said_number(mean)}; minus "
        f"{said_number(share)} times the normalised x; what remains, r times dx: "
        f"{_listed(left)}."
    )
    if divided:
        alt = f"{alt[:-1]}; dx, which is that divided by {said_number(spread)}."
    return Drawing(canvas, alt)


def _in_brackets(value: float) -> str:
    return f"({said_number(value)})" if value < 0 else said_number(value)


def _listed(values: Float[np.ndarray, " m"]) -> str:
    return ", ".join(map(said_number, values))
