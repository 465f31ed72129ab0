"""What is tried before a run: right, and without a trace."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from stripes import DATA, RECIPE, Linear
from torch import nn

from resnet_tutorial import counts, data, models, train
from resnet_tutorial.data import Dataset
from resnet_tutorial.train import before
from resnet_tutorial.train.sweep import Sweep, sweep


def tried(net=None, dataset=DATA, recipe=RECIPE, **settings):
    return before.report(net or Linear(), dataset, recipe, device="cpu", **settings)


def quadratic(curvature, momentum=0.0):
    """Steps of SGD on curvature w^2 / 2."""
    state = {"w": 1.0, "v": 0.0}

    def step(rate):
        loss = curvature * state["w"] ** 2 / 2
        state["v"] = momentum * state["v"] + curvature * state["w"]
        state["w"] -= rate * state["v"]
        return loss

    return step


# The sweep


@pytest.mark.parametrize("curvature", [30.0, 100.0, 1000.0])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_sweep_finds_where_a_quadratic_explodes(curvature, momentum):
    """From the rate 2 (1 + momentum) / curvature on every step makes it larger."""
    bound = 2 * (1 + momentum) / curvature
    found = sweep(
        quadratic(curvature, momentum), np.geomspace(1e-3 / curvature, 50 / curvature, 200)
    )
    assert 0.3 * bound < found.lowest < 1.3 * bound < found.explodes < 8 * bound
    assert found.fastest < found.lowest and found.suggestion < bound


def test_the_losses_of_a_sweep_are_those_of_the_closed_form():
    rates = np.geomspace(1e-3, 1.0, 20)
    found = sweep(quadratic(1.0), rates)
    assert np.allclose(found.losses, np.cumprod([0.5, *(1 - rates[:-1]) ** 2]))


def test_a_sweep_ends_when_the_loss_explodes_or_is_no_number():
    losses = iter([2.0, 1.0, 0.5, 9.0, 1.0])
    found = sweep(lambda rate: next(losses), np.geomspace(1e-3, 1.0, 5))
    assert found.losses.tolist() == [2.0, 1.0, 0.5, 9.0] and len(found.rates) == 4
    losses = iter([2.0, 1.0, math.nan, 1.0])
    found = sweep(lambda rate: next(losses), np.geomspace(1e-3, 1.0, 4))
    assert len(found.losses) == 3 and np.isfinite(found.smoothed).all()
    assert found.explodes == found.rates[2]


def test_a_loss_that_does_not_fall_gives_no_suggestion():
    flat = Sweep(np.geomspace(1e-5, 1, 40), np.full(40, 2.3))
    assert not flat.falls and flat.suggestion is None and flat.explodes is None


# The report


def test_the_net_the_random_numbers_and_the_data_stay_as_they_were():
    torch.manual_seed(3)
    net = models.build("resnet8", in_channels=1, widths=(4, 8, 16)).eval()
    digits = data.load("digits")
    small = Dataset(
        "few", digits.train.take(slice(200)), digits.test.take(slice(50)), digits.classes
    )
    held = {name: value.clone() for name, value in net.state_dict().items()}
    pixels = small.train.images.copy(), small.test.images.copy()
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    found = tried(net, small, train.Recipe(epochs=4, batch_size=32, padding=1))
    assert all(torch.equal(value, held[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters()) and not net.training
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert (small.train.images == pixels[0]).all() and (small.test.images == pixels[1]).all()
    assert found.learns and found.outputs == 10


def test_equal_arguments_find_equal_losses():
    first, again, other = tried(seed=1), tried(seed=1), tried(seed=2)
    assert (first.sweep.losses == again.sweep.losses).all()
    assert (first.by_heart == again.by_heart).all()
    assert not np.array_equal(first.sweep.losses[:5], other.sweep.losses[:5])


def test_the_first_loss_is_that_of_the_first_batch():
    net = Linear()
    order = torch.randperm(43, generator=torch.Generator().manual_seed(5))[:8]
    images = torch.from_numpy(DATA.normalize(DATA.train.images))[order]
    labels = torch.from_numpy(DATA.train.labels)[order]
    expected = nn.functional.cross_entropy(net(images), labels).item()
    assert tried(net, seed=5).first_loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "scale, said", [(0.0, "as it should be, it guesses"), (100.0, "too high, it is sure of wrong")]
)
def test_the_first_loss_is_judged_against_guessing(scale, said):
    net = Linear()
    with torch.no_grad():
        net.fc.weight.mul_(scale)
        net.fc.bias.mul_(scale)
    found = tried(net)
    assert said in str(found)
    if scale == 0:
        assert found.first_loss == pytest.approx(math.log(2))


def test_a_trained_net_is_told_by_its_first_loss():
    net = Linear()
    train.fit(net, DATA, RECIPE, device="cpu")
    assert "low, it knows already" in str(tried(net))


class Blind(Linear):
    def forward(self, x):
        return self.fc(torch.zeros_like(x.flatten(1)))


def test_a_net_that_does_not_see_the_images_is_told():
    found = tried(Blind())
    assert not found.learns and len(found.by_heart) == before.HEART_STEPS
    assert "not learned; more data will not help" in str(found)
    assert "hardly falls at any rate; first make it learn one batch" in str(found)


def test_noise_is_learned_by_heart_and_its_loss_falls_at_no_rate():
    flat = Sweep(np.geomspace(1e-4, 1e3, 8), np.full(8, 2.0))
    found = replace(tried(), sweep=flat)
    assert found.learns and "at any rate, though one batch is learned" in str(found)


def test_a_rate_that_explodes_is_told():
    losses = np.array([2.0, 2.0, 2.0, 1.0, 0.5, 0.5, 3.0, 9.0])
    found = replace(tried(), sweep=Sweep(np.geomspace(1e-4, 1e3, 8), losses))
    assert "try 0.5, half" not in str(found) and "explodes from" in str(found)
    rates = {lr: str(replace(found, recipe=replace(RECIPE, lr=lr))) for lr in (1e-6, 0.5, 900.0)}
    assert "the recipe's 1e-06 is smaller" in rates[1e-6]
    assert "the recipe's 9e+02 is where it explodes" in rates[900.0]


def test_the_memory_of_a_linear_layer_is_counted_by_hand():
    """Its input, the logarithms of the softmax, the labels, and the sum of their weights."""
    memory = tried().memory
    maps = 4 * 8 * 16 + 4 * 8 * 2 + 8 * 8 + 4
    images = (43 + 20) * (16 + 8)
    assert (memory.maps, memory.parameters, memory.momentum, memory.images) == (
        maps,
        136,
        136,
        images,
    )
    assert memory.total == maps + 3 * 136 + images
    assert tried(recipe=replace(RECIPE, momentum=0.0)).memory.momentum == 0


def test_a_map_that_two_layers_keep_is_counted_once():
    net, x = nn.Linear(3, 3, bias=False), torch.ones(5, 3, requires_grad=True)
    assert counts.bytes_for_backward(net, lambda: (net(x) + net(x)).sum()) == 4 * 15


def test_the_maps_grow_with_the_batch_and_the_parameters_do_not():
    digits = data.load("digits")
    net = models.build("resnet8", in_channels=1, widths=(4, 8, 16))
    images = torch.from_numpy(digits.normalize(digits.train.images[:64]))
    small, large = (
        counts.bytes_for_backward(net, lambda n=n: net(images[:n].clone()).sum()) for n in (16, 64)
    )
    assert 3.8 < large / small <= 4  # what batch norm keeps of a channel does not grow


def test_the_time_of_the_run_is_that_of_its_steps_and_evaluations():
    one, ten = tried(recipe=replace(RECIPE, epochs=1)), tried(recipe=replace(RECIPE, epochs=10))
    assert (one.steps, ten.steps) == (5, 50)
    assert one.run_seconds > one.steps * one.step_seconds > 0


@pytest.mark.parametrize(
    "recipe, net, said",
    [
        (replace(RECIPE, batch_size=64), Linear(), "larger than the 43 training images"),
        (
            RECIPE,
            nn.Sequential(nn.Flatten(), nn.Linear(16, 1)),
            "an output for each of the 2 classes",
        ),
    ],
)
def test_what_fit_refuses_is_refused(recipe, net, said):
    with pytest.raises(ValueError, match=said):
        tried(net, recipe=recipe)
