"""What a network gets wrong: predictions and errors, in evaluation mode.

Chapter: problem/degradation.
"""

import contextlib
import math
import warnings
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from resnet_tutorial.data import Dataset
from resnet_tutorial.train.batches import Batches
from resnet_tutorial.train.distributed import World
from resnet_tutorial.train.recipe import Recipe
from resnet_tutorial.train.stream import Stream

BATCH = 1000  # images at a time, and fewer of large ones: of 224x224 pixels 81
PIXELS = BATCH * 64 * 64


def batch_size(images: Tensor) -> int:
    """How many of `images` are taken at a time: what their maps need in memory is bounded.

    >>> batch_size(torch.empty(0, 3, 32, 32)), batch_size(torch.empty(0, 3, 224, 224))
    (1000, 81)
    """
    return min(BATCH, max(1, PIXELS // max(1, images.shape[-2:].numel())))


def autocast(device: torch.device, recipe: Recipe) -> torch.autocast:
    """The recipe's precision on `device`."""
    half = torch.float16 if recipe.precision == "float16" else torch.bfloat16
    return torch.autocast(device.type, half, enabled=recipe.precision != "float32")


@contextlib.contextmanager
def whole_float32() -> Iterator[None]:
    """While the context is open, float32 is float32 on every device; the settings are put back.

    PyTorch rounds the convolutions of newer GPUs to TF32's 10 bits unless it is told not to.

    >>> with whole_float32():
    ...     torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    (False, 'highest')
    """
    convolution, product = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = convolution
        torch.set_float32_matmul_precision(product)


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

    Warns when the values can only be pixels as stored, or pixels divided by 255.

    >>> from resnet_tutorial import models
    >>> predict(models.build("resnet8"), torch.zeros(5, 3, 8, 8)).shape
    torch.Size([5])
    """
    if bits := _pixels(images):
        warnings.warn(
            f"expected normalised images, got what seems to be {bits}: normalise them, as "
            "Dataset.normalize does",
            stacklevel=2,
        )
    with evaluating(model):
        return torch.cat([model(part).argmax(1) for part in images.split(batch_size(images))])


def _pixels(images: Tensor) -> str:
    """What images are that were not normalised: nothing else has whole steps alone; or nothing."""
    part = images[:100].float()
    if part.numel() == 0 or part.min() < 0 or not 0 < part.max() <= 255:
        return ""
    if part.max() > 1:
        return "pixels from 0 to 255" if (part == part.round()).all() else ""
    steps = 255 * part
    divided = (steps - steps.round()).abs().max() < 1e-3 and len(part.unique()) > 2
    return "pixels divided by 255" if divided else ""


def error(model: nn.Module, batches: Batches | Stream, world: World | None = None) -> float:
    """The fraction of images whose most likely class is wrong.

    The processes of `world`, which all have all images, count a part each.

    >>> from resnet_tutorial import data, models
    >>> digits, net = data.load("digits"), models.build("resnet8", in_channels=1)
    >>> 0.5 < error(net, Batches.of(digits, digits.test, "cpu")) <= 1  # untrained
    True
    """
    world = world or World()
    size = batch_size(batches.images)
    wrong = torch.zeros((), device=batches.labels.device)
    with evaluating(model):
        for images, labels in batches.take(world.share).normalized(size):
            wrong += (model(images).argmax(1) != labels).sum()
    return world.sum(wrong).item() / len(batches)


def guessing(labels: Int64[Tensor, " n"]) -> float:
    """The error from which on a classifier of n such images knows no more than their shares.

    Always naming the most frequent class is wrong with a probability p; by luck alone errors are as
    low as two standard deviations below it, sqrt(p (1 - p) / n) each.

    >>> round(guessing(torch.arange(1000) % 10), 3)
    0.881
    """
    n = len(labels)
    p = 1 - labels.cpu().bincount().max().item() / n
    return max(p - 2 * math.sqrt(p * (1 - p) / n), p / 2)


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
    with whole_float32(), autocast(device, recipe):
        train = Batches.of(dataset, dataset.train, device, recipe)
        return error(model, train), error(model, train.other(dataset.test))
