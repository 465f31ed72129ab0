from dataclasses import replace

import pytest
import torch

from resnet_tutorial import data, experiments, records, surgery
from resnet_tutorial.experiments import EXPERIMENTS, Extended, Rescaled, Run, Unnormalised, grid
from resnet_tutorial.train import Cosine, Recipe, fit

QUICK = Recipe(epochs=1, batch_size=400, schedule=Cosine(warmup=1))
RUN = Run("resnet8", QUICK, seed=1, parts=(("widths", (4, 4, 4)),))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_record_is_stale(name):
    """A record whose recipe, seed or data no longer are the experiment's would be misquoted."""
    fingerprints = {run.data: data.load(run.data).fingerprint for run in EXPERIMENTS[name]}
    for run, record in zip(EXPERIMENTS[name], experiments.recorded(name), strict=True):
        assert (record.model, record.seed) == (run.model, run.seed)
        assert record.recipe == run.recipe.as_dict()
        assert record.variant == run.variant
        assert record.data_fingerprint == fingerprints[run.data]
        assert record.experiment == name
        assert record.parameters == sum(p.numel() for p in run.build().parameters())
        assert record.status != "finished" or len(record.curve) == run.recipe.epochs


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_runs_of_an_experiment_have_different_labels(name):
    labels = [run.label for run in EXPERIMENTS[name]]
    assert len(labels) == len(set(labels))


def test_side_by_side_runs_equal_runs_alone():
    runs = [RUN, replace(RUN, seed=2)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = [run.execute() for run in runs]
    torch.set_num_threads(threads)
    for one, other in zip(alone, experiments.execute(runs, workers=2), strict=True):
        assert one.curve[-1].train_loss == other.curve[-1].train_loss
        assert one.seed == other.seed


def test_the_seed_decides_the_first_weights():
    weights = [replace(RUN, seed=seed).build().conv1.weight for seed in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_an_extended_run_starts_from_what_the_shallow_one_learned():
    shallow = Run("plain8", QUICK, seed=1, parts=RUN.parts)
    net = Extended("plain20", QUICK, seed=2, parts=RUN.parts, shallow=shallow).start()
    dataset = data.load("digits")
    twin = shallow.build()
    fit(twin, dataset, QUICK, seed=1, device="cpu")
    images = torch.from_numpy(dataset.normalize(dataset.test.images))
    assert len(net.layer1) == 3
    torch.testing.assert_close(net(images), twin.eval()(images), rtol=1e-4, atol=1e-4)


def test_a_rescaled_run_starts_from_the_same_function_with_equal_gradients():
    run = Rescaled("plain8", QUICK, seed=1, parts=RUN.parts)
    built, net = run.build().train(), run.start().train()
    dataset = data.load("digits")
    images = torch.from_numpy(dataset.normalize(dataset.train.images[:400]))
    labels = torch.from_numpy(dataset.train.labels[:400])
    torch.testing.assert_close(net(images), built(images), rtol=1e-3, atol=1e-3)
    before, after = (surgery.relative_gradients(n, images, labels) for n in (built, net))
    assert before.max() > 2 * before.min() and after.max() < 1.01 * after.min()


def test_an_unnormalised_run_has_no_batch_norm_and_the_same_kernels():
    run = Unnormalised("resnet8", QUICK, seed=1, parts=RUN.parts)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in run.start().modules())
    assert torch.equal(run.start().conv1.weight, RUN.start().conv1.weight)


def test_a_grid_is_every_model_with_every_seed():
    runs = grid(("plain8", "resnet8"), (0, 1), QUICK, data="digits")
    assert [run.label for run in runs] == [
        "plain8-seed0", "plain8-seed1", "resnet8-seed0", "resnet8-seed1",
    ]  # fmt: skip


def test_reproduce_runs_only_what_is_missing(tmp_path, monkeypatch, capsys):
    runs = [RUN, replace(RUN, seed=2)]
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    monkeypatch.setitem(EXPERIMENTS, "quick", runs)
    with pytest.raises(ValueError, match="quick: 2 of 2 records are missing .*run: python -m"):
        experiments.recorded("quick")
    there = replace(runs[0].execute(), experiment="quick", environment={"kept": True})
    there.save(tmp_path / "quick" / f"{runs[0].label}.json")
    experiments.reproduce("quick")
    assert [r.seed for r in experiments.recorded("quick")] == [1, 2]
    assert records.load(tmp_path / "quick" / f"{runs[0].label}.json").environment == {"kept": True}
    assert "resnet8-seed2: train" in capsys.readouterr().out


def test_an_unknown_experiment_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="unknown experiment 'digits_dept'; nearest: digits_depth"):
        experiments.reproduce("digits_dept")
