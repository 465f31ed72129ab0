"""Put what the runs of an experiment got wrong into the package: python tools/wrong.py EXPERIMENT

Of runs on few pictures `resnet-tutorial reproduce EXPERIMENT` leaves under runs/ which test
pictures they got wrong; all of an experiment become one file, which `compare` pairs by picture.
"""

import sys

from resnet_tutorial import experiments, files
from resnet_tutorial.experiments.transferring import WRONG
from resnet_tutorial.names import lookup


def gather(experiment: str) -> None:
    wrong = {}
    for run in lookup(experiments.EXPERIMENTS, experiment, "experiment").runs:
        wrong |= files.read_tensors(experiments.RUNS / experiment / run.label / WRONG)[0]
    files.write_tensors(experiments.RESULTS / experiment / WRONG, wrong, {})


if __name__ == "__main__":
    try:
        gather(*sys.argv[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
