"""resnet-tutorial export."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from resnet_tutorial.cli.text import shape
from resnet_tutorial.cli.training import (
    DataSaid,
    ModelSaid,
    Weights,
    network_and_data,
    weights_file,
)
from resnet_tutorial.paths import expanded


@dataclass(frozen=True)
class Export:
    """Write trained weights as an ONNX file, which takes raw pixels and gives probabilities."""

    weights: Weights
    """The folder of a run, or a file of weights."""
    path: Annotated[Path, Positional, arg(metavar="ONNX")]
    """The file to write, as in model.onnx."""
    model: ModelSaid = None
    """The network."""
    data: DataSaid = None
    """The data set whose mean, deviation and class names are meant."""

    def run(self) -> int:
        """Writes the file and says what stands in it."""
        from resnet_tutorial import data, deploy, models
        from resnet_tutorial.models import weights

        source = weights_file(self.weights)
        about = weights.load(source)[1]
        name, images = network_and_data(source, about, self.model, self.data)
        net = models.build(name, weights=source).eval()
        per_pixel_mean = bool(about.get("recipe", {}).get("per_pixel_mean"))
        preprocessing = deploy.Preprocessing.of(data.load(images), per_pixel_mean)
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
