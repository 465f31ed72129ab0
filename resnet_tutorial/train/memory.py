"""The memory that a run takes, by what it holds. Chapter: practice/it_does_not_train."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Memory:
    """Bytes that a run holds at once, beside Python and torch themselves.

    `maps` is what the forward pass of one batch, or part of one, saves for the backward pass.

    >>> Memory(maps=8_000_000, parameters=1_000_000, momentum=1_000_000, images=2_000_000).total
    13000000
    """

    maps: int
    parameters: int
    momentum: int
    images: int
    average: int = 0

    @property
    def total(self) -> int:
        """All together, with a gradient for each parameter."""
        return self.maps + 2 * self.parameters + self.momentum + self.images + self.average

    def __str__(self) -> str:
        mega = [f"{x / 1e6:.1f}" for x in (self.total, self.maps, self.parameters, self.parameters,
                                           self.momentum, self.images)]  # fmt: skip
        averaged = f", {self.average / 1e6:.1f} of averaged weights" if self.average else ""
        return (
            "{} MB: {} of maps kept for the backward pass, {} of weights, {} of gradients, {} of "
            "momentum, {} of images"
        ).format(*mega) + averaged
