"""Before a run: is the first loss right, does the net learn at all, at which rate, at what cost?

`report` answers on copies: the net, the data and torch's random numbers stay as they were.

The first loss. A net that knows nothing gives each of K classes about 1/K, and its cross-entropy is
about ln K; what is far above is sure of wrong answers, what is far below knows already.

One batch learned by heart. A net with more weights than a batch has labels can learn it whole; one
that cannot has a fault, and more data or epochs will not cure it.

The rate is looked for by `sweep`. Chapter: practice/it_does_not_train.
"""

import contextlib
import copy
import math
import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from resnet_tutorial.counts import bytes_for_backward
from resnet_tutorial.data import Dataset
from resnet_tutorial.train.checks import check_device, check_network, check_recipe, check_seed
from resnet_tutorial.train.distributed import World
from resnet_tutorial.train.evaluation import autocast, error, whole_float32
from resnet_tutorial.train.fitting import best_device
from resnet_tutorial.train.loop import Training
from resnet_tutorial.train.memory import Memory
from resnet_tutorial.train.recipe import Recipe
from resnet_tutorial.train.state import MOST_TRAIN_ERROR_IMAGES
from resnet_tutorial.train.sweep import RATES, Sweep, sweep
from resnet_tutorial.train.tuning import Tuning

HEART_STEPS = 60  # at most, in which one batch is learned by heart
HEART_IMAGES = 64  # of that batch, at most
BY_HEART = 0.1  # nats: a batch whose loss is below is learned
TIMED_IMAGES = 256  # by which the time of an evaluation is measured


@dataclass(frozen=True, eq=False)
class Before:
    """What `report` found; `print` it. Losses in nats, times in seconds.

    `by_heart` are the losses of one batch before each step at `heart_rate`.

    >>> from resnet_tutorial import data, models
    >>> net = models.build("resnet8", in_channels=1, widths=(4, 8, 16))
    >>> found = report(net, data.load("digits"), Recipe(), device="cpu")
    >>> print(found)
    first loss     ...
    >>> found.learns
    True
    """

    first_loss: float
    outputs: int
    batch: int
    by_heart: Float64[np.ndarray, " steps"]
    heart_rate: float
    sweep: Sweep
    recipe: Recipe
    step_seconds: float
    run_seconds: float
    steps: int
    memory: Memory

    @property
    def learns(self) -> bool:
        """Whether the batch was learned by heart."""
        return bool(self.by_heart[-1] < BY_HEART)

    def __str__(self) -> str:
        lines = {
            "first loss": self._first(),
            "one batch": self._heart(),
            "learning rate": self._rate(),
            "time": f"{1000 * self.step_seconds:.3g} ms a step, {self.steps:,} steps: about "
            f"{duration(self.run_seconds)} with the errors after each epoch",
            "memory": str(self.memory),
        }
        return "\n".join(f"{name:<15}{line}" for name, line in lines.items())

    def _first(self) -> str:
        guess = math.log(self.outputs)
        if not math.isfinite(self.first_loss):
            verdict = "no number: look at the images and the first weights"
        elif self.first_loss > guess + 1:
            verdict = "too high, it is sure of wrong answers: are the images scaled, the last "
            verdict += "layer's weights small?"
        elif self.first_loss < guess / 2:
            verdict = "low, it knows already: weights that were trained, or labels in the images?"
        else:
            verdict = "as it should be, it guesses"
        return f"{self.first_loss:.2f}; guessing among {self.outputs} gives {guess:.2f}: {verdict}"

    def _heart(self) -> str:
        said = (
            f"{self.batch} images, {len(self.by_heart)} steps at {self.heart_rate:.2g}: loss "
            f"{self.by_heart[0]:.2f} to {self.by_heart[-1]:.2f}: "
        )
        if self.learns:
            return said + "learned by heart"
        if self.by_heart[-1] < 0.5 * self.by_heart[0]:
            return said + "it is learning, but slowly: a small net, or a rate that is too small"
        return said + (
            "not learned; more data will not help: are the labels the images' own, do gradients "
            "reach the weights, are the images scaled?"
        )

    def _rate(self) -> str:
        found = self.sweep
        if not found.falls and self.learns:
            return (
                "the loss of other images hardly falls at any rate, though one batch is learned: "
                "are the labels right, and are so few steps enough?"
            )
        if not found.falls:
            return "the loss hardly falls at any rate; first make it learn one batch"
        end = f"explodes from {found.explodes:.2g}" if found.explodes else "explodes nowhere"
        said = (
            f"falls fastest near {found.fastest:.2g}, least near {found.lowest:.2g}, {end}: try "
            f"{found.suggestion:.2g}, half the least one's; the recipe's "
            f"{self.recipe.lr:.2g} is "
        )
        ratio = self.recipe.lr / found.suggestion
        if self.recipe.lr > (found.explodes or math.inf):
            return said + "where it explodes"
        return said + ("near it" if 0.2 <= ratio <= 5 else "smaller" if ratio < 1 else "larger")


def duration(seconds: float) -> str:
    """Seconds in a unit that one can picture.

    >>> duration(42.0), duration(600.0), duration(10_000.0)
    ('42 s', '10 min', '2.8 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def report(
    net: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    seed: int = 0,
    device: str | torch.device | None = None,
    tuning: Tuning | None = None,
) -> Before:
    """Tries `net` on the training images of `dataset` as `recipe` would train it; see Before.

    It takes about 170 steps. `net`, its mode, torch's random numbers and the data stay as they
    were, bit by bit. With `tuning` the first epoch's layers learn. Raises ValueError for what `fit`
    would refuse.

    >>> from resnet_tutorial import data, models
    >>> net = models.build("resnet8", num_classes=12, in_channels=1, widths=(4, 8, 16))
    >>> report(net, data.load("digits"), Recipe(batch_size=2000), device="cpu")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: batch_size 2000 is larger than the 1297 training images ...
    """
    device, seed = torch.device(device or best_device()), check_seed(seed)
    check_recipe(recipe, dataset, World())
    check_device(recipe, device)
    with contextlib.ExitStack() as stack:
        stack.enter_context(whole_float32())
        stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        heart, swept = (_Trial.of(net, dataset, recipe, seed, device, tuning) for _ in range(2))
        stack.callback(swept.train.close)
        with autocast(device, recipe):
            check_network(heart.model, heart.train, len(dataset.classes), heart.part)
        memory, outputs = heart.memory(), heart.logits(heart.batch(2)[0]).shape[1]
        swept.announce(len(RATES))
        found = sweep(swept.at)
        rate = found.suggestion or recipe.lr
        step = statistics.median(swept.seconds[3:] or swept.seconds)  # the first ones are slow
        return Before(
            first_loss=float(found.losses[0]),
            outputs=outputs,
            batch=min(recipe.batch_size, HEART_IMAGES),
            by_heart=heart.learn(rate),
            heart_rate=rate,
            sweep=found,
            recipe=recipe,
            step_seconds=step,
            run_seconds=recipe.epochs * (swept.per_epoch * step + swept.evaluation_seconds()),
            steps=swept.steps,
            memory=memory,
        )


class _Trial(Training):
    """A run on a copy of the net, whose rate is set from outside."""

    @classmethod
    def of(
        cls,
        net: nn.Module,
        dataset: Dataset,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        tuning: Tuning | None,
    ) -> "_Trial":
        """The trial of a copy of `net` on `device`."""
        net = copy.deepcopy(net).to(device, memory_format=torch.channels_last).train()
        trial = cls(net, dataset, recipe, seed, World(), tuning)
        trial.set_modes(0)
        shuffle = torch.Generator().manual_seed(seed)
        trial.order = torch.randperm(len(trial.train), generator=shuffle).to(device)
        trial.lr, trial.seconds = recipe.lr, []
        return trial

    def announce(self, steps: int) -> None:
        """Tells which batches `at` will ask for: photos are decoded beforehand, as in a run."""
        batches = self.order.split(self.recipe.batch_size)[: self.per_epoch]
        coming = (batches[i % self.per_epoch] for i in range(steps))
        self.train.ahead(coming, self.key(), self.world.share)

    def rate(self, step: int) -> float:
        return self.lr

    def at(self, rate: float) -> float:
        """Takes a step at `rate`; the loss before it."""
        self.lr, begun = rate, time.perf_counter()
        first = self.step % self.per_epoch * self.recipe.batch_size
        batch = self.order[first : first + self.recipe.batch_size]
        loss = self.take_step(self.model, batch).item()
        self.step += 1
        self.seconds.append(time.perf_counter() - begun)
        return loss

    @property
    def part(self) -> int:
        """Images in one forward pass."""
        return self.recipe.batch_size // self.recipe.accumulate

    def batch(self, size: int) -> tuple[Float[Tensor, "n c h w"], Int64[Tensor, " n"]]:
        """The first images as they are evaluated, and their labels."""
        return next(self.train.take(self.order[:size]).normalized(size))

    def logits(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """In the recipe's precision."""
        with autocast(images.device, self.recipe):
            return self.model(images).float()

    def learn(self, rate: float) -> Float64[np.ndarray, " steps"]:
        """The losses of one batch before each step on it, without decay and augmentation."""
        images, labels = self.batch(min(self.recipe.batch_size, HEART_IMAGES))
        weights = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(weights, rate, self.recipe.momentum)
        losses: list[float] = []
        while len(losses) < HEART_STEPS and (not losses or losses[-1] >= BY_HEART):
            loss = F.cross_entropy(self.logits(images), labels)
            losses.append(loss.item())
            optimizer.zero_grad()
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(weights, self.recipe.clip)
            self.scaler.step(optimizer)
            self.scaler.update()
        return np.array(losses)

    def memory(self) -> Memory:
        """What the run holds at once."""
        images, labels = self.batch(self.part)
        maps = bytes_for_backward(self.model, lambda: F.cross_entropy(self.logits(images), labels))
        trained = [p for p in self.model.parameters() if p.requires_grad]
        momentum = sum(p.nbytes for p in trained) if self.recipe.momentum else 0
        resident = self.train.nbytes + self.test.nbytes
        parameters = sum(p.nbytes for p in self.model.parameters())
        average = parameters if self.average is not None else 0
        return Memory(maps, parameters, momentum, resident, average)

    def evaluation_seconds(self) -> float:
        """How long the errors after an epoch take."""
        part = self.test.spread(TIMED_IMAGES)
        begun = time.perf_counter()
        with autocast(self.losses.device, self.recipe):
            error(self.model, part)
        images = min(MOST_TRAIN_ERROR_IMAGES, len(self.train)) + len(self.test)
        return (time.perf_counter() - begun) * images / len(part)
