"""What was recorded of the transfer, and the pretrained net that ships."""

import pytest

from resnet_tutorial import experiments, models
from resnet_tutorial.experiments import on_transfer
from resnet_tutorial.experiments.transferring import PRETRAINED_ON, wrong_answers
from resnet_tutorial.models import weights


@pytest.fixture
def pretrained():
    return models.build("resnet20", weights=PRETRAINED_ON, **dict(on_transfer.HALVED))


def test_the_pretrained_net_loads_and_is_small(pretrained):
    assert pretrained.fc.out_features == 150 and pretrained.stages[0][0].conv1.stride == (2, 2)
    assert weights.find("resnet20", PRETRAINED_ON).stat().st_size < 5_000_000
    with pytest.raises(ValueError, match="parts"):
        models.build("resnet20", weights=PRETRAINED_ON)  # equal shapes, another function


def test_the_kept_answers_are_those_of_the_records():
    wrong = wrong_answers("transfer")
    runs = experiments.EXPERIMENTS["transfer"].runs
    assert set(wrong) == {run.label for run in runs}
    for run, record in zip(runs, experiments.recorded("transfer"), strict=True):
        assert wrong[run.label].mean() == pytest.approx(record.test_error, abs=1e-6)


def test_each_rate_is_the_best_one_of_those_tried():
    for arm, rates in on_transfer.TRIED.items():
        errors = {
            record.recipe["lr"]: record.test_error
            for run, record in zip(
                experiments.EXPERIMENTS["transfer_rates"].runs,
                experiments.recorded("transfer_rates"),
                strict=True,
            )
            if run.arm == arm
        }
        assert set(errors) == set(rates)
        assert on_transfer.RATES[arm] == min(rates, key=errors.get)
