"""What may look on while a net trains: `fit(..., watch=...)`.

A Watch is told of a step now and then, and of every epoch; it changes nothing. Keep what it hears
(History), draw it (Plot), write it for TensorBoard, have it judged (`Warnings`); Several are one.

>>> from resnet_tutorial import data, models, train
>>> net = models.build("resnet8", in_channels=1, widths=(4, 8, 16))
>>> history = History()
>>> record = train.fit(net, data.load("digits"), train.Recipe(epochs=2), device="cpu",
...                    watch=Several(history, train.Warnings(print)))
>>> [watched.step for watched in history.steps], history.record.curve == record.curve
([20, 40], True)

Chapter: practice/it_does_not_train.
"""

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from resnet_tutorial import Mistake
from resnet_tutorial.paths import expanded
from resnet_tutorial.records import Record


@dataclass(frozen=True)
class Step:
    """What was measured of one step. `epoch` is how many epochs had passed after it, a fraction.

    `loss` is the mean over the last steps of the epoch, at most twenty, in nats, and `lr` the rate
    of this step. By layer group, which is the first word of the parameters' names:
    `gradients`, Euclidean norms before clipping, and `updates`, norms of the change of the weights
    over the norms of the weights. `waited` and `seconds`: how long the steps since the last one
    that was watched waited for their images, and how long they took in all.

    >>> Step(20, 1.0, 2.3, 0.1, {"conv1": 3.0, "fc": 4.0}, {"fc": 0.001}, 0.1, 0.4).gradient
    5.0
    """

    step: int
    epoch: float
    loss: float
    lr: float
    gradients: Mapping[str, float]
    updates: Mapping[str, float]
    waited: float
    seconds: float

    @property
    def gradient(self) -> float:
        """Euclidean norm of the whole gradient, before clipping."""
        return math.hypot(*self.gradients.values())


class Watch:
    """Looks on and does nothing: inherit, and write what should happen.

    Every method is called in the process that writes, between two steps; what takes long there
    keeps the run waiting. An OSError that leaves them becomes a warning: a full disk ends no run.

    >>> class Loss(Watch):
    ...     def step(self, step):
    ...         print(f"after step {step.step} the loss is {step.loss:.1f}")
    """

    def step(self, step: Step) -> None:
        """After every twentieth step, and after the last one of an epoch."""

    def epoch(self, record: Record, test_images: int) -> None:
        """After an epoch: the record so far, whose errors are measured on `test_images` images."""

    def close(self) -> None:
        """When the run has ended, in whatever way."""


class Several(Watch):
    """Watches as one, told in their order.

    >>> first, second = History(), History()
    >>> both = Several(first, second)
    """

    def __init__(self, *watches: Watch):
        self.watches = watches

    def step(self, step: Step) -> None:
        """Tells each of the step."""
        for watch in self.watches:
            watch.step(step)

    def epoch(self, record: Record, test_images: int) -> None:
        """Tells each of the epoch."""
        for watch in self.watches:
            watch.epoch(record, test_images)

    def close(self) -> None:
        """Closes each."""
        for watch in self.watches:
            watch.close()


class History(Watch):
    """Keeps the `steps` that were watched, and the last `record`.

    A run that goes on from a checkpoint has in `record` all its epochs, and in `steps` those from
    there on.

    >>> History().steps
    []
    """

    def __init__(self):
        self.steps: list[Step] = []
        self.record: Record | None = None

    def step(self, step: Step) -> None:
        """Keeps it."""
        self.steps.append(step)

    def epoch(self, record: Record, test_images: int) -> None:
        """Keeps the record in the place of the last one."""
        self.record = record


class Plot(History):
    """Draws the run to a file after each epoch: errors, loss, rate, gradient, updates, waiting.

    Where epochs are so short that drawing would take more than a tenth of the time, less often, and
    once at the end. The file is replaced as a whole: a viewer never sees half a picture.

    >>> plot = Plot("runs/a/curves.png")
    """

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        self.path = expanded(path)
        self._next, self._drawn = 0.0, None  # when to draw again, and which record was drawn

    def epoch(self, record: Record, test_images: int) -> None:
        """Draws what is known."""
        super().epoch(record, test_images)
        if time.perf_counter() >= self._next:
            self._draw()

    def close(self) -> None:
        """Draws what is not drawn yet."""
        if self.record is not self._drawn:
            self._draw()

    def _draw(self) -> None:
        from resnet_tutorial import figures_of_runs

        begun, self._drawn = time.perf_counter(), self.record
        figures_of_runs.write(figures_of_runs.run(self.record, self.steps), self.path)
        now = time.perf_counter()
        self._next = now + 9 * (now - begun)


class TensorBoard(Watch):
    """Writes event files into a folder, for `tensorboard --logdir FOLDER`.

    Raises ValueError when the library is not installed, or the folder cannot be made.

    >>> import os, tempfile
    >>> from resnet_tutorial import experiments
    >>> with tempfile.TemporaryDirectory() as place:
    ...     board = TensorBoard(place)
    ...     board.epoch(experiments.recorded("digits_depth")[0], test_images=500)
    ...     board.close()
    ...     len(os.listdir(place))
    1
    """

    def __init__(self, folder: str | os.PathLike):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise Mistake(
                "expected TensorBoard's library, which is not installed; install it: "
                'pip install "resnet_tutorial[tensorboard]"'
            ) from None
        try:
            self._writer = SummaryWriter(str(expanded(folder)))
        except OSError as error:
            raise Mistake(
                f"{folder} cannot be a folder for TensorBoard ({error.strerror}); name another one"
            ) from None

    def step(self, step: Step) -> None:
        """Writes all numbers of the step."""
        values = {
            "loss": step.loss,
            "lr": step.lr,
            "gradient norm": step.gradient,
            "waiting for data": step.waited / step.seconds,
            **{f"gradient norm/{name}": value for name, value in step.gradients.items()},
            **{f"update over weight/{name}": value for name, value in step.updates.items()},
        }
        for name, value in values.items():
            self._writer.add_scalar(name, value, step.step)

    def epoch(self, record: Record, test_images: int) -> None:
        """Writes the errors, under the number of the epoch."""
        last, number = record.curve[-1], len(record.curve)
        self._writer.add_scalar("error/training", last.train_error, number)
        self._writer.add_scalar("error/test", last.test_error, number)
        self._writer.flush()

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()
