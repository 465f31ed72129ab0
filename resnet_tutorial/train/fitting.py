"""`fit`: a network, data and a recipe in, a Record out. Chapters: problem/degradation,
training/scaling_up.
"""

import contextlib
import os

import torch
from torch import nn

from resnet_tutorial import Mistake
from resnet_tutorial.data import Dataset
from resnet_tutorial.models import weights
from resnet_tutorial.records import Record
from resnet_tutorial.train import checkpoint, launch
from resnet_tutorial.train.distributed import World, joined
from resnet_tutorial.train.loop import Training
from resnet_tutorial.train.recipe import Recipe
from resnet_tutorial.train.stopping import Stop


def best_device() -> torch.device:
    """The GPU when there is one, under torchrun the one of this process, else the CPU.

    >>> best_device().type in ("cpu", "cuda")
    True
    """
    if torch.cuda.is_available():
        return torch.device("cuda", launch.number("LOCAL_RANK"))
    return torch.device("cpu")


def fit(
    model: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    seed: int = 0,
    device: str | torch.device | None = None,
    *,
    folder: str | os.PathLike | None = None,
    resume: bool = False,
    progress: bool = False,
    compile: bool = False,
) -> Record:
    """Trains `model` in place and returns the Record of the run.

    `seed` fixes the order of the batches, the augmentation and the dropout; initialise the model
    under a seed of its own. On one machine, on the CPU with as many threads, equal arguments give
    equal curves; the threads are torch's (`torch.get_num_threads()`). A loss that is no longer
    finite ends the run: the Record says at which step and rate, and its errors are those of the
    broken model.

    With a `folder`, the state is saved there every half minute, and on Ctrl-C or SIGTERM, which
    then raise Interrupted; `resume` goes on from it, on the CPU in float32 with as many threads to
    the same weights, bit by bit. `progress` shows a bar. `compile` hands the network to
    torch.compile. Under torchrun all processes share each batch, and the first one writes.

    Raises ValueError when a batch would be larger than the training set, or the folder holds
    another run or one that `resume` was not asked for.

    >>> from resnet_tutorial import data, models
    >>> net = models.build("resnet8", in_channels=1, widths=(4, 8, 16))
    >>> record = fit(net, data.load("digits"), Recipe(epochs=2), device="cpu")
    >>> record.status, len(record.curve), record.curve[1].train_loss < record.curve[0].train_loss
    ('finished', 2, True)
    """
    device = torch.device(device or best_device())
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(joined(device))
        _check_batch_size(recipe.batch_size, dataset, world)
        stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        model.to(device, memory_format=torch.channels_last).train()  # the faster layout everywhere
        training = Training(model, dataset, recipe, seed, world)
        if folder is None:
            return training.run(progress, compile)
        place = stack.enter_context(checkpoint.RunFolder(folder, writes=world.writes))
        training.folder = place
        saved = place.load()
        if saved is not None:
            if not resume:
                raise Mistake(f"{folder} holds a run; resume it, or choose another folder")
            training.restore(*saved)
        training.stop = stack.enter_context(Stop())
        record = training.run(progress, compile)
        if world.writes:
            record.save(place.path / checkpoint.RECORD)
            weights.save(place.path / checkpoint.WEIGHTS, model, record)
        return record


def _check_batch_size(batch_size: int, dataset: Dataset, world: World) -> None:
    if batch_size > len(dataset.train):
        raise Mistake(
            f"batch_size {batch_size} is larger than the {len(dataset.train)} training "
            f"images of {dataset.name}; choose at most {len(dataset.train)}"
        )
    if batch_size % world.size:
        raise Mistake(
            f"batch_size {batch_size} cannot be divided among {world.size} processes; choose a "
            f"multiple of {world.size}"
        )
