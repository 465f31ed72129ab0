"""A whole residual network, and the optimiser that trains it. Chapter: scratch/numpy_resnet."""

import numpy as np
from jaxtyping import Float, Int

from resnet_tutorial.scratch import ops
from resnet_tutorial.scratch.blocks import BasicBlock, IdentityShortcut, PadShortcut, conv3x3
from resnet_tutorial.scratch.layers import (
    BatchNorm2d,
    Layer,
    Linear,
    Sequential,
    global_avg_pool,
    relu,
)

Array = np.ndarray


class ResNet(Layer):
    """The CIFAR network of He et al. 2015, section 4.2: 6n + 2 layers for three widths.

    A 3x3 convolution; one stage of ``n`` blocks for each width, every stage but the first
    starting with stride 2; global average pooling; a linear classifier. ``n=3`` is ResNet-20.

    Args:
        n: blocks in a stage.
        rng: where the initial weights come from.
        block: ``BasicBlock``, ``Bottleneck``, or ``PlainBlock`` for the plain net.
        shortcut: for the blocks that change the shape; the others have the identity.
            ``PadShortcut`` is the paper's option A, ``ProjectionShortcut`` its option B.
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
        block: type[Layer] = BasicBlock,
        shortcut: type[Layer] = PadShortcut,
        *,
        widths: tuple[int, ...] = (16, 32, 64),
        in_channels: int = 3,
        num_classes: int = 10,
    ):
        super().__init__()
        channels = widths[0]
        self.conv1 = conv3x3(in_channels, channels, rng)
        self.bn1 = BatchNorm2d(channels)
        self.relu = relu()
        for i, width in enumerate(widths, start=1):
            blocks = []
            for j in range(n):
                stride = 2 if i > 1 and j == 0 else 1
                unchanged = (channels, stride) == (width * block.expansion, 1)
                part = IdentityShortcut if unchanged else shortcut
                blocks.append(block(channels, width, rng, stride, part))
                channels = width * block.expansion
            setattr(self, f"layer{i}", Sequential(*blocks))
        self.avgpool = global_avg_pool()
        self.fc = Linear(channels, num_classes, rng)

    def forward(
        self, x: Float[Array, "n c h w"], training: bool = True
    ) -> Float[Array, "n classes"]:
        for layer in self.children.values():
            x = layer(x, training)
        return x

    def backward(self, dy: Float[Array, "n classes"]) -> Float[Array, "n c h w"]:
        for layer in reversed(self.children.values()):
            dy = layer.backward(dy)
        return dy

    def loss_and_grads(
        self, x: Float[Array, "n c h w"], labels: Int[Array, " n"]
    ) -> tuple[float, dict[str, Array]]:
        """The mean cross-entropy in training mode, and its gradient by the name of the parameter.

        The gradients also lie in ``grads`` of the layers, where ``SGD`` finds them.
        """
        loss, cache = ops.cross_entropy(self.forward(x, training=True), labels)
        self.backward(ops.cross_entropy_backward(1.0, cache))
        return loss, self.named_grads()

    def predict(self, x: Float[Array, "n c h w"]) -> Int[Array, " n"]:
        """The most likely class of each image, in evaluation mode."""
        return self.forward(x, training=False).argmax(axis=1)


class SGD:
    """Stochastic gradient descent with momentum, in PyTorch's form:

    v = momentum * v + (g + weight_decay * w), w = w - lr * v, with v = 0 at the start. The decay
    acts on every parameter, also on gamma, beta and the bias, as in the paper. Caffe, and so the
    paper's own runs, has the learning rate inside: v = momentum * v + lr * g, w = w - v. With a
    constant rate both take the same steps; after lr drops to a tenth, Caffe's v still moves at the
    old rate for about 1 / (1 - momentum) steps.

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
        self.network, self.lr = network, lr
        self.momentum, self.weight_decay = momentum, weight_decay
        self._velocity: dict[str, Array] = {}

    def step(self) -> None:
        """Move every parameter by the gradient that the last backward pass left."""
        for prefix, layer in self.network.named_layers():
            for name, w in layer.params.items():
                g = layer.grads[name] + self.weight_decay * w
                v = self.momentum * self._velocity.get(prefix + name, 0) + g
                self._velocity[prefix + name] = v
                layer.params[name] = w - self.lr * v
