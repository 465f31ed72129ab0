"""Each checker accepts right answers of another make and rejects the typical wrong ones."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view

from resnet_tutorial.check import convolution as check


def tensors(*arrays):
    return [torch.tensor(array, requires_grad=True) for array in arrays]


def pad(x, padding, value=0.0):
    frame = (padding, padding)
    return np.pad(x, ((0, 0), (0, 0), frame, frame), constant_values=value)


# ---- forward -----------------------------------------------------------------------------------


def forward(x, w, stride, padding, order="nchwab->nchwab", value=0.0, kernel=lambda w: w):
    """By windows and einsum; the wrong answers change one thing."""
    k = w.shape[2]
    windows = sliding_window_view(pad(x, padding, value), (k, k), axis=(2, 3))
    windows = np.einsum(order, windows[:, :, ::stride, ::stride])
    return np.einsum("nchwab,ocab->nohw", windows, kernel(w))


def channels_last(x, w, stride, padding):
    """im2col with (a, b, c) in the columns and (c, a, b) in the rows."""
    (o, c, k, _), n = w.shape, len(x)
    windows = sliding_window_view(pad(x, padding), (k, k), axis=(2, 3))[:, :, ::stride, ::stride]
    h, width = windows.shape[2:4]
    columns = windows.transpose(0, 4, 5, 1, 2, 3).reshape(n, c * k * k, h * width)
    return (w.reshape(o, -1) @ columns).reshape(n, o, h, width)


def in_torch(x, w, stride, padding):
    return F.conv2d(torch.tensor(x), torch.tensor(w), stride=stride, padding=padding).numpy()


def flip(w):
    return w[:, :, ::-1, ::-1]


FORWARD = {
    "flipped": lambda *a: forward(*a, kernel=flip),
    "kernel transposed": lambda *a: forward(*a, kernel=lambda w: w.swapaxes(2, 3)),
    "wrong channel order": channels_last,
    "windows transposed": lambda *a: forward(*a, order="nchwab->nchwba"),
    "framed by ones": lambda *a: forward(*a, value=1.0),
    "no padding": lambda x, w, s, p: forward(x, w, s, 0),
    "stride ignored": lambda x, w, s, p: forward(x, w, 1, p),
    "with the cache": lambda *a: (forward(*a), None),
}

# ---- backward ----------------------------------------------------------------------------------


def backward(dy, x, w, stride, padding, kernel=lambda w: flip(w).swapaxes(0, 1), **wrong):
    """(dx) and (dw), each step of which can go wrong."""
    (n, o, h2, w2), k = dy.shape, w.shape[2]
    spread = wrong.get("spread", stride)
    before = wrong.get("before", k - 1 - padding)
    z = np.zeros((n, o, *(size + k + 9 for size in x.shape[2:])))  # room on the far side
    z[:, :, before::spread, before::spread][:, :, :h2, :w2] = dy
    dx = forward(z, kernel(w), 1, 0)[:, :, : x.shape[2], : x.shape[3]]
    if wrong.get("cut"):  # output_padding left at 0
        height, width = (stride * (size - 1) + k - 2 * padding for size in (h2, w2))
        dx[:, :, height:], dx[:, :, :, width:] = 0, 0
    windows = sliding_window_view(pad(x, padding), (k, k), axis=(2, 3))
    step = wrong.get("dw_stride", stride)
    windows = windows[:, :, ::step, ::step][:, :, :h2, :w2]
    return dx, np.einsum("nohw,nchwab->ocab", dy, windows)


def in_autograd(dy, x, w, stride, padding):
    tx, tw = tensors(x, w)
    F.conv2d(tx, tw, stride=stride, padding=padding).backward(torch.tensor(dy))
    return tx.grad.numpy(), tw.grad.numpy()


def same(dx, dw):
    return dx, dw


BACKWARD = {
    "no flip": lambda *a: backward(*a, kernel=lambda w: w.swapaxes(0, 1)),
    "no swap": lambda *a: backward(*a, kernel=flip),
    "kernel as it is": lambda *a: backward(*a, kernel=lambda w: w),
    "flipped on one axis": lambda *a: backward(*a, kernel=lambda w: w[:, :, ::-1].swapaxes(0, 1)),
    "padding of the forward pass": lambda *a: backward(*a, before=a[4]),
    "dy not spread": lambda *a: backward(*a, spread=1),
    "output_padding 0": lambda *a: backward(*a, cut=True),
    "dw without stride": lambda *a: backward(*a, dw_stride=1),
    "dw a mean over the batch": lambda *a: same(backward(*a)[0], backward(*a)[1] / len(a[0])),
    "dw flipped": lambda *a: same(backward(*a)[0], flip(backward(*a)[1])),
    "results swapped": lambda *a: backward(*a)[::-1],
    "only dx": lambda *a: backward(*a)[0],
}

# ---- the others --------------------------------------------------------------------------------


def size_by_counting(size, kernel, stride, padding):
    return len(range(0, size + 2 * padding - kernel + 1, stride))


SIZES = {
    "padding on one side": lambda h, k, s, p: (h + p - k) // s + 1,
    "no + 1": lambda h, k, s, p: (h + 2 * p - k) // s,
    "rounded up": lambda h, k, s, p: -(-(h + 2 * p - k) // s) + 1,
    "round()": lambda h, k, s, p: round((h + 2 * p - k) / s + 1),
    "round() before the + 1": lambda h, k, s, p: round((h + 2 * p - k) / s) + 1,
    "padding halved away": lambda h, k, s, p: (h - 1) // s + 1,
    "stride 2 at most": lambda h, k, s, p: (h + 2 * p - k) // min(s, 2) + 1,
    "no floor": lambda h, k, s, p: (h + 2 * p - k) / s + 1,
    "no padding": lambda h, k, s, p: (h - k) // s + 1,
    "no stride": lambda h, k, s, p: h + 2 * p - k + 1,
    "as many as strides fit": lambda h, k, s, p: -(-h // s),
}


def col2im(columns, shape, k, stride, padding, add=True, order=(0, 1, 2, 3, 4, 5), crop=True):
    n, c, height, width = shape
    h2, w2 = (size_by_counting(size, k, stride, padding) for size in (height, width))
    taps = columns.reshape(n, c, k, k, h2, w2)
    if order != (0, 1, 2, 3, 4, 5):
        taps = columns.reshape(n, k, k, c, h2, w2).transpose(order)
    xp = np.zeros((n, c, height + 2 * padding, width + 2 * padding))
    for i, j in np.ndindex(h2, w2):
        window = xp[:, :, stride * i : stride * i + k, stride * j : stride * j + k]
        window[...] = taps[..., i, j] + (window if add else 0)
    first = padding if crop else 0
    return xp[:, :, first : first + height, first : first + width]


def fold(columns, shape, k, stride, padding):
    return F.fold(torch.tensor(columns), shape[2:], k, padding=padding, stride=stride).numpy()


def averaged(columns, *settings):
    readers = col2im(np.ones_like(columns), *settings)
    return col2im(columns, *settings) / np.maximum(readers, 1)


COLUMNS = {
    "assigns": lambda *a: col2im(*a, add=False),
    "channels last": lambda *a: col2im(*a, order=(0, 3, 1, 2, 4, 5)),
    "taps transposed": lambda *a: col2im(
        a[0].reshape(a[1][0], a[1][1], a[2], a[2], -1).swapaxes(2, 3).reshape(a[0].shape), *a[1:]
    ),
    "crops the wrong end": lambda *a: col2im(*a, crop=False),
    "with its padding": lambda c, shape, k, s, p: pad(col2im(c, shape, k, s, p), p),
    "averages": averaged,
}


def pool_backward(dy, x, size, stride, padding, add=True, ties="first", value=-np.inf):
    xp = pad(x, padding, value)
    dxp = np.zeros_like(xp)
    for n, c, i, j in np.ndindex(dy.shape):
        rows, cols = (slice(stride * m, stride * m + size) for m in (i, j))
        window, target = xp[n, c, rows, cols], dxp[n, c, rows, cols]
        winners = window == window.max()
        if ties == "columns":
            column, row = divmod(int(np.argmax(winners.T)), size)
            winners = np.zeros_like(winners)
            winners[row, column] = True
        elif ties != "all":
            order = np.flatnonzero(winners)
            winners = np.arange(size * size) == order[0 if ties == "first" else -1]
            winners = winners.reshape(window.shape)
        target[winners] = dy[n, c, i, j] + (target[winners] if add else 0)
    return dxp[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]


def pool_in_autograd(dy, x, size, stride, padding):
    [tx] = tensors(x)
    F.max_pool2d(tx, size, stride, padding).backward(torch.tensor(dy))
    return tx.grad.numpy()


def average_pool(dy, x, size, stride, padding):
    [tx] = tensors(x)
    F.avg_pool2d(tx, size, stride, padding).backward(torch.tensor(dy))
    return tx.grad.numpy()


POOLS = {
    "assigns": lambda *a: pool_backward(*a, add=False),
    "every tie gets all": lambda *a: pool_backward(*a, ties="all"),
    "ties by columns": lambda *a: pool_backward(*a, ties="columns"),
    "the last tie": lambda *a: pool_backward(*a, ties="last"),
    "framed by zeros": lambda *a: pool_backward(*a, value=0.0),
    "stride taken as size": lambda dy, x, size, s, p: pool_backward(dy, x, size, size, p),
    "every pixel of the window": average_pool,
}


def dilated_in_autograd(dy, x, w, padding, dilation):
    tx, tw = tensors(x, w)
    F.conv2d(tx, tw, padding=padding, dilation=dilation).backward(torch.tensor(dy))
    return tx.grad.numpy(), tw.grad.numpy()


def dilated(dy, x, w, padding, dilation, kernel=lambda w: flip(w).swapaxes(0, 1), back=None):
    """By formula: the frame is dilation * (k - 1) - padding."""
    k = w.shape[2]
    reach = dilation * (k - 1)
    before = reach - padding if back is None else back
    z = np.pad(dy, ((0, 0), (0, 0), (before, 2 * reach), (before, 2 * reach)))
    dx, xp = np.zeros_like(x), pad(x, padding)
    dw, turned = np.zeros_like(w), kernel(w)
    h, width = x.shape[2:]
    for a, b in np.ndindex(k, k):
        seen = z[:, :, dilation * a :, dilation * b :][:, :, :h, :width]
        dx = dx + np.einsum("nohw,co->nchw", seen, turned[:, :, a, b])
        seen = xp[:, :, dilation * a :, dilation * b :][:, :, : dy.shape[2], : dy.shape[3]]
        dw[:, :, a, b] = np.einsum("nohw,nchw->oc", dy, seen)
    return dx, dw


def dilation_ignored(dy, x, w, padding, dilation):
    return dilated(dy, x, w, padding, 1)


DILATED = {
    "no flip": lambda *a: dilated(*a, kernel=lambda w: w.swapaxes(0, 1)),
    "padding of the forward pass": lambda *a: dilated(*a, back=a[3]),
    "padding without the dilation": lambda *a: dilated(*a, back=max(0, a[2].shape[2] - 1 - a[3])),
    "dilation ignored": dilation_ignored,
    "dw a mean": lambda *a: same(dilated(*a)[0], dilated(*a)[1] / len(a[0])),
    "dw with the holes": lambda *a: same(dilated(*a)[0], check._with_holes(dilated(*a)[1], a[4])),
    "dw flipped": lambda *a: same(dilated(*a)[0], flip(dilated(*a)[1])),
}

# ------------------------------------------------------------------------------------------------

CHECKERS = {
    "conv2d": (check.conv2d, [forward, in_torch], FORWARD),
    "conv2d_backward": (check.conv2d_backward, [backward, in_autograd], BACKWARD),
    "output_size": (check.output_size, [size_by_counting], SIZES),
    "col2im": (check.col2im, [col2im, fold], COLUMNS),
    "max_pool_backward": (check.max_pool_backward, [pool_backward, pool_in_autograd], POOLS),
    "dilated_backward": (check.dilated_backward, [dilated, dilated_in_autograd], DILATED),
}
RIGHT = [(checker, answer) for checker, answers, _ in CHECKERS.values() for answer in answers]
WRONG = [
    pytest.param(checker, answer, id=f"{name}: {what}")
    for name, (checker, _, answers) in CHECKERS.items()
    for what, answer in answers.items()
]


@pytest.mark.parametrize("checker, answer", RIGHT)
def test_a_right_answer_passes(checker, answer):
    verdict = checker(answer)
    assert verdict, verdict.message


@pytest.mark.parametrize("checker", [checker for checker, _, _ in CHECKERS.values()])
def test_a_stub_is_not_written_yet(checker):
    assert repr(checker(lambda *arguments: None)).startswith("not written yet")


@pytest.mark.parametrize("checker, answer", WRONG)
def test_a_typical_wrong_answer_is_rejected(checker, answer):
    verdict = checker(answer)
    assert not verdict
    assert repr(verdict).startswith("wrong on"), repr(verdict)


@pytest.mark.parametrize("what", ["no flip", "no swap", "kernel as it is"])
def test_a_wrong_kernel_fits_the_commonest_layer(what):
    """What the chapter opens with: the shape does not give it away."""
    rng = np.random.default_rng(0)
    x, dy, w = *rng.standard_normal((2, 2, 4, 5, 5)), rng.standard_normal((4, 4, 3, 3))
    right, wrong = backward(dy, x, w, 1, 1)[0], BACKWARD[what](dy, x, w, 1, 1)[0]
    assert right.shape == wrong.shape and not np.allclose(right, wrong)
