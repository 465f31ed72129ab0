"""Ideas in one picture: what a classifier does, how models come to what they should give.

Chapters: problem/degradation, problem/residual_learning.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_tutorial import Mistake
from resnet_tutorial.drawings.plan import plan
from resnet_tutorial.drawings.svg import (
    FAINT,
    INK,
    INNER,
    MUTED,
    SMALL,
    WEIGHTS,
    Canvas,
    Drawing,
    Number,
    color_of,
    said_number,
    shape_text,
)


def draw_image(
    canvas: Canvas, image: Float[np.ndarray, "c h w"], x: Number, y: Number, side: Number
) -> None:
    """Pixels as squares from the upper left corner (x, y), stretched from black to white."""
    low, high = image.min(), image.max()
    levels = np.round(255 * (image - low) / max(high - low, 1e-9)).astype(int)
    colors = np.broadcast_to(levels, (3, *image.shape[1:])) if len(levels) == 1 else levels[:3]
    rows, columns = image.shape[1:]
    high, wide = side / rows, side / columns
    for r in range(rows):
        for c in range(columns):
            red, green, blue = colors[:, r, c]
            canvas.rect(x + wide * c, y + high * r, wide + 0.3, high + 0.3,
                        f"#{red:02x}{green:02x}{blue:02x}", None, 0)  # fmt: skip
    canvas.rect(x, y, side, side, "none", MUTED, 0, 1)


def classifier(
    net: nn.Module, image: Float[Tensor, "c h w"], classes: Sequence[str], name: str = "the net"
) -> Drawing:
    """From an image to a class: the pixels, the net, a probability for every class, the largest.

    ``image`` is what the net takes, normalised; the probabilities are the softmax of its outputs
    in evaluation mode. Take an image of at most 32 by 32 pixels, and at most 20 classes. Raises
    ValueError when the net does not give one number for each class.
    Chapter: problem/degradation.

    >>> from resnet_tutorial.models import build
    >>> net = build("resnet8", in_channels=1)
    >>> classifier(net, torch.zeros(1, 8, 8), classes=[str(i) for i in range(10)]).alt[:52]
    'An image of 1×8×8 goes through the net of 8 layers, '
    """
    was = [(module, module.training) for module in net.modules()]
    net.eval()
    with torch.no_grad():
        outputs = net(image[None])[0]
    for module, training in was:
        module.training = training
    if outputs.shape != (len(classes),):
        raise Mistake(
            f"expected a net with {len(classes)} outputs, one for each class, got "
            f"{tuple(outputs.shape)}: give the names of all its classes"
        )
    probabilities = outputs.softmax(0).double().numpy()
    shape, found = tuple(image.shape), plan(net, tuple(image.shape))
    canvas, x, color = Canvas(INNER), 62, color_of(found.residual)
    draw_image(canvas, image.double().numpy(), x - 46, 0, 92)
    canvas.text(x + 66, 38, "an image")
    canvas.text(x + 66, 57, f"{shape_text(shape)} numbers", SMALL, MUTED)
    canvas.arrow(x, 98, x, 122, color, 1.8)
    canvas.rect(x - 46, 124, 92, 54, WEIGHTS, color, 5, 2)
    canvas.text(x, 151, f"{found.depth} layers", anchor="middle", weight="700")
    canvas.text(x + 66, 142, name, color=color, weight="700")
    weights = sum(p.numel() for p in net.parameters())
    canvas.text(x + 66, 161, f"{weights:,} weights", SMALL, MUTED)
    canvas.arrow(x, 184, x, 208, color, 1.8)
    best = int(probabilities.argmax())
    bottom = _bars(canvas, x, 222, probabilities, classes, best, color)
    canvas.height = bottom
    alt = (
        f"An image of {shape_text(shape)} goes through {name} of {found.depth} layers, which gives "
        f"{len(classes)} probabilities; the largest, {probabilities[best]:.0%}, is for "
        f"{classes[best]}."
    )
    return Drawing(canvas, alt)


def _bars(
    canvas: Canvas, x: Number, top: Number, probabilities, classes, best: int, color: str
) -> Number:
    """A bar for every class, the chosen one filled."""
    for i, (value, name) in enumerate(zip(probabilities, classes, strict=True)):
        y, chosen = top + 20 * i, i == best
        weight = "700" if chosen else None
        canvas.text(x + 8, y, name, SMALL, INK if chosen else MUTED, "end", weight)
        canvas.rect(x + 18, y - 6, max(1.0, 190 * value), 12, color if chosen else FAINT, None, 1)
        canvas.text(x + 24 + 190 * value, y, f"{value:.0%}", SMALL, INK if chosen else MUTED,
                    weight=weight)  # fmt: skip
    bottom = top + 20 * len(classes) + 14
    text = f"the answer: {classes[best]}"
    canvas.text(x + 18, bottom, text, weight="700", color=color)
    return bottom + 8


def descents(outputs: Mapping[str, Sequence[float]], target: float) -> Drawing:
    """What models give after each learning step, on one line each, and what they should give.

    The first value is the start, a ring; the others are dots, one a step. Names that begin with
    plain are orange, others blue. Chapter: problem/residual_learning.

    >>> descents({"plain": [0.0, 2.0, 3.0], "residual": [3.5, 3.75]}, target=4.0).alt
    'Wanted is 4. plain starts at 0 and is at 3 after 2 steps; residual at 3.5, 3.75 after 1.'
    """
    every = [target, *(value for values in outputs.values() for value in values)]
    low, high, left, right = min(every), max(every), 16, INNER - 34
    scale = (right - left) / (high - low or 1)
    canvas, said = Canvas(INNER), []
    goal, bottom = left + scale * (target - low), 62 * len(outputs)
    canvas.line(goal, 20, goal, bottom, INK, 1.6, "4 3")
    canvas.text(goal, bottom + 14, f"wanted: {said_number(target)}", anchor="end", weight="700")
    for i, (name, values) in enumerate(outputs.items()):
        y, color = 62 * i + 40, color_of(not name.startswith("plain"))
        canvas.text(0, y - 30, name, weight="700", color=color)
        canvas.line(left, y, right, y, FAINT, 1)
        for value in values[1:]:
            canvas.circle(left + scale * (value - low), y, 3, color)
        start = left + scale * (values[0] - low)
        canvas.circle(start, y, 7, "none", color)
        near = start > INNER / 2  # then the label would run into the wanted line
        canvas.text(start - 12 if near else start + 12, y - 13, f"start: {said_number(values[0])}",
                    SMALL, MUTED, "end" if near else "start")  # fmt: skip
        first = ("starts at", " and is at") if i == 0 else ("at", ",")
        said.append(f"{name} {first[0]} {said_number(values[0])}{first[1]} "
                    f"{said_number(values[-1])} after {len(values) - 1}")  # fmt: skip
    said[0] += " steps"
    canvas.height = bottom + 20
    return Drawing(canvas, f"Wanted is {said_number(target)}. {'; '.join(said)}.")
