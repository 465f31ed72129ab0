"""Checkers of the exercises of training/where_the_time_goes."""

from collections.abc import Callable

import numpy as np

from resnet_tutorial.check.verdict import Case, Verdict, judge, real


def kept_bytes(function: Callable) -> Verdict:
    """`function(n, batch_size, bytes_per_number)`: bytes kept for the backward pass of a batch.

    For the CIFAR net of depth 6n + 2 on 3x32x32 images, without what does not grow with the batch.
    """
    cases = []
    for n, batch_size, size in ((3, 1, 4), (3, 128, 4), (3, 128, 2), (18, 64, 2), (1, 3, 4)):
        # A convolution's output and a ReLU's, in the stem and in 2n layers of three stages.
        values = 2 * (16 * 32**2 + 2 * n * (16 * 32**2 + 32 * 16**2 + 64 * 8**2))
        values += 3 * 32**2 + 64  # the image, and what the classifier reads
        expected = batch_size * (size * values + 10 * 4 + 8)  # log-probabilities, label
        hint = "two tensors a layer; log-probabilities and label have 48 bytes in any precision"
        what = f"n = {n}, batch {batch_size}, {size} bytes a number"
        cases.append(Case(what, (n, batch_size, size), expected, hint))
    return judge(function, cases)


def least_times(function: Callable) -> Verdict:
    """`function(kernels, outside, peak, bandwidth)`: least seconds apart, and fused into one.

    `kernels` are pairs (multiply-adds, bytes); `outside` is how many bytes are left to move when
    they are fused.
    """
    arithmetic, memory = (8e9, 1e6), (0.0, 6e6)
    hint = "a kernel takes the longer of its two times; a fused one has all multiply-adds"
    cases = [
        Case("one kernel bound by arithmetic", ([arithmetic], 1e6, 1e12, 1e9), (8e-3, 8e-3), hint),
        Case("one kernel bound by memory", ([memory], 6e6, 1e12, 1e9), (6e-3, 6e-3), hint),
        Case("one of each", ([arithmetic, memory], 2e6, 1e12, 1e9), (14e-3, 8e-3), hint),
        Case("two by memory", ([memory, (1e9, 4e6)], 5e6, 1e12, 1e9), (10e-3, 5e-3), hint),
    ]
    return judge(function, cases)


def bfloat16(function: Callable) -> Verdict:
    """`function(x)`: the float32 array `x` rounded to bfloat16, as float32."""
    import torch  # here alone: the other exercises of the chapter do without

    def answer(x):
        rounded = function(x)
        if rounded is None:
            return None
        return real(rounded) / x.astype(np.float64)  # of any size, near 1

    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.integers(-30, 30, 1000)
    cases = []
    for what, numbers, hint in (
        ("numbers that are bfloat16", [1, -1.5, 256, 2.0**-100], "they stay as they are"),
        ("numbers near the next one", [1.0077, -1.0077, 1.99999], "to the nearest, not to zero"),
        ("ties", [257, 259, -257, -259], "of two that are as near, the even significand"),
        ("all from 1 to 3 in steps of 2^-10", 1 + np.arange(0, 2, 2.0**-10), ""),
        ("numbers of all sizes", rng.standard_normal(1000) * sizes, ""),
    ):
        x = np.array(numbers, dtype=np.float32)
        expected = torch.from_numpy(x).bfloat16().double().numpy() / x.astype(np.float64)
        cases.append(Case(what, (x,), expected, hint))
    return judge(answer, cases)
