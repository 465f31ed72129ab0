"""What the network sees of a picture: several draws of its augmentation.

Chapter: practice/own_images.
"""

import numpy as np
import torch
from jaxtyping import UInt8

from resnet_tutorial.data import Dataset
from resnet_tutorial.train.batches import Batches
from resnet_tutorial.train.recipe import Recipe


def draws(
    dataset: Dataset, recipe: Recipe, pictures: int = 8, times: int = 6, seed: int = 0
) -> UInt8[np.ndarray, "n times h w c"]:
    """Training pictures, evenly spread over the set, each augmented a number of `times`.

    They are put back from normalised to 0 to 255.

    >>> from resnet_tutorial import data
    >>> draws(data.load("digits"), Recipe(padding=1), pictures=3, times=2).shape
    (3, 2, 8, 8, 1)
    """
    batches = Batches.of(dataset, dataset.train, "cpu", recipe).spread(pictures)
    indices = torch.arange(len(batches))
    mean, std = batches.augment.mean, batches.augment.std
    found = []
    try:
        for time in range(times):
            generator = torch.Generator().manual_seed(seed * times + time)
            images, _ = batches.augmented(indices, generator)
            found.append((images * std + mean).round().clamp(0, 255).byte())
    finally:
        batches.close()
    return torch.stack(found, 1).permute(0, 1, 3, 4, 2).numpy()
