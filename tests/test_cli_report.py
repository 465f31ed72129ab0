"""resnet-tutorial report, and the options of train that look on."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resnet_tutorial import data, train
from resnet_tutorial.cli import main
from resnet_tutorial.cli.pictures import Pictures
from resnet_tutorial.cli.training import trained

SHORT = ["--epochs", "2", "--batch-size", "256", "--schedule", "cosine", "warmup=1"]


@pytest.fixture(autouse=True, scope="module")
def steady_threads():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
        yield


@pytest.fixture
def call(capsys):
    """Runs the command line in this process: its exit code, stdout and stderr."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """The folder of a run that was drawn and written for TensorBoard."""
    out = tmp_path_factory.mktemp("runs") / "a"
    looks = ["--plot", "--tensorboard", str(out / "board")]
    assert main(["train", "resnet8", "--data", "digits", *SHORT, "--out", str(out), *looks]) == 0
    return out


def is_picture(path):
    with Image.open(path) as picture:
        return picture.format == "PNG" and np.asarray(picture.convert("L")).std() > 5


def test_a_run_leaves_its_curves_and_event_files(watched):
    assert is_picture(watched / "curves.png")
    assert [path.name.startswith("events.") for path in (watched / "board").iterdir()] == [True]


def test_a_report_prints_the_error_of_evaluate_and_writes_its_files(call, watched, tmp_path):
    out = tmp_path / "new" / "report"
    code, said, _ = call("report", watched, "--out", out)
    assert code == 0 and said.startswith("resnet8 on the test images of digits\n")
    assert (
        said.splitlines()[-1] == f"{out}: report.json, confusion.png, calibration.png, mistakes.png"
    )
    error = re.search(r"test error (\S+)", call("evaluate", watched)[1])[1]
    assert f"of 500 images are wrong: {error} [" in said
    for name in ("confusion.png", "calibration.png", "mistakes.png"):
        assert is_picture(out / name), name
    found = json.loads((out / "report.json").read_text())
    net, digits, recipe, _ = trained(watched, None, None, Pictures(), "cpu")
    assert found["error"] == train.evaluate(net, digits, recipe)[1] == found["wrong"] / 500
    assert np.array(found["confusion"]).sum() == 500
    assert sum(row["wrong"] for row in found["classes"]) == found["wrong"] == len(found["mistakes"])
    assert sum(found["calibration"]["images"]) == 500 and found["temperature"]["value"] > 0


def test_a_report_without_a_folder_writes_nothing(call, watched, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("report", watched / "model.safetensors")[0] == 0 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("report nowhere", "nowhere does not exist; name the folder of a run"),
        ("report RUN --model resnet20", "holds another network's weights"),
        ("report RUN --out RUN/record.json", "record.json cannot be a folder"),
        ("train resnet8 --data digits --sweep a.png", "--sweep needs --check"),
        ("train resnet8 --data digits --check --sweep a.pdf", "--sweep draws a .png"),
        ("train resnet8 --data digits --check --sweep no/a.png", "there is no folder no"),
        (
            "train resnet8 --data digits --tensorboard RUN/record.json",
            "cannot be a folder for Tens",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(call, watched, arguments, said):
    code, _, err = call(*arguments.replace("RUN", str(watched)).split())
    assert code == 2 and said in err and len(err.splitlines()) == 1 and err.startswith("error: ")


def test_a_check_trains_nothing_and_draws_the_sweep(call, tmp_path):
    out, picture = tmp_path / "run", tmp_path / "sweep.png"
    asked = ["train", "resnet8", "--data", "digits", "--batch-size", "16", "--out", out]
    code, said, _ = call(*asked, "--check", "--sweep", picture)
    assert code == 0 and is_picture(picture) and not out.exists()
    names = ("first loss", "one batch", "learning rate", "time", "memory")
    assert [re.search(f"^{name} ", said, re.M).group() for name in names]
    assert "learned by heart" in said and said.endswith(
        "Nothing was trained; without --check it is.\n"
    )


def test_a_run_that_explodes_is_warned_of(call):
    code, _, err = call("train", "resnet8", "--data", "digits", *SHORT, "--lr", "1e30")
    assert code == 1 and len(re.findall("warning: the loss is no longer a number", err)) == 1


def test_a_report_says_when_the_images_are_others(call, watched, monkeypatch):
    digits = data.load("digits")
    monkeypatch.setattr(data, "load", lambda name: digits.held_out(100))
    assert "These are not the images that it was trained on (digits)" in call("report", watched)[1]


def test_of_photos_the_files_of_the_mistakes_are_named_and_drawn(call, tmp_path):
    """Streamed and resident: photos of two sizes, and of one."""
    rng = np.random.default_rng(0)
    for side in (24, 25):
        place = tmp_path / str(side)
        for name in ("cat", "dog"):
            (place / name).mkdir(parents=True)
            for i in range(10):
                h = side if i else 24
                pixels = rng.integers(0, 256, (h, h, 3), np.uint8)
                Image.fromarray(pixels).save(place / name / f"{i}.png")
        words = ["--data", f"folder:{place}", "--size", "16", "--workers", "0"]
        run, out = str(tmp_path / f"run{side}"), str(tmp_path / f"out{side}")
        given = ["train", "resnet8", *words, *SHORT, "--batch-size", "4", "--out", run]
        assert call(*given)[0] in (0, 1)  # noise: nothing is learned
        code, said, _ = call("report", run, *words, "--out", out)
        assert code == 0
        found = json.loads(Path(out, "report.json").read_text())
        names = {str(path.relative_to(place)) for path in place.rglob("*.png")}
        assert found["images"] == 4 and {row["image"] for row in found["mistakes"]} < names
        assert all(f"{row['image']}: " in said for row in found["mistakes"])
        assert Path(out, "mistakes.png").stat().st_size > 1000
