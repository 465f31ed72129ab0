"""Each checker accepts a right answer and rejects the typical wrong ones."""

import re

import pytest
import torch

from resnet_tutorial.check import counting as check


def depth(stage_sizes, layers):
    return layers * sum(stage_sizes) + 2


DEPTHS = {
    "no classifier": (lambda sizes, layers: layers * sum(sizes) + 1, "wrong on resnet20"),
    "no stem, no classifier": (lambda sizes, layers: layers * sum(sizes), "wrong on resnet20"),
    "blocks only": (lambda sizes, layers: sum(sizes) + 2, "wrong on resnet20"),
    "two layers always": (lambda sizes, layers: 2 * sum(sizes) + 2, "wrong on resnet50"),
    "equal stages": (lambda sizes, layers: layers * 3 * sizes[0] + 2, "wrong on resnet18"),
    "projections": (
        lambda sizes, layers: layers * sum(sizes) + len(sizes) + 1,
        "wrong on resnet20.*projections are none",
    ),
    "raises": (lambda sizes, layers: sizes + layers, "raised TypeError"),
}


def parameters(c, w, projection):
    branch = c * w + 9 * w * w + 4 * w * w + 2 * w + 2 * w + 8 * w
    return branch + projection * (4 * c * w + 8 * w)


COUNTS = {
    "no batch norm": lambda c, w, p: c * w + 13 * w * w + p * 4 * c * w,
    "biases": lambda c, w, p: parameters(c, w, p) + 6 * w + p * 4 * w,
    "no projection": lambda c, w, p: parameters(c, w, False),
    "projection without batch norm": lambda c, w, p: parameters(c, w, p) - p * 8 * w,
    "gamma without beta": lambda c, w, p: parameters(c, w, p) - 6 * w - p * 4 * w,
    "running averages": lambda c, w, p: parameters(c, w, p) + 12 * w + p * 8 * w,
    "two 3x3": lambda c, w, p: 9 * c * w + 9 * w * w + 4 * w,
    "3x3 three times": lambda c, w, p: parameters(c, w, p) + 8 * c * w + 32 * w * w,
    "width channels out": lambda c, w, p: c * w + 10 * w * w + 6 * w + p * (c * w + 2 * w),
    "always 4 width channels in": lambda c, w, p: parameters(4 * w, w, p),
}


def test_right_answers_pass():
    assert check.depth(depth)
    assert check.bottleneck_parameters(parameters)


def test_unwritten_answers_are_called_so():
    for checker in (check.depth, check.bottleneck_parameters):
        assert repr(checker(lambda *arguments: None)).startswith("not written yet")


def rejected(verdict, message):
    assert not verdict
    assert "\n" not in repr(verdict)
    assert re.search(message, repr(verdict)), repr(verdict)


@pytest.mark.parametrize("name", DEPTHS)
def test_depth_rejects(name):
    rejected(check.depth(DEPTHS[name][0]), DEPTHS[name][1])


@pytest.mark.parametrize("name", COUNTS)
def test_bottleneck_parameters_rejects(name):
    rejected(check.bottleneck_parameters(COUNTS[name]), "wrong on .*: off by .*gamma and beta")


def test_the_readers_random_numbers_stay_as_they_were():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    check.bottleneck_parameters(parameters)
    assert torch.equal(torch.rand(3), expected)
