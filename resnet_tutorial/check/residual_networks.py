"""Checkers of the exercises of pytorch/residual_networks."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from resnet_tutorial.check.verdict import Case, Verdict, Wrong, judge
from resnet_tutorial.models import BasicBlock, PadShortcut, option_b

RESULTS = "result 1 is y, 2 the gradient of x, then those of the parameters, last y in eval mode"


def _random(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def option_a(function: Callable) -> Verdict:
    """`function(x, out_channels, stride)`: the parameter-free shortcut of a tensor (n, c, h, w)."""
    cases = []
    for shape, channels, stride in [
        ((2, 4, 6, 6), 4, 1),
        ((2, 4, 6, 6), 8, 2),
        ((1, 3, 5, 4), 5, 1),
        ((3, 2, 5, 7), 7, 2),
        ((1, 2, 9, 9), 3, 3),
    ]:
        x = _random(shape)
        what = f"x of shape {shape} to {channels} channels at stride {stride}"
        hint = "pixels are left out, not averaged, and channel i of x stays channel i"
        expected = PadShortcut(shape[1], channels, stride)(x)
        cases.append(Case(what, (x, channels, stride), expected, hint))
    return judge(function, cases)


def basic_block(block: Callable[[int, int, int], nn.Module]) -> Verdict:
    """`block(in_channels, width, stride)`: relu(h(x) + F(x)) as a module, with option B for h.

    The parts are called conv1, bn1, conv2, bn2 and downsample, as in the package. With equal
    weights, outputs in training and in evaluation mode and all gradients must be equal.
    """

    def answer(shape, state, x):
        own = block(*shape).double()
        if own(x) is None:
            return None
        if wrong := sorted(_shapes(own.state_dict()) ^ _shapes(state)):
            raise Wrong(f"names and shapes of the parameters differ at {wrong[0]}")
        own.load_state_dict(state)
        return _results(own, x)

    cases = []
    with torch.random.fork_rng(devices=[]):  # the reader's random numbers stay as they were
        for in_channels, width, stride in [(4, 4, 1), (3, 5, 1), (4, 8, 2), (4, 4, 2)]:
            shape, x = (in_channels, width, stride), _random((3, in_channels, 6, 6), seed=width)
            reference = _randomise(BasicBlock(*shape, option_b).double())
            what = f"{in_channels} to {width} channels at stride {stride}"
            arguments = (shape, deepcopy(reference.state_dict()), x)  # before they are averaged
            cases.append(Case(what, arguments, _results(reference, x), RESULTS))
        return judge(answer, cases)


def _randomise(module: nn.Module) -> nn.Module:
    """No parameter or running average at a special value; variances stay positive."""
    for seed, (name, array) in enumerate(module.state_dict().items()):
        if array.is_floating_point():
            values = _random(array.shape, seed)
            array.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return module


def _shapes(state: dict[str, Tensor]) -> set[tuple[str, tuple[int, ...]]]:
    return {(name, tuple(array.shape)) for name, array in state.items()}


def _results(block: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """Output in training mode, gradients of x and of the parameters by name, output in eval.

    `Wrong` names a parameter that has no influence on the output.
    """
    inputs = {"x": x.clone().requires_grad_(), **dict(sorted(block.named_parameters()))}
    y = block.train()(inputs["x"])
    dy = _random(y.shape, seed=1)
    gradients = torch.autograd.grad(y, list(inputs.values()), dy, allow_unused=True)
    for name, gradient in zip(inputs, gradients, strict=True):
        if gradient is None:
            raise Wrong(f"{name} has no influence on the output")
    return tuple(array.detach() for array in (y, *gradients, block.eval()(x)))
