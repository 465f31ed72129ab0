"""How a run is asked to stop: signals are noted, and the loop ends when it has saved.

Chapter: training/your_hardware.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

# Ctrl-C, the end of a job or of the machine, and of the terminal; the last one is not everywhere.
SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
Handler = Callable[[int, object], None] | signal.Handlers | int | None


class Interrupted(Exception):
    """The run was asked to stop, by Ctrl-C, SIGTERM or SIGHUP, and has saved its state.

    >>> Interrupted("stopped in epoch 2", signum=15).signum
    15
    """

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.signum = signum

    def __reduce__(self):  # it crosses processes, from a worker to the pool
        return type(self), (str(self), self.signum)


class Stop:
    """While the context is open, Ctrl-C, SIGTERM and SIGHUP set `signum` and nothing else happens.

    A second Ctrl-C interrupts at once. What the process was started to ignore, as SIGHUP under
    nohup, stays ignored. Outside the main thread, where Python handles no signals, `signum` stays
    0. With `shared`, for a run of several processes, the second Ctrl-C ends the process as the
    system does: Python's own way waits for a step, and a step for the others.
    """

    def __init__(self, shared: bool = False):
        self.signum = 0
        self._second = signal.SIG_DFL if shared else signal.default_int_handler

    def __enter__(self) -> "Stop":
        self._old = _handle(self._note)
        return self

    def _note(self, signum: int, frame: object) -> None:
        self.signum = signum
        signal.signal(signal.SIGINT, self._second)

    def __exit__(self, *_: object) -> None:
        _restore(self._old)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """While the context is open, signals end the process, even inside a call that waits.

    Python handles a signal only between two of its own steps, and joining other processes is one.
    """
    old = _handle(signal.SIG_DFL)
    try:
        yield
    finally:
        _restore(old)


def _handle(handler: Handler) -> dict[int, Handler]:
    """Gives the signals this handler, but for those that are ignored; the handlers they had."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    heard = [signum for signum in SIGNALS if signal.getsignal(signum) is not signal.SIG_IGN]
    return {signum: signal.signal(signum, handler) for signum in heard}


def _restore(handlers: dict[int, Handler]) -> None:
    for signum, handler in handlers.items():
        signal.signal(signum, handler)
