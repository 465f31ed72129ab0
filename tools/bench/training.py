"""Training end to end: the package's engine, its parts one at a time, and the usual trainer.

All train on noise of CIFAR-10's size under the paper's recipe: SGD, batches of 128, images padded,
cropped at random, mirrored and normalised.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from action import BATCH, Action, Actions, finished, product
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler

from resnet_tutorial import counts, models
from resnet_tutorial.data import Dataset, Split
from resnet_tutorial.train.batches import Batches
from resnet_tutorial.train.distributed import World
from resnet_tutorial.train.loop import Training
from resnet_tutorial.train.recipe import PAPER

STEPS = 10  # of one turn
SINGLE, HALF = "product, float32", "product, bfloat16"
LIMIT = "its convolutions alone"


def noise(images: int = 50_000, side: int = 32, classes: int = 10) -> Dataset:
    """Coloured noise: the time of a step does not depend on what the images show."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, 3, side, side), dtype=np.uint8)
    split = Split(pixels, np.arange(images) % classes)
    return Dataset("noise", split, split.take(slice(BATCH)), tuple(map(str, range(classes))))


# ---- the usual trainer --------------------------------------------------------------------------


class UsualImages(torch.utils.data.Dataset):
    """One image at a time: pad, crop, mirror, to a tensor, normalise, as torchvision's do it."""

    def __init__(self, dataset: Dataset):
        self.images = np.ascontiguousarray(dataset.train.images.transpose(0, 2, 3, 1))
        self.labels = dataset.train.labels.tolist()
        self.mean, self.std = (torch.from_numpy(x) / 255 for x in (dataset.mean, dataset.std))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = ImageOps.expand(Image.fromarray(self.images[index]), border=4)
        left, top = torch.randint(0, 9, (2,)).tolist()
        image = image.crop((left, top, left + 32, top + 32))
        if torch.rand(1).item() < 0.5:
            image = ImageOps.mirror(image)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return (pixels.float().div(255) - self.mean) / self.std, self.labels[index]


def usual_loader(dataset: Dataset) -> DataLoader:
    """A turn's images in batches, made by two worker processes."""
    images = UsualImages(dataset)
    sampler = RandomSampler(images, num_samples=STEPS * BATCH)
    return DataLoader(images, BATCH, sampler=sampler, num_workers=2, persistent_workers=True)


def usual_trainer(dataset: Dataset) -> Action:
    """What most code does: a DataLoader, float32, PyTorch's default memory order."""
    net, loader = models.build("resnet20"), usual_loader(dataset)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    def turn():
        total, correct = 0.0, 0
        for images, labels in loader:
            optimizer.zero_grad()
            outputs = net(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
            correct += (outputs.argmax(1) == labels).sum().item()

    return Action(turn, macs_of(net, 32, BATCH), STEPS * BATCH, SINGLE)


def macs_of(net: nn.Module, side: int, batch: int) -> int:
    """Multiply-adds of a turn. The backward pass costs two products for each of the forward's."""
    return 3 * STEPS * batch * counts.count_macs(net, (3, side, side))


# ---- the package's engine -----------------------------------------------------------------------


def engine(
    dataset: Dataset, model: str = "resnet20", precision: str = "bfloat16", device: str = "cpu"
) -> Training:
    """A run as `train.fit` sets it up."""
    classes = len(dataset.classes)
    net = models.build(model, num_classes=classes).to(device, memory_format=torch.channels_last)
    return Training(net.train(), dataset, replace(PAPER, precision=precision), 0, World())


def turn_of(run: Training, forward: nn.Module | None = None, peak: str = HALF) -> Action:
    """The engine's own steps; `forward` is what stands for the network, by default itself."""
    forward = run.model if forward is None else forward
    device, side = run.losses.device, run.train.images.shape[-1]
    order = torch.randperm(len(run.train), device=device)[: STEPS * BATCH]

    def turn():
        for i, batch in enumerate(order.split(BATCH)):
            run.losses[i] = run.take_step(forward, batch)
            run.step += 1

    macs = macs_of(run.model, side, BATCH)
    return Action(finished(turn, device.type), macs, STEPS * BATCH, peak)


def convolutions_alone(dataset: Dataset) -> Action:
    """The convolutions of the engine's steps with both gradients, in bfloat16, and nothing else.

    What the engine takes longer goes into batch norm, ReLU, additions, augmentation and SGD, each
    of which reads and writes its maps once more: the limit of a net whose every elementwise
    operation were done while the convolution still holds its numbers.
    """
    net, calls = models.build("resnet20").to(memory_format=torch.channels_last), []
    half = {"dtype": torch.bfloat16, "memory_format": torch.channels_last}

    def note(conv: nn.Conv2d, inputs: tuple, output: Tensor) -> None:
        x, dy = (tensor.detach().to(**half) for tensor in (inputs[0], output))
        x.requires_grad_(conv is not net.conv1)  # nobody needs the image's gradient
        calls.append((x, conv.weight.detach().to(**half).requires_grad_(), conv.stride, dy))

    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    net(torch.randn(BATCH, *dataset.image_shape))

    def turn():
        for _ in range(STEPS):
            for x, w, stride, dy in calls:
                y = nn.functional.conv2d(x, w, stride=stride, padding=1)
                torch.autograd.grad(y, [t for t in (x, w) if t.requires_grad], dy)

    return Action(turn, macs_of(net, 32, BATCH), STEPS * BATCH, HALF)


class PlanesFirst(Batches):
    """Batches in PyTorch's default memory order."""

    def augmented(self, *arguments) -> tuple[Tensor, Tensor]:
        images, labels = super().augmented(*arguments)
        return images.contiguous(), labels


@dataclass(frozen=True, eq=False)
class Loaded(Batches):
    """Batches that a DataLoader makes, one image at a time."""

    loaded: Iterator[tuple[Tensor, Tensor]]

    def augmented(self, *arguments) -> tuple[Tensor, Tensor]:
        images, labels = next(self.loaded)
        return images.contiguous(memory_format=torch.channels_last), labels


def again_and_again(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one turn after the other."""
    while True:
        yield from loader


def training() -> Actions:
    """Ten steps of ResNet-20 with augmentation, batch 128, 3x32x32, and one thing changed."""
    dataset = noise()
    planes_first, loaded, unfused, compiled = (engine(dataset) for _ in range(4))
    planes_first.model.to(memory_format=torch.contiguous_format)
    planes_first.train = PlanesFirst(**vars(planes_first.train))
    batches = again_and_again(usual_loader(dataset))
    loaded.train = Loaded(**vars(loaded.train), loaded=batches)
    unfused.optimizer = torch.optim.SGD(
        unfused.model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4
    )
    return {
        "the usual trainer": usual_trainer(dataset),
        "the engine": limited(turn_of(engine(dataset))),
        "engine, float32": turn_of(engine(dataset, precision="float32"), peak=SINGLE),
        "engine, planes first": turn_of(planes_first),
        "engine, DataLoader": turn_of(loaded),
        "engine, SGD not fused": turn_of(unfused),
        "engine, torch.compile": limited(turn_of(compiled, torch.compile(compiled.model))),
        LIMIT: convolutions_alone(dataset),
        SINGLE: product(torch.float32),
        HALF: product(torch.bfloat16),
    }


def limited(action: Action) -> Action:
    """The action, whose time is compared with that of the convolutions alone."""
    return replace(action, limit=LIMIT)


# ---- on a GPU -----------------------------------------------------------------------------------


def gpu() -> Actions:
    """Ten steps of the engine on a GPU, batch 128, with and without CUDA graphs."""
    if not torch.cuda.is_available():
        return {}
    small, large = noise(), noise(images=STEPS * BATCH, side=224, classes=1000)
    actions: Actions = {}
    for model in ("resnet20", "resnet56", "resnet110", "resnet50"):
        dataset = large if model == "resnet50" else small
        actions[model] = with_memory(turn_of(engine(dataset, model, device="cuda")))
        run = engine(dataset, model, device="cuda")
        graphs = torch.compile(run.model, mode="reduce-overhead")  # as fit(compile=True) does
        actions[f"{model}, CUDA graphs"] = with_memory(turn_of(run, graphs))
    return {**actions, HALF: product(torch.bfloat16, "cuda", side=8192)}


def with_memory(action: Action) -> Action:
    """The action, which notes its peak memory and how long the paper's 64,000 steps would take."""
    peak = 0

    def turn():
        nonlocal peak
        torch.cuda.reset_peak_memory_stats()
        action()
        peak = torch.cuda.max_memory_allocated()

    def note(seconds: float) -> str:
        return f"{peak / 1e9:.2f} GB, 64,000 steps in {seconds / STEPS * 64_000:.0f} s"

    return replace(action, run=turn, note=note)
