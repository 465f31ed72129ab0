"""resnet-tutorial data check folder:PATH, and the options of train and evaluate for photos."""

import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from resnet_tutorial.cli import main
from resnet_tutorial.data import checking, sheet

RUN = ["--like", "photos", "--epochs", "4", "--batch-size", "8", "--schedule", "cosine", "warmup=4"]


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
def pets(tmp_path):
    """20 cats and 30 dogs of two sizes, a folder a class; the first two dogs look the same."""
    rng = np.random.default_rng(0)
    for name, count in (("cat", 20), ("dog", 30)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            pixels[..., 0 if name == "cat" else 2] //= 4
            picture = Image.fromarray(pixels).resize(
                (40 + 8 * (i % 2), 30), Image.Resampling.BICUBIC
            )
            picture.save(tmp_path / "pets" / name / f"{i:02}.png")
    dogs = tmp_path / "pets" / "dog"
    with Image.open(dogs / "00.png") as image:
        image.save(dogs / "01.jpg", quality=90)
    return tmp_path / "pets"


def test_a_folder_is_described_with_what_to_do_next(call, pets):
    (pets / "notes.txt").write_text("")
    (pets / "loose.png").write_bytes(b"x")
    code, said, told = call("data", "check", f"folder:{pets}", "--size", "32")
    assert code == 0 and not told.replace("warning: pets: left out: 1 pictures beside the class "
                                          "folders", "").strip()  # fmt: skip
    lines = said.splitlines()
    assert lines[0] == f"folder:pets, 20% held out (seed 0), {pets}"
    assert lines[1].startswith("41 training and 10 test images of 3x32x32 in 2 classes; streamed")
    assert ["cat", "16", "4"] in [line.split() for line in lines]
    assert "width x height: smallest 40x30, median 40x30, largest 48x30" in lines
    assert "modes (Pillow's names): RGB 51" in lines
    assert "left out: 1 files .txt, 1 pictures beside the class folders" in lines
    assert "fewer than 20 training pictures: cat; add some" in said
    assert "channels (0 to 255, of 41 training pictures): mean " in said
    assert lines[-1] == (
        f"ready: resnet-tutorial train resnet20 --data folder:{pets} --size 32 --like photos --out "
        "runs/a"
    )


def test_broken_pictures_end_the_check_after_all_was_said(call, pets):
    for name in ("cat/03.png", "dog/04.png"):
        (pets / name).write_bytes(b"no picture")
    code, said, told = call("data", "check", f"folder:{pets}")
    assert code == 2 and "broken: 2" in said and "ready" not in said
    assert "2 of 51 pictures cannot be read" in told and "cat/03.png" in told
    code, said, _ = call("data", "check", f"folder:{pets}", "--skip-broken")
    assert code == 0 and "broken: 2" in said and "ready" in said


def test_pictures_that_look_the_same_are_named(call, pets):
    code, said, _ = call("data", "check", f"folder:{pets}", "--duplicates", "--split-seed", "2")
    assert code == 0 and "near-duplicates: 1 pairs" in said
    assert "dog/00.png ~ dog/01.jpg" in said or "dog/01.jpg ~ dog/00.png" in said


def test_across_the_split_and_in_two_classes_is_said(call, pets):
    for part in ("train", "val"):
        shutil.copytree(pets, pets.parent / "split" / part)
    copy = pets.parent / "split"
    shutil.copy(copy / "train" / "dog" / "05.png", copy / "train" / "cat" / "99.png")
    code, said, _ = call("data", "check", f"folder:{copy}", "--duplicates")
    assert "across the split" in said and "of two files with one picture delete one" in said
    assert ", 2 in different classes" in said  # the copy, with the dog in train and that in val


def test_without_imagehash_equal_files_are_found(call, pets, monkeypatch):
    monkeypatch.setattr(checking, "can_compare_looks", lambda: False)
    shutil.copy(pets / "dog" / "05.png", pets / "cat" / "99.png")
    code, said, _ = call("data", "check", f"folder:{pets}", "--duplicates")
    assert code == 0 and "equal files: 1 pairs" in said and ", 1 in different classes" in said
    assert 'pip install "resnet_tutorial[photos]"' in said


def test_sheets_are_drawn(call, pets, tmp_path):
    files = tmp_path / "sheet.png", tmp_path / "seen.png"
    options = ["--sheet", files[0], "--augmented", files[1]]
    code, _, _ = call("data", "check", f"folder:{pets}", "--size", "32", *options)
    assert code == 0
    with Image.open(files[0]) as image:
        assert image.size == (4 + 10 * 100, 2 * (96 + 26)) and image.mode == "RGB"
    with Image.open(files[1]) as image:
        assert image.size == (4 + 6 * 36, 8 * (32 + 26))
        tiles = [np.asarray(image)[22:54, 4 + 36 * i : 36 + 36 * i] for i in range(6)]
    assert len({tile.tobytes() for tile in tiles}) == 6


def test_a_sheet_takes_names_in_any_script():
    assert sheet.drawn([("猫 süß \udce9", [np.zeros((4, 4, 1), np.uint8)])]).shape == (30, 200, 3)


@pytest.mark.parametrize(
    "options, why",
    [
        (["--size", "0"], "size must be a whole number of pixels in 1 to 4096, got 0"),
        (["--held-out", "1.5"], "held_out must be a share between 0 and 1, got 1.5"),
        (["--workers", "-1"], "--workers must be in 0 to 256, got -1"),
        (["--split-seed", "-1"], "--split-seed must not be negative"),
    ],
)
@pytest.mark.parametrize("command", [["data", "check"], ["train", "resnet8", "--data"]])
def test_numbers_that_are_none_are_told(call, pets, command, options, why):
    code, _, told = call(*command, f"folder:{pets}", *options)
    assert code == 2 and why in told and len(told.splitlines()) == 1


def test_options_of_folders_are_for_folders(call):
    code, _, told = call("data", "check", "digits", "--size", "8")
    assert code == 2 and "--size is only for folder:PATH" in told
    code, _, told = call("train", "resnet8", "--data", "digits", "--skip-broken")
    assert code == 2 and "digits comes as it is" in told and "skip_broken" in told


def test_a_network_is_trained_on_photos_and_evaluated(call, pets, tmp_path):
    asked = ["--data", f"folder:{pets}", "--size", "16", "--workers", "0"]
    out = ["--out", tmp_path / "run"]
    code, said, told = call("train", "resnet8", *asked, *RUN, "--crop-scale", "0.5", "1", *out)
    assert code == 0 and "41 training and 10 test images of 3x16x16" in said, told
    errors = said.split("epoch 4: ")[1].split(",")[:2]
    code, said, _ = call("evaluate", tmp_path / "run", *asked)
    assert code == 0 and all(error.strip() in said for error in errors)
    assert "not the images" not in said


def test_small_sets_in_memory_are_trained_on_in_the_same_way(call, pets):
    for path in [*pets.rglob("*.png"), *pets.rglob("*.jpg")]:
        with Image.open(path) as image:
            small = image.resize((16, 16))
        small.save(path)
    code, said, _ = call("train", "resnet8", "--data", f"folder:{pets}", *RUN)
    assert code == 0 and "images of 3x16x16" in said
