"""A run that goes wrong, told in words while it can still be stopped: symptom, and what to try.

Each symptom is a rule with a number in it, written where it stands; a run that none of them names
may still be bad.

>>> from resnet_tutorial import experiments, train
>>> step = train.Step(60, 3.0, 4.0, 0.1, {"conv1": 0.0, "fc": 1.0}, {"fc": 0.1}, 0.0, 1.0)
>>> growing([2.3, 1.0, 4.0], step)[:14], dead_gradients({"conv1": 3, "fc": 0}, step)[:25]
('the loss grows', 'no gradient reaches conv1')
>>> guessing(experiments.recorded("digits_depth")[0])
''
>>> waiting(0.6)[:44]
'the data keep the net waiting for 60% of the'
>>> overfitting([0.3, 0.2, 0.1, 0.1, 0.0, 0.0, 0.0], [0.3, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4], 1000)[:16]
'the net overfits'

Chapter: practice/it_does_not_train.
"""

import math
import sys
from collections.abc import Callable, Sequence

import numpy as np

from resnet_tutorial.records import Record
from resnet_tutorial.train.watch import Step, Watch

GROWTH = 2.0  # a loss so many times the least one so far explodes,
ABOVE = 0.5  # if it is so many nats above the first one
FAINT = 1e-6  # of the largest gradient of a layer group: below it the group does not learn
IN_A_ROW = 3  # watched steps that have to show a dead gradient
WAITING = 0.5  # share of the time that may be spent on waiting for images
EPOCHS_TO_LEARN = 3  # after which a net that still guesses is told
ERRORS = 2.5  # standard errors by which a held-out error has to rise
EPOCHS_TO_RISE = 4  # between the least held-out error and now, before it counts as rising


def _to_stderr(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(f"warning: {line}", file=sys.stderr)  # above the bar, not through it


class Warnings(Watch):
    """Says in one line each, and once, when a run explodes, guesses, overfits, stands or waits.

    `say` takes the line; else it goes to stderr. `said` keeps what was said, by the symptom's name.

    >>> from resnet_tutorial.train import Step
    >>> warnings = Warnings(print)
    >>> for loss in (2.3, 1.0, 4.0):
    ...     warnings.step(Step(20, 0.5, loss, 0.1, {"fc": 1.0}, {"fc": 0.1}, 0.0, 1.0))
    the loss grows: it was 1, and is 4 after step 20, at the rate 0.1; try a smaller lr, ...
    """

    def __init__(self, say: Callable[[str], None] = _to_stderr):
        self.said: dict[str, str] = {}
        self._say = say
        self._losses: list[float] = []
        self._faint: dict[str, int] = {}  # how often in a row
        self._waited = self._seconds = 0.0

    def step(self, step: Step) -> None:
        """Judges the loss, the gradients and the waiting."""
        self._losses.append(step.loss)
        self._tell("grows", growing(self._losses, step))
        for name, gradient in step.gradients.items():
            dead = not gradient > FAINT * max(step.gradients.values())
            self._faint[name] = dead * (self._faint.get(name, 0) + 1)
        if math.isfinite(step.gradient):
            self._tell("dead", dead_gradients(self._faint, step))
        self._waited, self._seconds = self._waited + step.waited, self._seconds + step.seconds
        if len(self._losses) >= IN_A_ROW:  # the first batches of a stream are late
            self._tell("waits", waiting(self._waited / self._seconds))

    def epoch(self, record: Record, test_images: int) -> None:
        """Judges the errors; that a run diverged is told as the record tells it, if it is news."""
        if record.status.startswith("diverged"):
            self._tell("grows", record.problem)
            return
        self._tell("guesses", guessing(record))
        train, test = ([getattr(epoch, part) for epoch in record.curve]
                       for part in ("train_error", "test_error"))  # fmt: skip
        self._tell("overfits", overfitting(train, test, test_images))

    def _tell(self, symptom: str, line: str) -> None:
        if line and symptom not in self.said:
            self.said[symptom] = line
            self._say(line)


def growing(losses: Sequence[float], step: Step) -> str:
    """Whether the last of the watched losses is GROWTH times the least one and ABOVE the first.

    Or is no longer a number.
    """
    last = losses[-1]
    if not math.isfinite(last):
        was = "is no longer a number"
    elif last > GROWTH * min(losses) and last > losses[0] + ABOVE:
        was = f"grows: it was {min(losses):.3g}, and is {last:.3g}"
    else:
        return ""
    return (
        f"the loss {was} after step {step.step}, at the rate {step.lr:.3g}; try a smaller lr, a "
        "longer warm-up, or clip 1"
    )


def dead_gradients(faint: dict[str, int], step: Step) -> str:
    """Which layer groups had gradients of FAINT times the largest one, or none, IN_A_ROW times."""
    dead = [name for name, times in faint.items() if times >= IN_A_ROW]
    if not dead:
        return ""
    return (
        f"no gradient reaches {', '.join(dead)}: below {FAINT:g} of the largest layer group's at "
        f"{IN_A_ROW} looks in a row, the last after step {step.step}; the units may all be off, or "
        "the net too deep without shortcuts: try a smaller lr, batch norm, or a residual net"
    )


def waiting(share: float) -> str:
    """Whether the run spends more than WAITING of its time on waiting for images."""
    if share <= WAITING:
        return ""
    return (
        f"the data keep the net waiting for {share:.0%} of the time; try more workers, smaller "
        "pictures on the disk, or a disk that is nearer"
    )


def guessing(record: Record) -> str:
    """Whether after EPOCHS_TO_LEARN epochs the training error is one that guessing has too."""
    epochs, bound = len(record.curve), record.guessing
    if epochs < EPOCHS_TO_LEARN or bound is None or record.train_error < bound:
        return ""
    return (
        f"after {epochs} epochs the net still guesses: its training error is "
        f"{record.train_error:.1%}; try a smaller lr, and look whether it learns one batch by heart"
    )


def overfitting(train: Sequence[float], test: Sequence[float], test_images: int) -> str:
    """Whether the held-out error rises while the training error falls.

    Both are smoothed over three epochs. The least held-out error lies EPOCHS_TO_RISE epochs back or
    more; the last two are above it by more than ERRORS standard errors of a share of `test_images`
    images, and the training error has fallen since.
    """
    if len(train) < EPOCHS_TO_RISE + 3:
        return ""
    train, test = (np.convolve(errors, np.ones(3) / 3, "valid") for errors in (train, test))
    best, now = int(test.argmin()), len(test) - 1
    chance = ERRORS * math.sqrt(max(test[best] * (1 - test[best]), 1 / test_images) / test_images)
    rises = bool((test[-2:] > test[best] + chance).all())
    if not (now - best >= EPOCHS_TO_RISE and rises and train[now] < train[best]):
        return ""
    return (
        f"the net overfits: since epoch {best + 2} the training error has fallen from "
        f"{train[best]:.1%} to {train[now]:.1%}, and the test error has risen from "
        f"{test[best]:.1%} to {test[now]:.1%}; try more images, stronger augmentation, more "
        "weight decay, or fewer epochs"
    )
