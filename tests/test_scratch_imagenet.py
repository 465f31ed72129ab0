"""NumPy's ImageNet and pre-activation nets against PyTorch's, and the shipped weights in NumPy."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from against_torch import close, shapes_unchecked  # noqa: F401
from safetensors.numpy import load_file

from resnet_tutorial import models
from resnet_tutorial.models import weights
from resnet_tutorial.scratch import blocks, network, preact
from resnet_tutorial.scratch.network import ImageNetResNet, ResNet

WIDTHS = (2, 3, 4, 6)
# Ours; the parts of the PyTorch net; its name there.
IMAGENET = {
    "plain": (blocks.PlainBlock, blocks.option_a, "plain18", {}),
    **{
        f"basic, option {option}": (
            blocks.BasicBlock,
            getattr(blocks, f"option_{option}"),
            "resnet18",
            {"shortcut": getattr(models, f"option_{option}")},
        )
        for option in "abc"
    },
    "bottleneck": (blocks.Bottleneck, blocks.option_b, "resnet50", {}),
    "bottleneck, option A": (
        blocks.Bottleneck,
        blocks.option_a,
        "resnet50",
        {"shortcut": models.option_a},
    ),
    "bottleneck v1": (
        blocks.BottleneckV1,
        blocks.option_b,
        "resnet50",
        {"block": models.BottleneckV1},
    ),
    "partial": (
        partial(blocks.BasicBlock),
        blocks.option_b,
        "resnet18",
        {},
    ),
}
CIFAR = {
    **{
        f"preact, option {option}": (
            preact.PreActBasicBlock,
            getattr(blocks, f"option_{option}"),
            "preact_resnet110",
            {"shortcut": getattr(models, f"option_{option}")},
        )
        for option in "abc"
    },
    "preact bottleneck": (
        preact.PreActBottleneck,
        blocks.option_b_preact,
        "preact_resnet164",
        {},
    ),
    "cifar, option C": (
        blocks.BasicBlock,
        blocks.option_c,
        "resnet20",
        {"shortcut": models.option_c},
    ),
}


def rng():
    return np.random.default_rng(0)


def twins(name):
    """The NumPy net and the PyTorch net, float64, with equal random weights and averages."""
    block, shortcut, model, parts = {**IMAGENET, **CIFAR}[name]
    large = name in IMAGENET
    sizes, widths = ((1, 2, 1, 2), WIDTHS) if large else ((2, 2, 2), WIDTHS[:3])
    torch.manual_seed(0)
    reference = models.build(model, num_classes=5, stage_sizes=sizes, widths=widths, **parts)
    if large:
        net = ImageNetResNet(sizes, rng(), block, shortcut, widths=widths, num_classes=5)
    else:
        net = ResNet(2, rng(), block, shortcut, widths=widths, num_classes=5)
    draw = np.random.default_rng(1)
    state = {
        k: draw.uniform(0.5, 1.5, v.shape) if v.ndim == 1 else v.astype(float)
        for k, v in net.state_dict().items()
    }
    net.load_state_dict(state)
    tensors = {k: torch.tensor(v) for k, v in state.items()}
    tracked = {k: v for k, v in reference.state_dict().items() if "num_batches" in k}
    reference.double().load_state_dict(tensors | tracked, strict=True)
    return net, reference


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", [*IMAGENET, *CIFAR])
def test_whole_net(name, training):
    """Logits, the gradient of the images and of every parameter, and the running averages, on
    images of odd sizes, where padding and rounding show."""
    net, reference = twins(name)
    height, width = (37, 51) if name in IMAGENET else (9, 13)
    x = rng().standard_normal((3, 3, height, width))
    tensor = torch.tensor(x, requires_grad=True)
    expected = reference.train(training)(tensor)
    logits = net(x, training)
    close(logits, expected, 1e-9)
    dy = np.random.default_rng(5).standard_normal(logits.shape)
    expected.backward(torch.tensor(dy))
    close(net.backward(dy), tensor.grad, 1e-8)
    gradients = net.named_grads()
    parameters = dict(reference.named_parameters())
    assert gradients.keys() == parameters.keys()
    for key, gradient in gradients.items():
        close(gradient, parameters[key].grad, 1e-8)
    for key, array in net.state_dict().items():
        close(array, reference.state_dict()[key], 1e-9)


def count(net):
    return sum(p.size for _, layer in net.named_layers() for p in layer.params.values())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
    ],
)
def test_parameters_are_the_papers(name, parameters, monkeypatch):
    """Zeros for random numbers: the counts are asked, and 163 million draws take a while."""
    zeros = lambda shape, rng: np.broadcast_to(np.float32(0), shape)  # noqa: E731
    monkeypatch.setattr("resnet_tutorial.scratch.layers.he_normal", zeros)
    net = network.build(name, rng())
    assert count(net) == parameters
    with torch.device("meta"):
        reference = models.build(name)
    own = {k: v.shape for k, v in reference.state_dict().items() if "num_batches" not in k}
    assert {k: v.shape for k, v in net.state_dict().items()} == own


def test_parameters_of_the_other_options(monkeypatch):
    zeros = lambda shape, rng: np.broadcast_to(np.float32(0), shape)  # noqa: E731
    monkeypatch.setattr("resnet_tutorial.scratch.layers.he_normal", zeros)
    assert count(network.build("resnet18", rng(), shortcut=blocks.option_a)) == 11_515_688
    assert count(network.build("resnet34", rng(), shortcut=blocks.option_a)) == 21_623_848
    assert count(network.build("resnet34", rng(), shortcut=blocks.option_c)) == 22_716_840


@pytest.mark.parametrize("model", ["resnet20", "plain20"])
def test_shipped_weights(model):
    """The file by name into both nets: equal logits in float64, with the running averages."""
    file = weights.available(model)["fashion_mnist"]
    block = blocks.PlainBlock if model == "plain20" else blocks.BasicBlock
    net = ResNet(3, rng(), block, in_channels=1)
    net.load_state_dict(load_file(file))  # half precision in the file
    assert {array.dtype for array in net.state_dict().values()} == {np.dtype(np.float32)}
    net.load_state_dict({k: v.astype(float) for k, v in net.state_dict().items()})
    reference = models.build(model, weights="fashion_mnist").double().eval()
    x = rng().standard_normal((4, 1, 28, 28))
    close(net(x, training=False), reference(torch.tensor(x)), 1e-6)
    assert net.predict(x).tolist() == reference(torch.tensor(x)).argmax(1).tolist()


def test_weights_that_weights_load_reads():
    tensors, _ = weights.load(weights.available("resnet20")["fashion_mnist"])
    net = ResNet(3, rng(), in_channels=1)
    net.load_state_dict(tensors)
    assert np.array_equal(net.state_dict()["fc.bias"], tensors["fc.bias"].numpy())


def test_prediction_in_batches():
    """Whatever the size of a batch, the same classes; and no batch is larger."""
    net, seen = ResNet(1, rng(), widths=WIDTHS[:3]), []
    for _ in range(3):  # running averages of their own
        net(rng().standard_normal((8, 3, 8, 8), dtype=np.float32))
    forward = net.forward
    net.forward = lambda x, training: seen.append(len(x)) or forward(x, training)
    x = np.random.default_rng(1).standard_normal((11, 3, 8, 8), dtype=np.float32)
    x *= np.geomspace(0.01, 100, 11, dtype=np.float32).reshape(-1, 1, 1, 1)
    expected = net.predict(x, batch_size=11).tolist()
    assert len(set(expected)) > 1
    for size in (1, 4, 10, 100):
        seen.clear()
        assert net.predict(x, batch_size=size).tolist() == expected
        assert max(seen) <= size
        assert sum(seen) == 11
    assert net.predict(x[:0]).shape == (0,)


def test_a_preactivation_net_learns():
    net = ResNet(1, rng(), preact.PreActBasicBlock, widths=(4, 6, 8))
    assert "bn2.weight" in net.state_dict()
    assert "layer1.0.bn1.weight" not in net.state_dict()
    x, labels = rng().standard_normal((16, 3, 8, 8), dtype=np.float32), np.arange(16) % 10
    optimiser, losses = network.SGD(net, lr=0.1), []
    for _ in range(40):
        losses.append(net.loss_and_grads(x, labels)[0])
        optimiser.step()
    assert losses[-1] < 0.1 * losses[0]


def test_max_pooling_of_the_stem():
    """Odd sizes: windows are left out at the end, as torchvision's floor mode does."""
    x = rng().standard_normal((2, 3, 113, 57))
    pool = ImageNetResNet((1,), rng(), widths=(3,)).maxpool
    close(pool(x), F.max_pool2d(torch.tensor(x), 3, 2, 1))


@pytest.mark.usefixtures("shapes_unchecked")
def test_unknown_name():
    with pytest.raises(ValueError, match="unknown net 'resnet20': choose one of resnet18, .*152$"):
        network.build("resnet20", rng())
