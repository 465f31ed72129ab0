"""A task that a linear layer learns in a moment: horizontal and vertical stripes."""

import numpy as np
import torch
from torch import nn

from resnet_tutorial import train
from resnet_tutorial.data import Dataset, Split
from resnet_tutorial.train import Cosine, Recipe

RECIPE = Recipe(epochs=3, batch_size=8, lr=0.1, schedule=Cosine(warmup=2))


def stripes(n, seed):
    """Horizontal and vertical stripes: what a linear layer can tell apart."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    image = np.tile(np.arange(4) % 2 * 200, (4, 1)).astype(np.uint8)
    images = np.stack([image if label else image.T for label in labels])[:, None]
    return Split(images + rng.integers(0, 20, images.shape, dtype=np.uint8), labels)


DATA = Dataset("stripes", stripes(43, 0), stripes(20, 1), ("horizontal", "vertical"))


class Linear(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.fc = nn.Linear(16, 2)

    def forward(self, x):
        return self.fc(x.flatten(1))


def fitted(recipe=RECIPE, seed=0, model=None, dataset=DATA, **settings):
    model = model or Linear()
    return model, train.fit(model, dataset, recipe, seed=seed, device="cpu", **settings)
