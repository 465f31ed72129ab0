"""Photos from files to batches: the package's stream, the usual DataLoader, and who waits for whom.

The photos are made here: smooth noise of 500x375 pixels, as JPEG of the usual quality. Both sides
cut a random box, scale it to 224x224, mirror half of them and normalise, with as many workers.
"""

import atexit
import math
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from action import Action, Actions
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.utils.data import DataLoader

from resnet_tutorial import data, models
from resnet_tutorial.data.decoders import default_workers
from resnet_tutorial.train import Batches, PhotoRecipe

PHOTOS, LARGE, BATCH, SIDE = 256, 32, 16, 224


def photos(count: int, width: int, height: int) -> data.Photos:
    """Two classes of JPEG files in a folder that goes when the program ends."""
    root = Path(tempfile.mkdtemp(prefix="photos"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    rng = np.random.default_rng(0)
    for i in range(count * 5 // 4):
        place = root / "ab"[i % 2]
        place.mkdir(exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8))
        size = width + i % 3, height  # of more than one size, as photos are
        coarse.resize(size, Image.Resampling.BICUBIC).save(place / f"{i}.jpg", quality=90)
    return data.load(f"folder:{root}", SIDE)


class UsualPhotos(torch.utils.data.Dataset):
    """One photo at a time: open, convert, cut, scale, mirror, to a tensor, normalise."""

    def __init__(self, dataset: data.Photos):
        self.paths, self.labels = dataset.train.paths, dataset.train.labels.tolist()
        self.mean, self.std = (torch.from_numpy(x) / 255 for x in (dataset.mean, dataset.std))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with open(self.paths[index], "rb") as file:
            image = Image.open(file).convert("RGB")
        left, top, width, height = self.box(*image.size)
        image = image.crop((left, top, left + width, top + height))
        image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        if torch.rand(1).item() < 0.5:
            image = ImageOps.mirror(image)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return (pixels.float().div(255) - self.mean) / self.std, self.labels[index]

    def box(self, w: int, h: int) -> tuple[int, int, int, int]:
        """Left, top, width and height, with the field's defaults."""
        for _ in range(10):
            area = w * h * torch.empty(1).uniform_(0.08, 1).item()
            ratio = math.exp(torch.empty(1).uniform_(math.log(3 / 4), math.log(4 / 3)).item())
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= w and 0 < height <= h:
                left = torch.randint(0, w - width + 1, (1,)).item()
                return left, torch.randint(0, h - height + 1, (1,)).item(), width, height
        return 0, 0, w, h


def usual_loader(dataset: data.Photos, workers: int) -> Action:
    """All batches of an epoch from a DataLoader with its defaults."""
    loader = DataLoader(
        UsualPhotos(dataset),
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
        drop_last=True,
    )

    def turn():
        for images, _ in loader:
            images.sum()

    return counted(turn, len(dataset.train) // BATCH * BATCH)


def stream(dataset: data.Photos) -> Action:
    """All batches of an epoch as `train.fit` takes them."""
    batches = Batches.of(dataset, dataset.train, "cpu", PhotoRecipe())
    generator, epoch = torch.Generator(), 0
    atexit.register(batches.close)

    def turn():
        nonlocal epoch
        order, key = torch.randperm(len(batches)).split(BATCH), 1000 * epoch
        order = order[: len(batches) // BATCH]
        batches.ahead(order, key)
        for i, batch in enumerate(order):
            images, _ = batches.augmented(batch, generator.manual_seed(key + i))
            images.sum()
        epoch += 1

    return counted(turn, len(dataset.train) // BATCH * BATCH)


def network() -> Action:
    """A step of ResNet-18 on images that are there."""
    net = models.build("resnet18", num_classes=2).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    images = torch.randn(BATCH, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 2

    def turn():
        loss = nn.functional.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return counted(turn, BATCH)


def counted(turn: Callable[[], object], images: int) -> Action:
    """The action, which notes how many images it takes in a second."""
    return Action(turn, images=images, note=lambda seconds: f"{images / seconds:.0f} images/s")


def loader() -> Actions:
    """256 JPEGs of 500x375 to random boxes of 224x224, and a step of ResNet-18 beside them."""
    return {**both(photos(PHOTOS, 500, 375)), f"ResNet-18, {BATCH} images": network()}


def large_photos() -> Actions:
    """32 JPEGs of 2400x1800 to random boxes of 224x224: decoded at half their scale and less."""
    return both(photos(LARGE, 2400, 1800))


def both(dataset: data.Photos) -> Actions:
    """The usual way and the package's."""
    workers = default_workers()
    return {
        f"DataLoader, {workers} workers": usual_loader(dataset, workers),
        f"the stream, {workers} workers": stream(dataset),
    }
