"""An experiment as data: a question, the chapter that asks it, and the runs that answer it."""

from collections.abc import Sequence
from dataclasses import dataclass

from resnet_tutorial import Mistake
from resnet_tutorial.experiments.kinds import Run

LONG = 1e14  # multiply-adds of the forward passes: an hour of two cores, or a GPU


@dataclass(frozen=True)
class Experiment:
    """A question in one sentence, the chapter that asks it, as in "problem/degradation", the runs.

    `also` are other chapters that use its records. Raises ValueError for a question that is none.

    >>> from resnet_tutorial.experiments import EXPERIMENTS
    >>> experiment = EXPERIMENTS["digits_long"]
    >>> experiment.chapter, len(experiment.runs), experiment.long
    ('problem/degradation', 6, False)
    """

    question: str
    chapter: str
    runs: Sequence[Run]
    also: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.question.endswith("?"):
            raise Mistake(f"question: expected a sentence that ends in '?', got {self.question!r}")

    @property
    def chapters(self) -> tuple[str, ...]:
        """The chapter that asks, then the others that use the records."""
        return (self.chapter, *self.also)

    @property
    def cost(self) -> float:
        """Multiply-adds of the forward passes of all runs."""
        return sum(run.cost for run in self.runs)

    @property
    def long(self) -> bool:
        """Whether all runs together take hours, or a GPU: their records may be missing."""
        return self.cost > LONG
