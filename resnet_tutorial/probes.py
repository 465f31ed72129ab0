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
    return [name for name in layer_names(model) if "downsample" not in name]


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


@torch.no_grad()
def response_stds(model: nn.Module) -> Float64[np.ndarray, " layers"]:
    """Standard deviation of what each convolution of the main path gives behind its batch norm.

    Over images, positions and channels together, from gamma, beta and the running variance alone:
    no data is needed. Exact where these averages are those of the data, and the mean is then
    beta's. Raises ValueError when the batch norm does not follow its convolution, as in
    pre-activation nets. Chapter: training/depth_sweep.

    >>> from resnet_tutorial.models import build
    >>> response_stds(build("plain8")).round(3).tolist()[:2]  # gamma is 1 at the start
    [1.0, 1.0]
    """
    found = []
    for name in main_path(model):
        norm = dict(model.named_modules()).get(name.replace("conv", "bn"))
        if not isinstance(norm, nn.BatchNorm2d):
            raise ValueError(
                f"expected a batch norm behind each convolution, found none for {name}; "
                "use a net of plain or post-activation blocks"
            )
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


def blocks(model: nn.Module) -> list[str]:
    """Names of the residual blocks: the modules that own a shortcut.

    >>> from resnet_tutorial.models import build
    >>> blocks(build("resnet8"))
    ['layer1.0', 'layer2.0', 'layer3.0']
    """
    return [name for name, module in model.named_modules() if hasattr(module, "downsample")]


def branch_ratios(
    model: nn.Module, images: Float[Tensor, "n c h w"]
) -> Float64[np.ndarray, " blocks"]:
    """|F(x)| / |shortcut(x)| for each residual block, in evaluation mode.

    Zero for a block that is the identity, about one for a block whose branch matters as much as
    its shortcut. The branch's output is that of the block's last batch norm.

    >>> from resnet_tutorial.models import build
    >>> net = build("resnet8")
    >>> _ = nn.init.zeros_(net.layer1[0].bn2.weight)  # the first block is the identity now
    >>> (branch_ratios(net, torch.randn(8, 3, 8, 8)) > 0).tolist()
    [False, True, True]
    """
    model = copy.deepcopy(model).eval()
    norms: dict[str, dict[str, float]] = {name: {} for name in blocks(model)}

    def remember(block, part):
        return lambda module, inputs, output: norms[block].__setitem__(part, output.norm().item())

    for name in norms:
        block = model.get_submodule(name)
        last = [m for m in block.children() if isinstance(m, nn.BatchNorm2d)][-1]
        last.register_forward_hook(remember(name, "branch"))
        block.downsample.register_forward_hook(remember(name, "shortcut"))
    with torch.no_grad():
        model(images)
    return np.array([parts["branch"] / parts["shortcut"] for parts in norms.values()])


def weight_gradient_cosines(
    model: nn.Module,
    first: tuple[Float[Tensor, "n c h w"], Int64[Tensor, " n"]],
    second: tuple[Float[Tensor, "m c h w"], Int64[Tensor, " m"]],
) -> Float64[np.ndarray, " layers"]:
    """Cosine between the gradients dL/dW of two batches, for each convolution of the main path.

    No rescaling of a layer's weights changes it. Chapter: theory/gradient_flow.

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
    model: nn.Module, image: Float[Tensor, "1 c h w"]
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
    inputs: dict[str, Tensor] = {}

    def remember(name):
        return lambda module, arguments, output: inputs.__setitem__(name, arguments[0])

    for name in blocks(model):
        model.get_submodule(name).register_forward_hook(remember(name))
    with torch.no_grad():
        model(image.double())
    found = {}
    for name, x in inputs.items():
        block = model.get_submodule(name)
        if isinstance(block.downsample, nn.Identity):
            jacobian = torch.func.jacrev(lambda v, block=block: block(v).flatten())(x)
            found[name] = jacobian.flatten(1).detach().numpy()
    return found
