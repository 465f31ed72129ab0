import numpy as np
import pytest
import torch
import torch.nn.functional as F
from against_torch import (
    OPERATIONS,
    close,
    examples,
    op_agrees,
    random_dy,
    shapes_unchecked,  # noqa: F401
)
from hypothesis import given
from hypothesis import strategies as st

from resnet_tutorial.scratch import ops

sizes = st.integers(1, 4)


@st.composite
def convolutions(draw):
    """Images, weights, stride and padding that fit: odd sizes and kernels that are not square."""
    kh, kw = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    stride, padding = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    height = draw(st.integers(max(1, kh - 2 * padding), 9))
    width = draw(st.integers(max(1, kw - 2 * padding), 9))
    n, c, o = draw(sizes), draw(sizes), draw(sizes)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x, w = rng.standard_normal((n, c, height, width)), rng.standard_normal((o, c, kh, kw))
    return x, w, {"stride": stride, "padding": padding}


@st.composite
def images(draw, least=1):
    shape = draw(sizes), draw(sizes), draw(st.integers(least, 7)), draw(st.integers(1, 7))
    return np.random.default_rng(draw(st.integers(0, 99))).standard_normal(shape)


def channels(x, count):
    return np.random.default_rng(3).uniform(0.5, 2, (count, x.shape[1]))


@examples
@given(convolutions())
def test_conv2d(case):
    x, w, how = case
    op_agrees(ops.conv2d, ops.conv2d_backward, lambda x, w: F.conv2d(x, w, **how), x, w, **how)


@examples
@given(convolutions())
def test_conv2d_backward_is_the_adjoint(case):
    """<dy, conv(x, w)> = <dx, x> = <dw, w>: the convolution is linear in x and in w."""
    x, w, how = case
    y, cache = ops.conv2d(x, w, **how)
    dy = random_dy(y)
    dx, dw = ops.conv2d_backward(dy, cache)
    close(np.vdot(dx, x), np.vdot(dy, y), 1e-9)
    close(np.vdot(dw, w), np.vdot(dy, y), 1e-9)


def test_conv2d_by_hand():
    """One window, kernel not flipped; then what padding sees at a corner."""
    x, w = np.arange(9.0).reshape(1, 1, 3, 3), np.arange(9.0).reshape(1, 1, 3, 3)
    assert ops.conv2d(x, w)[0].item() == sum(i * i for i in range(9))
    assert ops.conv2d(x, w, padding=1)[0][0, 0, 0, 0] == 0 * 4 + 1 * 5 + 3 * 7 + 4 * 8


def test_conv2d_takes_any_order_in_memory():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 5, 6)), rng.standard_normal((4, 3, 3, 3))
    expected = ops.conv2d(x, w, padding=1)[0]
    strange = np.asfortranarray(x)[:, :, ::-1][:, :, ::-1]
    assert np.array_equal(ops.conv2d(strange, np.asfortranarray(w), padding=1)[0], expected)


@examples
@given(images(least=2))
def test_batch_norm(x):
    gamma, beta = channels(x, 2)

    def reference(x, gamma, beta):
        return F.batch_norm(x, None, None, gamma, beta, training=True)

    op_agrees(ops.batch_norm, ops.batch_norm_backward, reference, x, gamma, beta)


def test_batch_norm_by_its_definition():
    """D23: dx sums to 0 and is orthogonal to x_hat, and the cache has the biased variance."""
    x = np.random.default_rng(0).standard_normal((4, 2, 3, 3)) * 3 + 5
    y, cache = ops.batch_norm(x, np.ones(2), np.zeros(2), eps=0.0)
    close(y.mean((0, 2, 3)), np.zeros(2))
    close(y.var((0, 2, 3)), np.ones(2))
    close(cache.mean, x.mean((0, 2, 3)))
    close(cache.var, x.var((0, 2, 3)))
    dx = ops.batch_norm_backward(random_dy(y), cache)[0]
    close(dx.sum((0, 2, 3)), np.zeros(2))
    close((dx * cache.x_hat).sum((0, 2, 3)), np.zeros(2))


@examples
@given(images())
def test_batch_norm_eval(x):
    gamma, beta, mean, var = channels(x, 4)
    tensors = torch.tensor(mean), torch.tensor(var)
    op_agrees(
        lambda x, gamma, beta: ops.batch_norm_eval(x, gamma, beta, mean, var),
        ops.batch_norm_eval_backward,
        lambda x, gamma, beta: F.batch_norm(x, *tensors, gamma, beta, training=False),
        x,
        gamma,
        beta,
    )


@examples
@given(images())
def test_relu(x):
    op_agrees(ops.relu, ops.relu_backward, F.relu, x)


def test_relu_at_zero():
    x = np.array([-1.0, 0.0, 1.0])
    op_agrees(ops.relu, ops.relu_backward, F.relu, x)
    assert ops.relu_backward(np.ones(3), x).tolist() == [0, 0, 1]


@examples
@given(images(), st.integers(1, 4), st.integers(1, 3), st.booleans(), st.booleans())
def test_max_pool2d(x, size, stride, pad, ties):
    """With overlaps (stride < size), gaps (stride > size), ties, and all values below 0."""
    padding = size // 2 if pad else 0
    if min(x.shape[2:]) + 2 * padding < size:
        return
    x = x.round() - 9 if ties else x
    how = {"stride": stride, "padding": padding}
    op_agrees(
        ops.max_pool2d,
        ops.max_pool2d_backward,
        lambda x: F.max_pool2d(x, size, **how),
        x,
        size=size,
        **how,
    )


def test_max_pool2d_stride_is_size_by_default():
    x = np.arange(36.0).reshape(1, 1, 6, 6)
    assert np.array_equal(ops.max_pool2d(x, 3)[0], x[:, :, 2::3, 2::3])


@examples
@given(images())
def test_global_avg_pool(x):
    mean = lambda x: x.mean((2, 3))  # noqa: E731
    op_agrees(ops.global_avg_pool, ops.global_avg_pool_backward, mean, x)


@examples
@given(sizes, sizes, sizes)
def test_linear(n, d, k):
    rng = np.random.default_rng(n + 10 * d + 100 * k)
    x, w, b = (rng.standard_normal(shape) for shape in ((n, d), (k, d), (k,)))
    op_agrees(ops.linear, ops.linear_backward, F.linear, x, w, b)


@examples
@given(sizes, st.integers(1, 6), st.sampled_from([1.0, 1e3]))
def test_cross_entropy(n, classes, scale):
    rng = np.random.default_rng(n + 10 * classes)
    logits, labels = rng.standard_normal((n, classes)) * scale, rng.integers(0, classes, n)
    op_agrees(
        ops.cross_entropy,
        ops.cross_entropy_backward,
        lambda z: F.cross_entropy(z, torch.tensor(labels)),
        logits,
        labels=labels,
    )


def test_cross_entropy_of_equal_logits():
    assert ops.cross_entropy(np.zeros((2, 10)), np.array([3, 9]))[0] == pytest.approx(np.log(10))


def test_no_operation_is_forgotten():
    backward = {name.removesuffix("_backward") for name in vars(ops) if name.endswith("_backward")}
    assert backward == OPERATIONS.keys()


@pytest.mark.parametrize("name", OPERATIONS)
def test_precision_is_kept(name):
    """float32 in, float32 out, and close to the float64 result; arguments are left alone."""
    arrays, how = OPERATIONS[name]
    single = [array.astype(np.float32) for array in arrays]
    copies = [array.copy() for array in single]
    how32 = {k: v.astype(np.float32) if k in ("mean", "var") else v for k, v in how.items()}
    results = []
    for args, settings in ((single, how32), (arrays, how)):
        y, cache = getattr(ops, name)(*args, **settings)
        dy = random_dy(y) if np.ndim(y) == 0 else random_dy(y).astype(y.dtype)
        gradients = getattr(ops, f"{name}_backward")(dy, cache)
        results.append([y, *(gradients if isinstance(gradients, tuple) else (gradients,))])
    for got, expected in zip(*results, strict=True):
        if isinstance(got, np.ndarray):
            assert (got.dtype, expected.dtype) == (np.float32, np.float64)
        close(got, expected, 1e-5)
    for array, copy in zip(single, copies, strict=True):
        assert np.array_equal(array, copy)


x = np.ones((2, 3, 4, 4))
two = np.ones(2)
MISTAKES = [
    (lambda: ops.conv2d(x, np.ones((8, 16, 3, 3))), "x has 3 channels, w expects 16"),
    (lambda: ops.conv2d(x, np.ones((8, 1, 3, 3))), "x has 3 channels, w expects 1"),
    (lambda: ops.conv2d(x[0], np.ones((8, 3, 3, 3))), r"images \(n, c, h, w\), .* \(3, 4, 4\)"),
    (lambda: ops.conv2d(x, np.ones((8, 3))), r"w must be \(out, in, kh, kw\), .* \(8, 3\)"),
    (lambda: ops.conv2d(x, np.ones((8, 3, 5, 5))), r"\(4, 4\), is smaller .* \(5, 5\)"),
    (lambda: ops.conv2d(x, np.ones((8, 3, 1, 7)), padding=1), r"\(6, 6\), is smaller .* \(1, 7\)"),
    (lambda: ops.conv2d(x, np.ones((8, 3, 1, 1)), stride=0), "stride must be at least 1"),
    (lambda: ops.conv2d(x, np.ones((8, 3, 1, 1)), padding=-1), "padding must be at least 0"),
    (lambda: ops.batch_norm(x, np.ones(1), np.ones(3)), r"3 channels, gamma is \(1,\)"),
    (lambda: ops.batch_norm(x, np.ones(3), two), r"3 channels, beta is \(2,\)"),
    (lambda: ops.batch_norm(x[0], two, two), "expected images"),
    (lambda: ops.batch_norm(x[:1, :, :1, :1], np.ones(3), np.ones(3)), "several values per"),
    (lambda: ops.batch_norm_eval(x, *[np.ones(3)] * 3, np.ones(1)), r"var is \(1,\)"),
    (lambda: ops.max_pool2d(x[0], 2), "expected images"),
    (lambda: ops.max_pool2d(x, 5), "smaller than the kernel"),
    (lambda: ops.max_pool2d(x, 3, padding=2), "padding must be at most half of size 3, got 2"),
    (lambda: ops.global_avg_pool(x[0]), "expected images"),
    (lambda: ops.linear(np.ones((2, 3)), np.ones((4, 1)), np.ones(4)), "3 features, w expects 1"),
    (lambda: ops.linear(np.ones((2, 3)), np.ones((4, 3)), np.ones(1)), r"4 outputs, b is \(1,\)"),
    (lambda: ops.linear(x, np.ones((4, 3)), np.ones(4)), "must be matrices"),
    (lambda: ops.cross_entropy(np.ones((2, 3)), np.array([0, 3])), r"must be 0\.\.2, got 0\.\.3"),
    (lambda: ops.cross_entropy(np.ones((2, 3)), np.array([-1, 0])), r"must be 0\.\.2, got -1\.\."),
    (lambda: ops.cross_entropy(np.ones((2, 3)), np.array([0.0, 1.0])), "integers, got float64"),
    (lambda: ops.cross_entropy(np.ones((2, 3)), np.array([1])), r"each of 2 rows, got \(1,\)"),
    (lambda: ops.cross_entropy(np.ones(3), np.array([1])), r"logits \(n, classes\)"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
@pytest.mark.usefixtures("shapes_unchecked")
def test_mistake_gets_a_clear_line(mistake, message):
    with pytest.raises(ValueError, match=message) as error:
        mistake()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "cross_entropy"])
@pytest.mark.usefixtures("shapes_unchecked")
def test_upstream_gradient_is_not_broadcast(name):
    arrays, how = OPERATIONS[name]
    y, cache = getattr(ops, name)(*arrays, **how)
    with pytest.raises(ValueError, match="dy must have the shape of the output"):
        getattr(ops, f"{name}_backward")(np.ones((1,) * y.ndim), cache)
