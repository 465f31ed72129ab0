"""A training run as data: what was run, on what, with which result.

A Record is the only way a number of a run enters the book. It keeps the last epoch's errors, never
the best epoch on the test set. Chapter: problem/degradation.
"""

import hashlib
import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from resnet_tutorial import Mistake, files
from resnet_tutorial.paths import readable

FORMAT = 1
# What makes a run the run that it is: wherever two of them meet, these are compared.
IDENTITY = ("model", "variant", "recipe", "seed", "data", "data_fingerprint", "parameters")
MOST_SECONDS = 1e10  # three centuries
KINDS = {
    **dict.fromkeys(("model", "data", "data_fingerprint", "status", "experiment"), "text"),
    **dict.fromkeys(("recipe", "variant", "environment"), "a table"),
    **dict.fromkeys(("seed", "parameters"), "a whole number from 0"),
    "guessing": "from 0 to 1, or null",
}
EPOCH_KINDS = {
    "train_loss": "a loss",
    "train_error": "from 0 to 1",
    "test_error": "from 0 to 1",
    "seconds": "a time in seconds",
    "processor_seconds": "a time in seconds, or null",
}
IS = {  # a bool is no number here, which is what type() is for
    "text": lambda value: type(value) is str,
    "a table": lambda value: type(value) is dict,
    "a whole number from 0": lambda value: type(value) is int and value >= 0,
    "from 0 to 1": lambda value: type(value) in (int, float) and 0 <= value <= 1,
    "from 0 to 1, or null": lambda value: value is None or IS["from 0 to 1"](value),
    "a time in seconds": lambda value: type(value) in (int, float) and 0 <= value < MOST_SECONDS,
    "a time in seconds, or null": lambda value: value is None or IS["a time in seconds"](value),
    # JSON has no number for those of a diverged run; older records have them all the same.
    "a loss": lambda v: v in ("nan", "inf") or type(v) is float and not v < 0,
}
SOURCES = (  # what a run's result can depend on
    "data/__init__.py",
    "data/arrays.py",
    "data/catalogue.py",
    "data/cifar.py",
    "data/dataset.py",
    "data/digits.py",
    "data/fashion.py",
    "data/folders.py",
    "data/tiny_imagenet.py",
    "experiments/kinds.py",
    "experiments/transferring.py",
    "experiments/workers.py",
    "models/blocks.py",
    "models/descendants.py",
    "models/named.py",
    "models/preact.py",
    "models/resnet.py",
    "models/shortcuts.py",
    "surgery.py",
    "train/augment.py",
    "train/batches.py",
    "train/distributed.py",
    "train/evaluation.py",
    "train/fitting.py",
    "train/loop.py",
    "train/recipe.py",
)


@dataclass(frozen=True)
class Epoch:
    """Errors are fractions in [0, 1], measured in evaluation mode after the epoch.

    `train_loss` is the mean cross-entropy in nats of the batches seen during the epoch; `seconds`
    is the wall time since the run began, `processor_seconds` the time of all its threads on the
    processor added up, which other work on the machine changes less; None in older records.

    >>> Epoch(train_loss=0.7, train_error=0.25, test_error=0.3, seconds=12.0).test_error
    0.3
    """

    train_loss: float
    train_error: float
    test_error: float
    seconds: float
    processor_seconds: float | None = None

    def as_dict(self) -> dict:
        """The epoch as JSON keeps it, which has no number for nan and inf: their names.

        >>> Epoch(math.nan, 0.9, 0.9, 1.0).as_dict()["train_loss"]
        'nan'
        """
        finite = {k: v is None or math.isfinite(v) for k, v in asdict(self).items()}
        return {k: v if finite[k] else str(v) for k, v in asdict(self).items()}

    @classmethod
    def of(cls, kept: Mapping) -> "Epoch":
        """Undoes `as_dict`. ValueError for what is no number, TypeError for unknown names."""
        return cls(**{k: float(v) if v in ("nan", "inf", "-inf") else v for k, v in kept.items()})


@dataclass(frozen=True)
class Record:
    """One run: model, recipe, seed, data, environment, a curve, and how it ended.

    `status` is "running" until the last step, then "finished", or says at which step a loss or the
    weights stopped being finite; such runs are kept. `experiment` is the name under which the run
    is listed, empty for a run outside any, and `variant` says how its network differs from the
    named one: in its parts, or where it starts. `guessing` is the training error from which on the
    network knows no more than one that always gives the same answer; None in older records.

    >>> from resnet_tutorial import experiments
    >>> record = experiments.recorded("digits_depth")[0]
    >>> record.model, record.seed, record.status, record.test_error == record.curve[-1].test_error
    ('resnet8', 0, 'finished', True)
    """

    model: str
    recipe: dict
    seed: int
    data: str
    data_fingerprint: str
    parameters: int
    curve: tuple[Epoch, ...]
    status: str = "finished"
    experiment: str = ""
    variant: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    guessing: float | None = None

    @property
    def problem(self) -> str:
        """What went wrong, in one line: the run diverged, or learned nothing. Else empty.

        >>> from resnet_tutorial import experiments
        >>> experiments.recorded("digits_depth")[0].problem
        ''
        """
        if self.status.startswith("diverged"):
            return f"{self.status}; try a smaller lr, or clip 1"
        if self.guessing is not None and self.curve and self.train_error >= self.guessing:
            return (
                f"nothing was learned: the training error, {self.train_error:.2%}, is that of "
                "guessing; try a smaller lr, or more epochs"
            )
        return ""

    @property
    def train_error(self) -> float:
        """Training error after the last epoch, a fraction."""
        return self.curve[-1].train_error

    @property
    def test_error(self) -> float:
        """Test error after the last epoch, a fraction."""
        return self.curve[-1].test_error

    def save(self, path: str | os.PathLike) -> None:
        """Writes JSON, whole or not at all: a reader never sees half a file."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as file:
            curve = [epoch.as_dict() for epoch in self.curve]
            content = {"format": FORMAT, **asdict(self), "curve": curve}
            content["sha256"] = checksum(content)
            file.write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def load(path: str | os.PathLike) -> Record:
    """Reads one Record. ValueError in one line when the file is not one.

    >>> import tempfile
    >>> from resnet_tutorial import experiments
    >>> record = experiments.recorded("digits_depth")[0]
    >>> with tempfile.TemporaryDirectory() as place:
    ...     record.save(f"{place}/record.json")
    ...     load(f"{place}/record.json") == record
    True
    """
    text = readable(path).read_bytes()
    try:
        content = json.loads(text)
        found = content.pop("format")
        if found != FORMAT:
            raise Mistake(f"format {found}, this version reads {FORMAT}")
        written = content.pop("sha256", None)  # older records have none
        if written not in (None, checksum({"format": found, **content})):
            raise Mistake("its checksum is wrong: it was changed or damaged")
        epochs = content.pop("curve")
        _check(content, epochs)
        return Record(curve=tuple(map(Epoch.of, epochs)), **content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise Mistake(
            f"{path} is not a readable record ({why}); move it away and run the experiment again"
        ) from None


def checksum(content: Mapping) -> str:
    """The sha256 of what JSON keeps of `content`, in whatever order.

    >>> checksum({"seed": 0, "model": "resnet20"}) == checksum({"model": "resnet20", "seed": 0})
    True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def difference(kept: Mapping, asked: Mapping) -> str:
    """How `kept` differs from the run that is asked for, in words; empty when it does not.

    >>> difference({"seed": 0, "recipe": {"lr": 0.1, "flip": 0.5}}, {"seed": 0})
    ''
    >>> difference({"recipe": {"lr": 0.1, "flip": 0.5}}, {"recipe": {"lr": 0.2, "flip": 0.5}})
    "its recipe is {'lr': 0.1}, asked for is {'lr': 0.2}"
    """
    for key, wanted in asked.items():
        found = kept.get(key)
        if found == wanted:
            continue
        if isinstance(found, Mapping) and isinstance(wanted, Mapping):
            names = [n for n in {**found, **wanted} if found.get(n) != wanted.get(n)]
            found, wanted = ({n: d[n] for n in names if n in d} for d in (found, wanted))
        return f"its {key} is {found}, asked for is {wanted}"
    return ""


def _check(content: dict, epochs: list[dict]) -> None:
    """Raises ValueError for values that no run has. What is absent is left to the constructors."""
    for name, kind in KINDS.items():
        _expect(name, content, name, kind)
    if not epochs:
        raise Mistake("it has no epoch")
    for number, epoch in enumerate(epochs, start=1):
        for name, kind in EPOCH_KINDS.items():
            _expect(f"epoch {number}: {name}", epoch, name, kind)


def _expect(label: str, content: dict, name: str, kind: str) -> None:
    if name in content and not IS[kind](content[name]):
        raise Mistake(f"{label} should be {kind}, is {str(content[name])[:50]!r}")


def environment(device: object = "cpu", processes: int = 1) -> dict:
    """What else a result depends on: versions, device, threads, and a hash of the source.

    `device` is the torch.device that the run computes on, and `processes` how many share it. On a
    GPU "tf32" says whether float32 matrix products and convolutions are rounded to TF32's 10 bits.

    >>> sorted(environment())
    ['date', 'device', 'package', 'processes', 'python', 'source', 'threads', 'torch']
    """
    import torch

    from resnet_tutorial import __version__

    device = torch.device(device)
    found = {
        "package": __version__,
        "source": source_hash(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "device": platform.machine(),
        "processes": processes,
        "threads": torch.get_num_threads(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    if device.type == "cuda":
        matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn
        tf32 = {"convolution": convolution.allow_tf32, "matmul": matmul.allow_tf32}
        found |= {"device": torch.cuda.get_device_name(device), "tf32": tf32}
    return dict(sorted(found.items()))  # as a checkpoint gives them back: equal runs, equal bytes


def source_hash() -> str:
    """First 16 hex digits of the sha256 over the files that decide a run: SOURCES.

    >>> len(source_hash())
    16
    """
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:16]
