import math

import pytest
import torch
from exercises import verdict_tests

from resnet_tutorial.broken_runs import RUNS, broken
from resnet_tutorial.check import it_does_not_train as check

PLANTED = {
    1: "softmax before the loss",
    2: "labels in another order",
    3: "rate too small",
    4: "evaluated in training mode",
    5: "pixels not normalised",
    6: "batches of one class",
    7: "gradients never cleared",
    8: "gradient cut off",
}
EXERCISES = {
    "gap_bounds": (
        check.gap_bounds,
        lambda loss, classes: (max(0.0, loss - math.log(classes)), loss),
        {
            "negative": lambda loss, classes: (loss - math.log(classes), loss),
            "always ten": lambda loss, classes: (max(0.0, loss - math.log(10)), loss),
            "above the loss": lambda loss, classes: (loss, loss + math.log(classes)),
            "log2": lambda loss, classes: (max(0.0, loss - math.log2(classes)), loss),
            "swapped": lambda loss, classes: (loss, max(0.0, loss - math.log(classes))),
        },
    ),
    "floor": (
        check.floor,
        lambda classes, a: math.log(math.exp(a) + classes - 1) - a,
        {
            "a lost": lambda classes, a: math.log(math.e + classes - 1) - 1,
            "K for K - 1": lambda classes, a: math.log(1 + classes * math.exp(-a)),
            "the right score lost": lambda classes, a: math.log(math.exp(a) + classes - 1),
            "guessing": lambda classes, a: math.log(classes),
            "divided": lambda classes, a: math.log(1 + (classes - 1) * math.exp(-1 / a)),
        },
    ),
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


test_right, test_wrong = verdict_tests(EXERCISES)


def test_every_run_has_its_fault_and_every_cause_a_look():
    assert PLANTED.keys() == set(range(1, len(RUNS)))
    assert sorted(cause for causes in check.LOOKS.values() for cause in causes) == sorted(
        check.CAUSES
    )


@pytest.mark.parametrize("cause", check.CAUSES)
def test_a_cause_is_confirmed_where_it_is_planted_and_nowhere_else(cause):
    for n in range(len(RUNS)):
        verdict = check.diagnosis(n, cause)
        assert bool(verdict) == (PLANTED.get(n) == cause), (n, verdict)
        assert "\n" not in repr(verdict)
        assert repr(verdict).startswith("correct: " if verdict else "not this: ")
        assert any(sign.isdigit() for sign in repr(verdict)) or "no batch norm" in repr(verdict)


class Lost:
    """A run with one of the faults that the chapter does not plant."""

    @staticmethod
    def zero():
        run = broken(0)
        for parameter in run.net.parameters():
            torch.nn.init.zeros_(parameter)
        return run

    @staticmethod
    def copied():
        run = broken(0)
        run.optimizer = torch.optim.SGD(run.make_net().parameters(), 0.1)
        return run

    @staticmethod
    def fast():
        run = broken(0)
        run.lr = 30.0
        return run

    @staticmethod
    def overlapping():
        run = broken(0)
        run.test_x = torch.cat([run.test_x, run.x[:50]])
        return run


@pytest.mark.parametrize(
    "make, cause",
    [
        (Lost.zero, "all weights zero"),
        (Lost.copied, "optimiser of another copy"),
        (Lost.fast, "rate too large"),
        (Lost.overlapping, "test images trained on"),
    ],
)
def test_the_causes_that_are_not_planted_are_found_too(make, cause):
    found, said = check.CAUSES[cause](make())
    assert found, said


def test_an_empty_answer_and_an_unknown_name_are_told():
    assert repr(check.diagnosis(1)).startswith("not answered yet")
    verdict = check.diagnosis(1, "bad luck")
    assert not verdict and "rate too small" in repr(verdict)


def test_asking_for_a_run_leaves_torchs_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    broken(2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(broken(0).net.fc.weight, broken(3).net.fc.weight)
    with pytest.raises(ValueError, match="no run 9"):
        broken(9)
