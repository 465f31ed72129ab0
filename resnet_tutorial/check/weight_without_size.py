"""Checkers of the exercises of training/weight_without_size."""

import math
from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge


def one_step(function: Callable) -> Verdict:
    """`function(norm, gradient, lr, weight_decay)`: norm after a step of SGD, and the angle of it.

    Of a scale-invariant weight, without momentum. `gradient` is the norm of the gradient at weights
    of norm 1; the angle between old and new weight is in radians. Exact, for steps of any size.
    Chapter: training/weight_without_size
    """
    cases = []
    for norm, gradient, lr, weight_decay in [
        (5.0, 50.0, 0.1, 0.0),
        (2.0, 3.0, 0.5, 0.2),
        (0.5, 0.1, 0.3, 0.01),
    ]:
        # The gradient is drawn at a right angle to a weight along the first axis.
        weight, g = np.array([norm, 0.0]), np.array([0.0, gradient / norm])
        new = (1 - lr * weight_decay) * weight - lr * g
        angle = math.acos(weight @ new / np.linalg.norm(weight) / np.linalg.norm(new))
        what = f"norm {norm}, gradient {gradient}, lr {lr}, weight decay {weight_decay}"
        hint = "a longer weight has a smaller gradient; old weight, decay and step form a triangle"
        expected = (float(np.linalg.norm(new)), angle)
        cases.append(Case(what, (norm, gradient, lr, weight_decay), expected, hint))
    return judge(function, cases)


def equilibrium(function: Callable) -> Verdict:
    """`function(lr, weight_decay, momentum, gradient)`: norm and angle per step at equilibrium.

    Of a scale-invariant weight under SGD, to leading order in lr * weight_decay. `gradient` is the
    root mean square norm of the gradient at weights of norm 1; the angle is a root mean square, in
    radians. Chapter: training/weight_without_size
    """
    cases = []
    for lr, weight_decay, momentum, gradient in [
        (0.1, 5e-3, 0.0, 1.0),
        (0.1, 1e-4, 0.9, 1.0),
        (0.02, 5e-4, 0.5, 3.0),
    ]:
        norm = (lr * gradient**2 / (2 * weight_decay * (1 - momentum))) ** 0.25
        angle = math.sqrt(2 * lr * weight_decay / (1 + momentum))
        what = f"lr {lr}, weight decay {weight_decay}, momentum {momentum}, gradient {gradient}"
        hint = "result 1 is the norm, result 2 the angle; small-step formulas, no higher orders"
        arguments = (lr, weight_decay, momentum, gradient)
        cases.append(Case(what, arguments, (norm, angle), hint))
    return judge(function, cases)


def undecayed(function: Callable) -> Verdict:
    """`function(rates, weight_decay)`: the rates that do the same without weight decay.

    For a scale-invariant weight under SGD without momentum; `rates` is an array, a rate a step.
    Chapter: training/weight_without_size
    """
    cases = []
    for rates, weight_decay in [
        (np.full(6, 0.5), 0.1),
        (np.array([0.1, 0.4, 1.0, 1.0, 0.1, 0.02]), 0.3),
    ]:
        size, expected = 1.0, np.empty_like(rates)  # of the weight, had it no gradient
        for t, rate in enumerate(rates):
            before, size = size, size * (1 - rate * weight_decay)
            expected[t] = rate / (before * size)
        what = f"rates {rates.tolist()}, weight decay {weight_decay}"
        hint = "divide w after t + 1 steps by all factors 1 - rate * weight_decay so far"
        cases.append(Case(what, (rates, weight_decay), expected, hint))
    return judge(function, cases)
