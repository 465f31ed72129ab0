"""Time the package against a reference on this machine: python tools/bench [NAME ...]

A benchmark is a function that returns named actions, the reference first. All actions of a
benchmark take turns, several times, and the best time of each counts: what is reported is the ratio
to the reference of the same run, since seconds depend on the machine and on who else uses it. An
action that says its multiply-adds is also compared with the rate of a matrix product, its peak.
A first turn that took ten times as long, as compilation does, is named.
Both sides may use OMP_NUM_THREADS threads, 2 unless it is set. Where others use the machine too,
`OMP_NUM_THREADS=1 python tools/bench --cpu` counts processor seconds, of worker processes too.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")  # before NumPy and torch read it

import argparse
import time
from collections.abc import Callable

import psutil
from action import Action, Actions
from convolutions import convolutions
from loader import large_photos, loader
from scratch import imports, numpy_step
from training import gpu, training

from resnet_tutorial.names import lookup

BENCHMARKS: dict[str, Callable[[], Actions]] = {
    "numpy_step": numpy_step,
    "convolutions": convolutions,
    "training": training,
    "loader": loader,
    "large_photos": large_photos,
    "gpu": gpu,
    "imports": imports,
}


Clock = Callable[[], float]


def processor_seconds() -> float:
    """Of all threads of this process, and of its child processes, living and dead."""
    me = psutil.Process()
    own = me.cpu_times()
    children = [child.cpu_times() for child in me.children()]
    living = sum(times.user + times.system for times in [own, *children])
    return living + own.children_user + own.children_system


def times(actions: Actions, repeats: int, clock: Clock) -> dict[str, list[float]]:
    """Seconds of every turn of each action, the actions taking turns."""
    found = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            start = clock()
            action()
            found[name].append(clock() - start)
    return found


def report(benchmark: Callable[[], Actions], repeats: int, clock: Clock) -> None:
    print(f"{benchmark.__name__}: {benchmark.__doc__.splitlines()[0]}", flush=True)
    actions = benchmark()
    if not actions:
        print("  skipped: there is no CUDA device here")
        return
    turns = times(actions, repeats, clock)
    best = {label: min(seconds) for label, seconds in turns.items()}
    reference = next(iter(best))
    for label, action in actions.items():
        more = describe(label, actions, best) if isinstance(action, Action) else ""
        if turns[label][0] > 10 * best[label]:
            more += f", first turn {turns[label][0]:.0f} s"
        ratio = best[label] / best[reference]
        print(f"  {label:28}{ratio:6.2f} x {reference}   {1000 * best[label]:7.1f} ms{more}")


def describe(label: str, actions: Actions, best: dict[str, float]) -> str:
    """The action's rate, its shares of its peak's and its limit's, images a second, its note."""
    action, seconds = actions[label], best[label]
    rate = action.macs / seconds
    text = f"   {rate / 1e9:6.1f} G multiply-adds/s" if action.macs else ""
    if action.peak:
        share = rate * best[action.peak] / actions[action.peak].macs
        text += f", {share:.0%} of the product, {action.images / seconds:.0f} images/s"
    if action.limit:
        text += f", {best[action.limit] / seconds:.0%} of {action.limit}"
    note = action.note(seconds) if action.note else ""
    return ", ".join(filter(None, [text, note])) if text else f"   {note}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the package on this machine.")
    parser.add_argument(
        "names",
        nargs="*",
        default=list(BENCHMARKS),
        metavar="NAME",
        help=f"one of {', '.join(BENCHMARKS)}; all by default",
    )
    parser.add_argument("--repeats", type=int, default=7, help="turns of each action")
    parser.add_argument("--cpu", action="store_true", help="processor seconds, not wall time")
    arguments = parser.parse_args()
    try:
        chosen = [lookup(BENCHMARKS, name, "benchmark") for name in arguments.names]
    except ValueError as error:
        parser.error(str(error))
    threads, load = os.environ["OMP_NUM_THREADS"], os.getloadavg()[0]
    clock, kind = (processor_seconds, "processor") if arguments.cpu else (time.perf_counter, "wall")
    print(f"best of {arguments.repeats}, {kind} time, {threads} threads, load before {load:.1f}")
    for benchmark in chosen:
        report(benchmark, arguments.repeats, clock)


if __name__ == "__main__":
    main()
