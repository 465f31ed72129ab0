"""Kinds of training runs, as data.

Chapters: problem/degradation, problem/residual_learning, theory/explosion, training/recipe.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch

from resnet_tutorial import Mistake, counts, data, models, surgery, train
from resnet_tutorial.models.named import in_words
from resnet_tutorial.records import Record
from resnet_tutorial.train import Recipe

# Pixels that an epoch shows: what the cost of a run is estimated from, without loading the data.
PIXELS = {name: entry.pixels for name, entry in data.CATALOGUE.items()}


def load_data(name: str) -> data.Dataset:
    """The data set that runs name, and no other that stands in for it.

    Raises ValueError when it is one: `data.load("cifar10")` may find the JPEG-75 copy.
    """
    dataset = data.load(name)
    if name in data.CATALOGUE and dataset.name != name:
        raise Mistake(
            f"expected the data set {name}, found {dataset.label} in {data.home()}; download the "
            f"original: resnet-tutorial data fetch {name}"
        )
    return dataset


@cache
def _macs_per_pixel(model: str, parts: tuple[tuple[str, object], ...]) -> float:
    return counts.count_macs(models.build(model, **dict(parts)), (3, 32, 32)) / 32**2


@dataclass(frozen=True)
class Run:
    """One training run, fully described: on one machine's CPU, equal Runs give equal curves.

    `parts` replace parts of the named architecture: `(("widths", (8, 16, 32)),)`.

    >>> run = Run("resnet20", Recipe(epochs=6), seed=3, parts=(("widths", (8, 16, 32)),))
    >>> run.label, run.variant
    ('resnet20-seed3', {'kind': 'Run', 'widths': '(8, 16, 32)'})
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
        return {"kind": type(self).__name__, **in_words(dict(self.parts))}

    @property
    def identity(self) -> dict:
        """What the run's Record has to say of it, without a look at the data."""
        known = {}
        if self.data in data.CATALOGUE and data.CATALOGUE[self.data].fingerprint:
            known = {"data_fingerprint": data.CATALOGUE[self.data].fingerprint}
        return {
            "model": self.model,
            "variant": self.variant,
            "recipe": self.recipe.as_dict(),
            "seed": self.seed,
            "data": self.data,
            **known,
        }

    @property
    def cost(self) -> float:
        """Multiply-adds of all forward passes: what runs are ordered by."""
        return _macs_per_pixel(self.model, self.parts) * PIXELS[self.data] * self.recipe.epochs

    def build(self) -> torch.nn.Module:
        """The network as it is before training: initialised under the run's seed."""
        dataset = load_data(self.data)
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
        net = self.start()
        net.variant = self.variant
        return train.fit(
            net, load_data(self.data), self.recipe, seed=self.seed, folder=folder, resume=True
        )


@dataclass(frozen=True, kw_only=True)
class Extended(Run):
    """A run that starts from what `shallow` learned, in a net as deep as `model`.

    `shallow` is trained first; `surgery.identity_extension` adds the missing layers.

    >>> shallow = Run("plain8", Recipe(epochs=1), seed=0)
    >>> Extended("plain20", Recipe(epochs=1), seed=0, shallow=shallow).variant["shallow"]
    'plain8-seed0'
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

    >>> Rescaled("plain20", Recipe(epochs=1), seed=0).variant
    {'kind': 'Rescaled'}
    """

    def start(self) -> torch.nn.Module:
        """The built network, times a number in each layer: it computes the same."""
        train = data.load(self.data).train.take(slice(self.recipe.batch_size))
        images = torch.from_numpy(data.load(self.data).normalize(train.images))
        return surgery.equalise_gradients(self.build(), images, torch.from_numpy(train.labels))


@dataclass(frozen=True)
class Levelled(Run):
    """A run in which every layer's gradient has the norm of its parameters, at every step.

    See `surgery.level_gradients`. The learning rate is then a relative one.

    >>> Levelled("plain20", Recipe(epochs=1), seed=0).variant
    {'kind': 'Levelled'}
    """

    def start(self) -> torch.nn.Module:
        """The built network, whose gradients are levelled from the first step on."""
        net = self.build()
        surgery.level_gradients(net)
        return net


@dataclass(frozen=True)
class DefaultStart(Run):
    """A run from the random weights that PyTorch gives a layer by default, and not from He's.

    >>> DefaultStart("plain8", Recipe(epochs=1), seed=0).variant
    {'kind': 'DefaultStart'}
    """

    def start(self) -> torch.nn.Module:
        """The built network, every layer initialised anew under the run's seed."""
        net = self.build()
        torch.manual_seed(self.seed)
        for module in net.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        return net


@dataclass(frozen=True)
class Unnormalized(Run):
    """A run of the network with every batch norm taken out.

    >>> net = Unnormalized("plain8", Recipe(epochs=1), seed=0).build()
    >>> any(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())
    False
    """

    @property
    def variant(self) -> dict:
        return {**super().variant, "kind": "Unnormalised"}  # as its records spell it

    def build(self) -> torch.nn.Module:
        """The network as it is before training, without batch norm."""
        return surgery.without_batch_norm(super().build())


@dataclass(frozen=True, kw_only=True)
class Decayed(Run):
    """A run in which weight decay of strength `decay` acts on some `groups` of parameters only.

    "kernels" are those of all convolutions, "inner" gamma and beta of every batch norm but the
    last, "head" the last batch norm and the classifier. An `epsilon` replaces that of every batch
    norm. The recipe's own decay must be 0.

    >>> Decayed("plain8", Recipe(weight_decay=0.0), seed=0, groups=("head",), decay=0.1).variant
    {'kind': 'Decayed', 'groups': 'head', 'decay': '0.1'}
    """

    groups: tuple[str, ...]
    decay: float
    epsilon: float | None = None

    @property
    def variant(self) -> dict:
        parts = {"groups": " ".join(self.groups), "decay": str(self.decay)}
        epsilon = {"epsilon": str(self.epsilon)} if self.epsilon else {}
        return {**super().variant, **parts, **epsilon}

    def start(self) -> torch.nn.Module:
        """The built network; its gradients of the groups contain decay, as in torch's SGD."""
        net = self.build()
        norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for norm in norms if self.epsilon else ():
            norm.eps = self.epsilon
        kernels = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
        layers = {"kernels": kernels, "inner": norms[:-1], "head": [norms[-1], net.fc]}
        for parameter in (p for g in self.groups for m in layers[g] for p in m.parameters()):
            parameter.register_hook(lambda grad, p=parameter: grad + self.decay * p.detach())
        return net


def grid(models: Sequence[str], seeds: Sequence[int], recipe: Recipe, **settings) -> list[Run]:
    """One Run for every model and seed; name the slowest model first, so that no worker waits.

    >>> [run.label for run in grid(("plain20", "plain8"), range(2), Recipe())]
    ['plain20-seed0', 'plain20-seed1', 'plain8-seed0', 'plain8-seed1']
    """
    return [Run(model, recipe, seed, **settings) for model in models for seed in seeds]
