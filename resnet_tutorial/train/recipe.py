"""A recipe: everything about a training run but the network, the data and the seed.

`PAPER` is He et al. 2015, section 4.2. Chapters: pytorch/residual_networks, training/recipe.
"""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, get_args

from resnet_tutorial import Mistake


@dataclass(frozen=True)
class Cosine:
    """Linear warm-up over `warmup` steps, then half a cosine down to zero."""

    warmup: int = 20

    def __post_init__(self):
        _check_warmup(self.warmup)

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied with at `step` of `steps`.

        >>> [Cosine(warmup=2).factor(step, 6) for step in (0, 1, 4)]
        [0.5, 1.0, 0.5]
        """
        if step < self.warmup:
            return (step + 1) / self.warmup
        return 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / (steps - self.warmup)))


@dataclass(frozen=True)
class Steps:
    """The paper's schedule: the rate divided by ten at each of `drops`, fractions of the run.

    The paper drops at 32k and 48k of 64k iterations: one half and three quarters. ResNet-110 starts
    with about 400 iterations at a tenth of the rate: `warmup=400`. They end, and the rate is then
    the full one, not a tenth of it until the first drop as in popular code.
    """

    drops: tuple[float, ...] = (0.5, 0.75)
    warmup: int = 0

    def __post_init__(self):
        _check_warmup(self.warmup)
        if not all(0 < drop < 1 for drop in self.drops):
            raise Mistake(f"schedule: drops must be between 0 and 1, got {self.drops}")

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied with at `step` of `steps`.

        >>> [Steps(warmup=400).factor(step, 64_000) for step in (399, 400, 32_000)]
        [0.1, 1.0, 0.1]
        """
        dropped = 0.1 ** sum(step >= drop * steps for drop in self.drops)
        return 0.1 * dropped if step < self.warmup else dropped


@dataclass(frozen=True)
class OneCycle:
    """Up in a straight line over the fraction `peak` of the run, then down in one to zero.

    After Smith and Topin 2017 (arXiv:1708.07120), without their change of the momentum.
    """

    peak: float = 0.3

    def __post_init__(self):
        if not 0 < self.peak < 1:
            raise Mistake(f"schedule: peak must be between 0 and 1, got {self.peak}")

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied with at `step` of `steps`.

        >>> [OneCycle(peak=0.5).factor(step, 8) for step in (1, 3, 4, 6)]
        [0.5, 1.0, 1.0, 0.5]
        """
        top = self.peak * steps
        return min((step + 1) / top, (steps - step) / (steps - top))


def _check_warmup(steps: int) -> None:
    _check_type("schedule: warmup", steps, int)
    if steps < 0:
        raise Mistake(f"schedule: warmup must not be negative, got {steps}")


def _check_type(name: str, value: object, kind: type) -> None:
    """What is no plain number cannot be kept in a record: told before the run, not after it."""
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or isinstance(value, bool) and kind is not bool:
        raise Mistake(f"{name} must be of type {kind.__name__}, got {value!r}")


@dataclass(frozen=True)
class Recipe:
    """Everything about a run but the network, the data and the seed.

    Raises ValueError for values that make no recipe. Every field is described where it stands; the
    command line takes its help from there. `precision` names the numbers of the forward and
    backward pass: "bfloat16" runs convolutions and the classifier in it (autocast), while weights,
    batch statistics and the loss stay in float32.

    >>> Recipe(epochs=40, schedule=Steps()).as_dict()["schedule"]
    {'name': 'Steps', 'drops': [0.5, 0.75], 'warmup': 0}
    >>> Recipe(momentum=1.0)
    Traceback (most recent call last):
    resnet_tutorial.Mistake: recipe: momentum must be in [0, 1), got 1.0
    """

    epochs: int = 15
    """Passes over the training images."""
    batch_size: int = 64
    """Images a step, over all devices together."""
    lr: float = 0.05
    """Peak learning rate."""
    momentum: float = 0.9
    """PyTorch's convention: v = momentum v + gradient, w = w - lr v."""
    weight_decay: float = 1e-4
    """Factor of half the squared norm of all parameters in the loss."""
    schedule: Cosine | Steps | OneCycle = field(default_factory=Cosine)
    """How the rate moves during the run."""
    clip: float = math.inf
    """Largest norm of the whole gradient."""
    padding: int = 0
    """Pixels that a training image is padded with before it is cropped at random; the paper: 4."""
    flip: float = 0.0
    """Probability of the mirror image; the paper: 0.5."""
    per_pixel_mean: bool = False
    """Subtract the mean image, as the paper does, and not each channel's mean."""
    label_smoothing: float = 0.0
    """Share of the target that is spread evenly over all classes."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Numbers of the forward and backward pass."""

    # What only a recipe for photos can choose otherwise; without a type these are no fields.
    decay_norms, ema, accumulate, sync_batch_norm = True, 0.0, 1, False

    def __post_init__(self):
        for item in fields(self):
            if item.type in (int, float, bool):
                _check_type(f"recipe: {item.name}", getattr(self, item.name), item.type)
        for name in ("lr", "weight_decay"):
            if math.isinf(getattr(self, name)):
                raise Mistake(f"recipe: {name} must be finite, got {getattr(self, name)}")
        for name in ("epochs", "batch_size", "lr", "clip"):
            if not getattr(self, name) > 0:
                raise Mistake(f"recipe: {name} must be positive, got {getattr(self, name)}")
        for name in ("momentum", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise Mistake(f"recipe: {name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("weight_decay", "padding"):
            if not getattr(self, name) >= 0:
                value = getattr(self, name)
                raise Mistake(f"recipe: {name} must not be negative, got {value}")
        if not 0 <= self.flip <= 1:
            raise Mistake(f"recipe: flip must be in [0, 1], got {self.flip}")
        allowed = get_args(type(self).__dataclass_fields__["precision"].type)
        if self.precision not in allowed:
            names = " or ".join(allowed)
            raise Mistake(f"recipe: precision must be {names}, got {self.precision!r}")

    def as_dict(self) -> dict:
        """The recipe as plain values that JSON keeps, the schedule with its name."""
        schedule = {"name": type(self.schedule).__name__, **asdict(self.schedule)}
        schedule = {k: list(v) if isinstance(v, tuple) else v for k, v in schedule.items()}
        clip = None if math.isinf(self.clip) else self.clip  # JSON has no infinity
        return {**asdict(self), "schedule": schedule, "clip": clip}


#: Section 4.2: 64k iterations of 128 images. An epoch of CIFAR-10 without its incomplete batch has
#: 390 iterations, so 164 epochs have 63,960.
PAPER = Recipe(
    epochs=164,
    batch_size=128,
    lr=0.1,
    schedule=Steps(),
    padding=4,
    flip=0.5,
    per_pixel_mean=True,
)
