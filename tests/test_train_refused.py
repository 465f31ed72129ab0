"""What could only fail or mislead is refused before the first step, and a lost run says so."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from stripes import DATA, RECIPE, Linear, fitted
from torch import nn

from resnet_tutorial import data, files, models, train
from resnet_tutorial.data import Dataset
from resnet_tutorial.records import Epoch, Record
from resnet_tutorial.train import Batches, Cosine, OneCycle, Recipe, checkpoint, loop
from resnet_tutorial.train.evaluation import batch_size, guessing, whole_float32
from resnet_tutorial.train.stopping import SIGNALS, Stop


def refused(match, **settings):
    with pytest.raises(ValueError, match=match) as caught:
        fitted(**settings)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def hostile():
    """What became of values that the type checker of this test run would stop."""
    script = [sys.executable, Path(__file__).with_name("hostile_script.py")]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "group, message",
    [
        ("seed", "seed must be a whole number in 0 to 2147483647, got"),
        ("recipe", "recipe: .* must be "),
        ("warmup", "schedule: warmup must be of type int, got 1.5"),
    ],
)
def test_values_that_could_not_be_recorded_are_refused_in_one_line(hostile, group, message):
    attempts = {k: v for k, v in hostile.items() if k.startswith(group)}
    assert len(attempts) >= 2
    for attempt, (kind, said) in attempts.items():
        assert kind == "Mistake" and re.match(message, said) and "\n" not in said, attempt
    if group == "recipe":  # the field is named
        assert all(k.split("'")[1] in v[1] for k, v in attempts.items())


def test_any_whole_number_is_a_seed(hostile):
    assert [v for k, v in hostile.items() if k.startswith("whole")] == [3, 3, 3]


def test_a_recipe_that_does_not_fit_the_images_is_refused():
    endless = replace(RECIPE, epochs=10**20)
    refused("0 epochs are .* steps, which never end; choose at most", recipe=endless)
    longer = replace(RECIPE, schedule=Cosine(warmup=16))
    refused("a warm-up of 16 steps is longer than the run of 15; choose", recipe=longer)
    fitted(replace(RECIPE, schedule=Cosine(warmup=15)))
    refused("padding 4 would crop .* of 4x4 pixels .* at most 3", recipe=replace(RECIPE, padding=4))
    fitted(replace(RECIPE, padding=3))


class Outputs(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        return self.fc(x.flatten(1))


def test_a_network_with_too_few_classes_is_refused_and_with_too_many_warned_of():
    refused("an output for each of the 2 classes, got outputs of shape \\(1,\\)", model=Outputs(1))
    with pytest.warns(UserWarning, match="1000 outputs for 2 classes.*num_classes=2"):
        fitted(model=Outputs(1000))


def test_the_question_to_the_network_changes_nothing():
    """Neither its running averages nor its mode nor the random numbers."""
    seen = []

    class Watched(Linear):
        def __init__(self):
            super().__init__()
            self.bn = nn.BatchNorm1d(16)

        def forward(self, x):
            if not self.training and not seen:
                seen.append(self.bn.num_batches_tracked.item())
            return super().forward(self.bn(x.flatten(1))[:, :, None, None])

    model, _ = fitted(model=Watched())
    assert seen == [0] and model.bn.num_batches_tracked == 15 and model.training


def test_batch_norm_of_a_single_value_is_refused_before_the_first_step():
    few = Dataset("few", data.load("digits").train.take(slice(8)), data.load("digits").test,
                  data.load("digits").classes)  # fmt: skip
    recipe = Recipe(epochs=1, batch_size=1, schedule=Cosine(warmup=1))
    net = models.build("resnet8", in_channels=1, widths=(4, 4, 4), strides=(2, 2, 2))
    with pytest.raises(ValueError, match="at least 2 images a step and process, got 1.*batch_size"):
        train.fit(net, few, recipe, device="cpu")
    wider = models.build("resnet8", in_channels=1, widths=(4, 4, 4))  # its last maps have 4 pixels
    assert train.fit(wider, few, recipe, device="cpu").status == "finished"


# Lost runs


def test_a_run_that_learned_nothing_says_so():
    """At a rate of 50 the loss is finite, and the network as good as a coin."""
    assert fitted()[1].problem == ""
    lost = fitted(replace(RECIPE, lr=1e-9, weight_decay=0.0), model=Blind())[1]
    assert lost.status == "finished"
    assert lost.problem.startswith("nothing was learned: the training error, ")
    assert "\n" not in lost.problem


class Blind(Linear):
    """Gives the same answer to everything."""

    def forward(self, x):
        return super().forward(torch.zeros_like(x))


@pytest.mark.parametrize(
    "counts, low, high", [([500, 500], 0.46, 0.47), ([990, 10], 0.003, 0.006), ([7], 0.0, 0.0)]
)
def test_guessing_is_judged_by_the_shares_of_the_classes(counts, low, high):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    assert low <= guessing(labels) <= high


def test_a_diverged_run_has_a_problem_and_an_older_record_of_a_bad_one_none():
    record = Record("a", {}, 0, "b", "c", 1, (Epoch(2.3, 0.9, 0.9, 1.0),))
    assert record.problem == ""  # nobody knows how it would be to guess
    assert "nothing was learned" in replace(record, guessing=0.88).problem
    lost = replace(record, status="diverged: loss nan in step 7, lr 50")
    assert lost.problem == "diverged: loss nan in step 7, lr 50; try a smaller lr, or clip 1"


class Bursting(Linear):
    """Its loss is finite in every step, and its weights are not after one of them."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def forward(self, x):
        if self.training:
            self.left -= 1
            if self.left == 0:
                self.fc.bias.register_hook(lambda gradient: gradient * math.nan)
        return super().forward(x)


@pytest.mark.parametrize("step", [5, 15])
def test_a_weight_that_is_no_number_is_not_saved_however_finite_the_loss(
    tmp_path, monkeypatch, step
):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    _, record = fitted(model=Bursting(step), folder=tmp_path)
    assert record.status.startswith(f"diverged: a weight is not finite after step {step}, lr ")
    tensors, state = files.read_tensors(tmp_path / checkpoint.LAST)
    assert checkpoint.finite(tensors) and state["step"] == step - 1


def test_stopped_when_it_is_lost_a_run_does_not_promise_to_go_on_from_there(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    step = loop.Training.take_step

    def take_step(self, *arguments):
        if self.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *arguments)

    monkeypatch.setattr(loop.Training, "take_step", take_step)
    with pytest.raises(train.Interrupted, match="stopped after step 3 .* from before it diverged"):
        fitted(model=Bursting(3), folder=tmp_path)
    assert files.read_tensors(tmp_path / checkpoint.LAST)[1]["step"] == 2


# Memory, precision, signals


def test_small_images_are_evaluated_a_thousand_at_a_time_and_large_ones_by_their_size():
    sizes = {side: batch_size(torch.empty(0, 3, side, side)) for side in (8, 32, 64, 224, 5000)}
    assert sizes == {8: 1000, 32: 1000, 64: 1000, 224: 81, 5000: 1}


def test_large_images_reach_the_network_in_batches_of_their_size():
    seen = []

    class Watched(nn.Module):
        def forward(self, x):
            seen.append(len(x))
            return x.mean((2, 3))

    train.predict(Watched(), torch.zeros(200, 1, 224, 224))
    assert seen == [81, 81, 38]


def test_float32_is_not_rounded_to_tf32_during_a_run_and_the_settings_come_back():
    seen = []

    class Watched(Linear):
        def forward(self, x):
            seen.append((torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()))
            return super().forward(x)

    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    try:
        fitted(model=Watched())
        train.evaluate(Watched(), DATA)
        assert set(seen) == {(False, "highest")}
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision("highest")
    with pytest.raises(KeyError), whole_float32():
        raise KeyError
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("signum", SIGNALS)
def test_every_signal_that_ends_a_program_is_noted_and_handed_back(signum):
    before = signal.getsignal(signum)
    with Stop() as stop:
        os.kill(os.getpid(), signum)
        assert stop.signum == signum
    assert signal.getsignal(signum) == before
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} == set(SIGNALS)


def test_what_a_program_was_told_to_ignore_stays_ignored():
    """As SIGHUP under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signum == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_of_a_shared_run_the_second_ctrl_c_ends_even_what_waits_outside_python():
    script = (
        "import os, signal, time\n"
        "from resnet_tutorial.train.stopping import Stop\n"
        "with Stop(shared=True) as stop:\n"
        "    os.kill(os.getpid(), signal.SIGINT); print(stop.signum, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT); print('still here')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "2\n"), done.stderr


def test_a_share_of_a_batch_is_all_that_is_computed(monkeypatch):
    """Drawn is for the whole batch, cropped is only this process's part."""
    cropped, crop = [], train.Augment._crop

    def watched(self, images, *drawn):
        cropped.append(len(images))
        return crop(self, images, *drawn)

    monkeypatch.setattr(train.Augment, "_crop", watched)
    batches = Batches.of(DATA, DATA.train, "cpu", Recipe(padding=1, flip=0.5))
    batches.augmented(torch.arange(40), torch.Generator(), slice(1, None, 4))
    assert cropped == [10]


def test_one_cycle_has_no_warm_up_to_be_too_long():
    fitted(replace(RECIPE, epochs=1, schedule=OneCycle()))
