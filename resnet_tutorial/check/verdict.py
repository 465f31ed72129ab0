"""How an answer is judged: your function against expected arrays, case by case."""

import copy
import decimal
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-8  # of float64 arithmetic in another order; a wrong formula is off by far more
FLOAT32 = 32 * float(np.finfo(np.float32).eps)  # 4e-6, the same of float32 arithmetic
SMALLEST = 1e-4  # expected entries below it count as that large: they may be 0 up to rounding
WHOLE = 1e-6  # by which a count may differ from a whole number


class Wrong(Exception):
    """What is wrong with an answer, in a few words."""


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

    An error counts relative to the largest expected entry. Whole numbers and truth values must be
    met exactly; an answer in float32 may be off by what float32 rounds, and the verdict says so.
    """
    rounded = False
    for case in cases:
        try:
            answer = _called(function, case.arguments)
            if answer is None:
                return Verdict(False, "not written yet: your function returned None")
            rounded |= _compared(answer, case.expected, tolerance)
        except Wrong as wrong:
            hint = f"; hint: {case.hint}" if case.hint else ""
            return Verdict(False, f"wrong on {case.what}: {wrong}{hint}")
    note = ", to the precision of float32" if rounded else ""
    return Verdict(True, f"correct: {len(cases)} cases agree{note}")


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


def real(answer: object) -> np.ndarray:
    """The answer as an array of real numbers; `Wrong` if it is anything else.

    Lists, tensors and whatever NumPy reads are accepted; complex numbers, strings and arrays with
    masked entries are not, because a conversion would drop a part of them without a word.
    """
    try:
        array = _array(answer)
    except (KeyboardInterrupt, Wrong):
        raise
    except BaseException:  # whatever an object does when it is read
        raise Wrong(f"expected numbers, got {_described(answer)}") from None
    if array.dtype.kind == "c":
        raise Wrong("expected real numbers, got complex ones")
    if array.dtype.kind not in "biuf":
        raise Wrong(f"expected numbers, got {_described(answer)}")
    return array


def _array(answer: object) -> np.ndarray:
    if isinstance(answer, list | tuple):
        return np.array([_array(part) for part in answer])
    if hasattr(answer, "detach"):  # a tensor, with a gradient or on another device
        answer = answer.detach().cpu()
        if "bfloat16" in str(answer.dtype):  # NumPy has no such numbers
            raise Wrong("expected float64, got bfloat16, which rounds to 8 bits")
    if np.ma.is_masked(answer):
        raise Wrong("expected numbers, got masked entries")
    array = np.asarray(answer)
    if array.dtype != object:
        return array
    if not all(isinstance(entry, numbers.Real | decimal.Decimal) for entry in array.flat):
        raise TypeError("an object that is not a number")
    return array.astype(np.float64)


def _called(function: Callable, arguments: tuple) -> object:
    """What the function returns for a copy of the arguments; whatever it raises is `Wrong`."""
    try:
        with np.errstate():  # a change by np.seterr ends with the call
            return function(*copy.deepcopy(arguments))
    except (KeyboardInterrupt, Wrong):
        raise
    except BaseException as error:  # exit() is an answer too
        raise Wrong(f"your function raised {_raised(error)}") from None


def _raised(error: BaseException) -> str:
    try:
        message = " ".join(str(error).split())
    except Exception:  # an error that cannot say what it is
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _compared(answer: object, expected: object, tolerance: float) -> bool:
    """Whether the answer agrees only to the precision of float32; `Wrong` if it does not agree."""
    if isinstance(expected, tuple):
        return _each_compared(_results(answer, len(expected)), expected, tolerance)
    given, expected = real(answer), np.asarray(expected)
    if given.shape != expected.shape:
        raise Wrong(f"expected shape {expected.shape}, got {given.shape}")
    with np.errstate(all="ignore"):
        values, whole = given.astype(np.float64), expected.dtype.kind in "biu"
        if not np.isfinite(values).all():
            raise Wrong("the result has entries that are not finite")
        largest = float(np.abs(expected, dtype=np.float64).max(initial=0.0))
        error = float(np.abs(values - expected).max(initial=0.0))
    scale = max(largest, SMALLEST)
    if error <= (WHOLE if whole else tolerance * scale):
        return False
    if given.dtype == np.float32 and not whole and error <= FLOAT32 * scale:
        return True
    raise Wrong(_off(error, largest, scale, given.dtype, expected))


def _each_compared(results: Sequence, expected: tuple, tolerance: float) -> bool:
    rounded = False
    for i, (result, right) in enumerate(zip(results, expected, strict=True), start=1):
        try:
            rounded |= _compared(result, right, tolerance)
        except Wrong as wrong:
            raise Wrong(f"result {i}: {wrong}") from None
    return rounded


def _results(answer: object, count: int) -> Sequence:
    """The answer as `count` results: a tuple, a list, or an array or tensor of as many rows."""
    results = answer
    if isinstance(answer, np.ndarray) or hasattr(answer, "detach"):
        results = list(answer) if getattr(answer, "ndim", 0) else None
    if not isinstance(results, tuple | list) or len(results) != count:
        raise Wrong(f"expected {count} results, got {_described(answer)}")
    return results


def _off(error: float, largest: float, scale: float, dtype: np.dtype, expected) -> str:
    """By how much an answer is wrong, and the precision if that explains it."""
    if expected.dtype.kind == "b" and expected.ndim == 0:
        return f"expected {bool(expected)}"
    if expected.dtype.kind in "biu":
        return f"off by {error:.6g}"
    if largest == 0:
        return f"off by {error:.2g} where 0 is expected"
    off = f"off by {error / largest:.2g} of the largest expected entry"
    if dtype == np.float16 and error <= 4 * np.finfo(np.float16).eps * scale:
        return f"{off}, as float16 rounds: compute in float64"
    if error <= FLOAT32 * scale:
        return f"{off}, about as float32 rounds: compute in float64"
    return off


def _described(answer: object) -> str:
    if isinstance(answer, tuple | list):
        return f"a {type(answer).__name__} of {len(answer)}"
    return f"one {type(answer).__name__}"
