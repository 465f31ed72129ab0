"""The training loop: a run between two steps, and how it takes the next one.

Chapter: training/recipe.
"""

import math
import time
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor, nn
from tqdm import tqdm

from resnet_tutorial import Mistake, records
from resnet_tutorial.data import Dataset
from resnet_tutorial.records import Epoch, Record
from resnet_tutorial.train import checkpoint
from resnet_tutorial.train.batches import Batches
from resnet_tutorial.train.distributed import World
from resnet_tutorial.train.evaluation import autocast, error, guessing
from resnet_tutorial.train.meter import Unwatched
from resnet_tutorial.train.recipe import Recipe
from resnet_tutorial.train.stopping import Interrupted, Stop

MOST_TRAIN_ERROR_IMAGES = 10_000  # the training error of an epoch is measured on at most so many
CHECK_EVERY = 20  # steps between checks of the loss, each of which waits for the device
SAVE_SECONDS = 30.0  # between checkpoints


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


class Training:
    """A run between two steps, and how it takes the next one: what `fit` does."""

    def __init__(self, model: nn.Module, dataset: Dataset, recipe: Recipe, seed: int, world: World):
        device = next(model.parameters()).device
        self.model, self.recipe, self.world = model, recipe, world
        self.folder: checkpoint.RunFolder | None = None
        self.stop, self.meter = Stop(), Unwatched()
        self.train = Batches.of(dataset, dataset.train, device, recipe)
        self.test = Batches.of(dataset, dataset.test, device, recipe)
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            recipe.lr,
            recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=True,  # one kernel for all parameters: 10 % of a step of a deep, narrow net
        )
        self.record = Record(
            model=getattr(model, "name", type(model).__name__),
            recipe=recipe.as_dict(),
            seed=seed,
            data=dataset.name,
            data_fingerprint=dataset.fingerprint,
            parameters=sum(p.numel() for p in model.parameters()),
            curve=(),
            status="running",
            variant=getattr(model, "variant", {}),
            guessing=guessing(self.train.spread(MOST_TRAIN_ERROR_IMAGES).labels),
            environment=records.environment(device, world.size),
        )
        self.per_epoch = len(self.train) // recipe.batch_size
        self.steps = self.per_epoch * recipe.epochs
        self.step, self.used = 0, (0.0, 0.0)
        self.losses = torch.zeros(self.per_epoch, device=device)  # of the epoch, on the device
        self.generator = torch.Generator(device)

    def run(self, progress: bool, compile: bool) -> Record:
        """Takes all steps that are left."""
        forward = self.world.parallel(self.model)
        if compile:
            graphs = self.losses.is_cuda  # CUDA graphs: no launch from Python inside a step
            forward = torch.compile(forward, mode="reduce-overhead" if graphs else "default")
        shuffle = torch.Generator().manual_seed(self.record.seed)
        for _ in range(self.step // self.per_epoch):
            torch.randperm(len(self.train), generator=shuffle)
        self.clock, self.saved = Clock(*self.used), time.perf_counter()
        with self.bar(progress) as bar:
            while self.step < self.steps and self.record.status == "running":
                order = torch.randperm(len(self.train), generator=shuffle)
                self.epoch(forward, order.to(self.losses.device), bar)
        if self.record.status == "running":
            self.record = replace(self.record, status="finished")
        return self.record

    def epoch(self, forward: nn.Module, order: Int64[Tensor, " n"], bar: tqdm) -> None:
        """The steps that are left of the epoch whose images come in this `order`; the errors."""
        for i in range(self.step % self.per_epoch, self.per_epoch):
            batch = order[i * self.recipe.batch_size : (i + 1) * self.recipe.batch_size]
            self.losses[i] = self.take_step(forward, batch)
            self.step += 1
            bar.update(self.recipe.batch_size)
            self.meter.step(self)
            if i + 1 < self.per_epoch:
                if self.step % CHECK_EVERY == 0 and not self.loss_is_finite(bar):
                    break
                self.save_and_stop()
        self.measure(bar)
        self.save_and_stop()

    def take_step(self, forward: nn.Module, batch: Int64[Tensor, " b"]) -> Tensor:
        """One step of SGD; the loss, which stays on the device."""
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(self.step)
        self.seed_random()
        images, labels = self.meter.fetch(
            lambda: self.train.augmented(batch, self.generator, self.world.share)
        )
        with autocast(images.device, recipe):
            logits = forward(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        with self.meter.update(self):
            if recipe.clip < math.inf:
                nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
            self.optimizer.step()
        return loss.detach()

    def watched(self) -> bool:
        """Whether a Watch hears of the coming step."""
        return (self.step + 1) % CHECK_EVERY == 0 or (self.step + 1) % self.per_epoch == 0

    def rate(self, step: int) -> float:
        """The learning rate of `step`."""
        return self.recipe.lr * self.recipe.schedule.factor(step, self.steps)

    def seed_random(self) -> None:
        """Makes the random numbers of this step a function of the seed and the step alone."""
        key = self.record.seed * 1_000_003 + self.step
        self.generator.manual_seed(key)  # the augmentation of the whole batch, in every process
        key += self.world.rank << 40  # dropout of this process's part
        torch.default_generator.manual_seed(key)
        if self.losses.is_cuda:
            with torch.cuda.device(self.losses.device):
                torch.cuda.manual_seed(key)

    def epoch_losses(self) -> Tensor:
        """The losses of the present epoch, over all processes, on the CPU."""
        return self.world.mean(self.losses[: (self.step - 1) % self.per_epoch + 1])

    def recent_loss(self) -> float:
        """Mean of the last losses of the epoch, at most as many as lie between two checks."""
        return self.epoch_losses()[-CHECK_EVERY:].mean().item()

    def loss_is_finite(self, bar: tqdm) -> bool:
        """Shows the loss; whether it is still finite."""
        losses = self.epoch_losses()
        bar.set_postfix(loss=f"{losses[-CHECK_EVERY:].mean():.3f}", **self.shown())
        return bool(losses.isfinite().all())

    def measure(self, bar: tqdm) -> None:
        """Ends the epoch: its mean loss, its errors, and whether the run is lost."""
        losses = self.epoch_losses()
        self.world.broadcast_buffers(self.model)
        with autocast(self.losses.device, self.recipe):
            train = self.train.spread(MOST_TRAIN_ERROR_IMAGES)
            errors = [error(self.model, part, self.world) for part in (train, self.test)]
        epoch = Epoch(losses.mean().item(), *errors, *self.clock.read())
        self.record = replace(self.record, curve=(*self.record.curve, epoch))
        bar.set_postfix(loss=f"{epoch.train_loss:.3f}", **self.shown())
        broken = (~losses.isfinite()).nonzero()
        if len(broken):
            step = self.step - len(losses) + broken[0].item()
            self.diverged(f"loss {losses[broken[0]].item()} in step {step + 1}", step)
        elif not checkpoint.finite(self.model.state_dict()):
            self.diverged(f"a weight is not finite after step {self.step}", self.step - 1)
        self.meter.epoch(self)

    def diverged(self, what: str, step: int) -> None:
        """Ends the run: `what` is not finite, because of `step`."""
        status = f"diverged: {what}, lr {self.rate(step):g}"
        self.record = replace(self.record, status=status)

    def shown(self) -> dict[str, str]:
        """The errors of the last whole epoch, for the bar."""
        if not self.record.curve:
            return {}
        return {
            "train": f"{self.record.train_error:.1%}",
            "test": f"{self.record.test_error:.1%}",
        }

    def bar(self, progress: bool) -> tqdm:
        """Images done, images a second, time left."""
        return tqdm(
            total=self.steps * self.recipe.batch_size,
            initial=self.step * self.recipe.batch_size,
            unit=" images",
            unit_scale=True,
            disable=not (progress and self.world.writes),
        )

    def save_and_stop(self) -> None:
        """Saves when it is time; saves and raises Interrupted when a signal asked for it.

        Several processes must stop at the same step, so they ask each other after every one.
        """
        if self.folder is None:
            return
        signum, saved = self.world.max(self.stop.signum), True
        ends = signum or self.step == self.steps
        due = time.perf_counter() - self.saved > SAVE_SECONDS
        if (ends or due) and self.world.writes:
            try:
                saved = self.save()
            except OSError as error:
                if ends:
                    raise
                self.saved = time.perf_counter()
                warnings.warn(f"{error}; the run goes on without", stacklevel=2)
        if signum and self.record.status == "running" and self.step < self.steps:
            there = "from there" if saved else "from before it diverged"
            raise Interrupted(
                f"stopped after step {self.step} of {self.steps}; resume goes on {there}", signum
            )

    def save(self) -> bool:
        """Writes a checkpoint, everything that the next step depends on.

        False when the run is lost: then the checkpoints from before are worth more.
        """
        tensors = {**checkpoint.snapshot(self.model, self.optimizer), "losses": self.losses}
        if not checkpoint.finite(tensors):
            return False
        state = {
            "run": self.identity(),
            "step": self.step,
            "used": self.clock.read(),
            "curve": [epoch.as_dict() for epoch in self.record.curve],
            "environment": self.record.environment,
        }
        self.folder.save(tensors, state)
        self.saved = time.perf_counter()
        return True

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping) -> None:
        """Becomes the run that saved this. ValueError when it does not make sense.

        A run that had ended keeps the environment that it ran in.
        """
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
            checkpoint.restore(self.model, self.optimizer, tensors)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Mistake(
                f"the checkpoint is not sound ({error}); start the run again in another folder"
            ) from None
        self.losses.copy_(tensors["losses"])
        self.step, self.used = step, tuple(used)
        self.record = replace(self.record, curve=curve)
        if step == self.steps and "environment" in state:
            self.record = replace(self.record, environment=state["environment"])

    def identity(self) -> dict:
        """What must be equal for a run to go on: the record's, and what only decides its bits."""
        layers = Counter(
            type(module).__name__ if any(module.children()) else repr(module)
            for module in self.model.modules()
        )
        own = {name: getattr(self.record, name) for name in records.IDENTITY}
        return {**own, "layers": dict(layers), "processes": self.world.size}
