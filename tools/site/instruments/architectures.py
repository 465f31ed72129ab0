"""Count every named network, stage by stage, for the architecture explorer of the site.

    python tools/site/instruments/architectures.py

writes architectures.json beside this file; a test compares it with new counts. It takes ten
seconds, too long for every build of the site.
"""

import json
from pathlib import Path

import torch
from torch import nn

from resnet_tutorial import counts, models
from resnet_tutorial.models.shortcuts import on_shortcuts

FILE = Path(__file__).with_name("architectures.json")
# Beside the table of models: what the paper's counts and torchvision's differ by.
VARIANTS = {
    "resnet20, option B": ("resnet20", {"shortcut": models.option_b}),
    "resnet34, option A": ("resnet34", {"shortcut": models.option_a}),
    "resnet34, option C": ("resnet34", {"shortcut": models.option_c}),
    "resnet50, stride on the 1x1 (v1)": ("resnet50", {"block": models.BottleneckV1}),
}


def specifications() -> dict[str, tuple[str, dict]]:
    """Title -> (name, parts) of `models.build`, the variants behind their network."""
    found = {}
    for name in models.ARCHITECTURES:
        found[name] = (name, {})
        found |= {title: spec for title, spec in VARIANTS.items() if spec[0] == name}
    return found


def build(title: str, **parts) -> models.ResNet:
    """The network without memory for its weights: its shapes are all that is asked for."""
    name, own = specifications()[title]
    with torch.device("meta"):
        return models.build(name, **own, **parts)


def image_shape(net: models.ResNet) -> tuple[int, int, int]:
    """What the network was designed for: 224x224 for ImageNet, 32x32 for CIFAR."""
    side = 224 if net.architecture.num_classes == 1000 else 32
    return (3, side, side)


def group(title: str, net: models.ResNet) -> str:
    kind = {"plain": "plain", "preact": "pre-activation"}.get(
        title.rstrip("0123456789").split("_")[0], "residual"
    )
    return f"{'ImageNet' if image_shape(net)[1] == 224 else 'CIFAR'}, {kind}"


def layer(module: nn.Module, aside: bool) -> str | None:
    """One layer in words, or None for what has neither weights nor stride of its own.

    `aside` says that it stands on a shortcut.
    """
    arrow = "\N{NO-BREAK SPACE}→\N{NO-BREAK SPACE}"
    place = "shortcut: " if aside else ""
    stride = getattr(module, "stride", 1)
    stride = stride[0] if isinstance(stride, tuple) else stride
    step = f", stride {stride}" if stride != 1 else ""
    if isinstance(module, nn.Conv2d):
        k = module.kernel_size[0]
        return f"{place}{k}×{k} convolution, {module.in_channels}{arrow}{module.out_channels}{step}"
    if isinstance(module, nn.MaxPool2d):
        return f"{module.kernel_size}×{module.kernel_size} max pooling{step}"
    if isinstance(module, nn.Linear):
        return f"linear, {module.in_features}{arrow}{module.out_features}"
    if isinstance(module, models.PadShortcut):
        return f"{place}every second pixel, {module.extra} zero channels"
    if aside and isinstance(module, nn.Identity):
        return f"{place}identity"
    return None


def layers(modules: list[nn.Module], aside: set[nn.Module]) -> list[tuple[str, int]]:
    """(words, parameters) of each layer, the batch norms summed in one line at the end."""
    described = [(layer(module, module in aside), module) for module in modules]
    rows = [(words, counts.count_parameters(module)) for words, module in described if words]
    norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    if norms:
        words = "batch norm" if len(norms) == 1 else f"{len(norms)} batch norms"
        rows.append((words, sum(map(counts.count_parameters, norms))))
    return rows


def halvings(image: int, side: int) -> int:
    """How often the side of an image was halved until a map has `side`."""
    return (image // side).bit_length() - 1


def grid(module: nn.Module, channels: int) -> tuple[int, int]:
    """Weights that meet each position of the input, and those that meet each second one, both ways.

    Of maps of s x s pixels the multiply-adds are the first times s^2 plus the second times t^2,
    with t = s / 2 rounded up; they are counted for s = 2 and s = 3.
    """
    two, three = (counts.count_macs(module, (channels, s, s)) for s in (2, 3))
    every = (4 * two - three) // 7
    return every, two - 4 * every


def part(title: str, times: int, module: nn.Module, shape: tuple[int, ...], image: int) -> dict:
    """A block, and how many of them stand in its stage; `shape` is that of its input."""
    return {
        "title": title,
        "times": times,
        "parameters": counts.count_parameters(module),
        "macs": counts.count_macs(module, shape),
        "grid": [halvings(image, shape[1]), *grid(module, shape[0])],
        "layers": layers(list(module.modules()), on_shortcuts(module)),
    }


def stage_parts(
    stage: nn.Sequential, before: tuple[int, ...], after: tuple[int, ...], image: int
) -> list:
    """The first block of a stage, which may change the shape, and the others, all alike."""
    first = part("first block", 1, stage[0], before, image)
    if len(stage) == 1:
        return [first | {"title": "the only block"}]
    rest = part("block", len(stage) - 1, stage[1], after, image)
    every = first | {"title": "block", "times": len(stage)}
    if every == rest | {"times": len(stage)}:
        return [every]
    return [first, rest]


def end_part(net: models.ResNet, row: counts.StageRow) -> dict:
    """The stem or the head."""
    stem = [net.conv1, net.bn1, net.maxpool]
    head = [m for m in net.children() if m not in stem and m not in net.stages]
    counted = {"parameters": row.parameters, "macs": row.macs}
    mine = stem if row.name == "stem" else head
    if row.name == "stem":  # the head's multiply-adds are those of its classes
        counted["grid"] = [0, *grid(net.conv1, net.conv1.in_channels)]
    return {"title": row.name, "times": 1, **counted, "layers": layers(mine, set())}


def describe(net: models.ResNet) -> dict:
    """A network as the explorer shows it."""
    shape = image_shape(net)
    stages, before = [], shape
    stem, *between, head = counts.stage_table(net, shape)
    inside = dict(zip((row.name for row in between), net.stages, strict=True))
    for row in (stem, *between, head):
        if row.name in inside:
            parts = stage_parts(inside[row.name], before, row.output_shape, shape[1])
        else:
            parts = [end_part(net, row)]
        before = row.output_shape
        counted = {"parameters": row.parameters, "macs": row.macs, "field": row.receptive_field}
        stages.append({"name": row.name, "shape": row.output_shape, **counted, "parts": parts})
    return {
        "image": shape,
        "parameters": counts.count_parameters(net),
        "macs": counts.count_macs(net, shape),
        "field": counts.receptive_field(net),
        "stages": stages,
    }


def text() -> str:
    """All networks as JSON, one a line."""
    short = {"ensure_ascii": False, "separators": (",", ":")}
    nets = {title: build(title) for title in specifications()}
    described = (
        {"name": title, "group": group(title, net), **describe(net)} for title, net in nets.items()
    )
    lines = (json.dumps(one, **short) for one in described)
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    FILE.write_text(text())
