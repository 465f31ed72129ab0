"""The program's output, whoever reads it: nobody, the next program, a process among several."""

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator


class Lasting:
    """A stream that outlives its reader: what nobody reads any more is dropped.

    So a command does its work, and its exit code says how that ended, also in "train ... | head".

    >>> import io
    >>> inner = io.StringIO()
    >>> Lasting(inner).write("kept"), inner.getvalue()
    (4, 'kept')
    """

    def __init__(self, stream):
        self._stream = stream

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BrokenPipeError:
            # The file below and not only this object: Python flushes it once more at its end.
            with open(os.devnull, "w") as nowhere, contextlib.suppress(OSError):
                os.dup2(nowhere.fileno(), self._stream.fileno())


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """While the context is open, stdout and stderr may be closed, or lose their reader."""
    for descriptor in range(3):  # else the next file that is opened, a checkpoint, becomes stdout
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    with contextlib.ExitStack() as stack:
        nowhere = stack.enter_context(open(os.devnull, "w"))
        out, err = (Lasting(stream or nowhere) for stream in (sys.stdout, sys.stderr))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        yield
        out.flush()  # here a closed pipe can still be caught
        err.flush()


def first() -> bool:
    """Whether this is the first of the processes that torchrun started, or the only one.

    torchrun sets RANK and WORLD_SIZE together; either alone says nothing.
    """
    rank = os.environ.get("RANK", "0")
    return "WORLD_SIZE" not in os.environ or not rank.isdecimal() or int(rank) == 0


@contextlib.contextmanager
def one_voice() -> Iterator[None]:
    """Of all processes that torchrun started, lets the first one print."""
    with contextlib.ExitStack() as stack:
        if not first():
            warnings.simplefilter("ignore")
            silence = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(silence))
        yield


def tell(message: str) -> None:
    """One line on stderr."""
    print(" ".join(message.split()), file=sys.stderr)


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings as one line, without the place in the source."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: tell(f"warning: {message}")
        yield
