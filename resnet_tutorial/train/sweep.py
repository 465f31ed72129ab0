"""At which rate does the loss fall? A step at each of many rates, the next one larger by a factor.

After Smith 2017 (arXiv:1506.01186). The smoothed loss tells three rates: where it falls fastest,
where it is least, and where it is worse than at the start. Chapter: practice/it_does_not_train.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

RATES = np.geomspace(1e-5, 10.0, 100)
SMOOTHED = 5  # losses that are averaged: each with its neighbours
FALLS = 0.9  # of the loss at the start: what does not get below it does not fall
EXPLODED = 4.0  # the sweep ends when the loss is so many times the first one


@dataclass(frozen=True, eq=False)
class Sweep:
    """The losses of steps whose rates grow: `losses[i]` before the step at `rates[i]`.

    >>> sweep = Sweep(np.geomspace(1e-3, 1.0, 4), np.array([5.0, 4.0, 2.0, 1.0]))
    >>> sweep.smoothed.round(2).tolist(), sweep.lowest, sweep.suggestion
    ([3.67, 3.0, 3.0, 2.33], 1.0, 0.5)
    """

    rates: Float64[np.ndarray, " n"]
    losses: Float64[np.ndarray, " n"]

    @cached_property
    def smoothed(self) -> Float64[np.ndarray, " m"]:
        """Mean of each loss and its neighbours, SMOOTHED together; up to the last finite loss."""
        losses, half = self.losses[: self._finite], SMOOTHED // 2
        return np.array(
            [losses[max(0, i - half) : i + half + 1].mean() for i in range(len(losses))]
        )

    @property
    def _finite(self) -> int:
        """How many losses are finite before the first that is not."""
        return int(np.isfinite(self.losses).cumprod().sum())

    @property
    def falls(self) -> bool:
        """Whether the loss falls at any rate, below FALLS of that at the start."""
        return bool(self.smoothed.min() < FALLS * self.smoothed[0])

    @property
    def fastest(self) -> float:
        """The rate where the smoothed loss falls fastest, against the rate's logarithm."""
        before = self.smoothed[: self.smoothed.argmin() + 1]
        steepest = np.gradient(before).argmin() if len(before) > 1 else 0
        return float(self.rates[steepest])

    @property
    def lowest(self) -> float:
        """The rate where the smoothed loss is least."""
        return float(self.rates[self.smoothed.argmin()])

    @property
    def explodes(self) -> float | None:
        """The first rate after `lowest` where the loss is above that at the start, or no number."""
        worse = self.smoothed > self.smoothed[0]
        worse[: self.smoothed.argmin()] = False
        at = int(worse.argmax()) if worse.any() else self._finite
        return float(self.rates[at]) if at < len(self.losses) else None

    @property
    def suggestion(self) -> float | None:
        """Half of `lowest`, to two digits; None where the loss falls at no rate.

        For a peak after a warm-up, from where the rate falls. On the digits it is among the rates
        that train best; a tenth of `lowest`, often advised, is too small there.
        """
        return float(f"{self.lowest / 2:.2g}") if self.falls else None


def sweep(step: Callable[[float], float], rates: Float64[np.ndarray, " n"] = RATES) -> Sweep:
    """Takes a step at each of the rates; `step(rate)` takes it and gives the loss before it.

    It ends early when the loss is no number or EXPLODED times the first one.

    >>> w = [1.0]
    >>> def step(rate):  # on the loss 50 w^2, which falls up to the rate 0.02, and then explodes
    ...     loss, w[0] = 50 * w[0] ** 2, w[0] * (1 - 100 * rate)
    ...     return loss
    >>> found = sweep(step)
    >>> found.fastest < 0.01 < found.lowest < 0.025 < found.explodes < 0.2
    True
    """
    losses: list[float] = []
    for rate in rates:
        losses.append(step(float(rate)))
        if not losses[-1] <= EXPLODED * losses[0]:
            break
    return Sweep(rates[: len(losses)], np.array(losses))
