"""Augmentation of whole batches on the device they are on: shift, mirror, normalise.

As in the paper's section 4.2, after Lee et al. 2015 (arXiv:1409.5185): the mean is subtracted, four
pixels of padding are added on each side, and a crop of the old size is taken from the image or its
mirror image. Padding after the subtraction means that the border has the mean's colour.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float32, Shaped, UInt8
from torch import Tensor, nn

from resnet_tutorial import Mistake
from resnet_tutorial.data import Dataset


class Augment(nn.Module):
    """uint8 batches in, normalised and randomly shifted and mirrored float32 batches out.

    `mean` `(c, 1, 1)` or `(c, h, w)` and `std` `(c, 1, 1)` are in raw pixel units and move with the
    module (`.to(device)`). `padding` is in pixels, 0 for no shift; `flip` is the probability of the
    mirror image, to be 0 where left and right mean something, as in digits.

    >>> from resnet_tutorial import data
    >>> digits = data.load("digits")
    >>> augment = Augment.per_channel(digits, padding=1, flip=0.0)
    >>> batch = torch.from_numpy(digits.train.images[:64])
    >>> augment(batch, torch.Generator().manual_seed(0)).shape
    torch.Size([64, 1, 8, 8])
    """

    def __init__(
        self,
        mean: Float32[Tensor, "c ..."],
        std: Float32[Tensor, "c 1 1"],
        padding: int = 4,
        flip: float = 0.5,
    ):
        super().__init__()
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        self.padding, self.flip = padding, flip

    @classmethod
    def per_channel(cls, dataset: Dataset, **settings) -> "Augment":
        """Subtracts the mean of each channel: what most code does today."""
        return cls(torch.from_numpy(dataset.mean), torch.from_numpy(dataset.std), **settings)

    @classmethod
    def per_pixel(cls, dataset: Dataset, **settings) -> "Augment":
        """Subtracts the mean training image, as the paper does; the scale is the channel's."""
        return cls(torch.from_numpy(dataset.pixel_mean), torch.from_numpy(dataset.std), **settings)

    def normalize(self, images: Shaped[Tensor, "n c h w"]) -> Float32[Tensor, "n c h w"]:
        """The images without shift and mirror: what is evaluated.

        Raises ValueError when they have other channels than the mean, or another size than a mean
        image: one grey channel would else be spread silently over three.
        """
        c, h, w = images.shape[1:]
        if self.mean.shape not in {(c, 1, 1), (c, h, w)} or self.std.shape != (c, 1, 1):
            raise Mistake(
                f"expected images for a mean of shape {tuple(self.mean.shape)} (channels, height, "
                f"width), got images of shape {(c, h, w)}; load the data the mean was taken from"
            )
        return (images - self.mean) / self.std

    def forward(
        self,
        images: UInt8[Tensor, "n c h w"],
        generator: torch.Generator,
        share: slice = slice(None),
    ) -> Float32[Tensor, "p c h w"]:
        """The augmented batch, in channels-last memory; equal generators give equal batches.

        Of the batch only the `share` of a process is computed, but drawn is for the whole: every
        image is cropped as it would be in one process.
        """
        part = self.normalize(images[share])
        if self.padding == 0 and self.flip == 0:
            return part
        drawn = self._draw(len(images), generator, images.device)
        return self._crop(part, *(values[share] for values in drawn))

    def _draw(self, n: int, generator: torch.Generator, device: torch.device):
        """Upper and left edge of each crop, 0 to 2 * padding, and whether it is mirrored."""
        own = generator.device  # a generator on the images' device saves the copy
        edges = torch.randint(2 * self.padding + 1, (2, n), generator=generator, device=own)
        mirrored = torch.rand(n, generator=generator, device=own) < self.flip
        return *edges.to(device), mirrored.to(device)

    def _crop(
        self,
        images: Float32[Tensor, "n c h w"],
        top: Shaped[Tensor, " n"],
        left: Shaped[Tensor, " n"],
        mirrored: Shaped[Tensor, " n"],
    ) -> Float32[Tensor, "n c h w"]:
        """All crops by one indexing, which copies whole windows, then the mirror images."""
        n, _, h, w = images.shape
        windows = F.pad(images, [self.padding] * 4).unfold(2, h, 1).unfold(3, w, 1)  # a view
        crops = windows[torch.arange(n, device=images.device), :, top, left]
        crops = torch.where(mirrored[:, None, None, None], crops.flip(3), crops)
        # A copy even of one channel, whose strides .contiguous() would leave as they are: by them
        # PyTorch chooses the kernel, and the kernel decides the last bits of a run.
        crops = crops.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
        return crops.permute(0, 3, 1, 2)
