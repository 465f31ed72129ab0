"""Each checker accepts right answers of another make and rejects the typical wrong ones."""

import numpy as np
import pytest

from resnet_tutorial.check import numpy_resnet as check


def sgd(w, g, v, lr, momentum, weight_decay):
    v = v * momentum + (g + w * weight_decay)
    return w - v * lr, v


def rate_inside(w, g, v, lr, m, d):
    v = m * v + lr * (g + d * w)
    return w - v, v


def decay_after_momentum(w, g, v, lr, m, d):
    v = m * v + g
    return w - lr * (v + d * w), v


def dampened(w, g, v, lr, m, d):
    v = m * v + (1 - m) * (g + d * w)
    return w - lr * v, v


def nesterov(w, g, v, lr, m, d):
    g = g + d * w
    v = m * v + g
    return w - lr * (g + m * v), v


def old_velocity(w, g, v, lr, m, d):
    return w - lr * v, m * v + g + d * w


SGD = {
    "rate inside the velocity": rate_inside,
    "decay after the momentum": decay_after_momentum,
    "decay of the old velocity": lambda w, g, v, lr, m, d: (
        sgd(w, g, v, lr, m, d)[0] * (1 - lr * d),
        sgd(w, g, v, lr, m, d)[1],
    ),
    "no decay": lambda w, g, v, lr, m, d: sgd(w, g, v, lr, m, 0),
    "decay of the wrong sign": lambda w, g, v, lr, m, d: sgd(w, g, v, lr, m, -d),
    "dampened": dampened,
    "velocity forgotten": lambda w, g, v, lr, m, d: sgd(w, g, 0 * v, lr, m, d),
    "velocity not kept": lambda w, g, v, lr, m, d: (sgd(w, g, v, lr, m, d)[0], v),
    "steps with the old velocity": old_velocity,
    "uphill": lambda w, g, v, lr, m, d: (2 * w - sgd(w, g, v, lr, m, d)[0], g + d * w + m * v),
    "Nesterov": nesterov,
    "w alone": lambda w, g, v, lr, m, d: sgd(w, g, v, lr, m, d)[0],
}

CONVERTED = {
    "unchanged": lambda v, old, new: v,
    "the wrong way": lambda v, old, new: v * old / new,
    "reset": lambda v, old, new: 0 * v,
    "new rate only": lambda v, old, new: v * new,
    "PyTorch's velocity": lambda v, old, new: v / old,
    "square root": lambda v, old, new: v * np.sqrt(new / old),
    "a tenth": lambda v, old, new: v / 10,
}


def moved(parameters, d, t):
    return {k: a + t * d[k] for k, a in parameters.items()}


def directional(f, parameters, d, step):
    return (f(moved(parameters, d, step)) - f(moved(parameters, d, -step))) / step / 2


def unit(d):
    length = np.sqrt(sum(np.sum(a**2) for a in d.values()))
    return {k: a / length for k, a in d.items()}


def in_place(f, parameters, d, step):
    for k in parameters:
        parameters[k] += step * d[k]
    above = f(parameters)
    for k in parameters:
        parameters[k] -= step * d[k]  # back at the start, not at minus step
    return (above - f(parameters)) / (2 * step)


def one_at_a_time(f, parameters, d, step):
    return sum(
        directional(f, {k: a for k, a in parameters.items()}, {**zeros(d), k: np.abs(d[k])}, step)
        for k in d
    )


def zeros(d):
    return {k: 0 * a for k, a in d.items()}


def first_array_only(f, parameters, d, step):
    first = next(iter(d))
    return directional(f, parameters, {**zeros(d), first: d[first]}, step)


def leaves_them_moved(f, p, d, h):
    for k in p:
        p[k] = p[k] + h * d[k]
    above = f(p)
    for k in p:
        p[k] = p[k] - 2 * h * d[k]
    return (above - f(p)) / (2 * h)


def leaves_arrays_moved(f, p, d, h):
    for k in p:
        p[k] += h * d[k]
    above = f(p)
    for k in p:
        p[k] -= 2 * h * d[k]
    return (above - f(p)) / (2 * h)


def moves_and_restores(f, p, d, h):
    """Another right answer."""
    slope = leaves_arrays_moved(f, p, d, h)
    for k in p:
        p[k] += h * d[k]
    return slope


DIRECTIONAL = {
    "leaves parameters moved": leaves_them_moved,
    "leaves arrays moved": leaves_arrays_moved,
    "the direction scaled": lambda f, p, d, h: (
        directional(f, p, d, h),
        [a.__imul__(h) for a in d.values()],
    )[0],
    "forward difference": lambda f, p, d, h: (f(moved(p, d, h)) - f(p)) / h,
    "backward difference": lambda f, p, d, h: (f(p) - f(moved(p, d, -h))) / h,
    "not divided by two": lambda f, p, d, h: 2 * directional(f, p, d, h),
    "not divided by the step": lambda f, p, d, h: 2 * h * directional(f, p, d, h),
    "half the step": lambda f, p, d, h: directional(f, p, d, h / 2),
    "unit length": lambda f, p, d, h: directional(f, p, unit(d), h),
    "sign": lambda f, p, d, h: -directional(f, p, d, h),
    "in place": in_place,
    "absolute direction": one_at_a_time,
    "first array only": first_array_only,
    "same move everywhere": lambda f, p, d, h: directional(
        f, p, {k: np.ones_like(a) for k, a in d.items()}, h
    ),
}


def error(net, images, labels, batch, training=False):
    wrong = 0
    for i in range(0, len(labels), batch):
        logits = net(images[i : i + batch], training)
        wrong += np.count_nonzero(logits.argmax(1) != labels[i : i + batch])
    return wrong / len(labels)


def without_the_last(net, images, labels, batch):
    n = max(1, len(labels) // batch) * batch
    return error(net, images[:n], labels[:n], batch)


def mean_of_batches(net, images, labels, batch):
    starts = range(0, len(labels), batch)
    return np.mean(
        [error(net, images[i : i + batch], labels[i : i + batch], batch) for i in starts]
    )


def running_statistics_moved(net, images, labels, batch):
    net(images[:batch])
    return error(net, images, labels, batch)


ERRORS = {
    "training mode": lambda n, x, y, b: error(n, x, y, b, training=True),
    "last batch left out": without_the_last,
    "mean of the batches": mean_of_batches,
    "accuracy": lambda n, x, y, b: 1 - error(n, x, y, b),
    "percent": lambda n, x, y, b: 100 * error(n, x, y, b),
    "number of errors": lambda n, x, y, b: len(y) * error(n, x, y, b),
    "divided by the batch": lambda n, x, y, b: len(y) * error(n, x, y, b) / b,
    "all at once": lambda n, x, y, b: error(n, x, y, len(y)),
    "running statistics moved": running_statistics_moved,
}

RIGHT = {
    check.sgd_step: sgd,
    check.converted_velocity: lambda v, old, new: (v / old) * new,
    check.directional: directional,
    check.error: error,
}
WRONG = {
    check.sgd_step: SGD,
    check.converted_velocity: CONVERTED,
    check.directional: DIRECTIONAL,
    check.error: ERRORS,
}
CASES = [(checker, name) for checker, answers in WRONG.items() for name in answers]


@pytest.mark.parametrize("checker", RIGHT, ids=lambda f: f.__name__)
def test_right_answers_pass(checker):
    assert checker(RIGHT[checker])


@pytest.mark.parametrize("checker", RIGHT, ids=lambda f: f.__name__)
def test_unwritten_answers_are_called_so(checker):
    assert repr(checker(lambda *arguments: None)).startswith("not written yet")


@pytest.mark.parametrize(("checker", "name"), CASES, ids=lambda x: getattr(x, "__name__", x))
def test_wrong_answers_are_rejected(checker, name):
    verdict = checker(WRONG[checker][name])
    assert not verdict
    assert repr(verdict).startswith("wrong on") and "\n" not in repr(verdict), repr(verdict)


def test_moving_the_parameters_and_back_counts_as_right():
    assert check.directional(moves_and_restores)


def test_reasons_are_named():
    assert "at once" in repr(check.error(ERRORS["all at once"]))
    assert "changed bn1.running_mean" in repr(check.error(running_statistics_moved))


def test_predicting_with_the_package_counts_as_right():
    def by_predict(net, images, labels, batch):
        starts = range(0, len(labels), batch)
        answers = np.concatenate([net.predict(images[i : i + batch]) for i in starts])
        return np.mean(answers != labels)

    assert check.error(by_predict)
