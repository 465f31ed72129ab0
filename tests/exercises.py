"""The two tests that every exercise has, made from its checker and its answers."""

import pytest


def rejected(verdict):
    """That an answer is wrong, in one line that says on which case."""
    assert not verdict and "\n" not in repr(verdict)
    assert repr(verdict).startswith("wrong on "), repr(verdict)


def verdict_tests(exercises):
    """Two tests for `{name: (checker, right answer, {what is wrong: wrong answer})}`.

    The right answer passes and a stub is called "not written yet"; every wrong one is rejected.
    """
    rejections = [
        pytest.param(checker, answer, id=f"{name}: {what}")
        for name, (checker, _, wrong) in exercises.items()
        for what, answer in wrong.items()
    ]

    @pytest.mark.parametrize("checker, right, _", exercises.values(), ids=exercises)
    def test_the_right_answer_passes_and_a_stub_is_not_written_yet(checker, right, _):
        assert checker(right), checker(right)
        assert repr(checker(lambda *arguments: None)).startswith("not written yet")

    @pytest.mark.parametrize("checker, answer", rejections)
    def test_a_typical_wrong_answer_is_rejected(checker, answer):
        rejected(checker(answer))

    return (
        test_the_right_answer_passes_and_a_stub_is_not_written_yet,
        test_a_typical_wrong_answer_is_rejected,
    )
