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

from resnet_tutorial import data, models, names, records, surgery, train
from resnet_tutorial.records import Record
from resnet_tutorial.train import Cosine, OneCycle, Recipe, Steps

RESULTS = Path(__file__).parent / "results"
RUNS = Path("runs")  # checkpoints and weights, in the working directory


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

    @property
    def variant(self) -> dict:
        """What a Record keeps of the run beside model, recipe and seed: its kind and its parts."""
        parts = {part: getattr(value, "__name__", str(value)) for part, value in self.parts}
        return {"kind": type(self).__name__, **parts}

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

    def start(self) -> torch.nn.Module:
        """The network that training starts from: the built one."""
        return self.build()

    def execute(self, folder: str | os.PathLike | None = None) -> Record:
        """Trains the network, going on with what `folder` holds; the Record."""
        record = train.fit(
            self.start(),
            data.load(self.data),
            self.recipe,
            seed=self.seed,
            folder=folder,
            resume=True,
        )
        return replace(record, variant=self.variant)


@dataclass(frozen=True, kw_only=True)
class Extended(Run):
    """A run that starts from what `shallow` learned, in a net as deep as `model`.

    `shallow` is trained first; `surgery.identity_extension` adds the missing layers.
    """

    shallow: Run

    @property
    def variant(self) -> dict:
        return {**super().variant, "shallow": self.shallow.label}

    def start(self) -> torch.nn.Module:
        """A network as deep as `model` that computes what the trained `shallow` computes."""
        dataset = data.load(self.shallow.data)
        net = self.shallow.build()
        train.fit(net, dataset, self.shallow.recipe, seed=self.shallow.seed, device="cpu")
        images = torch.from_numpy(dataset.normalize(dataset.train.images))
        return surgery.identity_extension(net, self.build(), images)


@dataclass(frozen=True)
class Rescaled(Run):
    """A run from the usual start, rescaled so that no layer's relative gradient exceeds another's.

    The gradients are those of the first batch; see `surgery.equalise_gradients`.
    """

    def start(self) -> torch.nn.Module:
        """The built network, times a number in each layer: it computes the same."""
        train = data.load(self.data).train.take(slice(self.recipe.batch_size))
        images = torch.from_numpy(data.load(self.data).normalize(train.images))
        return surgery.equalise_gradients(self.build(), images, torch.from_numpy(train.labels))


@dataclass(frozen=True)
class Unnormalised(Run):
    """A run of the network with every batch norm taken out."""

    def build(self) -> torch.nn.Module:
        """The network as it is before training, without batch norm."""
        return surgery.without_batch_norm(super().build())


def grid(models: Sequence[str], seeds: Sequence[int], recipe: Recipe, **settings) -> list[Run]:
    """One Run for every model and seed; name the slowest model first, so that no worker waits."""
    return [Run(model, recipe, seed, **settings) for model in models for seed in seeds]


def _execute_on_one_thread(run: Run, folder: Path | None) -> Record:
    torch.set_num_threads(1)
    return run.execute(folder)


def execute(runs: Sequence[Run], folder: Path | None = None) -> Iterator[Record]:
    """Executes `runs` side by side, one thread each, and yields their Records in order.

    These nets are too small to keep two threads busy, so two runs side by side end sooner than one
    after the other; and one thread adds in one order, so results repeat exactly. On a GPU the runs
    come one after the other. Each keeps its checkpoints in a folder of its own under `folder`.
    """
    folders = [folder / run.label if folder else None for run in runs]
    if torch.cuda.is_available():
        yield from (run.execute(place) for run, place in zip(runs, folders, strict=True))
        return
    workers = min(os.cpu_count() or 1, len(runs))
    spawn = multiprocessing.get_context("spawn")  # a forked child would inherit torch's locks
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        yield from pool.map(_execute_on_one_thread, runs, folders)


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
COLD = replace(DIGITS, schedule=Cosine(warmup=0))
SHORT, NARROW = replace(DIGITS, epochs=6), (("widths", (8, 16, 32)),)
QUICK = Recipe(epochs=8, batch_size=128, lr=0.1, schedule=Cosine(warmup=10))
GENTLE = replace(QUICK, lr=0.01)
LONG = replace(QUICK, epochs=24)


def degrading(recipe: Recipe, kind: type[Run] = Run) -> list[Run]:
    """A deep narrow plain net and the shallow one to compare it with, three seeds each."""
    return [kind(m, recipe, s, parts=NARROW) for m in ("plain56", "plain20") for s in range(3)]


def extended(model: str, seed: int, recipe: Recipe) -> Extended:
    """`model`, narrow, from what plain20 learned under QUICK."""
    shallow = Run("plain20", QUICK, seed, parts=NARROW)
    return Extended(model, recipe, seed, parts=NARROW, shallow=shallow)


# The paper's recipe in short: the digits' 8x8 pixels allow a shift by one, and no mirror image.
BRIEF = Recipe(epochs=15, batch_size=64, lr=0.1, schedule=Steps(), padding=1)
# Schedules that two CPU cores finish. They are proxies: named so wherever their results stand.
FASHION = Recipe(
    epochs=2, batch_size=128, lr=0.1, schedule=OneCycle(peak=0.2), precision="bfloat16"
)
PROXY = replace(FASHION, epochs=3, padding=4, flip=0.5, per_pixel_mean=True)


def brief(parts: tuple = (), kind: type[Run] = Run, **changes) -> list[Run]:
    """ResNet-20 on the digits under BRIEF with `changes`, five seeds."""
    return [kind("resnet20", replace(BRIEF, **changes), s, parts=parts) for s in range(5)]


def fashion(models: Sequence[str], parts: tuple = ()) -> list[Run]:
    """Runs on Fashion-MNIST, three seeds."""
    return grid(models, range(3), FASHION, data="fashion_mnist", parts=parts)


EXPERIMENTS: dict[str, list[Run]] = {
    # Training and test error against depth: problem/degradation.
    "digits_depth": grid(DEPTHS[::-1], range(5), DIGITS),
    # Is it only slow? Almost three times as long: problem/degradation.
    "digits_long": grid(("plain56", "resnet56"), range(3), replace(DIGITS, epochs=40)),
    # From a trained plain-20, deeper by identities, at the usual rate and a tenth of it; and the
    # small rate from the usual start: problem/degradation.
    "digits_extended": [extended(m, s, QUICK) for m in ("plain56", "plain20") for s in range(5)],
    "digits_extended_gentle": [extended("plain56", seed, GENTLE) for seed in range(5)],
    "digits_gentle": grid(("plain56",), range(5), GENTLE, parts=NARROW),
    # Weight decay as a pull to the identity or to nothing: problem/residual_learning.
    "digits_decay_weak": grid(("plain20", "resnet20"), range(5), SHORT, parts=NARROW),
    "digits_decay_strong": grid(
        ("plain20", "resnet20"), range(5), replace(SHORT, weight_decay=0.1), parts=NARROW
    ),
    # Both families under one recipe, and without batch norm at a tenth of the rate:
    # theory/gradient_flow.
    "digits_quick_residual": grid(("resnet56", "resnet20"), range(3), QUICK, parts=NARROW),
    "digits_no_norm": [
        Unnormalised(f"{kind}{depth}", GENTLE, seed, parts=NARROW)
        for depth in (56, 20)
        for kind in ("plain", "resnet")
        for seed in range(3)
    ],
    # Does degradation end with the explosion of the gradient? theory/gradient_flow.
    "digits_quick": degrading(QUICK),
    "digits_clip": degrading(replace(QUICK, clip=1.0)),
    "digits_warm": degrading(replace(QUICK, schedule=Cosine(warmup=40))),
    "digits_gentle_shallow": grid(("plain20",), range(3), GENTLE, parts=NARROW),
    "digits_gentlest": degrading(replace(QUICK, lr=0.001)),
    "digits_rescaled": degrading(QUICK, Rescaled),
    "digits_rescaled_lr03": degrading(replace(QUICK, lr=0.3), Rescaled),
    "digits_rescaled_lr1": degrading(replace(QUICK, lr=1.0), Rescaled),
    # The same, three times as long.
    "digits_quick_long": degrading(LONG),
    "digits_rescaled_long": degrading(replace(LONG, lr=0.3), Rescaled),
    "digits_warm_long": degrading(replace(LONG, schedule=Cosine(warmup=120))),
    "digits_clip_long": degrading(replace(LONG, clip=1.0)),
    # The deepest pair without a warm-up: training/recipe.
    "digits_cold": grid(("plain110", "resnet110"), range(5), COLD),
    # One line of the recipe changed at a time: training/recipe.
    "digits_recipe": brief(),
    "digits_recipe_no_drops": brief(schedule=Steps(drops=())),
    "digits_recipe_cosine": brief(schedule=Cosine(warmup=0)),
    "digits_recipe_one_cycle": brief(schedule=OneCycle()),
    "digits_recipe_no_momentum": brief(momentum=0.0),
    "digits_recipe_no_momentum_lr1": brief(momentum=0.0, lr=1.0),
    "digits_recipe_no_decay": brief(weight_decay=0.0),
    "digits_recipe_no_shift": brief(padding=0),
    "digits_recipe_mirror": brief(flip=0.5),
    "digits_recipe_smoothing": brief(label_smoothing=0.1),
    "digits_recipe_bfloat16": brief(precision="bfloat16"),
    "digits_recipe_dropped_branch": brief((("block", models.DroppedBranchBlock),)),
    "digits_recipe_dropped_shortcut": brief((("shortcut", models.option_a_dropped),)),
    "digits_recipe_no_norm": brief(kind=Unnormalised),
    "digits_recipe_no_norm_lr001": brief(kind=Unnormalised, lr=0.01),
    # Plain and residual at two depths, and the shortcuts, under a proxy schedule:
    # pytorch/architectures, training/recipe, training/depth_sweep.
    "fashion_depth": fashion(("plain56", "resnet56", "plain20", "resnet20")),
    "fashion_option_b": fashion(("resnet20",), (("shortcut", models.option_b),)),
    "fashion_option_c": fashion(("resnet20",), (("shortcut", models.option_c),)),
    "fashion_dropped_branch": fashion(("resnet20",), (("block", models.DroppedBranchBlock),)),
    "fashion_dropped_shortcut": fashion(("resnet20",), (("shortcut", models.option_a_dropped),)),
    # CIFAR-10 (JPEG-75 copy) under a proxy schedule: training/depth_sweep.
    "cifar10_jpeg75_proxy": grid(
        ("plain56", "resnet56", "plain20", "resnet20"), range(1), PROXY, data="cifar10-jpeg75"
    ),
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
    done = execute(missing, RUNS / experiment) if missing else ()
    for run, record in zip(missing, done, strict=True):
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
