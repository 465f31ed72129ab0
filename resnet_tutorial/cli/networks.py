"""resnet-tutorial describe."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from resnet_tutorial import Mistake
from resnet_tutorial.cli.text import shape, table

MOST_SIZE = 100_000  # pixels; the sizes of what is computed from larger images overflow


@dataclass(frozen=True)
class Describe:
    """Show a network's stages: shapes, parameters, multiply-adds, receptive field."""

    model: Annotated[
        str | None, Positional, arg(metavar="[MODEL]", help_behavior_hint="(default: list all)")
    ] = None
    """The network, as in resnet20."""
    in_channels: int = 3
    """Channels of the images: 3 for colour, 1 for grey."""
    num_classes: Annotated[
        int | None,
        arg(metavar="INT", help_behavior_hint="(default: 10, for ImageNet nets 1000)"),
    ] = None
    """Number of classes."""
    size: Annotated[
        int | None, arg(metavar="INT", help_behavior_hint="(default: 32, for ImageNet nets 224)")
    ] = None
    """Side of the square images, in pixels."""

    def run(self) -> int:
        """Prints the table, or the names of all networks."""
        import torch

        from resnet_tutorial import models

        if self.model is None:
            print("\n".join(models.ARCHITECTURES))
            return 0
        if self.size is not None and self.size < 1:
            raise Mistake(f"--size must be positive, got {self.size}")
        if self.size is not None and self.size > MOST_SIZE:
            raise Mistake(f"--size must be at most {MOST_SIZE:,}, got {self.size:,}")
        with torch.device("meta"):  # shapes alone: no memory, no arithmetic
            net = models.build(self.model, self.num_classes, self.in_channels)
        imagenet = net.architecture.stem is models.imagenet_stem
        size = self.size or (224 if imagenet else 32)
        print(stages(self.model, net, (self.in_channels, size, size)))
        return 0


def stages(name: str, net: object, image_shape: tuple[int, int, int]) -> str:
    """The table of stages under a line that names the network and the image."""
    from resnet_tutorial import counts

    rows = counts.stage_table(net, image_shape)
    total = "total", "", sum(r.parameters for r in rows), sum(r.macs for r in rows), ""
    header = "stage", "output", "parameters", "multiply-adds", "receptive field"
    body = [(r.name, shape(r.output_shape), r.parameters, r.macs, r.receptive_field) for r in rows]
    title = f"{name} on one image of {shape(image_shape)} (channels x height x width)"
    return f"{title}\n\n{table([header, *body, total])}"
