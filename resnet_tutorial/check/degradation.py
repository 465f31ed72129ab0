"""Checkers of the chapter problem/degradation."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, Wrong, judge, real
from resnet_tutorial.scratch import ops


def layer_growth(function: Callable) -> Verdict:
    """`function(norms)`: by which factor the norm grows a layer, from the last to the first."""
    ratio = "the factor, taken once for each step from one layer to the next, gives the quotient"
    return judge(
        function,
        [
            Case("norms 8, 4, 2, 1", (np.array([8.0, 4.0, 2.0, 1.0]),), 2.0, ratio),
            Case("norms that shrink", (np.array([0.01, 0.5, 1.0]),), 0.1, "first over last"),
            Case("constant norms", (np.full(5, 3.0),), 1.0),
            Case("norms 90, 1, 10", (np.array([90.0, 1.0, 10.0]),), 3.0, "only the ends count"),
            Case("norms 16, 1, 1, 2", (np.array([16.0, 1.0, 1.0, 2.0]),), 2.0,
                 "no line through all of them: only the ends count"),
        ],
    )  # fmt: skip


def compare(function: Callable) -> Verdict:
    """`function(shallow, deep)`, runs of (training, test) error: (degraded, overfits more)."""
    good = np.array([[0.01, 0.05], [0.02, 0.06]])
    degraded = np.array([[0.30, 0.33], [0.40, 0.41]])
    overfits = np.array([[0.00, 0.09], [0.01, 0.10]])
    unlucky = np.array([[0.01, 0.05], [0.90, 0.90]])  # one bad seed moves the mean
    memorised = np.array([[0.03, 0.05], [0.04, 0.06]])  # worse on the training set alone
    crossed = np.array([[0.015, 0.055], [0.03, 0.07]])  # worse seed by seed, not every pair
    shuffled = np.array([[0.03, 0.06], [0.01, 0.05]])  # its worst run first
    between = np.array([[0.04, 0.08], [0.02, 0.055]])
    barely = np.array([[0.021, 0.061], [0.022, 0.062]])
    scattered = np.array([[0.03, 0.07], [0.90, 0.90]])
    third = np.array([[0.01, 0.05], [0.02, 0.06], [0.95, 0.95]])
    every = "every deep run must be worse than every shallow run, by however little"
    return judge(
        function,
        [
            Case("a deep net worse on both sets", (good, degraded), (True, False),
                 "a net that does not even fit the training set has nothing to overfit"),
            Case("a deep net worse on the test set alone", (good, overfits), (False, True)),
            Case("the same runs twice", (good, good), (False, False)),
            Case("a better deep net", (degraded, good), (False, False), "which one is deep?"),
            Case("one bad seed", (good, unlucky), (False, False), "every deep run, not the mean"),
            Case("a worse training error alone", (good, memorised), (True, False)),
            Case("seeds that overlap", (good, crossed), (False, False), every),
            Case("an equal error", (good[1:], good[1:]), (False, False), "equal is not worse"),
            Case("runs in no order", (shuffled, between), (False, False), every),
            Case("runs in no order, turned", (shuffled[::-1], between[::-1]), (False, False),
                 every),
            Case("a small difference", (good, barely), (True, False), every),
            Case("a large spread", (good, scattered), (True, False), every),
            Case("a bad third seed", (third, scattered), (False, False),
                 "there may be more seeds"),
        ],
    )  # fmt: skip


def identity_layer(function: Callable) -> Verdict:
    """`function(mean, var, eps, kernel)` -> (w, gamma, beta): the layer must return its input.

    Judged by what the layer computes on inputs >= 0 with the given averages, so that any
    parameters that do it are right.
    """

    def layer(x, mean, var, eps, kernel):
        answer = function(mean, var, eps, kernel)
        if answer is None:
            return None
        if not isinstance(answer, tuple | list) or len(answer) != 3:
            raise Wrong("expected three arrays: w, gamma, beta")
        w, gamma, beta = (real(part).astype(np.float64) for part in answer)
        y, _ = ops.conv2d(x, w, padding=kernel // 2)
        y, _ = ops.batch_norm_eval(y, gamma, beta, mean, var, eps)
        return ops.relu(y)[0]

    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(4, 3, 6, 6)))
    own = x.mean((0, 2, 3)), x.var((0, 2, 3))
    foreign = np.array([-1.0, 0.0, 2.0]), np.array([0.25, 1.0, 9.0])
    still = np.array([0.5, 1.0, 2.0]), np.zeros(3)
    return judge(
        layer,
        [
            Case("averages of the input, 3x3", (x, *own, 1e-5, 3), x,
                 "which kernel copies the pixel under its centre, channel by channel?"),
            Case("averages of other data", (x, *foreign, 1e-5, 3), x, "undo the given averages"),
            Case("a large eps", (x, *own, 0.5, 3), x, "batch norm divides by sqrt(var + eps)"),
            Case("channels of variance 0", (x, *still, 1e-3, 3), x),
            Case("a 5x5 kernel", (x, *own, 1e-5, 5), x, "the centre is at kernel // 2"),
        ],
    )  # fmt: skip
