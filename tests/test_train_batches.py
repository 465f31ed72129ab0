import numpy as np
import pytest
import torch

from resnet_tutorial.data import Dataset, Split
from resnet_tutorial.train.batches import Batches
from resnet_tutorial.train.recipe import Recipe


def split(n, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 3, 6, 6), dtype=np.uint8)
    return Split(images, rng.integers(0, 2, n))


DATA = Dataset("noise", split(40, 0), split(20, 1), ("a", "b"))
CROPPED = Recipe(padding=2, flip=0.5)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_without_augmentation_a_batch_is_what_the_data_set_normalizes():
    images, labels = Batches.of(DATA, DATA.train, "cpu").augmented(torch.arange(3, 9), generator())
    np.testing.assert_array_equal(images, DATA.normalize(DATA.train.images[3:9]))
    assert labels.tolist() == DATA.train.labels[3:9].tolist()
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_the_mean_is_the_recipe_s():
    test = Batches.of(DATA, DATA.test, "cpu", Recipe(per_pixel_mean=True))
    images = torch.cat([images for images, _ in test.normalized(7)])
    np.testing.assert_array_equal(images, (DATA.test.images - DATA.pixel_mean) / DATA.std)


@pytest.mark.parametrize("size", [2, 4])
def test_the_shares_of_a_batch_are_the_batch(size):
    """However many processes share a batch, every image is cropped and mirrored alike."""
    batches, chosen = Batches.of(DATA, DATA.train, "cpu", CROPPED), torch.arange(0, 40, 2)
    whole, labels = batches.augmented(chosen, generator())
    for rank in range(size):
        part, some = batches.augmented(chosen, generator(), slice(rank, None, size))
        assert torch.equal(part, whole[rank::size]) and torch.equal(some, labels[rank::size])
    assert not torch.equal(whole, batches.augmented(chosen, generator(1))[0])


def test_what_is_spread_covers_the_split_in_order():
    """A folder's images come class by class: the first ones would be of one class."""
    batches = Batches.of(DATA, DATA.train, "cpu")
    assert batches.spread(50) is batches
    few = batches.spread(16)
    indices = [int((batches.images == image).all((1, 2, 3)).nonzero()) for image in few.images]
    assert len(few) == 16 and indices == sorted(set(indices))
    assert indices[0] == 0 and indices[-1] >= 37 and max(np.diff(indices)) == 3


def test_read_only_pixels_are_taken():
    images = DATA.train.images.copy()
    images.flags.writeable = False
    dataset = Dataset("fixed", Split(images, DATA.train.labels), DATA.test, DATA.classes)
    assert len(Batches.of(dataset, dataset.train, "cpu")) == 40
