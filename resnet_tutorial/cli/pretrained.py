"""The options of train for weights that were trained before."""

from dataclasses import dataclass, field
from typing import Annotated

from tyro.conf import Suppress, arg

from resnet_tutorial import Mistake
from resnet_tutorial.cli import recipes
from resnet_tutorial.train.tuning import Tuning


@dataclass(frozen=True)
class _TuningOfPhotos(Tuning):
    """A tuning without the option that a recipe for photos has."""

    decay_norms: Suppress[bool] = True


def _tuning() -> Tuning:
    return _TuningOfPhotos() if hasattr(recipes.start(), "crop_scale") else Tuning()


@dataclass(frozen=True)
class Pretrained:
    """Which weights a run begins with, and how they are trained on."""

    weights: Annotated[
        str | None, arg(metavar="FILE|NAME", help_behavior_hint="(default: new weights)")
    ] = None
    """Begin with these: a .pth, a .safetensors, the folder of a run; imagenet, fashion_mnist."""
    tuning: Tuning = field(default_factory=_tuning)
    """How they are trained on."""

    def begun(self, name: str, dataset, new):
        """The network that the run begins with, the data as it wants them, and the tuning.

        `new(dataset)` makes one for the data, with or without `weights`. Says on stdout what was
        taken from the weights. Raises ValueError for options that need weights.
        """
        if self.weights is None:
            for option, value in self.tuning.as_dict().items():
                if value != Tuning().as_dict()[option]:
                    flag = option.replace("_", "-")
                    raise Mistake(f"--{flag} is for trained weights: name them with --weights")
            return new(dataset), dataset, None
        try:
            net = new(dataset, weights=self.weights)
        except Mistake:
            if dataset.image_shape[0] != 1:
                raise
            dataset = dataset.in_colors()
            net = new(dataset, weights=self.weights)
            print("the weights are for colours: the grey images are repeated in three channels")
        said = f"begins with {net.start.partition(',')[0]}"
        if net.inputs is None:
            said += ", which does not say how its pictures were normalised: as the data are"
        else:
            dataset = dataset.normalized_as(net.inputs)
            said += f"; pixels normalised as for these weights: {dataset.normalization.words()}"
        print(f"{name} {said}")
        return net, dataset, self.tuning
