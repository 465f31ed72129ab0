"""What is measured of a step that somebody watches: gradient, update, waiting.

A run that nobody watches measures nothing; one that is watched takes the same steps, bit by bit.
Chapter: practice/it_does_not_train.
"""

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_tutorial.train.watch import Step, Watch

if TYPE_CHECKING:
    from resnet_tutorial.train.loop import Training

T = TypeVar("T")
TINY = 1e-12  # in the place of the norm of weights that are all 0


class Unwatched:
    """The meter of a run that nobody watches: it measures nothing."""

    def update(self, training: "Training") -> contextlib.AbstractContextManager:
        """Around clipping and the optimizer's step."""
        return contextlib.nullcontext()

    def fetch(self, batch: Callable[[], T]) -> T:
        """What `batch` gives: the images and labels of a step."""
        return batch()

    def step(self, training: "Training") -> None:
        """After a step."""

    def epoch(self, training: "Training") -> None:
        """After the errors of an epoch are known."""

    def close(self, training: "Training") -> None:
        """When the run has ended, in whatever way."""


class Meter(Unwatched):
    """Measures the steps that `Training.watched` names, and tells `watch` of them.

    A file that cannot be written, as on a full disk, ends no run: it is a warning.
    """

    def __init__(self, watch: Watch):
        self.watch = watch
        self._norms: Mapping[str, tuple[float, float]] | None = None
        self._waited, self._begun = 0.0, time.perf_counter()

    @contextlib.contextmanager
    def update(self, training: "Training") -> Iterator[None]:
        """Measures the gradient before clipping, and by how much the step moves the weights."""
        if not training.watched():
            yield
            return
        groups = layer_groups(training.model)
        before = {name: [p.detach().clone() for p in group] for name, group in groups.items()}
        gradients = {name: norm(came(group)) for name, group in groups.items()}
        yield
        shares = {
            name: norm([p.detach() - q for p, q in zip(group, before[name], strict=True)])
            / norm(before[name]).clamp_min(TINY)
            for name, group in groups.items()
        }
        found = torch.stack([*gradients.values(), *shares.values()]).tolist()  # one wait for all
        self._norms = dict(zip(groups, zip(found, found[len(groups) :], strict=False), strict=True))

    def fetch(self, batch: Callable[[], T]) -> T:
        """What `batch` gives, and the seconds that it took."""
        begun = time.perf_counter()
        found = batch()
        self._waited += time.perf_counter() - begun
        return found

    def step(self, training: "Training") -> None:
        """Tells what was measured, if this step was watched."""
        if self._norms is None:
            return
        now = time.perf_counter()
        step = Step(
            step=training.step,
            epoch=training.step / training.per_epoch,
            loss=training.recent_loss(),  # all processes ask for it
            lr=training.rate(training.step - 1),
            gradients={name: gradient for name, (gradient, _) in self._norms.items()},
            updates={name: share for name, (_, share) in self._norms.items()},
            waited=self._waited,
            seconds=now - self._begun,
        )
        self._norms, self._waited = None, 0.0
        self._tell(training, lambda: self.watch.step(step))
        self._begun = time.perf_counter()

    def epoch(self, training: "Training") -> None:
        """Tells the record so far."""
        images = len(training.test)
        self._tell(training, lambda: self.watch.epoch(training.record, images))
        self._begun = time.perf_counter()  # measuring the errors is no training

    def close(self, training: "Training") -> None:
        """Closes the watch."""
        self._tell(training, self.watch.close)

    def _tell(self, training: "Training", tell: Callable[[], None]) -> None:
        if not training.world.writes:
            return
        try:
            tell()
        except OSError as error:
            warnings.warn(f"{error}; the run goes on", stacklevel=2)


def layer_groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The parameters that learn, by the first word of their names: a stage's together.

    One that no gradient has reached is among them; one that is frozen is not.

    >>> from resnet_tutorial.models import build
    >>> net = build("resnet8")
    >>> frozen = net.conv1.requires_grad_(False)
    >>> list(layer_groups(net))
    ['bn1', 'layer1', 'layer2', 'layer3', 'fc']
    """
    groups: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(name.partition(".")[0], []).append(parameter)
    return groups


def came(group: list[nn.Parameter]) -> list[Float[Tensor, "..."]]:
    """The gradients of the parameters; one that never came is 0.

    >>> came([nn.Parameter(torch.ones(2))])
    [tensor([0., 0.])]
    """
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in group]


@torch.no_grad()
def norm(tensors: list[Float[Tensor, "..."]]) -> Float[Tensor, ""]:
    """Euclidean norm of all the numbers together.

    >>> norm([torch.tensor([3.0]), torch.tensor([[4.0, 0.0]])]).item()
    5.0
    """
    return torch.stack([tensor.float().norm() for tensor in tensors]).norm()
