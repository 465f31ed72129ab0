"""Augmentation of photos, in whole batches on the device: boxes, mirror images, colours.

Chapter: practice/own_images.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor

from resnet_tutorial.data import Dataset
from resnet_tutorial.train.augment import Augment
from resnet_tutorial.train.photo_recipe import PhotoRecipe

GREY = (0.299, 0.587, 0.114)  # shares of red, green, blue in what the eye calls brightness
TRIES = 10


class PhotoAugment(Augment):
    """uint8 batches in; mirrored, coloured and normalised float32 batches out.

    `color_jitter` are the most by which brightness, contrast and saturation are changed: each
    image's factor is uniform in 1 - strength to 1 + strength, and they follow in that order.

    >>> from resnet_tutorial import data
    >>> digits = data.load("digits")
    >>> augment = PhotoAugment.of(digits, PhotoRecipe(color_jitter=(0.4, 0.4, 0.0)))
    >>> batch = torch.from_numpy(digits.train.images[:64])
    >>> augment(batch, torch.Generator().manual_seed(0)).shape
    torch.Size([64, 1, 8, 8])
    """

    color_jitter: tuple[float, ...] = (0.0, 0.0, 0.0)

    @classmethod
    def of(cls, dataset: Dataset, recipe: PhotoRecipe) -> "PhotoAugment":
        """With the mean and deviation of the training set."""
        augment = cls.per_channel(dataset, padding=0, flip=recipe.flip)
        augment.color_jitter = recipe.color_jitter
        return augment

    def forward(
        self,
        images: UInt8[Tensor, "n c h w"],
        generator: torch.Generator,
        share: slice = slice(None),
    ) -> Float32[Tensor, "p c h w"]:
        """The augmented `share` of the batch; drawn is for the whole of it."""
        return self.finish(images[share].float(), len(images), generator, share)

    def finish(
        self,
        part: Float32[Tensor, "p c h w"],
        n: int,
        generator: torch.Generator,
        share: slice = slice(None),
    ) -> Float32[Tensor, "p c h w"]:
        """`part`, the share of a batch of `n`, mirrored, coloured and normalised."""
        drawn = torch.rand(4, n, generator=generator, device=generator.device)
        drawn = drawn.to(part.device)[:, share, None, None, None]
        part = torch.where(drawn[0] < self.flip, part.flip(3), part)
        part = self.recolor(part, *(2 * drawn[1:] - 1))
        return self.normalize(part)

    def recolor(self, images: Float32[Tensor, "p c h w"], *factors: Tensor) -> Tensor:
        """Images of 0 to 255 with changed brightness, contrast and saturation.

        `factors` are three numbers in [-1, 1] of each image, `(p, 1, 1, 1)`.
        """
        brightness, contrast, saturation = self.color_jitter
        if brightness:
            images = (images * (1 + brightness * factors[0])).clamp(0, 255)
        if contrast:
            images = _away_from(_grey(images).mean((1, 2, 3), True), images, contrast * factors[1])
        if saturation and images.shape[1] == 3:
            images = _away_from(_grey(images), images, saturation * factors[2])
        return images


class BoxAugment(PhotoAugment):
    """`PhotoAugment` of images in memory, which are first cut: a random box, scaled to their size.

    >>> from resnet_tutorial import data
    >>> digits = data.load("digits")
    >>> augment = BoxAugment.of(digits, PhotoRecipe(crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0)))
    >>> batch = torch.from_numpy(digits.train.images[:64])
    >>> whole = augment.boxes(batch.float(), augment.draw_boxes(batch, torch.Generator()))
    >>> torch.allclose(whole, batch.float(), atol=1e-3)
    True
    """

    crop_scale: tuple[float, ...] = (0.08, 1.0)
    crop_ratio: tuple[float, ...] = (3 / 4, 4 / 3)

    @classmethod
    def of(cls, dataset: Dataset, recipe: PhotoRecipe) -> "BoxAugment":
        """With the mean and deviation of the training set."""
        augment = super().of(dataset, recipe)
        augment.crop_scale, augment.crop_ratio = recipe.crop_scale, recipe.crop_ratio
        return augment

    def forward(
        self,
        images: UInt8[Tensor, "n c h w"],
        generator: torch.Generator,
        share: slice = slice(None),
    ) -> Float32[Tensor, "p c h w"]:
        """The augmented `share` of the batch; drawn is for the whole of it."""
        drawn = self.draw_boxes(images, generator)[share]
        part = self.boxes(images[share].float(), drawn)
        return self.finish(part, len(images), generator, share)

    def draw_boxes(
        self, images: UInt8[Tensor, "n c h w"], generator: torch.Generator
    ) -> Float32[Tensor, "n 4"]:
        """Width, height, and offset of the middle, as shares of an image's; the first of ten that
        fits, else the whole image."""
        n, (h, w) = len(images), images.shape[2:]
        u = torch.rand(4, TRIES, n, generator=generator, device=generator.device).to(images.device)
        area = self.crop_scale[0] + u[0] * (self.crop_scale[1] - self.crop_scale[0])
        low, high = map(math.log, self.crop_ratio)
        aspect = torch.exp(low + u[1] * (high - low)) * h / w
        sides = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()])  # (2, tries, n)
        fits = (sides <= 1 + 1e-6).all(0)
        first = fits.int().argmax(0, keepdim=True)
        chosen = sides.gather(1, first.expand(2, 1, n))[:, 0]
        chosen = torch.where(fits.any(0), chosen.clamp(max=1), 1.0)
        offsets = (2 * u[2:].gather(1, first.expand(2, 1, n))[:, 0] - 1) * (1 - chosen)
        return torch.cat([chosen, offsets]).T

    def boxes(
        self, images: Float32[Tensor, "p c h w"], boxes: Float32[Tensor, "p 4"]
    ) -> Float32[Tensor, "p c h w"]:
        """The boxes of the images, each scaled to the size of an image, bilinearly."""
        width, height, x, y = boxes.T
        zero = torch.zeros_like(x)
        rows = torch.stack([width, zero, x, zero, height, y], 1)
        grid = F.affine_grid(rows.view(-1, 2, 3), list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _grey(images: Float32[Tensor, "p c h w"]) -> Float32[Tensor, "p 1 h w"]:
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    return (images * images.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)


def _away_from(center: Tensor, images: Tensor, change: Tensor) -> Tensor:
    """`images`, moved by the factor 1 + `change` away from `center`."""
    return torch.lerp(center.expand_as(images), images, 1 + change).clamp(0, 255)
