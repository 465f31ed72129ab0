"""How a run is asked to stop: Ctrl-C and SIGTERM are noted, and the loop ends when it has saved.

Chapter: training/scaling_up.
"""

import signal
import threading


class Interrupted(Exception):
    """The run was asked to stop, by Ctrl-C or SIGTERM, and has saved its state.

    >>> Interrupted("stopped in epoch 2", signum=15).signum
    15
    """

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.signum = signum

    def __reduce__(self):  # it crosses processes, from a worker to the pool
        return type(self), (str(self), self.signum)


class Stop:
    """While the context is open, Ctrl-C and SIGTERM set `signum` and nothing else happens.

    A second Ctrl-C interrupts at once. Outside the main thread, where Python handles no signals,
    `signum` stays 0.
    """

    def __init__(self):
        self.signum = 0

    def __enter__(self) -> "Stop":
        self._old = {}
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._old[signum] = signal.signal(signum, self._note)
        return self

    def _note(self, signum: int, frame: object) -> None:
        self.signum = signum
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._old.items():
            signal.signal(signum, handler)
