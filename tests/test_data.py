import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from resnet_tutorial import Mistake, data
from resnet_tutorial.data import Dataset, Split, arrays


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def split(labels, shape=(1, 2, 2)):
    labels = np.array(labels, dtype=np.int64)
    return Split(np.zeros((len(labels), *shape), dtype=np.uint8), labels)


def test_digits_are_all_of_scikit_learns_and_no_image_is_in_both_parts(digits):
    from sklearn.datasets import load_digits

    together = np.concatenate([digits.train.images, digits.test.images])[:, 0]
    original = load_digits().images.astype(np.uint8)
    assert sorted(map(bytes, together)) == sorted(map(bytes, original))
    assert (len(digits.train), len(digits.test)) == (1297, 500)


def test_digits_are_the_ones_that_records_cite(digits):
    assert digits.fingerprint == "529a36f9fa2a1895"


def test_every_class_is_in_both_parts(digits):
    for part in (digits.train, digits.test):
        assert np.bincount(part.labels, minlength=10).min() >= 40


def test_normalize_uses_the_training_images_only(digits):
    train = digits.normalize(digits.train.images)
    assert train.dtype == np.float32
    assert abs(train.mean()) < 1e-5 and abs(train.std() - 1) < 1e-5
    assert abs(digits.normalize(digits.test.images).mean()) > 1e-4


def test_fingerprint_sees_every_pixel_and_label(digits):
    images, labels = digits.train.images.copy(), digits.train.labels.copy()
    images[7, 0, 3, 3] ^= 1
    labels[7] = (labels[7] + 1) % 10
    for part in (Split(images, digits.train.labels), Split(digits.train.images, labels)):
        changed = Dataset("digits", part, digits.test, digits.classes)
        assert changed.fingerprint != digits.fingerprint
    again = Dataset("digits", digits.train, digits.test, digits.classes)
    assert again.fingerprint == digits.fingerprint


@pytest.mark.parametrize("wrong", [10, -1])
def test_a_label_that_names_no_class_is_refused(wrong):
    with pytest.raises(ValueError, match=f"label {wrong} is not one of the 10 classes 0 to 9"):
        Dataset("mine", split([0, wrong]), split([1]), tuple("0123456789"))


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="at least one image, got an empty split"):
        split([])


def test_images_and_labels_must_be_as_many():
    with pytest.raises(ValueError, match=r"\(3, 1, 2, 2\) and 2 labels"):
        Split(np.zeros((3, 1, 2, 2), dtype=np.uint8), np.zeros(2, dtype=np.int64))


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="unknown data set 'digit'; nearest: digits"):
        data.load("digit")


def test_an_unknown_name_is_told_about_folders():
    with pytest.raises(
        ValueError, match="unknown data set 'cifar'; nearest: .*; all: .*folder:PATH"
    ):
        data.load("cifar")


def test_mean_and_deviation_are_those_of_each_channel():
    images = np.random.default_rng(0).integers(0, 256, (1003, 3, 4, 5), dtype=np.uint8)
    images[:, 1] //= 3
    part = Split(images, np.arange(1003) % 2)
    dataset = Dataset("mine", part, part.take(slice(5)), ("a", "b"))
    for i in range(3):
        np.testing.assert_allclose(dataset.mean[i], images[:, i].mean(), rtol=1e-6)
        np.testing.assert_allclose(dataset.std[i], images[:, i].std(), rtol=1e-6)
    assert dataset.mean.shape == dataset.std.shape == (3, 1, 1)
    np.testing.assert_allclose(dataset.pixel_mean[2, 3, 1], images[:, 2, 3, 1].mean(), rtol=1e-6)


def test_grey_images_are_not_spread_over_three_channels():
    dataset = Dataset("mine", split([0, 1], (3, 2, 2)), split([0], (3, 2, 2)), ("a", "b"))
    with pytest.raises(ValueError, match=r"shape \(3, 2, 2\) .* got \(1, 2, 2\)"):
        dataset.normalize(np.zeros((5, 1, 2, 2), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"mine: .*\(3, 2, 2\) .* got \(1, 2, 2\)"):
        Dataset("mine", split([0], (3, 2, 2)), split([0], (1, 2, 2)), ("a", "b"))


def pairs(part):
    """How often each image occurs with each label."""
    return Counter(zip(map(bytes, part.images), part.labels.tolist(), strict=True))


def test_held_out_images_leave_the_training_set_and_hide_the_test_set(digits):
    part = digits.held_out(300, seed=1)
    assert (len(part.train), len(part.test)) == (997, 300)
    assert pairs(part.train) + pairs(part.test) == pairs(digits.train)
    assert part.mean != digits.mean, "the held-out images must not enter the mean"
    assert part.name == "digits, 300 held out (seed 1)"


def test_held_out_depends_on_the_seed_alone(digits):
    first, again, other = (digits.held_out(300, seed).fingerprint for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("size", [0, -1, 1297])
def test_held_out_leaves_some_images_on_both_sides(digits, size):
    with pytest.raises(ValueError, match=f"hold out 1 to 1296 of the 1297 .* got {size}"):
        digits.held_out(size)


def test_a_caption_says_which_copy_it_is():
    copy = Dataset("cifar10-jpeg75", split([0, 0]), split([0]), ("a",))
    assert copy.label == "CIFAR-10 (JPEG-75 copy)"
    assert copy.held_out(1).label == "CIFAR-10 (JPEG-75 copy), 1 held out (seed 0)"
    assert Dataset("mine", split([0]), split([0]), ("a",)).label == "mine"


def test_arrays_come_back_as_they_were_saved(tmp_path, digits):
    path = tmp_path / "digits.npz"
    data.save(digits, path)
    back = arrays.read(path, "digits")
    assert (back.fingerprint, back.classes) == (digits.fingerprint, digits.classes)
    assert [p.name for p in tmp_path.iterdir()] == ["digits.npz"]


def pickled(path):
    np.savez(path, train_images=np.array([object()]))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(b"nothing"),
        lambda path: np.savez(path, train_images=np.zeros(3)),
        pickled,
    ],
    ids=["truncated", "text", "other arrays", "pickle"],
)
def test_a_damaged_array_file_is_named_in_one_line(tmp_path, digits, damage):
    path = tmp_path / "digits.npz"
    data.save(digits, path)
    damage(path)
    with pytest.raises(ValueError, match="digits.npz does not hold a data set") as caught:
        arrays.read(path, "digits")
    assert "\n" not in str(caught.value)


def test_importing_the_data_sets_loads_no_downloader_and_no_scikit_learn():
    """pooch costs 0.2 s and, in a notebook, prints a remark on widgets; scikit-learn 0.5 s."""
    heavy = {"pooch", "requests", "sklearn"}
    source = f"import sys, resnet_tutorial.data; assert not {heavy} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", source], check=True)


ARRAYS = """
import numpy as np
from resnet_tutorial import Mistake
from resnet_tutorial.data import Split

images, labels = np.zeros((2, 1, 2, 2), np.uint8), np.zeros(2, np.int64)
for wrong in (
    (images.astype(float), labels),
    (images, labels.astype(float)),
    (images, labels.astype(np.int32)),
    (images, [0, 1]),
    (images[:, :, :0], labels),
    (images, labels[:, None]),
    (images[0], labels),
):
    try:
        Split(*wrong)
    except Mistake as error:
        print(error)
"""


def test_arrays_of_another_type_or_shape_are_refused():
    """In a process of its own: in this one the types of all arguments are checked before."""
    done = subprocess.run([sys.executable, "-c", ARRAYS], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    expected = (
        "expected images as a NumPy array of uint8, got float64; convert them",
        "expected labels as a NumPy array of int64, got float64; convert them",
        "expected labels as a NumPy array of int64, got int32; convert them",
        "expected labels as a NumPy array of int64, got list; convert them",
        "got an empty split: images of shape (2, 1, 0, 2)",
        "got images of shape (2, 1, 2, 2) and 2 x 1 labels",
        "got images of shape (1, 2, 2) and 2 labels",
    )
    assert len(lines) == len(expected), done.stderr
    for line, text in zip(lines, expected, strict=True):
        assert text in line


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(Mistake, match="two classes are called 'cat'; give each its own name"):
        data.Dataset("pets", split([0, 1]), split([0, 1]), ("cat", "cat"))


def test_a_channel_that_never_varies_is_named():
    images = np.zeros((4, 2, 2, 2), np.uint8)
    images[:2, 0], images[:, 1] = 100, 7
    part = Split(images, np.array([0, 1, 0, 1]))
    dataset = data.Dataset("pets", part, part, ("cat", "dog"))
    with pytest.raises(Mistake, match="channel 1 of the training images has the value 7 every"):
        dataset.normalize(images)
