"""Checkers of the exercises of practice/fine_tuning."""

from collections.abc import Callable
from math import ceil, log

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge


def steps_to_forget(function: Callable) -> Verdict:
    """`function(share, momentum)`: steps until at most `share` of an old average is left.

    `momentum` is that of PyTorch's batch norm, the weight of the new batch.
    """
    hint = "after t steps (1 - momentum)**t of the old average is left, and t is a whole number"
    pairs = ((0.5, 0.1), (0.01, 0.1), (0.5, 0.01), (0.3, 0.3), (0.9, 0.5))
    cases = [
        Case(f"a share of {share}, momentum {m}", (share, m), ceil(log(share) / log(1 - m)), hint)
        for share, m in pairs
    ]
    return judge(function, cases)


def layer_rates(function: Callable) -> Verdict:
    """`function(rate, q, parts)`: a rate for each part, the head's last, each q times the next."""
    hint = "the head, the last part, keeps the rate; the stem has q to the power parts - 1"
    triples = ((0.1, 0.5, 5), (0.03, 0.3, 3), (0.2, 1.0, 4), (0.7, 0.9, 1))
    cases = [
        Case(f"rate {rate}, q = {q}, {n} parts", (rate, q, n),
             rate * q ** np.arange(n - 1, -1, -1.0), hint)
        for rate, q, n in triples
    ]  # fmt: skip
    return judge(function, cases)


def head_parameters(function: Callable) -> Verdict:
    """`function(features, old, new)`: parameters of the old head, of the new one.

    `features` numbers go into it; `old` and `new` count the classes.
    """
    hint = "a weight for each feature and class, and a bias for each class"
    triples = ((64, 150, 50), (2048, 1000, 12), (512, 10, 2), (32, 5, 7))
    cases = [
        Case(f"{d} features, {old} classes, then {new}", (d, old, new),
             np.array([(d + 1) * old, (d + 1) * new], float), hint)
        for d, old, new in triples
    ]  # fmt: skip
    return judge(function, cases)
