"""Networks changed on purpose: deeper, rescaled, with level steps, or without batch norm.

Chapters: problem/degradation, theory/explosion.
"""

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from resnet_tutorial import Mistake
from resnet_tutorial.models import ResNet


@torch.no_grad()
def make_identity(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, mean: Float[Tensor, " c"], var: Float[Tensor, " c"]
) -> None:
    """Sets `conv` and `bn` so that relu(bn(conv(x))) = x for x >= 0, exactly in evaluation mode.

    `mean` and `var` (biased) become the averages of `bn`. When they are those of the inputs, the
    layer is close to the identity in training mode too. Chapter: problem/degradation.

    >>> conv, bn = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4).eval()
    >>> make_identity(conv, bn, mean=torch.ones(4), var=torch.ones(4))
    >>> x = torch.rand(2, 4, 8, 8)
    >>> torch.allclose(F.relu(bn(conv(x))), x, atol=1e-6)
    True
    """
    nn.init.dirac_(conv.weight)
    bn.running_mean.copy_(mean)
    bn.running_var.copy_(var)
    bn.weight.copy_((var + bn.eps).sqrt())
    bn.bias.copy_(mean)


@torch.no_grad()
def identity_extension(shallow: ResNet, deep: ResNet, images: Float[Tensor, "n c h w"]) -> ResNet:
    """A copy of the plain net `deep` that in evaluation mode computes what `shallow` computes.

    The first blocks of each stage are those of `shallow`, the others identities whose batch norms
    hold the statistics of `images`, best the whole training set. The copy is in evaluation mode.
    Both agree up to rounding. Chapter: problem/degradation.

    Raises ValueError unless both are plain nets with the same stem, widths and classes, and no
    stage of `deep` has fewer blocks.

    >>> from resnet_tutorial.models import build
    >>> shallow, x = build("plain8").eval(), torch.randn(4, 3, 8, 8)
    >>> deep = identity_extension(shallow, build("plain20"), x)
    >>> torch.allclose(deep(x), shallow(x), atol=1e-4)
    True
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
    for net in (shallow, deep):
        _check_plain(net)
    shapes = [
        (
            [tuple(parameter.shape) for parameter in n.conv1.parameters()],
            tuple(n.architecture.widths),
            tuple(n.architecture.stage_strides),
            tuple(n.fc.weight.shape),
        )
        for n in (shallow, deep)
    ]
    if shapes[0] != shapes[1]:
        raise Mistake(
            "expected nets that differ in stage_sizes alone, got these shapes of the stem, widths, "
            f"strides and shapes of the classifier: {shapes[0]} and {shapes[1]}"
        )
    if any(i > j for i, j in zip(a.stage_sizes, b.stage_sizes, strict=True)):
        raise Mistake(
            "expected a deep net with at least the blocks of the shallow one in each stage, "
            f"got {b.stage_sizes} for {a.stage_sizes}"
        )


def _check_plain(net: ResNet) -> None:
    for _, block in net.blocks():
        if hasattr(block, "downsample"):
            raise Mistake(f"expected plain nets, got one of {type(block).__name__}")


def without_batch_norm(net: ResNet) -> ResNet:
    """A copy in which nothing stands where a batch norm stood. Chapter: theory/explosion.

    >>> from resnet_tutorial.models import build
    >>> without_batch_norm(build("resnet8")).bn1
    Identity()
    """
    net = copy.deepcopy(net)
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            owner, _, attribute = name.rpartition(".")
            setattr(net.get_submodule(owner), attribute, nn.Identity())
    return net


def scale_free_groups(net: ResNet) -> list[list[nn.Parameter]]:
    """The groups of parameters of a plain net that may be multiplied by any positive number.

    One group is a convolution's weight, the next its batch norm's gamma and beta: what follows
    is positively homogeneous up to the next batch norm, which divides the number out. The last
    batch norm feeds the classifier and is no such group. Raises ValueError unless `net` is plain.
    Chapter: theory/explosion.

    >>> from resnet_tutorial.models import build
    >>> len(scale_free_groups(build("plain8")))  # 7 convolutions and 6 of the 7 batch norms
    13
    """
    _check_plain(net)
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    return [list(layer.parameters()) for layer in layers[:-1]]


def relative_gradients(
    net: ResNet, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, " n"]
) -> Float[Tensor, " groups"]:
    """|dL/dp| / |p| of each of `scale_free_groups`, L the mean cross-entropy in training mode.

    >>> from resnet_tutorial.models import build
    >>> relative_gradients(build("plain8"), torch.randn(8, 3, 8, 8), torch.arange(8)).shape
    torch.Size([13])
    """
    twin = copy.deepcopy(net).train()
    twin.zero_grad()
    F.cross_entropy(twin(images), labels).backward()
    norms = [
        [torch.stack([t.norm() for t in tensors]).norm() for tensors in (gradients, group)]
        for group in scale_free_groups(twin)
        for gradients in [[p.grad for p in group]]
    ]
    return torch.stack([gradient / parameter for gradient, parameter in norms]).detach()


@torch.no_grad()
def equalise_gradients(
    net: ResNet, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, " n"]
) -> ResNet:
    """A copy of a plain net that computes the same and has equal `relative_gradients`.

    A group times s has its gradient divided by s, so s^2 is the group's relative gradient over
    that of the last convolution, which stays as it is. Each batch norm's epsilon grows with the
    variance it is added to, so that both statements are exact. Running averages are not touched.
    Raises ValueError unless `net` is plain. Chapter: theory/explosion.

    >>> from resnet_tutorial.models import build
    >>> x, labels = torch.randn(8, 3, 8, 8), torch.arange(8)
    >>> relative = relative_gradients(equalise_gradients(build("plain8"), x, labels), x, labels)
    >>> torch.allclose(relative, relative[-1], rtol=0.01)
    True
    """
    with torch.enable_grad():
        relative = relative_gradients(net, images, labels)
    net, scales = copy.deepcopy(net), (relative / relative[-1]).sqrt()
    for group, scale in zip(scale_free_groups(net), scales, strict=True):
        for parameter in group:
            parameter.mul_(scale)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    below = torch.cat([torch.ones_like(scales[:1]), scales[1::2]])  # of the batch norm before
    for norm, before, convolution in zip(norms, below, scales[::2], strict=True):
        norm.eps *= (before * convolution).item() ** 2
    return net


def level_gradients(net: nn.Module) -> None:
    """From now on every backward pass brings each layer's gradient to the norm of its parameters.

    A layer is a module with parameters of its own: a convolution, a batch norm (gamma and beta
    together), the classifier. A step of SGD without momentum and weight decay then moves every
    layer by the learning rate times its norm; a gradient of exactly zero stays. Expects
    `zero_grad()` before each backward pass. Chapter: theory/explosion.

    >>> net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> level_gradients(net)
    >>> net(torch.randn(8, 4)).square().mean().backward()
    >>> torch.allclose(_norm([p.grad for p in net[0].parameters()]), _norm(net[0].parameters()))
    True
    """
    for module in net.modules():
        layer = list(module.parameters(recurse=False))
        for parameter in layer:
            parameter.register_post_accumulate_grad_hook(lambda _, layer=layer: _level(layer))


@torch.no_grad()
def _level(layer: list[nn.Parameter]) -> None:
    """Acts when the last gradient of the layer has come."""
    if all(parameter.grad is not None for parameter in layer):
        gradient = _norm(parameter.grad for parameter in layer)
        scale = torch.where(gradient > 0, _norm(layer) / gradient, 1.0)
        for parameter in layer:
            parameter.grad.mul_(scale)


def _norm(tensors: Iterable[Tensor]) -> Float[Tensor, ""]:
    return torch.stack([t.detach().norm() for t in tensors]).norm()
