"""Runs that do not train, each with one fault planted: material for practice/it_does_not_train.

`broken(0)` is healthy; `broken(1)` to `broken(8)` are not. The faults stand below, at the end: who
reads on loses the riddle. All runs use the 8x8 digits, 8 layers and one thread's seconds.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from resnet_tutorial import data, models
from resnet_tutorial.inputs import Inputs
from resnet_tutorial.records import Epoch, Record
from resnet_tutorial.train import Recipe, Step, Watch
from resnet_tutorial.train.meter import came, layer_groups, norm

EPOCHS, BATCH, MOMENTUM = 6, 64, 0.9
MEASURED = 500  # images of which an error is measured
WATCHED = 10  # steps between two looks


class Run:
    """A net, its images and the loop that trains it. A fault overrides what it breaks.

    `x`, `y` are the training images as the net gets them and their labels, `test_x`, `test_y` those
    that are held out. `broken` makes it, untrained; `train` trains it.

    >>> run = broken(0)
    >>> run.x.shape, len(next(run.batches()))
    (torch.Size([1297, 1, 8, 8]), 64)
    """

    lr, norms = 0.1, True

    def __init__(self, seed: int = 0):
        self.seed, self.dataset = seed, self.make_data()
        self.x, self.test_x = (
            torch.from_numpy(self.dataset.normalize(split.images))
            for split in (self.dataset.train, self.dataset.test)
        )
        self.y, self.test_y = (
            torch.from_numpy(split.labels) for split in (self.dataset.train, self.dataset.test)
        )
        self.shuffle = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.net = self.make_net()
        self.optimizer = torch.optim.SGD(self.net.parameters(), self.lr, MOMENTUM)

    def make_data(self) -> data.Dataset:
        """The digits."""
        return data.load("digits")

    def make_net(self) -> nn.Module:
        """A residual net of 8 layers; where `norms` is False, without batch norm."""
        net = models.build("resnet8", in_channels=1, widths=(8, 16, 32))
        for module in [] if self.norms else list(net.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.BatchNorm2d):
                    setattr(module, name, nn.Identity())
        return net

    def batches(self) -> Iterator[Int64[Tensor, " b"]]:
        """The places of the images of each step of an epoch."""
        order = torch.randperm(len(self.x), generator=self.shuffle)
        yield from order.split(BATCH)[: len(order) // BATCH]

    def loss(self, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
        """Cross-entropy in nats."""
        return F.cross_entropy(self.net(x), y)

    def step(self, x, y, lr: float | None = None) -> float:
        """One step of SGD at the rate `lr`, usually the run's own; the loss before it."""
        self.optimizer.param_groups[0]["lr"] = self.lr if lr is None else lr
        self.optimizer.zero_grad()
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def error(self, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]) -> float:
        """Share of wrong answers, a fraction."""
        self.net.eval()
        wrong = (self.net(x).argmax(1) != y).double().mean().item()
        self.net.train()
        return wrong

    def train(self, epochs: int = EPOCHS, watch: Watch | None = None) -> Record:
        """Trains; `watch` hears what `train.fit` would tell it. The Record has the curve.

        >>> record = broken(0).train(epochs=1)
        >>> len(record.curve), record.guessing
        (1, 0.9)
        """
        watch, curve, taken = watch or Watch(), [], 0
        for epoch in range(1, epochs + 1):
            losses: list[float] = []
            for batch in self.batches():
                before = [p.detach().clone() for p in self.net.parameters()]
                losses.append(self.step(self.x[batch], self.y[batch]))
                taken += 1
                if taken % WATCHED == 0:
                    watch.step(self._seen(before, taken, taken * BATCH / len(self.x), losses))
            errors = (self.error(x[:MEASURED], y[:MEASURED])
                      for x, y in ((self.x, self.y), (self.test_x, self.test_y)))  # fmt: skip
            curve.append(Epoch(float(np.mean(losses)), *errors, seconds=float(epoch)))
            record = Record("resnet8", {}, self.seed, "digits", "", 0, tuple(curve), guessing=0.9)
            watch.epoch(record, len(self.test_y))
        return record

    def _seen(self, before: list, taken: int, epoch: float, losses: list[float]) -> Step:
        """What is seen of the step that was taken."""
        was = dict(zip(self.net.parameters(), before, strict=True))
        groups = layer_groups(self.net)
        gradients = {name: norm(came(group)) for name, group in groups.items()}
        moved = {name: norm([p.detach() - was[p] for p in group])
                 / norm([was[p] for p in group]).clamp_min(1e-12)
                 for name, group in groups.items()}  # fmt: skip
        gradients, moved = ({k: v.item() for k, v in found.items()} for found in (gradients, moved))
        rate, loss = self.optimizer.param_groups[0]["lr"], float(np.mean(losses[-WATCHED:]))
        return Step(taken, epoch, loss, rate, gradients, moved, 0.0, 1.0)

    @property
    def recipe(self) -> Recipe:
        """What `train.before.report` has to know of the run."""
        return Recipe(epochs=EPOCHS, lr=self.lr, batch_size=BATCH, momentum=MOMENTUM)


def broken(n: int, seed: int = 0) -> Run:
    """Run `n`, untrained: 0 is healthy, 1 to 8 have a fault each.

    Raises ValueError for another number.

    >>> broken(9)
    Traceback (most recent call last):
    ValueError: there is no run 9; ask for 0, which is healthy, or one of 1 to 8
    """
    if n not in range(len(RUNS)):
        raise ValueError(
            f"there is no run {n}; ask for 0, which is healthy, or one of 1 to {len(RUNS) - 1}"
        )
    return RUNS[n](seed)


# ---------------------------------------------------------------------------------------------
# The faults. Look here after you have given your diagnoses.
# ---------------------------------------------------------------------------------------------


class _Softmax(Run):
    """The net ends in a softmax; cross-entropy takes another one."""

    def make_net(self):
        net = super().make_net()
        net.register_forward_hook(lambda layer, given, scores: scores.softmax(1))
        return net


class _Labels(Run):
    """The labels were put into another order than the images."""

    def make_data(self):
        digits = super().make_data()
        mixed = np.random.default_rng(9).permutation(digits.train.labels)
        return replace(digits, train=replace(digits.train, labels=mixed))


class _Slow(Run):
    """The rate is a hundredth of a good one."""

    lr = 0.001


class _Mode(Run):
    """Errors are measured in training mode, eight images at a time, sorted by class."""

    @torch.no_grad()
    def error(self, x, y):
        parts = torch.argsort(y, stable=True).split(8)
        wrong = [(self.net(x[part]).argmax(1) != y[part]).sum() for part in parts]
        return sum(wrong).item() / len(y)


class _Pixels(Run):
    """Pixels from 0 to 255 as they lie in the file; a net without batch norm."""

    lr, norms = 0.02, False

    def make_data(self):
        digits = super().make_data()
        raw = [replace(split, images=(split.images.astype(np.uint16) * 255 // 16).astype(np.uint8))
               for split in (digits.train, digits.test)]  # fmt: skip
        mean, std = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32)
        digits = replace(digits, train=raw[0], test=raw[1])
        return digits.normalized_as(Inputs(digits.classes, mean, std, (1, 8, 8)))


class _Sorted(Run):
    """The images come class after class, as they lie in their folders."""

    def batches(self):
        yield from torch.argsort(self.y, stable=True).split(BATCH)[: len(self.y) // BATCH]


class _Cleared(Run):
    """The gradients are never set to zero: each step takes the sum of all so far."""

    def step(self, x, y, lr=None):
        self.optimizer.param_groups[0]["lr"] = self.lr if lr is None else lr
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class _Cut(Run):
    """A detach behind the second stage: no gradient goes further back."""

    def make_net(self):
        net = super().make_net()
        net.layer2.register_forward_hook(lambda layer, given, maps: maps.detach())
        return net


RUNS = (Run, _Softmax, _Labels, _Slow, _Mode, _Pixels, _Sorted, _Cleared, _Cut)
