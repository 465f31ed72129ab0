"""resnet-tutorial export."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from resnet_tutorial import Mistake
from resnet_tutorial.cli.text import shape
from resnet_tutorial.cli.training import Flag, weights_file
from resnet_tutorial.names import lookup
from resnet_tutorial.paths import expanded


@dataclass(frozen=True)
class Export:
    """Write trained weights as an ONNX file, which takes raw pixels and gives probabilities."""

    weights: Annotated[Path, Positional, arg(metavar="FOLDER_OR_SAFETENSORS")]
    """The folder of a run, or a file of weights."""
    path: Annotated[Path, Positional, arg(metavar="ONNX")]
    """The file to write, as in model.onnx."""
    fold: Flag = False
    """Fold each batch norm into the convolution before it; the exporter does so too, unasked."""
    model: Annotated[
        str | None, arg(metavar="MODEL", help_behavior_hint="(default: what the file says)")
    ] = None
    """The network."""
    data: Annotated[
        str | None, arg(metavar="NAME", help_behavior_hint="(default: what the file says)")
    ] = None
    """The data set whose mean, deviation and class names are meant."""

    def run(self) -> int:
        """Writes the file and says what stands in it."""
        from resnet_tutorial import deploy, models
        from resnet_tutorial.models import weights

        source = weights_file(self.weights)
        about = weights.load(source)[1]
        name = self.model or about.get("model")
        if name is None:
            raise Mistake(f"{source} does not say which network it is; give --model")
        lookup(models.ARCHITECTURES, name, "model")
        preprocessing = self._preprocessing(source, about)
        net = models.build(name, weights=source).eval()
        if self.fold:
            before, net = net, deploy.fold_batch_norm(net)
            print(f"{_norms(before) - _norms(net)} batch norms folded, {_norms(net)} stay")
        gap = deploy.export_onnx(net, self.path, preprocessing)
        size = expanded(self.path).stat().st_size
        print(
            f"{self.path}: {name}, {size:,} bytes; takes pixels, uint8 (n, "
            f"{shape(preprocessing.image_shape).replace('x', ', ')}), and normalises them itself; "
            f"gives probabilities and logits of {net.fc.out_features} classes"
        )
        if gap is None:
            print("onnxruntime is not installed, so the file was not tried.")
        else:
            print(f"onnxruntime agrees with torch: largest difference {gap:.0e}")
        return 0

    def _preprocessing(self, source: Path, about: dict):
        """What the file says of its images, or else what its data set has."""
        import torch

        from resnet_tutorial import data, deploy

        said = [about.get(name) for name in ("mean", "std", "size")]
        per_pixel = bool(about.get("recipe", {}).get("per_pixel_mean"))
        if self.data is None and not per_pixel and all(value is not None for value in said):
            mean, std = (torch.tensor(value).float().reshape(-1, 1, 1) for value in said[:2])
            classes = tuple(about.get("classes") or ())
            return deploy.Preprocessing((len(mean), *_sides(said[2])), mean, std, classes)
        images = self.data or about.get("data")
        if images is None:
            raise Mistake(f"{source} does not say what it was trained on; give --data")
        if self.data is None and images.startswith("folder:"):
            raise Mistake(f"{source} was trained on {images}; say where it is: --data folder:PATH")
        return deploy.Preprocessing.of(data.load(images), per_pixel)


def _norms(net) -> int:
    from torch import nn

    return sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())


def _sides(size: int | list[int]) -> tuple[int, int]:
    """
    >>> _sides(32), _sides([28, 30])
    ((32, 32), (28, 30))
    """
    return (size, size) if isinstance(size, int) else tuple(size)
