"""Batches of photos that are decoded in worker processes, ahead of the step that needs them.

A box of each training photo is cut out and scaled by its worker; mirror images, colours and
normalisation follow in batches on the device. The box is drawn from the seed, the step and the
photo alone, so a run that goes on after a stop sees the same. Chapter: practice/own_images.
"""

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from resnet_tutorial import Mistake
from resnet_tutorial.data import Files, Photos, decode
from resnet_tutorial.data.decoders import Decoders, attempt, broken
from resnet_tutorial.train.augment import Augment
from resnet_tutorial.train.photo_augment import PhotoAugment
from resnet_tutorial.train.photo_recipe import PhotoRecipe
from resnet_tutorial.train.recipe import Recipe

FEW = 64  # photos for which no processes are started
Job = tuple[str, tuple[int, int]]  # a photo, and what its box is drawn from


@dataclass
class _Announced:
    """Batches that will be asked for, the seed at the first, and their pixels."""

    batches: deque
    key: int
    share: slice
    pixels: Iterator[list]


@dataclass(eq=False)
class Stream:
    """A part of `Photos`, in the place of `Batches`: labels on the device, pixels in files.

    Its parts, and `other` parts of the photos, are decoded by the same workers. A run so begins its
    workers once, before its first backward pass: a process that is forked while other threads call
    into Python, as those that average gradients do, can wait for ever for a lock of theirs.

    >>> files = Files(".", np.array(["a.png", "b.png"], object), np.array([9, 8]), np.array([0, 1]))
    >>> photos = Photos("two", files, files, ("cat", "dog"), size=64)
    >>> augment = Augment(torch.zeros(3, 1, 1), torch.ones(3, 1, 1), padding=0)
    >>> stream = Stream(photos, files, torch.tensor([0, 1]), augment)
    >>> len(stream), stream.images.shape
    (2, torch.Size([2, 3, 64, 64]))
    """

    photos: Photos
    files: Files
    labels: Int64[Tensor, " n"]
    augment: Augment
    recipe: Recipe = field(default_factory=Recipe)
    decoders: Decoders | None = None

    def __post_init__(self):
        self.decoders = self.decoders or Decoders(self.photos.workers)
        self._announced: _Announced | None = None

    @classmethod
    def of(
        cls, photos: Photos, files: Files, device: str | torch.device, recipe: Recipe | None = None
    ) -> "Stream":
        """The photos in `files`, to be normalised with the training set's statistics."""
        recipe = recipe or Recipe()
        if isinstance(recipe, PhotoRecipe):
            augment = PhotoAugment.of(photos, recipe)
        elif recipe.per_pixel_mean:
            augment = Augment.per_pixel(photos)  # which photos do not have: it says so
        else:
            augment = Augment.per_channel(photos, padding=recipe.padding, flip=recipe.flip)
        labels = torch.from_numpy(files.labels).to(device)
        return cls(photos, files, labels, augment.to(device), recipe)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Bytes that the part holds on the device: the pictures stay in their files."""
        return self.labels.nbytes

    @property
    def images(self) -> UInt8[Tensor, "n 3 h w"]:
        """The shape of all images, as the network sees them; there are no pixels in it."""
        return torch.empty(len(self), *self.photos.image_shape, dtype=torch.uint8, device="meta")

    def other(self, files: Files) -> "Stream":
        """Another part of the photos, normalised alike, decoded by the same workers."""
        return replace(
            self, files=files, labels=torch.from_numpy(files.labels).to(self.labels.device)
        )

    def take(self, indices: Tensor | slice) -> "Stream":
        """The photos and labels at `indices`."""
        chosen = indices.cpu().numpy() if isinstance(indices, Tensor) else indices
        files, labels = self.files.take(chosen), self.labels[indices]
        return replace(self, files=files, labels=labels)

    def spread(self, most: int) -> "Stream":
        """At most `most` of the photos, evenly spread over the part."""
        if len(self) <= most:
            return self
        return self.take(torch.arange(most, device=self.labels.device) * len(self) // most)

    def ahead(
        self, batches: Iterable[Int64[Tensor, " _"]], first_key: int, share: slice = slice(None)
    ) -> None:
        """Tells which `batches` will be asked for next, so that they are decoded beforehand.

        The generator that `augmented` is then called with has the seed `first_key` at the first of
        them, one more at each. What was announced before is forgotten.
        """
        todo = deque(batch.cpu() for batch in batches)
        jobs = (self._jobs(batch[share], first_key + i) for i, batch in enumerate([*todo]))
        self._announced = _Announced(todo, first_key, share, self.decoders.map(self._cut(), jobs))

    def augmented(
        self,
        indices: Int64[Tensor, " b"],
        generator: torch.Generator,
        share: slice = slice(None),
    ) -> tuple[Float[Tensor, "p c h w"], Int64[Tensor, " p"]]:
        """This process's `share` of the batch at `indices`, augmented, in channels-last memory.

        The boxes are drawn from the seed of `generator` and the photo, whether or not the batch was
        announced. Raises ValueError that names the files when photos cannot be read.
        """
        images = self._next(indices.cpu(), generator.initial_seed(), share)
        if isinstance(self.augment, PhotoAugment):
            images = self.augment.finish(images.float(), len(indices), generator, share)
        else:
            whole = images.new_zeros((len(indices), *images.shape[1:]))
            whole[share] = images
            images = self.augment(whole, generator, share)
        return images.contiguous(memory_format=torch.channels_last), self.labels[indices][share]

    def normalized(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All photos in order, their middle squares normalised, `size` at a time, with labels.

        By the run's workers where they have begun, else by some that end with the pass.
        """
        paths, photos = self.files.paths, self.photos
        batches = (paths[i : i + size] for i in range(0, len(paths), size))
        cut = partial(decode.center, size=photos.size, crop_pct=photos.crop_pct)
        with self._workers_of_a_pass() as decoders:
            found = decoders.map(partial(attempt, cut), batches)
            for pixels, labels in zip(found, self.labels.split(size), strict=True):
                images = self.augment.normalize(self._on_device(pixels))
                yield images.contiguous(memory_format=torch.channels_last), labels

    def close(self) -> None:
        """Ends the workers."""
        self._announced = None
        self.decoders.close()

    def _workers_of_a_pass(self) -> contextlib.AbstractContextManager[Decoders]:
        if len(self) <= FEW:
            return Decoders(0)
        if self.decoders.begun:
            return contextlib.nullcontext(self.decoders)
        return Decoders(self.photos.workers)

    def _next(self, batch: Tensor, key: int, share: slice) -> UInt8[Tensor, "p 3 h w"]:
        """The pixels of the share of a batch: those decoded beforehand when it was announced."""
        told = self._announced
        if told and told.batches and (told.key, told.share) == (key, share):
            if torch.equal(told.batches[0], batch):
                told.batches.popleft()
                told.key += 1
                return self._on_device(next(told.pixels))
        jobs = self._jobs(batch[share], key)
        return self._on_device(next(self.decoders.map(self._cut(), [jobs], ahead=0)))

    def _jobs(self, batch: Tensor, key: int) -> list[Job]:
        chosen = self.files.take(batch.numpy())
        return [(path, (key, i)) for path, i in zip(chosen.paths, batch.tolist(), strict=True)]

    def _cut(self) -> partial:
        return partial(_cut, photos=_Sizes.of(self.photos, self.recipe))

    def _on_device(self, pixels: list) -> UInt8[Tensor, "p 3 h w"]:
        if bad := [result for result in pixels if isinstance(result, Mistake)]:
            raise broken(bad, len(pixels))
        images = torch.from_numpy(np.stack(pixels)).to(self.labels.device)
        return images.permute(0, 3, 1, 2)


@dataclass(frozen=True)
class _Sizes:
    """What a worker has to know; little, because it is sent with every task."""

    size: int
    crop_pct: float
    scale: tuple[float, ...] | None
    ratio: tuple[float, ...] | None

    @classmethod
    def of(cls, photos: Photos, recipe: Recipe) -> "_Sizes":
        if isinstance(recipe, PhotoRecipe):
            return cls(photos.size, photos.crop_pct, recipe.crop_scale, recipe.crop_ratio)
        return cls(photos.size, photos.crop_pct, None, None)


def _cut(job: Job, photos: _Sizes) -> UInt8[np.ndarray, "size size 3"] | Mistake:
    """The box of a photo; the middle square under a recipe that draws none."""
    path, key = job
    try:
        if photos.scale is None:
            return decode.center(path, photos.size, photos.crop_pct)
        return decode.random_resized(path, photos.size, key, photos.scale, photos.ratio)
    except Mistake as mistake:
        return mistake
