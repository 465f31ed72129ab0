import warnings

import numpy as np
import pytest
from PIL import Image

from resnet_tutorial import data


def colour(value):
    return Image.new("RGB", (6, 4), (value, 0, 255 - value))


@pytest.fixture
def root(tmp_path):
    """Classes cat (0) and dog (1): three training images and one validation image each."""
    for part, n in (("train", 3), ("val", 1)):
        for label, name in enumerate(("cat", "dog")):
            folder = tmp_path / "pets" / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                colour(100 * label + i).save(folder / f"{i}.png")
    return tmp_path / "pets"


def load(root):
    return data.load(f"folder:{root}")


def test_a_folder_becomes_arrays_in_a_fixed_order(root):
    dataset = load(root)
    assert (dataset.name, dataset.classes) == ("folder:pets", ("cat", "dog"))
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.test.labels.tolist() == [0, 1]
    assert dataset.image_shape == (3, 4, 6)
    np.testing.assert_array_equal(dataset.train.images[:, 0, 0, 0], [0, 1, 2, 100, 101, 102])
    assert (dataset.train.images[4, 2] == 154).all()


def test_test_may_stand_for_val_and_other_files_are_passed_over(root):
    (root / "val").rename(root / "test")
    (root / "train" / "cat" / "notes.txt").write_text("")
    (root / "train" / "cat" / "._0.png").write_bytes(b"what some systems leave")
    (root / "train" / ".cache").mkdir()
    (root / "train" / "dog" / "images").mkdir()
    colour(9).save(root / "train" / "dog" / "images" / "9.PNG")
    assert load(root).train.labels.tolist() == [0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("content", [b"no image", None], ids=["text", "truncated"])
def test_a_broken_image_is_named(root, content):
    path = root / "train" / "dog" / "1.png"
    path.write_bytes(path.read_bytes()[:50] if content is None else content)
    with pytest.raises(ValueError, match=r"dog/1\.png cannot be read as an image") as caught:
        load(root)
    assert "\n" not in str(caught.value)


def test_a_truncated_jpeg_is_named(root):
    path = root / "val" / "cat" / "0.jpg"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"cat/0\.jpg cannot be read as an image"):
        data.folder(root)


def test_an_empty_file_is_left_out_and_said(root):
    (root / "train" / "dog" / "1.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="pets: left out: 1 empty files"):
        assert load(root).train.labels.tolist() == [0, 0, 0, 1, 1]


def test_broken_images_are_told_together_and_left_out_when_asked(root):
    for name in ("0.png", "2.png"):
        (root / "train" / "dog" / name).write_bytes(b"no image")
    (root / "val" / "cat" / "1.png").write_bytes(b"nor this")
    with pytest.raises(ValueError, match=r"3 of 9 pictures cannot be read") as caught:
        load(root)
    said = str(caught.value)
    assert all(name in said for name in ("dog/0.png", "dog/2.png", "cat/1.png", "--skip-broken"))
    with pytest.warns(UserWarning, match="left out 3 of 9 pictures that are broken"):
        dataset = data.load(f"folder:{root}", skip_broken=True)
    assert dataset.train.labels.tolist() == [0, 0, 0, 1] and len(dataset.test) == 2
    assert dataset.train.images[3, 0, 0, 0] == 101


def test_a_class_that_is_all_broken_cannot_be_left_out(root):
    (root / "val" / "dog" / "0.png").write_bytes(b"no image")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="class dog has no picture"):
        data.folder(root, skip_broken=True)


def test_an_image_of_floating_point_is_refused(root):
    Image.fromarray(np.full((4, 6), 0.5, np.float32)).save(root / "val" / "cat" / "0.tif")
    with pytest.raises(ValueError, match=r"cat/0\.tif .*expected 8 or 16 bits a channel"):
        data.folder(root)


def test_an_empty_class_is_named(root):
    for path in (root / "train" / "dog").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="no image in the class folder .*train/dog"):
        load(root)


def test_one_class_is_refused(root):
    (root / "train" / "dog").rename(root / "dog")
    with pytest.raises(ValueError, match=r"at least two class folders in .*train, got 1 \(cat\)"):
        load(root)


def test_both_parts_must_have_the_same_classes(root):
    (root / "val" / "dog").rename(root / "val" / "fox")
    with pytest.raises(ValueError, match="different classes: dog, fox"):
        load(root)


@pytest.mark.parametrize("missing", ["", "train", "val"])
def test_missing_folders_are_asked_for(root, missing):
    (root / missing).rename(root.parent / "away")
    with pytest.raises(ValueError, match=r"expected the folders train and val \(or test\) in"):
        load(root)


def test_images_of_another_size_are_named_and_can_be_cut(root):
    Image.new("RGB", (8, 8)).save(root / "train" / "dog" / "2.png")
    with pytest.raises(ValueError, match=r"dog/2.png is 8x8 pixels .* is 4x6; .*size=64"):
        data.folder(root)
    assert data.folder(root, size=4).image_shape == (3, 4, 4)


@pytest.mark.parametrize("size", [0, -3, 5000])
def test_a_size_that_is_none_is_refused(root, size):
    with pytest.raises(ValueError, match="whole number of pixels in 1 to 4096"):
        data.load(f"folder:{root}", size)


def test_size_keeps_the_middle_square(root):
    for path in root.rglob("*.png"):
        pixels = np.zeros((4, 6, 3), np.uint8)
        pixels[:, 1:5] = 200
        Image.fromarray(pixels).save(path)
    assert (data.folder(root, size=4).train.images == 200).all()


def test_all_grey_images_have_one_channel(root):
    for path in root.rglob("*.png"):
        Image.new("L", (6, 4), 7).save(path)
    dataset = load(root)
    assert dataset.image_shape == (1, 4, 6) and (dataset.train.images == 7).all()


def test_a_grey_image_among_coloured_ones_is_never_silent(root):
    Image.new("L", (6, 4), 7).save(root / "train" / "dog" / "1.png")
    with pytest.warns(UserWarning, match=r"1 of 8 images are grey, the first .*dog/1\.png"):
        dataset = load(root)
    assert (dataset.train.images[4] == 7).all() and dataset.image_shape == (3, 4, 6)


def test_palettes_and_transparency_become_colours(root):
    colour(50).convert("P").save(root / "train" / "cat" / "0.png")
    colour(50).convert("RGBA").save(root / "train" / "cat" / "1.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images = load(root).train.images
    assert (images[1, :, 0, 0] == (50, 0, 205)).all()
    assert images[0].std((1, 2)).max() == 0
