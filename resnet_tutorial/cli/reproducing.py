"""resnet-tutorial reproduce."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from resnet_tutorial import Mistake
from resnet_tutorial.cli.text import table

Flag = FlagCreatePairsOff[bool]


@dataclass(frozen=True)
class Reproduce:
    """Run the book's experiments that have no record yet."""

    experiments: Annotated[
        tuple[str, ...],
        Positional,
        arg(metavar="[EXPERIMENT ...]", help_behavior_hint="(default: list all)"),
    ] = ()
    """The experiments, as in digits_depth. Runs that have a record are not run again."""
    missing: Flag = False
    """Run all that is missing, in all experiments, the cheapest first."""
    list: Flag = False
    """List the experiments: chapter, runs, how many have a record, the time of the others."""

    def run(self) -> int:
        """Runs or lists."""
        from resnet_tutorial import experiments
        from resnet_tutorial.names import lookup

        if bool(self.experiments) + self.missing + self.list > 1:
            raise Mistake("give names of experiments, or --missing, or --list, and only one")
        for name in self.experiments:  # all of them before the first, which may take hours
            lookup(experiments.EXPERIMENTS, name, "experiment")
        if self.experiments or self.missing:
            self._reproduce(self.experiments or tuple(experiments.all_missing()))
            return 0
        print(table(_rows(), left=(0, 1)))
        print("To do: processor time as recorded runs took it, on one core; a GPU is much faster.")
        return 0

    def _reproduce(self, wanted: tuple[str, ...]) -> None:
        from resnet_tutorial import experiments

        if not wanted:
            print("Every run of every experiment has a record.")
        for name in wanted:
            left = len(experiments.missing(name))
            print(f"{name}: {left} runs without a record", flush=True)
            experiments.reproduce(name)


def _rows() -> list[tuple]:
    from resnet_tutorial import experiments

    rows = [("experiment", "chapter", "runs", "recorded", "to do")]
    for name, experiment in experiments.EXPERIMENTS.items():
        absent = experiments.missing(name)
        runs = len(experiment.runs)
        rows.append((name, experiment.chapter, runs, runs - len(absent), _effort(absent)))
    return rows


def _effort(runs: Sequence) -> str:
    """The time that runs take, or how much they compute when nothing like them was recorded."""
    from resnet_tutorial import experiments

    if not runs:
        return "complete"
    seconds = experiments.seconds(runs)
    if seconds is None:
        return f"{sum(run.cost for run in runs):.0e} MACs"
    hours = seconds / 3600
    return f"about {hours:,.0f} h" if hours >= 1 else f"about {max(1, seconds / 60):.0f} min"
