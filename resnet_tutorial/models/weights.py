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
from resnet_tutorial.records import Record

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
        return Path(name).expanduser()
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

    >>> load("no_such.safetensors")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: no_such.safetensors cannot be read (...)
    """
    tensors, about = files.read_tensors(path)
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}, about


def classes_and_channels(tensors: Mapping[str, Tensor]) -> tuple[int | None, int | None]:
    """How many classes and input channels the network has whose weights these are, if they say so.

    >>> from resnet_tutorial import models
    >>> classes_and_channels(models.build("resnet8", num_classes=7, in_channels=1).state_dict())
    (7, 1)
    """
    kernels = (tensor for name, tensor in tensors.items() if name.startswith("conv1."))
    first = next((tensor for tensor in kernels if tensor.ndim == 4), None)
    return len(tensors.get("fc.bias", ())) or None, None if first is None else first.shape[1]


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
    model.load_state_dict(tensors)
