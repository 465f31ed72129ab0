import numpy as np
import pytest

from resnet_tutorial import data
from resnet_tutorial.data import Dataset, Split


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
