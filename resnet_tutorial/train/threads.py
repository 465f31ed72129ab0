"""How many threads a training on the CPU should take from a machine that others use too.

Two trainings with as many threads each as there are cores wait for each other at every operation:
on two cores one of them fell to a quarter of its speed. The command line therefore takes the cores
that are idle when it starts. `fit` leaves the number as it is: the order in which threads add
decides the last bits of a run, and equal arguments give equal curves.
Chapter: training/your_hardware.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import torch

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # what a container may use: "150000 100000" are 1.5 cores
TICKS = Path("/proc/stat")  # how long each core was busy and idle
SECONDS = 0.2  # for which the others are watched


def threads(cores: int, load: float) -> int:
    """Threads for one more process: the cores that others leave idle, and at least one.

    `load` is the number of cores that the others keep busy, on average.

    >>> threads(2, 0.1), threads(2, 1.0), threads(8, 2.7), threads(2, 5.0)
    (2, 1, 5, 1)
    """
    return max(1, cores - round(load))


def available_cores() -> int:
    """Cores that this process may use, by its affinity and by its container's quota.

    >>> 1 <= available_cores() <= os.cpu_count()
    True
    """
    cores = len(_affinity())
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file, or "max"
        return cores


def load_of_others() -> float:
    """Cores of this process's that others keep busy now; 0 where the system does not say.

    >>> 0.0 <= load_of_others() <= os.cpu_count()
    True
    """
    before = _ticks()
    time.sleep(SECONDS)
    after = _ticks()
    spent = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True)]
    return sum((busy / (busy + idle) for busy, idle in spent if busy + idle > 0), 0.0)


def idle_cores() -> int:
    """`threads` for this machine and this moment.

    >>> 1 <= idle_cores() <= available_cores()
    True
    """
    return threads(available_cores(), load_of_others())


@contextlib.contextmanager
def on_idle_cores() -> Iterator[int]:
    """While the context is open, torch computes with the cores that others leave idle.

    Never with more threads than torch had, and with just these when OMP_NUM_THREADS is set, as the
    user or torchrun does. Gives the number.

    >>> with on_idle_cores() as chosen:
    ...     chosen == torch.get_num_threads()
    True
    """
    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(before, idle_cores()))
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):  # Linux
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _ticks() -> list[tuple[int, int]]:
    """Busy and idle time of each core of this process's, in the system's ticks since it started."""
    try:
        lines = TICKS.read_text().splitlines()
    except OSError:
        return []
    own = {f"cpu{core}" for core in _affinity()}
    found = []
    for name, *ticks in (line.split() for line in lines):
        if name in own:
            user, nice, system, idle, waiting = map(int, ticks[:5])
            found.append((user + nice + system, idle + waiting))
    return found
