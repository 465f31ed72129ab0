"""What a run's result depends on besides its settings: versions, the machine, the source.

Chapter: problem/degradation.
"""

import hashlib
import platform
from datetime import UTC, datetime
from pathlib import Path

SOURCES = (  # what a run's result can depend on
    "data/__init__.py",
    "data/arrays.py",
    "data/catalogue.py",
    "data/cifar.py",
    "data/dataset.py",
    "data/decode.py",
    "data/decoders.py",
    "data/digits.py",
    "data/fashion.py",
    "data/folders.py",
    "data/labels_csv.py",
    "data/listing.py",
    "data/streamed.py",
    "data/tiny_imagenet.py",
    "experiments/kinds.py",
    "experiments/transferring.py",
    "experiments/workers.py",
    "inputs.py",
    "models/blocks.py",
    "models/descendants.py",
    "models/named.py",
    "models/preact.py",
    "models/resnet.py",
    "models/shortcuts.py",
    "surgery.py",
    "train/augment.py",
    "train/average.py",
    "train/batches.py",
    "train/distributed.py",
    "train/evaluation.py",
    "train/fitting.py",
    "train/layers.py",
    "train/loop.py",
    "train/photo_augment.py",
    "train/photo_recipe.py",
    "train/recipe.py",
    "train/state.py",
    "train/stream.py",
    "train/tuning.py",
)


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
