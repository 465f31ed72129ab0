"""The average of a network's weights over its last steps.

The weights of SGD go on jumping about a good place as long as the rate is not small; their average
lies nearer to it (Polyak and Juditsky 1992). Chapter: practice/imagenet.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from resnet_tutorial import Mistake
from resnet_tutorial.train.checkpoint import finite

PREFIX = "average."


class Average:
    """An exponential moving average of the weights of a network; `model` has it, to be evaluated.

    It begins at the weights that the network has. Each `update` keeps a share of it and takes the
    rest from the network: the share is `decay`, and in the first steps less, so that random weights
    are soon forgotten. The averages of batch norm are averaged too, so that they fit the averaged
    weights; whole numbers, which count, are copied. (PyTorch's own AveragedModel would round the
    average of the counts.)

    >>> net = nn.Linear(1, 1, bias=False)
    >>> net.weight.data.fill_(1.0)
    tensor([[1.]])
    >>> average = Average(net, decay=0.75)
    >>> net.weight.data.fill_(5.0)
    tensor([[5.]])
    >>> average.update(net, step=1000)
    >>> average.model.weight.item()
    2.0
    >>> average.share(0), average.share(8), average.share(1000)
    (0.1, 0.5, 0.75)
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay

    def share(self, step: int) -> float:
        """What of the average is kept in `step`, which counts from 0."""
        return min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Takes in the weights that `model` has after `step`."""
        own, new = self.model.state_dict(), model.state_dict()
        taken = 1 - self.share(step)
        for name, value in own.items():
            if value.is_floating_point():
                value.lerp_(new[name], taken)
            else:
                value.copy_(new[name])

    def tensors(self) -> dict[str, Tensor]:
        """The average by name, for a checkpoint."""
        return {PREFIX + name: value for name, value in self.model.state_dict().items()}

    def check(self, tensors: Mapping[str, Tensor]) -> None:
        """ValueError unless `tensors` are those of such an average."""
        own = self.tensors()
        for name in sorted(own.keys() | tensors.keys()):
            expected, found = (
                (tuple(group[name].shape), group[name].dtype) if name in group else "absent"
                for group in (own, tensors)
            )
            if expected != found:
                raise Mistake(f"{name} should be {expected}, is {found}")
        if not finite(tensors):
            raise Mistake("an averaged weight is not finite")

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Undoes `tensors`, for which `check` found nothing wrong."""
        self.model.load_state_dict({k.removeprefix(PREFIX): v for k, v in tensors.items()})
