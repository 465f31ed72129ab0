"""Measure what a branch weighs in the shipped networks, for the path counter of the site.

    python tools/site/instruments/branches.py

writes branches.json beside this file: for each network, block by block, how long the gradient is
that comes back through the branch, in percent of the one that comes back along the shortcut. It
needs Fashion-MNIST; where the data are, a test measures again.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from resnet_tutorial import data, models
from resnet_tutorial.train import Batches

FILE = Path(__file__).with_name("branches.json")
NETWORKS = ("resnet20", "resnet56")
IMAGES = 256  # the first ones of the test set


def measure(net: models.ResNet, images: torch.Tensor, labels: torch.Tensor) -> list[float]:
    """The median over images of the ratio, for each block, in evaluation mode."""
    blocks, inputs, ratios = [block for _, block in net.blocks()], [], []

    def keep(block: nn.Module, x: tuple, y: torch.Tensor) -> None:
        inputs.append((x[0], y))

    hooks = [block.register_forward_hook(keep) for block in blocks]
    loss = F.cross_entropy(net.eval()(images), labels, reduction="sum")
    gradients = torch.autograd.grad(loss, [y for _, y in inputs])
    for hook in hooks:
        hook.remove()
    for block, (x, _), dy in zip(blocks, inputs, gradients, strict=True):
        x = x.detach().requires_grad_()
        branch, shortcut = block.branch(x), block.shortcut(x)
        ds = dy * (branch + shortcut > 0)  # behind the last ReLU
        back = [torch.autograd.grad(part, x, ds)[0] for part in (branch, shortcut)]
        lengths = [g.flatten(1).norm(dim=1) for g in back]
        ratios.append((lengths[0] / lengths[1]).median().item())
    return ratios


def all_measured() -> dict[str, list[int]]:
    """Whole percents, block by block, for each network."""
    fashion = data.load("fashion_mnist")
    images, labels = next(iter(Batches.of(fashion, fashion.test, "cpu").normalized(IMAGES)))
    nets = {name: models.build(name, weights="fashion_mnist") for name in NETWORKS}
    return {
        name: [round(100 * ratio) for ratio in measure(net, images, labels)]
        for name, net in nets.items()
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(all_measured()) + "\n")
