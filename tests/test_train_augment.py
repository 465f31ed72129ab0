import numpy as np
import pytest
import torch

from resnet_tutorial.data import Dataset, Split
from resnet_tutorial.train.augment import Augment

IMAGES = np.random.default_rng(0).integers(0, 256, (200, 3, 6, 5), dtype=np.uint8)
SPLIT = Split(IMAGES, np.arange(200) % 2)
DATASET = Dataset("noise", SPLIT, SPLIT.take(slice(10)), ("a", "b"))
BATCH = torch.from_numpy(IMAGES)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def slowly(augment, images, seed):
    """One image after the other, from the same random numbers."""
    draws = generator(seed)
    edges = torch.randint(2 * augment.padding + 1, (2, len(images)), generator=draws)
    mirrored = torch.rand(len(images), generator=draws) < augment.flip
    p, out = augment.padding, []
    for image, top, left, mirror in zip(images.numpy(), *edges, mirrored, strict=True):
        image = (image - augment.mean.numpy()) / augment.std.numpy()
        image = np.pad(image, ((0, 0), (p, p), (p, p)))
        _, h, w = images.shape[1:]
        image = image[:, top : top + h, left : left + w]
        out.append(image[:, :, ::-1] if mirror else image)
    return np.stack(out)


@pytest.mark.parametrize("make", [Augment.per_channel, Augment.per_pixel])
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_a_batch_is_what_one_image_after_the_other_gives(make, padding):
    augment = make(DATASET, padding=padding)
    fast = augment(BATCH, generator(3))
    np.testing.assert_allclose(fast, slowly(augment, BATCH, 3), rtol=1e-6)
    assert fast.dtype == torch.float32 and fast.shape == BATCH.shape
    assert fast.is_contiguous(memory_format=torch.channels_last)


def test_grey_images_too_are_stored_pixel_by_pixel():
    """By the strides PyTorch chooses a convolution's kernel, and so the last bits of a run."""
    grey = Augment(torch.zeros(1, 1, 1), torch.ones(1, 1, 1), padding=1)
    assert grey(BATCH[:, :1], generator()).stride() == (30, 1, 5, 1)


def test_equal_generators_give_equal_batches_and_the_next_batch_is_another():
    augment, draws = Augment.per_channel(DATASET), generator()
    first, second = augment(BATCH, draws), augment(BATCH, draws)
    assert torch.equal(first, augment(BATCH, generator())) and not torch.equal(first, second)
    assert torch.equal(BATCH, torch.from_numpy(IMAGES)), "the batch itself must stay"


def test_every_shift_and_both_mirrors_come_up_equally_often():
    """Each image has one bright pixel in the middle: where it lands tells shift and mirror."""
    n, p = 9000, 1
    images = torch.zeros(n, 1, 5, 4, dtype=torch.uint8)
    images[:, 0, 2, 1] = 1
    augment = Augment(torch.zeros(1, 1, 1), torch.ones(1, 1, 1), padding=p)
    where = augment(images, generator()).flatten(1).argmax(1)
    rows, columns = where // 4, where % 4
    assert rows.unique().tolist() == [1, 2, 3] and columns.unique().tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(rows.bincount()[1:] / n, 1 / 3, atol=0.02)
    # Unmirrored columns 0, 1, 2 and mirrored 3, 2, 1, a sixth each.
    np.testing.assert_allclose(columns.bincount() / n, [1 / 6, 1 / 3, 1 / 3, 1 / 6], atol=0.02)


def test_without_flip_or_shift_the_image_is_only_normalized():
    still = Augment.per_channel(DATASET, padding=0, flip=0.0)
    assert torch.equal(still(BATCH, generator()), still.normalize(BATCH))
    unflipped = Augment.per_channel(DATASET, padding=0, flip=1.0)(BATCH, generator())
    assert torch.equal(unflipped.flip(3), still.normalize(BATCH))


def test_per_channel_is_the_data_sets_own_normalization():
    augment = Augment.per_channel(DATASET)
    np.testing.assert_allclose(augment.normalize(BATCH), DATASET.normalize(IMAGES), rtol=1e-6)


def test_per_pixel_subtracts_the_mean_image():
    normal = Augment.per_pixel(DATASET).normalize(BATCH)
    assert normal.mean(0).abs().max() < 1e-5
    assert Augment.per_channel(DATASET).normalize(BATCH).mean(0).abs().max() > 1e-2


@pytest.mark.parametrize("make", [Augment.per_channel, Augment.per_pixel])
def test_grey_images_are_not_spread_over_three_channels(make):
    with pytest.raises(ValueError, match=r"mean of shape \(3, .*got images of shape \(1, 6, 5\)"):
        make(DATASET)(BATCH[:, :1], generator())


def test_a_mean_image_fits_one_size_only():
    with pytest.raises(ValueError, match=r"mean of shape \(3, 6, 5\)"):
        Augment.per_pixel(DATASET).normalize(BATCH[:, :, :5])


def test_mean_and_deviation_move_with_the_module_but_are_no_weights():
    augment = Augment.per_channel(DATASET).to("meta")
    assert augment.mean.device.type == augment.std.device.type == "meta"
    assert not augment.state_dict() and not list(augment.parameters())
