"""Checkers of the exercises of scratch/small_layers."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge

Array = np.ndarray


def max_backward(function: Callable) -> Verdict:
    """`function(dy, x)`: dx of the largest value of each map, x (n, c, h, w) and dy (n, c)."""
    rng = np.random.default_rng(0)
    cases = []
    for shape in [(1, 1, 2, 2), (2, 3, 4, 5), (3, 2, 1, 6)]:
        x, dy = rng.standard_normal(shape) - 1, rng.standard_normal(shape[:2])
        largest = x == x.max(axis=(2, 3), keepdims=True)
        hint = "only the largest pixel of a map moves the result; it gets all of that map's dy"
        cases.append(Case(f"x of shape {shape}", (dy, x), dy[:, :, None, None] * largest, hint))
    return judge(function, cases)


class _Matrix:
    """A layer with y = x a, which says when it is used out of order."""

    def __init__(self, a: Array):
        self.a, self.seen = a, None

    def forward(self, x: Array) -> Array:
        self.seen = x
        return x @ self.a

    def backward(self, dy: Array) -> Array:
        if self.seen is None:
            raise ValueError("the inner layer's backward came before its forward")
        return dy @ self.a.T


def residual_layer(layer: Callable) -> Verdict:
    """`layer(inner)`: an object with `forward(x)`, x + inner(x), and `backward(dy)`, dx.

    `inner` is an object with the same two methods. Until it is written, `forward` returns None.
    """

    def answer(a, x, dy):
        mine = layer(_Matrix(a))
        y = mine.forward(x) if mine is not None else None
        return None if y is None else (y, mine.backward(dy))

    cases = []
    for n, d in [(2, 3), (4, 2), (1, 5)]:
        rng = np.random.default_rng(n)
        a, x, dy = (rng.standard_normal(shape) for shape in ((d, d), (n, d), (n, d)))
        hint = "result 1 is y, 2 is dx: the fork adds what comes back along both ways"
        expected = (x + x @ a, dy + dy @ a.T)
        cases.append(Case(f"{n} rows of {d}", (a, x, dy), expected, hint))
    return judge(answer, cases)


def _smoothed_loss(logits: Array, labels: Array, smoothing: float) -> tuple[float, Array]:
    """The mean of -sum q log p and its gradient (p - q) / n."""
    n, classes = logits.shape
    q = (1 - smoothing) * np.eye(classes)[labels] + smoothing / classes
    with np.errstate(under="ignore"):  # even where the reader wants an error
        log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        p = np.exp(log_p)
    return float(-np.sum(q * log_p) / n), (p - q) / n


def smoothed_loss(function: Callable) -> Verdict:
    """`function(logits, labels, smoothing)`: the mean loss over n rows, and its gradient.

    The target is (1 - smoothing) at the label plus smoothing / K at each of the K classes.
    """
    rng = np.random.default_rng(0)
    cases = []
    for n, classes, smoothing, scale in [(1, 3, 0.0, 1), (5, 4, 0.1, 1), (3, 10, 0.3, 1000)]:
        logits = scale * rng.standard_normal((n, classes))
        arguments = (logits, rng.integers(classes, size=n), smoothing)
        what = f"{n} rows of {classes} logits of size {scale}, smoothing {smoothing}"
        hint = "result 1 is the mean loss, 2 its gradient; smoothing / K for every class"
        cases.append(Case(what, arguments, _smoothed_loss(*arguments), hint))
    return judge(function, cases)
