"""`fit`: a network, data and a recipe in, a Record out. Chapters: problem/degradation,
training/your_hardware.
"""

import contextlib
import os

import torch
from torch import nn

from resnet_tutorial import Mistake
from resnet_tutorial.data import Dataset
from resnet_tutorial.records import Record, difference
from resnet_tutorial.train import checkpoint, launch, layers
from resnet_tutorial.train.checks import check_device, check_network, check_recipe, check_seed
from resnet_tutorial.train.distributed import joined, synchronised
from resnet_tutorial.train.evaluation import autocast, whole_float32
from resnet_tutorial.train.loop import Training
from resnet_tutorial.train.meter import Meter
from resnet_tutorial.train.recipe import Recipe
from resnet_tutorial.train.stopping import Stop
from resnet_tutorial.train.tuning import Tuning
from resnet_tutorial.train.watch import Watch


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
    tuning: Tuning | None = None,
    watch: Watch | None = None,
) -> Record:
    """Trains `model` in place and returns the Record of the run.

    `seed` fixes the order of the batches, the augmentation and the dropout; initialise the model
    under a seed of its own. On one machine, on the CPU with as many threads, equal arguments give
    equal curves; the threads are torch's (`torch.get_num_threads()`). A loss that is no longer
    finite ends the run: the Record says at which step and rate, and its errors are those of the
    broken model.

    With a `folder`, the state is saved there every half minute, and on Ctrl-C, SIGTERM or SIGHUP,
    which then raise Interrupted; `resume` goes on from it, on the CPU in float32 with as many
    threads to the same weights, bit by bit. `progress` shows a bar. `compile` hands the network to
    torch.compile. `watch` is told how it goes and changes nothing. Under torchrun all processes
    share each batch, and the first one reads and writes. Float32 is not rounded to TF32. `tuning`
    says how pretrained weights are trained on; a warning tells when the images are not normalised
    as for them (`dataset.normalized_as`).

    Raises ValueError for a recipe that does not fit the images, a network that does not fit the
    classes, and a folder that holds another run, or one that `resume` was not asked for.

    >>> from resnet_tutorial import data, models
    >>> net = models.build("resnet8", in_channels=1, widths=(4, 8, 16))
    >>> record = fit(net, data.load("digits"), Recipe(epochs=2), device="cpu")
    >>> record.status, len(record.curve), record.curve[1].train_loss < record.curve[0].train_loss
    ('finished', 2, True)
    """
    device, seed = torch.device(device or best_device()), check_seed(seed)
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(joined(device))
        check_recipe(recipe, dataset, world)
        check_device(recipe, device)
        stack.enter_context(whole_float32())
        stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        model.to(device, memory_format=torch.channels_last).train()  # the faster layout everywhere
        if tuning is not None:
            layers.check_normalization(model, dataset)
            stack.callback(layers.thaw, model)
        if recipe.sync_batch_norm:
            stack.enter_context(synchronised(model))
        training = Training(model, dataset, recipe, seed, world, tuning)
        stack.callback(training.train.close)
        if watch is not None:
            training.meter = Meter(watch)
            stack.callback(training.meter.close, training)
        share = recipe.batch_size // world.size // recipe.accumulate
        with autocast(device, recipe):
            check_network(model, training.train, len(dataset.classes), share)
        _agree(training)
        if folder is None:
            return training.run(progress, compile)
        place = training.folder = checkpoint.RunFolder(folder)

        def begin() -> tuple | None:
            return stack.enter_context(place).begin(training.identity(), resume)

        saved = world.first(begin)  # the others may have another disk
        if saved is not None:
            training.restore(*saved)
        training.stop = stack.enter_context(Stop(shared=world.size > 1))
        record = training.run(progress, compile)
        if world.writes:
            place.finish(record, model, training.inputs)
        return record


def _agree(training: Training) -> None:
    """ValueError unless all processes were asked for the same run."""
    own = training.identity()
    if differs := difference(training.world.first(lambda: own), own):
        raise Mistake(
            f"process {training.world.rank} was asked for another run than the first: {differs}; "
            "start all of them with the same arguments and the same data"
        )
