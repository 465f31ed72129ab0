"""A run is one run: what is resumed, evaluated, recorded or reproduced is what was asked for."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from stripes import DATA, RECIPE, Linear, fitted
from torch import nn

from resnet_tutorial import data, experiments, files, models, provenance, records, surgery, train
from resnet_tutorial.data import Dataset
from resnet_tutorial.experiments import EXPERIMENTS, Experiment, Run
from resnet_tutorial.models import BasicBlock, DroppedBranchBlock, PreActBasicBlock
from resnet_tutorial.train import Cosine, Recipe, loop
from resnet_tutorial.train.checkpoint import LAST, RECORD, WEIGHTS, RunFolder
from resnet_tutorial.train.distributed import World

BRIEF = Recipe(epochs=1, batch_size=400, schedule=Cosine(warmup=1))
NARROW = {"in_channels": 1, "widths": (4, 4, 4)}


class DroppedBlock(BasicBlock):
    """A block with a value of its own that changes no shape."""

    def __init__(self, *arguments, share=0.5):
        super().__init__(*arguments)
        self.share = share

    def branch(self, x):
        return nn.functional.dropout(super().branch(x), self.share, self.training)


def resnet8(**parts):
    torch.manual_seed(0)
    return models.build("resnet8", **NARROW | parts)


def brief(net, folder, **settings):
    return train.fit(net, data.load("digits"), BRIEF, device="cpu", folder=folder, **settings)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The folder of a run of the usual network."""
    folder = tmp_path_factory.mktemp("usual")
    brief(resnet8(), folder)
    return folder


@pytest.mark.parametrize(
    "net, named",
    [
        (lambda: resnet8(block=DroppedBranchBlock), "its variant is .*DroppedBranchBlock"),
        (lambda: resnet8(block=DroppedBlock), "asked for is {'block': 'DroppedBlock'}"),
        (lambda: resnet8(block=partial(DroppedBlock, share=0.1)), "DroppedBlock, share=0.1"),
        (lambda: resnet8(shortcut=models.option_a_dropped), "{'shortcut': 'option_a_dropped'}"),
        (lambda: resnet8(widths=(4, 4, 8)), r"widths': '\(4, 4, 4\)'}.*'\(4, 4, 8\)"),
        (lambda: surgery.without_batch_norm(resnet8()), "its (parameters|layers) is"),
        (lambda: exchanged_layer(resnet8()), r"its layers is .*asked for is {.*MaxPool2d"),
    ],
)
def test_another_network_is_not_taken_for_the_one_that_was_trained(usual, net, named):
    """All of them but one have weights of the same shapes, and would go on without a word."""
    before = (usual / RECORD).read_bytes()
    with pytest.raises(ValueError, match=f"holds another run: .*{named}"):
        brief(net(), usual, resume=True)
    assert (usual / RECORD).read_bytes() == before


def exchanged_layer(net):
    """Without a parameter, and without a name of its own."""
    net.maxpool = nn.MaxPool2d(1)
    return net


def test_another_number_of_processes_is_another_run(usual):
    """Batch norm sees each process's part."""
    net = resnet8().train()
    training = loop.Training(net, data.load("digits"), BRIEF, 0, World(0, 2))
    with RunFolder(usual) as place, pytest.raises(ValueError, match="processes is 1, .* is 2"):
        place.begin(training.identity(), resume=True)


def test_other_images_of_the_same_name_are_another_run(tmp_path):
    fitted(folder=tmp_path)
    other = Dataset("stripes", DATA.train, DATA.train, DATA.classes)
    with pytest.raises(ValueError, match="its data_fingerprint is"):
        fitted(dataset=other, folder=tmp_path, resume=True)


@pytest.mark.parametrize(
    "parts", [{"block": DroppedBranchBlock}, {"shortcut": models.option_a_dropped}]
)
def test_weights_of_exchanged_parts_are_not_evaluated_as_the_usual_network(tmp_path, parts):
    [(part, value)] = parts.items()
    brief(resnet8(**parts), tmp_path)
    word = f"'{part}': '{value.__name__}'"
    with pytest.raises(ValueError, match=f"with the parts {{.*{word}.*exchange the same ones"):
        resnet8(weights=tmp_path / WEIGHTS)
    assert resnet8(weights=tmp_path / WEIGHTS, **parts).variant == {
        "widths": "(4, 4, 4)", part: value.__name__,
    }  # fmt: skip


def test_weights_of_an_experiment_s_run_are_those_of_its_parts(tmp_path):
    """Its kind says where it started, not what it computes; a part may be named and the usual."""
    parts = (("widths", (4, 4, 4)), ("shortcut", models.option_a))
    Run("resnet8", BRIEF, 0, parts=parts).execute(tmp_path)
    assert resnet8(weights=tmp_path / WEIGHTS).variant == {"widths": "(4, 4, 4)"}


def test_a_network_says_in_what_it_differs_from_its_name():
    assert models.build("resnet8").variant == {}
    assert resnet8(block=PreActBasicBlock).variant == {
        "block": "PreActBasicBlock", "widths": "(4, 4, 4)",
    }  # fmt: skip
    record = fitted()[1]
    assert record.variant == {} and record.model == "Linear"


def test_a_finished_run_keeps_its_environment(tmp_path, monkeypatch):
    """Where and with what it was trained, and not where somebody looked at it."""
    _, record = fitted(folder=tmp_path)
    before = (tmp_path / RECORD).read_bytes()
    monkeypatch.setattr(provenance, "environment", lambda *_: {"device": "another one"})
    assert fitted(folder=tmp_path, resume=True)[1] == record
    assert (tmp_path / RECORD).read_bytes() == before
    (tmp_path / RECORD).unlink()  # as a kill after the last checkpoint leaves it
    assert fitted(folder=tmp_path, resume=True)[1] == record
    assert (tmp_path / RECORD).read_bytes() == before


def test_a_checkpoint_from_before_the_parts_were_noted_goes_on(tmp_path):
    whole, _ = fitted(folder=tmp_path)
    tensors, state = files.read_tensors(tmp_path / LAST)
    for name in ("variant", "layers", "processes"):
        del state["run"][name]
    files.write_tensors(tmp_path / LAST, tensors, state)
    again, _ = fitted(folder=tmp_path, resume=True)
    assert torch.equal(again.fc.weight, whole.fc.weight)


def test_a_run_is_finished_only_when_it_has_ended(tmp_path, monkeypatch):
    seen, measure = [], loop.Training.measure

    def watched(self, bar):
        measure(self, bar)
        seen.append(self.record.status)

    monkeypatch.setattr(loop.Training, "measure", watched)
    assert fitted()[1].status == "finished"
    assert seen == ["running"] * RECIPE.epochs


# Records


@pytest.fixture
def one_run(tmp_path, monkeypatch):
    """An experiment of one run, and the file of its record."""
    [run] = EXPERIMENTS["digits_recipe"].runs[:1]
    monkeypatch.setitem(EXPERIMENTS, "one", Experiment("Is it?", "training/recipe", [run]))
    [record] = experiments.recorded("digits_recipe")[:1]
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    path = tmp_path / "one" / f"{run.label}.json"
    replace(record, experiment="one").save(path)
    assert experiments.recorded("one") == [replace(record, experiment="one")]
    return path


@pytest.mark.parametrize(
    "change, named",
    [
        ({"model": "plain20"}, "its model is plain20, asked for is"),
        ({"seed": 7}, "its seed is 7, asked for is 0"),
        ({"data": "fashion_mnist"}, "its data is fashion_mnist"),
        ({"data_fingerprint": "0" * 16}, "its data_fingerprint is 0000"),
        ({"variant": {"kind": "Rescaled"}}, "its variant is {'kind': 'Rescaled'}"),
        ({"experiment": "another"}, "its experiment is another, asked for is one"),
        ({"recipe": {"lr": 0.4}}, "its recipe is {'lr': 0.4}"),
        ({"curve": 3}, "it has 3 epochs, asked for are"),
    ],
)  # fmt: skip
def test_a_record_of_another_run_is_not_the_one_asked_for(one_run, change, named):
    """Written by a run, so that nothing but its contents tells."""
    record = records.load(one_run)
    if "recipe" in change:
        change = {"recipe": record.recipe | change["recipe"]}
    if "curve" in change:
        change = {"curve": record.curve[:3]}
    replace(record, **change).save(one_run)
    with pytest.raises(ValueError, match=f"not the record of this run: {named}") as caught:
        experiments.recorded("one")
    assert "delete" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_number_changed_in_a_record_is_noticed(one_run):
    content = json.loads(one_run.read_text())
    content["curve"][-1]["test_error"] /= 2
    one_run.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="its checksum is wrong: it was changed or damaged"):
        experiments.recorded("one")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null"])
def test_an_empty_file_is_no_record(one_run, text):
    one_run.write_text(text)
    with pytest.raises(ValueError, match="not a readable record"):
        experiments.recorded("one")


def test_a_diverged_run_is_kept_in_json(tmp_path):
    _, record = fitted(replace(RECIPE, lr=1e30, schedule=train.Steps()), folder=tmp_path)
    assert record.status.startswith("diverged")
    text = (tmp_path / RECORD).read_text()

    def refuse(name):
        raise AssertionError(f"JSON has no {name}")

    json.loads(text, parse_constant=refuse)
    found = records.load(tmp_path / RECORD)
    assert str(found) == str(record)  # nan is not equal to itself
    assert not any(e.train_loss == 0 for e in found.curve)


def test_an_older_record_with_nan_is_read(tmp_path):
    record = replace(fitted()[1], status="diverged: loss nan in step 3, lr 1")
    record.save(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    del content["sha256"], content["guessing"]
    content["curve"][0]["train_loss"] = float("nan")
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert str(records.load(tmp_path / "a.json").curve[0].train_loss) == "nan"


def test_linear_layers_of_other_sizes_are_other_runs(tmp_path):
    class Wide(Linear):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(16, 3)

    Wide.__name__ = "Linear"
    fitted(folder=tmp_path)
    with pytest.warns(UserWarning, match="3 outputs for 2 classes"), pytest.raises(ValueError):
        fitted(model=Wide(), folder=tmp_path, resume=True)
