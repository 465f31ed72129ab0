"""Batch norms folded into the convolutions before them. Chapter: practice/deploy."""

import copy
from collections import Counter

import torch
from torch import nn

from resnet_tutorial import Mistake
from resnet_tutorial.models import ResNet
from resnet_tutorial.trace import trace


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution with a bias that computes norm(conv(x)) in evaluation mode.

    With a = gamma / sqrt(var + eps), one number a channel, the kernels are a w and the bias is
    a (b - mean) + beta; computed in float64 and returned in the type of `conv`.

    Raises ValueError when the norm keeps no averages, or has other channels.

    >>> conv, norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8).eval()
    >>> x = torch.randn(2, 3, 6, 6)
    >>> torch.allclose(fold(conv, norm)(x), norm(conv(x)), atol=1e-5)
    True
    """
    if norm.running_var is None or norm.num_features != conv.out_channels:
        kept = "no averages" if norm.running_var is None else f"{norm.num_features} channels"
        raise Mistake(
            f"expected a batch norm with averages of {conv.out_channels} channels, got one with "
            f"{kept}; fold the norm that directly follows the convolution"
        )
    mean, var = norm.running_mean.double(), norm.running_var.double()
    gamma = torch.ones_like(mean) if norm.weight is None else norm.weight.double()
    beta = torch.zeros_like(mean) if norm.bias is None else norm.bias.double()
    b = torch.zeros_like(mean) if conv.bias is None else conv.bias.double()
    a = gamma / (var + norm.eps).sqrt()
    kernels = a[:, None, None, None] * conv.weight.double()
    folded, dtype = copy.deepcopy(conv), conv.weight.dtype
    folded.weight = nn.Parameter(kernels.to(dtype).detach())
    folded.bias = nn.Parameter((a * (b - mean) + beta).to(dtype).detach())
    return folded


def fold_batch_norm(net: ResNet) -> ResNet:
    """A copy in which each batch norm that directly follows a convolution is part of it.

    Which ones do is seen while an image passes: the norm reads what the convolution gave, and
    nothing else does. The residual and plain nets lose every batch norm. A pre-activation net keeps
    those that stand behind an addition, before a ReLU: no convolution directly precedes them.
    Where a norm stood, an ``nn.Identity`` stands.

    Raises ValueError for a net in training mode or with numbers that are not finite.

    >>> from resnet_tutorial import models
    >>> net = models.build("resnet8").eval()
    >>> folded, x = fold_batch_norm(net), torch.randn(2, 3, 8, 8)
    >>> bool((folded(x) - net(x)).abs().max() < 1e-4 * net(x).abs().max())
    True
    >>> [sum(p.numel() for p in n.parameters()) for n in (net, folded)]
    [75290, 75050]
    """
    check_ready(net)
    folded = copy.deepcopy(net)
    with torch.no_grad():
        for conv, norm in _pairs(folded):
            one = fold(folded.get_submodule(conv), folded.get_submodule(norm))
            _put(folded, conv, one)
            _put(folded, norm, nn.Identity())
    return folded.eval()


def _pairs(net: ResNet) -> list[tuple[str, str]]:
    """The names of each convolution and the norm that alone reads what it gives."""
    side = 2 * net.stride
    operations = trace(net, (net.in_channels, side, side))
    readers = Counter(i for operation in operations for i in operation.inputs)
    calls = Counter(operation.owner for operation in operations)
    pairs = []
    for norm in operations:
        [source] = norm.inputs[:1]
        conv = operations[source]
        if norm.kind != "norm" or source < 0 or conv.kind != "conv" or readers[source] > 1:
            continue
        modules = [net.get_submodule(operation.owner) for operation in (conv, norm)]
        if [type(m) for m in modules] == [nn.Conv2d, nn.BatchNorm2d]:
            if calls[conv.owner] == calls[norm.owner] == 1 and modules[1].running_var is not None:
                pairs.append((conv.owner, norm.owner))
    return pairs


def _put(net: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent), leaf, module)


def check_ready(net: nn.Module) -> None:
    """ValueError for a net in training mode, or one with numbers that are not finite.

    >>> check_ready(nn.Linear(2, 3))
    Traceback (most recent call last):
    resnet_tutorial.Mistake: expected a network in evaluation mode, but it is in training mode, ...
    """
    for name, module in net.named_modules():
        if module.training:
            raise Mistake(
                f"expected a network in evaluation mode, but {name or 'it'} is in training mode, "
                "in which an answer depends on the rest of its batch; call net.eval() first"
            )
    for name, value in net.state_dict().items():
        if not value.isfinite().all():
            raise Mistake(f"{name} is not finite everywhere; the run diverged, so train anew")
