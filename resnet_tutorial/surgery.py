"""Plain networks made deeper without a change of what they compute. Chapter: problem/degradation."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_tutorial.blocks import PlainBlock
from resnet_tutorial.models import ResNet


@torch.no_grad()
def make_identity(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, mean: Float[Tensor, " c"], var: Float[Tensor, " c"]
) -> None:
    """Sets `conv` and `bn` so that relu(bn(conv(x))) = x for x >= 0, exactly in evaluation mode.

    `mean` and `var` (biased) become the averages of `bn`. When they are those of the inputs, the
    layer is close to the identity in training mode too. Chapter: problem/degradation.
    """
    nn.init.dirac_(conv.weight)
    bn.running_mean.copy_(mean)
    bn.running_var.copy_(var)
    bn.weight.copy_((var + bn.eps).sqrt())
    bn.bias.copy_(mean)


@torch.no_grad()
def identity_extension(
    shallow: ResNet, deep: ResNet, images: Float[Tensor, "n c h w"]
) -> ResNet:
    """A copy of the plain net `deep` that in evaluation mode computes what `shallow` computes.

    The first blocks of each stage are those of `shallow`, the others identities whose batch norms
    hold the statistics of `images`, best the whole training set. The copy is in evaluation mode.
    Equal up to rounding: identities add no other error. Chapter: problem/degradation.

    Raises ValueError unless both are plain nets with the same stem, widths and classes, and no
    stage of `deep` has fewer blocks.
    """
    _check(shallow, deep)
    net = copy.deepcopy(deep).eval()
    net.load_state_dict(shallow.state_dict(), strict=False)  # blocks have the same names
    twin, outputs = copy.deepcopy(shallow).eval(), []
    for stage in twin.stages:
        stage.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    twin(images)
    for small, large, x in zip(shallow.stages, net.stages, outputs, strict=True):
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        for block in large[len(small) :]:
            make_identity(block.conv1, block.bn1, mean, var)
            make_identity(block.conv2, block.bn2, mean, var)
    return net


def _check(shallow: ResNet, deep: ResNet) -> None:
    a, b = shallow.architecture, deep.architecture
    for net in (a, b):
        if net.block is not PlainBlock:
            raise ValueError(f"expected plain nets, got one of {net.block.__name__}")
    if (a.stem, tuple(a.widths), a.num_classes) != (b.stem, tuple(b.widths), b.num_classes):
        raise ValueError(
            "expected nets that differ in stage_sizes alone, got "
            f"widths {a.widths} and {b.widths}, classes {a.num_classes} and {b.num_classes}"
        )
    if any(i > j for i, j in zip(a.stage_sizes, b.stage_sizes, strict=True)):
        raise ValueError(
            "expected a deep net with at least the blocks of the shallow one in each stage, "
            f"got {b.stage_sizes} for {a.stage_sizes}"
        )
