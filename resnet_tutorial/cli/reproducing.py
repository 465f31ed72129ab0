"""resnet-tutorial reproduce."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

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
    """List the experiments and how many of their runs have a record."""

    def run(self) -> int:
        """Runs or lists."""
        from resnet_tutorial import experiments
        from resnet_tutorial.names import lookup

        if bool(self.experiments) + self.missing + self.list > 1:
            raise ValueError("give names of experiments, or --missing, or --list, and only one")
        for name in self.experiments:  # all of them before the first, which may take hours
            lookup(experiments.EXPERIMENTS, name, "experiment")
        if self.experiments or self.missing:
            self._reproduce(self.experiments or tuple(experiments.all_missing()))
            return 0
        rows = [("experiment", "runs", "recorded")]
        for name, runs in experiments.EXPERIMENTS.items():
            rows.append((name, len(runs), len(runs) - len(experiments.missing(name))))
        print(table(rows))
        return 0

    def _reproduce(self, wanted: tuple[str, ...]) -> None:
        from resnet_tutorial import experiments

        if not wanted:
            print("Every run of every experiment has a record.")
        for name in wanted:
            left = len(experiments.missing(name))
            print(f"{name}: {left} runs without a record", flush=True)
            experiments.reproduce(name)
