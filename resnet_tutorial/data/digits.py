"""The handwritten digits that scikit-learn ships."""

import numpy as np

from resnet_tutorial.data.dataset import Dataset, Split

TEST_SIZE = 500  # of the 1,797 digits; 1,297 remain for training
SPLIT_SEED = 0


def digits() -> Dataset:
    """1,797 real handwritten digits, 8x8, grey levels 0 to 16: 1,297 to train, 500 to test.

    The split is a fixed permutation. The writers of the training and the test digits are the same
    people, so the test error is optimistic for new writers.

    >>> digits().label, digits().image_shape
    ('digits', (1, 8, 8))
    """
    from sklearn.datasets import load_digits  # 0.5 s, and only the digits need it

    raw = load_digits()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(raw.target))
    images = raw.images[order].astype(np.uint8)[:, None]
    everything = Split(images, raw.target[order].astype(np.int64))
    return Dataset(
        name="digits",
        train=everything.take(slice(TEST_SIZE, None)),
        test=everything.take(slice(TEST_SIZE)),
        classes=tuple("0123456789"),
    )
