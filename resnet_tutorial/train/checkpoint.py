"""A run's folder on the disk: its checkpoints, its record and its weights.

    last.safetensors       the newest checkpoint: tensors, and a JSON text in the file's header
    previous.safetensors   the one before it
    next.safetensors       the newest one, when the run was killed before it could rename it
    record.json            the Record, once the run has ended
    model.safetensors      the trained weights

A checkpoint is one file, so its tensors and its JSON cannot disagree, and it is written beside the
last one and then renamed, so a kill or a full disk never costs more than the steps since.
Chapter: training/your_hardware.
"""

import contextlib
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from resnet_tutorial import Mistake, files, records
from resnet_tutorial.models import weights
from resnet_tutorial.records import IDENTITY, Record

NEXT, LAST, PREVIOUS = "next.safetensors", "last.safetensors", "previous.safetensors"
CHECKPOINTS = (NEXT, LAST, PREVIOUS)  # the newest one first
RECORD, WEIGHTS = "record.json", "model.safetensors"
LOCK = ".lock"
# What a run leaves that was killed while it wrote one of its files.
_LEFT = re.compile(
    rf"\.({'|'.join(map(re.escape, (*CHECKPOINTS, RECORD, WEIGHTS)))})\.[\d-]+\.partial"
)


class RunFolder:
    """The folder of one run, held by one process at a time; a context.

    Only files of the run are ever written over or removed. Raises ValueError when `path` cannot be
    such a folder or another process is writing to it.
    """

    def __init__(self, path: str | os.PathLike):
        self.path, self._broken = Path(path), set()

    def __enter__(self) -> "RunFolder":
        self._check_path()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = self.path / LOCK
            if lock.exists() and (not lock.is_file() or lock.stat().st_size):
                raise Mistake(f"{lock} is no run's; move it away, or choose another folder")
            self._lock = FileLock(lock)
            self._lock.acquire(timeout=0)
            for partial in self.path.glob(files.PARTIAL):
                if _LEFT.fullmatch(partial.name):
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
        self._lock.release()

    def _check_path(self) -> None:
        if self.path == Path():  # "" is meant by nobody, and it would be the working folder
            raise Mistake("expected a folder for the run, as in runs/a, got an empty name or '.'")
        try:
            self.path = self.path.expanduser()
            str(self.path).encode()
        except RuntimeError as error:
            raise Mistake(f"{self.path} cannot be found ({error}); write the whole path") from None
        except UnicodeEncodeError:
            raise Mistake(
                f"{os.fsencode(self.path)!r} is not UTF-8, which the checkpoints' paths must be; "
                "choose another folder"
            ) from None

    def held(self) -> list[str]:
        """What lies here under the names of a run's files: without any, the folder holds no run."""
        names = (LAST, PREVIOUS, NEXT, RECORD, WEIGHTS)
        return [name for name in names if os.path.lexists(self.path / name)]

    def begin(self, run: Mapping, resume: bool) -> tuple[dict[str, Tensor], dict] | None:
        """The newest checkpoint of `run`, a run's identity; None where the folder holds no run.

        Raises ValueError when it holds one and `resume` is False, when it holds another one or
        another program's files, and when there is nothing to go on from.
        """
        held = self.held()
        if not held:
            return None
        if not resume:
            raise Mistake(
                f"{self.path} holds a run; resume it, or choose another folder "
                f"(there are {', '.join(held)})"
            )
        if not set(held) & set(CHECKPOINTS):
            raise Mistake(
                f"{self.path} holds {', '.join(held)} and no checkpoint to go on from; choose "
                "another folder"
            )
        tensors, state = self.load()
        self._check_run(LAST, state.get("run"), run)
        written = {name: run[name] for name in IDENTITY}
        if RECORD in held:
            self._check_run(RECORD, asdict(records.load(self.path / RECORD)), written)
        if WEIGHTS in held:
            about = files.read_tensors(self.path / WEIGHTS)[1]
            self._check_run(WEIGHTS, about, {k: v for k, v in written.items() if k != "parameters"})
        return tensors, state

    def _check_run(self, name: str, kept: object, asked: Mapping) -> None:
        if not isinstance(kept, Mapping) or "model" not in kept:
            raise Mistake(f"{self.path / name} is no run's; move it, or choose another folder")
        # Older files do not say this; what they say is compared.
        silent = {k: asked[k] for k in ("variant", "layers", "processes") if k in asked}
        if differs := records.difference({**silent, **kept}, asked):
            raise Mistake(
                f"{self.path} holds another run: {differs}; ask for the same, or choose another "
                "folder"
            )

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> None:
        """Makes this the last checkpoint, and the last one, unless it is broken, the previous.

        Raises OSError when there is no room; the checkpoints that were there stay.
        """
        new, last = self.path / NEXT, self.path / LAST
        with _room():
            self.path.mkdir(parents=True, exist_ok=True)  # somebody may have removed it
            files.write_tensors(new, tensors, state)
        if last.exists() and LAST not in self._broken:
            last.replace(self.path / PREVIOUS)
        new.replace(last)
        self._broken.clear()

    def finish(self, record: Record, model: nn.Module) -> None:
        """Writes the record and the weights of the run that has ended."""
        with _room():
            record.save(self.path / RECORD)
            weights.save(self.path / WEIGHTS, model, record)

    def load(self) -> tuple[dict[str, Tensor], dict] | None:
        """The newest checkpoint that is sound, with a warning for broken ones; None without any.

        Raises ValueError when there are checkpoints and none can be read, or one not be opened.
        """
        problems = []
        for name in CHECKPOINTS:
            if not os.path.lexists(self.path / name):
                continue
            try:
                found = files.read_tensors(self.path / name)
            except files.Broken as error:
                self._broken.add(name)
                problems.append(str(error))
                continue
            except Mistake as error:  # nothing says that it is broken
                raise Mistake(f"{error}; make it readable and resume") from None
            for problem in problems:
                warnings.warn(f"{problem}; going on from {name}", stacklevel=3)
            return found
        if problems:
            raise Mistake(f"{'; '.join(problems)}; start the run again in another folder")
        return None


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """Says what to do when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in files.FULL:
            raise
        advice = f"{error.strerror}; make room and resume"
        raise OSError(error.errno, advice, error.filename) from None


def snapshot(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights, running averages and momentum by name."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        momentum = optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{name}"] = momentum
    return tensors


def finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether no number in any of them is nan or infinite.

    >>> finite({"count": torch.tensor(3), "weight": torch.tensor([1.0, torch.nan])})
    False
    """
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())


def restore(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Undoes `snapshot`: each tensor goes where it was, in the memory order it had there.

    Raises ValueError, and changes nothing, unless these are the tensors of such a network: of the
    momentum all that is trained, or none.
    """
    own = {f"model.{name}": value for name, value in model.state_dict().items()}
    momentum = {
        f"momentum.{name}": value
        for name, value in model.named_parameters()
        if value.requires_grad  # frozen ones have none
    }
    if any(name.startswith("momentum.") for name in tensors):
        own |= momentum
    for name in sorted(own.keys() | tensors.keys() - {"losses"}):
        expected, found = (
            (tuple(group[name].shape), group[name].dtype) if name in group else "absent"
            for group in (own, tensors)
        )
        if expected != found:
            raise Mistake(f"{name} should be {expected}, is {found}")
    if not finite(tensors):
        raise Mistake("a weight or a loss is not finite")
    prefix = "model."
    model.load_state_dict(
        {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    )
    for name, parameter in model.named_parameters():
        kept = tensors.get(f"momentum.{name}")
        if kept is not None:
            buffer = torch.empty_like(parameter).copy_(kept)
            optimizer.state[parameter]["momentum_buffer"] = buffer
