"""Every block and net computes, bit for bit, what its equations say when they are written out.

The equations stand here once more, without a branch, a base class or a net that asks its blocks.
"""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import dropout, relu

from resnet_tutorial import models
from resnet_tutorial.models import blocks, descendants, preact, weights

SIZES = {"stage_sizes": (2, 1, 2), "widths": (4, 8, 12)}
FOUR = {"stage_sizes": (1, 2, 1, 1), "widths": (4, 8, 12, 16)}
NETS = {
    "plain": partial(models.build, "plain20", **SIZES),
    "plain, ImageNet": partial(models.build, "plain34", **FOUR),
    "basic, option A": partial(models.build, "resnet20", **SIZES),
    "basic, option B": partial(models.build, "resnet18", **FOUR),
    "basic, option C": partial(models.build, "resnet20", shortcut=models.option_c, **SIZES),
    "dropped branch": partial(models.build, "resnet20", block=models.DroppedBranchBlock, **SIZES),
    "dropped shortcut": partial(
        models.build, "resnet20", shortcut=models.option_a_dropped, **SIZES
    ),
    "both dropped": partial(
        models.build,
        "resnet20",
        block=models.DroppedBranchBlock,
        shortcut=models.option_a_dropped,
        **SIZES,
    ),
    "bottleneck": partial(models.build, "resnet50", **FOUR),
    "bottleneck v1": partial(models.build, "resnet50", block=models.BottleneckV1, **FOUR),
    "pre-activation": partial(models.build, "preact_resnet110", **SIZES),
    "pre-activation, option C": partial(
        models.build, "preact_resnet110", shortcut=models.option_c, **SIZES
    ),
    "pre-activation bottleneck": partial(models.build, "preact_resnet164", **SIZES),
}


def post_activation(block, x):
    f = relu(block.bn1(block.conv1(x)))
    if isinstance(block, models.DroppedBranchBlock):
        f = dropout(f, 0.5, block.training)
    f = block.bn2(block.conv2(f))
    if isinstance(block, models.Bottleneck):
        f = block.bn3(block.conv3(relu(f)))
    return relu(f) if not hasattr(block, "downsample") else relu(block.downsample(x) + f)


def pre_activation(block, x):
    a = relu(block.bn1(x))
    f = block.conv2(relu(block.bn2(block.conv1(a))))
    if isinstance(block, models.PreActBottleneck):
        f = block.conv3(relu(block.bn3(f)))
    return block.downsample(x if isinstance(block.downsample, nn.Identity) else a) + f


def written_out(net, x):
    """The logits, from the names of the parts alone."""
    preact = isinstance(net.layer1[0], (models.PreActBasicBlock, models.PreActBottleneck))
    x = net.maxpool(relu(net.bn1(net.conv1(x))))
    for stage in (net.layer1, net.layer2, net.layer3, getattr(net, "layer4", ())):
        for block in stage:
            x = (pre_activation if preact else post_activation)(block, x)
    if preact:
        x = relu(net.bn2(x))
    return net.fc(x.mean(dim=(2, 3)))


def test_every_block_is_written_out():
    rooms = (blocks, descendants, preact)
    kinds = {k for room in rooms for k in vars(room).values() if isinstance(k, type)}
    kinds = {k for k in kinds if issubclass(k, nn.Module)} - {preact.PreActBlock}
    assert kinds == {type(block) for build in NETS.values() for _, block in build().blocks()}


def results(net, forward, x, training):
    """Logits, the gradients of the images and all parameters, and the running averages."""
    net, x = copy.deepcopy(net).train(training), x.clone().requires_grad_()
    torch.manual_seed(1)  # of dropout
    logits = forward(net, x)
    logits.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    return {"logits": logits, "images": x.grad} | gradients | dict(net.named_buffers())


def equal_bits(net, x, training):
    expected = results(net, written_out, x, training)
    found = results(net, lambda net, x: net(x), x, training)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("build", NETS.values(), ids=NETS)
def test_a_net_is_its_equations_bit_for_bit(build, training):
    torch.manual_seed(0)
    net, x = build(num_classes=5), torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean):
                    tensor.normal_()
                module.running_var.uniform_(0.5, 2)
    equal_bits(net, x, training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["plain20", "resnet20", "plain56", "resnet56"])
def test_the_shipped_weights_give_the_same_bits(name, training):
    net = models.build(name, weights="fashion_mnist")
    assert "fashion_mnist" in weights.available(name)
    equal_bits(net, torch.randn(4, 1, 28, 28, generator=torch.manual_seed(0)), training)
