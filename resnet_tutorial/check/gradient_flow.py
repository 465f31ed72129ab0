"""Checkers of the exercises of theory/gradient_flow and theory/explosion."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge


def branch_bound(function: Callable) -> Verdict:
    """Whether `function(blocks, keep)` is the largest safe bound on the branches' Jacobians.

    With every spectral norm at most that bound, the gradient keeps at least the fraction `keep`
    of its norm through `blocks` blocks x + F(x). Chapter: theory/gradient_flow
    """
    cases = [
        Case(
            f"{blocks} blocks, keep {keep}",
            (blocks, keep),
            1 - keep ** (1 / blocks),
            hint="solve (1 - epsilon)^L = keep for epsilon",
        )
        for blocks, keep in ((1, 0.5), (2, 0.25), (54, 0.5), (54, 0.01))
    ]
    return judge(function, cases)


def gated_backward(function: Callable) -> Verdict:
    """Whether `function(jacobians, gates, g)` is the gradient at the input of a v1 stack.

    `jacobians` is (L, d, d), first block first; `gates` (L, d) holds 0 and 1, the mask of the ReLU
    after each addition; `g` (d,) is the gradient at the output. Chapter: theory/gradient_flow
    """
    rng = np.random.default_rng(0)
    hints = (
        "one block: mask, then copy to both paths",
        "the last block's gradient is formed first",
        "the mask acts before the transposed matrix",
    )
    cases = []
    for blocks, hint in zip((1, 2, 5), hints, strict=True):
        jacobians = rng.standard_normal((blocks, 4, 4)) / 2
        gates, g = (rng.random((blocks, 4)) < 0.7).astype(float), rng.standard_normal(4)
        product = np.eye(4)
        for gate, jacobian in zip(gates, jacobians, strict=True):
            product = np.diag(gate) @ (np.eye(4) + jacobian) @ product
        cases.append(Case(f"{blocks} blocks", (jacobians, gates, g), product.T @ g, hint))
    return judge(function, cases)


def dropout_shortcut(function: Callable) -> Verdict:
    """Whether `function(keep, blocks, inverted)` is the mean and the second moment of a shortcut.

    The factor of one coordinate through `blocks` shortcuts with independent dropout that keeps it
    with probability `keep`; `inverted` dropout divides what it keeps by `keep`. The answer is a
    pair. Chapter: theory/gradient_flow
    """
    cases = [
        Case(
            f"{blocks} blocks, keep {keep}, {'inverted' if inverted else 'not inverted'}",
            (keep, blocks, inverted),
            (1.0, keep**-blocks) if inverted else (keep**blocks, keep**blocks),
            hint="a factor is 0, or the same number each time it is kept; moments multiply",
        )
        for keep, blocks in ((0.5, 1), (0.8, 3), (0.5, 10))
        for inverted in (False, True)
    ]
    return judge(function, cases)


def layer_scales(function: Callable) -> Verdict:
    """Whether `function(gradients, weights)` rescales layers to equal relative gradients.

    Both are norms (L,), first layer first; the answer is a factor for each layer's weights, the
    last of them 1. Chapter: theory/explosion
    """
    examples = {
        "gradients 4 and 1, equal weights": ([4.0, 1.0], [1.0, 1.0]),
        "equal gradients, weights 1 and 4": ([1.0, 1.0], [1.0, 4.0]),
        "a last layer whose relative gradient is not 1": ([90.0, 6.0, 0.5], [5.0, 3.0, 2.0]),
    }
    hints = (
        "times s, the weight grows and its gradient shrinks: the relative gradient changes by s^2",
        "relative means gradient over weight",
        "divide by the last layer's relative gradient",
    )
    cases = []
    for (what, (gradients, weights)), hint in zip(examples.items(), hints, strict=True):
        gradients, weights = np.array(gradients), np.array(weights)
        relative = gradients / weights
        cases.append(Case(what, (gradients, weights), np.sqrt(relative / relative[-1]), hint))
    return judge(function, cases)
