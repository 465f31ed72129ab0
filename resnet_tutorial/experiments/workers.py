"""Runs executed side by side, each in a process of its own.

Chapter: training/your_hardware.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import torch

from resnet_tutorial import train
from resnet_tutorial.experiments.kinds import Run, load_data
from resnet_tutorial.records import Record
from resnet_tutorial.train.threads import idle_cores


def _begin_worker() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends an idle worker without a traceback
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot end its workers: each waits for that, and then saves and ends."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


def _work(run: Run, folder: Path | None) -> Record:
    try:
        return run.execute(folder)
    except train.Interrupted as stop:  # saved; the pool would give this process the next run
        os._exit(128 + stop.signum)


def execute(runs: Sequence[Run], folder: Path | None = None) -> Iterator[Record]:
    """Executes `runs` side by side, one thread each, and yields their Records in order.

    These nets are too small to keep two threads busy, so two runs side by side end sooner than one
    after the other, as many at a time as cores are idle at the start; and one thread adds in one
    order, so results repeat exactly. On a GPU the runs come one after the other. Each keeps its
    checkpoints in a folder of its own under `folder`. Raises ChildProcessError when a run is
    stopped, after its checkpoint was saved, and ValueError, before the first run, when the data
    are not those that a run names.

    >>> from resnet_tutorial.train import Recipe
    >>> [record] = execute([Run("plain8", Recipe(epochs=1), seed=0)])
    >>> record.status, len(record.curve)
    ('finished', 1)
    """
    for name in {run.data for run in runs}:
        load_data(name)  # a mistake is told here, once; a download is made by one process
    folders = [folder / run.label if folder else None for run in runs]
    if torch.cuda.is_available():
        yield from (run.execute(place) for run, place in zip(runs, folders, strict=True))
        return
    workers = min(idle_cores(), len(runs))
    others = set(multiprocessing.active_children())
    spawn = multiprocessing.get_context("spawn")  # a forked child would inherit torch's locks
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin_worker) as pool:
        try:
            yield from pool.map(_work, runs, folders)
        except BrokenProcessPool:
            raise ChildProcessError(
                "a run was stopped before its end; start again: it goes on from its checkpoint"
            ) from None
        except Exception:  # of one run: the others are asked to save, and to be waited for no more
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise
