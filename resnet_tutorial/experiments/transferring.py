"""Runs on a few pictures of each class, from scratch or from a pretrained net.

Chapter: practice/fine_tuning.
"""

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from resnet_tutorial import counts, data, files, models, train
from resnet_tutorial.experiments.kinds import Run, load_data
from resnet_tutorial.records import Record
from resnet_tutorial.train.evaluation import autocast

PRETRAINED_ON = "tiny-imagenet-150"
HELD_OUT = 50  # pictures a class that a rate is chosen on, in no sample of the same seed
WRONG = "wrong.safetensors"  # which test pictures a run got wrong, or each run of an experiment

loaded = cache(load_data)  # all runs of a process use the same two sets


def sample(dataset: data.Dataset, pictures: int, seed: int) -> np.ndarray:
    """Numbers of `pictures` training pictures a class, drawn by `seed`; the fewer are of the more.

    >>> digits = data.load("digits")
    >>> few, more = (sample(digits, n, seed=0) for n in (2, 5))
    >>> len(few), set(few) <= set(more), np.bincount(digits.train.labels[few]).tolist()
    (20, True, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    """
    order = np.random.default_rng(seed).permutation(len(dataset.train))
    labels = dataset.train.labels[order]
    classes = range(len(dataset.classes))
    return np.concatenate([order[labels == label][:pictures] for label in classes])


def _held_out(dataset: data.Dataset, seed: int) -> np.ndarray:
    """The last HELD_OUT of each class in the order of `sample`, which takes the first."""
    most = int(np.bincount(dataset.train.labels).min())
    return np.setdiff1d(sample(dataset, most, seed), sample(dataset, most - HELD_OUT, seed))


@dataclass(frozen=True, kw_only=True)
class Scratch(Run):
    """A run from random weights on `pictures` a class, drawn by the seed, in `passes` passes.

    All passes are one epoch of the recipe: tests between them would take longer than training.
    `judged_on` is "test", or "held-out" where a rate is chosen: then the errors are of 50 other
    training pictures a class.

    >>> run = Scratch("resnet20", train.Recipe(epochs=1), 0, pictures=10, passes=16)
    >>> run.label, run.variant
    ('scratch-10-seed0', {'kind': 'Scratch', 'pictures': '10', 'passes': '16'})
    """

    pictures: int
    passes: int
    judged_on: str = "test"

    arm = "scratch"
    tuning: ClassVar[train.Tuning | None] = None

    @property
    def label(self) -> str:
        rate = "" if self.judged_on == "test" else f"-lr{self.recipe.lr:g}"
        return f"{self.arm}-{self.pictures}{rate}-seed{self.seed}"

    @property
    def variant(self) -> dict:
        judged = {} if self.judged_on == "test" else {"judged_on": self.judged_on}
        sizes = {"pictures": str(self.pictures), "passes": str(self.passes)}
        return {**super().variant, **sizes, **judged}

    @property
    def cost(self) -> float:
        """Multiply-adds of all forward passes."""
        entry, net = data.CATALOGUE[self.data], models.build(self.model, **dict(self.parts))
        shown = self.pictures * self.passes * entry.classes
        return float(shown * counts.count_macs(net, entry.image_shape))

    def few(self) -> data.Dataset:
        """The sample, each picture `passes` times, and the pictures that it is judged on."""
        full = loaded(self.data)
        chosen = sample(full, self.pictures, self.seed)
        judged = (
            full.test if self.judged_on == "test" else full.train.take(_held_out(full, self.seed))
        )
        some = full.train.take(np.tile(chosen, self.passes))
        normalization = loaded(PRETRAINED_ON).inputs()  # what a pretrained net was given
        return data.Dataset(self.data, some, judged, full.classes, normalization=normalization)

    def execute(self, folder: str | os.PathLike | None = None) -> Record:
        """Trains; the Record, which names the data that the pictures are drawn from.

        In `folder`, WRONG says of each picture that it was judged on whether it got it wrong.
        """
        net, few = self.start(), self.few()
        net.variant = self.variant
        settings = {"seed": self.seed, "folder": folder, "resume": True, "tuning": self.tuning}
        record = train.fit(net, few, self.recipe, **settings)
        if folder is not None:
            images = torch.from_numpy(few.normalize(few.test.images))
            images = images.contiguous(memory_format=torch.channels_last)
            with autocast(images.device, self.recipe):
                wrong = train.predict(net.cpu(), images) != torch.from_numpy(few.test.labels)
            files.write_tensors(Path(folder) / WRONG, {self.label: wrong}, {})
        fingerprint = data.CATALOGUE[self.data].fingerprint
        return replace(record, variant=self.variant, data_fingerprint=fingerprint)


@dataclass(frozen=True, kw_only=True)
class Tuned(Scratch):
    """A run from the shipped net of 150 other classes, with a new head and `frozen` stages fixed.

    0 tunes the whole net; n freezes the stem and n stages; 3, all of a ResNet-20's, is a linear
    probe: only the head learns.

    >>> run = Tuned("resnet20", train.Recipe(epochs=1), 0, pictures=10, passes=16, frozen=3)
    >>> run.label, run.variant["frozen"]
    ('probe-10-seed0', '3')
    """

    frozen: int

    @property
    def arm(self) -> str:
        return ("whole", "frozen1", "frozen2", "probe")[self.frozen]

    @property
    def variant(self) -> dict:
        return {**super().variant, "frozen": str(self.frozen)}

    @property
    def tuning(self) -> train.Tuning:
        """What is fixed in training."""
        return train.Tuning(frozen_stages=self.frozen)

    def start(self) -> torch.nn.Module:
        """The pretrained net, its head replaced by one drawn under the run's seed."""
        net = models.build(self.model, weights=PRETRAINED_ON, **dict(self.parts))
        torch.manual_seed(self.seed)
        net.fc = nn.Linear(net.fc.in_features, data.CATALOGUE[self.data].classes)
        return net


def wrong_answers(experiment: str) -> dict[str, np.ndarray]:
    """Which test pictures each run of `experiment` got wrong, bool `(n,)`, by the run's label.

    >>> wrong_answers("transfer")["probe-10-seed0"].shape
    (2500,)
    """
    place = Path(__file__).parents[1] / "results" / experiment / WRONG
    return {label: wrong.numpy() for label, wrong in files.read_tensors(place)[0].items()}
