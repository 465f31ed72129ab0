"""What the site's instruments compute, in Python: for their still pictures and for their tests."""

from dataclasses import dataclass
from fractions import Fraction
from functools import partial, reduce
from math import comb

import numpy as np
from jaxtyping import Float

from resnet_tutorial.scratch import ops

Batch = Float[np.ndarray, "b n"]
KAPPA = np.pi / (np.pi - 1)


@dataclass(frozen=True)
class Net:
    """A fully connected net at initialisation; weights have `gain` times He's deviation.

    Without skips a block is one layer, sigma(BN(W x)); with them it is two,
    x + branch_scale W2 sigma(BN(W1 sigma(BN(x)))). Without batch norm BN is left out, and with the
    first BN the ReLU behind it.
    """

    depth: int
    gain: float = 1.0
    branch_scale: float = 1.0
    skip: bool = False
    batch_norm: bool = False

    @property
    def layers_a_block(self) -> int:
        return 2 if self.skip else 1

    def draw(self, width: int, seed: int) -> Float[np.ndarray, "depth n n"]:
        """Normal weights of all layers."""
        normal = np.random.default_rng(seed).standard_normal((self.depth, width, width))
        return self.gain * np.sqrt(2 / width) * normal


def _linear(w, x):
    y, cache = ops.linear(x, w, np.zeros(len(w)))
    return y, lambda dy: ops.linear_backward(dy, cache)[0]


def _batch_norm(x):
    n = x.shape[1]
    y, cache = ops.batch_norm(x[..., None, None], np.ones(n), np.zeros(n), eps=0.0)

    def back(dy):
        dx, _, _ = ops.batch_norm_backward(dy[..., None, None], cache)
        return dx[..., 0, 0]

    return y[..., 0, 0], back


def _relu(x):
    y, cache = ops.relu(x)
    return y, lambda dy: ops.relu_backward(dy, cache)


def _chain(steps, x):
    backs = []
    for step in steps:
        x, back = step(x)
        backs.append(back)
    return x, lambda dy: reduce(lambda g, back: back(g), reversed(backs), dy)


def _residual(branch, scale, x):
    f, back = _chain(branch, x)
    return x + scale * f, lambda dy: dy + back(scale * dy)


def _blocks(net, weights):
    norm = [_batch_norm] if net.batch_norm else []
    layers = [partial(_linear, w) for w in weights]
    if not net.skip:
        return [partial(_chain, [layer, *norm, _relu]) for layer in layers]
    before = [_batch_norm, _relu] if net.batch_norm else []
    pairs = zip(layers[::2], layers[1::2], strict=True)
    branches = [[*before, first, *norm, _relu, second] for first, second in pairs]
    return [partial(_residual, branch, net.branch_scale) for branch in branches]


def profiles(
    net: Net, weights: Float[np.ndarray, "depth n n"], x: Batch, cotangent: Batch
) -> tuple[Float[np.ndarray, " blocks1"], Float[np.ndarray, " blocks1"]]:
    """Root mean squares of the signal and of the gradient before the first and after each block."""
    states, backs = [x], []
    for block in _blocks(net, weights):
        y, back = block(states[-1])
        states.append(y)
        backs.append(back)
    gradients = [cotangent]
    for back in reversed(backs):
        gradients.append(back(gradients[-1]))
    rms = [[np.sqrt((a**2).mean()) for a in arrays] for arrays in (states, reversed(gradients))]
    return np.array(rms[0]), np.array(rms[1])


def laws(net: Net) -> tuple[Float[np.ndarray, " blocks1"], Float[np.ndarray, " blocks1"]]:
    """Theory of `profiles`, for standard normal x and cotangent: (he-depth), (he-backward),
    (residual-growth), (bn-second-moment) of theory/signal_propagation; (explosion) and
    (residual-explosion) of theory/explosion."""
    number = net.depth // net.layers_a_block
    forward, backward = np.ones(number + 1), np.ones(number)  # squares; factors of squares
    if not net.skip and net.batch_norm:
        forward[1:], backward[:] = 1 / 2, KAPPA
        backward[0] = 1 / 2  # x has variance 1 where a layer has (1 - 1/pi) / 2
    elif not net.skip:
        forward, backward[:] = net.gain ** (2.0 * np.arange(number + 1)), net.gain**2
    elif net.batch_norm:
        added = (net.branch_scale * net.gain) ** 2
        forward += added * np.arange(number + 1)
        backward += added * KAPPA / (1 + added / KAPPA * np.arange(number))
    else:
        growth = 1 + 2 * net.branch_scale**2 * net.gain**4
        forward, backward[:] = growth ** np.arange(number + 1), growth
    return np.sqrt(forward), np.sqrt(np.append(np.cumprod(backward[::-1])[::-1], 1))


def path_shares(blocks: int, weight: Fraction) -> list[Fraction]:
    """The exact share of the paths through k = 0, ..., blocks branches, each branch weighing so."""
    return [comb(blocks, k) * weight**k / (1 + weight) ** blocks for k in range(blocks + 1)]


def measured_shares(weights: list[Fraction]) -> list[Fraction]:
    """The same where each branch has a weight of its own: by recursion over the blocks."""
    shares = [Fraction(1)]
    for weight in weights:
        on, off = weight / (1 + weight), 1 / (1 + weight)
        shares = [
            off * stays + on * comes
            for stays, comes in zip([*shares, 0], [0, *shares], strict=True)
        ]
    return shares


def moments(shares: list[Fraction]) -> tuple[float, float]:
    """Mean and standard deviation of the length of a path."""
    mean = sum(k * share for k, share in enumerate(shares))
    variance = sum((k - mean) ** 2 * share for k, share in enumerate(shares))
    return float(mean), float(variance) ** 0.5
