"""Each checker accepts right answers of another make and rejects the typical wrong ones."""

import numpy as np
from exercises import verdict_tests

from resnet_tutorial.check import small_layers as check


def one_hot(logits, labels):
    return np.eye(logits.shape[1])[labels]


def targets(logits, labels, smoothing):
    return (1 - smoothing) * one_hot(logits, labels) + smoothing / logits.shape[1]


def smoothed_loss(logits, labels, smoothing, target=targets):
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    q = target(logits, labels, smoothing)
    return -np.mean(np.sum(q * log_p, 1)), (np.exp(log_p) - q) / len(q)


def changed(loss=lambda e, n: e, gradient=lambda g, n: g):
    def wrong(logits, labels, smoothing):
        e, g = smoothed_loss(logits, labels, smoothing)
        return loss(e, len(labels)), gradient(g, len(labels))

    return wrong


def unstable(logits, labels, smoothing):
    with np.errstate(all="ignore"):
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        q = targets(logits, labels, smoothing)
        return -np.mean(np.sum(q * np.log(p), 1)), (p - q) / len(q)


def only_p(logits, labels, smoothing):
    e, g = smoothed_loss(logits, labels, smoothing)
    return e, g + targets(logits, labels, smoothing) / len(labels)


def over_the_others(logits, labels, smoothing):
    y, k = one_hot(logits, labels), logits.shape[1]
    return (1 - smoothing) * y + smoothing * (1 - y) / (k - 1)


SMOOTHED = {
    "gradient of the sum": changed(gradient=lambda g, n: g * n),
    "sum instead of mean": changed(lambda e, n: e * n, lambda g, n: g * n),
    "sum of the losses, gradient of the mean": changed(lambda e, n: e * n),
    "sign of the gradient": changed(gradient=lambda g, n: -g),
    "sign of the loss": changed(lambda e, n: -e),
    "gradient per entry": changed(gradient=lambda g, n: g / g.shape[1]),
    "unstable": unstable,
    "p instead of p - q": only_p,
    "no smoothing": lambda z, k, s: smoothed_loss(z, k, 0),
    "smoothing in the loss alone": lambda z, k, s: (
        smoothed_loss(z, k, s)[0],
        smoothed_loss(z, k, 0)[1],
    ),
    "smoothing over the other classes": lambda z, k, s: smoothed_loss(z, k, s, over_the_others),
    "smoothing not divided": lambda z, k, s: smoothed_loss(
        z, k, s, lambda z, k, s: (1 - s) * one_hot(z, k) + s
    ),
    "loss alone": lambda z, k, s: smoothed_loss(z, k, s)[0],
}


def max_backward(dy, x):
    dx = np.zeros_like(x)
    for n, c in np.ndindex(dy.shape):
        i = np.unravel_index(x[n, c].argmax(), x[n, c].shape)
        dx[(n, c, *i)] = dy[n, c]
    return dx


def largest(x, axes=(2, 3)):
    return x == x.max(axis=axes, keepdims=True)


def spread(dy):
    return dy[:, :, None, None]


MAX = {
    "an equal share": lambda dy, x: np.ones_like(x) * spread(dy) / x[0, 0].size,
    "to every pixel": lambda dy, x: np.ones_like(x) * spread(dy),
    "a share for the largest": lambda dy, x: largest(x) * spread(dy) / x[0, 0].size,
    "the smallest": lambda dy, x: largest(-x) * spread(dy),
    "the largest in size": lambda dy, x: largest(np.abs(x)) * spread(dy),
    "the largest of each row": lambda dy, x: largest(x, (3,)) * spread(dy),
    "the largest of the batch": lambda dy, x: largest(x, (0, 2, 3)) * spread(dy),
    "times the value": lambda dy, x: largest(x) * x * spread(dy),
    "dy forgotten": lambda dy, x: largest(x) * 1.0,
    "the sign": lambda dy, x: -largest(x) * spread(dy),
}


class Residual:
    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return x + self.inner.forward(x)

    def backward(self, dy):
        return dy + self.inner.backward(dy)


def layer(forward=Residual.forward, backward=Residual.backward):
    return type("Mine", (Residual,), {"forward": forward, "backward": backward})


RESIDUAL = {
    "no shortcut": layer(
        lambda s, x: s.inner.forward(x),
        lambda s, dy: s.inner.backward(dy),
    ),
    "shortcut's gradient forgotten": layer(backward=lambda s, dy: s.inner.backward(dy)),
    "branch's gradient forgotten": layer(backward=lambda s, dy: dy),
    "forward in place of backward": layer(backward=lambda s, dy: dy + s.inner.forward(dy)),
    "gradients multiplied": layer(backward=lambda s, dy: dy * s.inner.backward(dy)),
    "the mean of both": layer(backward=lambda s, dy: (dy + s.inner.backward(dy)) / 2),
    "the shortcut twice": layer(backward=lambda s, dy: 2 * dy + s.inner.backward(dy)),
    "x twice": layer(lambda s, x: 2 * x + s.inner.forward(x)),
    "a difference": layer(lambda s, x: x - s.inner.forward(x)),
    "the inner layer after the sum": layer(
        lambda s, x: s.inner.forward(x + x), lambda s, dy: 2 * s.inner.backward(dy)
    ),
}

EXERCISES = {
    "smoothed_loss": (check.smoothed_loss, smoothed_loss, SMOOTHED),
    "max_backward": (check.max_backward, max_backward, MAX),
}
test_right, test_wrong = verdict_tests(EXERCISES)


def test_a_residual_layer_is_right_and_a_stub_is_not_written_yet():
    assert check.residual_layer(Residual)
    stub = layer(lambda s, x: None, lambda s, dy: None)
    assert repr(check.residual_layer(stub)).startswith("not written yet")
    assert repr(check.residual_layer(lambda inner: None)).startswith("not written yet")


def test_wrong_residual_layers_are_rejected():
    for name, wrong in RESIDUAL.items():
        verdict = check.residual_layer(wrong)
        assert not verdict and repr(verdict).startswith("wrong on"), name


def test_reasons_are_named():
    assert "not finite" in repr(check.smoothed_loss(unstable))
