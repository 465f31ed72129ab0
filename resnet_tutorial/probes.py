"""What the book measures inside a network.

Every probe works on a copy of the model, so that the model, its running averages and its mode stay
as they were, and returns arrays in the order in which the layers run.
Chapters: problem/degradation, pytorch/residual_networks.
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from resnet_tutorial import Mistake
from resnet_tutorial.models import ResNet
from resnet_tutorial.models.shortcuts import on_shortcuts

CONVOLUTIONS = (nn.Conv2d,)


def layer_names(model: nn.Module, kinds: tuple[type, ...] = CONVOLUTIONS) -> list[str]:
    """Names of the layers of the given kinds: the 3x3 and 7x7 path and the projections alike.

    >>> from resnet_tutorial.models import build
    >>> layer_names(build("resnet8"), (nn.Linear,))
    ['fc']
    """
    return [name for name, module in model.named_modules() if isinstance(module, kinds)]


def main_path(model: nn.Module) -> list[str]:
    """Names of the convolutions outside the shortcuts, from the input to the output.

    >>> from resnet_tutorial.models import build
    >>> main_path(build("resnet8"))[:3]
    ['conv1', 'layer1.0.conv1', 'layer1.0.conv2']
    """
    aside = on_shortcuts(model)
    return [name for name in layer_names(model) if model.get_submodule(name) not in aside]


def _gradients(model, images, labels) -> nn.Module:
    """A copy of the model in training mode with the gradients of the mean cross-entropy."""
    model = copy.deepcopy(model).train()
    model.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    return model


def weight_gradient_norms(
    model: nn.Module, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, " n"]
) -> Float64[np.ndarray, " layers"]:
    """Euclidean norm of dL/dW for each convolution of the main path, first layer first.

    >>> from resnet_tutorial.models import build
    >>> net, images, labels = build("resnet8"), torch.randn(8, 3, 8, 8), torch.arange(8)
    >>> weight_gradient_norms(net, images, labels).shape
    (7,)
    """
    model = _gradients(model, images, labels)
    weights = [model.get_submodule(name).weight for name in main_path(model)]
    return np.array([weight.grad.norm().item() for weight in weights])


def total_gradient_norm(
    model: nn.Module, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, " n"]
) -> float:
    """Euclidean norm of the whole gradient: what gradient clipping compares with its bound.

    >>> from resnet_tutorial.models import build
    >>> import math
    >>> net, images, labels = build("resnet8"), torch.randn(8, 3, 8, 8), torch.arange(8)
    >>> weights = weight_gradient_norms(net, images, labels)
    >>> total_gradient_norm(net, images, labels) > math.hypot(*weights)  # of all parameters
    True
    """
    model = _gradients(model, images, labels)
    return torch.stack([p.grad.norm() for p in model.parameters()]).norm().item()


def outputs(
    model: nn.Module,
    images: Float[Tensor, "n c h w"],
    layers: list[str],
    measure: Callable[[Tensor], Tensor],
) -> Float64[np.ndarray, " layers"]:
    """`measure(output)`, a number, for each of the named layers, in training mode.

    >>> from resnet_tutorial.models import build
    >>> outputs(build("resnet8"), torch.randn(8, 3, 8, 8), ["conv1", "fc"], torch.std).shape
    (2,)
    """
    model = copy.deepcopy(model).train()
    found: dict[str, float] = {}

    def remember(name):
        return lambda module, inputs, output: found.__setitem__(name, measure(output).item())

    for name in layers:
        model.get_submodule(name).register_forward_hook(remember(name))
    with torch.no_grad():
        model(images)
    return np.array([found[name] for name in layers], dtype=np.float64)


def _norms_behind(model: ResNet) -> dict[str, str]:
    """The name of the batch norm that takes what a convolution gives, by the convolution's."""
    model = copy.deepcopy(model).to("meta").eval()  # shapes alone
    names = {module: name for name, module in model.named_modules()}
    given: dict[Tensor, str] = {}
    behind: dict[str, str] = {}

    def remember(module, inputs, output):
        if isinstance(module, nn.Conv2d):
            given[output] = names[module]
        elif isinstance(module, nn.BatchNorm2d) and inputs[0] in given:
            behind[given[inputs[0]]] = names[module]

    for module in names:
        module.register_forward_hook(remember)
    weight = next(model.parameters())
    model(weight.new_zeros(1, model.in_channels, model.stride, model.stride))
    return behind


@torch.no_grad()
def response_stds(model: ResNet) -> Float64[np.ndarray, " layers"]:
    """Standard deviation of what each convolution of the main path gives behind its batch norm.

    Over images, positions and channels together, from gamma, beta and the running variance alone:
    no data is needed. Exact where these averages are those of the data, and the mean is then
    beta's. Raises ValueError when the batch norm does not follow its convolution, as in
    pre-activation nets. Chapter: training/depth_sweep.

    >>> from resnet_tutorial.models import build
    >>> response_stds(build("plain8")).round(3).tolist()[:2]  # gamma is 1 at the start
    [1.0, 1.0]
    """
    found, behind = [], _norms_behind(model)
    for name in main_path(model):
        if name not in behind:
            raise Mistake(
                f"expected a batch norm behind each convolution, found none for {name}; "
                "use a net of plain or post-activation blocks"
            )
        norm = model.get_submodule(behind[name])
        variance = norm.weight.square() * norm.running_var / (norm.running_var + norm.eps)
        found.append((variance.mean() + norm.bias.var(correction=0)).sqrt().item())
    return np.array(found)


def output_gradient_norms(
    model: nn.Module, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, " n"]
) -> Float64[np.ndarray, " layers"]:
    """Euclidean norm of dL/dy for the output y of each convolution of the main path.

    >>> from resnet_tutorial.models import build
    >>> output_gradient_norms(build("resnet8"), torch.randn(8, 3, 8, 8), torch.arange(8)).shape
    (7,)
    """
    model = copy.deepcopy(model).train()
    kept: dict[str, Tensor] = {}

    def keep(name):
        def hook(module, inputs, output):
            output.retain_grad()
            kept[name] = output

        return hook

    layers = main_path(model)
    for name in layers:
        model.get_submodule(name).register_forward_hook(keep(name))
    F.cross_entropy(model(images), labels).backward()
    return np.array([kept[name].grad.norm().item() for name in layers])


def blocks(model: ResNet) -> list[str]:
    """Names of the residual blocks: those that own a shortcut.

    >>> from resnet_tutorial.models import build
    >>> blocks(build("resnet8")), blocks(build("plain8"))
    (['layer1.0', 'layer2.0', 'layer3.0'], [])
    """
    return [name for name, block in model.blocks() if hasattr(block, "downsample")]


@torch.no_grad()
def _block_inputs(
    model: ResNet, images: Float[Tensor, "n c h w"]
) -> dict[str, tuple[nn.Module, Tensor]]:
    """Each residual block of `model`, and what reaches it when `images` pass."""
    inputs: dict[str, tuple[nn.Module, Tensor]] = {}

    def remember(name):
        return lambda block, arguments: inputs.__setitem__(name, (block, arguments[0]))

    handles = [
        model.get_submodule(name).register_forward_pre_hook(remember(name))
        for name in blocks(model)
    ]
    model(images)
    for handle in handles:
        handle.remove()
    return inputs


@torch.no_grad()
def branch_ratios(
    model: ResNet, images: Float[Tensor, "n c h w"]
) -> Float64[np.ndarray, " blocks"]:
    """|F(x)| / |shortcut(x)| for each residual block, in evaluation mode.

    Zero for a block that is the identity, about one for a block whose branch matters as much as
    its shortcut.

    >>> from resnet_tutorial.models import build
    >>> net = build("resnet8")
    >>> _ = nn.init.zeros_(net.layer1[0].bn2.weight)  # the first block is the identity now
    >>> (branch_ratios(net, torch.randn(8, 3, 8, 8)) > 0).tolist()
    [False, True, True]
    """
    inputs = _block_inputs(copy.deepcopy(model).eval(), images)
    ratios = [block.branch(x).norm() / block.shortcut(x).norm() for block, x in inputs.values()]
    return torch.stack(ratios).double().numpy()


def weight_gradient_cosines(
    model: nn.Module,
    first: tuple[Float[Tensor, "n c h w"], Int64[Tensor, " n"]],
    second: tuple[Float[Tensor, "m c h w"], Int64[Tensor, " m"]],
) -> Float64[np.ndarray, " layers"]:
    """Cosine between the gradients dL/dW of two batches, for each convolution of the main path.

    No rescaling of a layer's weights changes it. Chapter: theory/explosion.

    >>> from resnet_tutorial.models import build
    >>> batch = torch.randn(8, 3, 8, 8), torch.arange(8)
    >>> weight_gradient_cosines(build("resnet8"), batch, batch).round(4).tolist()[:2]
    [1.0, 1.0]
    """
    one, other = _gradients(model, *first), _gradients(model, *second)
    pairs = (
        [net.get_submodule(name).weight.grad.flatten() for net in (one, other)]
        for name in main_path(model)
    )
    return np.array([F.cosine_similarity(a, b, dim=0).item() for a, b in pairs])


def block_jacobians(
    model: ResNet, image: Float[Tensor, "1 c h w"]
) -> dict[str, Float64[np.ndarray, "d d"]]:
    """The Jacobian of each block that keeps the shape, at what reaches it when `image` passes.

    In evaluation mode and float64; d = channels * height * width of the block's input.
    Chapter: theory/gradient_flow.

    >>> from resnet_tutorial.models import build
    >>> net = build("resnet8", widths=(2, 4, 8))
    >>> jacobians = block_jacobians(net, torch.randn(1, 3, 4, 4))
    >>> {name: jacobian.shape for name, jacobian in jacobians.items()}
    {'layer1.0': (32, 32)}
    """
    model = copy.deepcopy(model).double().eval()
    found = {}
    for name, (block, x) in _block_inputs(model, image.double()).items():
        y = block(x)
        if y.shape == x.shape:
            jacobian = torch.func.jacrev(lambda v, block=block: block(v).flatten())(x)
            found[name] = jacobian.flatten(1).detach().numpy()
    return found
