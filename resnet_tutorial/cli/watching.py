"""What looks on at a training: options of resnet-tutorial train."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

from resnet_tutorial import Mistake
from resnet_tutorial.paths import expanded

Flag = FlagCreatePairsOff[bool]


@dataclass(frozen=True)
class Watching:
    """What is tried before a training, drawn and written while it runs."""

    check: Flag = False
    """Train nothing: say whether it can learn, at which rate, in what time and memory."""
    sweep: Annotated[
        Path | None, arg(metavar="FILE.png", help_behavior_hint="(default: no picture)")
    ] = None
    """Draw the loss against the rates that --check tries."""
    plot: Flag = False
    """Draw errors, loss, rate, gradient and updates while it runs, to curves.png in --out."""
    tensorboard: Annotated[
        Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: nothing is written)")
    ] = None
    """Write event files, which tensorboard --logdir FOLDER shows."""

    def verify(self, out: Path | None) -> None:
        """ValueError for options that need others."""
        if self.plot and out is None:
            raise Mistake("--plot needs --out FOLDER")
        if self.sweep is not None:
            if not self.check:
                raise Mistake("--sweep needs --check, which trains nothing")
            if self.sweep.suffix.lower() != ".png":
                raise Mistake(f"--sweep draws a .png, as in sweep.png, got {self.sweep}")
            if not expanded(self.sweep).parent.is_dir():
                raise Mistake(f"--sweep: there is no folder {self.sweep.parent}; make it first")

    def try_out(self, net, dataset, recipe, seed: int, device, tuning) -> int:
        """Prints what `before.report` finds; 1 when the batch was not learned."""
        from resnet_tutorial.train import before

        found = before.report(net, dataset, recipe, seed, device, tuning)
        print(found)
        if self.sweep is not None:
            from resnet_tutorial import figures_of_runs

            figures_of_runs.write(figures_of_runs.rate_sweep(found.sweep, recipe.lr), self.sweep)
            print(f"{self.sweep}: the loss at each rate")
        print("Nothing was trained; without --check it is.")
        return 0 if found.learns else 1

    def watch(self, out: Path | None):
        """All that looks on: the warnings, and what was asked for."""
        from resnet_tutorial import train

        watches = [train.Warnings()]
        if self.plot:
            watches.append(train.Plot(out / "curves.png"))
        if self.tensorboard is not None:
            watches.append(train.TensorBoard(self.tensorboard))
        return train.Several(*watches)
