"""Ideas in one picture: what a classifier does, which paths lead through blocks, what flows back.

Chapters: problem/degradation, theory/gradient_flow, scratch/residual_block.
"""

from collections.abc import Sequence

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
