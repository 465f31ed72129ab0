import contextlib
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from resnet_tutorial import data, experiments, models, records, surgery
from resnet_tutorial.experiments import (
    EXPERIMENTS,
    Decayed,
    Experiment,
    Extended,
    Levelled,
    Rescaled,
    Run,
    Unnormalized,
    grid,
)
from resnet_tutorial.train import Cosine, Recipe, fit

QUICK = Recipe(epochs=1, batch_size=400, schedule=Cosine(warmup=1))
RUN = Run("resnet8", QUICK, seed=1, parts=(("widths", (4, 4, 4)),))


def test_only_what_takes_long_may_lack_records():
    for name in experiments.all_missing():
        assert EXPERIMENTS[name].long, f"run: resnet-tutorial reproduce {name}"
    assert EXPERIMENTS["cifar10_paper"].long and not EXPERIMENTS["fashion_depth"].long


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_record_is_stale(name):
    """A record whose recipe, seed or data no longer are the experiment's would be misquoted."""
    absent = experiments.missing(name)
    runs = [run for run in EXPERIMENTS[name].runs if run not in absent]
    for run, record in zip(runs, experiments.available(name), strict=True):
        assert (record.model, record.seed) == (run.model, run.seed)
        assert record.recipe == run.recipe.as_dict()
        assert record.variant == run.variant
        assert record.data == run.data
        assert record.data_fingerprint == data.FINGERPRINTS[run.data]
        assert record.experiment == name
        assert record.parameters == parameters(run)
        assert record.status != "finished" or len(record.curve) == run.recipe.epochs


def parameters(run):
    """Of the network that a run trains, which is built for digits to need no other data."""
    entry = data.CATALOGUE[run.data]
    channels = entry.image_shape[0]
    net = (
        replace(run, data="digits").build()
        if (channels, entry.classes) == (1, 10)
        else models.build(run.model, entry.classes, channels, **dict(run.parts))
    )
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_runs_of_an_experiment_have_different_labels(name):
    labels = [run.label for run in EXPERIMENTS[name].runs]
    assert len(labels) == len(set(labels))


def test_side_by_side_runs_equal_runs_alone():
    runs = [RUN, replace(RUN, seed=2)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = [run.execute() for run in runs]
    torch.set_num_threads(threads)
    for one, other in zip(alone, experiments.execute(runs), strict=True):
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


def test_a_levelled_run_starts_from_the_built_net_and_moves_each_layer_by_the_rate():
    recipe = replace(QUICK, lr=0.1, momentum=0.0, weight_decay=0.0, epochs=1, batch_size=1297)
    recipe = replace(recipe, schedule=Cosine(warmup=0))
    run = Levelled("plain8", recipe, seed=1, parts=RUN.parts)
    built, net = run.build(), run.start()
    fit(net, data.load("digits"), recipe, seed=1, device="cpu")  # a single step
    for old, new in zip(built.modules(), net.modules(), strict=True):
        before, after = (list(m.parameters(recurse=False)) for m in (old, new))
        if before:
            moved = torch.stack([(a - b).norm() for a, b in zip(after, before, strict=True)]).norm()
            size = torch.stack([b.norm() for b in before]).norm()
            assert abs(moved / size - 0.1) < 1e-4


def test_a_default_start_has_pytorchs_kernels_and_repeats():
    run = experiments.DefaultStart("resnet8", QUICK, seed=1)
    kernel = run.start().layer3[0].conv2.weight
    assert torch.equal(kernel, run.start().layer3[0].conv2.weight)
    fan_in = kernel[0].numel()
    assert kernel.var().item() == pytest.approx(1 / (3 * fan_in), rel=0.05)  # uniform
    he = run.build().layer3[0].conv2.weight
    assert he.shape == kernel.shape and he.var() > 3 * kernel.var()
    assert run.variant == {"kind": "DefaultStart"}


def test_an_unnormalized_run_has_no_batch_norm_and_the_same_kernels():
    run = Unnormalized("resnet8", QUICK, seed=1, parts=RUN.parts)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in run.start().modules())
    assert torch.equal(run.start().conv1.weight, RUN.start().conv1.weight)


def gradients(net):
    """Of a loss that every parameter of the net has a part in."""
    torch.manual_seed(0)
    (net.train()(torch.randn(4, 1, 8, 8)) ** 2).mean().backward()
    return {name: p.grad for name, p in net.named_parameters()}


@pytest.mark.parametrize("group", ["kernels", "inner", "head"])
def test_a_decayed_run_decays_its_group_alone(group):
    still = replace(QUICK, weight_decay=0.0)
    run = Decayed("resnet8", still, seed=1, parts=RUN.parts, groups=(group,), decay=0.5)
    net, plain = run.start(), run.build()
    for parameter in (*net.parameters(), *plain.parameters()):
        parameter.data += 1  # no parameter is 0, so decay shows
    weights = dict(net.named_parameters())
    before = gradients(plain)
    groups = {"fc.weight": "head", "fc.bias": "head"}
    groups |= {f"layer3.0.bn2.{part}": "head" for part in ("weight", "bias")}
    for name, gradient in gradients(net).items():
        own = groups.get(name, "kernels" if "conv" in name else "inner")
        decay = 0.5 * weights[name] if own == group else 0 * weights[name]
        torch.testing.assert_close(gradient, before[name] + decay)


def test_a_decayed_run_of_all_groups_is_one_with_weight_decay():
    decayed = replace(QUICK, weight_decay=0.0)
    run = Decayed("plain8", decayed, seed=1, parts=RUN.parts,
                  groups=("kernels", "inner", "head"), decay=0.1)  # fmt: skip
    usual = replace(RUN, model="plain8", recipe=replace(QUICK, weight_decay=0.1))
    one, other = (r.execute().curve[-1].train_loss for r in (run, usual))
    assert one == pytest.approx(other, rel=1e-4)
    norms = [m for m in replace(run, epsilon=1e-12).start().modules()
             if isinstance(m, torch.nn.BatchNorm2d)]  # fmt: skip
    assert {m.eps for m in norms} == {1e-12}


def test_a_copy_does_not_stand_in_for_the_data_of_a_run(tmp_path, monkeypatch):
    copy = replace(data.load("digits"), name="cifar10-jpeg75")
    monkeypatch.setattr(data, "load", lambda name: copy)
    run = replace(RUN, data="cifar10")
    message = r"expected the data set cifar10, found CIFAR-10 \(JPEG-75 copy\).*data fetch cifar10"
    for start in (run.execute, lambda: next(experiments.execute([run], tmp_path))):
        with pytest.raises(ValueError, match=message) as caught:
            start()
        assert "\n" not in str(caught.value)
    assert replace(RUN, data="cifar10-jpeg75").build() is not None


def test_a_grid_is_every_model_with_every_seed():
    runs = grid(("plain8", "resnet8"), (0, 1), QUICK, data="digits")
    assert [run.label for run in runs] == [
        "plain8-seed0", "plain8-seed1", "resnet8-seed0", "resnet8-seed1",
    ]  # fmt: skip


def test_reproduce_runs_only_what_is_missing(tmp_path, monkeypatch, capsys):
    runs = [RUN, replace(RUN, seed=2)]
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    monkeypatch.setattr(experiments, "RUNS", tmp_path / "runs")
    monkeypatch.setitem(EXPERIMENTS, "quick", Experiment("Is it?", "training/recipe", runs))
    with pytest.raises(
        ValueError, match="quick: 2 of 2 records are missing .*run: resnet-tutorial"
    ):
        experiments.recorded("quick")
    there = replace(runs[0].execute(), experiment="quick", environment={"kept": True})
    there.save(tmp_path / "quick" / f"{runs[0].label}.json")
    assert experiments.available("quick") == [there]
    experiments.reproduce("quick")
    assert [r.seed for r in experiments.recorded("quick")] == [1, 2]
    assert records.load(tmp_path / "quick" / f"{runs[0].label}.json").environment == {"kept": True}
    assert "resnet8-seed2: train" in capsys.readouterr().out


TWO_LONG_RUNS = """
import sys
from dataclasses import replace
from pathlib import Path
from resnet_tutorial import experiments
from test_experiments import RUN

def main():
    long = replace(RUN, recipe=replace(RUN.recipe, epochs=10_000))
    list(experiments.execute([long, replace(long, seed=2)], Path(sys.argv[1])))

if __name__ == "__main__":
    main()
"""


def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    """They save what they have, and end."""
    script = tmp_path / "script.py"
    script.write_text(f"import sys\nsys.path.append({str(Path(__file__).parent)!r}){TWO_LONG_RUNS}")
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path / "runs"], stderr=subprocess.DEVNULL
    )
    workers = []
    try:
        while not list(tmp_path.glob("runs/*/.lock")):
            assert parent.poll() is None
            time.sleep(0.1)
        workers = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
        parent.wait()
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert workers and not alive
        assert list(tmp_path.glob("runs/*/last.safetensors"))
    finally:
        parent.kill()
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()


def test_an_unknown_experiment_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="unknown experiment 'digits_dept'; nearest: digits_depth"):
        experiments.reproduce("digits_dept")


def test_what_is_missing_is_listed_cheapest_first(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    missing = experiments.all_missing()
    assert set(missing) == set(EXPERIMENTS)
    costs = [sum(run.cost for run in EXPERIMENTS[name].runs) for name in missing]
    assert costs == sorted(costs) and missing[-1] == "cifar10_paper"


def test_the_cost_of_a_run_is_its_forward_multiply_adds():
    run = Run("resnet20", replace(QUICK, epochs=2), seed=0, data="cifar10")
    assert run.cost == 2 * 50_000 * 40_551_040


def test_the_time_of_a_run_is_that_of_recorded_ones_on_images_of_its_shape():
    """Three times the epochs on the same images take three times as long."""
    [run] = EXPERIMENTS["digits_recipe"].runs[:1]
    longer = replace(run, recipe=replace(run.recipe, epochs=45))
    assert experiments.seconds([longer]) == pytest.approx(3 * experiments.seconds([run]))
    spent = [r.curve[-1].seconds for r in experiments.recorded("digits_depth")]
    assert 0.3 < experiments.seconds(EXPERIMENTS["digits_depth"].runs) / sum(spent) < 3
    assert experiments.seconds([replace(run, data="folder:photos")]) is None


def test_a_question_is_one():
    with pytest.raises(ValueError, match="ends in '\\?', got 'Depth'"):
        Experiment("Depth", "problem/degradation", [])
