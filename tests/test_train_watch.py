"""Looking on at a run: it changes nothing, and what it tells is right."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from stripes import DATA, RECIPE, Linear, fitted
from torch import nn

from resnet_tutorial import data, figures_of_runs, models, train
from resnet_tutorial.data import Dataset, Split
from resnet_tutorial.records import Epoch, Record
from resnet_tutorial.train import (
    History,
    Plot,
    Several,
    Step,
    Steps,
    TensorBoard,
    Warnings,
    Watch,
    symptoms,
)


def seen(recipe=RECIPE, model=None, **settings):
    """The trained net, its record, and the History of the run."""
    history = History()
    return *fitted(recipe, model=model, watch=history, **settings), history


# What is measured


def test_a_watched_run_takes_the_same_steps_bit_by_bit(tmp_path):
    """Of a net with batch norm, augmentation, clipping, and a watch that draws random numbers."""

    class Restless(Watch):
        def step(self, step):
            torch.rand(3)

        def epoch(self, record, test_images):
            torch.rand(3)

    digits, trained = data.load("digits"), []
    recipe = train.Recipe(epochs=2, padding=1, clip=1.0)
    for watch in (None, Several(Restless(), History(), Plot(tmp_path / "a.png"), Warnings())):
        torch.manual_seed(0)
        net = models.build("resnet8", in_channels=1, widths=(4, 8, 16))
        record = train.fit(net, digits, recipe, device="cpu", watch=watch)
        trained.append((net.state_dict(), [replace(e, seconds=0.0, processor_seconds=0.0)
                                           for e in record.curve]))  # fmt: skip
    assert trained[0][1] == trained[1][1]
    assert all(torch.equal(value, trained[1][0][name]) for name, value in trained[0][0].items())


def test_an_unwatched_run_measures_nothing(monkeypatch):
    monkeypatch.setattr("resnet_tutorial.train.meter.norm", None)
    fitted()


def test_the_steps_that_are_told_are_every_twentieth_and_the_last_of_an_epoch():
    _, record, history = seen()
    assert [step.step for step in history.steps] == [5, 10, 15]
    assert [step.epoch for step in history.steps] == [1.0, 2.0, 3.0]
    assert history.record.curve == record.curve
    *_, history = seen(replace(RECIPE, epochs=2, batch_size=1))
    assert [step.step for step in history.steps] == [20, 40, 43, 60, 80, 86]


@pytest.mark.parametrize("clip", [math.inf, 1e-3])
def test_loss_rate_gradient_and_update_are_those_of_one_step_by_hand(clip):
    """One step an epoch, without momentum: dw = -lr g, and of g only what clipping leaves."""
    recipe = replace(RECIPE, epochs=1, batch_size=43, momentum=0.0, weight_decay=0.0,
                     schedule=Steps(), clip=clip)  # fmt: skip
    _, _, history = seen(recipe)
    [step] = history.steps
    net = Linear()
    images = torch.from_numpy(DATA.normalize(DATA.train.images))
    loss = nn.functional.cross_entropy(net(images), torch.from_numpy(DATA.train.labels))
    loss.backward()
    gradient = math.hypot(*(p.grad.norm().item() for p in net.parameters()))
    weights = math.hypot(*(p.norm().item() for p in net.parameters()))
    assert (step.loss, step.lr) == (pytest.approx(loss.item(), rel=1e-5), 0.1)
    assert step.gradient == step.gradients["fc"] == pytest.approx(gradient, rel=1e-5)
    share = 0.1 * min(gradient, clip) / weights
    assert step.updates == {"fc": pytest.approx(share, rel=1e-3)}


def test_the_loss_that_is_told_is_the_mean_of_the_epoch_where_that_is_short():
    _, record, history = seen()
    for epoch, step in zip(record.curve, history.steps, strict=True):
        assert step.loss == pytest.approx(epoch.train_loss)


def test_frozen_layers_have_no_gradient_to_tell():
    net = models.build("resnet8", in_channels=1, num_classes=2, widths=(4, 8, 16))
    net.layer1.requires_grad_(False)
    *_, history = seen(model=net)
    assert set(history.steps[0].gradients) == {"conv1", "bn1", "layer2", "layer3", "fc"}
    assert history.steps[0].updates.keys() == history.steps[0].gradients.keys()


def test_the_seconds_of_waiting_are_those_of_making_the_batches(monkeypatch):
    clock = [0.0]
    augmented = train.Batches.augmented
    monkeypatch.setattr("resnet_tutorial.train.meter.time.perf_counter", lambda: clock[0])

    def late(self, *arguments):
        clock[0] += 2.0
        return augmented(self, *arguments)

    class Slow(Linear):
        def forward(self, x):
            clock[0] += 0.5 * self.training
            return super().forward(x)

    monkeypatch.setattr(train.Batches, "augmented", late)
    *_, history = seen(model=Slow())
    for step in history.steps:  # five steps, and nothing of the evaluation between them
        assert (step.waited, step.seconds) == (10.0, 12.5)


def test_a_watch_is_closed_also_when_the_run_ends_in_an_error():
    class Closing(Watch):
        closed = 0

        def step(self, step):
            raise KeyError("mine")

        def close(self):
            self.closed += 1

    watch = Closing()
    with pytest.raises(KeyError, match="mine"):
        fitted(watch=watch)
    assert watch.closed == 1


def test_a_full_disk_ends_no_run():
    class Full(Watch):
        def epoch(self, record, test_images):
            raise OSError("no space left")

    with pytest.warns(UserWarning, match="no space left; the run goes on"):
        assert fitted(watch=Full())[1].status == "finished"


# The picture


def test_the_picture_is_there_after_the_first_epoch_and_again_at_the_end(tmp_path, monkeypatch):
    drawn, run = [], figures_of_runs.run
    monkeypatch.setattr(figures_of_runs, "run", lambda r, s: drawn.append((r, [*s])) or run(r, s))
    fitted(watch=Plot(tmp_path / "curves.png"))
    assert len(drawn[0][0].curve) == 1 and len(drawn[-1][0].curve) == 3
    assert [step.step for step in drawn[-1][1]] == [5, 10, 15]
    with Image.open(tmp_path / "curves.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


def test_the_panels_show_what_was_told():
    _, record, history = seen()
    axes = figures_of_runs.run(record, history.steps)
    errors = [100 * epoch.test_error for epoch in record.curve]
    assert axes[0].lines[1].get_ydata().tolist() == errors
    assert axes[1].lines[0].get_ydata().tolist() == [step.loss for step in history.steps]
    assert axes[2].lines[0].get_ydata().tolist() == [step.lr for step in history.steps]
    assert axes[3].lines[0].get_ydata().tolist() == [step.gradient for step in history.steps]
    assert axes[4].lines[0].get_ydata().tolist() == [step.updates["fc"] for step in history.steps]
    figures_of_runs.plt.close("all")


# Event files


def test_the_event_files_hold_what_was_told(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = History()
    _, record = fitted(watch=Several(history, TensorBoard(tmp_path)))
    found = EventAccumulator(str(tmp_path)).Reload()

    def read(name):
        return [(event.step, event.value) for event in found.Scalars(name)]

    assert read("loss") == [(s.step, pytest.approx(s.loss)) for s in history.steps]
    assert read("lr") == [(s.step, pytest.approx(s.lr)) for s in history.steps]
    assert read("gradient norm/fc") == [(s.step, pytest.approx(s.gradient)) for s in history.steps]
    assert read("update over weight/fc")[0][1] == pytest.approx(history.steps[0].updates["fc"])
    errors = [(i, pytest.approx(e.test_error)) for i, e in enumerate(record.curve, start=1)]
    assert read("error/test") == errors


def test_without_the_library_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r'pip install "resnet_tutorial\[tensorboard\]"'):
        TensorBoard(tmp_path)


# Warnings: each provoked by a run or a made curve, and absent from a healthy one


def heard(recipe=RECIPE, model=None, dataset=DATA):
    lines = []
    fitted(recipe, model=model, dataset=dataset, watch=Warnings(lines.append))
    return lines


@pytest.mark.parametrize("name", ["resnet8", "plain8"])
def test_a_healthy_run_of_the_digits_is_not_warned_of(name):
    torch.manual_seed(1)
    net = models.build(name, in_channels=1, widths=(4, 8, 16))
    digits, lines = data.load("digits"), []
    warned = Warnings(lines.append)
    train.fit(net, digits, train.Recipe(epochs=5), device="cpu", watch=warned)
    assert lines == [] == list(warned.said)


class Deep(Linear):
    """Two layers: the loss of one alone cannot explode."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 16)

    def forward(self, x):
        return self.fc(self.first(x.flatten(1)))


def noise():
    """Images and labels that have nothing to do with each other: no step gets them all right."""
    rng = np.random.default_rng(0)
    parts = (
        Split(rng.integers(0, 256, (40, 1, 4, 4), dtype=np.uint8), rng.integers(0, 2, 40))
        for _ in range(2)
    )
    return Dataset("noise", *parts, ("a", "b"))


@pytest.mark.parametrize("lr", [3.0, 1e30])
def test_a_run_that_diverges_is_told_once(lr):
    lines = heard(replace(RECIPE, epochs=20, lr=lr, schedule=Steps(())), Deep(), noise())
    told = [line for line in lines if "the loss" in line or "diverged" in line]
    assert len(told) == 1 and "try a smaller lr" in told[0]


@pytest.mark.parametrize(
    "losses, told",
    [
        ([2.3, 1.0, 0.1, 0.3], False),  # below the first: a bad batch
        ([2.3, 2.4, 2.5, 2.6], False),
        ([2.3, 2.0, 4.2], True),
        ([2.3, math.nan], True),
        ([0.01, 0.4], False),  # a net that was trained before
    ],
)
def test_a_loss_grows_when_it_is_twice_the_least_and_above_the_first(losses, told):
    lines = []
    watch = Warnings(lines.append)
    for i, loss in enumerate(losses):
        watch.step(Step(20 * i, float(i), loss, 0.1, {"fc": 1.0}, {"fc": 0.1}, 0.0, 1.0))
    assert bool(lines) == told


class Blind(Linear):
    def forward(self, x):
        return self.fc(torch.zeros_like(x.flatten(1)))


def test_a_net_that_guesses_is_told_after_three_epochs():
    [line] = [x for x in heard(replace(RECIPE, epochs=5), Blind()) if "guess" in x]
    assert line.startswith("after 3 epochs the net still guesses: its training error is ")


def test_a_dead_net_is_told():
    class Dead(Linear):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(16, 16)
            nn.init.constant_(self.first.bias, -1000.0)

        def forward(self, x):
            return self.fc(self.first(x.flatten(1)).relu())

    [line] = [x for x in heard(replace(RECIPE, epochs=5), Dead()) if "gradient" in x]
    assert line.startswith("no gradient reaches first: ") and "after step 15" in line


def test_a_layer_that_no_gradient_ever_reaches_is_told():
    """Behind a detach the gradient is None, and no small number."""

    class Cut(Linear):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(16, 16)

        def forward(self, x):
            return self.fc(self.first(x.flatten(1)).detach())

    [line] = [x for x in heard(replace(RECIPE, epochs=5), Cut()) if "gradient" in x]
    assert line.startswith("no gradient reaches first: ")


def test_a_gradient_that_is_faint_now_and_then_is_not_dead():
    lines = []
    watch = Warnings(lines.append)
    for i, gradient in enumerate([0.0, 0.0, 1.0, 0.0, 0.0, 1.0]):
        gradients = {"first": gradient, "fc": 1.0}
        watch.step(Step(i, float(i), 1.0, 0.1, gradients, gradients, 0.0, 1.0))
    assert lines == []


@pytest.mark.parametrize("waited, told", [(0.45, False), (0.55, True)])
def test_data_that_keep_the_net_waiting_are_told(waited, told):
    lines = []
    watch = Warnings(lines.append)
    for i in range(10):
        watch.step(Step(i, float(i), 1.0, 0.1, {"fc": 1.0}, {"fc": 0.1}, waited, 1.0))
    assert lines == [symptoms.waiting(waited)] * told


def test_late_first_batches_are_no_waiting():
    lines = []
    watch = Warnings(lines.append)
    for waited in (0.9, 0.1, 0.1, 0.1):
        watch.step(Step(1, 1.0, 1.0, 0.1, {"fc": 1.0}, {"fc": 0.1}, waited, 1.0))
    assert lines == []


EPOCHS = np.arange(20)
FALLING = 0.5 * 0.8**EPOCHS
NOISE = np.random.default_rng(0).normal(size=(200, 20))


def overfits(train_errors, test_errors, images=1000):
    """Whether any epoch of these curves is told."""
    train_errors, test_errors = (np.asarray(e).tolist() for e in (train_errors, test_errors))
    return any(symptoms.overfitting(train_errors[:n], test_errors[:n], images)
               for n in range(1, len(train_errors) + 1))  # fmt: skip


@pytest.mark.parametrize(
    "test_errors, told",
    [
        (FALLING, False),
        (0.2 + FALLING, False),  # a gap alone
        (np.maximum(FALLING, 0.3), False),  # flat
        (np.where(EPOCHS < 8, 0.3 - 0.02 * EPOCHS, 0.01 * EPOCHS + 0.08), True),
        (np.where(EPOCHS == 10, 0.9, FALLING), False),  # one bad epoch
    ],
)
def test_overfitting_is_a_held_out_error_that_rises_while_the_training_error_falls(
    test_errors, told
):
    assert overfits(FALLING, test_errors) == told


def test_both_errors_rising_are_no_overfitting():
    rising = np.where(EPOCHS < 8, 0.3 - 0.02 * EPOCHS, 0.01 * EPOCHS + 0.08)
    assert not overfits(rising, rising)


def test_chance_is_seldom_taken_for_overfitting():
    """Held-out errors that are flat, measured each time on other images: the worst case."""
    deviation = math.sqrt(0.2 * 0.8 / 100)
    told = sum(overfits(FALLING, 0.2 + deviation * noise, images=100) for noise in NOISE)
    assert told <= 0.1 * len(NOISE)


def test_a_run_that_overfits_is_told():
    lines = []
    watch = Warnings(lines.append)
    for n in range(1, 16):
        curve = tuple(Epoch(1.0, 0.3 / i, 0.1 + 0.02 * i, float(i)) for i in range(1, n + 1))
        watch.epoch(Record("net", {}, 0, "d", "", 1, curve, "running", guessing=0.9), 1000)
    [line] = lines
    assert line.startswith("the net overfits: since epoch 2 ") and "more images" in line


def test_a_line_goes_to_stderr_and_leaves_the_bar_whole(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Warnings().step(Step(1, 1.0, math.nan, 0.1, {"fc": 1.0}, {"fc": 0.1}, 0.0, 1.0))
    assert capsys.readouterr().err.startswith(
        "warning: the loss is no longer a number after step 1"
    )
