"""The command line: resnet-tutorial train | evaluate | report | describe | reproduce | data.

Exit codes: 0; 1 for a run that diverged or learned nothing; 2 for a mistake of the user's, told in
one line; 130 after Ctrl-C and 143 after SIGTERM. Any other error keeps its traceback. That nobody
reads what a command says changes neither what it does nor its exit code.
"""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from resnet_tutorial import Mistake
from resnet_tutorial.cli.parser import parse
from resnet_tutorial.cli.streams import first, lasting, one_voice, plain_warnings, tell

__all__ = ["main"]

# Seconds that another process than the first waits before it tells a mistake. When all make the
# same one, torchrun ends this process meanwhile, and the user reads one line and not eight.
PATIENCE = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, with `arguments` in the place of the process's own; the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with lasting():
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        with _terminable(), plain_warnings(), one_voice():
            return parse(arguments).run()
    except SystemExit as end:  # after --help, or on SIGTERM
        return end.code or 0
    except KeyboardInterrupt:
        return _stopped("interrupted", signal.SIGINT)
    except Exception as error:
        if hasattr(error, "signum"):  # train.Interrupted, without importing torch for it
            return _stopped(str(error), error.signum)
        if not is_mistake(error):
            raise
        if not first():
            time.sleep(PATIENCE)
        tell(f"error: {error}")
        return 2


def is_mistake(error: Exception) -> bool:
    """Whether the user, and not the code, should mend this: a Mistake, or files and networks that
    fail. A ValueError that is no Mistake was not foreseen, and torch's errors, out-of-memory among
    them, are told best by their traceback.
    """
    return isinstance(error, Mistake | OSError)


def _stopped(message: str, signum: int) -> int:
    if first():
        tell(message)
    return 128 + signum


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
