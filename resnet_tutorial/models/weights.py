"""Trained weights: safetensors files that say what they are, and those of other programs.

Beside the tensors, under torchvision's names, the header holds a JSON text: the model, the data,
the recipe and the errors of the run that made them, and how pictures become their input.
Chapter: training/depth_sweep.
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from resnet_tutorial import Mistake, files
from resnet_tutorial.inputs import Inputs
from resnet_tutorial.models import imagenet, pth
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
    "inputs": dict,
}
WEIGHTS = "model.safetensors"  # what they are called in the folder of a run
IMAGENET = "imagenet"  # the name of the weights that torchvision publishes
COUNT = "num_batches_tracked"  # how the names of batch norm's counters end
CHECKPOINT = "model."  # how the names of the weights in a run's checkpoint begin
SHIPPED = Path(__file__).parents[1] / "results" / "weights"


def available(model: str) -> dict[str, Path]:
    """The files that were shipped for the network called `model`, by the name of their data.

    >>> available("resnet1001")
    {}
    """
    return {p.stem.removeprefix(f"{model}-"): p for p in sorted(SHIPPED.glob(f"{model}-*"))}


def find(model: str, name: str | os.PathLike) -> Path:
    """The file of weights for the network called `model`.

    `name` is that of the data of shipped ones, "fashion_mnist"; "imagenet" for those that
    torchvision publishes, which are downloaded once; or a file, or the folder of a run. Raises
    ValueError that says what there is, and ConnectionError when a download fails.

    >>> find("resnet20", "runs/mine/model.safetensors").name
    'model.safetensors'
    """
    path = expanded(name)
    if path.suffix == ".safetensors" or path.suffix in pth.SUFFIXES:
        return path
    shipped = available(model)
    if str(name) in shipped:
        return shipped[str(name)]
    if str(name) == IMAGENET and model in imagenet.FILES:
        return imagenet.fetch(model)
    if path.is_dir():
        return located(path)
    raise Mistake(f"unknown weights of {model} {str(name)!r}; {_there_are(model, str(name))}")


def located(place: str | os.PathLike) -> Path:
    """The weights of the run in the folder `place`, or the file `place`. ValueError without one.

    >>> located("no_such_run")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: no_such_run does not exist; name the folder of a run ...
    """
    path = expanded(place)
    path = path / WEIGHTS if path.is_dir() else path
    if not path.exists():
        raise Mistake(
            f"{path} does not exist; name the folder of a run that has ended, or a file of weights"
        )
    return path


def _there_are(model: str, name: str) -> str:
    """Which weights could be asked for instead."""
    names = [*available(model), *[IMAGENET][: model in imagenet.FILES]]
    own = f"there are {', '.join(names)}" if names else "it has none by name"
    others = sorted({p.stem.partition("-")[0] for p in SHIPPED.glob(f"*-{name}.safetensors")})
    others = list(imagenet.FILES) if name == IMAGENET else others
    if others:
        own += f"; {name} has {', '.join(others)}"
    return f"{own}; or name a file, as in runs/a/model.safetensors or weights.pth"


def save(
    path: str | os.PathLike,
    model: nn.Module,
    record: Record,
    dtype: torch.dtype = torch.float32,
    inputs: Inputs | None = None,
) -> None:
    """Writes the weights of `model`, floating point ones as `dtype`, and what `record` says.

    With `inputs` a prediction needs nothing but this file.

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
    if inputs is not None:
        about["inputs"] = inputs.as_dict()
    files.write_tensors(path, tensors, about)


def load(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict]:
    """The tensors, as float32 or integers, and what the file says of them.

    A .pth of PyTorch is read without running what its pickle may hold, and says nothing of itself.
    Raises ValueError for a file that holds a checkpoint, or values that no weights can have.

    >>> load("no_such.safetensors")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: no_such.safetensors cannot be read (...)
    """
    foreign = Path(path).suffix in pth.SUFFIXES
    tensors, about = (pth.load(path), {}) if foreign else files.read_tensors(path)
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
        if name.endswith(("running_var", COUNT)) and (value < 0).any():
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


def inputs_of(
    path: str | os.PathLike, tensors: Mapping[str, Tensor], about: Mapping
) -> Inputs | None:
    """How pictures become the input of the network with the weights in `path`, if that is known.

    A file that says nothing of itself but has ImageNet's 1,000 classes, for colour pictures, is
    taken for one of torchvision's; a warning says so unless it has a published name.

    >>> inputs_of("none.safetensors", {}, {}) is None
    True
    """
    if "inputs" in about:
        return Inputs.read(about["inputs"])
    if Path(path).name in {name for name, _ in imagenet.FILES.values()}:
        return imagenet.inputs()
    if about or classes_and_channels(tensors) != (imagenet.CLASSES, 3):
        return None
    found = imagenet.inputs()
    warnings.warn(
        f"{path} has ImageNet's 1,000 classes and does not say how its pictures were normalised: "
        f"taken for one of torchvision's, {found.words()}",
        stacklevel=3,
    )
    return found


def mismatch(model: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """In what `tensors` differ from the weights of `model`; empty when they do not.

    How many batches a batch norm has seen may be missing: older programs did not count.

    >>> from resnet_tutorial import models
    >>> mismatch(models.build("resnet8"), models.build("resnet8", in_channels=1).state_dict())
    'conv1.weight should be (16, 3, 3, 3), is (16, 1, 3, 3)'
    """
    own = model.state_dict()
    expected, found = ({k: tuple(v.shape) for k, v in g.items()} for g in (own, tensors))
    for name in sorted(expected.keys() | found.keys()):
        uncounted = name.endswith(COUNT) and name not in found
        if expected.get(name) != found.get(name) and not uncounted:
            return (
                f"{name} should be {expected.get(name, 'absent')}, is {found.get(name, 'absent')}"
            )
    return ""


def load_into(model: nn.Module, tensors: Mapping[str, Tensor], source: str | os.PathLike) -> None:
    """Gives `model` the weights, every one of them. ValueError when they are another network's.

    >>> from resnet_tutorial import models
    >>> load_into(models.build("resnet8"), models.build("resnet20").state_dict(), "this file")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: this file holds another network's weights: ...
    """
    if problem := mismatch(model, tensors):
        raise Mistake(
            f"{source} holds another network's weights: {problem}; build the network that they "
            "were trained as"
        )
    own = model.state_dict()
    uncounted = {k: torch.zeros_like(v) for k, v in own.items() if k.endswith(COUNT)}
    state = {**uncounted, **tensors}
    for name, value in state.items():
        if own[name].is_floating_point() != value.is_floating_point():
            raise Mistake(
                f"{source}: {name} should be {own[name].dtype}, is {value.dtype}; write the "
                "weights as they were trained"
            )
    model.load_state_dict(state)
