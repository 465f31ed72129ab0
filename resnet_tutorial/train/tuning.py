"""How a pretrained network is trained on: which layers learn, when, and how fast.

Chapter: practice/fine_tuning.
"""

import math
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from resnet_tutorial import Mistake

BatchNorm = Literal["batch-statistics", "frozen-statistics", "frozen"]


@dataclass(frozen=True)
class Tuning:
    """How a pretrained network is trained on; with the defaults, as one that was not.

    The head's rate has the factor `head_factor`, the last stage's `layer_decay`, the one before it
    `layer_decay` squared, and so on to the stem. Batch norm normalises by the batch and goes on
    averaging ("batch-statistics"), which small batches make noisy, or by the averages that it came
    with ("frozen-statistics"), or keeps its scales and shifts too ("frozen"); averages never move
    while what they belong to is frozen.

    Raises ValueError for values that make no tuning. Every field is described where it stands; the
    command line takes its help from there.

    >>> Tuning(frozen_epochs=1, layer_decay=0.5).factors(stages=3)
    (0.0625, 0.125, 0.25, 0.5, 1.0)
    >>> Tuning(layer_decay=0.0)
    Traceback (most recent call last):
    resnet_tutorial.Mistake: tuning: layer_decay must be in (0, 1], got 0.0
    """

    frozen_epochs: int = 0
    """Epochs in which the head learns alone: a new head's first gradients would spoil the rest."""
    frozen_stages: int = 0
    """Stages that never learn, and the stem with them; with all stages only the head learns."""
    layer_decay: float = 1.0
    """Factor of the rate from each stage to the one before: early layers serve most pictures."""
    head_factor: float = 1.0
    """Factor of the head's rate: a new head has further to go than the rest."""
    decay_norms: bool = True
    """Weight decay on norms and biases too, unless the recipe says no."""
    batch_norm: BatchNorm = "batch-statistics"
    """Normalise by the batch, by the averages it came with, or keep scale and shift too."""

    def __post_init__(self):
        for name in ("frozen_epochs", "frozen_stages"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise Mistake(f"tuning: {name} must be a whole number from 0, got {value!r}")
        for name, most in (("layer_decay", 1), ("head_factor", math.inf)):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 < value <= most or math.isinf(value):
                bounds = "in (0, 1]" if most == 1 else "positive"
                raise Mistake(f"tuning: {name} must be {bounds}, got {value!r}")
        if type(self.decay_norms) is not bool:
            raise Mistake(f"tuning: decay_norms must be True or False, got {self.decay_norms!r}")
        if self.batch_norm not in get_args(BatchNorm):
            raise Mistake(
                f"tuning: batch_norm must be {', '.join(get_args(BatchNorm))}, got "
                f"{self.batch_norm!r}"
            )

    def factors(self, stages: int) -> tuple[float, ...]:
        """What the rate is multiplied with: in the stem, in each of the `stages`, in the head."""
        body = (self.layer_decay**i for i in range(stages + 1, 0, -1))
        return *body, float(self.head_factor)

    def as_dict(self) -> dict:
        """The tuning as plain values that JSON keeps."""
        return asdict(self)
