import numpy as np
import pytest

from resnet_tutorial.check.verdict import Case, judge

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
    import re

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
