"""resnet-tutorial report: what a trained net gets wrong."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, arg

from resnet_tutorial import Mistake, files
from resnet_tutorial.cli.pictures import Pictures
from resnet_tutorial.cli.training import (
    DataSaid,
    Device,
    ModelSaid,
    Weights,
    tell_other_images,
    trained,
)
from resnet_tutorial.paths import expanded

PICTURES = 24  # the surest mistakes that are drawn


@dataclass(frozen=True)
class Report:
    """Say what a trained net gets wrong on the test images: which classes, what for what, how
    surely."""

    weights: Weights
    """The folder of a run, or a file of weights."""
    model: ModelSaid = None
    """The network."""
    data: DataSaid = None
    """The data set, as in digits or folder:PATH."""
    pictures: OmitArgPrefixes[Pictures] = field(default_factory=Pictures)
    """How a folder of pictures is read."""
    out: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: no files)")] = (
        None
    )
    """The folder for report.json, confusion.png, calibration.png and mistakes.png."""
    device: Device = None
    """Where to compute: cpu, cuda, cuda:1."""

    def run(self) -> int:
        """Prints the report, and writes it."""
        from resnet_tutorial import reports

        out = None if self.out is None else _folder(self.out)
        net, dataset, recipe, about = trained(
            self.weights, self.model, self.data, self.pictures, self.device
        )
        found = reports.report(net, dataset, recipe)
        print(f"{net.name} on the test images of {dataset.label}")
        print(found)
        tell_other_images(about, dataset)
        if out is not None:
            _write(found, dataset, out)
        return 0


def _folder(path: Path) -> Path:
    """Makes the folder. ValueError when that cannot be."""
    path = expanded(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(f"--out {path} cannot be a folder ({error.strerror}); name another") from None
    return path


def _write(report, dataset, out: Path) -> None:
    from resnet_tutorial import figures_of_runs as figures

    chosen = report.mistakes(PICTURES)
    some = dataset.test.take(chosen if len(chosen) else [0])
    images = dataset.pictures(some)[: len(chosen)]
    pictures = {
        "confusion.png": figures.confusion_rates(report, by_similarity=len(report.classes) > 10),
        "calibration.png": figures.reliability(report),
        "mistakes.png": figures.surest_mistakes(report, images),
    }
    for name, axes in pictures.items():
        figures.write(axes, out / name)
    with files.replacing(out / "report.json") as file:
        file.write((json.dumps(plain(report), indent=1, allow_nan=False) + "\n").encode())
    print(f"{out}: {', '.join(['report.json', *pictures])}")


def plain(report) -> dict:
    """A report as values that JSON keeps; the probabilities only of the mistakes."""
    found, halves = report.bins(), report.calibrated()
    return {
        "images": len(report),
        "wrong": int(report.wrong.sum()),
        "error": report.error,
        "interval": {"low": report.interval[0], "high": report.interval[1], "kind": "Wilson, 95 %"},
        "classes": [
            {"name": row.name, "images": row.images, "wrong": row.wrong,
             "low": row.interval[0], "high": row.interval[1]} for row in report.by_class()
        ],
        "confusion": report.counts.tolist(),
        "mistakes": [
            {"image": report.called(i), "true": report.classes[report.labels[i]],
             "predicted": report.classes[report.predicted[i]],
             "probability": float(report.confidence[i])} for i in report.mistakes()
        ],
        "nll": report.nll,
        "calibration": {
            "error": found.error, "images": found.images.tolist(),
            "confidence": [None if math.isnan(x) else x for x in found.confidence.tolist()],
            "right": [None if math.isnan(x) else x for x in found.right.tolist()],
        },
        "temperature": None if halves is None else {
            "value": halves.temperature, "before": halves.before, "after": halves.after,
        },
    }  # fmt: skip
