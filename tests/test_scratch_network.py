"""The whole NumPy network against the whole PyTorch network, and what a reader can get wrong."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from against_torch import close, shapes_unchecked  # noqa: F401

from resnet_tutorial import models
from resnet_tutorial.scratch.blocks import BasicBlock, Bottleneck, PlainBlock, option_b
from resnet_tutorial.scratch.network import SGD, ResNet

WIDTHS = (4, 6, 8)
NETWORKS = {
    "resnet8": ({}, {}),
    "resnet8 option B": ({"shortcut": option_b}, {"shortcut": models.option_b}),
    "plain8": ({"block": PlainBlock}, {}),
    "resnet8 bottleneck": (
        {"block": Bottleneck, "shortcut": option_b},
        {"block": models.Bottleneck, "shortcut": models.option_b},
    ),
}


def rng():
    return np.random.default_rng(0)


def twins(name):
    """The same network twice, with equal weights, in float64."""
    ours, theirs = NETWORKS[name]
    torch.manual_seed(0)
    reference = models.build(name.split()[0], num_classes=5, widths=WIDTHS, **theirs).double()
    net = ResNet(1, rng(), widths=WIDTHS, num_classes=5, **ours)
    net.load_state_dict({k: v.numpy() for k, v in reference.state_dict().items()})
    return net, reference


def batches(steps):
    generator = rng()
    for _ in range(steps):
        yield generator.standard_normal((8, 3, 16, 16)), generator.integers(0, 5, 8)


@pytest.mark.parametrize("name", NETWORKS)
def test_ten_training_steps(name):
    """Losses, weights, running statistics and predictions, with momentum and weight decay."""
    net, reference = twins(name)
    ours = SGD(net, lr=0.05, momentum=0.9, weight_decay=1e-2)
    theirs = torch.optim.SGD(reference.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-2)
    for step, (x, labels) in enumerate(batches(10)):
        if step == 6:  # where Caffe's form of momentum would go another way
            ours.lr = theirs.param_groups[0]["lr"] = 0.005
        loss, _ = net.loss_and_grads(x, labels)
        ours.step()
        theirs.zero_grad()
        expected = F.cross_entropy(reference(torch.tensor(x)), torch.tensor(labels))
        expected.backward()
        theirs.step()
        assert loss == pytest.approx(expected.item(), rel=1e-9)
    for key, array in reference.state_dict().items():
        if "num_batches" not in key:
            close(net.state_dict()[key], array, 1e-9)
    reference.eval()
    x = torch.tensor(x)
    close(net.forward(x.numpy(), training=False), reference(x), 1e-9)
    assert net.predict(x.numpy()).tolist() == reference(x).argmax(1).tolist()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_gradient(name):
    net, reference = twins(name)
    ((x, labels),) = batches(1)
    x = torch.tensor(x, requires_grad=True)
    F.cross_entropy(reference(x), torch.tensor(labels)).backward()
    _, gradients = net.loss_and_grads(x.detach().numpy(), labels)
    expected = {name: p.grad for name, p in reference.named_parameters()}
    assert gradients.keys() == expected.keys()
    for key, gradient in gradients.items():
        close(gradient, expected[key], 1e-9)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_parameters_are_the_papers(n):
    """D18: 97216 n - 21926 for ten classes, for the plain net too."""
    for block in (BasicBlock, PlainBlock):
        net = ResNet(n, rng(), block)
        count = sum(p.size for _, layer in net.named_layers() for p in layer.params.values())
        assert count == 97216 * n - 21926


def test_weights_move_to_torch_by_name():
    net = ResNet(3, rng())
    reference = models.build("resnet20")
    state = {name: torch.tensor(array) for name, array in net.state_dict().items()}
    reference.load_state_dict(state, strict=True)
    x = rng().standard_normal((2, 3, 8, 8), dtype=np.float32)
    close(net(x), reference(torch.tensor(x)), 1e-4)


def test_float32_all_through():
    net = ResNet(1, rng(), widths=WIDTHS)
    x = rng().standard_normal((4, 3, 8, 8), dtype=np.float32)
    _, gradients = net.loss_and_grads(x, np.arange(4))
    SGD(net, 0.1).step()
    arrays = [net(x), *gradients.values(), *net.state_dict().values()]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_starts_near_the_loss_of_guessing():
    """D25: ln 10 for uniform probabilities."""
    x = rng().standard_normal((64, 3, 16, 16), dtype=np.float32)
    loss, _ = ResNet(1, rng()).loss_and_grads(x, rng().integers(0, 10, 64))
    assert loss == pytest.approx(math.log(10), abs=0.6)


def test_predict_leaves_the_running_statistics_alone():
    net = ResNet(1, rng(), widths=WIDTHS)
    before = net.state_dict()
    net.predict(np.ones((2, 3, 8, 8), np.float32))
    assert all(net.state_dict()[name] is before[name] for name in before)


def test_learns_a_batch_by_heart():
    net = ResNet(1, rng(), widths=WIDTHS)
    x, labels = rng().standard_normal((16, 3, 8, 8), dtype=np.float32), np.arange(16) % 10
    optimiser = SGD(net, lr=0.1)
    losses = []
    for _ in range(40):
        losses.append(net.loss_and_grads(x, labels)[0])
        optimiser.step()
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize(
    ("shape", "message"),
    [((2, 1, 8, 8), "x has 1 channels, w expects 3"), ((3, 8, 8), r"images \(n, c, h, w\)")],
)
@pytest.mark.usefixtures("shapes_unchecked")
def test_wrong_images(shape, message):
    with pytest.raises(ValueError, match=message):
        ResNet(1, rng()).predict(np.ones(shape, np.float32))
