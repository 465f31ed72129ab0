import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from stripes import DATA, RECIPE, Linear, fitted
from torch import nn

from resnet_tutorial import train
from resnet_tutorial.data import Dataset, Split
from resnet_tutorial.train import Steps, loop


def test_the_stripes_are_learnt_and_the_record_says_what_evaluate_finds():
    model, record = fitted()
    assert record.curve[-1].train_loss < 0.1 < record.curve[0].train_loss
    assert (record.train_error, record.test_error) == train.evaluate(model, DATA) == (0.0, 0.0)
    assert (record.status, record.data, record.parameters) == ("finished", "stripes", 34)
    assert len(record.curve) == 3


def test_equal_arguments_give_equal_weights_and_another_seed_other_ones():
    weights = [fitted(seed=seed)[0].fc.weight for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_one_epoch_equals_sgd_written_out():
    """v = mu v + g + wd p, p = p - lr v: PyTorch's convention, decay on every parameter."""
    recipe = replace(RECIPE, epochs=1, momentum=0.9, weight_decay=0.01)
    model, _ = fitted(recipe, seed=5)
    by_hand = Linear()
    images = torch.from_numpy(DATA.normalize(DATA.train.images))
    labels = torch.from_numpy(DATA.train.labels)
    velocity = [torch.zeros_like(p) for p in by_hand.parameters()]
    order = torch.randperm(43, generator=torch.Generator().manual_seed(5))
    for step in range(5):  # 43 images, the incomplete batch left out
        chosen = order[8 * step : 8 * step + 8]
        loss = nn.functional.cross_entropy(by_hand(images[chosen]), labels[chosen])
        gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
        lr = 0.1 * RECIPE.schedule.factor(step, 5)
        with torch.no_grad():
            for p, v, g in zip(by_hand.parameters(), velocity, gradients, strict=True):
                v.mul_(0.9).add_(g + 0.01 * p)
                p.sub_(lr * v)
    for p, q in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-7)


def test_an_epoch_shows_every_image_at_most_once():
    seen = []

    class Watched(Linear):
        def forward(self, x):
            if self.training:
                seen.append(x)
            return super().forward(x)

    fitted(replace(RECIPE, epochs=1), model=Watched())
    assert len(torch.cat(seen)) == 40  # 43 images, the incomplete batch left out
    assert len(torch.cat(seen).unique(dim=0)) == 40


def test_the_model_keeps_its_mode_in_evaluation():
    model = Linear()
    for mode in (True, False):
        model.train(mode)
        train.evaluate(model, DATA)
        assert model.training is mode


def test_a_diverged_run_is_kept_and_says_where():
    _, record = fitted(replace(RECIPE, epochs=5, lr=1e30, schedule=Steps()))
    assert record.status.startswith("diverged: loss ") and "lr 1e+30" in record.status
    assert not math.isfinite(record.curve[-1].train_loss)
    assert len(record.curve) < 5


def test_clipping_bounds_the_step():
    free, _ = fitted(replace(RECIPE, epochs=1, momentum=0.0, weight_decay=0.0))
    bounded, _ = fitted(replace(RECIPE, epochs=1, momentum=0.0, weight_decay=0.0, clip=1e-4))
    start = Linear().fc.weight
    assert (bounded.fc.weight - start).norm() < 5 * 0.1 * 1e-4
    assert (free.fc.weight - start).norm() > 0.01


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="batch_size 64 is larger than the 43 training images"):
        fitted(replace(RECIPE, batch_size=64))


def test_the_bar_shows_loss_errors_and_images(capsys):
    train.fit(Linear(), DATA, RECIPE, device="cpu", progress=True)
    shown = capsys.readouterr().err
    assert "120/120" in shown and "images/s" in shown  # 3 epochs of 5 batches of 8
    assert "loss=" in shown and "train=0.0%" in shown and "test=0.0%" in shown
    train.fit(Linear(), DATA, RECIPE, device="cpu")
    assert capsys.readouterr().err == ""


class Noisy(Linear):
    def forward(self, x):
        return super().forward(nn.functional.dropout(x, 0.5, self.training))


def test_the_seed_decides_the_dropout_and_the_global_random_state_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    weights = []
    for seed in (0, 0, 1):
        model = Noisy()
        torch.manual_seed(3)
        train.fit(model, DATA, RECIPE, seed=seed, device="cpu")
        assert torch.equal(torch.rand(2), expected)
        weights.append(model.fc.weight)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_every_step_has_dropout_of_its_own():
    masks = []

    class Watched(Noisy):
        def forward(self, x):
            if self.training:
                masks.append(nn.functional.dropout(torch.ones(8, 16), 0.5, True))
            return super().forward(x)

    fitted(model=Watched())
    assert len(masks) == 15 and len(torch.stack(masks).flatten(1).unique(dim=0)) == 15


def test_bfloat16_rounds_the_forward_pass_and_leaves_the_weights_in_float32():
    seen = []

    class Watched(Linear):
        def forward(self, x):
            logits = super().forward(x)
            seen.append(logits.dtype)
            return logits

    model, record = fitted(replace(RECIPE, precision="bfloat16"), model=Watched())
    assert set(seen) == {torch.bfloat16} and model.fc.weight.dtype == torch.float32
    assert record.test_error == 0.0 and record.recipe["precision"] == "bfloat16"


def test_label_smoothing_is_in_the_training_loss():
    losses = [
        fitted(replace(RECIPE, label_smoothing=share))[1].curve[-1].train_loss
        for share in (0.0, 0.5)
    ]
    floor = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))  # no network can be below it
    assert losses[0] < floor < losses[1]


def test_evaluate_subtracts_the_mean_that_the_recipe_names():
    recipe = replace(RECIPE, per_pixel_mean=True)
    tilted = replace_train(np.where(np.arange(16).reshape(4, 4) < 8, 0, 60).astype(np.uint8))
    model = Linear()
    record = train.fit(model, tilted, recipe, device="cpu")
    assert train.evaluate(model, tilted, recipe) == (record.train_error, record.test_error)
    logits = [images for images, _ in train.Batches.of(tilted, tilted.test, "cpu", recipe)
              .normalized(99)]  # fmt: skip
    assert abs(logits[0].mean(0)).max() < abs(tilted.normalize(tilted.test.images).mean(0)).max()


def replace_train(offset):
    """The stripes, brighter by `offset` at each pixel."""
    parts = [Split(part.images + offset, part.labels) for part in (DATA.train, DATA.test)]
    return Dataset("tilted", *parts, DATA.classes)


def test_compile_hands_over_the_network_and_trains_the_same_weights(monkeypatch):
    compiled = []

    def pretend(model, mode):
        compiled.append((model, mode))
        return model

    monkeypatch.setattr(torch, "compile", pretend)
    model = Linear()
    train.fit(model, DATA, RECIPE, device="cpu", compile=True)
    assert compiled == [(model, "default")]
    assert torch.equal(model.fc.weight, fitted()[0].fc.weight)


def test_training_error_of_large_sets_is_measured_on_a_spread_part(monkeypatch):
    monkeypatch.setattr(loop, "MOST_TRAIN_ERROR_IMAGES", 4)
    _, record = fitted(replace(RECIPE, epochs=1, lr=1e-9))
    assert record.train_error in {0, 0.25, 0.5, 0.75, 1}
