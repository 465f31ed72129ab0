"""Predictions for pictures: from Python and from the command line."""

import io
import json
import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from resnet_tutorial import Mistake, data, models, train
from resnet_tutorial.cli import main
from resnet_tutorial.data import Dataset, Split
from resnet_tutorial.models import weights
from resnet_tutorial.predict import Predictor
from resnet_tutorial.train.recipe import Cosine, Recipe

NAMES = ("blue things", "red")


def colored(n, seed=0):
    """Pictures of 8x8 pixels that are more blue, class 0, or more red, class 1."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 100, (n, 3, 8, 8), dtype=np.uint8)
    labels = np.arange(n) % 2
    images[labels == 0, 2] += 120
    images[labels == 1, 0] += 120
    return Split(images, labels)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that has learned to tell them apart."""
    folder = tmp_path_factory.mktemp("run") / "a"
    torch.manual_seed(0)
    net = models.build("resnet8", 2)
    recipe = Recipe(epochs=4, batch_size=16, lr=0.05, schedule=Cosine(warmup=2))
    dataset = Dataset("colors", colored(64), colored(16, 1), NAMES)
    record = train.fit(net, dataset, recipe, device="cpu", folder=folder)
    assert record.test_error == 0
    return folder


@pytest.fixture(scope="module")
def predictor(run):
    return Predictor.load(run)


@pytest.fixture
def pictures(tmp_path):
    """Four files in a folder: blue, red, blue, red; large and small, and one in a folder below."""
    place = tmp_path / "pictures"
    (place / "more").mkdir(parents=True)
    for i, pixels in enumerate(colored(4, 2).images.transpose(0, 2, 3, 1)):
        image = Image.fromarray(pixels)
        if i == 1:
            image = image.resize((80, 40), Image.Resampling.NEAREST)
        image.save(place / ("more" if i == 3 else "") / f"{i}.png")
    return place


def test_the_file_alone_says_all(run, predictor, tmp_path):
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((run / "model.safetensors").read_bytes())
    again = Predictor.load(alone)
    assert again.classes == NAMES == predictor.classes and again.inputs.shape == (3, 8, 8)
    images = colored(10, 3).images
    np.testing.assert_array_equal(again(images), predictor(images))


def test_probabilities_are_those_of_the_network_on_normalised_images(run, predictor):
    split = colored(10, 3)
    dataset = Dataset("colors", colored(64), split, NAMES)
    net = models.build("resnet8", weights=run).eval()
    with torch.no_grad():
        expected = net(torch.from_numpy(dataset.normalize(split.images))).softmax(1)
    found = predictor(split.images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert (found.argmax(1) == split.labels).all()


def test_paths_images_and_arrays_are_the_same_picture(predictor, pictures):
    path = pictures / "0.png"
    with Image.open(path) as image:
        array = np.asarray(image)
        forms = [str(path), path, image.copy(), array, array.transpose(2, 0, 1), array[None]]
    rows = [predictor(form) for form in forms]
    rows.append(predictor([path, forms[2], array])[1:2])
    rows.append(predictor(torch.from_numpy(array.transpose(2, 0, 1).copy())))
    for row in rows:
        np.testing.assert_allclose(row, rows[0], rtol=1e-4, atol=0)  # in batches of other sizes


def test_the_middle_of_a_larger_picture_is_what_is_seen(predictor):
    """A red square in a wide blue picture, and the blue square of one that is red at its sides."""
    blue, red = colored(2, 4).images
    wide = np.concatenate([blue, red, blue], axis=2)
    assert predictor(wide).argmax() == 1 and predictor(wide[:, :, :8]).argmax() == 0
    np.testing.assert_array_equal(predictor(wide), predictor(red))
    tall = np.concatenate([red, blue, red], axis=1).repeat(3, 1).repeat(3, 2)
    assert predictor(tall).argmax() == 0


def test_the_rule_of_imagenet_cuts_the_middle_224_of_256():
    from resnet_tutorial.models import imagenet
    from resnet_tutorial.predict import fitted

    picture = np.random.default_rng(0).integers(0, 256, (3, 256, 300), dtype=np.uint8)
    found = fitted(picture, imagenet.inputs())
    np.testing.assert_array_equal(found, picture[:, 16:240, 38:262])


def test_grey_pictures_and_colours_become_each_other(predictor):
    assert predictor(np.zeros((9, 7), np.uint8)).shape == (1, 2)
    digits = data.load("digits")
    grey = Predictor(models.build("resnet8", in_channels=1), digits.inputs())
    rgb = np.repeat(digits.test.images[0], 3, axis=0)
    np.testing.assert_allclose(grey(rgb), grey(digits.test.images[:1]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda x: x / np.float32(255), r"float32 from 0.* to 0.8.*: divided by 255\? Undo it"),
        (lambda x: x.astype(np.float64), r"float64 from 0 to 2\d\d: convert them: images.round"),
        (lambda x: (x - 128.0) / 64, r"from -2 to 1.*: already normalised\?"),
        (lambda x: x.astype(np.uint16) * 257, r"uint16 from 0 to 5\d+: more than 8 bits\?"),
        (lambda x: x * np.nan, "give the picture itself"),
    ],
)
def test_pixels_that_are_not_as_stored_are_told_apart_and_refused(predictor, change, said):
    images = colored(4).images
    images[0, 0, 0, 0] = 0
    for given in (change(images), list(change(images)), torch.from_numpy(change(images))):
        with pytest.raises(Mistake, match=f"expected the pixels as stored, .*{said}") as caught:
            predictor(given)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given, said",
    [
        ([], "at least one picture, got none"),
        ([None], "expected a path, an image of Pillow or an array of uint8, got NoneType"),
        (np.zeros((4, 5, 6), np.uint8), r"with 1 or 3 channels, got \(4, 5, 6\)"),
        ("no_such.png", "no_such.png cannot be read as an image"),
    ],
)
def test_what_is_no_picture_is_told(predictor, given, said):
    with pytest.raises(Mistake, match=said):
        predictor(given)


def test_what_a_file_does_not_say_is_asked_for(run, tmp_path):
    """Those of older versions and of other programs."""
    tensors, about = weights.load(run / "model.safetensors")
    inputs = Predictor.load(run).inputs
    net = models.build("resnet8", weights=run)
    torch.save(net.state_dict(), tmp_path / "a.pth")
    with pytest.raises(Mistake, match="does not say which network it is; give model"):
        Predictor.load(tmp_path / "a.pth")
    with pytest.raises(Mistake, match="how pictures become its input; give the data set"):
        Predictor.load(tmp_path / "a.pth", "resnet8")
    found = Predictor.load(tmp_path / "a.pth", "resnet8", inputs)
    images = colored(4).images
    np.testing.assert_array_equal(found(images), Predictor.load(run)(images))
    with pytest.raises(Mistake, match="has 2 outputs, but 10 classes are named"):
        Predictor.load(tmp_path / "a.pth", "resnet8", data.load("digits").inputs())


def test_train_predict_tells_images_that_were_not_normalised(run):
    net, images = models.build("resnet8", weights=run), torch.from_numpy(colored(4).images)
    for given, said in ((images.float(), "from 0 to 255"), (images / 255, "divided by 255")):
        with pytest.warns(UserWarning, match=f"expected normalised images, .* pixels {said}"):
            train.predict(net, given)
    train.predict(net, torch.from_numpy(net.inputs.normalize(images.numpy())))


# The command line


def said(capsys, *arguments):
    code = main(["predict", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def pipe(monkeypatch, content):
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))
    monkeypatch.setattr(sys, "stdin", stdin)


def test_a_line_for_each_picture_of_files_and_folders(run, pictures, capsys):
    code, out, err = said(capsys, run, pictures / "1.png", pictures)
    assert code == 0 and not err
    paths = ["1.png", "0.png", "1.png", "2.png", "more/3.png"]
    for line, path, name in zip(out, paths, [1, 0, 1, 0, 1], strict=True):
        best = rf"{re.escape(str(pictures / path))}: {NAMES[name]} \d+\.\d%, .* \d+\.\d%"
        assert re.fullmatch(best, line)
    assert said(capsys, run, pictures / "0.png", "--top", "1")[1][0].count("%") == 1


def test_json_is_an_object_a_line(run, pictures, capsys, predictor):
    _, out, _ = said(capsys, run, pictures / "0.png", pictures / "1.png", "--json")
    for line, name in zip(out, ("0.png", "1.png"), strict=True):
        found = json.loads(line)
        assert found["file"] == str(pictures / name)
        row = predictor(pictures / name)[0]
        for k, p in found["probabilities"].items():
            assert p == pytest.approx(row[NAMES.index(k)], abs=1e-5)


def test_broken_files_are_told_and_the_others_predicted(run, pictures, capsys):
    (pictures / "1.png").write_bytes(b"no picture")
    code, out, err = said(capsys, run, pictures, "none.png")
    assert code == 2 and [line.split(": ")[0][-5:] for line in out] == ["0.png", "2.png", "3.png"]
    assert "1.png cannot be read" in err[0] and "none.png cannot be read" in err[1]
    assert err[2] == "2 of 5 could not be read"


def test_names_come_on_standard_input(run, pictures, capsys, monkeypatch):
    names = f"{pictures / '0.png'}\r\n\n{pictures / 'none.png'}\n{pictures / '1.png'}"
    pipe(monkeypatch, names.encode())
    code, out, err = said(capsys, run, "-")
    assert code == 2 and len(out) == 2 and len(err) == 2


def test_a_picture_comes_on_standard_input(run, pictures, capsys, monkeypatch):
    pipe(monkeypatch, (pictures / "1.png").read_bytes())
    code, out, err = said(capsys, run, "-")
    assert code == 0 and out[0].startswith("-: red ") and not err
    pipe(monkeypatch, b"\0\1\2")
    code, out, err = said(capsys, run, "-")
    assert code == 2 and not out and "error: - cannot be read as an image" in err[0]


def test_nothing_to_predict_is_a_mistake(run, capsys, monkeypatch, tmp_path):
    pipe(monkeypatch, b"")
    assert said(capsys, run, "-")[0] == 2
    assert "no picture in the folder" in said(capsys, run, tmp_path)[2][0]
    assert "expected at least one picture, got none" in said(capsys, run)[2][0]
    assert "--top must be positive" in said(capsys, run, "a.png", "--top", "0")[2][0]


def test_a_file_that_does_not_say_its_classes_takes_those_of_the_data(tmp_path, capsys):
    torch.manual_seed(0)
    torch.save(models.build("resnet8", in_channels=1).state_dict(), tmp_path / "a.pth")
    Image.fromarray(data.load("digits").test.images[0, 0]).save(tmp_path / "7.png")
    arguments = tmp_path / "a.pth", tmp_path / "7.png", "--model", "resnet8", "--data", "digits"
    code, out, _ = said(capsys, *arguments)
    assert code == 0 and re.fullmatch(r".*7.png: \d \d+.\d%, \d \d+.\d%, \d \d+.\d%", out[0])


@pytest.fixture
def from_colors(monkeypatch):
    dataset = Dataset("colors", colored(32), colored(16, 1), NAMES)
    monkeypatch.setattr(data, "load", lambda name: dataset)


TRAIN = "train resnet8 --batch-size 16 --epochs 2 --schedule cosine warmup=1".split()


def test_train_begins_with_weights_and_says_what_it_took(run, from_colors, tmp_path, capsys):
    options = ["--data", "x", "--weights", str(run), "--frozen-epochs", "1", "--layer-decay", "0.5"]
    assert main([*TRAIN, *options, "--out", str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "begins with model.safetensors; pixels normalised as for these weights: mean " in out
    inputs = Predictor.load(tmp_path / "b").inputs
    np.testing.assert_array_equal(inputs.mean, Predictor.load(run).inputs.mean)
    assert main(["evaluate", str(tmp_path / "b")]) == 0


@pytest.mark.filterwarnings("default")
def test_train_repeats_grey_images_for_weights_for_colours(run, tmp_path, capsys):
    options = ["--data", "digits", "--weights", str(run), "--epochs", "1", "--batch-size", "600"]
    main([*TRAIN, *options, "--out", str(tmp_path / "b")])
    out, err = capsys.readouterr()
    assert "the grey images are repeated in three channels" in out
    assert "the head for 2 classes was replaced by a new one for 10" in err


@pytest.mark.parametrize(
    "options, message",
    [
        ("--frozen-epochs 1", "--frozen-epochs is for trained weights: name them with --weights"),
        ("--weights imagenet", "imagenet has resnet18"),
        ("--weights none.pth", "none.pth cannot be read (No such file or directory)"),
        ("--weights w --layer-decay 2", "layer_decay must be in (0, 1], got 2.0"),
    ],
)
def test_mistakes_in_the_options_of_train_are_told(from_colors, capsys, options, message):
    assert main([*TRAIN, "--data", "x", *options.split()]) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1


def test_other_data_than_the_weights_are_for_are_not_evaluated(run, monkeypatch, capsys):
    three = Dataset("three", colored(6), colored(6), ("a", "b", "c"))
    monkeypatch.setattr(data, "load", lambda name: three)
    assert main(["evaluate", str(run), "--data", "three"]) == 2
    assert "is for 2 classes, three has 3" in capsys.readouterr().err
