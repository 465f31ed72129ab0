import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from resnet_tutorial import check
from resnet_tutorial.check.verdict import Case, Verdict, judge

X = np.arange(3.0)
CASES = [
    Case("a vector", (X,), 2 * X),
    Case("a matrix", (np.ones((2, 2)),), np.full((2, 2), 2.0), hint="twice each entry"),
]


def test_a_right_answer_is_true_and_says_how_many_cases_agree():
    verdict = judge(lambda x: 2 * x, CASES)
    assert verdict and repr(verdict) == "correct: 2 cases agree"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: None, "not written yet"),
        (lambda x: ..., "expected numbers, got one ellipsis"),
        (lambda x: x / 0, "wrong on a vector"),
        (lambda x: 1 / int(x.sum() * 0), "raised ZeroDivisionError"),
        (lambda x: 3 * x, "wrong on a vector: off by 0.5 of the largest"),
        (lambda x: 2 * x[:2], r"expected shape \(3,\), got \(2,\)"),
        (lambda x: 2 * x + 0.1 * (x.ndim - 1), "wrong on a matrix: off by .*; hint: twice"),
        (lambda x: np.where(x == 1, np.nan, 2 * x), "not finite"),
        (lambda x: "six", "expected numbers, got one str"),
        (lambda x: 2 * x + 1e-6, "off by"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero|invalid value")
def test_a_wrong_answer_is_false_and_says_why(answer, message):
    verdict = judge(answer, CASES)
    assert not verdict
    assert re.search(message, repr(verdict)), repr(verdict)
    assert "\n" not in repr(verdict)


def test_an_answer_that_changes_its_argument_does_not_spoil_the_next_call():
    def destroys(x):
        y = 2 * x
        x[:] = 0
        return y

    assert judge(destroys, CASES) and judge(destroys, CASES)


def test_several_results_are_compared_one_by_one():
    cases = [Case("a pair", (X,), (X, X + 1))]
    assert judge(lambda x: (x, x + 1), cases)
    assert repr(judge(lambda x: (x, x + 2), cases)).startswith("wrong on a pair: result 2")
    assert "expected 2 results, got one ndarray" in repr(judge(lambda x: x, cases))
    assert "expected 2 results, got a tuple of 3" in repr(judge(lambda x: (x, x, x), cases))


# ---- no answer makes a checker raise, and nothing but real numbers is right --------------------


class CannotBeRead:
    def __array__(self, *args, **kwargs):
        raise SystemExit("no")


class CannotSay(Exception):
    def __str__(self):
        raise RuntimeError


def leave(x):
    raise SystemExit


def cannot_say(x):
    raise CannotSay


def two_lines(x):
    raise ValueError("one\ntwo")


def holds_itself(x):
    own = []
    own.append(own)
    return own


NEVER_RIGHT = {
    "exit": (leave, "your function raised SystemExit"),
    "an error without words": (cannot_say, "your function raised CannotSay"),
    "an error of two lines": (two_lines, "raised ValueError: one two"),
    "an array that cannot be read": (lambda x: CannotBeRead(), "expected numbers, got one Cannot"),
    "a number beyond all floats": (lambda x: 10**400, "expected numbers, got one int"),
    "numbers beyond all floats": (lambda x: [10**400] * 3, "expected numbers, got a list of 3"),
    "a list that holds itself": (holds_itself, "expected numbers, got a list of 1"),
    "a ragged list": (lambda x: [[0.0], [2.0, 4.0]], "expected numbers, got a list of 2"),
    "complex": (lambda x: 2 * x + 1j, "expected real numbers, got complex"),
    "complex without imaginary part": (lambda x: 2 * x + 0j, "expected real numbers"),
    "a complex tensor": (lambda x: torch.tensor(2 * x + 1j), "expected real numbers"),
    "strings": (lambda x: (2 * x).astype(str), "expected numbers, got one ndarray"),
    "a list of strings": (lambda x: ["0.0", "2.0", "4.0"], "expected numbers, got a list of 3"),
    "objects that are strings": (lambda x: (2 * x).astype(str).astype(object), "expected numbers"),
    "bytes": (lambda x: [b"0", b"2", b"4"], "expected numbers"),
    "durations": (lambda x: (2 * x).astype("timedelta64[s]"), "expected numbers"),
    "all masked": (lambda x: np.ma.array(2 * x, mask=True), "masked"),
    "one masked": (lambda x: np.ma.array(2 * x, mask=x == 1), "masked"),
    "masked in a list": (lambda x: list(np.ma.array(2 * x, mask=x == 1)), "masked"),
    "a dict": (lambda x: dict(enumerate(2 * x)), "expected numbers, got one dict"),
    "a generator": (lambda x: (2 * a for a in x), "expected numbers, got one generator"),
    "bfloat16": (lambda x: torch.tensor(2 * x).bfloat16(), "bfloat16"),
}


@pytest.mark.parametrize("name", NEVER_RIGHT)
@pytest.mark.filterwarnings("error")
def test_never_right_and_never_raised(name):
    answer, message = NEVER_RIGHT[name]
    verdict = judge(answer, CASES[:1])
    assert not verdict and verdict.message.startswith("wrong on a vector")
    assert message in verdict.message and "\n" not in verdict.message, verdict.message


@pytest.mark.parametrize("result", [0, 1])
@pytest.mark.parametrize("name", NEVER_RIGHT)
def test_never_right_as_one_of_two_results(name, result):
    def answer(x):
        results = [2 * x, 2 * x]
        results[result] = NEVER_RIGHT[name][0](x)
        return results

    assert not judge(answer, [Case("a pair", (X,), (2 * X, 2 * X))])


def test_a_reader_can_interrupt():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(interrupted, CASES)


STYLES = {
    "a list": lambda x: (2 * x).tolist(),
    "a tuple": lambda x: tuple(2 * x),
    "scalars of NumPy": lambda x: list(2 * x),
    "arrays of no axis": lambda x: [np.array(a) for a in 2 * x],
    "whole numbers": lambda x: (2 * x).astype(np.uint8),
    "a tensor": lambda x: torch.tensor(2 * x),
    "a tensor with gradient": lambda x: 2 * torch.tensor(x, requires_grad=True),
    "tensors in a list": lambda x: list(2 * torch.tensor(x, requires_grad=True)),
    "an array of objects": lambda x: np.array([Fraction(0), Decimal(2), 4], dtype=object),
    "a masked array without mask": lambda x: np.ma.array(2 * x),
    "long doubles": lambda x: 2 * x.astype(np.longdouble),
}


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.filterwarnings("error")
def test_another_style_is_right(name):
    verdict = judge(STYLES[name], CASES[:1])
    assert verdict and verdict.message == "correct: 1 cases agree"


def test_an_array_or_a_tensor_of_as_many_rows_is_several_results():
    cases = [Case("a pair", (X,), (X, X + 1))]
    for answer in (np.array([X, X + 1]), torch.tensor(np.array([X, X + 1])), [X, X + 1]):
        assert judge(lambda x, answer=answer: answer, cases)
    assert judge(lambda x: np.array([1.0, 2.0]), [Case("two numbers", (X,), (1.0, 2.0))])
    assert not judge(lambda x: np.array([2.0, 1.0]), [Case("two numbers", (X,), (1.0, 2.0))])
    assert not judge(lambda x: np.array(1.0), [Case("two numbers", (X,), (1.0, 2.0))])


# ---- precision ---------------------------------------------------------------------------------

TENTHS = [Case("tenths", (X,), X / 10 + 1)]


@pytest.mark.parametrize("make", [np.asarray, torch.tensor, list])
def test_float32_is_right_to_its_precision_and_the_verdict_says_so(make):
    verdict = judge(lambda x: make((x / 10 + 1).astype(np.float32)), TENTHS)
    assert verdict.message == "correct: 1 cases agree, to the precision of float32" and verdict


def test_float32_is_no_excuse_for_a_wrong_formula():
    verdict = judge(lambda x: (x / 10 + 1 + 1e-5).astype(np.float32), TENTHS)
    assert not verdict and "float" not in verdict.message


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_a_lower_precision_inside_is_named(name):
    def answer(x):
        rounded = (x / 10 + 1).astype(name)
        return rounded.astype(float) if name == "float32" else rounded

    verdict = judge(answer, TENTHS)
    assert not verdict and f"as {name} rounds: compute in float64" in verdict.message


def test_whole_numbers_are_exact_and_their_error_is_told_as_it_is():
    cases = [Case("a count", (), 200_000_000)]
    assert judge(lambda: 2e8, cases) and judge(lambda: np.float32(2e8), cases)
    assert judge(lambda: 200_000_001, cases).message == "wrong on a count: off by 1"
    assert not judge(lambda: np.float32(200_000_016), cases)
    assert judge(lambda: 0, [Case("a truth", (), True)]).message.endswith("expected True")


@pytest.mark.parametrize("expected", [1e-4, 0.25, 1.0, 1e9])
def test_an_error_is_relative_to_what_is_expected_and_told_as_it_is(expected):
    cases = [Case("a number", (), expected)]
    assert judge(lambda: expected * (1 + 1e-9), cases)
    verdict = judge(lambda: expected * 1.5, cases)
    assert verdict.message == "wrong on a number: off by 0.5 of the largest expected entry"
    assert not judge(lambda: expected * (1 + 1e-5), cases)


def test_zero_is_met_to_rounding():
    cases = [Case("nothing", (), np.zeros(2))]
    assert judge(lambda: np.array([1e-16, 0]), cases)
    assert judge(lambda: np.full(2, 0.5), cases).message.endswith("off by 0.5 where 0 is expected")


# ---- a checker keeps out of the way ------------------------------------------------------------


def test_settings_of_numpy_stay_the_reader_s():
    def strict(x):
        np.seterr(all="raise")
        return 2 * x

    before = np.geterr()
    assert judge(strict, CASES) and np.geterr() == before


CHECKERS = [
    (name, checker)
    for name in (module.name for module in pkgutil.iter_modules(check.__path__))
    if name != "verdict"
    for checker in vars(importlib.import_module(f"{check.__name__}.{name}")).values()
    if inspect.isfunction(checker)
    and inspect.signature(checker).return_annotation is Verdict
    and not checker.__name__.startswith(("_", "judge"))
    and checker.__name__ != "diagnosis"  # whose answer is a name
]
IDS = [f"{name}.{checker.__name__}" for name, checker in CHECKERS]
WORST = ("exit", "an array that cannot be read", "complex", "strings", "all masked")


def test_every_checker_is_found():
    assert len(CHECKERS) > 40


@pytest.mark.parametrize("name, checker", CHECKERS, ids=IDS)
def test_no_checker_raises_or_accepts(name, checker):
    """The answers above to every exercise, under the strictest settings of NumPy."""
    count = len(inspect.signature(checker).parameters)
    for what in WORST:
        answers = [lambda *arguments, answer=NEVER_RIGHT[what][0]: answer(X)] * count
        with np.errstate(all="raise"):
            verdict = checker(*answers)
        assert isinstance(verdict, Verdict) and not verdict, what
        assert verdict.message.startswith("wrong on ") and "\n" not in verdict.message, what


def test_torch_is_loaded_only_where_it_is_checked():
    """And NumPy, too, is not loaded by the package of checkers alone."""
    torch_modules = ("architectures", "counting", "it_does_not_train", "residual_networks")
    code = f"""
import importlib, pkgutil, sys
import resnet_tutorial.check as check
assert "numpy" not in sys.modules and not vars(check).keys() & {{"judge", "np"}}
for module in pkgutil.iter_modules(check.__path__):
    if module.name not in {torch_modules}:
        importlib.import_module(f"resnet_tutorial.check.{{module.name}}")
        assert "torch" not in sys.modules, module.name
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_in_the_package_imports_the_checkers():
    package = Path(check.__file__).parents[1]
    users = [
        path
        for path in package.rglob("*.py")
        if "check" not in path.relative_to(package).parts
        and re.search(r"(import|from) .*\bcheck\b", path.read_text(encoding="utf-8"))
    ]
    assert not users
