"""Runs on few pictures, from scratch and from a pretrained net, on pictures made here."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from resnet_tutorial import data, experiments, files, models
from resnet_tutorial.experiments import on_transfer, transferring
from resnet_tutorial.experiments.transferring import HELD_OUT, WRONG, sample

RNG = np.random.default_rng(0)


def made(name, classes, each):
    """Noise around a colour of its own for each class."""
    labels = np.repeat(np.arange(classes), each)
    colours = RNG.integers(40, 200, (classes, 3, 1, 1))
    noise = RNG.normal(0, 20, (len(labels), 3, 32, 32))
    images = (colours[labels] + noise).clip(0, 255).astype(np.uint8)
    split = data.Split(images, labels)
    return data.Dataset(
        name, split, split.take(slice(None, None, 5)), tuple(map(str, range(classes)))
    )


SETS = {
    "tiny-imagenet-50": made("tiny-imagenet-50", 50, 60),
    "tiny-imagenet-150": made("tiny-imagenet-150", 150, 2),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Both sets are the made ones, and the pretrained net is any net."""
    parts = {"stage_sizes": (1, 1, 1), "widths": (4, 4, 4), "strides": (2, 2, 2)}

    monkeypatch.setattr(transferring, "loaded", SETS.__getitem__)
    return parts


def run(arm, tmp_path, monkeypatch, parts, **changes):
    """A short run of an arm; the net that it trained, and what it started from."""
    short = on_transfer.few(arm, 10, 0.05, seed=1)
    short = replace(short, passes=1, parts=tuple(parts.items()), **changes)
    torch.manual_seed(0)
    start = models.build(short.model, num_classes=150, **parts)
    start.fc = torch.nn.Linear(4, 50)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    kind = type(short)
    monkeypatch.setattr(kind, "start", lambda self: start)
    return short.execute(tmp_path / "run"), start, before


ARMS = {"whole": "", "frozen1": "conv1 bn1 layer1", "frozen2": "conv1 bn1 layer1 layer2"}
ARMS["probe"] = ARMS["frozen2"] + " layer3"


@pytest.mark.parametrize("arm", ARMS)
def test_what_is_frozen_does_not_move_and_all_else_does(arm, tmp_path, monkeypatch, small):
    """Weights, gamma, beta, and the moving averages of batch norm."""
    record, net, before = run(arm, tmp_path, monkeypatch, small)
    assert record.status == "finished"
    for name, value in net.state_dict().items():
        moved = not torch.equal(value, before[name])
        assert moved != (name.split(".")[0] in ARMS[arm].split()), name


def test_the_record_is_of_the_run_and_says_which_pictures_were_wrong(tmp_path, monkeypatch, small):
    record, net, _ = run("probe", tmp_path, monkeypatch, small)
    assert record.data_fingerprint == data.FINGERPRINTS["tiny-imagenet-50"]
    assert record.variant["frozen"] == "3" and len(record.curve) == 1
    [(label, wrong)] = files.read_tensors(tmp_path / "run" / WRONG)[0].items()
    assert label == "probe-10-seed1" and len(wrong) == len(SETS["tiny-imagenet-50"].test)
    assert wrong.double().mean().item() == pytest.approx(record.test_error)


def test_a_run_of_a_frozen_net_goes_on(tmp_path, monkeypatch, small):
    """Its checkpoint holds momentum of what is trained, and of nothing else."""
    first = run("frozen2", tmp_path, monkeypatch, small)[0]
    again = run("frozen2", tmp_path, monkeypatch, small)[0]  # from the last checkpoint
    assert again.curve == first.curve


def test_pixels_are_scaled_as_in_pretraining_and_each_picture_comes_as_often_as_said():
    few = on_transfer.few("scratch", 10, 0.1, seed=2).few()
    source = SETS["tiny-imagenet-150"]
    assert (few.mean == source.mean).all() and (few.std == source.std).all()
    times = Counter(image.tobytes() for image in few.train.images)
    assert len(times) == 500 and {*times.values()} == {on_transfer.PASSES[10]}
    assert np.bincount(few.train.labels).tolist() == [10 * on_transfer.PASSES[10]] * 50


def test_a_rate_is_chosen_on_training_pictures_that_nobody_learned_from(monkeypatch):
    monkeypatch.setattr(transferring, "HELD_OUT", 5)
    target = SETS["tiny-imagenet-50"]
    few = on_transfer.few("scratch", 50, 0.1, seed=3, judged_on="held-out").few()
    seen = {image.tobytes() for image in few.train.images}
    judged = {image.tobytes() for image in few.test.images}
    assert len(judged) == 250 and not seen & judged
    assert judged <= {image.tobytes() for image in target.train.images}
    assert HELD_OUT + 250 <= 500  # with all 500 pictures a class, even the largest sample is apart


def test_every_seed_draws_other_pictures():
    target = SETS["tiny-imagenet-50"]
    one, same, other = (set(sample(target, 10, seed)) for seed in (0, 0, 1))
    assert one == same and len(one & other) < 250


def test_the_arms_of_a_size_take_equal_steps():
    runs = experiments.EXPERIMENTS["transfer"].runs
    for size in on_transfer.PASSES:
        costs = {run.cost for run in runs if run.pictures == size}
        assert len(costs) == 1
    assert {run.seed for run in runs}.isdisjoint({on_transfer.SEED_OF_RATES})
