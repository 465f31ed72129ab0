"""Checkers of the exercises of scratch/residual_block."""

from collections.abc import Callable
from math import comb

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, Wrong, forward_and_backward, judge
from resnet_tutorial.scratch.blocks import BasicBlock, PadShortcut
from resnet_tutorial.scratch.ops import (
    batch_norm,
    batch_norm_backward,
    conv2d,
    conv2d_backward,
    relu,
    relu_backward,
)

Array = np.ndarray
PARAMETERS = ("w1", "gamma1", "beta1", "w2", "gamma2", "beta2")
# The same six in a scratch block.
NAMES = ("conv1.weight", "bn1.weight", "bn1.bias", "conv2.weight", "bn2.weight", "bn2.bias")
RESULTS = "the results are y, then the gradients of x and of " + ", ".join(PARAMETERS)


def _arrays(shape: tuple[int, int, int, int], seed: int) -> tuple[Array, ...]:
    """x and the six parameters of a block, none of them at a special value."""
    rng, c = np.random.default_rng(seed), shape[1]
    shapes = {"w": (c, c, 3, 3), "gamma": (c,), "beta": (c,)}
    parameters = (rng.standard_normal(shapes[name[:-1]]) for name in PARAMETERS)
    return rng.standard_normal(shape), *parameters


def _v1(dy: Array, x: Array, *parameters: Array) -> tuple[Array, ...]:
    """relu(x + F(x)): the result, then every gradient."""
    c = x.shape[1]
    block = BasicBlock(c, c, np.random.default_rng(0))
    block.load_state_dict(block.state_dict() | dict(zip(NAMES, parameters, strict=True)))
    y = block(x)
    dx = block.backward(dy)
    return y, dx, *(block.named_grads()[name] for name in NAMES)


def _pre_activation(dy, x, w1, gamma1, beta1, w2, gamma2, beta2) -> tuple[Array, ...]:
    """x + conv(relu(bn(conv(relu(bn(x)))))): the result, then every gradient."""
    f, bn1 = batch_norm(x, gamma1, beta1)
    f, relu1 = relu(f)
    f, conv1 = conv2d(f, w1, padding=1)
    f, bn2 = batch_norm(f, gamma2, beta2)
    f, relu2 = relu(f)
    f, conv2 = conv2d(f, w2, padding=1)

    df, dw2 = conv2d_backward(dy, conv2)
    df = relu_backward(df, relu2)
    df, dgamma2, dbeta2 = batch_norm_backward(df, bn2)
    df, dw1 = conv2d_backward(df, conv1)
    df = relu_backward(df, relu1)
    df, dgamma1, dbeta1 = batch_norm_backward(df, bn1)
    return x + f, dy + df, dw1, dgamma1, dbeta1, dw2, dgamma2, dbeta2


def _judge_block(reference: Callable, op: Callable, op_backward: Callable) -> Verdict:
    cases = []
    for seed, shape in enumerate([(3, 2, 4, 5), (2, 3, 3, 3)]):
        arrays = _arrays(shape, seed)
        arguments = np.random.default_rng(seed + 9).standard_normal(shape), *arrays
        cases.append(Case(f"x of shape {shape}", arguments, reference(*arguments), RESULTS))
    return judge(forward_and_backward(op, op_backward), cases)


def block(op: Callable, op_backward: Callable) -> Verdict:
    """`y, cache = op(x, w1, gamma1, beta1, w2, gamma2, beta2)` is the v1 block, no shape change.

    `op_backward(dy, cache)` returns a tuple: one gradient for each argument of `op`, in order.
    """
    return _judge_block(_v1, op, op_backward)


def pre_activation_block(op: Callable, op_backward: Callable) -> Verdict:
    """As `block`, for x + W2 * relu(BN(W1 * relu(BN(x)))); gamma1, beta1 of the first BN."""
    return _judge_block(_pre_activation, op, op_backward)


def pad_backward(function: Callable) -> Verdict:
    """`function(dy, shape, stride)`: dx of option A for an x of `shape`."""
    cases = []
    for shape, channels, stride in [
        ((2, 3, 4, 4), 3, 1),
        ((2, 2, 6, 4), 2, 2),
        ((1, 2, 3, 3), 5, 1),
        ((2, 2, 4, 6), 4, 2),
        ((1, 1, 5, 7), 3, 2),
        ((2, 2, 7, 8), 3, 3),
    ]:
        layer = PadShortcut(shape[1], channels, stride, np.random.default_rng(0))
        dy = np.random.default_rng(channels).standard_normal(layer(np.ones(shape)).shape)
        what = f"x of shape {shape} to {channels} channels at stride {stride}"
        cases.append(Case(what, (dy, shape, stride), layer.backward(dy)))
    return judge(function, cases)


def _pairs_to_judge() -> list[tuple[str, Callable, Callable, bool]]:
    """What it is, `op`, `op_backward`, and whether they fit; x is (4, 2, 3, 3)."""
    gamma, w = np.array([2.0, 0.5]), np.array([[1.0, 2.0], [-3.0, 0.5]])

    def bn(x):
        return batch_norm(x, gamma, np.zeros(2))

    def without_x_hat(dy, cache):
        scale = (gamma * cache.inv_std)[:, None, None]
        return scale * (dy - dy.mean(axis=(0, 2, 3), keepdims=True))

    def skip(x):
        return x + relu(x)[0], x

    def channels(x):
        return np.einsum("oc,nchw->nohw", w, x), None

    def last_entry_wrong(dy, x):
        dx = 2 * x * dy
        dx.flat[-1] *= 2
        return dx

    def last_entry_slightly_wrong(dy, x):
        dx = 2 * x * dy
        dx.flat[-1] += 5e-3 * np.abs(dx).max()
        return dx

    return [
        ("batch norm with its backward", bn, lambda dy, c: batch_norm_backward(dy, c)[0], True),
        ("batch norm with a backward of zeros", bn, lambda dy, c: 0 * dy, False),
        ("batch norm whose backward lacks the x_hat term", bn, without_x_hat, False),
        ("x + relu(x) with its backward", skip, lambda dy, x: dy + dy * (x > 0), True),
        ("x + relu(x) whose backward lacks the skip", skip, lambda dy, x: dy * (x > 0), False),
        ("x + relu(x) with minus its gradient", skip, lambda dy, x: -dy - dy * (x > 0), False),
        (
            "a channel mixing with the transposed matrix",
            channels,
            lambda dy, _: np.einsum("oc,nohw->nchw", w, dy),
            True,
        ),
        ("a channel mixing, not transposed", channels, lambda dy, _: channels(dy)[0], False),
        ("x**2 with its backward", lambda x: (x**2, x), lambda dy, x: 2 * x * dy, True),
        ("x**2, one entry of dx wrong", lambda x: (x**2, x), last_entry_wrong, False),
        (
            "x**2, one entry of dx wrong by 1/200 of the largest",
            lambda x: (x**2, x),
            last_entry_slightly_wrong,
            False,
        ),
        ("1e9 x**2 with its backward", lambda x: (1e9 * x**2, x), lambda dy, x: 2e9 * x * dy, True),
        ("1e-9 x**2, half its dx", lambda x: (1e-9 * x**2, x), lambda dy, x: 1e-9 * x * dy, False),
    ]


def gradient_check(passes: Callable) -> Verdict:
    """`passes(op, op_backward, x)`: whether the backward fits, for right and wrong ones.

    `y, cache = op(x)` and `dx = op_backward(dy, cache)`.
    """
    # Of another law than a reader's normal dy: from equal generators dy would be x, and the true
    # gradient of batch norm nearly 0. No entry is next to the kink of the ReLU.
    rng = np.random.default_rng(385)
    x = rng.uniform(0.1, 2, (4, 2, 3, 3)) * rng.choice([-1, 1], (4, 2, 3, 3))
    return judge(
        passes,
        [
            Case(what, (op, op_backward, x), right)
            for what, op, op_backward, right in _pairs_to_judge()
        ],
    )


def _moving(zeroed: str) -> list[bool]:
    """Which of `PARAMETERS` have a gradient when one is 0 and the betas are 0 at the start."""
    arrays = dict(zip(("x", *PARAMETERS), _arrays((3, 2, 4, 4), 0), strict=True))
    for name in ("beta1", "beta2", zeroed):
        arrays[name] = np.zeros_like(arrays[name])
    dy = np.random.default_rng(1).standard_normal((3, 2, 4, 4))
    gradients = _v1(dy, *arrays.values())[2:]
    return [bool(np.any(g != 0)) for g in gradients]


def moving_parameters(function: Callable) -> Verdict:
    """`function(zeroed)`: the set of parameters whose gradient is not 0 when `zeroed` is all 0.

    `zeroed` is "gamma2", "w2", "gamma1" or "w1"; both betas are 0, the rest is random.
    """

    def answer(zeroed):
        names = function(zeroed)
        if names is None:
            return None
        if unknown := sorted(set(names) - set(PARAMETERS)):
            raise Wrong(f"{unknown} are not among {PARAMETERS}")
        return [name in names for name in PARAMETERS]

    zeroed = ("gamma2", "w2", "gamma1", "w1")
    return judge(answer, [Case(f"{name} = 0", (name,), _moving(name)) for name in zeroed])


def path_shares(function: Callable) -> Verdict:
    """`function(blocks, eps)`: shares of the paths with 0, 1, ..., `blocks` branches, summing to 1.

    A path through k branches weighs eps**k.
    """
    cases = []
    for blocks, eps in [(1, 1.0), (4, 1.0), (4, 0.5), (54, 0.27)]:
        weights = [comb(blocks, k) * eps**k for k in range(blocks + 1)]
        expected = np.array(weights) / sum(weights)
        cases.append(Case(f"{blocks} blocks, eps = {eps}", (blocks, eps), expected))
    return judge(function, cases)
