"""Every experiment of the book by name, as data, and the one way to run them.

    python -m resnet_tutorial.experiments                  # lists them
    python -m resnet_tutorial.experiments digits_depth     # runs what has no record yet

Each finished run is saved at once under `resnet_tutorial/results/<experiment>/`, so a stopped
experiment goes on where it was. Chapters load the records with `recorded`.
"""

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from resnet_tutorial import data, models, names, records, train
from resnet_tutorial.records import Record
from resnet_tutorial.train import Cosine, Recipe

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Run:
    """One training run, fully described: on one machine's CPU, equal Runs give equal curves.

    `parts` replace parts of the named architecture: `(("widths", (8, 16, 32)),)`.
    """

    model: str
    recipe: Recipe
    seed: int
    data: str = "digits"
    parts: tuple[tuple[str, object], ...] = ()

    @property
    def label(self) -> str:
        """The run's name among the runs of its experiment, and its file's."""
        return f"{self.model}-seed{self.seed}"

    def build(self) -> torch.nn.Module:
        """The network as it is before training: initialised under the run's seed."""
        dataset = data.load(self.data)
        torch.manual_seed(self.seed)
        return models.build(
            self.model,
            num_classes=len(dataset.classes),
            in_channels=dataset.image_shape[0],
            **dict(self.parts),
        )

    def execute(self) -> Record:
        """Builds the network, trains it, returns the Record."""
        record = train.fit(self.build(), data.load(self.data), self.recipe, seed=self.seed)
        return replace(record, model=self.model)


def grid(models: Sequence[str], seeds: Sequence[int], recipe: Recipe, **settings) -> list[Run]:
    """One Run for every model and seed; name the slowest model first, so that no worker waits."""
    return [Run(model, recipe, seed, **settings) for model in models for seed in seeds]


def _execute_on_one_thread(run: Run) -> Record:
    torch.set_num_threads(1)
    return run.execute()


def execute(runs: Sequence[Run], workers: int | None = None) -> Iterator[Record]:
    """Executes `runs` side by side, one thread each, and yields their Records in order.

    Nets on 8x8 images are too small to keep two threads busy, so two runs side by side end sooner
    than one after the other; and one thread adds in one order, so results repeat exactly.
    """
    workers = min(workers or os.cpu_count() or 1, len(runs))
    spawn = multiprocessing.get_context("spawn")  # a forked child would inherit torch's locks
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        yield from pool.map(_execute_on_one_thread, runs)


DEPTHS = (
    "plain110",
    "resnet110",
    "plain56",
    "resnet56",
    "plain20",
    "resnet20",
    "plain8",
    "resnet8",
)
DIGITS = Recipe(epochs=15, batch_size=64, lr=0.05, schedule=Cosine(warmup=20))

EXPERIMENTS: dict[str, list[Run]] = {
    # Training and test error against depth: problem/degradation.
    "digits_depth": grid(DEPTHS[::-1], range(5), DIGITS),
    # Is it only slow? Almost three times as long: problem/degradation.
    "digits_long": grid(("plain56", "resnet56"), range(3), replace(DIGITS, epochs=40)),
}


def recorded(experiment: str) -> list[Record]:
    """The Records of an experiment that were shipped with the package or made here.

    Raises ValueError naming the command to run when one is missing.
    """
    runs = names.lookup(EXPERIMENTS, experiment, "experiment")
    missing = [run.label for run in runs if not _path(experiment, run).exists()]
    if missing:
        raise ValueError(
            f"{experiment}: {len(missing)} of {len(runs)} records are missing ({missing[0]} ...); "
            f"run: python -m resnet_tutorial.experiments {experiment}"
        )
    return [records.load(_path(experiment, run)) for run in runs]


def reproduce(experiment: str) -> None:
    """Runs what has no record yet, in the experiment's order, and saves each record at once."""
    runs = names.lookup(EXPERIMENTS, experiment, "experiment")
    missing = [run for run in runs if not _path(experiment, run).exists()]
    for run, record in zip(missing, execute(missing) if missing else (), strict=True):
        replace(record, experiment=experiment).save(_path(experiment, run))
        errors = f"train {record.train_error:.2%}, test {record.test_error:.2%}"
        print(f"{experiment} {run.label}: {errors}, {record.status}", flush=True)


def _path(experiment: str, run: Run) -> Path:
    return RESULTS / experiment / f"{run.label}.json"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        try:
            reproduce(name)
        except ValueError as error:
            sys.exit(f"error: {error}")
    if not sys.argv[1:]:
        print("\n".join(f"{name}: {len(runs)} runs" for name, runs in EXPERIMENTS.items()))
