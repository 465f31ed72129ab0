"""Checkers of the exercises of practice/own_images."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge


def middle(function: Callable) -> Verdict:
    """`function(w, h, crop_pct)`: left, upper, right, lower of the square in a picture's middle.

    Its side is `crop_pct` of the shorter side of the picture; nothing is rounded.
    """
    cases = []
    for what, w, h, share, hint in (
        ("the whole of a square", 100, 100, 1.0, "the box of the whole picture is 0, 0, w, h"),
        ("a wide picture", 400, 300, 0.875, "the side is a share of the shorter side"),
        ("a tall picture", 60, 200, 0.5, "first left and upper, then right and lower"),
    ):
        side = share * min(w, h)
        left, upper = (w - side) / 2, (h - side) / 2
        expected = np.array([left, upper, left + side, upper + side])
        cases.append(Case(what, (w, h, share), expected, hint))
    return judge(function, cases)


def alike(function: Callable) -> Verdict:
    """`function(bits, most)`: pairs (i, j), i < j, of rows that differ in at most `most` bits.

    `bits` is an array of bool, `(n, 64)`; the pairs have the order of their i, then of their j.
    """
    rng, cases = np.random.default_rng(0), []
    for what, changes, most, hint in (
        ("an exact copy", (0, 20, 20), 0, "0 bits differ: that counts as at most 0"),
        ("near copies", (3, 6, 7), 6, "at most: a pair that differs in exactly `most` is one"),
        ("three of a kind", (2, 3, 20), 6, "compare every row with every later one"),
        ("no pair", (18, 19, 20), 6, "return an empty list of pairs where none is near"),
    ):
        first = rng.integers(0, 2, 64).astype(bool)
        rows = [first]
        for i, change in enumerate(changes):
            row = first.copy()
            row[20 * i : 20 * i + change] ^= True
            rows.append(row)
        bits = np.array(rows)
        far = (bits[:, None] != bits).sum(2)
        expected = np.argwhere(np.triu(far <= most, 1))
        cases.append(Case(what, (bits, most), expected, hint))
    return judge(lambda bits, most: _pairs(function(bits, most)), cases)


def _pairs(answer):
    """No pair at all has two columns too."""
    return np.empty((0, 2), np.int64) if answer is not None and not len(answer) else answer


def cooled(function: Callable) -> Verdict:
    """`function(p, temperature)`: softmax(logits / T), where `p` is softmax(logits), `(n, k)`."""
    rng, cases = np.random.default_rng(1), []
    for what, k, temperature, hint in (
        ("the temperature 1", 3, 1.0, "the temperature 1 changes nothing"),
        ("two pictures, T = 2", 3, 2.0, "log p are logits; each row has the sum 1 again"),
        ("a temperature below 1", 5, 0.5, "divide the logarithms by T, not multiply"),
    ):
        p = rng.dirichlet(np.ones(k), 2)
        powers = p ** (1 / temperature)
        expected = powers / powers.sum(1, keepdims=True)
        cases.append(Case(what, (p, temperature), expected, hint))
    return judge(function, cases)
