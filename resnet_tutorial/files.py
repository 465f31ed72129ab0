"""Files written whole or not at all, and tensors in files that say what they are.

Whatever is written goes to a hidden file beside the old one first, and takes its name once it is on
the disk: a kill or a full disk leaves the old file. Torch is loaded only where tensors are handled.
"""

import contextlib
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
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_tensors(
    path: str | os.PathLike, tensors: Mapping[str, "torch.Tensor"], about: Mapping[str, object]
) -> None:
    """A safetensors file of `tensors`, with `about` as JSON in its header.

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
    with replacing(path) as file:
        file.write(save(contents, {"state": json.dumps(about, sort_keys=True)}))


def read_tensors(path: str | os.PathLike) -> tuple[dict[str, "torch.Tensor"], dict]:
    """What `write_tensors` wrote; of another program's file the second part is empty.

    Raises ValueError in one line when the file is cut short or something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(readable(path), framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("state", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, about
    except (SafetensorError, OSError, TypeError, KeyError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise Mistake(f"{path} cannot be read ({why})") from None
