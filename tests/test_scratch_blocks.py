"""Layers, shortcuts and blocks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from against_torch import close, examples, layer_agrees, random_dy
from hypothesis import given
from hypothesis import strategies as st

from resnet_tutorial.scratch import layers
from resnet_tutorial.scratch.blocks import (
    BasicBlock,
    Bottleneck,
    IdentityShortcut,
    PadShortcut,
    PlainBlock,
    ProjectionShortcut,
)

few = st.integers(1, 4)
modes = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
strides = st.integers(1, 3)


def rng():
    return np.random.default_rng(0)


@st.composite
def images(draw, channels=few):
    """Odd sizes too, and never one value per channel, even after a stride of 3."""
    shape = (
        draw(st.integers(2, 3)),
        draw(channels),
        draw(st.integers(1, 8)),
        draw(st.integers(4, 8)),
    )
    return np.random.default_rng(draw(st.integers(0, 99))).standard_normal(shape)


# ---- references, written with torch.nn.functional ----------------------------------------------


def batch_norm(weights, x, name, training):
    mean, var = weights[f"{name}running_mean"], weights[f"{name}running_var"]
    return F.batch_norm(x, mean, var, weights[f"{name}weight"], weights[f"{name}bias"], training)


def conv_bn(weights, x, i, training, stride=1):
    w = weights[f"conv{i}.weight"]
    x = F.conv2d(x, w, stride=stride, padding=w.shape[-1] // 2)
    return batch_norm(weights, x, f"bn{i}.", training)


def pad(x, out_channels, stride):
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, out_channels - x.shape[1]))


def project(weights, x, stride, training, prefix=""):
    x = F.conv2d(x, weights[f"{prefix}0.weight"], stride=stride)
    return batch_norm(weights, x, f"{prefix}1.", training)


def residual_block(convolutions, strided, stride, training):
    """The block as a function of weights and x; which shortcut, the weights and shapes tell."""

    def reference(weights, x):
        f = x
        for i in range(1, convolutions + 1):
            f = conv_bn(weights, f, i, training, stride if i == strided else 1)
            f = F.relu(f) if i < convolutions else f
        if "downsample.0.weight" in weights:
            return F.relu(f + project(weights, x, stride, training, "downsample."))
        return F.relu(f + pad(x, f.shape[1], stride))

    return reference


# ---- layers ------------------------------------------------------------------------------------


@examples
@given(images(), strides, st.integers(0, 2))
def test_conv2d(x, stride, padding):
    layer = layers.Conv2d((3, x.shape[1], 1, 2), rng(), stride, padding)
    reference = lambda w, x: F.conv2d(x, w["weight"], None, stride, padding)  # noqa: E731
    layer_agrees(layer, reference, x, training=True)


@modes
@examples
@given(x=images())
def test_batch_norm(x, training):
    """Also the running averages: momentum 0.1, unbiased variance."""
    layer = layers.BatchNorm2d(x.shape[1])
    layer_agrees(layer, lambda w, x: batch_norm(w, x, "", training), x, training)


def test_linear():
    layer = layers.Linear(5, 3, rng())
    x = rng().standard_normal((4, 5))
    layer_agrees(layer, lambda w, x: F.linear(x, w["weight"], w["bias"]), x, training=True)


def test_sequential():
    layer = layers.Sequential(layers.Linear(5, 3, rng()), layers.relu(), layers.Linear(3, 2, rng()))
    assert list(layer.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    x = rng().standard_normal((4, 5)) - 1

    def reference(w, x):
        hidden = F.relu(F.linear(x, w["0.weight"], w["0.bias"]))
        return F.linear(hidden, w["2.weight"], w["2.bias"])

    layer_agrees(layer, reference, x, training=True)


def test_initial_weights():
    """He by fan-out, and PyTorch's default for Linear: Var = 1 / (3 in_features)."""
    w = layers.Conv2d((200, 30, 3, 5), rng()).params["weight"]
    assert w.dtype == np.float32
    assert w.var() == pytest.approx(2 / (200 * 15), rel=0.02)
    linear = layers.Linear(400, 500, rng()).params
    assert linear["weight"].var() == pytest.approx(1 / (3 * 400), rel=0.02)
    assert np.abs(linear["weight"]).max() <= 1 / 20
    assert np.abs(linear["bias"]).max() <= 1 / 20


def test_equal_generators_give_equal_weights():
    first, second = (BasicBlock(2, 2, rng()).state_dict() for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["conv1.weight"], first["conv2.weight"])


def test_backward_needs_forward():
    with pytest.raises(ValueError, match="Linear.backward needs a forward pass before it"):
        layers.Linear(2, 2, rng()).backward(np.ones((1, 2)))


# ---- shortcuts ---------------------------------------------------------------------------------


@examples
@given(images(), strides, st.integers(0, 3))
def test_pad_shortcut(x, stride, extra):
    shortcut = PadShortcut(x.shape[1], x.shape[1] + extra, stride, rng())
    layer_agrees(shortcut, lambda w, x: pad(x, x.shape[1] + extra, stride), x, training=True)


@examples
@given(images(), strides)
def test_pad_shortcut_is_a_partial_isometry(x, stride):
    """D17: S S^T y = y where S keeps something, and 0 in the new channels."""
    shortcut = PadShortcut(x.shape[1], x.shape[1] + 2, stride, rng())
    y = random_dy(shortcut(x))
    projected = shortcut(shortcut.backward(y))
    assert np.array_equal(projected[:, :-2], y[:, :-2])
    assert not projected[:, -2:].any()


@modes
@examples
@given(x=images(), stride=strides, out_channels=st.integers(1, 5))
def test_projection_shortcut(x, stride, out_channels, training):
    shortcut = ProjectionShortcut(x.shape[1], out_channels, stride, rng())
    layer_agrees(shortcut, lambda w, x: project(w, x, stride, training), x, training)


def test_identity_shortcut():
    x = np.ones((1, 2, 3, 3))
    shortcut = IdentityShortcut(2, 2, 1, rng())
    assert shortcut(x) is x
    assert shortcut.backward(x) is x


# ---- blocks ------------------------------------------------------------------------------------


@modes
@examples
@given(x=images(), stride=strides, width=st.integers(1, 4))
def test_plain_block(x, stride, width, training):
    def reference(weights, x):
        x = F.relu(conv_bn(weights, x, 1, training, stride))
        return F.relu(conv_bn(weights, x, 2, training))

    layer_agrees(PlainBlock(x.shape[1], width, rng(), stride), reference, x, training)


@modes
@examples
@given(x=images())
def test_basic_block_with_identity(x, training):
    block = BasicBlock(x.shape[1], x.shape[1], rng())
    layer_agrees(block, residual_block(2, 1, 1, training), x, training)


@modes
@pytest.mark.parametrize("shortcut", [PadShortcut, ProjectionShortcut])
@examples
@given(x=images(), stride=strides, extra=st.integers(0, 3))
def test_basic_block(x, stride, extra, shortcut, training):
    block = BasicBlock(x.shape[1], x.shape[1] + extra, rng(), stride, shortcut)
    layer_agrees(block, residual_block(2, 1, stride, training), x, training)


@modes
@pytest.mark.parametrize("shortcut", [PadShortcut, ProjectionShortcut])
@examples
@given(x=images(), stride=strides, width=st.integers(1, 3))
def test_bottleneck(x, stride, width, shortcut, training):
    """The stride is on the second convolution, the 3x3."""
    x = x[:, : 4 * width]
    block = Bottleneck(x.shape[1], width, rng(), stride, shortcut)
    layer_agrees(block, residual_block(3, 2, stride, training), x, training)


@modes
@examples
@given(x=images(st.just(8)))
def test_bottleneck_with_identity(x, training):
    block = Bottleneck(8, 2, rng(), 1, IdentityShortcut)
    layer_agrees(block, residual_block(3, 2, 1, training), x, training)


def test_zero_gamma_makes_the_block_an_identity():
    """D24: with gamma2 = 0 the weights of both convolutions have gradient exactly 0."""
    block = BasicBlock(3, 3, rng())
    block.bn2.params["weight"] = np.zeros(3)
    x = rng().standard_normal((4, 3, 5, 5))
    y = block(x)
    close(y, np.maximum(x, 0))
    block.backward(random_dy(y))
    gradients = block.named_grads()
    assert not gradients["conv1.weight"].any()
    assert not gradients["conv2.weight"].any()
    assert gradients["bn2.weight"].all()
    assert gradients["bn2.bias"].all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: BasicBlock(16, 32, rng()),
            "from 16 to 32 channels with stride 1: use PadShortcut",
        ),
        (lambda: BasicBlock(16, 16, rng(), 2), "from 16 to 16 channels with stride 2"),
        (lambda: Bottleneck(16, 16, rng(), 1, IdentityShortcut), "from 16 to 64 channels"),
        (lambda: PadShortcut(32, 16, 1, rng()), "from 32 down to 16 channels: use Projection"),
    ],
)
def test_a_shortcut_that_cannot_be_added_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_names_are_torchvisions():
    names = set(BasicBlock(2, 4, rng(), 2, ProjectionShortcut).state_dict())
    bn = ["weight", "bias", "running_mean", "running_var"]
    expected = {"conv1.weight", "conv2.weight", "downsample.0.weight"}
    expected |= {f"{layer}.{k}" for layer in ("bn1", "bn2", "downsample.1") for k in bn}
    assert names == expected


def test_state_is_a_snapshot():
    layer = layers.BatchNorm2d(2)
    before = layer.state_dict()
    layer(rng().standard_normal((3, 2, 2, 2)))
    assert not before["running_mean"].any()
    assert layer.state_dict()["running_mean"].all()


def test_loaded_arrays_are_copied_and_set_the_precision():
    layer = layers.Linear(2, 2, rng())
    state = {"weight": np.ones((2, 2)), "bias": torch.ones(2, dtype=torch.float64)}
    layer.load_state_dict(state)
    state["weight"][:] = 7
    assert layer.params["weight"].tolist() == [[1, 1], [1, 1]]
    assert layer(np.ones((1, 2))).dtype == np.float64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bn1.bias": None}, "the state lacks bn1.bias"),
        ({"bn9.bias": np.ones(2)}, "the network has no bn9.bias"),
        ({"conv1.weight": np.ones((1, 2, 3, 3))}, r"conv1.weight must be \(2, 2, 3, 3\), got \(1,"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    block = BasicBlock(2, 2, rng())
    before = block.state_dict()
    state = {k: v + 1 for k, v in before.items()} | change
    state = {k: v for k, v in state.items() if v is not None}
    with pytest.raises(ValueError, match=message):
        block.load_state_dict(state)
    assert all(block.state_dict()[name] is before[name] for name in before)
