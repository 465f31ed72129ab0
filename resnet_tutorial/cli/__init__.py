"""The command line: resnet-tutorial train | evaluate | describe | reproduce | data.

Exit codes: 0; 1 for a run that diverged; 2 for a mistake of the user's, told in one line; 130 after
Ctrl-C and 143 after SIGTERM. An error that is not the user's keeps its traceback.
"""

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence

from resnet_tutorial import Mistake
from resnet_tutorial.cli.parser import parse

__all__ = ["main"]

# Seconds that another process than the first waits before it tells a mistake. When all make the
# same one, torchrun ends this process meanwhile, and the user reads one line and not eight.
PATIENCE = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, with `arguments` in the place of the process's own; the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with _terminable(), _plain_warnings(), _one_voice():
            code = parse(arguments).run()
            sys.stdout.flush()  # here a closed pipe can still be caught
            return code
    except SystemExit as end:  # after --help, or on SIGTERM
        return end.code or 0
    except KeyboardInterrupt:
        return _stopped("interrupted", signal.SIGINT)
    except BrokenPipeError:  # the reader of our output, as in "| head", has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if hasattr(error, "signum"):  # train.Interrupted, without importing torch for it
            return _stopped(str(error), error.signum)
        if not is_mistake(error):
            raise
        if not _first():
            time.sleep(PATIENCE)
        _tell(f"error: {error}")
        return 2


def is_mistake(error: Exception) -> bool:
    """Whether the user, and not the code, should mend this.

    So are files and networks that fail. A ValueError that is no Mistake was not foreseen: a bug.
    """
    if isinstance(error, OSError):  # ConnectionError and FileNotFoundError among them
        return True
    if type(error).__name__ == "OutOfMemoryError":  # torch's: the network or the batch is too large
        return True
    return isinstance(error, Mistake)


def _stopped(message: str, signum: int) -> int:
    if _first():
        _tell(message)
    return 128 + signum


def _first() -> bool:
    """Whether this is the first of the processes that torchrun started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def _tell(message: str) -> None:
    """One line on stderr."""
    print(" ".join(message.split()), file=sys.stderr)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the command and the processes that it started, which save their runs.

    Training has a handler of its own, in the place of this one.
    """

    def end(signum: int, frame: object) -> None:
        import multiprocessing

        for child in multiprocessing.active_children():
            child.terminate()
        raise SystemExit(128 + signum)

    in_main = threading.current_thread() is threading.main_thread()
    old = signal.signal(signal.SIGTERM, end) if in_main else None
    try:
        yield
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, old)


@contextlib.contextmanager
def _one_voice() -> Iterator[None]:
    """Of all processes that torchrun started, lets the first one print."""
    with contextlib.ExitStack() as stack:
        if not _first():
            warnings.simplefilter("ignore")
            silence = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(silence))
        yield


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Warnings as one line, without the place in the source."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: _tell(f"warning: {message}")
        yield
