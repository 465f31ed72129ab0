"""A split on the device, and the batches that training and evaluation take from it.

The images stay there as bytes; they are shifted, mirrored and normalised a batch at a time.
Chapter: training/where_the_time_goes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from resnet_tutorial.data import Dataset, Files, Split
from resnet_tutorial.train.augment import Augment
from resnet_tutorial.train.photo_augment import BoxAugment
from resnet_tutorial.train.photo_recipe import PhotoRecipe
from resnet_tutorial.train.recipe import Recipe
from resnet_tutorial.train.stream import Stream


@dataclass(frozen=True, eq=False)
class Batches:
    """A split on the device: raw images `(n, c, h, w)`, labels `(n,)`, and what normalises them.

    >>> from resnet_tutorial import data
    >>> digits = data.load("digits")
    >>> batches = Batches.of(digits, digits.test, "cpu")
    >>> [images.shape[0] for images, labels in batches.normalized(200)]
    [200, 200, 100]
    """

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    augment: Augment

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        split: Split | Files,
        device: str | torch.device,
        recipe: Recipe | None = None,
    ) -> "Batches | Stream":
        """Puts `split` on `device`, to be normalised with the training set's statistics.

        Of files only the labels: a `Stream` of their pictures has the same methods.
        """
        recipe = recipe or Recipe()
        if isinstance(split, Files):
            return Stream.of(dataset, split, device, recipe)
        if isinstance(recipe, PhotoRecipe):
            augment = BoxAugment.of(dataset, recipe)
        else:
            kind = Augment.per_pixel if recipe.per_pixel_mean else Augment.per_channel
            augment = kind(dataset, padding=recipe.padding, flip=recipe.flip)
        return cls(*_on(device, split), augment.to(device))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Bytes that the part holds on the device."""
        return self.images.nbytes + self.labels.nbytes

    def other(self, split: Split) -> "Batches":
        """Another split of the same data set, on the same device and normalised alike."""
        return Batches(*_on(self.labels.device, split), self.augment)

    def take(self, indices: Tensor | slice) -> "Batches":
        """The images and labels at `indices`."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def spread(self, most: int) -> "Batches":
        """At most `most` of the images, evenly spread over the split."""
        if len(self) <= most:
            return self
        return self.take(torch.arange(most, device=self.labels.device) * len(self) // most)

    def ahead(
        self, batches: Iterable[Int64[Tensor, " _"]], first_key: int, share: slice = slice(None)
    ) -> None:
        """Nothing: the images are there. See `Stream.ahead`."""

    def close(self) -> None:
        """Nothing: there are no workers. See `Stream.close`."""

    def augmented(
        self,
        indices: Int64[Tensor, " b"],
        generator: torch.Generator,
        share: slice = slice(None),
    ) -> tuple[Float[Tensor, "p c h w"], Int64[Tensor, " p"]]:
        """This process's `share` of the batch at `indices`, augmented, in channels-last memory.

        `generator` draws for the whole batch, so every image is cropped as it would be alone.
        """
        images = self.augment(self.images[indices], generator, share)
        return images.contiguous(memory_format=torch.channels_last), self.labels[indices][share]

    def normalized(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images in order, normalised, `size` at a time, with their labels."""
        for images, labels in zip(self.images.split(size), self.labels.split(size), strict=True):
            images = self.augment.normalize(images)
            yield images.contiguous(memory_format=torch.channels_last), labels


def _on(device: str | torch.device, split: Split) -> tuple[Tensor, Tensor]:
    """The images and labels of `split`."""
    images = torch.from_numpy(np.require(split.images, requirements="W"))
    return images.to(device), torch.from_numpy(split.labels).to(device)
