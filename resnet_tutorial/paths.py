"""Paths as users write them, and what lies there."""

import os
from pathlib import Path

from resnet_tutorial import Mistake


def expanded(path: str | os.PathLike) -> Path:
    """`path` with the home folder in the place of ~ or ~name. Raises ValueError without such one.

    >>> expanded("runs/a")
    PosixPath('runs/a')
    >>> expanded("~nobody-of-that-name/runs")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: ~nobody-of-that-name/runs: ... no home folder ...
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        first = Path(path).parts[0]
        raise Mistake(
            f"{path}: there is no home folder {first}; write the path without {first}"
        ) from None


def readable(path: str | os.PathLike) -> Path:
    """`path` when a file lies there. ValueError for a folder, a pipe or a device.

    To open a pipe would wait for ever, and a device may never end. What does not exist is left for
    the opening to tell.

    >>> import tempfile
    >>> readable(tempfile.gettempdir())
    Traceback (most recent call last):
    resnet_tutorial.Mistake: ...: expected a file, got a folder
    """
    path = Path(path)
    if path.is_dir():
        raise Mistake(f"{path}: expected a file, got a folder")
    if path.exists() and not path.is_file():
        raise Mistake(f"{path}: expected a file, got a pipe, a socket or a device")
    return path


def printable(text: str) -> str:
    """A name as it can be printed, whatever bytes it has.

    >>> printable("a\\udce9.png")
    'a\\\\udce9.png'
    """
    return text.encode("utf-8", "backslashreplace").decode()
