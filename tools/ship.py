"""Put a run's trained weights into the package: python tools/ship.py EXPERIMENT LABEL ...

The weights are those that `resnet-tutorial reproduce EXPERIMENT` left under runs/; they are stored
in half precision, and the errors before and after are printed, over all images.
"""

import sys

import torch

from resnet_tutorial import data, experiments, models, records, train
from resnet_tutorial.experiments import EXPERIMENTS
from resnet_tutorial.models import weights
from resnet_tutorial.names import lookup
from resnet_tutorial.train import checkpoint


def ship(experiment: str, label: str) -> None:
    by_label = {run.label: run for run in EXPERIMENTS[experiment].runs}
    run = lookup(by_label, label, "run")
    record = records.load(experiments.path(experiment, run))
    channels = data.load(run.data).image_shape[0]
    trained = experiments.RUNS / experiment / label / checkpoint.WEIGHTS
    net = models.build(run.model, in_channels=channels, weights=trained, **dict(run.parts))
    place = weights.SHIPPED / f"{run.model}-{run.data}.safetensors"
    place.parent.mkdir(exist_ok=True)
    weights.save(place, net, record, torch.float16)
    shipped = models.build(run.model, weights=run.data, **dict(run.parts))
    for name, network in (("float32", net), ("float16", shipped)):
        errors = train.evaluate(network, data.load(run.data), run.recipe)
        print(f"{place.stem} {name}: train {errors[0]:.3%}, test {errors[1]:.3%}")


if __name__ == "__main__":
    try:
        for name in sys.argv[2:]:
            ship(lookup({k: k for k in EXPERIMENTS}, sys.argv[1], "experiment"), name)
    except ValueError as error:
        sys.exit(f"error: {error}")
