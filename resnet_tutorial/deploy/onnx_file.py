"""A network as an ONNX file that takes raw pixels, and is tried. Chapter: practice/deploy."""

import contextlib
import copy
import importlib.util
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from resnet_tutorial import Mistake, files
from resnet_tutorial.deploy.folding import check_ready
from resnet_tutorial.inputs import Inputs
from resnet_tutorial.paths import expanded

LARGEST_GAP = 1e-4  # between torch and the file, relative to the largest answer
TRIED = (1, 3)  # batch sizes at which the two are compared
LIBRARIES = ("onnx", "onnxscript")  # onnxruntime only tests the file


class FromPixels(nn.Module):
    """Raw pixels, uint8 (n, c, h, w), to probabilities and scores: the net normalises by itself.

    >>> from resnet_tutorial import data, models
    >>> digits, net = data.load("digits"), models.build("resnet8", in_channels=1).eval()
    >>> whole = FromPixels(net, digits.inputs())
    >>> probabilities, scores = whole(torch.from_numpy(digits.test.images[:5]))
    >>> probabilities.shape, bool((probabilities.sum(1) - 1).abs().max() < 1e-6)
    (torch.Size([5, 10]), True)
    """

    def __init__(self, net: nn.Module, inputs: Inputs):
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(inputs.mean))
        self.register_buffer("std", torch.tensor(inputs.std))
        self.train(net.training)

    def forward(
        self, pixels: UInt8[Tensor, "n c h w"]
    ) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
        x = (pixels.to(self.mean.dtype) - self.mean) / self.std
        scores = self.net(x)
        return scores.softmax(1), scores


def export_onnx(net: nn.Module, path: str | os.PathLike, inputs: Inputs) -> float | None:
    """Writes `net` as an ONNX file that takes raw pixels; the gap to torch where it was measured.

    The file's input is `pixels`, uint8 (n, c, h, w) with any n; its outputs are `probabilities` and
    `logits`, (n, k), in float32. Normalisation is inside: another type, size or layout is refused
    by the program that reads the file, where floats in the wrong units would give wrong answers
    without a word. The values of `inputs` stand in the metadata, as JSON.

    Where onnxruntime is installed, file and net are compared before anything is written.

    Raises ValueError for a net in training mode or with numbers that are not finite, for another
    count of classes than names, without the libraries, and when the two disagree.

    >>> import tempfile
    >>> from resnet_tutorial import data, models
    >>> net, digits = models.build("resnet8", in_channels=1).eval(), data.load("digits")
    >>> with tempfile.TemporaryDirectory() as place:
    ...     gap = export_onnx(net, f"{place}/net.onnx", digits.inputs())
    >>> gap is None or gap < 1e-5
    True
    """
    check_ready(net)
    _check_libraries()
    path = expanded(path)
    if not path.parent.is_dir():
        raise Mistake(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise Mistake(f"{path}: expected the name of a file to write, got a folder")
    whole = FromPixels(copy.deepcopy(net).cpu().float(), inputs)
    generator = torch.Generator().manual_seed(0)
    shape = max(TRIED), *inputs.shape
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        answers = whole(pixels)
    if len(inputs.classes) != answers[0].shape[1]:
        raise Mistake(
            f"expected {answers[0].shape[1]} class names, one for each output of the network, got "
            f"{len(inputs.classes)}; give the names of its training data"
        )
    about = _in_words(inputs) | {"model": json.dumps(getattr(net, "name", ""))}
    contents = _onnx(whole, pixels, about)
    gap = _gap(contents, pixels, answers)
    with files.replacing(path) as file:
        file.write(contents)
    return gap


def _in_words(inputs: Inputs) -> dict[str, str]:
    """What a file says of its input: JSON texts by name; a mean image lies in the graph alone."""
    values = inputs.as_dict()
    if inputs.mean.shape[1:] != (1, 1):
        values["mean"] = "the mean image, inside the graph"
    return {name: json.dumps(value) for name, value in values.items()}


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
