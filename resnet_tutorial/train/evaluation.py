"""What a network gets wrong: predictions and errors, in evaluation mode.

Chapter: problem/degradation.
"""

import contextlib
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from resnet_tutorial.data import Dataset
from resnet_tutorial.train.batches import Batches
from resnet_tutorial.train.distributed import World
from resnet_tutorial.train.recipe import Recipe

BATCH = 1000


def autocast(device: torch.device, recipe: Recipe) -> torch.autocast:
    """The recipe's precision on `device`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, no gradients; the model's own mode is put back."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def predict(model: nn.Module, images: Float[Tensor, "n c h w"]) -> Int64[Tensor, " n"]:
    """The most likely class of each normalised image, in evaluation mode.

    >>> from resnet_tutorial import models
    >>> predict(models.build("resnet8"), torch.zeros(5, 3, 8, 8)).shape
    torch.Size([5])
    """
    with evaluating(model):
        return torch.cat([model(part).argmax(1) for part in images.split(BATCH)])


def error(model: nn.Module, batches: Batches, world: World | None = None) -> float:
    """The fraction of images whose most likely class is wrong.

    The processes of `world`, which all have all images, count a part each.

    >>> from resnet_tutorial import data, models
    >>> digits, net = data.load("digits"), models.build("resnet8", in_channels=1)
    >>> 0.5 < error(net, Batches.of(digits, digits.test, "cpu")) <= 1  # untrained
    True
    """
    world = world or World()
    wrong = torch.zeros((), device=batches.labels.device)
    with evaluating(model):
        for images, labels in batches.take(world.share).normalized(BATCH):
            wrong += (model(images).argmax(1) != labels).sum()
    return world.sum(wrong).item() / len(batches)


def evaluate(
    model: nn.Module, dataset: Dataset, recipe: Recipe | None = None
) -> tuple[float, float]:
    """Training and test error of `model`, fractions over all images, in evaluation mode.

    `recipe` is the one of its training: the mean that it subtracts and its precision are used.

    >>> from resnet_tutorial import data, models
    >>> net = models.build("resnet8", in_channels=1)
    >>> train_error, test_error = evaluate(net, data.load("digits"))
    >>> 0.5 < test_error <= 1  # untrained
    True
    """
    device = next(model.parameters()).device
    recipe = recipe or Recipe()
    with autocast(device, recipe):
        train = error(model, Batches.of(dataset, dataset.train, device, recipe))
        return train, error(model, Batches.of(dataset, dataset.test, device, recipe))
