"""Tiny ImageNet from a small folder of the same format."""

import numpy as np
import pytest
from PIL import Image

from resnet_tutorial import data
from resnet_tutorial.data import tiny_imagenet

RNG = np.random.default_rng(0)
IDS = [f"n{i:08}" for i in range(8)]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home with eight classes of three training and two test pictures; three are targets."""
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", str(tmp_path))
    monkeypatch.setattr(tiny_imagenet, "PICTURES", (3, 2))
    monkeypatch.setattr(tiny_imagenet, "TARGETS", 3)
    folder = tmp_path / "deeper" / "tiny-imagenet-200"
    lines = []
    (folder / "val" / "images").mkdir(parents=True)
    for number, wnid in enumerate(IDS):
        (folder / "train" / wnid / "images").mkdir(parents=True)
        for i in range(3):
            picture(number).save(folder / "train" / wnid / "images" / f"{wnid}_{i}.JPEG")
        for i in range(2):
            picture(number).save(folder / "val" / "images" / f"val_{2 * number + i}.JPEG")
            lines.append(f"val_{2 * number + i}.JPEG\t{wnid}\t0\t0\t9\t9")
    (folder / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    (folder / "wnids.txt").write_text("\n".join(reversed(IDS)) + "\n")
    words = [f"{wnid}\tname{i}, other name" for i, wnid in enumerate(IDS)]
    (folder / "words.txt").write_text("\n".join(words) + "\n")
    return tmp_path


def picture(number):
    """Grey 30 n, every other picture of one channel: some of the set are."""
    grey = Image.new("L", (64, 64), 30 * number)
    return grey if number % 2 else grey.convert("RGB")


def test_the_two_parts_share_no_class_and_hold_all():
    source, target = data.load("tiny-imagenet-150"), data.load("tiny-imagenet-50")
    assert (len(source.classes), len(target.classes)) == (5, 3)
    assert {*source.classes, *target.classes} == {f"name{i}" for i in range(8)}
    assert (len(target.train), len(target.test)) == (9, 6)
    for part in (source, target):
        for split in (part.train, part.test):
            for label, name in enumerate(part.classes):
                grey = split.images[split.labels == label]
                assert abs(grey.mean() - 30 * int(name[4:])) < 3


def test_squares_of_two_by_two_pixels_are_averaged(home):
    folder = home / "deeper" / "tiny-imagenet-200"
    pixels = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for path in folder.glob("train/*/images/*_0.JPEG"):
        Image.fromarray(pixels).save(path, "PNG")  # read by its content: nothing is lost
    first = data.load("tiny-imagenet-50").train.images[0]
    means = pixels.reshape(32, 2, 32, 2, 3).mean((1, 3)).transpose(2, 0, 1)
    assert first.shape == (3, 32, 32) and np.abs(first - means).max() <= 0.5


def test_what_is_decoded_once_is_kept(home, monkeypatch):
    first = data.load("tiny-imagenet-50")
    assert tiny_imagenet.kept("tiny-imagenet-50").is_file()
    monkeypatch.setattr(tiny_imagenet, "decoded", None)
    again = data.load("tiny-imagenet-50")
    assert again.fingerprint == first.fingerprint and again.classes == first.classes


def test_a_home_that_cannot_be_written_to_is_read_all_the_same(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tiny_imagenet.arrays, "save", full)
    assert len(data.load("tiny-imagenet-50").train) == 9


def test_a_missing_folder_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", str(tmp_path / "empty"))
    with pytest.raises(ValueError, match=r"tiny-imagenet-200 in .*cs231n.*unpack it there") as told:
        data.load("tiny-imagenet-150")
    assert "\n" not in str(told.value)


def test_an_incomplete_folder_is_not_kept(home):
    next((home / "deeper").rglob("train/*/images/*_2.JPEG")).unlink()
    names = ("tiny-imagenet-150", "tiny-imagenet-50")
    refused = []
    for name in names:
        try:
            data.load(name)
        except ValueError as error:
            refused.append(name)
            assert "does not hold 3 pictures a class" in str(error)
    assert len(refused) == 1 and not tiny_imagenet.kept(refused[0]).exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xd8 no picture", "cannot be read"), (None, "pixels, expected")],
)
def test_a_damaged_picture_is_named(home, content, message):
    for path in (home / "deeper").rglob("train/*/images/*_1.JPEG"):
        path.write_bytes(content) if content else Image.new("RGB", (60, 64)).save(path)
    with pytest.raises(ValueError, match=rf"_1.JPEG cannot be read.*{message}|_1.*{message}"):
        data.load("tiny-imagenet-50")
