"""Something to time, and what is said of its time."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

BATCH = 128


@dataclass(frozen=True)
class Action:
    """Something to time: its work in multiply-adds and images, and the action that is its peak.

    `limit` is the action that does only what this one cannot do without. `note` makes more words of
    the best time, in seconds.
    """

    run: Callable[[], object]
    macs: int = 0
    images: int = 0
    peak: str = ""
    limit: str = ""
    note: Callable[[float], str] | None = None

    def __call__(self) -> object:
        return self.run()


Actions = dict[str, Callable[[], object]]


def product(dtype: torch.dtype, device: str = "cpu", side: int = 2048) -> Action:
    """A product of square matrices: the rate that a network can hope for."""
    a, b = torch.randn(2, side, side, device=device).to(dtype)
    return Action(finished(lambda: a @ b, device), macs=side**3)


def finished(run: Callable[[], object], device: str) -> Callable[[], None]:
    """`run`, and the wait for what it has put into a GPU's queue."""

    def wait() -> None:
        run()
        if device == "cuda":
            torch.cuda.synchronize()

    return wait
