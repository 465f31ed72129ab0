"""The recipe for photos: boxes cut out of them, their colours, and what large runs add.

Chapters: practice/own_images, practice/imagenet.
"""

from dataclasses import dataclass
from typing import Literal

from resnet_tutorial import Mistake
from resnet_tutorial.train.recipe import Cosine, Recipe


@dataclass(frozen=True)
class PhotoRecipe(Recipe):
    """A Recipe whose training images are random boxes of photos, scaled to one size.

    Raises ValueError for values that make no recipe. The defaults are the field's: a box of 8 % to
    100 % of the area, of 3:4 to 4:3, mirrored half of the time, colours as they are. Sources:
    Szegedy et al. 2014, arXiv:1409.4842; for the colours Howard 2013, arXiv:1312.5402.

    With `ema` d, the average after a step is d times the one before it plus 1 - d times the new
    weights: about the last 1 / (1 - d) steps, and fewer while the run is young. The averages of
    batch norm are averaged likewise. What is evaluated and kept is the average. With `accumulate`
    the gradients of the parts add up to the whole batch's; batch norm, though, normalises each part
    by itself, and its averages move once a part.

    >>> PhotoRecipe(epochs=30, color_jitter=(0.4, 0.4, 0.4)).as_dict()["color_jitter"]
    [0.4, 0.4, 0.4]
    >>> PhotoRecipe(crop_scale=(0.0, 1.0))
    Traceback (most recent call last):
    resnet_tutorial.Mistake: recipe: crop_scale must be two shares, 0 < low <= high <= 1, got ...
    """

    flip: float = 0.5
    """Probability of the mirror image; 0 where left and right mean something."""
    crop_scale: tuple[float, float] = (0.08, 1.0)
    """Smallest and largest share of the area that a random box has."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Smallest and largest width of a random box over its height."""
    color_jitter: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Most that brightness, contrast and saturation are changed, each by a factor; 0 is not."""
    decay_norms: bool = True
    """Weight decay on norms and biases too, which scale and shift; without it on weights alone."""
    ema: float = 0.0
    """What a step keeps of the moving average of the weights, as in 0.999; 0 averages none."""
    accumulate: int = 1
    """Parts that a batch is taken in, one after the other, where memory does not hold it whole."""
    sync_batch_norm: bool = False
    """Batch statistics over all GPUs together, for few images on each; refused on the CPU."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Numbers of both passes; float16, with a scaled loss, is for GPUs that have no bfloat16."""

    def __post_init__(self):
        super().__post_init__()
        self._check_boxes_and_colors()
        if not 0 <= self.ema < 1:
            raise Mistake(f"recipe: ema must be in [0, 1), got {self.ema}")
        if self.accumulate < 1 or self.batch_size % self.accumulate:
            raise Mistake(
                f"recipe: accumulate must divide the batch_size of {self.batch_size}, got "
                f"{self.accumulate}"
            )

    def _check_boxes_and_colors(self) -> None:
        for name, count in (("crop_scale", 2), ("crop_ratio", 2), ("color_jitter", 3)):
            given = getattr(self, name)
            plain = isinstance(given, tuple) and all(type(v) in (int, float) for v in given)
            if not plain or len(given) != count:
                raise Mistake(f"recipe: {name} must be a tuple of {count} numbers, got {given!r}")
            object.__setattr__(self, name, tuple(map(float, given)))
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise Mistake(
                "recipe: crop_scale must be two shares, 0 < low <= high <= 1, got "
                f"{self.crop_scale}"
            )
        low, high = self.crop_ratio
        if not 0.01 <= low <= high <= 100:
            raise Mistake(
                f"recipe: crop_ratio must be two ratios, 0.01 <= low <= high <= 100, got "
                f"{self.crop_ratio}"
            )
        if not all(0 <= strength <= 1 for strength in self.color_jitter):
            raise Mistake(f"recipe: color_jitter must be three strengths in [0, 1], got "
                          f"{self.color_jitter}")  # fmt: skip
        if self.padding or self.per_pixel_mean:
            raise Mistake(
                "recipe: padding and per_pixel_mean are for small images of one size; crop_scale "
                "takes the place of the first, and photos have no mean image"
            )

    def as_dict(self) -> dict:
        """The recipe as plain values that JSON keeps, pairs as lists.

        What large runs add is named where it is chosen: records from before it stay equal.
        """
        values = super().as_dict()
        for name in ("decay_norms", "ema", "accumulate", "sync_batch_norm"):
            if values[name] == getattr(Recipe, name):
                del values[name]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


#: ImageNet, as it is trained today. Section 3.4 of the first paper gives the batch, the rate,
#: momentum, decay and at most 120 epochs. Common practice, and a choice here: the cosine with its
#: warm-up (half an epoch; four at a batch of 2,048), smoothed labels, no decay on norms and biases,
#: an average over about 10,000 steps, bfloat16.
IMAGENET = PhotoRecipe(
    epochs=120,
    batch_size=256,
    lr=0.1,
    schedule=Cosine(warmup=2500),
    label_smoothing=0.1,
    decay_norms=False,
    ema=0.9999,
    precision="bfloat16",
)
