"""Processes that decode pictures ahead of whoever needs them.

Chapter: practice/own_images.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from resnet_tutorial import Mistake

CHUNK = 16  # pictures that a worker takes at a time
MOST_WORKERS = 16
NAMED = 10  # broken files that a message names


class Decoders:
    """`workers` processes that apply a function to many things, ahead of the one who asks.

    With 0 workers it is done here, when it is asked for. The processes are started when they are
    first needed, and end with `close`, and with this process, however it ends. One that is killed
    is told by ChildProcessError.

    >>> with Decoders(0) as decoders:
    ...     [[3, 1], [2]] == list(decoders.map(len, [["abc", "a"], ["ab"]]))
    True
    """

    def __init__(self, workers: int | None = None):
        self.workers = default_workers() if workers is None else workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def begun(self) -> bool:
        """Whether the processes run."""
        return self._pool is not None

    def close(self) -> None:
        """Ends the processes; what they still do is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def map(
        self, work: Callable[[Any], Any], batches: Iterable[Sequence], ahead: int = 4
    ) -> Iterator[list]:
        """`work` of all things in each of the `batches`, in order, `ahead` batches beforehand."""
        if self.workers == 0:
            yield from ([work(thing) for thing in batch] for batch in batches)
            return
        pending: deque[list[Future]] = deque()
        try:
            for batch in batches:
                pending.append(self._submit(work, batch))
                if len(pending) > ahead:
                    yield _results(pending.popleft())
            while pending:
                yield _results(pending.popleft())
        except BrokenProcessPool:
            broken_pool, self._pool = self._pool, None
            broken_pool.shutdown(wait=True)  # until the other workers have ended, too
            raise ChildProcessError(
                "a process that decodes pictures was killed, perhaps because the memory was full; "
                "start again, with fewer workers if it happens twice"
            ) from None
        finally:
            for futures in pending:
                for future in futures:
                    future.cancel()

    def _submit(self, work: Callable, batch: Sequence) -> list[Future]:
        if self._pool is None:
            # A forked worker starts at once, and needs no guard in the user's script. It inherits
            # torch's threads' locks, but never calls torch.
            forks = "fork" in multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context("fork" if forks else None)
            self._pool = ProcessPoolExecutor(self.workers, context, _begin_worker)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python's, about just that
            return [
                self._pool.submit(_all, work, batch[i : i + CHUNK])
                for i in range(0, len(batch), CHUNK)
            ]


def default_workers() -> int:
    """A worker for each core that this process may use, shared by the processes of torchrun."""
    affinity = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    processes = os.environ.get("LOCAL_WORLD_SIZE", "1")
    sharing = int(processes) if processes.isdecimal() and int(processes) else 1
    return max(1, min(MOST_WORKERS, len(affinity) // sharing))


def attempt(work: Callable[[str], Any], path: str) -> Any:
    """`work(path)`, or the Mistake that it raised: broken pictures are told all together."""
    try:
        return work(path)
    except Mistake as mistake:
        return mistake


def broken(mistakes: Sequence[Mistake], of: int) -> Mistake:
    """One line for all broken files of `of`: their number, and the first ten with reasons."""
    if len(mistakes) == 1:
        said = str(mistakes[0])
    else:
        reasons = [str(m).removesuffix("; replace or delete it") for m in mistakes[:NAMED]]
        more = f"; and {len(mistakes) - NAMED} more" if len(mistakes) > NAMED else ""
        said = (
            f"{len(mistakes):,} of {of:,} pictures cannot be read: {'; '.join(reasons)}{more}; "
            "replace or delete them"
        )
    return Mistake(f"{said}, or leave out what is broken: --skip-broken (skip_broken=True)")


def _results(futures: list[Future]) -> list:
    return [result for future in futures for result in future.result()]


def _all(work: Callable, things: Sequence) -> list:
    return [work(thing) for thing in things]


def _begin_worker() -> None:
    """Signals from the terminal are the parent's to answer: it ends its workers when it has saved.

    A killed parent can end nobody, so each worker waits for that.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.setpgid(0, 0)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
