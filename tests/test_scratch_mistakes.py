"""What a user can hand to the NumPy package by mistake: one line, and never a wrong answer."""

import warnings

import numpy as np
import pytest
from against_torch import OPERATIONS, shapes_unchecked  # noqa: F401

from resnet_tutorial.scratch import blocks, gradcheck, layers, network, ops

pytestmark = pytest.mark.usefixtures("shapes_unchecked")


def rng():
    return np.random.default_rng(0)


AS_FLOAT = "must be float32 or float64, got {}: use .*astype"
KINDS = {
    "uint8": (lambda a: np.ones(a.shape, np.uint8), AS_FLOAT.format("uint8")),
    "int64": (lambda a: np.ones(a.shape, np.int64), AS_FLOAT.format("int64")),
    "bool": (lambda a: np.ones(a.shape, bool), AS_FLOAT.format("bool")),
    "float16": (lambda a: a.astype(np.float16), AS_FLOAT.format("float16")),
    "complex": (lambda a: a + 1j, AS_FLOAT.format("complex128")),
    "object": (lambda a: a.astype(object), AS_FLOAT.format("object")),
    "text": (lambda a: a.astype(str), AS_FLOAT.format("<U32")),
    "masked": (lambda a: np.ma.masked_invalid(a), "plain NumPy array, got MaskedArray: convert"),
    "list": (lambda a: a.tolist(), "plain NumPy array, got list: convert"),
    "none": (lambda a: None, "plain NumPy array, got NoneType: convert"),
}


def refused(action, message):
    """ValueError of one line, from no warning on."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message) as error:
            action()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_array_of_every_operation_must_hold_floats(name, kind):
    change, message = KINDS[kind]
    arrays, how = OPERATIONS[name]
    op, op_backward = getattr(ops, name), getattr(ops, f"{name}_backward")
    for i in range(len(arrays)):
        changed = [*arrays[:i], change(arrays[i]), *arrays[i + 1 :]]
        refused(lambda changed=changed: op(*changed, **how), message)
    for key in how.keys() & {"mean", "var"}:
        refused(lambda key=key: op(*arrays, **how | {key: change(how[key])}), message)
    y, cache = op(*arrays, **how)
    if np.ndim(y):
        refused(lambda: op_backward(change(y), cache), message)


@pytest.mark.parametrize("value", [0, -1, 1.0, 1.5, "2", None, True, (2, 2), np.nan])
def test_strides_and_sizes_are_whole(value):
    x, w = np.ones((2, 3, 6, 6)), np.ones((4, 3, 3, 3))
    refused(lambda: ops.conv2d(x, w, stride=value), "stride must be at least 1 and an int")
    refused(lambda: ops.max_pool2d(x, value), "size must be at least 1 and an int")
    refused(lambda: layers.Conv2d((4, 3, 3, 3), rng(), value), "stride must be at least 1")
    refused(lambda: blocks.PadShortcut(3, 4, value, rng()), "stride must be at least 1")
    if value is not None:
        refused(lambda: ops.max_pool2d(x, 2, stride=value), "stride must be at least 1")
    if value != 0:
        refused(lambda: ops.conv2d(x, w, padding=value), "padding must be at least 0 and an int")
        refused(lambda: ops.max_pool2d(x, 2, padding=value), "padding must be at least 0")
        refused(lambda: layers.Conv2d((4, 3, 3, 3), rng(), 1, value), "padding must be at least")
    refused(lambda: layers.Conv2d((4, value, 3, 3), rng()), "each number of the shape .* at least")
    refused(lambda: layers.BatchNorm2d(value), "channels must be at least 1")
    refused(lambda: layers.Linear(value, 2, rng()), "in_features must be at least 1")
    refused(lambda: network.ResNet(value, rng()), "number of blocks in a stage must be at least 1")
    refused(lambda: network.ResNet(1, rng()).predict(x, value), "batch_size must be at least 1")


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, "0.1", None, 1j, np.ones(2)])
def test_rates_are_finite_and_not_negative(value):
    x, one, net = np.ones((2, 1, 2, 2)), np.ones(1), layers.Linear(2, 2, rng())
    refused(lambda: ops.batch_norm(x, one, one, eps=value), "eps must be a finite number")
    refused(lambda: ops.batch_norm_eval(x, one, one, one, one, eps=value), "eps must be a finite")
    refused(lambda: layers.BatchNorm2d(2, value), "momentum must be a finite number")
    refused(lambda: network.SGD(net, value), "lr must be a finite number")
    refused(lambda: network.SGD(net, 0.1, weight_decay=value), "weight_decay must be a finite")
    optimiser = network.SGD(net, 0.1)
    optimiser.lr = value
    refused(optimiser.step, "lr must be a finite number")


x, logits = np.ones((2, 3, 4, 4)), np.zeros((2, 3))
no_images = np.ones((2, 3, 0, 4))
MISTAKES = {
    "a kernel of no size": (lambda: ops.conv2d(x, np.ones((4, 3, 0, 3))), "the kernel's height"),
    "no pixels, convolution": (lambda: ops.conv2d(no_images, np.ones((4, 3, 1, 1))), "without pi"),
    "no pixels, average": (lambda: ops.global_avg_pool(no_images), "images without pixels"),
    "no channels": (lambda: ops.max_pool2d(x[:, :0], 2), "images without pixels"),
    "a negative variance": (
        lambda: ops.batch_norm_eval(x, *[np.ones(3)] * 3, -np.ones(3)),
        "var must not be negative, got -1.0",
    ),
    "no rows": (lambda: ops.cross_entropy(logits[:0], np.zeros(0, int)), "the mean of no loss"),
    "no classes": (lambda: ops.cross_entropy(logits[:, :0], np.zeros(2, int)), "mean of no loss"),
    "labels in a list": (lambda: ops.cross_entropy(logits, [0, 1]), "labels must be a plain"),
    "labels that are bool": (
        lambda: ops.cross_entropy(logits, np.array([True, False])),
        "labels must be integers, got bool",
    ),
    "one-hot labels": (
        lambda: ops.cross_entropy(logits, np.eye(3, dtype=int)[:2]),
        r"one label for each of 2 rows, got \(2, 3\)",
    ),
    "masked labels": (
        lambda: ops.cross_entropy(logits, np.ma.masked_equal([0, 1], 1)),
        "labels must be a plain NumPy array, got MaskedArray",
    ),
    "a loss of two numbers": (
        lambda: ops.cross_entropy_backward(
            np.ones(2), ops.cross_entropy(logits, np.array([0, 1]))[1]
        ),
        "dloss must be one number",
    ),
    "a complex loss": (
        lambda: ops.cross_entropy_backward(1j, ops.cross_entropy(logits, np.array([0, 1]))[1]),
        "dloss must be one number",
    ),
    "a seed, convolution": (lambda: network.ResNet(1, 0), "rng must be a generator, got 0: use"),
    "a seed, linear": (lambda: layers.Linear(2, 2, 0), "rng must be a generator, got 0"),
    "a short shape": (lambda: layers.Conv2d((4, 3, 3), rng()), "expected a shape .* got"),
    "a list of layers": (lambda: layers.Sequential([layers.relu()]), "expected layers, .*got list"),
    "more stages than widths": (
        lambda: network.ImageNetResNet((1, 1, 1), rng(), widths=(2, 3)),
        "each stage needs a size and a width",
    ),
    "a name for a block": (lambda: network.ResNet(1, rng(), "BasicBlock"), "block must be the"),
    "a name for a shortcut": (
        lambda: network.ResNet(1, rng(), shortcut="A"),
        "shortcut must be the part itself",
    ),
    "a name that is no text": (lambda: network.build(50, rng()), "unknown net 50: choose one of"),
    "no stages": (lambda: network.ResNet(1, rng(), widths=()), "each stage needs a size"),
    "the wrong channels for zeros": (
        lambda: blocks.PadShortcut(2, 4, 1, rng())(x),
        "x has 3 channels, not 2",
    ),
    "no backward pass": (
        lambda: network.SGD(layers.Sequential(layers.Linear(2, 2, rng())), 0.1).step(),
        "needs a backward pass before it: 0.bias, 0.weight",
    ),
    "grey images": (
        lambda: network.ResNet(1, rng()).predict(np.ones((2, 1, 8, 8), np.float32)),
        "x has 1 channels, w expects 3",
    ),
    "pixels 0 to 255": (
        lambda: network.ResNet(1, rng()).predict(np.ones((2, 3, 8, 8), np.uint8)),
        "x must be float32 or float64, got uint8",
    ),
    "images in a list": (lambda: network.ResNet(1, rng()).predict([]), "x must be a plain NumPy"),
    "images that are no numbers": (
        lambda: network.ResNet(1, rng()).predict(np.full((2, 3, 8, 8), np.nan, np.float32)),
        "the logits are not finite",
    ),
    "a list to differentiate by": (
        lambda: gradcheck.gradcheck(ops.relu, ops.relu_backward, [1.0, 2.0]),
        "plain NumPy array, got list",
    ),
    "nothing to differentiate by": (
        lambda: gradcheck.gradcheck(ops.relu, ops.relu_backward),
        "expected at least one array",
    ),
    "an empty array": (
        lambda: gradcheck.gradcheck(ops.relu, ops.relu_backward, np.ones(0)),
        "nothing to differentiate by",
    ),
    "an op without a cache": (
        lambda: gradcheck.gradcheck(lambda x: 2 * x, lambda dy, cache: 2 * dy, np.ones(2)),
        "op must return y, cache, got ndarray",
    ),
    "a forgotten return": (
        lambda: gradcheck.gradcheck(ops.relu, lambda dy, cache: None, np.ones(2)),
        r"expected gradients of the shapes \[\(2,\)\], got \[\(\)\]",
    ),
    "a function of many values": (
        lambda: gradcheck.numerical_gradient(np.sin, np.ones(2)),
        r"f must return one number, got \(2,\)",
    ),
    "a step of 0": (
        lambda: gradcheck.numerical_gradient(np.sum, np.ones(2), step=0),
        "step must be positive",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_gets_a_clear_line(name):
    refused(*MISTAKES[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.astype(int), "conv1.weight must be float32 or float64, got int64"),
        (lambda w: w * np.nan, "conv1.weight must be finite"),
        (lambda w: np.ma.masked_greater(w, 0), "got MaskedArray"),
        (lambda w: w + 1j, "got complex"),
        (lambda w: w.tolist()[:1], r"must be \(2, 2, 3, 3\), got \(1, 2, 3, 3\)"),
    ],
)
def test_weights_that_are_none(change, message):
    block = blocks.BasicBlock(2, 2, rng())
    before = block.state_dict()
    state = before | {"conv1.weight": change(before["conv1.weight"])}
    refused(lambda: block.load_state_dict(state), message)
    assert all(block.state_dict()[name] is before[name] for name in before)


def test_a_negative_running_variance_is_refused():
    layer = layers.BatchNorm2d(2)
    state = layer.state_dict() | {"running_var": np.array([1.0, -1.0])}
    refused(lambda: layer.load_state_dict(state), "running_var is a variance")


def test_many_wrong_names_make_a_short_line():
    net = network.ResNet(1, rng())
    refused(lambda: net.load_state_dict({}), r"the state lacks bn1.bias, .* and \d+ more$")


def test_numpys_numbers_do_not_set_the_precision():
    """A rate from a schedule is often a NumPy float64, which would turn the weights to float64."""
    net = network.ResNet(1, rng(), widths=(2, 3, 4))
    images = rng().standard_normal((2, 3, 8, 8), dtype=np.float32)
    net.loss_and_grads(images, np.array([0, 1]))
    rate = np.float64(0.1)
    network.SGD(net, rate, momentum=rate, weight_decay=rate).step()
    bn = layers.BatchNorm2d(3, momentum=rate, eps=rate)
    bn(images)
    arrays = [*net.state_dict().values(), *bn.state_dict().values()]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_a_gradient_that_is_no_number_is_no_agreement():
    """In whichever place it stands: Python's max would lose it behind a number."""
    (x, w, b), _ = OPERATIONS["linear"]
    for broken in range(3):

        def op_backward(dy, cache, broken=broken):
            gradients = list(ops.linear_backward(dy, cache))
            gradients[broken] = gradients[broken] * np.nan
            return tuple(gradients)

        assert np.isnan(gradcheck.gradcheck(ops.linear, op_backward, x, w, b))


def test_pooling_passes_on_what_is_no_number():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    x[0, 0, 0, 0] = x[0, 0, 3, 3] = np.nan  # the first and the last of their windows
    assert np.isnan(ops.max_pool2d(x, 2)[0]).tolist() == [[[[True, False], [False, True]]]]


def test_files_on_disk_are_taken(tmp_path):
    """A memory map, np.load(..., mmap_mode="r"), is a plain array for all that counts."""
    np.save(tmp_path / "x.npy", np.ones((1, 1, 2, 2)))
    assert ops.global_avg_pool(np.load(tmp_path / "x.npy", mmap_mode="r"))[0].item() == 1
