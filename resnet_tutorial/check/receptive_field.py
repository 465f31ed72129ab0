"""Checkers of the exercises of scratch/receptive_field."""

import math
from collections.abc import Callable, Iterable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge
from resnet_tutorial.scratch import ops

# (kernel, stride), the layer next to the image first.
STACKS = {
    "no layer": [],
    "one 3x3": [(3, 1)],
    "three 3x3": [(3, 1)] * 3,
    "a strided 3x3 before a 3x3": [(3, 2), (3, 1)],
    "a 3x3 before a strided 3x3": [(3, 1), (3, 2)],
    "a strided 1x1 before a 3x3": [(1, 2), (3, 1)],
    "7x7/2, 3x3/2, 3x3, 3x3": [(7, 2), (3, 2), (3, 1), (3, 1)],
    "5x5/3, 3x3/2, 1x1, 3x3": [(5, 3), (3, 2), (1, 1), (3, 1)],
}


def _ends(layers: Iterable[tuple[int, int]]) -> list[int]:
    """Where every way from one output ends, followed layer by layer down to the image."""
    ends = [0]
    for kernel, stride in reversed(list(layers)):
        ends = [stride * i + a for i in ends for a in range(kernel)]
    return ends


def receptive_field(function: Callable) -> Verdict:
    """`function(layers)`: the side in pixels; `layers` is [(kernel, stride), ...], image first."""
    hint = "which strides multiply the kernel of a layer?"
    fields = {what: max(_ends(layers)) - min(_ends(layers)) + 1 for what, layers in STACKS.items()}
    cases = [Case(what, (layers,), fields[what], hint) for what, layers in STACKS.items()]
    return judge(function, cases)


def typical_distance(function: Callable) -> Verdict:
    """`function(layers)`: how far from their mean the ways from one output end on one axis, as a
    root mean square in pixels; `layers` as for `receptive_field`."""
    hint = "variances add, and a distance behind a stride counts as many pixels"
    cases = [
        Case(what, (layers,), math.sqrt(np.var(_ends(layers))), hint)
        for what, layers in STACKS.items()
    ]
    return judge(function, cases)


def multiply_adds(function: Callable) -> Verdict:
    """`function(channels_in, channels_out, kernel, stride, padding, side)`: those of a convolution
    on one square image of this side."""
    cases = []
    for arguments in [
        (1, 1, 1, 1, 0, 5),
        (3, 16, 3, 1, 1, 32),
        (16, 32, 3, 2, 1, 32),
        (3, 8, 7, 2, 3, 33),
        (8, 4, 1, 2, 0, 9),
        (4, 6, 5, 3, 0, 12),
    ]:
        c, o, k, stride, padding, side = arguments
        w = np.zeros((o, c, k, k))
        y, _ = ops.conv2d(np.zeros((1, c, side, side)), w, stride, padding)
        what = f"{c} to {o} channels, {k}x{k}, stride {stride}, padding {padding}, side {side}"
        cases.append(Case(what, arguments, w.size * y[0, 0].size, "how many outputs are there?"))
    return judge(function, cases)
