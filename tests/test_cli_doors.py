"""What the command line is given from outside: paths, sizes, variables, and streams that close."""

import os
import pty
import re
import shlex
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from resnet_tutorial import Mistake, data, files, models, records, train
from resnet_tutorial.cli import main, training
from resnet_tutorial.cli.recipes import read
from resnet_tutorial.models import weights
from resnet_tutorial.train import launch
from resnet_tutorial.train.recipe import PAPER

SHORT = "train resnet8 --data tiny --batch-size 8 --schedule cosine warmup=1 --epochs 8".split()
# A data set that is made at once: scikit-learn, which has the digits, takes half a second.
TINY = """
import sys
import numpy as np
from resnet_tutorial import cli, data
images = np.random.default_rng(0).integers(0, 100, (16, 1, 4, 4), dtype=np.uint8)
images[1::2] += 150
split = data.Split(images, np.arange(16) % 2)
data.load = lambda name: data.Dataset("tiny", split, split, ("a", "b"))
sys.exit(cli.main(sys.argv[1:]))
"""


def tiny():
    images = np.random.default_rng(0).integers(0, 100, (16, 1, 4, 4), dtype=np.uint8)
    images[1::2] += 150  # two classes that eight epochs tell apart
    split = data.Split(images, np.arange(16) % 2)
    return data.Dataset("tiny", split, split, ("a", "b"))


@pytest.fixture(autouse=True)
def given(monkeypatch):
    """The data set is `tiny`, and no variable says that there are other processes."""
    monkeypatch.setattr(data, "load", lambda name: tiny())
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mistake(capsys):
    """Runs a command that must fail as a user's mistake: the one line it says."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        lines = capsys.readouterr().err.splitlines()
        assert code == 2 and len(lines) == 1, (code, lines)
        return lines[0]

    return run


# Sizes


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("--size 1e3", "--size: expected a whole number, got '1e3'; see"),
        ("--num-classes x", "--num-classes: expected a whole number, got 'x'; see"),
        (f"--size {10**20}", "--size must be at most 100,000, got 100,000,000,000,000,000,000"),
        (f"--in-channels {10**20}", "in_channels must be at most 10,000,000, got 100,000,000,"),
        (f"--num-classes {10**20}", "num_classes must be at most 10,000,000, got 100,000,000,"),
        ("--size 3", "expected float images"),
    ],
)
def test_a_size_that_cannot_be_is_told_in_words(mistake, arguments, said):
    assert said in mistake("describe", "resnet20", *arguments.split())


def test_the_largest_sizes_can_be_counted(capsys):
    sizes = "--size 100000 --in-channels 10000000 --num-classes 10000000".split()
    assert main(["describe", "resnet50", *sizes]) == 0


@pytest.mark.parametrize(
    "images, said",
    [
        (torch.zeros(2, 32, 32, 3), r"axis 1 is the channels, not the last: x.permute"),
        (torch.zeros(2, 3, 32, 32).double(), r"the weights are torch.float32; convert .* x.to\("),
        (torch.zeros(2, 5, 32, 32), "build it with in_channels=5"),
    ],
)
def test_images_of_another_layout_or_type_are_told_how_to_convert(images, said):
    with pytest.raises(Mistake, match=said):
        models.build("resnet8")(images)


def test_images_of_half_precision_pass_where_torch_converts_them():
    with torch.autocast("cpu", torch.bfloat16):
        assert models.build("resnet8")(torch.zeros(2, 3, 8, 8).bfloat16()).shape == (2, 10)


# Paths


@pytest.mark.parametrize(
    "arguments",
    [
        [*SHORT, "--out", "~nobody-of-that-name/r"],
        ["evaluate", "~nobody-of-that-name/r"],
        ["evaluate", "~nobody-of-that-name/r.safetensors"],
    ],
)
def test_a_home_that_nobody_has_is_told(mistake, arguments):
    assert "there is no home folder ~nobody-of-that-name" in mistake(*arguments)


def test_a_folder_of_images_in_no_home_is_told(monkeypatch):
    with pytest.raises(Mistake, match="there is no home folder ~nobody-of-that-name"):
        data.folder("~nobody-of-that-name/images")
    with pytest.raises(Mistake, match="there is no home folder ~nobody-of-that-name"):
        models.build("resnet8", weights="~nobody-of-that-name/a.safetensors")


def test_without_a_home_the_variable_is_asked_for(monkeypatch):
    def no_home(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.expanduser", no_home)
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", "~/sets")
    with pytest.raises(Mistake, match="no home folder ~; write the path without ~"):
        data.home()


def test_a_home_in_the_name_of_the_folder_is_one_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main([*SHORT, "--out=~/r", "--plot"]) == 0
    assert {"curves.png", "record.json"} <= {path.name for path in (tmp_path / "r").iterdir()}
    assert not (tmp_path / "~").exists()
    assert main(["evaluate", "~/r"]) == 0


# Weights


@pytest.fixture
def run(tmp_path, capsys):
    """A folder with a finished run."""
    assert main([*SHORT, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    return tmp_path / "run"


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("fc.bias", float("nan"), "fc.bias is not finite everywhere; the run diverged"),
        ("bn1.running_var", -1.0, "bn1.running_var should be 0 or more, is -1"),
    ],
)
def test_weights_that_no_network_has_are_not_evaluated(mistake, run, name, value, said):
    tensors, about = weights.load(run / "model.safetensors")
    tensors[name].fill_(value)
    files.write_tensors(run / "model.safetensors", tensors, about)
    assert said in mistake("evaluate", run)


@pytest.mark.parametrize("recipe", [{}, {"schedule": 3}, {"schedule": {"name": "None"}}])
def test_weights_of_a_senseless_recipe_are_not_evaluated(mistake, run, recipe):
    tensors, about = weights.load(run / "model.safetensors")
    files.write_tensors(run / "model.safetensors", tensors, about | {"recipe": recipe})
    assert "expected a recipe, got {" in mistake("evaluate", run)


@pytest.mark.parametrize(
    "change",
    [{"epochs": "many"}, {"per_pixel_mean": "yes"}, {"lr": None}, {"more": 1}, {"epochs": True}],
)
def test_a_recipe_of_other_values_is_refused(change):
    with pytest.raises(Mistake):
        read(PAPER.as_dict() | change)


@pytest.mark.parametrize(
    "settings, said",
    [
        ({}, ""),
        ({"guessing": 0.0}, "nothing was learned: the training error, .*, is that of guessing"),
        ({"status": "diverged: loss nan in step 3"}, "diverged: loss nan in step 3; try a smaller"),
    ],
)
def test_a_run_that_learned_nothing_says_so_and_ends_with_1(run, capsys, settings, said):
    record = replace(records.load(run / "record.json"), **settings)
    assert training.Train("resnet8", "tiny")._report(record, None) == (1 if said else 0)
    told = capsys.readouterr().err
    assert re.match(said, told) and len(told.splitlines()) == (1 if said else 0)


# Variables


def test_a_rank_without_a_world_is_no_reason_for_silence(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert main(["describe", "resnet8"]) == 0
    assert "resnet8 on one image" in capsys.readouterr().out


@pytest.mark.parametrize(
    "variables, said",
    [
        ("RANK=0", "RANK is set, but not WORLD_SIZE, MASTER_ADDR, MASTER_PORT; start"),
        ("RANK=0 WORLD_SIZE=1", "RANK is set, but not MASTER_ADDR, MASTER_PORT; start"),
        ("RANK=x WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=1", "expected RANK to be a whole number"),
        ("RANK=-1 WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=1", "RANK to be a whole number, got '-1'"),
        ("RANK=0 WORLD_SIZE=2.0 MASTER_ADDR=a MASTER_PORT=1", "WORLD_SIZE to be a whole number"),
        ("RANK=0 WORLD_SIZE=0 MASTER_ADDR=a MASTER_PORT=1", "RANK below WORLD_SIZE=0, got 0"),
        ("RANK=2 WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=1", "RANK below WORLD_SIZE=2, got 2"),
        ("RANK=0 WORLD_SIZE=1 MASTER_ADDR=a MASTER_PORT=99999", "MASTER_PORT from 1 to 65535"),
    ],
)
def test_half_a_torchrun_is_told_in_one_line(capsys, monkeypatch, variables, said):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name, value in (pair.split("=") for pair in variables.split()):
        monkeypatch.setenv(name, value)
    assert main(SHORT) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_gpu_is_chosen_by_a_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert train.best_device() == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "first")
    with pytest.raises(Mistake, match="expected LOCAL_RANK to be a whole number, got 'first'"):
        train.best_device()


def test_other_variables_alone_start_no_world(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert not launch.launched()


def help_in_a_terminal(**variables):
    """What `describe --help` writes to a terminal."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "resnet_tutorial", "describe", "--help"]
    environment = {**os.environ, "TERM": "xterm", **variables}
    with subprocess.Popen(command, stdout=its, env=environment):
        os.close(its)
        said = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            said += piece
    os.close(ours)
    return said


def test_the_help_has_colours_unless_they_are_unwanted():
    assert b"--size" in help_in_a_terminal(NO_COLOR="1")
    assert b"\x1b[" not in help_in_a_terminal(NO_COLOR="1")
    assert b"\x1b[" in help_in_a_terminal(NO_COLOR="")


# Streams


@pytest.mark.parametrize(
    "redirection",
    ["| true", "2>&1 | true", ">&-", "2>&-", ">&- 2>&- <&-"],
    ids=["pipe", "both in a pipe", "no stdout", "no stderr", "none"],
)
def test_a_run_goes_on_when_nobody_reads_what_it_says(tmp_path, redirection):
    words = [sys.executable, "-c", TINY, *SHORT, "--out", str(tmp_path / "run")]
    command = f"set -o pipefail; {shlex.join(words)} {redirection}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=120)
    assert done.returncode == 0 and b"Error" not in done.stderr, done.stderr
    assert len(records.load(tmp_path / "run" / "record.json").curve) == 8
    models.build("resnet8", weights=tmp_path / "run" / "model.safetensors")
