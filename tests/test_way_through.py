"""From a folder of pictures to a network in another program, by the command line alone."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from resnet_tutorial import models
from resnet_tutorial.cli import main
from resnet_tutorial.data import listing, shapes
from resnet_tutorial.models import imagenet, weights
from resnet_tutorial.predict import Predictor

BROKEN, COPY, COPIED = "bar/bar-07.png", "disc/disc-01.png", "disc/disc-03.png"


@pytest.fixture
def call(capfd):
    """Runs the command line in this process: what it says on both streams."""

    def run(*arguments, code=0):
        found = main([str(argument) for argument in arguments])
        said = "".join(capfd.readouterr())
        assert found == code, said
        return said

    return run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """300 pictures of 12 classes in the working folder, with the faults that folders have."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    made = shapes.write("shapes")
    moon, ring, plus = (
        made / "moon/moon-02.jpg",
        made / "ring/ring-03.png",
        made / "plus/plus-05.png",
    )
    note = Image.Exif()
    note[0x0112] = 6
    Image.open(moon).rotate(90, expand=True).save(moon, exif=note)
    Image.open(ring).convert("L").save(ring)
    Image.open(plus).convert("RGBA").save(plus)
    (made / BROKEN).write_bytes((made / BROKEN).read_bytes()[:3000])
    (made / COPY).write_bytes((made / COPIED).read_bytes())
    return made


def in_test_of(folder):
    """Name and class of every held-out picture."""
    found = listing.listing(folder)
    return {name: found.classes[k] for name, k in zip(found.test.names, found.test.labels,
                                                      strict=True)}  # fmt: skip


def answers(said):
    """The file and the probabilities of every line of JSON."""
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return {row["file"]: row["probabilities"] for row in rows}


def test_a_folder_becomes_a_network_that_another_program_runs(call, folder):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    size = ["--size", "32", "--workers", "0"]
    pictures = ["--data", "folder:shapes", *size]

    said = call("data", "check", "folder:shapes", *size, "--duplicates", code=2)
    assert "239 training and 60 test images of 3x32x32 in 12 classes; streamed" in said
    assert "RGB 297" in said and "RGBA 1" in said and "L 1" in said and "broken: 1" in said
    assert f"error: shapes/{BROKEN} cannot be read" in said and "--skip-broken" in said
    assert f"{COPY} ~ {COPIED} (across the split)" in said

    (folder / BROKEN).unlink()
    (folder / COPY).unlink()
    looks = ["--sheet", "sheet.png", "--augmented", "draws.png"]
    said = call("data", "check", "folder:shapes", *size, *looks)
    assert "238 training and 60 test images" in said and "broken" not in said
    assert "ready: resnet-tutorial train resnet20 --data folder:shapes --size 32" in said
    for name in looks[1::2]:
        with Image.open(name) as sheet:
            assert np.asarray(sheet).std() > 20, name

    train = ["train", "resnet8", *pictures, "--like", "photos", "--crop-scale", "0.5", "1",
             "--batch-size", "8", "--epochs", "8"]  # fmt: skip
    said = call(*train, "--check", "--sweep", "sweep.png")
    first = re.search(r"first loss\s+([\d.]+); guessing among 12 gives 2.48: as it should be", said)
    assert abs(float(first[1]) - np.log(12)) < 1
    assert "learned by heart" in said and "Nothing was trained" in said
    with Image.open("sweep.png") as sweep:
        assert sweep.format == "PNG"

    said = call(*train, "--workers", "1", "--out", "runs/a", "--plot")
    errors = [float(e) for e in re.findall(r"error ([\d.]+)%", said)]
    assert max(errors) < 80, errors  # of 91.7 by guessing
    run = folder.parent / "runs/a"
    assert {"model.safetensors", "record.json", "curves.png"} <= {p.name for p in run.iterdir()}

    said = call("report", "runs/a", *pictures, "--out", "runs/report")
    report = json.loads((run.parent / "report/report.json").read_text())
    assert report["images"] == 60 and len(report["classes"]) == 12
    assert report["wrong"] == len(report["mistakes"]) == round(0.6 * errors[1])
    low, high = report["interval"]["low"], report["interval"]["high"]
    assert f"{report['wrong']} of 60 images are wrong: {errors[1]:.2f}% [" in said
    assert low < errors[1] / 100 < high and "Surest mistakes" in said

    held_out = in_test_of(folder)
    said = call("predict", "runs/a", *(f"shapes/{name}" for name in held_out), "--json",
                "--top", "12")  # fmt: skip
    found = answers(said)
    wrong = {name for name in held_out if max(row := found[f"shapes/{name}"], key=row.get)
             != held_out[name]}  # fmt: skip
    assert wrong == {mistake["image"] for mistake in report["mistakes"]}

    call("export", "runs/a", "a.onnx")
    session = onnxruntime.InferenceSession("a.onnx")
    predictor = Predictor.load("runs/a")
    for name in list(held_out)[::12]:
        [row] = session.run(None, {session.get_inputs()[0].name: predictor.prepared(
            f"shapes/{name}")})[0]  # fmt: skip
        said = [found[f"shapes/{name}"][kind] for kind in predictor.classes]
        assert np.allclose(row, said, atol=1e-5), name


def torchvision_file(path):
    """A file as torchvision publishes them: a dictionary of tensors by its names, 1,000 classes."""
    torch.manual_seed(0)
    net = models.build("resnet18")
    assert net.fc.out_features == 1000
    torch.save(dict(net.state_dict()), path)
    return net


@pytest.mark.filterwarnings("always:resnet18.pth")
def test_a_file_of_torchvision_is_trained_on(call, folder):
    (folder / BROKEN).unlink()
    for name in ("checks", "dots", "drop", "flower", "moon", "plus", "ring", "square"):
        for file in (folder / name).iterdir():
            file.unlink()
        (folder / name).rmdir()  # bar, disc, stripes, triangle
    source = torchvision_file("resnet18.pth")
    pictures = ["--data", "folder:shapes", "--size", "32"]
    train = ["train", "resnet18", "--weights", "resnet18.pth", *pictures, "--like", "photos",
             "--crop-scale", "0.5", "1", "--batch-size", "8", "--lr", "0.02",
             "--schedule", "cosine", "warmup=1"]  # fmt: skip

    said = call(*train, "--epochs", "4", "--frozen-epochs", "4", "--out", "runs/head")
    assert "resnet18.pth: the head for 1000 classes was replaced by a new one for 4" in said
    assert "mean 123.7, 116.3, 103.5, deviation 58.4, 57.12, 57.38" in said, said
    frozen, about = weights.load("runs/head/model.safetensors")
    for name, value in source.named_parameters():
        assert torch.equal(frozen[name], value) == (not name.startswith("fc.")), name
    assert frozen["fc.weight"].shape == (4, 512)

    call(*train, "--epochs", "5", "--frozen-epochs", "1",
         "--out", "runs/whole")  # fmt: skip
    thawed, _ = weights.load("runs/whole/model.safetensors")
    moved = [not torch.equal(thawed[n], p) for n, p in source.named_parameters()]
    assert all(moved)

    predictor = Predictor.load("runs/whole")
    assert predictor.classes == ("bar", "disc", "stripes", "triangle")
    mean, std = (255 * np.array(part) for part in (imagenet.MEAN, imagenet.STD))
    assert np.allclose(predictor.inputs.mean.ravel(), mean)
    assert np.allclose(predictor.inputs.std.ravel(), std)
    said = call("predict", "runs/whole", "shapes/bar/bar-00.jpg", "--top", "4", "--json")
    [row] = answers(said).values()
    assert set(row) == set(predictor.classes) and abs(sum(row.values()) - 1) < 1e-5
