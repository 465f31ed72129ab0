"""The command line: what it does, what it says, and what it does with every mistake."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from resnet_tutorial import data, experiments, files, records, train
from resnet_tutorial.cli import is_mistake, main, recipes
from resnet_tutorial.cli.parser import COMMANDS, parse
from resnet_tutorial.cli.text import table
from resnet_tutorial.experiments import Experiment, kinds
from resnet_tutorial.train.photo_recipe import IMAGENET, PhotoRecipe
from resnet_tutorial.train.recipe import PAPER, Cosine, OneCycle, Recipe, Steps

MODULE = [sys.executable, "-m", "resnet_tutorial"]
SHORT = ["--epochs", "2", "--batch-size", "8", "--schedule", "cosine", "warmup=1"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of 24 + 8 small images: left halves bright, or right halves."""
    root = tmp_path_factory.mktemp("images") / "sides"
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("val", 4)):
        for name in ("left", "right"):
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 60, (8, 8), dtype=np.uint8)
                pixels[:, slice(4) if name == "left" else slice(4, 8)] += 180
                Image.fromarray(pixels).save(root / part / name / f"{i}.png")
    return root


@pytest.fixture(autouse=True, scope="module")
def steady_threads():
    """Two runs are compared here bit by bit: other work on the machine changes no thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
        yield


@pytest.fixture
def call(capsys):
    """Runs the command line in this process: its exit code, stdout and stderr."""

    def run(*arguments):
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def mistake(call):
    """Runs a command that must fail as a user's mistake: the one line it says."""

    def run(*arguments):
        code, _, said = call(*arguments)
        lines = [line for line in said.splitlines() if "images/s" not in line and line.strip()]
        assert code == 2 and len(lines) == 1, (code, said)
        assert lines[0].startswith("error: ") and "Traceback" not in said
        return lines[0]

    return run


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("runs") / "a"
    code = main(["train", "resnet8", "--data", f"folder:{images}", *SHORT, "--out", str(out)])
    assert code == 0
    return out


def run(*arguments, **settings):
    return subprocess.run(
        [*MODULE, *arguments], capture_output=True, text=True, timeout=300, **settings
    )


# Help


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_alone_it_prints_the_help(call, arguments):
    code, out, err = call(*arguments)
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"{command} +[A-Z]", out), command


@pytest.mark.parametrize(
    "command",
    [
        "train",
        "train --like imagenet",
        "evaluate",
        "export",
        "predict",
        "report",
        "describe",
        "reproduce",
        "data list",
        "data fetch",
        "data check",
    ],
)
def test_every_option_has_a_line_of_help(call, command, monkeypatch):
    """One that has none would show its default alone."""
    monkeypatch.setenv("COLUMNS", "120")  # wider, tyro sets two boxes side by side
    code, out, _ = call(*command.split(), "--help")
    lines = [line.strip("│| ") for line in out.splitlines()]
    options = [i for i, line in enumerate(lines) if re.match(r"--[a-z]|\[?[A-Z_]{4,}", line)]
    assert code == 0 and len(options) >= (command != "data list")
    for i in options:
        text = " ".join(lines[i : i + 4])
        assert re.match(r"\S+( [^ a-z]\S*)* [^()]*?[A-Z][a-z'][^()]* [^()]*\([^)]*\)", text), text


def test_every_field_of_the_recipe_is_an_option(call):
    out = call("train", "--help")[1]
    for name in Recipe.__dataclass_fields__:
        assert f"--{name.replace('_', '-')} " in out.replace(",", " "), name


def test_the_help_shows_the_values_of_the_recipe_to_begin_with(call):
    digits, paper = call("train", "--help")[1], call("train", "--like", "paper", "--help")[1]
    assert "Peak learning rate. (default: 0.05)" in digits
    assert "Peak learning rate. (default: 0.1)" in paper


def test_the_version_is_told(call):
    code, out, _ = call("--version")
    assert code == 0 and out.startswith("resnet-tutorial ")


def test_the_help_needs_none_of_the_heavy_libraries():
    source = (
        "import sys; from resnet_tutorial.cli import main; main(['train', '--help'])\n"
        "heavy = {'torch', 'matplotlib', 'numpy', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# The parser


@pytest.mark.parametrize(
    "written, expected",
    [
        ("", Recipe()),
        ("--like paper", PAPER),
        ("--like imagenet --accumulate 4", replace(IMAGENET, accumulate=4)),
        ("--like=paper --epochs 3", replace(PAPER, epochs=3)),
        ("--epochs 3 --batch-size 7 --lr 1e-3", Recipe(epochs=3, batch_size=7, lr=1e-3)),
        ("--per-pixel-mean --precision bfloat16",
         Recipe(per_pixel_mean=True, precision="bfloat16")),
        ("--like paper --no-per-pixel-mean", replace(PAPER, per_pixel_mean=False)),
        ("--schedule steps", Recipe(schedule=Steps())),
        ("--schedule steps warmup=400 drops=0.3,0.6",
         Recipe(schedule=Steps(drops=(0.3, 0.6), warmup=400))),
        ("--schedule steps drops=", Recipe(schedule=Steps(drops=()))),
        ("--schedule one-cycle peak=0.2 --clip 1", Recipe(schedule=OneCycle(0.2), clip=1.0)),
    ],
)  # fmt: skip
def test_options_make_the_recipe(written, expected):
    command = parse(["train", "resnet20", "--data", "digits", *written.split()])
    assert (command.model, command.data, command.recipe) == ("resnet20", "digits", expected)


def test_the_model_may_come_last():
    command = parse("train --data digits --schedule steps resnet20".split())
    assert (command.model, command.recipe.schedule) == ("resnet20", Steps())


@pytest.mark.parametrize("schedule", [Cosine(7), Steps((), 3), Steps((0.5,)), OneCycle(0.25)])
def test_a_schedule_is_read_as_it_is_written(schedule):
    assert recipes.schedule(recipes.words(schedule)) == schedule


@pytest.mark.parametrize(
    "recipe",
    [
        *(PAPER, Recipe(clip=2.0), Recipe(schedule=OneCycle(0.2)), Recipe(schedule=Steps(()))),
        *(IMAGENET, PhotoRecipe(), PhotoRecipe(accumulate=2, precision="float16")),
    ],
)
def test_a_recipe_is_read_from_json(recipe):
    assert recipes.read(json.loads(json.dumps(recipe.as_dict()))) == recipe


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("trian", "unknown command 'trian'; nearest: train; all: train, evaluate"),
        ("data lst", "unknown command after data 'lst'; nearest: list; all: list, fetch, check"),
        ("train r --data d --epoch 3", r"--epoch, 3; Perhaps you meant: --epochs"),
        ("reproduce --lst", "--lst; Perhaps you meant: --list"),
        ("describe resnet20 --sizes 3", "--sizes, 3; Perhaps you meant: --size"),
        ("train", "Missing from resnet-tutorial train: MODEL --data NAME"),
        ("train r --data", "Missing value for argument '--data'"),
        ("train r --data d --epochs x", "--epochs: expected a whole number, got 'x'"),
        ("train r --data d --lr x", "--lr: expected a number, got 'x'"),
        ("train r --data d --epochs -1", "recipe: epochs must be positive, got -1"),
        ("train r --data d --precision half", "'half'.*'float32', 'bfloat16'"),
        ("train r --data d --like papr", "unknown recipe 'papr'; nearest: paper; all: digits"),
        ("train r --data d --schedule stps", "unknown schedule 'stps'; nearest: steps; all: cos"),
        ("train r --data d --schedule", "--schedule: expected a name, one of cosine, steps"),
        ("train r --data d --schedule steps warm=3", "unknown steps setting 'warm'.*warmup"),
        ("train r --data d --schedule steps warmup=x", "as in warmup=20, got warmup=x"),
        ("train r --data d --schedule steps drops=x", "as in drops=0.5,0.75, got drops=x"),
        ("train r --data d --schedule one-cycle peak=1", "peak must be between 0 and 1, got 1.0"),
    ],
)  # fmt: skip
def test_words_that_are_no_command_are_answered_in_one_line(mistake, arguments, said):
    line = mistake(*arguments.split())
    assert re.search(said, line), line
    assert "dummy" not in line and "──" not in line and "--------" not in line


def test_the_answer_names_the_help_to_read(mistake):
    assert mistake("describe", "--nope").endswith("see resnet-tutorial describe --help")


# Mistakes that only a command can find


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("train resnet21 --data digits", "unknown model 'resnet21'; nearest: .*resnet20"),
        ("train resnet8 --data digit", "unknown data set 'digit'; nearest: digits; all: .*cifar10"),
        ("train resnet8 --data digits --batch-size 1298", "larger than the 1297 training images"),
        ("train resnet8 --data digits --resume", "--resume needs --out FOLDER"),
        ("train resnet8 --data digits --plot", "--plot needs --out FOLDER"),
        ("train resnet8 --data digits --device gpu", "unknown device 'gpu'; all: cpu, cuda, mps"),
        ("train resnet8 --data digits --device cuda:99", "--device cuda:99 cannot be used"),
        ("train resnet8 --data digits --seed -1", "--seed must be in 0 to"),
        ("train resnet50 --data digits", "divides H and W by 32, so enlarge"),
        ("describe resnet21", "unknown model 'resnet21'; nearest: .*resnet20"),
        ("describe resnet20 --size 3", "divides H and W by 4"),
        ("describe resnet20 --size 0", "--size must be positive, got 0"),
        ("describe resnet20 --num-classes 0", "num_classes must be positive"),
        ("reproduce digits_dept", "unknown experiment 'digits_dept'; nearest: digits_depth"),
        ("reproduce digits_depth --missing", "only one"),
        ("data fetch cifar", "unknown data set 'cifar'; nearest: cifar10"),
        ("data check cifar", "unknown data set 'cifar'; nearest: cifar10"),
        ("evaluate nowhere", "nowhere does not exist; name the folder of a run"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(mistake, arguments, said):
    line = mistake(*arguments.split())
    assert re.search(said, line), line


def test_an_unknown_model_is_told_before_the_data_are_read(mistake, monkeypatch):
    monkeypatch.setattr(data, "load", lambda name: pytest.fail("read the data first"))
    assert "unknown model" in mistake("train", "resnet21", "--data", "folder:/huge")


def test_a_folder_without_images_is_told(mistake, tmp_path):
    line = mistake("train", "resnet8", "--data", f"folder:{tmp_path}")
    assert f"expected the folders train and val (or test) in {tmp_path}" in line


def test_a_broken_image_is_told(mistake, images, tmp_path):
    place = tmp_path / "sides"
    shutil.copytree(images, place)
    (place / "train" / "left" / "0.png").write_bytes(b"no image")
    assert "0.png cannot be read as an image" in mistake("data", "check", f"folder:{place}")


def test_an_output_that_is_a_file_is_told(mistake, images, tmp_path):
    file = tmp_path / "file"
    file.write_text("kept")
    line = mistake("train", "resnet8", "--data", f"folder:{images}", *SHORT, "--out", file)
    assert f"{file} cannot be the folder of a run" in line and file.read_text() == "kept"


def test_a_folder_that_another_run_writes_to_is_told(mistake, images, tmp_path):
    with FileLock(tmp_path / ".lock"):
        line = mistake("train", "resnet8", "--data", f"folder:{images}", *SHORT, "--out", tmp_path)
    assert f"another run is writing to {tmp_path}" in line


def test_a_folder_with_a_run_is_only_touched_when_asked_to_resume(mistake, images, trained):
    line = mistake("train", "resnet8", "--data", f"folder:{images}", *SHORT, "--out", trained)
    assert f"{trained} holds a run; resume it" in line


def test_a_resume_with_another_recipe_is_told(mistake, images, trained):
    asked = ["--data", f"folder:{images}", *SHORT, "--out", trained, "--resume", "--lr", "0.01"]
    line = mistake("train", "resnet8", *asked)
    assert f"{trained} holds another run" in line and "'lr': 0.05" in line and "'lr': 0.01" in line


def test_a_truncated_file_of_weights_is_told(mistake, images, trained, tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes((trained / "model.safetensors").read_bytes()[:-1000])
    assert f"{file} cannot be read" in mistake("evaluate", file, "--data", f"folder:{images}")


def test_weights_of_another_model_are_told(mistake, images, trained):
    line = mistake("evaluate", trained, "--model", "resnet20", "--data", f"folder:{images}")
    assert "holds another network's weights" in line


def test_a_checkpoint_is_told_from_weights(mistake, trained):
    line = mistake("evaluate", trained / "last.safetensors")
    assert "it is the checkpoint of a run; the weights are model.safetensors" in line


def test_weights_that_do_not_say_what_they_are_ask_for_it(mistake, trained, tmp_path):
    plain = tmp_path / "plain.safetensors"
    files.write_tensors(plain, files.read_tensors(trained / "model.safetensors")[0], {})
    line = mistake("evaluate", plain)
    assert "does not say what it is; give both --model and --data" in line


def test_weights_trained_on_a_folder_ask_where_it_is(mistake, trained):
    line = mistake("evaluate", trained)
    assert "was trained on folder:sides; say where it is: --data folder:PATH" in line


# Train and evaluate


def test_a_run_says_what_it_does_and_leaves_record_weights_and_curves(call, images, tmp_path):
    out = tmp_path / "a"
    asked = ["train", "resnet8", "--data", f"folder:{images}", *SHORT, "--seed", "3"]
    code, said, bar = call(*asked, "--out", out, "--plot", "--resume")
    assert code == 0 and "images/s" in bar
    record = records.load(out / "record.json")
    first, second, last, files = said.splitlines()
    assert f"resnet8, {record.parameters:,} parameters, on folder:sides" in first
    assert "24 training and 8 test images of 1x8x8; device cpu, threads " in first
    assert first.endswith(f"threads {record.environment['threads']}")
    assert "2 epochs of 3 steps of 8 images, 6 steps in all" in second
    assert "learning rate 0.05, cosine warmup=1; seed 3" in second
    errors = f"training error {record.train_error:.2%}, test error {record.test_error:.2%}"
    assert last.startswith(f"epoch 2: {errors}")
    assert files == f"{out}: model.safetensors, record.json, curves.png"
    expected = Recipe(epochs=2, batch_size=8, schedule=Cosine(1)).as_dict()
    assert (record.model, record.seed, record.recipe) == ("resnet8", 3, expected)
    with Image.open(out / "curves.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    assert (out / "model.safetensors").exists()


def test_the_seed_decides_the_weights(call, images, tmp_path):
    def losses(seed, name):
        asked = ["--data", f"folder:{images}", *SHORT, "--seed", seed, "--out", tmp_path / name]
        assert call("train", "resnet8", *asked)[0] == 0
        return [epoch.train_loss for epoch in records.load(tmp_path / name / "record.json").curve]

    first, again, other = losses(1, "a"), losses(1, "b"), losses(2, "c")
    assert first == again and first[0] != other[0]


def test_without_a_folder_nothing_is_kept_and_that_is_said(call, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said, _ = call("train", "resnet8", "--data", f"folder:{images}", *SHORT)
    assert code == 0 and "Nothing was kept" in said and not list(tmp_path.iterdir())


def test_evaluate_finds_what_the_record_says(call, images, trained):
    record = records.load(trained / "record.json")
    errors = f"training error {record.train_error:.2%}, test error {record.test_error:.2%}"
    for weights in (trained, trained / "model.safetensors"):
        code, said, _ = call("evaluate", weights, "--data", f"folder:{images}")
        assert code == 0 and said == f"resnet8 on folder:sides: {errors}\n"


def test_evaluate_subtracts_the_mean_that_the_training_subtracted(call, images, tmp_path):
    asked = ["--data", f"folder:{images}", *SHORT, "--per-pixel-mean", "--epochs", "6"]
    assert call("train", "resnet8", *asked, "--out", tmp_path)[0] == 0
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "evaluate", lambda *given: seen.append(given) or (0.0, 0.0))
        call("evaluate", tmp_path, "--data", f"folder:{images}")
    assert seen[0][2].per_pixel_mean


def test_evaluate_says_when_the_images_are_others(call, images, trained, tmp_path):
    place = tmp_path / "sides"
    shutil.copytree(images, place)
    (place / "val" / "left" / "0.png").unlink()
    code, said, _ = call("evaluate", trained, "--data", f"folder:{place}")
    assert code == 0 and "These are not the images that it was trained on (folder:sides)" in said


def test_a_diverged_run_ends_with_1_and_keeps_its_record(call, images, tmp_path):
    asked = ["--data", f"folder:{images}", *SHORT, "--lr", "1e30", "--out", tmp_path / "a"]
    code, _, said = call("train", "resnet8", *asked)
    assert code == 1 and re.search(
        r"^diverged: loss \S+ in step \d, lr .*smaller lr, or clip 1$", said, re.M
    )
    assert records.load(tmp_path / "a" / "record.json").status.startswith("diverged")


def test_under_torchrun_only_the_first_process_prints(call, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert call("describe", "resnet8") == (0, "", "")
    monkeypatch.setenv("RANK", "0")
    assert "resnet8 on one image" in call("describe", "resnet8")[1]


def test_under_torchrun_the_first_process_has_time_to_tell_a_mistake_of_all(mistake, monkeypatch):
    """Then torchrun ends the others. What only they have found they tell themselves, later."""
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert "unknown model" in mistake("describe", "resnet9") and not waited
    monkeypatch.setenv("RANK", "1")
    assert "unknown model" in mistake("describe", "resnet9") and waited[0] > 1


# Describe


def test_describe_prints_the_stage_table(call):
    code, said, _ = call("describe", "resnet20")
    rows = {row.split()[0]: row.split()[1:] for row in said.splitlines()[2:]}
    assert code == 0 and said.startswith("resnet20 on one image of 3x32x32")
    assert rows["stem"] == ["16x32x32", "464", "442,368", "3"]
    assert rows["layer3"] == ["64x8x8", "203,520", "12,976,128", "81"]
    assert rows["total"] == ["269,722", "40,551,040"]
    for column in (1, 2):
        numbers = [int(row[column].replace(",", "")) for name, row in rows.items()
                   if name not in ("stage", "total")]  # fmt: skip
        assert f"{sum(numbers):,}" == rows["total"][column - 1]


def test_describe_takes_channels_classes_and_size(call):
    said = call(
        *"describe plain8 --in-channels 1 --num-classes 7 --size 16".split(),
    )[1]
    assert "1x16x16" in said and re.search(r"layer3 +64x4x4 ", said)
    assert re.search(r"head +7 +455 ", said)  # 64 weights and a bias a class


def test_an_imagenet_network_is_described_at_224_pixels(call):
    said = call("describe", "resnet18")[1]
    assert "3x224x224" in said and re.search(r"layer4 +512x7x7", said)


def test_describe_alone_lists_the_networks(call):
    code, said, _ = call("describe")
    assert code == 0 and {"plain20", "resnet50", "preact_resnet110"} <= set(said.split())


def test_tables_are_aligned():
    assert table([("a", "n", "b"), ("longer", 12345, "c")], left=(0, 2)) == (
        "a            n  b\nlonger  12,345  c"
    )


# Reproduce


@pytest.fixture
def quick(images, tmp_path, monkeypatch):
    """Two experiments, one with one of its two records."""
    recipe = Recipe(epochs=1, batch_size=8, schedule=Cosine(1))
    one, two = (
        experiments.Run("resnet8", recipe, seed, data=f"folder:{images}") for seed in (0, 1)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments, "RESULTS", tmp_path / "results")
    monkeypatch.setitem(kinds.PIXELS, f"folder:{images}", 24 * 64)
    for name in list(experiments.EXPERIMENTS):
        monkeypatch.delitem(experiments.EXPERIMENTS, name)
    experiments.EXPERIMENTS.update(
        first=Experiment("Which?", "problem/degradation", [one, two]),
        second=Experiment("How many?", "training/recipe", [two]),
    )
    replace(one.execute(), experiment="first").save(
        tmp_path / "results" / "first" / f"{one.label}.json"
    )
    yield tmp_path / "results"
    experiments.EXPERIMENTS.clear()


@pytest.mark.parametrize("arguments", [["--list"], []])
def test_reproduce_lists_what_is_recorded(call, quick, arguments):
    code, said, _ = call("reproduce", *arguments)
    assert code == 0
    macs = f"{experiments.EXPERIMENTS['second'].cost:.0e}"
    assert [row.split() for row in said.splitlines()[1:-1]] == [
        ["first", "problem/degradation", "2", "1", macs, "MACs"],
        ["second", "training/recipe", "1", "0", macs, "MACs"],
    ]  # fmt: skip


def test_reproduce_lists_the_time_that_is_missing_in_100_columns(call, tmp_path, monkeypatch):
    code, said, _ = call("reproduce", "--list")
    rows = {row.split()[0]: row for row in said.splitlines()}
    assert code == 0 and max(map(len, said.splitlines())) <= 100
    assert rows["digits_long"].split()[1:] == ["problem/degradation", "6", "6", "complete"]
    assert re.search(r" 30 +0 +about [\d,]+ h$", rows["cifar10_paper"])
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)  # where no time is known
    said = call("reproduce", "--list")[1]
    assert re.search(r"^digits_depth +problem/degradation +40 +0 +\d+e\+\d+ MACs$", said, re.M)


def test_reproduce_runs_the_named_experiment(call, quick):
    code, said, _ = call("reproduce", "first")
    assert code == 0 and "first resnet8-seed1: train" in said
    assert len(list(quick.rglob("*.json"))) == 2
    assert "first: 0 runs without a record" in call("reproduce", "first")[1]


def test_reproduce_runs_all_that_is_missing(call, quick):
    code, said, _ = call("reproduce", "--missing")
    assert code == 0 and len(list(quick.rglob("*.json"))) == 3
    assert said.index("second resnet8-seed1: train") and said.index("first resnet8-seed1: train")
    assert "Every run of every experiment has a record" in call("reproduce", "--missing")[1]


def test_an_unknown_experiment_is_told_before_the_first_runs(mistake, quick):
    mistake("reproduce", "first", "secnd")
    assert len(list(quick.rglob("*.json"))) == 1


# Bugs


def test_a_bug_keeps_its_traceback(monkeypatch):
    def load(name):
        return np.zeros(3).reshape(2, 2)

    for wrong, error in ((load, ValueError), (lambda name: {}["key"], KeyError)):
        monkeypatch.setattr(data, "load", wrong)
        with pytest.raises(error):
            main(["train", "resnet8", "--data", "digits"])


def test_files_that_fail_are_no_bugs():
    assert is_mistake(PermissionError(13, "Permission denied", "runs"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("shapes cannot be multiplied"),
        MemoryError(),
        ValueError("foreseen by nobody"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_torchs_errors_and_bugs_keep_their_traceback(error):
    assert not is_mistake(error)


def test_a_warning_is_one_line(call, monkeypatch, images):
    def load(name):
        warnings.warn("some images\nare grey", stacklevel=2)
        raise ValueError("enough")  # of this module, so no mistake of the user's

    monkeypatch.setattr(data, "load", load)
    with pytest.raises(ValueError, match="enough"):
        call("train", "resnet8", "--data", "digits")


# A process of its own


def test_the_example_of_the_readme(tmp_path):
    example = "train resnet8 --data digits --epochs 1 --seed 1 --out runs/a --resume"
    done = run(*example.split(), cwd=tmp_path)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    kept = {path.name for path in (tmp_path / "runs" / "a").iterdir()}
    assert {"model.safetensors", "record.json", "last.safetensors"} <= kept
    done = run("evaluate", "runs/a", cwd=tmp_path)
    error = records.load(tmp_path / "runs" / "a" / "record.json").test_error
    assert done.stdout.endswith(f"test error {error:.2%}\n")


def test_a_mistake_ends_a_process_with_2_and_one_line():
    done = run("describe", "resnet21")
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("error: unknown model")


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{shlex.quote(sys.executable)} -m resnet_tutorial describe | true"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_ends_with_its_signal_and_goes_on(images, tmp_path, signum):
    asked = ["train", "resnet8", "--data", f"folder:{images}", "--batch-size", "8", "--out", "a"]
    endless = [*MODULE, *asked, "--epochs", "100000"]
    with subprocess.Popen(endless, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        seen = b""
        while b"images/s, loss" not in seen:  # after the first epoch
            seen += process.stderr.read1()
        process.send_signal(signum)
        _, rest = process.communicate(timeout=120)
    assert process.returncode == 128 + signum
    assert re.search(rb"stopped after step \d+ of 300000; resume", rest) and b"Trace" not in rest
    assert (tmp_path / "a" / "last.safetensors").exists()


def test_ctrl_c_before_the_first_step_ends_with_130(images, tmp_path):
    source = (
        "import os, signal, sys\n"
        "from resnet_tutorial import cli, data\n"
        "data.load = lambda name: os.kill(os.getpid(), signal.Signals[sys.argv[1]])\n"
        "sys.exit(cli.main(['train', 'resnet8', '--data', 'digits']))"
    )
    for name, code in (("SIGINT", 130), ("SIGTERM", 143)):
        done = subprocess.run([sys.executable, "-c", source, name], capture_output=True, text=True)
        assert done.returncode == code and "Traceback" not in done.stderr


REPRODUCING = """
import pathlib, sys
from resnet_tutorial import cli, experiments
from resnet_tutorial.train.recipe import Recipe

endless = Recipe(epochs=100_000, batch_size=8)
runs = [experiments.Run("resnet8", endless, seed, data=sys.argv[1]) for seed in (0, 1, 2)]
experiments.RESULTS = pathlib.Path("results")
experiments.EXPERIMENTS["endless"] = experiments.Experiment("When?", "training/recipe", runs)
sys.exit(cli.main(["reproduce", "endless"]))
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_experiment_leaves_no_process(images, tmp_path, signum):
    """Ctrl-C reaches all processes of the terminal, SIGTERM the first one alone."""
    command = [sys.executable, "-c", REPRODUCING, f"folder:{images}"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        while not list(tmp_path.glob("runs/endless/*/.lock")):
            time.sleep(0.1)
        time.sleep(3)
        (os.killpg if signum == signal.SIGINT else os.kill)(process.pid, signum)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signum and b"Traceback" not in said
    with pytest.raises(ProcessLookupError):  # the processes of the group
        for _ in range(100):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
