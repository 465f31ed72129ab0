"""Time the package against a reference on this machine: python tools/bench.py [NAME ...]

A benchmark is a function that returns named actions, the reference first. All actions of a
benchmark take turns, several times, and the best time of each counts: what is reported is the ratio
to the reference of the same run, since seconds depend on the machine and on who else uses it. An
action that says its multiply-adds is also compared with the rate of a matrix product, its peak.
Both sides may use OMP_NUM_THREADS threads, 2 unless it is set.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")  # before NumPy and torch read it

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view

from resnet_tutorial import counts, models
from resnet_tutorial.names import lookup
from resnet_tutorial.scratch import ops
from resnet_tutorial.scratch.network import SGD, ResNet

BATCH = 128


@dataclass(frozen=True)
class Action:
    """Something to time: its work in multiply-adds and images, and the action that is its peak."""

    run: Callable[[], object]
    macs: int = 0
    images: int = 0
    peak: str = ""

    def __call__(self) -> object:
        return self.run()


Actions = dict[str, Callable[[], object]]


def numpy_step() -> Actions:
    """A training step of ResNet-20, batch 128, 3x32x32, float32, from the same weights."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH, 3, 32, 32), dtype=np.float32)
    labels = rng.integers(0, 10, BATCH)
    net, reference = ResNet(3, rng), models.build("resnet20")
    reference.load_state_dict({k: torch.tensor(v) for k, v in net.state_dict().items()})
    ours = SGD(net, lr=0.1)
    theirs = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    def torch_step():
        theirs.zero_grad()
        F.cross_entropy(reference(torch.tensor(x)), torch.tensor(labels)).backward()
        theirs.step()

    def scratch_step():
        net.loss_and_grads(x, labels)
        ours.step()

    return {"PyTorch": torch_step, "NumPy": scratch_step}


def torch_step() -> Actions:
    """The same step in PyTorch, by precision and memory order, against a matrix product's rate."""
    images, labels = torch.randn(BATCH, 3, 32, 32), torch.randint(0, 10, (BATCH,))
    # The backward pass costs two products for each of the forward pass.
    macs = 3 * BATCH * counts.count_macs(models.build("resnet20"))

    def product(dtype, side=2048):
        a, b = torch.randn(2, side, side, dtype=torch.float32).to(dtype)
        return Action(lambda: a @ b, macs=side**3)

    def step(dtype, memory_format, peak):
        net = models.build("resnet20").to(memory_format=memory_format)
        x = images.to(memory_format=memory_format)
        optimizer = torch.optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=1e-4, fused=True)

        def run():
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                loss = F.cross_entropy(net(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return Action(run, macs, BATCH, peak)

    single, half = "product, float32", "product, bfloat16"
    return {
        "float32": step(torch.float32, torch.contiguous_format, single),
        "float32, channels last": step(torch.float32, torch.channels_last, single),
        "bfloat16, channels last": step(torch.bfloat16, torch.channels_last, half),
        single: product(torch.float32),
        half: product(torch.bfloat16),
    }


def imports() -> Actions:
    """A Python process that imports the package, against one that imports NumPy."""

    def process(statement):
        return lambda: subprocess.run([sys.executable, "-c", statement], check=True)

    return {
        "numpy": process("import numpy"),
        "numpy, resnet_tutorial": process("import numpy, resnet_tutorial"),
        "resnet_tutorial.scratch": process("import resnet_tutorial.scratch.network"),
        "torch": process("import torch"),
        "resnet_tutorial.models": process("import resnet_tutorial.models"),
    }


# ---- ways to write a 3x3 convolution with padding 1, and both of its gradients -----------------


def package_convolution(x, w, dy):
    y, cache = ops.conv2d(x, w, padding=1)
    return y, *ops.conv2d_backward(dy, cache)


def im2col_convolution(x, w, dy):
    """The textbook's: copy every window into a column, one product, and add the columns back."""
    (n, c, h, _), o = x.shape, len(w)
    xp = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    columns = sliding_window_view(xp, (3, 3), (2, 3)).transpose(0, 1, 4, 5, 2, 3)
    columns = columns.reshape(n, 9 * c, h * h)
    flat, dflat = w.reshape(o, 9 * c), dy.reshape(n, o, h * h)
    y = (flat @ columns).reshape(dy.shape)
    dw = (dflat @ columns.swapaxes(1, 2)).sum(0).reshape(w.shape)
    dcolumns = (flat.T @ dflat).reshape(n, c, 3, 3, h, h)
    dxp = np.zeros_like(xp)
    for i in range(3):
        for j in range(3):
            dxp[:, :, i : i + h, j : j + h] += dcolumns[:, :, i, j]
    return y, dxp[:, :, 1:-1, 1:-1], dw


def tap_convolution(x, w, dy):
    """One product for each of the nine taps, each with a copy of the shifted image."""
    (n, c, h, _), o = x.shape, len(w)
    xp = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y, dxp, dw = np.zeros((n, o, h * h), x.dtype), np.zeros_like(xp), np.empty_like(w)
    dflat = dy.reshape(n, o, h * h)
    for i in range(3):
        for j in range(3):
            seen = xp[:, :, i : i + h, j : j + h].reshape(n, c, h * h)
            y += w[:, :, i, j] @ seen
            dw[:, :, i, j] = (dflat @ seen.swapaxes(1, 2)).sum(0)
            dxp[:, :, i : i + h, j : j + h] += (w[:, :, i, j].T @ dflat).reshape(x.shape)
    return y.reshape(dy.shape), dxp[:, :, 1:-1, 1:-1], dw


def torch_convolution(x, w, dy):
    y = F.conv2d(x, w, padding=1)
    return y, *torch.autograd.grad(y, (x, w), dy)


def products_alone(patches, row, pixels):
    """The package's matrix products without the sums and copies around them: the floor."""
    for _ in range(3):
        y = row @ patches  # forward
        dx = row @ patches  # as many for dx
        dw = pixels @ patches.swapaxes(-1, -2)
    return y, dx, dw


def convolutions() -> Actions:
    """The 3x3 convolutions of ResNet-20 that keep their shape, forward and backward, batch 128."""
    rng = np.random.default_rng(0)
    plain, stored, tensors, products = [], [], [], []
    for c, h, count in ((16, 32, 6), (32, 16, 5), (64, 8, 5)):
        x, dy = rng.standard_normal((2, BATCH, c, h, h), dtype=np.float32)
        w = rng.standard_normal((c, c, 3, 3), dtype=np.float32)
        # In the order in memory that a convolution before this one leaves.
        x2, dy2 = (np.ascontiguousarray(a.T.swapaxes(0, 1)).swapaxes(0, 1).T for a in (x, dy))
        plain += [(x, w, dy)] * count
        stored += [(x2, w, dy2)] * count
        tensors += [
            (torch.tensor(x).requires_grad_(), torch.tensor(w).requires_grad_(), torch.tensor(dy))
        ] * count
        padded = rng.standard_normal((h, h + 2, c, BATCH), dtype=np.float32)
        patches = ops._rows(padded, 1, 3, 1)[0]  # overlapping, as in the package
        products += [(patches, w[:, :, 0].reshape(c, 3 * c), padded[:, :h])] * count

    def all_of(convolution, cases):
        return lambda: [convolution(*case) for case in cases]

    return {
        "PyTorch": all_of(torch_convolution, tensors),
        "matrix products alone": all_of(products_alone, products),
        "NumPy: the package's": all_of(package_convolution, stored),
        "NumPy: im2col": all_of(im2col_convolution, plain),
        "NumPy: nine shifted images": all_of(tap_convolution, plain),
    }


# ------------------------------------------------------------------------------------------------

BENCHMARKS: dict[str, Callable[[], Actions]] = {
    "numpy_step": numpy_step,
    "convolutions": convolutions,
    "torch_step": torch_step,
    "imports": imports,
}


def best_times(actions: Actions, repeats: int) -> dict[str, float]:
    """Seconds of the fastest of several runs of each action, the actions taking turns."""
    best = dict.fromkeys(actions, float("inf"))
    for _ in range(repeats):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def report(name: str, repeats: int) -> None:
    benchmark = lookup(BENCHMARKS, name, "benchmark")
    actions = benchmark()
    best = best_times(actions, repeats)
    reference = next(iter(best))
    rates = {k: a.macs / best[k] for k, a in actions.items() if isinstance(a, Action)}
    print(f"{name}: {benchmark.__doc__.splitlines()[0]}")
    for label, action in actions.items():
        ratio, rate = best[label] / best[reference], ""
        if isinstance(action, Action):
            rate = f"   {rates[label] / 1e9:6.1f} G multiply-adds/s"
            if action.peak:
                share = rates[label] / rates[action.peak]
                rate += f", {share:.0%} of the product, {action.images / best[label]:.0f} images/s"
        print(f"  {label:28}{ratio:6.2f} x {reference}   {1000 * best[label]:7.1f} ms{rate}")


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
    arguments = parser.parse_args()
    threads, load = os.environ["OMP_NUM_THREADS"], os.getloadavg()[0]
    print(f"best of {arguments.repeats}, {threads} threads, load before {load:.1f}")
    for name in arguments.names:
        report(name, arguments.repeats)


if __name__ == "__main__":
    main()
