"""Every experiment of the book by name, as data, and the one way to run them.

    resnet-tutorial reproduce --list           # lists them
    resnet-tutorial reproduce digits_depth     # runs what has no record yet

Each finished run is saved at once under `resnet_tutorial/results/<experiment>/`, and a run that was
stopped goes on from its checkpoint, so nothing is computed twice. Chapters load the records with
`recorded`.
"""

from dataclasses import replace
from pathlib import Path

from resnet_tutorial import names, records
from resnet_tutorial.experiments.kinds import (
    Extended,
    Rescaled,
    Run,
    Unnormalized,
    execute,
    grid,
)
from resnet_tutorial.experiments.table import EXPERIMENTS, NARROW, QUICK
from resnet_tutorial.records import Record

__all__ = [
    "EXPERIMENTS",
    "NARROW",
    "QUICK",
    "Extended",
    "Rescaled",
    "Run",
    "Unnormalized",
    "execute",
    "grid",
    "missing",
    "recorded",
    "reproduce",
]

RESULTS = Path(__file__).parents[1] / "results"
RUNS = Path("runs")  # checkpoints and weights, in the working directory


def path(experiment: str, run: Run) -> Path:
    """Where the Record of a run stands."""
    return RESULTS / experiment / f"{run.label}.json"


def missing(experiment: str) -> list[Run]:
    """The runs of an experiment that have no Record yet.

    >>> missing("digits_depth")
    []
    """
    runs = names.lookup(EXPERIMENTS, experiment, "experiment")
    return [run for run in runs if not path(experiment, run).exists()]


def all_missing() -> list[str]:
    """The experiments with runs that have no Record yet, the cheapest first."""
    costs = {name: sum(run.cost for run in missing(name)) for name in EXPERIMENTS}
    return sorted((name for name, cost in costs.items() if cost), key=costs.get)


def recorded(experiment: str) -> list[Record]:
    """The Records of an experiment that were shipped with the package or made here.

    Raises ValueError naming the command to run when one is missing.

    >>> records = recorded("digits_depth")
    >>> len(records), max(r.test_error for r in records if r.model == "resnet56") < 0.1
    (40, True)
    >>> recorded("digits_width")
    Traceback (most recent call last):
    ValueError: unknown experiment 'digits_width'; nearest: ...
    """
    if absent := missing(experiment):
        raise ValueError(
            f"{experiment}: {len(absent)} of {len(EXPERIMENTS[experiment])} records are missing "
            f"({absent[0].label} ...); run: resnet-tutorial reproduce {experiment}"
        )
    return [records.load(path(experiment, run)) for run in EXPERIMENTS[experiment]]


def reproduce(experiment: str) -> None:
    """Runs what has no record yet, in the experiment's order, and saves each record at once.

    >>> reproduce("digits_depth")  # every record is there: nothing to run
    """
    absent = missing(experiment)
    done = execute(absent, RUNS / experiment) if absent else ()
    for run, record in zip(absent, done, strict=True):
        replace(record, experiment=experiment).save(path(experiment, run))
        errors = f"train {record.train_error:.2%}, test {record.test_error:.2%}"
        print(f"{experiment} {run.label}: {errors}, {record.status}", flush=True)
