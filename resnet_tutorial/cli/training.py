"""resnet-tutorial train | evaluate."""

import functools
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from resnet_tutorial import Mistake
from resnet_tutorial.cli import recipes
from resnet_tutorial.cli.pictures import Pictures
from resnet_tutorial.cli.pretrained import Pretrained
from resnet_tutorial.cli.text import shape
from resnet_tutorial.cli.watching import Flag, Watching
from resnet_tutorial.names import lookup
from resnet_tutorial.paths import expanded
from resnet_tutorial.train.recipe import Recipe

Device = Annotated[
    str | None, arg(metavar="DEVICE", help_behavior_hint="(default: the GPU when there is one)")
]
Weights = Annotated[Path, Positional, arg(metavar="FOLDER_OR_SAFETENSORS")]
AS_SAID = {"help_behavior_hint": "(default: what the file says)"}
ModelSaid = Annotated[str | None, arg(metavar="MODEL", **AS_SAID)]
DataSaid = Annotated[str | None, arg(metavar="NAME", **AS_SAID)]
DEVICES = ("cpu", "cuda", "mps")
MOST_SEED = 2**31 - 1
LIKE = " | ".join(recipes.RECIPES)


@dataclass(frozen=True)
class Train:
    """Train a network on a data set. On the CPU it takes a thread for each idle core, or as many as
    OMP_NUM_THREADS says."""

    model: Annotated[str, Positional, arg(metavar="MODEL")]
    """The network, as in resnet20; "describe" lists them all."""
    data: Annotated[str, arg(metavar="NAME")]
    """The data set, as in digits or folder:PATH; "data list" lists them all."""
    recipe: OmitArgPrefixes[Recipe] = field(default_factory=recipes.start)
    """What --like names, changed by any of these. Write --schedule as in: --schedule steps
    warmup=400"""
    pictures: OmitArgPrefixes[Pictures] = field(default_factory=Pictures)
    """How a folder of pictures is read."""
    like: Annotated[str, arg(metavar=f"{{{LIKE}}}")] = recipes.FIRST
    """The recipe to begin with; its values are the defaults below."""
    seed: int = 1
    """Fixes the first weights, the order of the images and their augmentation."""
    out: Annotated[
        Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: nothing is kept)")
    ] = None
    """The folder for checkpoints, record.json and model.safetensors."""
    resume: Flag = False
    """Go on from the last checkpoint in --out, or start when there is none."""
    watching: OmitArgPrefixes[Watching] = field(default_factory=Watching)
    device: Device = None
    """Where to compute: cpu, cuda, cuda:1."""
    compile: Flag = False
    """Hand the network to torch.compile: a slower start, then faster steps."""
    pretrained: OmitArgPrefixes[Pretrained] = field(default_factory=Pretrained)

    def run(self) -> int:
        """Trains; 1 when the run diverged."""
        from resnet_tutorial import models, train
        from resnet_tutorial.train.threads import on_idle_cores

        lookup(models.ARCHITECTURES, self.model, "model")  # before the data, which take long
        out = None if self.out is None else expanded(self.out)
        if out is None and self.resume:
            raise Mistake("--resume needs --out FOLDER")
        self.watching.verify(out)
        if not 0 <= self.seed <= MOST_SEED:
            raise Mistake(f"--seed must be in 0 to {MOST_SEED}, got {self.seed}")
        device = device_called(self.device)
        dataset = self.pictures.load(self.data)
        new = functools.partial(_network, self.model, self.seed)
        net, dataset, tuning = self.pretrained.begun(self.model, dataset, new)
        with on_idle_cores() as threads:
            self._announce(net, dataset, f"device {device}, threads {threads}")
            if self.watching.check:
                return self.watching.try_out(net, dataset, self.recipe, self.seed, device, tuning)
            watch = self.watching.watch(out)
            record = train.fit(
                net,
                dataset,
                self.recipe,
                seed=self.seed,
                device=device,
                folder=out,
                resume=self.resume,
                progress=True,
                compile=self.compile,
                tuning=tuning,
                watch=watch,
            )
        return self._report(record, out)

    def _announce(self, net, dataset, place: str) -> None:
        from resnet_tutorial.counts import count_parameters

        recipe = self.recipe
        steps = len(dataset.train) // recipe.batch_size
        print(
            f"{self.model}, {count_parameters(net):,} parameters, on {dataset.label}: "
            f"{len(dataset.train):,} training and {len(dataset.test):,} test images of "
            f"{shape(dataset.image_shape)}; {place}"
        )
        print(
            f"{recipe.epochs} epoch{'s' * (recipe.epochs > 1)} of {steps:,} steps "
            f"of {recipe.batch_size} images, "
            f"{recipe.epochs * steps:,} steps in all; learning rate {recipe.lr:g}, "
            f"{' '.join(recipes.words(recipe.schedule))}; seed {self.seed}",
            flush=True,
        )

    def _report(self, record, out: Path | None) -> int:
        """Says how the run ended and what it left in `out`."""
        print(
            f"epoch {len(record.curve)}: training error {record.train_error:.2%}, "
            f"test error {record.test_error:.2%}, {record.curve[-1].seconds:.0f} s"
        )
        if out is None:
            print("Nothing was kept; --out FOLDER keeps the weights and the record.")
        else:
            kept = ["model.safetensors", "record.json"]
            kept += ["curves.png"] * self.watching.plot
            print(f"{out}: {', '.join(kept)}")
        if record.problem:
            print(record.problem, file=sys.stderr)
        return 1 if record.problem else 0


@dataclass(frozen=True)
class Evaluate:
    """Measure the training and test error of trained weights."""

    weights: Weights
    """The folder of a run, or a file of weights."""
    model: ModelSaid = None
    """The network."""
    data: DataSaid = None
    """The data set."""
    pictures: OmitArgPrefixes[Pictures] = field(default_factory=Pictures)
    """How a folder of pictures is read."""
    device: Device = None
    """Where to compute: cpu, cuda, cuda:1."""

    def run(self) -> int:
        """Prints both errors."""
        from resnet_tutorial import train

        net, dataset, recipe, about = trained(
            self.weights, self.model, self.data, self.pictures, self.device
        )
        errors = [f"{error:.2%}" for error in train.evaluate(net, dataset, recipe)]
        print(f"{net.name} on {dataset.label}: training error {errors[0]}, test error {errors[1]}")
        tell_other_images(about, dataset)
        return 0


def trained(
    place: Path, model: str | None, images: str | None, pictures: Pictures, device: str | None
) -> tuple:
    """The trained net on its device, its data, its recipe or None, and what its file says.

    `place` is the folder of a run, or a file of weights; `model` and `images` are asked for where
    the file does not say them. ValueError when that does not fit.
    """
    from resnet_tutorial import models
    from resnet_tutorial.models import weights

    path = weights.located(place)
    about = weights.load(path)[1]
    name, source = model or about.get("model"), images or about.get("data")
    if name is None or source is None:
        raise Mistake(f"{path} does not say what it is; give both --model and --data")
    lookup(models.ARCHITECTURES, name, "model")
    if images is None and source.startswith("folder:"):
        raise Mistake(f"{path} was trained on {source}; say where it is: --data folder:PATH")
    on, dataset = device_called(device), pictures.load(source)
    net = models.build(name, None, dataset.image_shape[0], weights=path).to(on)
    if net.inputs is not None:
        dataset = dataset.normalized_as(net.inputs)
    if net.architecture.num_classes != len(dataset.classes):
        raise Mistake(
            f"{path} is for {net.architecture.num_classes} classes, {dataset.label} has "
            f"{len(dataset.classes)}; name the data that it was trained on"
        )
    return net, dataset, recipes.read(about["recipe"]) if "recipe" in about else None, about


def tell_other_images(about: dict, dataset) -> None:
    """Says so when `dataset` is not what the net was trained on."""
    if about.get("data_fingerprint", dataset.fingerprint) != dataset.fingerprint:
        print(f"These are not the images that it was trained on ({about['data']}).")


def _network(name: str, seed: int, dataset, **settings):
    """The network for the images and classes of `dataset`, initialised under `seed`."""
    import torch

    from resnet_tutorial import models

    torch.manual_seed(seed)
    return models.build(name, len(dataset.classes), dataset.image_shape[0], **settings)


def device_called(name: str | None):
    """The device called `name`, else the best one. ValueError when this machine has none such."""
    import torch

    from resnet_tutorial import train

    if name is not None:
        lookup(dict.fromkeys(DEVICES), name.partition(":")[0], "device")
    if name is None or name == "cuda" and torch.cuda.is_available():
        return train.best_device()  # under torchrun, each process's own
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise Mistake(f"--device {name} cannot be used ({reason}); leave it out") from None
    return torch.device(name)
