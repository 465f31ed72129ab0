"""How an answer is judged: your function against expected arrays, case by case."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-8  # of float64 arithmetic in another order; a wrong formula is off by far more


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and one line that says so; true when it is."""

    passed: bool
    message: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return self.message


@dataclass(frozen=True, eq=False)
class Case:
    """One question to your function: its arguments, what it must return, and a hint if it fails.

    `expected` is one array (or number), or a tuple of them.
    """

    what: str
    arguments: tuple
    expected: object
    hint: str = ""


def judge(function: Callable, cases: Sequence[Case], tolerance: float = TOLERANCE) -> Verdict:
    """Calls `function` on every case; the first that disagrees decides.

    An error counts relative to the largest expected entry, or to 1 when that is smaller.
    """
    for case in cases:
        try:
            answer = function(*copy.deepcopy(case.arguments))
        except Exception as error:  # whatever the reader's code raises is the answer
            return _wrong(case, f"your function raised {type(error).__name__}: {error}")
        if answer is None:
            return Verdict(False, "not written yet: your function returned None")
        problem = _difference(answer, case.expected, tolerance)
        if problem:
            return _wrong(case, problem)
    return Verdict(True, f"correct: {len(cases)} cases agree")


def forward_and_backward(op: Callable, op_backward: Callable) -> Callable:
    """Both as one function to judge: `(dy, *arguments)` to the result of `op` and its gradients.

    `y, cache = op(*arguments)` and `gradients = op_backward(dy, cache)`; None while either is a
    stub.
    """

    def answer(dy, *arguments):
        result = op(*arguments)
        if result is None:
            return None
        y, cache = result
        gradients = op_backward(dy, cache)
        return None if gradients is None else (y, *gradients)

    return answer


def _wrong(case: Case, problem: str) -> Verdict:
    hint = f"; hint: {case.hint}" if case.hint else ""
    return Verdict(False, f"wrong on {case.what}: {problem}{hint}")


def _difference(answer, expected, tolerance: float) -> str:
    """What is wrong with the answer, in a few words; empty when nothing is."""
    if isinstance(expected, tuple):
        if not isinstance(answer, tuple | list) or len(answer) != len(expected):
            return f"expected {len(expected)} results, got {_describe(answer)}"
        problems = (_difference(a, e, tolerance) for a, e in zip(answer, expected, strict=True))
        found = ((i, problem) for i, problem in enumerate(problems) if problem)
        return next((f"result {i + 1}: {problem}" for i, problem in found), "")
    try:
        answer = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        return f"expected numbers, got {_describe(answer)}"
    expected = np.asarray(expected, dtype=np.float64)
    if answer.shape != expected.shape:
        return f"expected shape {expected.shape}, got {answer.shape}"
    if not np.isfinite(answer).all():
        return "the result has entries that are not finite"
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    error = np.abs(answer - expected).max(initial=0.0) / scale
    return f"off by {error:.2g} of the largest expected entry" if error > tolerance else ""


def _describe(answer) -> str:
    if isinstance(answer, tuple | list):
        return f"a {type(answer).__name__} of {len(answer)}"
    return f"one {type(answer).__name__}"
