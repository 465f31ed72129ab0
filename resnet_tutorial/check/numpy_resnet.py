"""Checkers of the exercises of scratch/numpy_resnet."""

import copy
from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, Wrong, judge
from resnet_tutorial.scratch.network import ResNet

Array = np.ndarray


def sgd_step(function: Callable) -> Verdict:
    """`function(w, g, v, lr, momentum, weight_decay)`: the new w and the new v, PyTorch's form."""
    rng = np.random.default_rng(0)
    cases = []
    for lr, momentum, weight_decay in [(0.5, 0, 0), (0.1, 0.9, 0), (0.3, 0.8, 0.2)]:
        w, g, v = rng.standard_normal((3, 4))
        velocity = momentum * v + g + weight_decay * w
        what = f"lr {lr}, momentum {momentum}, weight decay {weight_decay}"
        hint = "result 1 is w, 2 is v; the decay joins the gradient, the rate stays outside v"
        arguments = (w, g, v, lr, momentum, weight_decay)
        cases.append(Case(what, arguments, (w - lr * velocity, velocity), hint))
    return judge(function, cases)


def converted_velocity(function: Callable) -> Verdict:
    """`function(v, old_lr, new_lr)`: Caffe's velocity that goes on with PyTorch's steps."""
    cases = []
    for seed, (old, new) in enumerate([(0.1, 0.1), (0.1, 0.01), (0.02, 0.3)]):
        v = np.random.default_rng(seed).standard_normal(5)
        hint = "PyTorch's velocity is the same before and after the change of rate"
        cases.append(Case(f"rate {old} to {new}", (v, old, new), v * new / old, hint))
    return judge(function, cases)


def _cubic(parameters: dict[str, Array]) -> float:
    """Not quadratic: a forward difference and a central one differ, and each from the slope."""
    return sum(float(np.sum(i * a**2 + a**3)) for i, a in enumerate(parameters.values(), start=1))


def directional(function: Callable) -> Verdict:
    """`function(f, parameters, direction, step)`: the central difference of f along `direction`.

    `parameters` and `direction` are dicts of arrays with the same names; `f(parameters)` is a
    number. The direction counts with its length.
    """

    def answer(f, parameters, direction, step):
        given = parameters, direction
        before = copy.deepcopy(given)
        slope = function(f, *given, step)
        if slope is not None and not all(map(_equal, given, before)):
            raise Wrong("it leaves the parameters or the direction changed")
        return slope

    rng = np.random.default_rng(0)
    cases = []
    for names, step in [(("w",), 0.1), (("w", "b"), 0.1), (("w", "b", "c"), 1e-3)]:
        parameters, d = ({k: rng.standard_normal((2, 3)) for k in names} for _ in range(2))
        above, below = (_cubic({k: parameters[k] + t * d[k] for k in names}) for t in (step, -step))
        hint = "all parameters move together, by plus and by minus step times the direction"
        arguments = (_cubic, parameters, d, step)
        expected = (above - below) / (2 * step)
        cases.append(Case(f"{len(names)} arrays, step {step}", arguments, expected, hint))
    return judge(answer, cases)


def _equal(now: dict[str, Array], before: dict[str, Array]) -> bool:
    """Up to the rounding of a move there and back."""
    same = now.keys() == before.keys()
    return same and all(np.allclose(now[k], before[k], rtol=0, atol=1e-12) for k in before)


def _trained(seed: int) -> ResNet:
    """A small net whose running statistics are not those of any batch."""
    rng = np.random.default_rng(seed)
    net = ResNet(1, rng, widths=(4, 8), in_channels=1)
    for _, layer in net.named_layers():
        for name, a in layer.buffers.items():
            layer.buffers[name] = 0.5 * a + rng.uniform(0.1, 1, a.shape)
    return net


def error(function: Callable) -> Verdict:
    """`function(net, images, labels, batch)`: the fraction of wrong answers in evaluation mode.

    At most `batch` images at a time, and the net is left as it was found.
    """

    def answer(net, images, labels, batch):
        sizes, before, forward = [], net.state_dict(), net.forward

        def watched(x, training=True):
            sizes.append(len(x))
            return forward(x, training)

        net.forward = watched
        result = function(net, images, labels, batch)
        if result is None:
            return None
        if sizes and max(sizes) > batch:
            raise Wrong(f"{max(sizes)} images at once, at most {batch} are allowed")
        after = net.state_dict()
        if changed := [k for k, a in before.items() if not np.array_equal(a, after[k])]:
            raise Wrong(f"it changed {changed[0]}; an evaluation must leave the net alone")
        return result

    cases = []
    for seed, (n, batch) in enumerate([(20, 10), (23, 10), (7, 100)]):
        net = _trained(seed)
        images = np.random.default_rng(seed).standard_normal((n, 1, 6, 6))
        labels = net.predict(images)
        labels[[0, 1, n - 1]] += 1  # three wrong answers, one in the last batch
        labels %= 10
        hint = "a fraction, of all images: the last batch may be smaller"
        cases.append(Case(f"{n} images, batch {batch}", (net, images, labels, batch), 3 / n, hint))
    return judge(answer, cases)
