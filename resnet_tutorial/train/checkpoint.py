"""A run's folder on the disk: its checkpoints, its record and its weights.

    last.safetensors       the newest checkpoint: tensors, and a JSON text in the file's header
    previous.safetensors   the one before it
    record.json            the Record, once the run has ended
    model.safetensors      the trained weights

A checkpoint is one file, so its tensors and its JSON cannot disagree, and it is written beside the
last one and then renamed, so a kill or a full disk never costs more than the steps since.
Chapter: training/scaling_up.
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from resnet_tutorial import Mistake, files

LAST, PREVIOUS = "last.safetensors", "previous.safetensors"
RECORD, WEIGHTS = "record.json", "model.safetensors"


class RunFolder:
    """The folder of one run, held by one process at a time; a context.

    With `writes` False it is only read: by the other processes of a run.

    Raises ValueError when `path` cannot be such a folder or another process is writing to it.
    """

    def __init__(self, path: str | os.PathLike, writes: bool = True):
        self.path, self._writes = Path(path).expanduser(), writes

    def __enter__(self) -> "RunFolder":
        if not self._writes:
            return self
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / ".lock")
            self._lock.acquire(timeout=0)
            for partial in self.path.glob(files.PARTIAL):  # of a run that was killed while saving
                partial.unlink()
        except Timeout:
            raise Mistake(
                f"another run is writing to {self.path}; wait for it, or choose another folder"
            ) from None
        except OSError as error:
            raise Mistake(
                f"{self.path} cannot be the folder of a run ({error.strerror}); name another one"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._writes:
            self._lock.release()

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> None:
        """Makes this the last checkpoint, and the last one the previous.

        Raises OSError when there is no room; the checkpoints that were there stay.
        """
        last = self.path / LAST
        files.write_tensors(last.with_name("next.safetensors"), tensors, state)
        if last.exists():
            last.replace(self.path / PREVIOUS)
        last.with_name("next.safetensors").replace(last)

    def load(self) -> tuple[dict[str, Tensor], dict] | None:
        """The last checkpoint; when it is broken, with a warning the one before; None without any.

        Raises ValueError when there are checkpoints and none can be read.
        """
        broken = []
        for path in (self.path / LAST, self.path / PREVIOUS):
            if not path.exists():
                continue
            try:
                found = files.read_tensors(path)
            except ValueError as error:
                broken.append(str(error))
                continue
            for problem in broken:
                warnings.warn(f"{problem}; going on from {path.name}", stacklevel=3)
            return found
        if broken:
            raise Mistake(f"{'; '.join(broken)}; delete {self.path} and start the run again")
        return None


def snapshot(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights, running averages and momentum by name."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        momentum = optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{name}"] = momentum
    return tensors


def restore(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Undoes `snapshot`: each tensor goes where it was, in the memory order it had there."""
    prefix = "model."
    weights = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    model.load_state_dict(weights)
    for name, parameter in model.named_parameters():
        momentum = tensors.get(f"momentum.{name}")
        if momentum is not None:
            buffer = torch.empty_like(parameter).copy_(momentum)
            optimizer.state[parameter]["momentum_buffer"] = buffer
