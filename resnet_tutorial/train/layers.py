"""What a Tuning does to a network: the groups of its parameters, and what is frozen when.

Chapters: practice/fine_tuning, practice/imagenet.
"""

import hashlib
import warnings

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_tutorial import Mistake
from resnet_tutorial.data import Dataset
from resnet_tutorial.models import ResNet
from resnet_tutorial.train.recipe import Recipe
from resnet_tutorial.train.tuning import Tuning


def layers(model: nn.Module) -> list[list[nn.Module]]:
    """The modules of the stem, of each stage, and of the head.

    Raises ValueError for a network that has no stages.

    >>> from resnet_tutorial import models
    >>> len(layers(models.build("resnet20")))
    5
    """
    if not isinstance(model, ResNet):
        raise Mistake(
            f"tuning needs a network of models.build, whose stages are known, got "
            f"{type(model).__name__}; leave tuning out"
        )
    *stages, last = ([stage] for stage in model.stages)
    last += [model.bn2] * (model.bn2 is not None)
    return [[model.conv1, model.bn1, model.maxpool], *stages, last, [model.fc]]


def groups(model: nn.Module, tuning: Tuning | None, recipe: Recipe) -> list[dict]:
    """The parameter groups of an optimizer, each with the `factor` of its rate.

    Norms and biases decay unless the tuning or the recipe says no.
    """
    if tuning is None:
        parts, factors, decayed = [[model]], (1.0,), recipe.decay_norms
    else:
        parts = layers(model)
        stages = len(parts) - 2
        if tuning.frozen_stages > stages:
            raise Mistake(
                f"tuning: frozen_stages is {tuning.frozen_stages}, but the network has {stages} "
                "stages"
            )
        factors = tuning.factors(stages)
        decayed = recipe.decay_norms and tuning.decay_norms
    found = []
    for part, factor in zip(parts, factors, strict=True):
        parameters = [p for module in part for p in module.parameters()]
        plain = [p for p in parameters if p.ndim > 1 or decayed]
        norms = [p for p in parameters if p.ndim <= 1 and not decayed]
        for members, decay in ((plain, recipe.weight_decay), (norms, 0.0)):
            if members:
                found.append({"params": members, "weight_decay": decay, "factor": factor})
    return found


def set_modes(model: nn.Module, tuning: Tuning, epoch: int) -> bool:
    """Training mode, but for what is frozen in `epoch`; in the first ones all but the head may be.

    True when other parameters learn than before.
    """
    before = [p.requires_grad for p in model.parameters()]
    thaw(model)
    all_stages = len(layers(model)) - 2
    freeze(model, all_stages if epoch < tuning.frozen_epochs else tuning.frozen_stages)
    for module in model.modules():
        if isinstance(module, _BatchNorm) and tuning.batch_norm != "batch-statistics":
            module.eval()
            if tuning.batch_norm == "frozen":
                module.requires_grad_(False)
    return before != [p.requires_grad for p in model.parameters()]


def freeze(model: nn.Module, stages: int) -> None:
    """Takes the stem and the first `stages` stages out of training; nothing when that is 0.

    Their weights get no gradient. They are put in evaluation mode: dropout rests, and the averages
    of batch norm do not move. `model.train()` would wake them.

    >>> from resnet_tutorial import models
    >>> net = models.build("resnet8")
    >>> freeze(net, stages=1)
    >>> net.layer1.training, net.layer2.training, net.conv1.weight.requires_grad
    (False, True, False)
    """
    for part in layers(model)[: stages + 1 if stages else 0]:
        for module in part:
            module.eval().requires_grad_(False)


def thaw(model: nn.Module) -> None:
    """Training mode and gradients everywhere."""
    model.train().requires_grad_(True)


def origin(model: nn.Module, dataset: Dataset, tuning: Tuning | None) -> dict:
    """What a run that begins with trained weights has more in its identity than another."""
    found = {}
    if tuning is not None:
        found |= {"tuning": tuning.as_dict(), "start": getattr(model, "start", "new weights")}
    if dataset.normalization is not None:
        mean, std = dataset.normalization.mean, dataset.normalization.std
        digest = hashlib.sha256(mean.tobytes() + std.tobytes()).hexdigest()
        found["normalization"] = f"{dataset.normalization.words()}, sha256 {digest[:8]}"
    return found


def check_normalization(model: nn.Module, dataset: Dataset) -> None:
    """Warns when the images of `dataset` are not normalised as for the weights of `model`."""
    wanted = getattr(model, "inputs", None)
    if wanted is None or dataset.normalization is not None:
        return
    own = dataset.inputs()
    if own.words() != wanted.words():
        warnings.warn(
            f"the weights are for images normalised with {wanted.words()}, these have "
            f"{own.words()}; give fit dataset.normalized_as(net.inputs)",
            stacklevel=3,
        )
