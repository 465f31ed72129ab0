"""Trained weights: safetensors files that say what they are.

Beside the tensors, under torchvision's names, the header holds a JSON text: the model, the data,
the recipe and the errors of the run that made them. Chapter: training/depth_sweep.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from resnet_tutorial import Mistake, files
from resnet_tutorial.names import lookup
from resnet_tutorial.paths import expanded
from resnet_tutorial.records import Record

ABOUT = {  # what `save` writes of a run, and the type of each
    "model": str,
    "data": str,
    "data_fingerprint": str,
    "experiment": str,
    "variant": dict,
    "seed": int,
    "recipe": dict,
    "train_error": float | int,
    "test_error": float | int,
}
CHECKPOINT = "model."  # how the names of the weights in a run's checkpoint begin
SHIPPED = Path(__file__).parents[1] / "results" / "weights"


def available(model: str) -> dict[str, Path]:
    """The files that were shipped for the network called `model`, by the name of their data.

    >>> available("resnet1001")
    {}
    """
    return {p.stem.removeprefix(f"{model}-"): p for p in sorted(SHIPPED.glob(f"{model}-*"))}


def find(model: str, name: str | os.PathLike) -> Path:
    """The shipped file called `name`, "fashion_mnist", or the file at the path `name`.

    Raises ValueError with the names that exist.

    >>> find("resnet20", "runs/mine/model.safetensors").name
    'model.safetensors'
    """
    if str(name).endswith(".safetensors"):
        return expanded(name)
    return lookup(available(model), name, f"weights of {model}")


def save(
    path: str | os.PathLike, model: nn.Module, record: Record, dtype: torch.dtype = torch.float32
) -> None:
    """Writes the weights of `model`, floating point ones as `dtype`, and what `record` says.

    >>> import tempfile
    >>> from resnet_tutorial import experiments, models
    >>> net = models.build("resnet8", in_channels=1)
    >>> with tempfile.TemporaryDirectory() as place:
    ...     save(f"{place}/model.safetensors", net, experiments.recorded("digits_depth")[0])
    ...     tensors, about = load(f"{place}/model.safetensors")
    >>> about["model"], about["data"], tensors["fc.bias"].shape
    ('resnet8', 'digits', torch.Size([10]))
    """
    tensors = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    about = {
        "model": record.model,
        "variant": record.variant,
        "data": record.data,
        "data_fingerprint": record.data_fingerprint,
        "experiment": record.experiment,
        "seed": record.seed,
        "recipe": record.recipe,
        "train_error": record.train_error,
        "test_error": record.test_error,
    }
    files.write_tensors(path, tensors, about)


def load(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict]:
    """The tensors, as float32 or integers, and what the file says of them.

    Raises ValueError for a file that holds a checkpoint, or values that no weights can have.

    >>> load("no_such.safetensors")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: no_such.safetensors cannot be read (...)
    """
    tensors, about = files.read_tensors(path)
    tensors = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    if problem := _problem(tensors) or _misstated(about):
        raise Mistake(f"{path} cannot be used as weights: {problem}")
    return tensors, about


def _problem(tensors: Mapping[str, Tensor]) -> str:
    """Why these tensors can be no network's weights; empty when they can."""
    if not tensors:
        return "it holds no tensor"
    if any(name.startswith(CHECKPOINT) for name in tensors):
        return "it is the checkpoint of a run; the weights are model.safetensors, once it has ended"
    for name, value in tensors.items():
        if value.dtype.is_complex or value.dtype == torch.bool:
            return f"{name} should be real numbers, is {value.dtype}"
        if not value.isfinite().all():
            return f"{name} is not finite everywhere; the run diverged, so train anew"
        if name.endswith(("running_var", "num_batches_tracked")) and (value < 0).any():
            return f"{name} should be 0 or more, is {value.min().item():g} somewhere"
    return ""


def _misstated(about: object) -> str:
    """What is wrong with what a file says of its weights, which may be nothing; empty if right."""
    if not isinstance(about, dict):
        return f"its description should be a table, is {type(about).__name__}"
    for name, kind in ABOUT.items():
        value = about.get(name)
        if name in about and (not isinstance(value, kind) or isinstance(value, bool)):
            return f"its description says {name} {str(value)[:50]!r}"
    return ""


def classes_and_channels(tensors: Mapping[str, Tensor]) -> tuple[int | None, int | None]:
    """How many classes and input channels the network has whose weights these are, if they say so.

    >>> from resnet_tutorial import models
    >>> classes_and_channels(models.build("resnet8", num_classes=7, in_channels=1).state_dict())
    (7, 1)
    """
    kernels = (tensor for name, tensor in tensors.items() if name.startswith("conv1."))
    first = next((tensor for tensor in kernels if tensor.ndim == 4), None)
    bias = tensors.get("fc.bias")
    classes = len(bias) if bias is not None and bias.ndim == 1 else None
    return classes or None, None if first is None else first.shape[1] or None


def load_into(model: nn.Module, tensors: Mapping[str, Tensor], source: str | os.PathLike) -> None:
    """Gives `model` the weights, every one of them. ValueError when they are another network's.

    >>> from resnet_tutorial import models
    >>> load_into(models.build("resnet8"), models.build("resnet20").state_dict(), "this file")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: this file holds another network's weights: ...
    """
    own = model.state_dict()
    shapes = ({k: tuple(v.shape) for k, v in group.items()} for group in (own, tensors))
    expected, found = shapes
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise Mistake(
                f"{source} holds another network's weights: {name} should be "
                f"{expected.get(name, 'absent')}, is {found.get(name, 'absent')}; build the "
                "network that they were trained as"
            )
        if own[name].is_floating_point() != tensors[name].is_floating_point():
            raise Mistake(
                f"{source}: {name} should be {own[name].dtype}, is {tensors[name].dtype}; write "
                "the weights as they were trained"
            )
    model.load_state_dict(tensors)
