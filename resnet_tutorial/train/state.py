"""A run between two steps: all that the next step depends on, saved and restored.

Chapter: training/recipe.
"""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from resnet_tutorial import Mistake, provenance, records
from resnet_tutorial.data import Dataset
from resnet_tutorial.records import Epoch, Record
from resnet_tutorial.train import checkpoint, layers
from resnet_tutorial.train.average import PREFIX, Average
from resnet_tutorial.train.batches import Batches
from resnet_tutorial.train.distributed import World
from resnet_tutorial.train.evaluation import guessing
from resnet_tutorial.train.meter import Unwatched
from resnet_tutorial.train.recipe import Recipe
from resnet_tutorial.train.stopping import Stop
from resnet_tutorial.train.tuning import Tuning

MOST_TRAIN_ERROR_IMAGES = 10_000  # the training error of an epoch is measured on at most so many


class Clock:
    """Wall and processor seconds of a run; a run that goes on starts from what it had used.

    >>> Clock(60.0, 90.0).read()[0] >= 60.0
    True
    """

    def __init__(self, seconds: float = 0.0, processor_seconds: float = 0.0):
        self._begun = time.perf_counter() - seconds, time.process_time() - processor_seconds

    def read(self) -> tuple[float, float]:
        """Wall seconds and processor seconds, of all threads together, since the run began."""
        return time.perf_counter() - self._begun[0], time.process_time() - self._begun[1]


class State:
    """A run between two steps."""

    def __init__(
        self,
        model: nn.Module,
        dataset: Dataset,
        recipe: Recipe,
        seed: int,
        world: World,
        tuning: Tuning | None = None,
    ):
        device = next(model.parameters()).device
        self.model, self.recipe, self.world = model, recipe, world
        self.folder: checkpoint.RunFolder | None = None
        self.stop, self.meter = Stop(), Unwatched()
        self.train = Batches.of(dataset, dataset.train, device, recipe)
        self.test = self.train.other(dataset.test)
        self.tuning, self.inputs = tuning, dataset.inputs(recipe.per_pixel_mean)
        self.optimizer = torch.optim.SGD(
            layers.groups(model, tuning, recipe),
            recipe.lr,
            recipe.momentum,
            weight_decay=recipe.weight_decay,
            # One kernel for all parameters: 10 % of a step of a deep, narrow net. When the scaler
            # leaves out the first step, its momentum would begin as whatever lay in memory.
            fused=recipe.precision != "float16",
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16")
        self.average = Average(model, recipe.ema) if recipe.ema else None
        self.record = Record(
            model=getattr(model, "name", type(model).__name__),
            recipe=recipe.as_dict(),
            seed=seed,
            data=dataset.name,
            data_fingerprint=dataset.fingerprint,
            parameters=sum(p.numel() for p in model.parameters()),
            curve=(),
            status="running",
            variant=getattr(model, "variant", {}) | layers.origin(model, dataset, tuning),
            guessing=guessing(self.train.spread(MOST_TRAIN_ERROR_IMAGES).labels),
            environment=provenance.environment(device, world.size),
        )
        self.per_epoch = len(self.train) // recipe.batch_size
        self.steps = self.per_epoch * recipe.epochs
        self.step, self.used = 0, (0.0, 0.0)
        self.losses = torch.zeros(self.per_epoch, device=device)  # of the epoch, on the device
        self.generator = torch.Generator(device)

    def set_modes(self, step: int) -> bool:
        """Freezes what the tuning freezes in `step`; whether other parameters learn than before."""
        epoch = step // self.per_epoch
        return self.tuning is not None and layers.set_modes(self.model, self.tuning, epoch)

    def save(self) -> bool:
        """Writes a checkpoint, everything that the next step depends on.

        False when the run is lost: then the checkpoints from before are worth more.
        """
        tensors = {**checkpoint.snapshot(self.model, self.optimizer), "losses": self.losses}
        if self.average is not None:
            tensors |= self.average.tensors()
        if not checkpoint.finite(tensors):
            return False
        state = {
            "run": self.identity(),
            "step": self.step,
            "used": self.clock.read(),
            "curve": [epoch.as_dict() for epoch in self.record.curve],
            "environment": self.record.environment,
            **({"scaler": self.scaler.state_dict()} if self.scaler.is_enabled() else {}),
        }
        self.folder.save(tensors, state)
        self.saved = time.perf_counter()
        return True

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping) -> None:
        """Becomes the run that saved this. ValueError when it does not make sense.

        A run that had ended keeps the environment that it ran in.
        """
        own, average = self._apart(tensors)
        try:
            step, used, curve = state["step"], state["used"], state["curve"]
            if type(step) is not int or not 0 < step <= self.steps:
                raise Mistake(f"step should be in 1 to {self.steps}, is {step!r}")
            if not (len(used) == 2 and all(seconds >= 0 for seconds in used)):
                raise Mistake(f"used should be two times in seconds, is {used}")
            if len(curve) != step // self.per_epoch:
                raise Mistake(f"after step {step} there are {len(curve)} epochs")
            if tensors["losses"].shape != self.losses.shape:
                raise Mistake(f"losses has the shape {tuple(tensors['losses'].shape)}")
            curve = tuple(Epoch.of(epoch) for epoch in curve)
            self.set_modes(step - 1)  # what had learned has momentum
            if self.scaler.is_enabled():
                self.scaler.load_state_dict(state["scaler"])
            if self.average is not None:
                self.average.check(average)
            checkpoint.restore(self.model, self.optimizer, own)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise Mistake(
                f"the checkpoint is not sound ({error}); start the run again in another folder"
            ) from None
        if self.average is not None:
            self.average.restore(average)
        self.losses.copy_(tensors["losses"])
        self.step, self.used = step, tuple(used)
        self.record = replace(self.record, curve=curve)
        if step == self.steps and "environment" in state:
            self.record = replace(self.record, environment=state["environment"])

    def _apart(self, tensors: Mapping[str, Tensor]) -> tuple[dict, dict]:
        """A checkpoint's tensors without those of the average, and these, if there is to be one."""
        average = {k: v for k, v in tensors.items() if self.average and k.startswith(PREFIX)}
        return {k: v for k, v in tensors.items() if k not in average}, average

    @property
    def evaluated(self) -> nn.Module:
        """The network whose errors are measured: the average, if there is one."""
        return self.model if self.average is None else self.average.model

    def conclude(self) -> None:
        """Makes the network the one that was evaluated, when the run has ended."""
        if self.average is not None:
            self.model.load_state_dict(self.average.model.state_dict())

    def identity(self) -> dict:
        """What must be equal for a run to go on: the record's, and what only decides its bits."""
        layers = Counter(
            type(module).__name__ if any(module.children()) else repr(module)
            for module in self.model.modules()
        )
        own = {name: getattr(self.record, name) for name in records.IDENTITY}
        return {**own, "layers": dict(layers), "processes": self.world.size}
