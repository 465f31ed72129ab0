import json

import numpy as np
import pytest

from resnet_tutorial.train.recipe import PAPER, Cosine, OneCycle, Recipe, Steps


def test_cosine_warms_up_to_the_peak_and_ends_at_zero():
    factors = [Cosine(warmup=4).factor(step, 104) for step in range(104)]
    assert factors[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factors[54] == pytest.approx(0.5)
    assert factors[-1] < 0.001 and all(np.diff(factors[4:]) < 0)


def test_steps_divides_by_ten_where_the_paper_does():
    factor = Steps().factor
    found = [factor(step, 64_000) for step in (0, 31_999, 32_000, 47_999, 48_000, 63_999)]
    np.testing.assert_allclose(found, [1, 1, 0.1, 0.1, 0.01, 0.01])


def test_the_warm_up_of_resnet110_ends_and_returns_to_the_full_rate():
    factor = Steps(warmup=400).factor
    rates = [0.1 * factor(step, 64_000) for step in (0, 399, 400, 401, 31_999, 32_000, 48_000)]
    np.testing.assert_allclose(rates, [0.01, 0.01, 0.1, 0.1, 0.1, 0.01, 0.001])


def test_one_cycle_goes_up_in_a_line_to_the_peak_and_down_to_zero():
    factors = np.array([OneCycle(peak=0.25).factor(step, 400) for step in range(400)])
    np.testing.assert_allclose(np.diff(factors[:100]), 0.01)
    assert factors.max() == factors[100] == 1.0
    np.testing.assert_allclose(np.diff(factors[100:]), -1 / 300)
    assert 0 < factors[-1] < 0.01


def test_the_paper_s_recipe_is_section_4_2():
    """Epochs of CIFAR-10's 50,000 images in batches of 128: 64k iterations but for 40."""
    steps = PAPER.epochs * (50_000 // PAPER.batch_size)
    assert 64_000 - steps == 40
    assert (PAPER.lr, PAPER.momentum, PAPER.weight_decay) == (0.1, 0.9, 1e-4)
    assert (PAPER.padding, PAPER.flip, PAPER.per_pixel_mean) == (4, 0.5, True)
    assert (PAPER.schedule, PAPER.label_smoothing, PAPER.precision) == (Steps(), 0.0, "float32")


def test_a_recipe_survives_json():
    for recipe in (PAPER, Recipe(clip=2.0), Recipe(schedule=OneCycle())):
        assert json.loads(json.dumps(recipe.as_dict())) == recipe.as_dict()


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"lr": 0.0}, {"batch_size": -1}, {"momentum": 1.0}, {"clip": 0.0},
              {"weight_decay": -1e-4}, {"padding": -1}, {"flip": 1.5}, {"label_smoothing": 1.0}],
)  # fmt: skip
def test_a_senseless_recipe_is_refused(wrong):
    with pytest.raises(ValueError, match=f"recipe: {next(iter(wrong))} must"):
        Recipe(**wrong)


@pytest.mark.parametrize(
    "kind, wrong",
    [(Cosine, {"warmup": -1}), (Steps, {"warmup": -1}), (Steps, {"drops": (0.5, 1.0)}),
     (Steps, {"drops": (0.0,)}), (OneCycle, {"peak": 0.0}), (OneCycle, {"peak": 1.0})],
)  # fmt: skip
def test_a_senseless_schedule_is_refused(kind, wrong):
    """A peak of 0 or 1 would divide by zero only once the run is under way."""
    with pytest.raises(ValueError, match=f"schedule: {next(iter(wrong))} must"):
        kind(**wrong)


def test_a_recipe_as_values_tells_schedules_apart():
    cosine, steps = (Recipe(schedule=s).as_dict()["schedule"] for s in (Cosine(), Steps()))
    assert cosine == {"name": "Cosine", "warmup": 20}
    assert steps == {"name": "Steps", "drops": [0.5, 0.75], "warmup": 0}
