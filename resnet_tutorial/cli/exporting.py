"""resnet-tutorial export."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from resnet_tutorial.cli.predicting import predictor_of
from resnet_tutorial.cli.text import shape
from resnet_tutorial.cli.training import DataSaid, ModelSaid, Weights
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
        from resnet_tutorial import deploy

        predictor = predictor_of(self.weights, self.model, self.data)
        net, inputs = predictor.net, predictor.inputs
        gap = deploy.export_onnx(net, self.path, inputs)
        size = expanded(self.path).stat().st_size
        print(
            f"{self.path}: {net.name}, {size:,} bytes; takes pixels, uint8 (n, "
            f"{shape(inputs.shape).replace('x', ', ')}), and normalises them itself; gives "
            f"probabilities and logits of {len(inputs.classes)} classes"
        )
        if gap is None:
            print("onnxruntime is not installed, so the file was not tried.")
        else:
            print(f"onnxruntime agrees with torch: largest difference {gap:.0e}")
        return 0
