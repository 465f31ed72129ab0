"""Files written whole or not at all, and tensors in files that say what they are.

Whatever is written goes to a hidden file beside the old one first, and takes its name once it is on
the disk: a kill or a full disk leaves the old file. Torch is loaded only where tensors are handled.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from resnet_tutorial import Mistake
from resnet_tutorial.paths import readable

if TYPE_CHECKING:
    import torch

PARTIAL = ".*.partial"  # what a process leaves that was killed while it wrote
FULL = {errno.ENOSPC, errno.EDQUOT}


class Broken(Mistake):
    """The contents of a file are not what was written there: cut short, changed, or another's."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A binary file to write, which is called `path` when the context ends without an error.

    Raises OSError when there is no room; the file that was there stays, and no partial one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with replacing(f"{place}/new.txt") as file:
    ...         _ = file.write(b"whole")
    ...     Path(f"{place}/new.txt").read_text(), len(os.listdir(place))
    ('whole', 1)
    """
    path = Path(path)
    partial, file = _partial(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # say which file it was
    finally:
        partial.unlink(missing_ok=True)


def _partial(path: Path) -> tuple[Path, BinaryIO]:
    """A new hidden file beside `path`, whatever lies there already."""
    for i in itertools.count():
        again = f"-{i}" if i else ""
        partial = path.with_name(f".{path.name}.{os.getpid()}{again}.partial")
        with contextlib.suppress(FileExistsError):
            return partial, partial.open("xb")


def write_tensors(
    path: str | os.PathLike, tensors: Mapping[str, "torch.Tensor"], about: Mapping[str, object]
) -> None:
    """A safetensors file of `tensors`, with `about` as JSON in its header, and a checksum of both.

    Equal contents make equal bytes: the JSON's keys are sorted, and it is the header's only entry,
    because the library writes several in a random order.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as place:
    ...     write_tensors(f"{place}/a.safetensors", {"w": torch.ones(2)}, {"step": 3})
    ...     read_tensors(f"{place}/a.safetensors")
    ({'w': tensor([1., 1.])}, {'step': 3})
    """
    from safetensors.torch import save

    contents = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    state = json.dumps({**about, "sha256": _checksum(contents, about)}, sort_keys=True)
    with replacing(path) as file:
        file.write(save(contents, {"state": state}))


def read_tensors(path: str | os.PathLike) -> tuple[dict[str, "torch.Tensor"], dict]:
    """What `write_tensors` wrote; of another program's file the second part is empty.

    Raises ValueError in one line: Broken when the file is cut short, changed since it was written,
    or something else, and Mistake with the system's reason when it cannot be opened at all.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        # At once: a run may replace its checkpoint between two looks at the path.
        content = Path(readable(path)).read_bytes()
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = dict(json.loads(header.get("__metadata__", {}).get("state", "{}")))
    except (SafetensorError, TypeError, KeyError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise Broken(f"{path} cannot be read ({why})") from None
    except OSError as error:
        raise Mistake(f"{path} cannot be read ({error.strerror or error})") from None
    written = about.pop("sha256", None)  # other programs, and older versions, write none
    if written is not None and written != _checksum(tensors, about):
        raise Broken(f"{path} cannot be read (its checksum is wrong: it was changed or damaged)")
    return tensors, about


def _checksum(tensors: Mapping[str, "torch.Tensor"], about: Mapping[str, object]) -> str:
    """The sha256 of everything: names, types, shapes and numbers of the tensors, and the JSON."""
    import torch

    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
