"""Weights that PyTorch wrote: a .pth of tensors by name, as torchvision publishes them.

Such a file is a pickle in a zip archive, and a pickle may hold any program. `load` lets PyTorch
read tensors and containers alone; for anything else in it the file is refused, and nothing of it
is run. Chapter: pytorch/weight_files.
"""

import os
import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from resnet_tutorial import Mistake
from resnet_tutorial.paths import readable

SUFFIXES = {".pth", ".pt", ".bin", ".ckpt"}
ZIP = b"PK\3\4"  # how a zip archive begins
NESTED = ("state_dict", "model_state_dict", "model", "net")  # where training programs put weights
# What the pickle of tensors and containers loads; PyTorch has its own list, this one is for words.
HARMLESS = re.compile(
    r"collections\.OrderedDict|torch\.(_utils|_tensor)\.\w+|torch\.\w*(Storage|int\d+|float\d+|bool|Size)"
)
PREFIX = "module."  # what DataParallel and DistributedDataParallel put before every name
CONVERT = (
    'torch.save(torch.load("OLD", map_location="cpu", weights_only=True), "NEW"), in a PyTorch '
    "that still reads it"
)


def load(path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors of a .pth by their names, on the CPU.

    Weights inside a training program's checkpoint are found under "state_dict", and the prefix
    "module." is taken off: a warning says so. Raises ValueError in one line for a file in the
    format of PyTorch before 1.6, for one with anything but tensors, and for a damaged one.

    >>> load("no_such.pth")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: no_such.pth cannot be read (No such file or directory)
    """
    try:
        with readable(path).open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise Mistake(f"{path} cannot be read ({error.strerror or error})") from None
    if head != ZIP:
        raise Mistake(f"{path} {_instead(Path(path), head)}")
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # the reader of the archive raises a dozen kinds on damaged bytes
        raise Mistake(f"{path} {_why(path, error)}") from None
    return _state(found, path)


def _instead(path: Path, head: bytes) -> str:
    """What a file is that is no zip archive, and what to do."""
    with path.open("rb") as file:
        tar = file.read(262)[257:] == b"ustar"
    if tar or head[:1] == b"\x80":  # how a pickle begins
        return f"is in the format of PyTorch before 1.6, which is not read; convert it: {CONVERT}"
    if not head:
        return "is empty; download it again"
    return (
        "is no .pth of PyTorch (it is no zip archive); a web page that was saved in its place? "
        "download it again"
    )


def _why(path: str | os.PathLike, error: Exception) -> str:
    """Why PyTorch did not read the archive: a program inside, or damage."""
    if names := _programs(path):
        return (
            f"holds more than tensors ({', '.join(names[:3])}), which could run a program; nothing "
            "of it was run. Where you trust it, save its state_dict alone: "
            'torch.save(net.state_dict(), "weights.pth")'
        )
    reason = " ".join(str(error).split(". ")[0].split())[:120]
    return (
        f"cannot be read as weights of PyTorch ({reason}); it is cut short or damaged: download or "
        "save it again"
    )


def _programs(path: str | os.PathLike) -> list[str]:
    """What else than tensors and containers the pickle would load, by name; it's only parsed."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            strings, found = [], []
            for code, argument, _ in pickletools.genops(archive.read(inside)):
                if code.name == "GLOBAL":
                    found.append(argument.replace(" ", "."))
                elif code.name == "STACK_GLOBAL":
                    found.append(".".join(strings[-2:]))
                elif isinstance(argument, str):
                    strings.append(argument)
    except Exception:  # damage of whatever kind: then there is no list
        return []
    return sorted({name for name in found if not HARMLESS.fullmatch(name)})


def _state(found: object, path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors by name, wherever a training program put them."""
    name = Path(path).name
    if isinstance(found, Mapping) and not any(isinstance(v, Tensor) for v in found.values()):
        key = next((key for key in NESTED if isinstance(found.get(key), Mapping)), None)
        if key is not None:
            warnings.warn(f"{name} is a checkpoint; its weights are under {key!r}", stacklevel=2)
            found = found[key]
    if not isinstance(found, Mapping) or not found:
        raise Mistake(
            f"{path} should hold tensors by name, holds {type(found).__name__}; save the "
            "network's state_dict()"
        )
    for key, value in found.items():
        if not isinstance(value, Tensor) or not isinstance(key, str):
            raise Mistake(
                f"{path} should hold tensors by name, but {str(key)[:50]!r} is "
                f"{type(value).__name__}; save the network's state_dict()"
            )
    if all(key.startswith(PREFIX) for key in found):
        warnings.warn(f"{name}: took the prefix {PREFIX!r} off all names", stacklevel=2)
        found = {key.removeprefix(PREFIX): value for key, value in found.items()}
    return {key: value.detach() for key, value in found.items()}
