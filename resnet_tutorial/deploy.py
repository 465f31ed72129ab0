"""A trained network for use elsewhere: batch norms folded away, and an ONNX file that is checked.

Both take a network in evaluation mode and leave it as it is. Chapter: practice/deploy.
"""

import contextlib
import copy
import importlib.util
import json
import logging
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from resnet_tutorial import Mistake, files
from resnet_tutorial.drawings.trace import trace
from resnet_tutorial.models import ResNet
from resnet_tutorial.paths import expanded

if TYPE_CHECKING:
    from resnet_tutorial.data import Dataset

LARGEST_GAP = 1e-4  # between torch and the file, in a probability and relative to the largest score
TRIED = (1, 3)  # batch sizes at which the two are compared
LIBRARIES = ("onnx", "onnxscript")  # onnxruntime only tests the file


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution with a bias that computes norm(conv(x)) in evaluation mode.

    With a = gamma / sqrt(var + eps), one number a channel, the kernels are a w and the bias is
    a (b - mean) + beta; computed in float64 and returned in the type of `conv`.

    Raises ValueError when the norm keeps no averages, or has other channels.

    >>> conv, norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8).eval()
    >>> x = torch.randn(2, 3, 6, 6)
    >>> torch.allclose(fold(conv, norm)(x), norm(conv(x)), atol=1e-5)
    True
    """
    if norm.running_var is None or norm.num_features != conv.out_channels:
        kept = "no averages" if norm.running_var is None else f"{norm.num_features} channels"
        raise Mistake(
            f"expected a batch norm with averages of {conv.out_channels} channels, got one with "
            f"{kept}; fold the norm that directly follows the convolution"
        )
    mean, var = norm.running_mean.double(), norm.running_var.double()
    gamma = torch.ones_like(mean) if norm.weight is None else norm.weight.double()
    beta = torch.zeros_like(mean) if norm.bias is None else norm.bias.double()
    b = torch.zeros_like(mean) if conv.bias is None else conv.bias.double()
    a = gamma / (var + norm.eps).sqrt()
    kernels = a[:, None, None, None] * conv.weight.double()
    folded, dtype = copy.deepcopy(conv), conv.weight.dtype
    folded.weight = nn.Parameter(kernels.to(dtype).detach())
    folded.bias = nn.Parameter((a * (b - mean) + beta).to(dtype).detach())
    return folded


def fold_batch_norm(net: ResNet) -> ResNet:
    """A copy in which each batch norm that directly follows a convolution is part of it.

    Which ones do is seen while an image passes: the norm reads what the convolution gave, and
    nothing else does. The residual and plain nets lose every batch norm. A pre-activation net keeps
    those that stand behind an addition, before a ReLU: no convolution directly precedes them.
    Where a norm stood, an ``nn.Identity`` stands.

    Raises ValueError for a net in training mode or with numbers that are not finite.

    >>> from resnet_tutorial import models
    >>> net = models.build("resnet8").eval()
    >>> folded, x = fold_batch_norm(net), torch.randn(2, 3, 8, 8)
    >>> bool((folded(x) - net(x)).abs().max() < 1e-4 * net(x).abs().max())
    True
    >>> [sum(p.numel() for p in n.parameters()) for n in (net, folded)]
    [75290, 75050]
    """
    _check_ready(net)
    folded = copy.deepcopy(net)
    with torch.no_grad():
        for conv, norm in _pairs(folded):
            one = fold(folded.get_submodule(conv), folded.get_submodule(norm))
            _put(folded, conv, one)
            _put(folded, norm, nn.Identity())
    return folded.eval()


def _pairs(net: ResNet) -> list[tuple[str, str]]:
    """The names of each convolution and the norm that alone reads what it gives."""
    side = 2 * net.stride
    operations = trace(net, (net.in_channels, side, side))
    readers = Counter(i for operation in operations for i in operation.inputs)
    calls = Counter(operation.owner for operation in operations)
    pairs = []
    for norm in operations:
        [source] = norm.inputs[:1]
        conv = operations[source]
        if norm.kind != "norm" or source < 0 or conv.kind != "conv" or readers[source] > 1:
            continue
        modules = [net.get_submodule(operation.owner) for operation in (conv, norm)]
        if [type(m) for m in modules] == [nn.Conv2d, nn.BatchNorm2d]:
            if calls[conv.owner] == calls[norm.owner] == 1 and modules[1].running_var is not None:
                pairs.append((conv.owner, norm.owner))
    return pairs


def _put(net: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent), leaf, module)


def _check_ready(net: nn.Module) -> None:
    for name, module in net.named_modules():
        if module.training:
            raise Mistake(
                f"expected a network in evaluation mode, but {name or 'it'} is in training mode, "
                "in which an answer depends on the rest of its batch; call net.eval() first"
            )
    for name, value in net.state_dict().items():
        if not value.isfinite().all():
            raise Mistake(f"{name} is not finite everywhere; the run diverged, so train anew")


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """What a network expects of its images, and what its answers are called.

    `image_shape` is (c, h, w); `mean` (c, 1, 1) or (c, h, w) and `std` (c, 1, 1) are in raw pixel
    units, from 0 to 255; `classes` may be empty when the names are not known.

    Raises ValueError for shapes that do not fit, and a deviation that is not positive.

    >>> from resnet_tutorial import data
    >>> Preprocessing.of(data.load("digits")).image_shape
    (1, 8, 8)
    """

    image_shape: tuple[int, int, int]
    mean: Tensor
    std: Tensor
    classes: tuple[str, ...] = ()

    def __post_init__(self):
        c = self.image_shape[0]
        shapes = [tuple(value.shape) for value in (self.mean, self.std)]
        if shapes[0] not in {(c, 1, 1), tuple(self.image_shape)} or shapes[1] != (c, 1, 1):
            raise Mistake(
                f"expected a mean and a deviation of shape {(c, 1, 1)} for images "
                f"{tuple(self.image_shape)}, got {shapes[0]} and {shapes[1]}; give one a channel"
            )
        if not (self.mean.isfinite().all() and self.std.isfinite().all() and (self.std > 0).all()):
            raise Mistake(
                "expected finite means and positive deviations in pixel units (0 to 255), got "
                f"{self.mean.flatten()[:3].tolist()} and {self.std.flatten()[:3].tolist()}"
            )

    @classmethod
    def of(cls, dataset: "Dataset", per_pixel_mean: bool = False) -> "Preprocessing":
        """What training on `dataset` uses; `per_pixel_mean` as in the recipe."""
        mean = dataset.pixel_mean if per_pixel_mean else dataset.mean
        mean, std = (torch.from_numpy(value) for value in (mean, dataset.std))
        return cls(tuple(dataset.image_shape), mean, std, tuple(dataset.classes))

    def in_words(self) -> dict[str, str]:
        """What a file says of it: JSON texts by name."""
        image = self.mean.shape[1:] != (1, 1)
        kept = {
            "classes": list(self.classes),
            "image_shape": list(self.image_shape),
            "mean": "the mean image, inside the graph" if image else self.mean.flatten().tolist(),
            "std": self.std.flatten().tolist(),
        }
        return {name: json.dumps(value) for name, value in kept.items()}


class FromPixels(nn.Module):
    """Raw pixels, uint8 (n, c, h, w), to probabilities and scores: the net normalises by itself.

    >>> from resnet_tutorial import data, models
    >>> digits, net = data.load("digits"), models.build("resnet8", in_channels=1).eval()
    >>> whole = FromPixels(net, Preprocessing.of(digits))
    >>> probabilities, scores = whole(torch.from_numpy(digits.test.images[:5]))
    >>> probabilities.shape, bool((probabilities.sum(1) - 1).abs().max() < 1e-6)
    (torch.Size([5, 10]), True)
    """

    def __init__(self, net: nn.Module, preprocessing: Preprocessing):
        super().__init__()
        self.net = net
        self.register_buffer("mean", preprocessing.mean.float())
        self.register_buffer("std", preprocessing.std.float())
        self.train(net.training)

    def forward(
        self, pixels: UInt8[Tensor, "n c h w"]
    ) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
        x = (pixels.to(self.mean.dtype) - self.mean) / self.std
        scores = self.net(x)
        return scores.softmax(1), scores


def export_onnx(
    net: nn.Module, path: str | os.PathLike, preprocessing: Preprocessing
) -> float | None:
    """Writes `net` as an ONNX file that takes raw pixels; the gap to torch where it was measured.

    The file's input is `pixels`, uint8 (n, c, h, w) with any n; its outputs are `probabilities` and
    `logits`, (n, k), in float32. Normalisation is inside: another type, size or layout is refused
    by the program that reads the file, where floats in the wrong units would give wrong answers
    without a word. Class names, mean and deviation stand in the metadata, as JSON.

    Where onnxruntime is installed, file and net are compared before anything is written.

    Raises ValueError for a net in training mode or with numbers that are not finite, for another
    count of classes than names, without the libraries, and when the two disagree.
    """
    _check_ready(net)
    _check_libraries()
    path = expanded(path)
    if not path.parent.is_dir():
        raise Mistake(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise Mistake(f"{path}: expected the name of a file to write, got a folder")
    whole = FromPixels(copy.deepcopy(net).cpu().float(), preprocessing)
    generator = torch.Generator().manual_seed(0)
    shape = max(TRIED), *preprocessing.image_shape
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        answers = whole(pixels)
    if preprocessing.classes and len(preprocessing.classes) != answers[0].shape[1]:
        raise Mistake(
            f"expected {answers[0].shape[1]} class names, one for each output of the network, got "
            f"{len(preprocessing.classes)}; give the names of its training data"
        )
    about = preprocessing.in_words() | {"model": json.dumps(getattr(net, "name", ""))}
    contents = _onnx(whole, pixels, about)
    gap = _gap(contents, pixels, answers)
    with files.replacing(path) as file:
        file.write(contents)
    return gap


def _check_libraries() -> None:
    absent = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if absent:
        raise Mistake(
            f"an ONNX file needs {' and '.join(absent)}, which is not installed: "
            'pip install "resnet_tutorial[onnx]"'
        )
    if tuple(int(n) for n in torch.__version__.split(".")[:2]) < (2, 6):
        raise Mistake(f"an ONNX file needs torch 2.6 or later, this is {torch.__version__}")


def _onnx(whole: FromPixels, pixels: Tensor, about: Mapping[str, str]) -> bytes:
    """The file's contents. The exporter notes source lines with their paths; they are left out."""
    import onnx

    with _quiet():
        program = torch.onnx.export(
            whole,
            (pixels,),
            dynamo=True,
            verbose=False,
            input_names=["pixels"],
            output_names=["probabilities", "logits"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
    model = program.model_proto
    for part in (model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.helper.set_model_props(model, dict(about))
    return model.SerializeToString()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter says of libraries that no residual network needs."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own code; the file is tested
            yield
    finally:
        log.setLevel(level)


def _gap(contents: bytes, pixels: Tensor, answers: tuple[Tensor, Tensor]) -> float | None:
    """The largest difference between onnxruntime and torch; None where it is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"])
    gap = 0.0
    for n in TRIED:
        for name, expected in zip(("probabilities", "logits"), answers, strict=True):
            [found] = session.run([name], {"pixels": pixels[:n].numpy()})
            off = (torch.from_numpy(found) - expected[:n]).abs().max() / expected.abs().max()
            gap = max(gap, off.item())
    if not gap <= LARGEST_GAP:
        raise Mistake(
            f"onnxruntime and torch differ by {gap:.2g} of the largest answer, at most "
            f"{LARGEST_GAP:g} is expected; nothing was written"
        )
    return gap
