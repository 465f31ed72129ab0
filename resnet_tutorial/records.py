"""A training run as data: what was run, on what, with which result.

A Record is the only way a number of a run enters the book. It keeps the last epoch's errors, never
the best epoch on the test set. Chapter: problem/degradation.
"""

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from resnet_tutorial import Mistake, files
from resnet_tutorial.paths import readable

FORMAT = 1
MOST_SECONDS = 1e10  # three centuries
KINDS = {
    **dict.fromkeys(("model", "data", "data_fingerprint", "status", "experiment"), "text"),
    **dict.fromkeys(("recipe", "variant", "environment"), "a table"),
    **dict.fromkeys(("seed", "parameters"), "a whole number from 0"),
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
    "a time in seconds": lambda value: type(value) in (int, float) and 0 <= value < MOST_SECONDS,
    "a time in seconds, or null": lambda value: value is None or IS["a time in seconds"](value),
    "a loss": lambda value: type(value) is float and not value < 0,  # NaN where it diverged
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
    "experiments/kinds.py",
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


@dataclass(frozen=True)
class Record:
    """One run: model, recipe, seed, data, environment, a curve, and how it ended.

    `status` is "finished", or says at which step the loss stopped being finite; such runs are
    kept. `experiment` is the name under which the run is listed, empty for a run outside any, and
    `variant` says how its network differs from the named one: in its parts, or where it starts.

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
            text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"
            file.write(text.encode())


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
        epochs = content.pop("curve")
        _check(content, epochs)
        return Record(curve=tuple(Epoch(**epoch) for epoch in epochs), **content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise Mistake(
            f"{path} is not a readable record ({why}); delete it and run the experiment again"
        ) from None


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
        tf32 = {"matmul": matmul.allow_tf32, "convolution": convolution.allow_tf32}
        found |= {"device": torch.cuda.get_device_name(device), "tf32": tf32}
    return found


def source_hash() -> str:
    """First 16 hex digits of the sha256 over the files that decide a run: SOURCES.

    >>> len(source_hash())
    16
    """
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:16]
