"""How a pretrained network is trained on: what learns when and how fast, and that it resumes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import training_script

from resnet_tutorial import Mistake, data, files, models, records, train
from resnet_tutorial.data import Dataset
from resnet_tutorial.models import weights
from resnet_tutorial.train import Tuning, layers, loop
from resnet_tutorial.train.checkpoint import LAST, WEIGHTS
from resnet_tutorial.train.recipe import Cosine, Recipe

SHORT = Recipe(epochs=2, batch_size=200, schedule=Cosine(warmup=2), weight_decay=0.1)
BODY = ("conv1", "bn1", "layer1", "layer2", "layer3")
WHOLE = Tuning(frozen_epochs=1, layer_decay=0.5, head_factor=2.0, decay_norms=False)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def half(first):
    """The digits 0 to 4, or 5 to 9, as five classes."""
    digits, chosen = data.load("digits"), np.arange(5) + (0 if first else 5)
    parts = []
    for split in (digits.train, digits.test):
        part = split.take(np.isin(split.labels, chosen))
        parts.append(replace(part, labels=part.labels - chosen[0]))
    return Dataset(f"digits {chosen[0]} to {chosen[-1]}", *parts, tuple(map(str, chosen)))


def network(block=models.BasicBlock):
    torch.manual_seed(0)
    return models.build("resnet8", 5, in_channels=1, widths=(4, 4, 4), block=block)


def fitted(tuning, recipe=SHORT, net=None, **settings):
    net = net or network()
    return net, train.fit(net, half(False), recipe, device="cpu", tuning=tuning, **settings)


def curve(record):
    return [(e.train_loss, e.train_error, e.test_error) for e in record.curve]


def state(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def moved(before, net):
    """The first part of the name of all tensors that changed."""
    return {k.split(".")[0] for k, v in net.state_dict().items() if not torch.equal(before[k], v)}


def test_the_defaults_change_nothing():
    (plain, before), (tuned, after) = fitted(None), fitted(Tuning())
    assert curve(before) == curve(after)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, tuned.state_dict()[name])


def test_while_it_is_frozen_only_the_head_learns_and_no_average_moves():
    net = network(models.DroppedBranchBlock)
    before = state(net)
    fitted(Tuning(frozen_epochs=2), net=net)
    assert moved(before, net) == {"fc"}
    assert net.training and all(p.requires_grad for p in net.parameters())


def test_after_it_everything_learns():
    net = network()
    before = state(net)
    fitted(Tuning(frozen_epochs=1), net=net)
    assert moved(before, net) == {*BODY, "fc"}


@pytest.mark.parametrize("frozen_epochs", [0, 1])
@pytest.mark.parametrize("stages", [0, 1, 3])
def test_frozen_stages_and_the_stem_never_learn(stages, frozen_epochs):
    net = network()
    before = state(net)
    fitted(Tuning(frozen_stages=stages, frozen_epochs=frozen_epochs), net=net)
    assert moved(before, net) == {*BODY[stages + 2 if stages else 0 :], "fc"}
    assert net.training and all(p.requires_grad for p in net.parameters())


def test_more_stages_than_there_are_cannot_be_frozen(tmp_path):
    with pytest.raises(Mistake, match="frozen_stages is 4, but the network has 3 stages"):
        fitted(Tuning(frozen_stages=4), folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "batch_norm, still",
    [
        ("batch-statistics", set()),
        ("frozen-statistics", {"running_mean", "running_var", "num_batches_tracked"}),
        ("frozen", {"running_mean", "running_var", "num_batches_tracked", "weight", "bias"}),
    ],
)
def test_batch_norm_does_what_its_choice_says(batch_norm, still):
    net = network()
    before = state(net)
    fitted(Tuning(batch_norm=batch_norm), net=net)
    names = {name for name, _ in net.bn1.named_parameters()} | dict(net.bn1.named_buffers()).keys()
    found = {n for n in names if torch.equal(before[f"bn1.{n}"], net.state_dict()[f"bn1.{n}"])}
    assert found == still
    assert not torch.equal(before["layer1.0.conv1.weight"], net.layer1[0].conv1.weight)


def first_step(tuning, recipe, monkeypatch):
    """How far each tensor goes in the first step, and its gradient."""
    net = network()
    before, found = state(net), {}
    take_step = loop.Training.take_step

    def watched(self, *arguments):
        loss = take_step(self, *arguments)
        if self.step == 0:
            for name, p in net.named_parameters():
                found[name] = (p.detach() - before[name]), p.grad.clone()
        return loss

    monkeypatch.setattr(loop.Training, "take_step", watched)
    fitted(tuning, recipe, net)
    return before, found


def test_the_rate_of_each_stage_and_the_decay_are_as_said(monkeypatch):
    tuning = Tuning(layer_decay=0.5, head_factor=3.0, decay_norms=False)
    recipe = replace(SHORT, epochs=1, lr=0.1)
    before, found = first_step(tuning, recipe, monkeypatch)
    factors = {"conv1": 1 / 16, "bn1": 1 / 16, "layer1": 1 / 8, "layer2": 1 / 4, "layer3": 1 / 2}
    for name, (step, gradient) in found.items():
        rate = 0.1 / 2 * (factors | {"fc": 3.0})[name.split(".")[0]]  # first of two warm-up steps
        decay = 0.1 if name.endswith("weight") and before[name].ndim > 1 else 0.0
        expected = -rate * (gradient + decay * before[name])
        torch.testing.assert_close(step, expected, rtol=1e-3, atol=1e-6)


def test_every_parameter_is_in_one_group():
    for name in ("resnet20", "preact_resnet110", "resnet18"):
        with torch.device("meta"):
            net = models.build(name)
        found = [p for g in layers.groups(net, WHOLE, SHORT) for p in g["params"]]
        assert sorted(map(id, found)) == sorted(map(id, net.parameters()))


@pytest.mark.parametrize("step", [1, 3, 4])
@pytest.mark.parametrize("tuning", [WHOLE, replace(WHOLE, batch_norm="frozen")])
def test_a_stopped_run_ends_at_the_same_weights(tuning, step, tmp_path, monkeypatch):
    """Stopped while the body is frozen (three steps are an epoch), at its end, and behind it."""
    whole, record = fitted(tuning)
    take_step = loop.Training.take_step

    def stopping(self, *arguments):
        self.stop.signum = 2 * (self.step + 1 == step)
        return take_step(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(loop.Training, "take_step", stopping)
        with pytest.raises(train.Interrupted):
            fitted(tuning, folder=tmp_path / "run")
    assert files.read_tensors(tmp_path / "run" / LAST)[1]["step"] == step
    resumed, again = fitted(tuning, folder=tmp_path / "run", resume=True)
    assert curve(again) == curve(record)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_another_tuning_or_normalisation_is_another_run(tmp_path):
    fitted(WHOLE, folder=tmp_path / "run")
    for other in (None, replace(WHOLE, frozen_epochs=2)):
        with pytest.raises(Mistake, match="holds another run: its variant"):
            fitted(other, folder=tmp_path / "run", resume=True)
    _, record = fitted(None)
    assert record.variant == network().variant  # existing records stay as they are
    dataset = half(False).normalized_as(half(True).inputs())
    record = train.fit(network(), dataset, replace(SHORT, epochs=1), device="cpu")
    assert record.variant.keys() - network().variant.keys() == {"normalization"}


def test_a_run_keeps_how_pictures_become_its_input(tmp_path):
    dataset = half(False).normalized_as(half(True).inputs())
    train.fit(network(), dataset, SHORT, device="cpu", folder=tmp_path / "run", tuning=Tuning())
    net = models.build("resnet8", weights=tmp_path / "run", widths=(4, 4, 4))
    assert net.inputs.classes == ("5", "6", "7", "8", "9") and net.inputs.shape == (1, 8, 8)
    assert net.inputs.mean == half(True).mean and net.inputs.std == half(True).std
    assert records.load(tmp_path / "run" / "record.json").variant["start"] == "new weights"
    assert weights.load(tmp_path / "run" / WEIGHTS)[1]["inputs"] == net.inputs.as_dict()


def test_the_mean_image_of_a_recipe_is_kept(tmp_path):
    recipe = replace(SHORT, epochs=1, per_pixel_mean=True)
    train.fit(network(), half(True), recipe, device="cpu", folder=tmp_path / "run")
    net = models.build("resnet8", weights=tmp_path / "run", widths=(4, 4, 4))
    assert np.array_equal(net.inputs.mean, half(True).pixel_mean)
    other = replace(half(False), train=data.Split(np.zeros((2, 1, 9, 9), np.uint8), np.arange(2)),
                    test=data.Split(np.zeros((2, 1, 9, 9), np.uint8), np.arange(2)))  # fmt: skip
    mean = other.normalized_as(net.inputs).mean
    assert mean.shape == (1, 1, 1) and mean.item() == pytest.approx(net.inputs.mean.mean())
    with pytest.raises(Mistake, match="weights are for images of 1 channels, these have 3"):
        pixels = np.zeros((2, 3, 8, 8), np.uint8)
        split = data.Split(pixels, np.arange(2))
        replace(half(True), train=split, test=split).normalized_as(net.inputs)


def test_images_that_are_not_normalised_as_for_the_weights_are_told():
    net = network()
    net.inputs = half(True).inputs()
    with pytest.warns(UserWarning, match=r"give fit dataset.normalized_as\(net.inputs\)"):
        fitted(Tuning(), net=net)
    train.fit(net, half(False).normalized_as(net.inputs), SHORT, device="cpu", tuning=Tuning())


@pytest.mark.parametrize(
    "values, said",
    [
        ({"frozen_epochs": -1}, "frozen_epochs must be a whole number from 0, got -1"),
        ({"frozen_stages": True}, "frozen_stages must be a whole number from 0, got True"),
        ({"layer_decay": 1.5}, r"layer_decay must be in \(0, 1\], got 1.5"),
        ({"head_factor": 0.0}, "head_factor must be positive, got 0.0"),
        ({"head_factor": float("inf")}, "head_factor must be positive, got inf"),
        ({"head_factor": float("nan")}, "head_factor must be positive, got nan"),
    ],
)
def test_values_that_make_no_tuning_are_told(values, said):
    with pytest.raises(Mistake, match=said):
        Tuning(**values)


def test_a_network_without_stages_is_refused():
    with pytest.raises(Mistake, match="tuning needs a network of models.build"):
        fitted(Tuning(), net=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5)))


def test_pretrained_on_the_other_digits_it_learns_from_few_examples(tmp_path):
    """From 25 pictures of the digits 5 to 9; errors: 0.28, and with four seeds 0.53 to 0.73."""

    def wide(**settings):
        torch.manual_seed(11)
        return models.build("resnet8", 5, widths=(8, 16, 16), in_channels=1, **settings)

    recipe = Recipe(epochs=8, batch_size=60, lr=0.1, schedule=Cosine(warmup=5))
    train.fit(wide(), half(True), recipe, device="cpu", folder=tmp_path / "a")
    few = half(False)
    few = replace(few, train=few.train.take(slice(25)))
    recipe = Recipe(epochs=20, batch_size=25, lr=0.02, schedule=Cosine(warmup=2))
    scratch = train.fit(wide(), few, recipe, device="cpu")
    net = wide(weights=tmp_path / "a")
    few = few.normalized_as(net.inputs)
    tuned = train.fit(net, few, recipe, device="cpu", tuning=Tuning(layer_decay=0.9))
    assert tuned.test_error < scratch.test_error - 0.1


def test_the_script_s_checkpoints_hold_all_momentum(tmp_path):
    """Without a tuning a checkpoint that lacks some is refused, as ever."""
    net = training_script.network()
    recipe = training_script.recipe(epochs=1)
    train.fit(net, data.load("digits"), recipe, device="cpu", folder=tmp_path / "run")
    tensors, about = files.read_tensors(tmp_path / "run" / LAST)
    del tensors["momentum.conv1.weight"]
    files.write_tensors(tmp_path / "run" / LAST, tensors, about)
    with pytest.raises(Mistake, match="momentum.conv1.weight should be .*, is absent"):
        train.fit(training_script.network(), data.load("digits"), recipe, device="cpu",
                  folder=tmp_path / "run", resume=True)  # fmt: skip
