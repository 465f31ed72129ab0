"""Checkers of the exercises of pytorch/architectures and pytorch/weight_files."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from resnet_tutorial.check.verdict import Case, Verdict, Wrong, judge, real
from resnet_tutorial.models import ResNet, build

BOTTLENECKS = {
    "resnet50": (3, 4, 6, 3),
    "one block a stage": (1, 1, 1, 1),
    "another net": (2, 1, 5, 1),
}
KERAS_EPS, TORCH_EPS = 1e-3, 1e-5
FOREIGN = "layer1.0.conv1.bias"


def rate(function: Callable) -> Verdict:
    """`function(iteration)`: the learning rate of the paper's ResNet-110 on CIFAR-10, from 0.

    0.01 for the first 400 iterations, then 0.1, a tenth at 32,000 and a hundredth at 48,000.
    """
    expected = {0: 0.01, 399: 0.01, 400: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01}
    expected |= {48_000: 0.001, 63_999: 0.001}
    hint = "the warm-up ends and the rate goes back to 0.1; each drop divides that by ten"
    return judge(function, [Case(f"iteration {i}", (i,), lr, hint) for i, lr in expected.items()])


def parameters(function: Callable) -> Verdict:
    """`function(stage_sizes)`: the parameters of an ImageNet net of bottlenecks with option B.

    Widths 64 to 512, 1000 classes; no biases but the classifier's; gamma and beta of every norm.
    """
    cases = []
    for name, sizes in BOTTLENECKS.items():
        with torch.device("meta"):  # counted, never filled
            net = build("resnet50", stage_sizes=sizes)
        count = sum(p.numel() for p in net.parameters())
        hint = "projections and their norms stand in the first block of every stage"
        cases.append(Case(f"{name}, {sizes}", (sizes,), count, hint))
    return judge(function, cases, tolerance=1e-9)  # one parameter in 1e8 must show


def from_keras(function: Callable) -> Verdict:
    """`function(b, gamma, beta, mean, var)`: a batch norm that needs no bias before it.

    With epsilon 1e-5 it must do, in evaluation mode, what the given one does with epsilon 1e-3
    behind a convolution with bias b. All arguments and results are arrays of shape (c,).
    """

    def answer(z, *arguments):
        translated = function(*arguments)
        if translated is None:
            return None
        if not isinstance(translated, tuple | list) or len(translated) != 4:
            raise Wrong("expected four arrays: gamma, beta, mean, var")
        return _normalized(z, *map(real, translated), TORCH_EPS)

    cases = []
    for seed, (channels, scale) in enumerate([(1, 1.0), (4, 1.0), (3, 1e-3)]):
        rng = np.random.default_rng(seed)
        b, gamma, beta, mean = rng.standard_normal((4, channels))
        var = scale * rng.uniform(0.5, 2, channels)
        z = rng.standard_normal((6, channels))  # outputs of the convolution without bias
        expected = _normalized(z + b, gamma, beta, mean, var, KERAS_EPS)
        hint = "the bias shifts the mean to subtract; both epsilons join the variance"
        what = f"{channels} channels, variances near {scale:g}"
        cases.append(Case(what, (z, b, gamma, beta, mean, var), expected, hint))
    return judge(answer, cases)


def _normalized(z, gamma, beta, mean, var, eps):
    return gamma * (z - mean) / np.sqrt(np.asarray(var) + eps) + beta


def transfer(function: Callable) -> Verdict:
    """`function(net, weights)`: the net with all weights but its own classifier's, loaded strictly.

    A missing or foreign name must raise an error; `weights` must stay as they are.
    """

    def answer(broken, weights, x):
        before = {name: tensor.clone() for name, tensor in weights.items()}
        try:
            net = function(_small(3, seed=1), weights)
        except Exception:
            if broken:  # any error is one, an assert too
                return 1.0
            raise
        if net is None:
            return None
        if broken:
            raise Wrong(f"no error for weights {broken}")
        if not _equal(before, weights):
            raise Wrong("the weights that your function was given have changed")
        with torch.no_grad():
            return net.double().eval()(x)

    with torch.random.fork_rng(devices=[]):  # the reader's random numbers stay as they were
        donor, x = _moved(_small(10, seed=0)), torch.randn(4, 3, 32, 32, dtype=torch.float64)
        weights = donor.state_dict()
        lacking = {name: t for name, t in weights.items() if name != "layer2.0.bn1.weight"}
        foreign = weights | {FOREIGN: torch.zeros(8)}
        renamed = lacking | {"layer2.0.bn1.scale": weights["layer2.0.bn1.weight"]}
        hint = "the convolutions and norms come from the weights, fc stays the net's own"
        cases = [Case("weights of 10 classes", ("", weights, x), _expected(donor, x), hint)]
        for what, broken in {
            "without layer2.0.bn1.weight": lacking,
            f"with {FOREIGN}": foreign,
            "with layer2.0.bn1.scale for layer2.0.bn1.weight": renamed,
        }.items():
            cases.append(Case(f"weights {what}", (what, broken, x), 1.0, "only fc may be left out"))
        return judge(answer, cases)


def _small(classes: int, seed: int) -> ResNet:
    torch.manual_seed(seed)
    return build("resnet18", classes, widths=(8, 8, 8, 8), stage_sizes=(1, 1, 1, 1))


def _moved(net: ResNet) -> ResNet:
    """Norms and running averages away from their start, so that forgetting one shows."""
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            nn.init.uniform_(tensor, 0.5, 1.5)
    return net


def _expected(donor: ResNet, x: Tensor) -> Tensor:
    net = _small(3, seed=1)
    own = {name: t for name, t in net.state_dict().items() if name.startswith("fc.")}
    net.load_state_dict(donor.state_dict() | own)
    with torch.no_grad():
        return net.double().eval()(x)


def _equal(before: dict[str, Tensor], after: dict[str, Tensor]) -> bool:
    same = before.keys() == after.keys()
    return same and all(torch.equal(before[name], after[name]) for name in before)
