"""Training: a recipe, a loop, an honest record.

The loop is the paper's (He et al. 2015, section 4.2): SGD with momentum and weight decay on every
parameter. Chapters: problem/degradation, pytorch/residual_networks.
"""

import math
import time
from dataclasses import asdict, dataclass, field, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from resnet_tutorial import records
from resnet_tutorial.data import Dataset, Split
from resnet_tutorial.records import Epoch, Record

EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Cosine:
    """Linear warm-up over `warmup` steps, then half a cosine down to zero."""

    warmup: int = 20

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied with at `step` of `steps`."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        return 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / (steps - self.warmup)))


@dataclass(frozen=True)
class Steps:
    """The paper's schedule: the rate divided by ten at each of `drops`, fractions of the run.

    The paper drops at 32k and 48k of 64k iterations: one half and three quarters.
    """

    drops: tuple[float, ...] = (0.5, 0.75)

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied with at `step` of `steps`."""
        return 0.1 ** sum(step >= drop * steps for drop in self.drops)


@dataclass(frozen=True)
class Recipe:
    """Everything about a run but the network, the data and the seed.

    `lr` is the peak learning rate. `weight_decay` is the factor of half the squared norm of all
    parameters in the loss. `clip` bounds the norm of the whole gradient; infinity leaves it alone.
    """

    epochs: int = 15
    batch_size: int = 64
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: Cosine | Steps = field(default_factory=Cosine)
    clip: float = math.inf

    def __post_init__(self):
        for name in ("epochs", "batch_size", "lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"recipe: {name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"recipe: momentum must be in [0, 1), got {self.momentum}")
        if self.weight_decay < 0:
            raise ValueError(f"recipe: weight_decay must not be negative, got {self.weight_decay}")

    def as_dict(self) -> dict:
        """The recipe as plain values, the schedule with its name."""
        schedule = {"name": type(self.schedule).__name__, **asdict(self.schedule)}
        clip = None if math.isinf(self.clip) else self.clip  # JSON has no infinity
        return {**asdict(self), "schedule": schedule, "clip": clip}


@dataclass(frozen=True, eq=False)
class Batches:
    """A split on the device: normalised images `(n, c, h, w)` and labels `(n,)`."""

    images: Float[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]

    @classmethod
    def of(cls, dataset: Dataset, split: Split, device: str | torch.device) -> "Batches":
        """Normalises `split` with the training set's statistics and puts it on `device`."""
        images = torch.from_numpy(dataset.normalize(split.images))
        images = images.to(device, memory_format=torch.channels_last)
        return cls(images, torch.from_numpy(split.labels).to(device))

    def shuffled(self, batch_size: int, generator: torch.Generator):
        """One epoch of random batches; the last incomplete batch is left out."""
        order = torch.randperm(len(self.labels), generator=generator).to(self.labels.device)
        for first in range(0, len(order) - batch_size + 1, batch_size):
            chosen = order[first : first + batch_size]
            yield self.images[chosen], self.labels[chosen]


def best_device() -> torch.device:
    """The GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@torch.no_grad()
def predict(model: nn.Module, images: Float[Tensor, "n c h w"]) -> Int64[Tensor, " n"]:
    """The most likely class of each image, in evaluation mode; the model's mode is put back."""
    was_training = model.training
    model.eval()
    labels = torch.cat([model(part).argmax(1) for part in images.split(EVALUATION_BATCH)])
    model.train(was_training)
    return labels


def error(model: nn.Module, batches: Batches) -> float:
    """The fraction of images whose most likely class is wrong."""
    return (predict(model, batches.images) != batches.labels).float().mean().item()


def evaluate(model: nn.Module, dataset: Dataset) -> tuple[float, float]:
    """Training and test error of `model`, fractions, in evaluation mode."""
    device = next(model.parameters()).device
    train = error(model, Batches.of(dataset, dataset.train, device))
    return train, error(model, Batches.of(dataset, dataset.test, device))


def fit(
    model: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> Record:
    """Trains `model` in place and returns the Record of the run.

    `seed` fixes the order of the batches; initialise the model under a seed of its own. On one
    machine, on the CPU, equal arguments give equal curves. A loss that is no longer finite ends the
    run: the Record says at which step and rate, and its errors are those of the broken model.
    Raises ValueError when a batch would be larger than the training set.
    """
    if recipe.batch_size > len(dataset.train):
        raise ValueError(
            f"batch_size {recipe.batch_size} is larger than the {len(dataset.train)} training "
            f"images of {dataset.name}; choose at most {len(dataset.train)}"
        )
    device = torch.device(device or best_device())
    model.to(device, memory_format=torch.channels_last).train()  # the faster layout on CPU and GPU
    train = Batches.of(dataset, dataset.train, device)
    test = Batches.of(dataset, dataset.test, device)
    optimizer = torch.optim.SGD(
        model.parameters(),
        recipe.lr,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        fused=True,  # one kernel for all parameters: 10 % of a step of a deep, narrow net
    )
    record = Record(
        model=getattr(model, "name", type(model).__name__),
        recipe=recipe.as_dict(),
        seed=seed,
        data=dataset.name,
        data_fingerprint=dataset.fingerprint,
        parameters=sum(p.numel() for p in model.parameters()),
        curve=(),
        environment=records.environment(),
    )
    generator = torch.Generator().manual_seed(seed)
    steps = len(train.labels) // recipe.batch_size * recipe.epochs
    step, start = 0, time.perf_counter()
    for _ in range(recipe.epochs):
        loss_sum = torch.zeros((), device=device)
        first_step = step
        for images, labels in train.shuffled(recipe.batch_size, generator):
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * recipe.schedule.factor(step, steps)
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            if recipe.clip < math.inf:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            loss_sum += loss.detach()
            step += 1
        mean_loss = loss_sum.item() / (step - first_step)  # the epoch's only synchronisation
        errors = error(model, train), error(model, test)
        epoch = Epoch(mean_loss, *errors, time.perf_counter() - start)
        record = replace(record, curve=(*record.curve, epoch))
        if not math.isfinite(mean_loss):
            rate = optimizer.param_groups[0]["lr"]
            status = f"diverged: loss {mean_loss} in steps {first_step + 1} to {step}, lr {rate:g}"
            return replace(record, status=status)
    return record
