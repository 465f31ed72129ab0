"""Ways to write a 3x3 convolution with padding 1 and both of its gradients, side by side."""

import numpy as np
import torch
import torch.nn.functional as F
from action import BATCH, Actions
from numpy.lib.stride_tricks import sliding_window_view

from resnet_tutorial.scratch import ops


def package_convolution(x, w, dy):
    y, cache = ops.conv2d(x, w, padding=1)
    return y, *ops.conv2d_backward(dy, cache)


def im2col_convolution(x, w, dy):
    """The textbook's: copy every window into a column, one product, and add the columns back."""
    (n, c, h, _), o = x.shape, len(w)
    xp = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    columns = sliding_window_view(xp, (3, 3), (2, 3)).transpose(0, 1, 4, 5, 2, 3)
    columns = columns.reshape(n, 9 * c, h * h)
    flat, dflat = w.reshape(o, 9 * c), dy.reshape(n, o, h * h)
    y = (flat @ columns).reshape(dy.shape)
    dw = (dflat @ columns.swapaxes(1, 2)).sum(0).reshape(w.shape)
    dcolumns = (flat.T @ dflat).reshape(n, c, 3, 3, h, h)
    dxp = np.zeros_like(xp)
    for i in range(3):
        for j in range(3):
            dxp[:, :, i : i + h, j : j + h] += dcolumns[:, :, i, j]
    return y, dxp[:, :, 1:-1, 1:-1], dw


def tap_convolution(x, w, dy):
    """One product for each of the nine taps, each with a copy of the shifted image."""
    (n, c, h, _), o = x.shape, len(w)
    xp = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y, dxp, dw = np.zeros((n, o, h * h), x.dtype), np.zeros_like(xp), np.empty_like(w)
    dflat = dy.reshape(n, o, h * h)
    for i in range(3):
        for j in range(3):
            seen = xp[:, :, i : i + h, j : j + h].reshape(n, c, h * h)
            y += w[:, :, i, j] @ seen
            dw[:, :, i, j] = (dflat @ seen.swapaxes(1, 2)).sum(0)
            dxp[:, :, i : i + h, j : j + h] += (w[:, :, i, j].T @ dflat).reshape(x.shape)
    return y.reshape(dy.shape), dxp[:, :, 1:-1, 1:-1], dw


def torch_convolution(x, w, dy):
    y = F.conv2d(x, w, padding=1)
    return y, *torch.autograd.grad(y, (x, w), dy)


def products_alone(patches, row, pixels):
    """The package's matrix products without the sums and copies around them: the floor."""
    for _ in range(3):
        y = row @ patches  # forward
        dx = row @ patches  # as many for dx
        dw = pixels @ patches.swapaxes(-1, -2)
    return y, dx, dw


def convolutions() -> Actions:
    """The 3x3 convolutions of ResNet-20 that keep their shape, forward and backward, batch 128."""
    rng = np.random.default_rng(0)
    plain, stored, tensors, products = [], [], [], []
    for c, h, count in ((16, 32, 6), (32, 16, 5), (64, 8, 5)):
        x, dy = rng.standard_normal((2, BATCH, c, h, h), dtype=np.float32)
        w = rng.standard_normal((c, c, 3, 3), dtype=np.float32)
        # In the order in memory that a convolution before this one leaves.
        x2, dy2 = (np.ascontiguousarray(a.T.swapaxes(0, 1)).swapaxes(0, 1).T for a in (x, dy))
        plain += [(x, w, dy)] * count
        stored += [(x2, w, dy2)] * count
        tensors += [
            (torch.tensor(x).requires_grad_(), torch.tensor(w).requires_grad_(), torch.tensor(dy))
        ] * count
        padded = rng.standard_normal((h, h + 2, c, BATCH), dtype=np.float32)
        patches = ops._rows(padded, 1, 3, 1)[0]  # overlapping, as in the package
        products += [(patches, w[:, :, 0].reshape(c, 3 * c), padded[:, :h])] * count

    def all_of(convolution, cases):
        return lambda: [convolution(*case) for case in cases]

    return {
        "PyTorch": all_of(torch_convolution, tensors),
        "matrix products alone": all_of(products_alone, products),
        "NumPy: the package's": all_of(package_convolution, stored),
        "NumPy: im2col": all_of(im2col_convolution, plain),
        "NumPy: nine shifted images": all_of(tap_convolution, plain),
    }
