"""The training loop: how a run takes its next step, measures its errors, saves and stops.

Chapter: training/recipe.
"""

import math
import time
import warnings
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn
from tqdm import tqdm

from resnet_tutorial.records import Epoch, Record
from resnet_tutorial.train import checkpoint
from resnet_tutorial.train.evaluation import autocast, error
from resnet_tutorial.train.state import MOST_TRAIN_ERROR_IMAGES, Clock, State
from resnet_tutorial.train.stopping import Interrupted

CHECK_EVERY = 20  # steps between checks of the loss, each of which waits for the device
SAVE_SECONDS = 30.0  # between checkpoints


class Training(State):
    """A run that takes its steps: what `fit` does."""

    def run(self, progress: bool, compile: bool) -> Record:
        """Takes all steps that are left."""
        shuffle = torch.Generator().manual_seed(self.record.seed)
        for _ in range(self.step // self.per_epoch):
            torch.randperm(len(self.train), generator=shuffle)
        self.clock, self.saved = Clock(*self.used), time.perf_counter()
        with self.bar(progress) as bar:
            forward = None
            while self.step < self.steps and self.record.status == "running":
                if self.set_modes(self.step) or forward is None:
                    forward = self.forward(compile)
                order = torch.randperm(len(self.train), generator=shuffle)
                self.epoch(forward, order.to(self.losses.device), bar)
        self.conclude()
        if self.record.status == "running":
            self.record = replace(self.record, status="finished")
        return self.record

    def forward(self, compile: bool) -> nn.Module:
        """The network as the steps call it; a new one whenever something else learns."""
        forward = self.world.parallel(self.model)
        if compile:
            # CUDA graphs: no launch from Python inside a step. Gradients that are added to would
            # lie in the memory of a graph that is run again.
            graphs = self.losses.is_cuda and self.recipe.accumulate == 1
            forward = torch.compile(forward, mode="reduce-overhead" if graphs else "default")
        return forward

    def epoch(self, forward: nn.Module, order: Int64[Tensor, " n"], bar: tqdm) -> None:
        """The steps that are left of the epoch whose images come in this `order`; the errors."""
        batches = order.split(self.recipe.batch_size)[: self.per_epoch]
        done = self.step % self.per_epoch
        self.train.ahead(batches[done:], self.key(), self.world.share)
        for i, batch in enumerate(batches[done:], done):
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
            group["lr"] = self.rate(self.step) * group.get("factor", 1)
        self.seed_random()
        images, labels = self.meter.fetch(
            lambda: self.train.augmented(batch, self.generator, self.world.share)
        )
        self.optimizer.zero_grad()
        loss = self.backward(forward, images, labels)
        self.scaler.unscale_(self.optimizer)
        with self.meter.update(self):
            if recipe.clip < math.inf:
                nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
            self.scaler.step(self.optimizer)  # the scaler leaves out a step that is not finite
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.model, self.step)
        return loss

    def backward(
        self, forward: nn.Module, images: Float[Tensor, "b c h w"], labels: Int64[Tensor, " b"]
    ) -> Tensor:
        """The gradient of the mean loss of a batch, taken in as many parts as the recipe says.

        The processes add their gradients up after the last part.
        """
        recipe, losses = self.recipe, []
        parts = [batch.tensor_split(recipe.accumulate) for batch in (images, labels)]
        for i, (part, truth) in enumerate(zip(*parts, strict=True), 1):
            with self.world.alone(forward, i < recipe.accumulate):
                with autocast(images.device, recipe):
                    logits = forward(part)
                loss = F.cross_entropy(
                    logits.float(), truth, label_smoothing=recipe.label_smoothing
                )
                self.scaler.scale(loss / recipe.accumulate).backward()
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    def watched(self) -> bool:
        """Whether a Watch hears of the coming step."""
        return (self.step + 1) % CHECK_EVERY == 0 or (self.step + 1) % self.per_epoch == 0

    def rate(self, step: int) -> float:
        """The learning rate of `step`."""
        return self.recipe.lr * self.recipe.schedule.factor(step, self.steps)

    def key(self) -> int:
        """What the random numbers of this step come from; that of the next step is one more."""
        return self.record.seed * 1_000_003 + self.step

    def seed_random(self) -> None:
        """Makes the random numbers of this step a function of the seed and the step alone."""
        key = self.key()
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
        for net in dict.fromkeys((self.model, self.evaluated)):
            self.world.broadcast_buffers(net)
        with autocast(self.losses.device, self.recipe):
            train = self.train.spread(MOST_TRAIN_ERROR_IMAGES)
            errors = [error(self.evaluated, part, self.world) for part in (train, self.test)]
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
