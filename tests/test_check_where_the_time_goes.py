import numpy as np
import pytest
import torch
from exercises import verdict_tests
from torch.nn.functional import cross_entropy

from resnet_tutorial import models
from resnet_tutorial.check import where_the_time_goes as check


def values(n, layers_per_stage=2, tensors=2):
    per_stage = 16384 + 8192 + 4096
    return tensors * (16384 + layers_per_stage * n * per_stage)


def right_kept(n, batch, size):
    return batch * (size * (values(n) + 3 * 32 * 32 + 64) + 48)


def right_times(kernels, outside, peak, bandwidth):
    apart = sum(max(macs / peak, moved / bandwidth) for macs, moved in kernels)
    return apart, max(sum(macs for macs, _ in kernels) / peak, outside / bandwidth)


def right_bfloat16(x):
    return torch.from_numpy(x).bfloat16().float().numpy()


def cut(x):
    return (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def half_up(x):
    return cut((x.view(np.uint32) + np.uint32(0x8000)).view(np.float32))


WRONG_KEPT = {
    "one tensor a layer": lambda n, batch, size: (
        batch * (size * (values(n, tensors=1) + 3 * 32 * 32 + 64) + 48)
    ),
    "three tensors a layer": lambda n, batch, size: (
        batch * (size * (values(n, tensors=3) + 3 * 32 * 32 + 64) + 48)
    ),
    "one layer a block": lambda n, batch, size: (
        batch * (size * (values(n, layers_per_stage=1) + 3 * 32 * 32 + 64) + 48)
    ),
    "no stem": lambda n, batch, size: right_kept(n, batch, size) - batch * size * 2 * 16384,
    "no image": lambda n, batch, size: right_kept(n, batch, size) - batch * size * 3 * 32 * 32,
    "no log-probabilities": lambda n, batch, size: right_kept(n, batch, size) - batch * 40,
    "no label": lambda n, batch, size: right_kept(n, batch, size) - batch * 8,
    "everything in the precision": lambda n, batch, size: (
        batch * size * (values(n) + 3 * 32 * 32 + 64 + 12)
    ),
    "one image": lambda n, batch, size: right_kept(n, 1, size),
    "float32 always": lambda n, batch, size: right_kept(n, batch, 4),
    "equal stages": lambda n, batch, size: (
        batch * (size * (2 * 16384 * (1 + 6 * n) + 3 * 32 * 32 + 64) + 48)
    ),
}
WRONG_TIMES = {
    "arithmetic alone": lambda k, o, p, b: (sum(m for m, _ in k) / p,) * 2,
    "memory alone": lambda k, o, p, b: (sum(s for _, s in k) / b, o / b),
    "both times added": lambda k, o, p, b: (
        sum(m / p + s / b for m, s in k),
        sum(m for m, _ in k) / p + o / b,
    ),
    "the longer of the sums": lambda k, o, p, b: (
        max(sum(m for m, _ in k) / p, sum(s for _, s in k) / b),
        right_times(k, o, p, b)[1],
    ),
    "fusion saves nothing": lambda k, o, p, b: (right_times(k, o, p, b)[0],) * 2,
    "fused: memory alone": lambda k, o, p, b: (right_times(k, o, p, b)[0], o / b),
    "the shorter": lambda k, o, p, b: (
        sum(min(m / p, s / b) for m, s in k),
        right_times(k, o, p, b)[1],
    ),
    "swapped": lambda k, o, p, b: right_times(k, o, p, b)[::-1],
    "one number": lambda k, o, p, b: right_times(k, o, p, b)[0],
}
WRONG_BFLOAT16 = {
    "cut off": cut,
    "ties away from zero": half_up,
    "float16": lambda x: x.astype(np.float16).astype(np.float32),
    "unchanged": lambda x: x,
    "one bit more": lambda x: (x.view(np.uint32) & np.uint32(0xFFFF8000)).view(np.float32),
    "up always": lambda x: cut((x.view(np.uint32) + np.uint32(0xFFFF)).view(np.float32)),
    "spacing of 1 everywhere": lambda x: np.round(x * 128) / 128,
}
EXERCISES = {
    "kept_bytes": (check.kept_bytes, right_kept, WRONG_KEPT),
    "least_times": (check.least_times, right_times, WRONG_TIMES),
    "bfloat16": (check.bfloat16, right_bfloat16, WRONG_BFLOAT16),
}


test_right, test_wrong = verdict_tests(EXERCISES)


@pytest.mark.parametrize("depth", [8, 20])
def test_autograd_keeps_what_the_right_answer_says(depth):
    """Storages that autograd hands to a hook, for three images less those for two."""

    def kept(images):
        storages = {}

        def pack(tensor):
            storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            cross_entropy(net(torch.zeros(images, 3, 32, 32)), torch.zeros(images).long())
        return sum(storage.nbytes() for storage in storages.values())

    net = models.build(f"resnet{depth}")
    assert kept(3) - kept(2) == right_kept((depth - 2) // 6, 1, 4)
