"""Checkers of the chapter training/depth_sweep."""

from collections.abc import Callable

from resnet_tutorial.check.verdict import Case, Verdict, judge


def parts(function: Callable) -> Verdict:
    """`function(train_a, test_a, train_b, test_b)`: parts of the difference of two test errors."""
    return judge(
        function,
        [
            Case("A 12 and 14, B 1 and 6", (12.0, 14.0, 1.0, 6.0), (11.0, -3.0),
                 "the gap is test minus training error; its part is A's gap minus B's"),
            Case("A worse in training alone", (9.0, 10.0, 4.0, 5.0), (5.0, 0.0)),
            Case("A worse on test images alone", (3.0, 9.0, 3.0, 5.0), (0.0, 4.0)),
            Case("B worse", (0.5, 2.0, 8.5, 16.0), (-8.0, -6.0)),
        ],
    )  # fmt: skip


def epochs(function: Callable) -> Verdict:
    """`function(images, batch, rate, decay, momentum, clock)`: epochs at a constant rate."""
    return judge(
        function,
        [
            Case("CIFAR-10 at rate 0.1, clock 3.376", (50_000, 128, 0.1, 1e-4, 0.9, 3.376), 87,
                 "an epoch has images // batch steps: the incomplete batch is left out"),
            Case("without momentum", (50_000, 128, 0.1, 1e-4, 0.0, 3.376), 866,
                 "momentum makes each step 1 / (1 - momentum) times as long"),
            Case("60,000 images, batch 100, clock 1", (60_000, 100, 0.05, 5e-4, 0.9, 1.0), 7),
            Case("20.2 epochs", (1000, 100, 0.1, 1e-3, 0.5, 0.0404), 21, "at least the clock"),
            Case("4 epochs to the step", (8, 2, 0.25, 0.125, 0.5, 1.0), 4),
            Case("one batch an epoch", (64, 64, 0.1, 1e-3, 0.5, 0.1003), 502),
        ],
    )  # fmt: skip
