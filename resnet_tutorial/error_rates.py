"""An error rate that was counted, its interval, and what was taken for what.

The interval is Wilson's (1927): all error rates p for which what was counted is less than 1.96
standard errors, sqrt(p (1 - p) / n), away. It speaks of other images for one trained net; other
seeds are another matter (`compare`). Chapter: practice/own_images.
"""

import math
from dataclasses import dataclass

from resnet_tutorial import Mistake

NORMAL = 1.959963984540054  # deviations within which 95 % of a normal variable are


def wilson(wrong: int, images: int) -> tuple[float, float]:
    """95 % interval for an error rate of which `wrong` of `images` are known.

    >>> [round(end, 3) for end in (*wilson(0, 20), *wilson(5, 20))]
    [0.0, 0.161, 0.112, 0.469]
    """
    if not 0 <= wrong <= images or images < 1:
        raise Mistake(f"expected 0 to {images} wrong of at least one image, got {wrong}")
    p, z2 = wrong / images, NORMAL**2
    centre = (p + z2 / (2 * images)) / (1 + z2 / images)
    half = NORMAL * math.sqrt(p * (1 - p) / images + z2 / (4 * images**2)) / (1 + z2 / images)
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class OfClass:
    """Of one class: its images, how many are wrong, and the 95 % interval of that share.

    >>> OfClass("cat", 20, 5).error
    0.25
    """

    name: str
    images: int
    wrong: int

    @property
    def error(self) -> float:
        """The share that is wrong; nan for a class without images."""
        return self.wrong / self.images if self.images else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's; 0 to 1 for a class without images."""
        return wilson(self.wrong, self.images) if self.images else (0.0, 1.0)


@dataclass(frozen=True)
class Pair:
    """Images of the class `true` that were taken for `predicted`: `count` of its `images`.

    >>> print(Pair("cat", "dog", 3, 20))
    cat taken for dog: 3 of 20 (15%)
    """

    true: str
    predicted: str
    count: int
    images: int

    def __str__(self) -> str:
        words = f"{self.true} taken for {self.predicted}"
        return f"{words}: {self.count} of {self.images} ({self.count / self.images:.0%})"
