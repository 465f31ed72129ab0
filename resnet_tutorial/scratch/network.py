"""Whole residual networks, and the optimiser that trains them. Chapter: scratch/numpy_resnet."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from resnet_tutorial.scratch import ops
from resnet_tutorial.scratch.blocks import (
    BasicBlock,
    Block,
    Bottleneck,
    conv3x3,
    option_a,
    option_b,
)
from resnet_tutorial.scratch.layers import (
    BatchNorm2d,
    Conv2d,
    Layer,
    Linear,
    Sequential,
    global_avg_pool,
    max_pool,
    relu,
)
from resnet_tutorial.scratch.shapes import require, require_array, require_rates, require_whole
from resnet_tutorial.scratch.shortcuts import Shortcut

Array = np.ndarray
BlockMaker = Callable[..., Block]
#: The block and the blocks of a stage of the ImageNet nets: He et al. 2015, table 1.
IMAGENET = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
    "resnet152": (Bottleneck, (3, 8, 36, 3)),
}


def _stem_width(widths: Sequence[int]) -> int:
    require(len(widths) > 0, "each stage needs a size and a width, got no widths")
    return widths[0]


class ResidualNetwork(Sequential):
    """Images to logits: what ``ResNet`` and ``ImageNetResNet`` share. They differ in the stem.

    >>> net = ResNet(1, np.random.default_rng(0))
    >>> net.predict(np.zeros((300, 3, 8, 8), np.float32), batch_size=100).shape
    (300,)
    """

    def add_stages(
        self,
        stage_sizes: Sequence[int],
        widths: Sequence[int],
        block: BlockMaker,
        shortcut: Shortcut,
        rng: np.random.Generator,
    ) -> int:
        """layer1, layer2, ..., and what the last block wants after it; returns the channels.

        Every stage but the first starts with stride 2.
        """
        for part, maker in {"block": block, "shortcut": shortcut}.items():
            require(callable(maker), f"{part} must be the part itself, as option_b, got {maker!r}")
        stages = 0 < len(stage_sizes) == len(widths)
        require(stages, f"each stage needs a size and a width, got {stage_sizes} and {widths}")
        channels = widths[0]
        for i, (size, width) in enumerate(zip(stage_sizes, widths, strict=True), start=1):
            require_whole(1, **{"the number of blocks in a stage": size})
            blocks = []
            for j in range(size):
                stride = 2 if i > 1 and j == 0 else 1
                blocks.append(block(channels, width, rng, stride, shortcut))
                channels = width * blocks[-1].expansion
            if i == 1:
                blocks[0].follow_stem()
            setattr(self, f"layer{i}", Sequential(*blocks))
        for name, layer in blocks[-1].ending(channels).items():
            setattr(self, name, layer)
        return channels

    def loss_and_grads(
        self, x: Float[Array, "n c h w"], labels: Int[Array, " n"]
    ) -> tuple[float, dict[str, Array]]:
        """The mean cross-entropy in training mode, and its gradient by the name of the parameter.

        The gradients also lie in ``grads`` of the layers, where ``SGD`` finds them.
        """
        loss, cache = ops.cross_entropy(self.forward(x, training=True), labels)
        self.backward(ops.cross_entropy_backward(1.0, cache))
        return loss, self.named_grads()

    def predict(self, x: Float[Array, "n c h w"], batch_size: int = 128) -> Int[Array, " n"]:
        """The most likely class of each image, in evaluation mode.

        ``batch_size`` images at a time, so that memory does not grow with their number.
        Raises ValueError for logits that are not finite: argmax would call a NaN the largest.
        """
        require_whole(1, batch_size=batch_size)
        require_array(x=x)
        classes = []
        for start in range(0, len(x) or 1, batch_size):
            logits = self.forward(x[start : start + batch_size], training=False)
            require(np.isfinite(logits).all(), "the logits are not finite: no class is the largest")
            classes.append(logits.argmax(axis=1))
        return np.concatenate(classes)


class ResNet(ResidualNetwork):
    """The CIFAR network of He et al. 2015, section 4.2: 6n + 2 layers for three widths.

    A 3x3 convolution; one stage of ``n`` blocks for each width, every stage but the first
    starting with stride 2; global average pooling; a linear classifier. ``n=3`` is ResNet-20.

    Args:
        n: blocks in a stage.
        rng: where the initial weights come from.
        block: ``BasicBlock``, ``Bottleneck``, ``PreActBasicBlock``, or ``PlainBlock`` for the
            plain net.
        shortcut: ``option_a``, as in the paper, ``option_b`` or ``option_c``.
        widths: of the stages.
        in_channels: of the images.
        num_classes: length of a row of logits.

    >>> net = ResNet(3, np.random.default_rng(0))
    >>> sum(p.size for _, layer in net.named_layers() for p in layer.params.values())
    269722
    """

    def __init__(
        self,
        n: int,
        rng: np.random.Generator,
        block: BlockMaker = BasicBlock,
        shortcut: Shortcut = option_a,
        *,
        widths: Sequence[int] = (16, 32, 64),
        in_channels: int = 3,
        num_classes: int = 10,
    ):
        super().__init__()
        width = _stem_width(widths)
        self.conv1 = conv3x3(in_channels, width, rng)
        self.bn1 = BatchNorm2d(width)
        self.relu = relu()
        channels = self.add_stages([n] * len(widths), widths, block, shortcut, rng)
        self.avgpool = global_avg_pool()
        self.fc = Linear(channels, num_classes, rng)


class ImageNetResNet(ResidualNetwork):
    """The ImageNet network of He et al. 2015, table 1, with torchvision's padding.

    A 7x7 convolution and a 3x3 max pooling, each of stride 2, before the stages: an image of
    224x224 has maps of 56x56 in the first stage and 7x7 in the last. ``stage_sizes`` counts the
    blocks of each stage; the other arguments are those of ``ResNet``.

    >>> net = ImageNetResNet((1, 1), np.random.default_rng(0), widths=(4, 8), num_classes=5)
    >>> net(np.zeros((1, 3, 33, 33), np.float32), training=False).shape
    (1, 5)
    """

    def __init__(
        self,
        stage_sizes: Sequence[int],
        rng: np.random.Generator,
        block: BlockMaker = BasicBlock,
        shortcut: Shortcut = option_b,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        in_channels: int = 3,
        num_classes: int = 1000,
    ):
        super().__init__()
        width = _stem_width(widths)
        self.conv1 = Conv2d((width, in_channels, 7, 7), rng, stride=2, padding=3)
        self.bn1 = BatchNorm2d(width)
        self.relu = relu()
        self.maxpool = max_pool(3, stride=2, padding=1)
        channels = self.add_stages(stage_sizes, widths, block, shortcut, rng)
        self.avgpool = global_avg_pool()
        self.fc = Linear(channels, num_classes, rng)


def build(name: str, rng: np.random.Generator, **parts) -> ImageNetResNet:
    """The ImageNet net called ``name``, a key of ``IMAGENET``.

    ``parts`` are arguments of ``ImageNetResNet``: ``block=BottleneckV1``, ``num_classes=10``.
    Raises ValueError for an unknown name.

    >>> net = build("resnet18", np.random.default_rng(0), widths=(4, 8, 16, 32))
    >>> len(net.state_dict())
    102
    """
    require(name in IMAGENET, f"unknown net {name!r}: choose one of {', '.join(IMAGENET)}")
    block, stage_sizes = IMAGENET[name]
    return ImageNetResNet(stage_sizes, rng, **{"block": block, **parts})


class SGD:
    """Stochastic gradient descent with momentum, in PyTorch's form:

    v = momentum * v + (g + weight_decay * w), w = w - lr * v, with v = 0 at the start. The decay
    acts on every parameter, also on gamma, beta and the bias, as in the paper. Caffe has the
    learning rate inside: v = momentum * v + lr * g, w = w - v; the paper's authors trained with an
    implementation of their own, and say that they used Caffe's form. With a constant rate both
    take the same steps; after lr drops to a tenth, Caffe's v still moves at the old rate for about
    1 / (1 - momentum) steps.

    ``lr`` is an attribute: a schedule sets it before a step.

    >>> net = ResNet(1, np.random.default_rng(0), in_channels=1)
    >>> images, labels = np.random.default_rng(1).standard_normal((2, 1, 8, 8)), np.array([3, 7])
    >>> before, _ = net.loss_and_grads(images, labels)
    >>> SGD(net, lr=0.01).step()
    >>> net.loss_and_grads(images, labels)[0] < before
    True
    """

    def __init__(
        self, network: Layer, lr: float, momentum: float = 0.9, weight_decay: float = 1e-4
    ):
        require_rates(lr=lr, momentum=momentum, weight_decay=weight_decay)
        self.network, self.lr = network, lr
        self.momentum, self.weight_decay = float(momentum), float(weight_decay)
        self._velocity: dict[str, Array] = {}

    def step(self) -> None:
        """Move every parameter by the gradient that the last backward pass left."""
        require_rates(lr=self.lr)
        lr = float(self.lr)  # a NumPy scalar would set the precision
        for prefix, layer in self.network.named_layers():
            missing = sorted(layer.params.keys() - layer.grads.keys())
            absent = ", ".join(prefix + name for name in missing)
            require(
                not missing, f"SGD.step needs a backward pass before it: {absent} has no gradient"
            )
            for name, w in layer.params.items():
                g = layer.grads[name] + self.weight_decay * w
                v = self.momentum * self._velocity.get(prefix + name, 0) + g
                self._velocity[prefix + name] = v
                layer.params[name] = w - lr * v
