"""How pictures become a network's input: said once, for training, prediction and export.

Chapters: practice/own_images, practice/fine_tuning.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from resnet_tutorial import Mistake

MOST_SIDE = 100_000  # pixels, or channels


@dataclass(frozen=True, eq=False)
class Inputs:
    """What pictures must become before a network sees them, and what its outputs are called.

    `classes` names the outputs in their order. `mean` `(c, 1, 1)`, or `(c, h, w)` where a mean
    image is subtracted, and `std` `(c, 1, 1)` are in raw pixel units, 0 to 255. `shape` is `(c, h,
    w)` of an evaluated image: the largest box of that shape in the middle of a picture, of whose
    sides the share `crop_pct` is kept, is scaled to h x w pixels. A share of 1 cuts off as little
    as possible; networks for ImageNet are evaluated with 224 / 256.

    Raises ValueError for values that describe no input.

    >>> mean, std = np.full((1, 1, 1), 120, np.float32), np.full((1, 1, 1), 60, np.float32)
    >>> inputs = Inputs(("cat", "dog"), mean, std, (1, 8, 8))
    >>> float(inputs.normalize(np.full((1, 1, 8, 8), 150, np.uint8)).mean())
    0.5
    >>> Inputs.read(inputs.as_dict()) == inputs
    True
    """

    classes: tuple[str, ...]
    mean: Float32[np.ndarray, "c _ _"]
    std: Float32[np.ndarray, "c 1 1"]
    shape: tuple[int, int, int]
    crop_pct: float = 1.0

    def __post_init__(self):
        if problem := self._problem():
            raise Mistake(f"inputs: {problem}")

    def _problem(self) -> str:
        """What describes no input; empty when all does."""
        if not self.classes:
            return "expected at least one class"
        if len(set(self.classes)) < len(self.classes):
            return "classes should be different names, one comes twice"
        if not all(0 < side <= MOST_SIDE for side in self.shape):
            return f"shape should be channels, height, width, is {str(self.shape)[:50]}"
        c, h, w = self.shape
        if self.mean.shape not in {(c, 1, 1), (c, h, w)}:
            return f"mean should be of shape {(c, 1, 1)} or {self.shape}, is {self.mean.shape}"
        if self.std.shape != (c, 1, 1):
            return f"std should be of shape {(c, 1, 1)}, is {self.std.shape}"
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and self.std.all()):
            return "mean and std should be finite, and std not 0"
        return "" if 0 < self.crop_pct <= 1 else f"crop_pct should be in (0, 1], is {self.crop_pct}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Inputs) and self.as_dict() == other.as_dict()

    def normalize(self, images: UInt8[np.ndarray, "n c h w"]) -> Float32[np.ndarray, "n c h w"]:
        """What the network takes."""
        return (images - self.mean) / self.std

    def as_dict(self) -> dict:
        """The values as JSON keeps them."""
        return {
            "classes": list(self.classes),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "shape": list(self.shape),
            "crop_pct": self.crop_pct,
        }

    @classmethod
    def read(cls, values: Mapping) -> "Inputs":
        """Undoes `as_dict`. ValueError for what it never gave."""
        try:
            mean, std = (np.array(values[name], np.float32) for name in ("mean", "std"))
            classes, shape, crop_pct = (values[name] for name in ("classes", "shape", "crop_pct"))
            kinds = {str: classes, int: shape, float: [crop_pct]}
            right = all(type(v) is kind for kind, group in kinds.items() for v in group)
            if not right or (mean.ndim, std.ndim, len(shape)) != (3, 3, 3):
                raise ValueError("another type or shape")
            if std.shape[1:] != (1, 1):
                raise ValueError(f"std of shape {std.shape}")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            why = " ".join(str(error).split())[:200]
            raise Mistake(f"expected how pictures become inputs, got others ({why})") from None
        return cls(tuple(classes), mean, std, tuple(shape), crop_pct)

    def words(self) -> str:
        """The normalisation of each channel, for a line of text.

        >>> mean, std = np.full((1, 1, 1), 120, np.float32), np.full((1, 1, 1), 60, np.float32)
        >>> Inputs(("cat", "dog"), mean, std, (1, 8, 8)).words()
        'mean 120, deviation 60 of pixels in 0 to 255'
        """
        mean, std = (
            ", ".join(f"{value:.4g}" for value in values.mean((1, 2)))
            for values in (self.mean, self.std)
        )
        return f"mean {mean}, deviation {std} of pixels in 0 to 255"
