"""Checkers of the exercises of theory/signal_propagation."""

import math
from collections.abc import Callable

from resnet_tutorial.check.verdict import Case, Verdict, judge


def he_std(function: Callable) -> Verdict:
    """Whether `function(shape, slope)` is the standard deviation that keeps the forward signal.

    `shape` is that of a weight, (out, in) or (out, in, k, k); `slope` is the leaky ReLU's for
    negative inputs, 0 for the ReLU. Chapter: theory/signal_propagation
    """
    shapes = {
        "a square linear layer": (100, 100),
        "a linear layer with 50 inputs and 200 outputs": (200, 50),
        "a 3x3 convolution": (128, 64, 3, 3),
    }
    hints = "a standard deviation, not a variance", "count inputs, not outputs", "9 taps a channel"
    cases = [
        Case(
            f"{what}, slope {slope}",
            (shape, slope),
            math.sqrt(2 / ((1 + slope**2) * math.prod(shape[1:]))),
            hint if slope == 0 else "a negative t becomes slope * t: its square is not zero",
        )
        for slope in (0.0, 0.2, 1.0)
        for (what, shape), hint in zip(shapes.items(), hints, strict=True)
    ]
    return judge(function, cases)


def branch_scale(function: Callable) -> Verdict:
    """Whether `function(blocks, v, bound)` is the largest branch scale that respects a bound.

    The bound is on the expected growth of the second moment over `blocks` residual blocks without
    normalisation, whose last weights have variance v/n. Chapter: theory/signal_propagation
    """
    cases = [
        Case(
            f"{blocks} blocks, v = {v}, growth at most {bound}",
            (blocks, v, bound),
            math.sqrt((bound ** (1 / blocks) - 1) / v),
            hint="solve (1 + v beta^2)^L = bound for beta",
        )
        for blocks, v, bound in ((1, 1.0, 2.0), (1, 2.0, 3.0), (4, 1.0, 16.0), (50, 2.0, 10.0))
    ]
    return judge(function, cases)


def moments(function: Callable) -> Verdict:
    """Whether `function(second, variance, blocks, v)` is the pair of moments after the blocks.

    The blocks are pre-activation blocks with batch norm whose last weights have variance v/n; the
    pair is the second moment and the batch variance, for normal pre-activations.
    Chapter: theory/signal_propagation
    """
    cases = [
        Case(
            f"{blocks} blocks, v = {v}, from ({second}, {variance})",
            (second, variance, blocks, v),
            (second + v / 2 * blocks, variance + v / 2 * (1 - 1 / math.pi) * blocks),
            hint="each block adds v times E relu(z)^2, and v times Var relu(z)",
        )
        for second, variance, blocks, v in (
            (1.0, 1.0, 0, 2.0),
            (1.0, 1.0, 1, 2.0),
            (3.0, 2.0, 10, 2.0),
            (1.0, 0.5, 54, 1.0),
        )
    ]
    return judge(function, cases)
