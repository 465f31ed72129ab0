"""What large runs add to the recipe for photos: each does what it says, and resumes."""

import contextlib
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import training_script
from against_torch import shapes_unchecked  # noqa: F401
from torch import nn

from resnet_tutorial import Mistake, cli, data, files, records, train
from resnet_tutorial.cli.parser import parse
from resnet_tutorial.train import before, checkpoint, distributed, layers, loop
from resnet_tutorial.train.distributed import World
from resnet_tutorial.train.photo_recipe import IMAGENET, PhotoRecipe
from resnet_tutorial.train.recipe import Cosine, Recipe
from resnet_tutorial.train.tuning import Tuning

SHORT = PhotoRecipe(
    epochs=1, batch_size=256, lr=0.1, schedule=Cosine(1), weight_decay=0.1, crop_scale=(0.7, 1.0)
)  # of five steps
AVERAGED = replace(SHORT, ema=0.75, decay_norms=False)
HALVED = replace(SHORT, precision="float16", clip=1.0)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def fitted(recipe, parts="norm", **settings):
    net = training_script.network(parts)
    return net, train.fit(net, data.load("digits"), recipe, device="cpu", **settings)


def training(recipe, digits, parts="norm"):
    """A run before its first step, and its first batch."""
    run = loop.Training(training_script.network(parts), digits, recipe, 0, World())
    run.seed_random()
    return run, run.train.augmented(torch.arange(recipe.batch_size), run.generator)


def gradient(run):
    return torch.cat([p.grad.flatten() for p in run.model.parameters()])


def state(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


# ---- what was there before stays as it was ------------------------------------------------------


def test_a_recipe_that_asks_for_none_of_it_is_written_as_before():
    """So that records and checkpoints from before are still those of the same run."""
    added = {"decay_norms", "ema", "accumulate", "sync_batch_norm"}
    assert not added & {*PhotoRecipe().as_dict()} and not added & {*Recipe().as_dict()}
    assert not added & {*Recipe.__dataclass_fields__}
    assert added & {*IMAGENET.as_dict()} == {"decay_norms", "ema"}


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize(
    "settings, said",
    [
        ({"ema": 1.0}, r"ema must be in \[0, 1\), got 1.0"),
        ({"ema": "much"}, "ema must be of type float, got 'much'"),
        ({"accumulate": 0}, "accumulate must divide the batch_size of 64, got 0"),
        ({"accumulate": 3}, "accumulate must divide the batch_size of 64, got 3"),
        ({"decay_norms": 1}, "decay_norms must be of type bool, got 1"),
        ({"sync_batch_norm": "yes"}, "sync_batch_norm must be of type bool"),
        ({"precision": "float8"}, "must be float32 or bfloat16 or float16, got 'float8'"),
    ],
)
def test_values_that_make_no_recipe_are_told(settings, said):
    with pytest.raises(Mistake, match=said) as caught:
        PhotoRecipe(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("shapes_unchecked")
def test_small_images_have_no_float16():
    with pytest.raises(Mistake, match="precision must be float32 or bfloat16, got 'float16'"):
        Recipe(precision="float16")


def test_every_command_of_the_page_is_understood(root):
    text = (root / "book/practice/imagenet.md").read_text()
    lines = re.findall(r"^(?:torchrun .*-m resnet_tutorial|resnet-tutorial) (.+)", text, re.M)
    assert len(lines) == 3
    for line in lines:
        asked = parse(line.split())
        assert getattr(asked, "recipe", IMAGENET) == IMAGENET
    options = re.findall(r"^\| `(--.+?)` \|", text, re.M)
    assert len(options) == 9
    for option in options:
        parse(["train", "resnet50", "--data", "digits", "--like", "imagenet", *option.split()])


# ---- weight decay on weights alone --------------------------------------------------------------


@pytest.mark.parametrize("tuning", [None, Tuning(), Tuning(decay_norms=False)])
@pytest.mark.parametrize("recipe", [Recipe(), PhotoRecipe(), PhotoRecipe(decay_norms=False)])
def test_norms_decay_unless_the_recipe_or_the_tuning_says_no(recipe, tuning):
    net = training_script.network("norm")
    found = {
        id(p): group["weight_decay"]
        for group in layers.groups(net, tuning, recipe)
        for p in group["params"]
    }
    decayed = recipe.decay_norms and (tuning is None or tuning.decay_norms)
    for name, p in net.named_parameters():
        assert found.pop(id(p)) == (1e-4 if decayed or p.ndim > 1 else 0.0), name
    assert not found


def test_the_first_step_decays_only_what_it_should(digits):
    run, batch = training(replace(SHORT, decay_norms=False), digits)
    first = state(run.model)
    run.take_step(run.model, torch.arange(256))
    for name, p in run.model.named_parameters():
        decay = 0.1 if p.ndim > 1 else 0.0
        expected = first[name] - 0.1 * (p.grad + decay * first[name])
        torch.testing.assert_close(p.detach(), expected, rtol=1e-4, atol=1e-6)


# ---- the average of the weights -----------------------------------------------------------------


def test_what_is_measured_and_kept_is_the_average_of_all_steps(digits, tmp_path, monkeypatch):
    net = training_script.network("norm")
    expected, take_step = state(net), loop.Training.take_step

    def watched(self, *arguments):
        loss = take_step(self, *arguments)
        share = min(0.75, (1 + self.step) / (10 + self.step))  # at first less, to forget the start
        for name, value in net.state_dict().items():
            whole = not value.is_floating_point()
            expected[name] = value if whole else share * expected[name] + (1 - share) * value
        return loss

    monkeypatch.setattr(loop.Training, "take_step", watched)
    record = train.fit(net, digits, AVERAGED, device="cpu", folder=tmp_path / "run")
    kept = files.read_tensors(tmp_path / "run" / checkpoint.WEIGHTS)[0]
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, expected[name])
        assert torch.equal(value, kept[name])
    last = files.read_tensors(tmp_path / "run" / checkpoint.LAST)[0]
    assert not torch.equal(last["model.conv1.weight"], net.conv1.weight)  # where SGD goes on
    assert torch.equal(last["average.conv1.weight"], net.conv1.weight)
    assert train.evaluate(net, digits, AVERAGED) == (record.train_error, record.test_error)


@pytest.mark.parametrize(
    "recipe, step",
    [
        (AVERAGED, 2),
        (AVERAGED, 5),  # an epoch
        (AVERAGED, 10),  # the end
        (replace(HALVED, ema=0.5), 2),
        (replace(SHORT, accumulate=2), 2),
    ],
)
def test_a_stopped_run_ends_at_the_same_weights(recipe, step, tmp_path, monkeypatch):
    whole, record = fitted(replace(recipe, epochs=2), "all")
    take_step = loop.Training.take_step

    def stopping(self, *arguments):
        self.stop.signum = 2 * (self.step + 1 == step)
        return take_step(self, *arguments)

    again = {"folder": tmp_path / "run"}
    stops = pytest.raises(train.Interrupted) if step < 10 else contextlib.nullcontext()
    with monkeypatch.context() as patched, stops:
        patched.setattr(loop.Training, "take_step", stopping)
        fitted(replace(recipe, epochs=2), "all", **again)
    assert files.read_tensors(tmp_path / "run" / checkpoint.LAST)[1]["step"] == step
    resumed, found = fitted(replace(recipe, epochs=2), "all", resume=True, **again)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert [e.test_error for e in found.curve] == [e.test_error for e in record.curve]


def test_another_average_is_another_run_and_a_broken_one_is_told(tmp_path):
    fitted(AVERAGED, folder=tmp_path / "run")
    with pytest.raises(Mistake, match="holds another run: its recipe"):
        fitted(replace(AVERAGED, ema=0.5), folder=tmp_path / "run", resume=True)
    place = tmp_path / "run" / checkpoint.LAST
    tensors, about = files.read_tensors(place)
    for change, said in [
        (tensors["average.fc.bias"][:3].clone(), r"average.fc.bias should be .*, is \(\(3,\)"),
        (tensors["average.fc.bias"] * torch.nan, "an averaged weight is not finite"),
        (None, "average.fc.bias should be .* is absent"),
    ]:
        broken = {**tensors, "average.fc.bias": change}
        broken = {name: value for name, value in broken.items() if value is not None}
        files.write_tensors(place, broken, about)
        with pytest.raises(Mistake, match=said):
            fitted(AVERAGED, folder=tmp_path / "run", resume=True)


# ---- a batch in parts ---------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_parts_of_a_batch_have_the_gradient_of_the_whole(digits, smoothing):
    found = []
    for parts in (1, 4):
        recipe = replace(SHORT, accumulate=parts, label_smoothing=smoothing)
        run, batch = training(recipe, digits, "none")
        loss = run.backward(run.model, *batch)
        found.append((loss, gradient(run)))
    (loss, whole), (loss_of_parts, added) = found
    torch.testing.assert_close(loss_of_parts, loss, rtol=1e-6, atol=0)
    assert (added - whole).norm() < 1e-5 * whole.norm()  # float32 rounds each sum to 6e-8


def test_batch_norm_takes_each_part_for_a_batch(digits):
    """Not the gradient of the whole: said where the option is described."""
    found = []
    for parts in (1, 4):
        run, batch = training(replace(SHORT, accumulate=parts), digits)
        run.backward(run.model, *batch)
        found.append(gradient(run))
        assert run.model.bn1.num_batches_tracked == parts
    whole, added = found
    assert (added - whole).norm() > 0.01 * whole.norm()


def test_a_batch_that_cannot_be_parted_among_processes_is_told(digits):
    with pytest.raises(Mistake, match="in 4 parts by each of 2 processes; choose a multiple of 8"):
        train.fitting.check_recipe(replace(SHORT, batch_size=4, accumulate=4), digits, World(0, 2))


def test_parts_of_one_image_are_no_batch_for_batch_norm():
    with pytest.raises(Mistake, match="expected at least 2 images a step and process, got 1"):
        from resnet_tutorial.models import build

        net = build("resnet8", in_channels=1, widths=(4, 4, 4), strides=(1, 4, 2))
        train.fit(net, data.load("digits"), replace(SHORT, accumulate=256), device="cpu")


# ---- several processes --------------------------------------------------------------------------


def test_two_processes_add_up_to_one(tmp_path):
    """Without batch norm, with a batch in two parts on each and an average: the curve of one."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    asked = ["--parts", "none", "--epochs", "1", "--batch-size", "256", "--large"]
    done = subprocess.run(
        [*command, training_script.__file__, str(tmp_path), *asked],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    shared = records.load(tmp_path / checkpoint.RECORD)
    net = training_script.network("none")
    recipe = training_script.large(training_script.recipe(1, 256))
    alone = train.fit(net, data.load("digits"), recipe, device="cpu")
    assert shared.recipe["accumulate"] == 2 and shared.environment["processes"] == 2
    assert abs(alone.curve[0].train_loss - shared.curve[0].train_loss) < 1e-5
    assert alone.test_error == shared.test_error
    kept = files.read_tensors(tmp_path / checkpoint.WEIGHTS)[0]
    for name, value in net.state_dict().items():
        torch.testing.assert_close(kept[name], value, rtol=1e-4, atol=1e-5)


def test_synchronised_batch_norm_is_refused_on_the_cpu(digits, capsys):
    with pytest.raises(Mistake, match="sync_batch_norm needs a GPU for each process, got cpu"):
        fitted(replace(SHORT, sync_batch_norm=True))
    with pytest.raises(Mistake, match="sync_batch_norm needs a GPU"):
        before.report(
            training_script.network(), digits, replace(SHORT, sync_batch_norm=True), device="cpu"
        )
    options = "--like photos --sync-batch-norm --batch-size 256 --epochs 4 --device cpu"
    assert cli.main(["train", "resnet8", "--data", "digits", *options.split()]) == 2
    assert "leave it out" in capsys.readouterr().err.splitlines()[-1]


def test_batch_norms_are_converted_and_put_back_as_they_were():
    net = training_script.network("norm")
    first, names = state(net), [name for name, _ in net.named_modules()]
    parameters, norm = list(map(id, net.parameters())), net.layer1[0].bn1
    with distributed.synchronised(net):
        kinds = [type(m) for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        assert len(kinds) > 5 and {*kinds} == {nn.SyncBatchNorm}
        assert net.layer1[0].bn1.running_mean is norm.running_mean
        assert list(map(id, net.parameters())) == parameters
        net(torch.randn(4, 1, 8, 8))  # alone, it is batch norm
        net.eval()
    assert net.layer1[0].bn1 is norm and not norm.training and norm.num_batches_tracked == 1
    assert [name for name, _ in net.named_modules()] == names
    assert list(map(id, net.parameters())) == parameters
    assert not torch.equal(first["bn1.running_mean"], net.bn1.running_mean)


# ---- float16 ------------------------------------------------------------------------------------


def test_float16_gives_nearly_the_gradient_of_float32_and_learns(digits):
    found = []
    for precision in ("float32", "float16"):
        run, batch = training(replace(SHORT, precision=precision), digits)
        run.backward(run.model, *batch)
        run.scaler.unscale_(run.optimizer)
        found.append(gradient(run))
    assert 0 < (found[0] - found[1]).norm() < 0.05 * found[0].norm()
    _, record = fitted(replace(HALVED, epochs=4, weight_decay=0.0))
    assert record.status == "finished"
    assert record.curve[-1].train_loss < 0.9 * record.curve[0].train_loss


def test_a_step_that_overflows_is_left_out_and_the_scale_halved(digits):
    run, _ = training(replace(HALVED, weight_decay=0.0), digits)
    first = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    run.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    assert run.take_step(run.model, torch.arange(256)).isfinite()
    assert all(torch.equal(p, first[name]) for name, p in run.model.named_parameters())
    assert run.scaler.get_scale() == 2.0**39
    assert not any(name.startswith("momentum.") for name in checkpoint.snapshot(
        run.model, run.optimizer))  # fmt: skip


def test_the_check_before_a_run_knows_the_parts_and_the_average(digits):
    recipe = replace(SHORT, batch_size=64, epochs=10)
    found = [
        before._Trial.of(
            training_script.network(), digits, r, 0, torch.device("cpu"), None
        ).memory()
        for r in (recipe, replace(recipe, accumulate=4, ema=0.9))
    ]
    assert found[1].maps < 0.3 * found[0].maps
    assert found[1].average == found[1].parameters > 0 == found[0].average
    assert "of averaged weights" in str(found[1]) and "averaged" not in str(found[0])
