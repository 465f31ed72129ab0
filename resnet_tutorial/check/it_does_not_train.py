"""Checker of the eight runs of practice/it_does_not_train.

Every cause has one test with one number. `diagnosis` takes the test of the cause that you name on
the run that you name, so a wrong answer is told which number speaks against it.
"""

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from resnet_tutorial.broken_runs import Run, broken
from resnet_tutorial.check.verdict import Case, Verdict, judge
from resnet_tutorial.train.sweep import sweep

FAR = 10  # times by which a rate has to miss the sweep's suggestion
NEIGHBOURS = 0.5  # share of images that should have the label of the image most like them
FLOOR = math.log(math.e + 9) - 1  # the least cross-entropy of 10 numbers from 0 to 1 with sum 1


def diagnosis(n: int, cause: str = "") -> Verdict:
    """Whether `cause`, one of `CAUSES`, is what ails `broken(n)`, and the number that decides."""
    if not cause:
        return Verdict(False, "not answered yet: give a name out of CAUSES")
    if cause not in CAUSES:
        return Verdict(False, f"{cause!r} is no name out of CAUSES: {', '.join(CAUSES)}")
    found, said = CAUSES[cause](broken(n))
    return Verdict(found, f"{'correct' if found else 'not this'}: {said}")


def gap_bounds(function: Callable) -> Verdict:
    """`function(loss, classes)`: least and largest distance of the top score from the right one."""
    cases = []
    for loss, classes, hint in (
        (23.0, 10, "the sum of exponentials is between its largest term and K times that"),
        (46.0, 100, "the lower bound is smaller by ln K, not by ln 10"),
        (2.0, 10, "the largest score is not below the right one: no distance is negative"),
    ):
        expected = np.array([max(0.0, loss - math.log(classes)), loss])
        cases.append(
            Case(f"a loss of {loss:g}, {classes} classes", (loss, classes), expected, hint)
        )
    return judge(function, cases)


def floor(function: Callable) -> Verdict:
    """`function(classes, a)`: the least cross-entropy of a softmax's output times `a`."""
    hint = "at best the right class has the score a, and each of the others 0"
    cases = [
        Case(f"{classes} classes, a = {a:g}", (classes, a),
             math.log(1 + (classes - 1) * math.exp(-a)), hint)
        for classes, a in ((10, 1.0), (2, 1.0), (100, 3.0), (10, 8.0))
    ]  # fmt: skip
    return judge(function, cases)


def _first_batch(run: Run):
    batch = next(run.batches())
    return run.x[batch], run.y[batch]


def _first_loss(run: Run) -> float:
    x, y = run.x[:64], run.y[:64]
    with torch.no_grad():
        return run.loss(x, y).item()


def _swept(run: Run):
    """The sweep of the run's net, images and loss, in a loop that shuffles and clears."""

    def step(rate: float) -> float:
        batch = torch.randperm(len(run.x), generator=run.shuffle)[:64]
        run.optimizer.zero_grad()
        return run.step(run.x[batch], run.y[batch], rate)

    return sweep(step)


def _pixels(run):
    first = _first_loss(run)
    mean, std = run.x.mean().item(), run.x.std().item()
    said = f"the images have mean {mean:.0f} and spread {std:.0f}, the first loss is {first:.1f}"
    return abs(mean) > 2 or not 0.1 < std < 10, said.replace("-0 ", "0 ")


def _labels(run):
    flat = run.x.flatten(1)
    nearest = torch.cdist(flat, flat).fill_diagonal_(math.inf).argmin(1)
    share = (run.y[nearest] == run.y).double().mean().item()
    said = f"{share:.0%} of the images have the label of the image most like them"
    return share < NEIGHBOURS, said


def _slow(run):
    found = _swept(run).suggestion
    if found is None:
        return False, f"the loss hardly falls at any rate of a sweep, not only at {run.lr:g}"
    said = f"a sweep suggests {found:.1g}, {found / run.lr:.0f} times the run's {run.lr:g}"
    return found / run.lr > FAR, said


def _fast(run):
    if (first := _first_loss(run)) > math.log(10) + 1:
        return False, f"before any step is taken the loss is {first:.1f} already"
    found = _swept(run)
    if found.explodes is None:
        return False, f"a sweep explodes nowhere; the run's rate is {run.lr:g}"
    said = f"a sweep explodes from {found.explodes:.1g}, the run's rate is {run.lr:g}"
    return run.lr > found.explodes, said


def _cleared(run):
    x, y = _first_batch(run)
    norms = []
    for _ in range(2):
        run.step(x, y, lr=0.0)
        grads = [p.grad for p in run.net.parameters() if p.grad is not None]
        norms.append(torch.cat([g.flatten() for g in grads]).norm().item())
    ratio = norms[1] / norms[0] if norms[0] else 1.0
    said = f"the same batch twice at rate 0 gives a gradient {ratio:.2f} times the first"
    return ratio > 1.5, said


def _softmax(run):
    x, y = run.x[:64], run.y[:64]
    losses = [run.step(x, y, max(run.lr, 0.01)) for _ in range(150)]
    wrong = _wrong(run, x, y)
    least = min(losses) if np.isfinite(losses).all() else math.nan
    said = f"one batch by heart: {wrong} of 64 wrong at a least loss of {least:.2f}"
    return wrong <= 3 and least > FLOOR - 1e-4, f"{said}; behind a softmax none is below 1.46"


@torch.no_grad()
def _wrong(run, x, y) -> int:
    return (run.net.train()(x).argmax(1) != y).sum().item()


def _cut(run):
    run.step(*_first_batch(run), lr=0.0)
    named = [*run.net.named_parameters()]
    dead = [k for k, p in named if p.grad is None or not p.grad.any()]
    groups = list(dict.fromkeys(k.partition(".")[0] for k in dead))
    said = f"{len(dead)} of {len(named)} parameters have no gradient"
    return len(dead) > 0, said + (f": {', '.join(groups)}" if groups else "")


def _zeros(run):
    weights = [p for p in run.net.parameters() if p.dim() > 1]
    zero = sum(int(not p.any()) for p in weights)
    return zero == len(weights), f"{zero} of {len(weights)} weight arrays are all zero"


def _copy(run):
    before = copy.deepcopy([*run.net.parameters()])
    run.step(*_first_batch(run))
    after = run.net.parameters()
    moved = sum(int((p != q).any()) for p, q in zip(after, before, strict=True))
    return moved == 0, f"a step moves {moved} of {len(before)} parameters"


def _sorted(run):
    classes = [len(run.y[batch].unique()) for batch in run.batches()]
    return max(classes) <= 2, f"the first batch holds {classes[0]} of 10 classes"


def _mode(run):
    norms = [m for m in run.net.modules() if isinstance(m, nn.BatchNorm2d)]
    modes: list[bool] = []
    hooks = [m.register_forward_hook(lambda m, i, o: modes.append(m.training)) for m in norms]
    run.error(run.test_x[:8], run.test_y[:8])
    for hook in hooks:
        hook.remove()
    learning = sum(modes[: len(norms)])
    said = f"{learning} of {len(norms)} batch norms are in training mode while errors are measured"
    said = said if norms else "the net has no batch norm, so no mode"
    return learning > 0, said


def _overlap(run):
    seen = {image.numpy().tobytes() for image in run.x}
    both = sum(image.numpy().tobytes() in seen for image in run.test_x)
    return both > 0.01 * len(run.test_x), f"{both} of {len(run.test_x)} test images were trained on"


LOOKS = {
    "first loss": ("pixels not normalised",),
    "one batch by heart": (
        *("softmax before the loss", "gradients never cleared"),
        *("optimiser of another copy", "all weights zero"),
    ),
    "rate sweep": ("rate too large", "rate too small"),
    "curves": (
        *("gradient cut off", "evaluated in training mode", "batches of one class"),
        *("labels in another order", "test images trained on"),
    ),
}
CAUSES = {
    "rate too large": _fast,
    "rate too small": _slow,
    "pixels not normalised": _pixels,
    "labels in another order": _labels,
    "evaluated in training mode": _mode,
    "batches of one class": _sorted,
    "softmax before the loss": _softmax,
    "gradients never cleared": _cleared,
    "gradient cut off": _cut,
    "optimiser of another copy": _copy,
    "all weights zero": _zeros,
    "test images trained on": _overlap,
}
