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

FORMAT = 1
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
    try:
        content = json.loads(Path(path).read_text())
        found = content.pop("format")
        if found != FORMAT:
            raise Mistake(f"format {found}, this version reads {FORMAT}")
        curve = tuple(Epoch(**epoch) for epoch in content.pop("curve"))
        return Record(curve=curve, **content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Mistake(
            f"{path} is not a readable record ({error}); delete it and run the experiment again"
        ) from None


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
