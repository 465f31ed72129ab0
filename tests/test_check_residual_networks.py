"""Each checker accepts a right answer and rejects the typical wrong ones."""

import re

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, max_pool2d, pad, relu

from resnet_tutorial.check import residual_networks as check
from resnet_tutorial.models import BasicBlock, PlainBlock, PreActBasicBlock, option_b, option_c


def option_a(x, out_channels, stride):
    x = x[:, :, ::stride, ::stride]
    return pad(x, (0, 0, 0, 0, 0, out_channels - x.shape[1]))


def zeros_around(x, out_channels, stride):
    x = x[:, :, ::stride, ::stride]
    front = (out_channels - x.shape[1]) // 2
    return pad(x, (0, 0, 0, 0, front, out_channels - x.shape[1] - front))


def repeated(x, out_channels, stride):
    x = x[:, :, ::stride, ::stride]
    return x[:, [channel % x.shape[1] for channel in range(out_channels)]]


SHORTCUTS = {
    "zeros in front": lambda x, d, s: pad(x[:, :, ::s, ::s], (0, 0, 0, 0, d - x.shape[1], 0)),
    "zeros on both sides": zeros_around,
    "no stride": lambda x, d, s: option_a(x, d, 1),
    "stride 2 always": lambda x, d, s: option_a(x, d, 2),
    "the other pixels": lambda x, d, s: option_a(x[:, :, s - 1 :, s - 1 :], d, s),
    "average pooling": lambda x, d, s: option_a(avg_pool2d(x, s, ceil_mode=True), d, 1),
    "maximum pooling": lambda x, d, s: option_a(max_pool2d(x, s, ceil_mode=True), d, 1),
    "twice the channels always": lambda x, d, s: option_a(x, 2 * x.shape[1], s),
    "no new channels": lambda x, d, s: x[:, :, ::s, ::s],
    "repeated channels": repeated,
    "relu": lambda x, d, s: relu(option_a(x, d, s)),
    "the image padded": lambda x, d, s: pad(x[:, :, ::s, ::s], (0, d - x.shape[1])),
    "a projection": lambda x, d, s: nn.Conv2d(x.shape[1], d, 1, s).double()(x),
    "one axis strided": lambda x, d, s: option_a(x[:, :, ::s], d, 1),
}


class Block(nn.Module):
    def __init__(self, in_channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = option_b(in_channels, width, stride)

    def branch(self, x):
        return self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))

    def forward(self, x):
        return relu(self.downsample(x) + self.branch(x))


class ReluBeforeAddition(Block):
    def forward(self, x):
        return self.downsample(x) + relu(self.branch(x))


class NoLastRelu(Block):
    def forward(self, x):
        return self.downsample(x) + self.branch(x)


class NoInnerRelu(Block):
    def branch(self, x):
        return self.bn2(self.conv2(self.bn1(self.conv1(x))))


class NoSecondBatchNorm(Block):
    def branch(self, x):
        return self.conv2(relu(self.bn1(self.conv1(x))))


class OneBatchNormTwice(Block):
    def branch(self, x):
        return self.bn1(self.conv2(relu(self.bn1(self.conv1(x)))))


class StrideOnConv2(Block):
    def __init__(self, in_channels, width, stride):
        super().__init__(in_channels, width, stride)
        self.conv1.stride, self.conv2.stride = (1, 1), (stride, stride)


class NoProjection(Block):
    def __init__(self, in_channels, width, stride):
        super().__init__(in_channels, width, stride)
        self.downsample = nn.Identity()


class ProjectionWithoutBatchNorm(Block):
    def __init__(self, in_channels, width, stride):
        super().__init__(in_channels, width, stride)
        if not isinstance(self.downsample, nn.Identity):
            self.downsample = self.downsample[0]


class ReluOnShortcut(Block):
    def forward(self, x):
        return relu(relu(self.downsample(x)) + self.branch(x))


class Biases(Block):
    def __init__(self, in_channels, width, stride):
        super().__init__(in_channels, width, stride)
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1)


class NoShortcutGradient(Block):
    def forward(self, x):
        return relu(self.downsample(x.detach()) + self.branch(x))


class BatchStatisticsInEvaluation(Block):
    def __init__(self, in_channels, width, stride):
        super().__init__(in_channels, width, stride)
        self.bn1.train = lambda mode: self.bn1


class Unfinished(nn.Module):
    def __init__(self, in_channels, width, stride):
        super().__init__()

    def forward(self, x): ...


BLOCKS = {
    ReluBeforeAddition: "result 1: off by",
    NoLastRelu: "result 1: off by",
    NoInnerRelu: "result 1: off by",
    NoSecondBatchNorm: "bn2.bias has no influence",
    OneBatchNormTwice: "bn2.bias has no influence",
    StrideOnConv2: "4 to 8 channels at stride 2: result 1",
    NoProjection: "3 to 5 channels at stride 1",
    ProjectionWithoutBatchNorm: "differ at .*downsample",
    ReluOnShortcut: "result 1",
    Biases: "differ at .*conv1.bias",
    NoShortcutGradient: "result 2",
    BatchStatisticsInEvaluation: "result 9",
    PlainBlock: "raised|result",
    lambda c, w, s: BasicBlock(c, w, s): "raised|differ at",
    lambda c, w, s: BasicBlock(c, w, s, option_c): "differ at .*downsample",
    lambda c, w, s: PreActBasicBlock(c, w, s, option_b): "raised|result|differ",
}


def test_right_answers_pass():
    assert check.option_a(option_a)
    assert check.basic_block(Block)
    assert check.basic_block(lambda c, w, s: BasicBlock(c, w, s, option_b))


def test_unwritten_answers_are_called_so():
    assert repr(check.option_a(lambda *arguments: None)).startswith("not written yet")
    assert repr(check.basic_block(Unfinished)).startswith("not written yet")


def rejected(verdict, message):
    assert not verdict
    assert "\n" not in repr(verdict)
    assert re.search(message, repr(verdict)), repr(verdict)


@pytest.mark.parametrize("name", SHORTCUTS)
def test_option_a_rejects(name):
    rejected(check.option_a(SHORTCUTS[name]), "wrong on .*: (expected shape|off by)")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_basic_block_rejects(block):
    rejected(check.basic_block(block), BLOCKS[block])


def test_the_readers_random_numbers_stay_as_they_were():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    check.basic_block(Block)
    assert torch.equal(torch.rand(3), expected)
