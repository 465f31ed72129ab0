"""What `fit` refuses before the first step, because it could only fail or mislead later.

Chapter: training/your_hardware.
"""

import operator
import warnings
from math import prod

import torch
from torch import nn

from resnet_tutorial import Mistake
from resnet_tutorial.data import Dataset
from resnet_tutorial.train.batches import Batches
from resnet_tutorial.train.distributed import World
from resnet_tutorial.train.evaluation import evaluating
from resnet_tutorial.train.recipe import Recipe
from resnet_tutorial.train.stream import Stream

MOST_STEPS = 10**9  # weeks at a thousand steps a second
MOST_SEED = 2**31 - 1  # the random numbers of a step come from seed * 1,000,003 + step


def check_seed(seed: object) -> int:
    """`seed` as Python's int. ValueError when it is none that a run can have.

    >>> check_seed(torch.tensor(3))
    3
    """
    try:
        found = operator.index(seed)
    except TypeError:
        found = -1
    if not 0 <= found <= MOST_SEED:
        raise Mistake(f"seed must be a whole number in 0 to {MOST_SEED}, got {seed!r}")
    return found


def check_recipe(recipe: Recipe, dataset: Dataset, world: World) -> None:
    """ValueError for a recipe that cannot be followed on these images with so many processes."""
    images, (_, h, w) = len(dataset.train), dataset.image_shape
    if recipe.batch_size > images:
        raise Mistake(
            f"batch_size {recipe.batch_size} is larger than the {images} training "
            f"images of {dataset.name}; choose at most {images}"
        )
    if recipe.batch_size % world.size:
        raise Mistake(
            f"batch_size {recipe.batch_size} cannot be divided among {world.size} processes; "
            f"choose a multiple of {world.size}"
        )
    if recipe.batch_size % (world.size * recipe.accumulate):
        raise Mistake(
            f"batch_size {recipe.batch_size} cannot be taken in {recipe.accumulate} parts by each "
            f"of {world.size} processes; choose a multiple of {world.size * recipe.accumulate}"
        )
    if recipe.padding >= min(h, w):
        raise Mistake(
            f"padding {recipe.padding} would crop images of {h}x{w} pixels to nothing but padding; "
            f"choose at most {min(h, w) - 1}"
        )
    steps = images // recipe.batch_size * recipe.epochs
    if steps > MOST_STEPS:
        raise Mistake(
            f"{recipe.epochs} epochs are {steps} steps, which never end; choose at most "
            f"{MOST_STEPS * recipe.batch_size // images} epochs"
        )
    warmup = getattr(recipe.schedule, "warmup", 0)
    if warmup > steps:
        raise Mistake(
            f"a warm-up of {warmup} steps is longer than the run of {steps}; choose a shorter one "
            "in the schedule, or more epochs"
        )


def check_device(recipe: Recipe, device: torch.device) -> None:
    """ValueError for what PyTorch does not have on `device`.

    >>> from resnet_tutorial.train import PhotoRecipe
    >>> check_device(PhotoRecipe(sync_batch_norm=True), torch.device("cpu"))
    Traceback (most recent call last):
    resnet_tutorial.Mistake: sync_batch_norm needs a GPU for each process, got cpu: ...
    """
    if recipe.sync_batch_norm and device.type != "cuda":
        raise Mistake(
            f"sync_batch_norm needs a GPU for each process, got {device.type}: PyTorch's "
            "SyncBatchNorm runs nowhere else; leave it out"
        )


def check_network(model: nn.Module, batches: Batches | Stream, classes: int, share: int) -> None:
    """ValueError when `model` cannot learn the `classes` in batches of `share` images a process.

    It is asked for one image in evaluation mode, which changes nothing. Warns when it has more
    outputs than there are classes.
    """
    sizes = []

    def note(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        sizes.append(prod(output.shape[2:]))

    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    hooks = [norm.register_forward_hook(note) for norm in norms]
    try:
        with evaluating(model):
            images, _ = next(iter(batches.take(slice(1)).normalized(1)))
            logits = model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if logits.ndim != 2 or logits.shape[1] < classes:
        raise Mistake(
            f"expected a network with an output for each of the {classes} classes, got outputs of "
            f"shape {tuple(logits.shape[1:])}; build it with num_classes={classes}"
        )
    if logits.shape[1] > classes:
        warnings.warn(
            f"the network has {logits.shape[1]} outputs for {classes} classes: it has to learn "
            f"that the others never come; build it with num_classes={classes}",
            stacklevel=3,
        )
    if share == 1 and 1 in sizes:
        raise Mistake(
            "expected at least 2 images a step and process, got 1: the network's last maps have "
            "one pixel, and batch norm cannot normalise a single value; choose a larger batch_size"
        )
