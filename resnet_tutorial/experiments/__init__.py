"""Every experiment of the book by name, as data, and the one way to run them.

    resnet-tutorial reproduce --list           # lists them
    resnet-tutorial reproduce digits_depth     # runs what has no record yet

Each finished run is saved at once under `resnet_tutorial/results/<experiment>/`, and a run that was
stopped goes on from its checkpoint, so nothing is computed twice. Chapters load the records with
`recorded`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

from resnet_tutorial import Mistake, data, names, records
from resnet_tutorial.experiments import (
    on_digits,
    on_explosion,
    on_pictures,
    on_recipes,
    on_transfer,
)
from resnet_tutorial.experiments.experiment import Experiment
from resnet_tutorial.experiments.kinds import (
    Decayed,
    DefaultStart,
    Extended,
    Levelled,
    Rescaled,
    Run,
    Unnormalized,
    grid,
)
from resnet_tutorial.experiments.recipes import NARROW, QUICK
from resnet_tutorial.experiments.workers import execute
from resnet_tutorial.records import Record

__all__ = [
    "EXPERIMENTS",
    "NARROW",
    "QUICK",
    "Decayed",
    "DefaultStart",
    "Experiment",
    "Extended",
    "Levelled",
    "Rescaled",
    "Run",
    "Unnormalized",
    "available",
    "execute",
    "grid",
    "missing",
    "recorded",
    "reproduce",
    "seconds",
]

# Every experiment of the book, by its name.
EXPERIMENTS = (
    on_digits.EXPERIMENTS
    | on_explosion.EXPERIMENTS
    | on_recipes.EXPERIMENTS
    | on_pictures.EXPERIMENTS
    | on_transfer.EXPERIMENTS
)
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
    runs = names.lookup(EXPERIMENTS, experiment, "experiment").runs
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
    resnet_tutorial.Mistake: unknown experiment 'digits_width'; nearest: ...
    """
    if absent := missing(experiment):
        runs = EXPERIMENTS[experiment].runs
        raise Mistake(
            f"{experiment}: {len(absent)} of {len(runs)} records are missing "
            f"({absent[0].label} ...); run: resnet-tutorial reproduce {experiment}"
        )
    return available(experiment)


def available(experiment: str) -> list[Record]:
    """The Records that there are, in the order of the experiment's runs: of a long one maybe few.

    What is not there is what `missing` names: say so where you show these. Raises ValueError when
    a file does not hold the Record of the run that it is named after.

    >>> available("digits_depth") == recorded("digits_depth")
    True
    """
    absent = missing(experiment)
    present = [run for run in EXPERIMENTS[experiment].runs if run not in absent]
    return [_load(experiment, run) for run in present]


def _load(experiment: str, run: Run) -> Record:
    """The Record of `run`. ValueError when the file holds another's, or one that is not whole."""
    place = path(experiment, run)
    record = records.load(place)
    differs = records.difference(asdict(record), {**run.identity, "experiment": experiment})
    if not differs and record.status == "finished" and len(record.curve) != run.recipe.epochs:
        differs = f"it has {len(record.curve)} epochs, asked for are {run.recipe.epochs}"
    if differs:
        raise Mistake(
            f"{place} is not the record of this run: {differs}; move it away and run: "
            f"resnet-tutorial reproduce {experiment}"
        )
    return record


def seconds(runs: Sequence[Run]) -> float | None:
    """About how many seconds of one core `runs` take, together; None when nothing is known.

    Estimated from the runs that were recorded on one thread: the median of their seconds a
    multiply-add, of those on images of the same shape.

    >>> 60 < seconds(EXPERIMENTS["digits_long"].runs) < 86400
    True
    """
    rates = _seconds_per_mac()
    shapes = [_shape(run) for run in runs]
    if not all(shape in rates for shape in shapes):
        return None
    return sum(run.cost * rates[shape] for run, shape in zip(runs, shapes, strict=True))


def _shape(run: Run) -> tuple[int, ...] | None:
    return data.CATALOGUE[run.data].image_shape if run.data in data.CATALOGUE else None


def _seconds_per_mac() -> dict[tuple[int, ...] | None, float]:
    """By the shape of an image, as far as there are records."""
    found = defaultdict(list)
    for name, experiment in EXPERIMENTS.items():
        for run in experiment.runs:
            if _shape(run) is None or not path(name, run).exists():
                continue
            record = _load(name, run)
            if record.status == "finished" and record.environment.get("threads") == 1:
                last = record.curve[-1]
                found[_shape(run)].append((last.processor_seconds or last.seconds) / run.cost)
    return {shape: median(rates) for shape, rates in found.items()}


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
