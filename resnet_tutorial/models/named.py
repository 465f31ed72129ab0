"""The networks that have a name. Chapter: pytorch/residual_networks.

Which parts a named network has is data: ``ARCHITECTURES``.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

from resnet_tutorial import Mistake
from resnet_tutorial.models import weights as trained
from resnet_tutorial.models.blocks import BasicBlock, Bottleneck, PlainBlock
from resnet_tutorial.models.preact import PreActBasicBlock, PreActBottleneck
from resnet_tutorial.models.resnet import Architecture, ResNet, imagenet_stem
from resnet_tutorial.models.shortcuts import option_b, option_b_preact
from resnet_tutorial.models.transfer import transfer
from resnet_tutorial.names import lookup

_imagenet = partial(
    Architecture,
    shortcut=option_b,
    widths=(64, 128, 256, 512),
    stem=imagenet_stem,
    num_classes=1000,
)

#: The parts of every named network.
ARCHITECTURES: dict[str, Architecture] = {
    **{f"plain{6 * n + 2}": Architecture((n, n, n), PlainBlock) for n in (1, 3, 5, 7, 9, 18)},
    **{f"resnet{6 * n + 2}": Architecture((n, n, n)) for n in (1, 3, 5, 7, 9, 18, 200)},
    "preact_resnet110": Architecture((18, 18, 18), PreActBasicBlock),
    "preact_resnet164": Architecture((18, 18, 18), PreActBottleneck, option_b_preact),
    "preact_resnet1001": Architecture((111, 111, 111), PreActBottleneck, option_b_preact),
    "plain18": _imagenet((2, 2, 2, 2), PlainBlock),
    "plain34": _imagenet((3, 4, 6, 3), PlainBlock),
    "resnet18": _imagenet((2, 2, 2, 2), BasicBlock),
    "resnet34": _imagenet((3, 4, 6, 3), BasicBlock),
    "resnet50": _imagenet((3, 4, 6, 3), Bottleneck),
    "resnet101": _imagenet((3, 4, 23, 3), Bottleneck),
    "resnet152": _imagenet((3, 8, 36, 3), Bottleneck),
}


def in_words(parts: Mapping[str, object]) -> dict[str, str]:
    """The parts of a network by their names, as a record keeps them.

    >>> in_words({"block": partial(Bottleneck, width=8), "widths": [8, 16]})
    {'block': 'partial(Bottleneck, width=8)', 'widths': '(8, 16)'}
    """
    return {name: _word(part) for name, part in parts.items()}


def _word(part: object) -> str:
    if isinstance(part, partial):
        settings = [f"{k}={_word(v)}" for k, v in sorted(part.keywords.items())]
        return f"partial({', '.join([_word(part.func), *map(_word, part.args), *settings])})"
    if isinstance(part, list):
        part = tuple(part)
    return getattr(part, "__name__", str(part))


def exchanged(name: str, architecture: Architecture) -> dict[str, str]:
    """In which parts an architecture differs from the one called `name`; the classes do not count.

    >>> exchanged("resnet20", replace(ARCHITECTURES["resnet20"], shortcut=option_b))
    {'shortcut': 'option_b'}
    """
    names = [field.name for field in fields(Architecture) if field.name != "num_classes"]
    own, usual = (
        in_words({n: getattr(a, n) for n in names}) for a in (architecture, ARCHITECTURES[name])
    )
    return {part: word for part, word in own.items() if word != usual[part]}


def _parts_of(name: str) -> dict[str, str] | None:
    """The parts of the network called `name` in words; None when there is none."""
    if name not in ARCHITECTURES:
        return None
    return in_words({f.name: getattr(ARCHITECTURES[name], f.name) for f in fields(Architecture)})


def _check_parts(weights: os.PathLike, about: Mapping, net: ResNet) -> None:
    """Weights of the right shapes may still be those of a network that computes something else."""
    trained_as = about.get("model", net.name)
    if trained_as != net.name and _parts_of(trained_as) not in (None, _parts_of(net.name)):
        raise Mistake(
            f"{weights} holds another network's weights: it was trained as {trained_as}, asked for "
            f"is {net.name}; build {trained_as}"
        )
    said = about.get("variant", net.variant)  # older files do not say
    if not isinstance(said, Mapping):
        raise Mistake(f"{weights}: variant should be a table, is {str(said)[:50]!r}")
    usual = _parts_of(net.name)
    kept = {part: word for part, word in said.items() if usual.get(part, word) != word}
    if kept != net.variant:
        raise Mistake(
            f"{weights} was trained with the parts {str(kept or 'of the name')[:200]}, asked for "
            f"are {net.variant or 'those of the name'}; exchange the same ones in models.build"
        )


def build(
    name: str,
    num_classes: int | None = None,
    in_channels: int | None = None,
    weights: str | os.PathLike | None = None,
    **parts,
) -> ResNet:
    """The network called ``name``, initialised from torch's global random state, or trained.

    Args:
        name: a key of ``ARCHITECTURES``.
        num_classes: by default 10 for the CIFAR nets and 1000 for the ImageNet nets.
        in_channels: 3 for colour images, the default, 1 for grey ones.
        weights: trained ones by the name of their data, ``"fashion_mnist"`` or ``"imagenet"``, or a
            file of them, ``"runs/a/model.safetensors"``, ``"resnet18.pth"``; by default the classes
            and channels are then theirs. With another ``num_classes`` all but the head is loaded,
            and a warning says so. What the network has to be given is then ``net.inputs``, where it
            is known.
        parts: what to exchange, by the field of ``Architecture``: ``block=BottleneckV1``,
            ``shortcut=option_b``, ``widths=(8, 16, 32)``, ``stage_sizes=(1, 1, 1)``,
            ``strides=(1, 2, 1)``, ``stem=...``.

    Raises:
        ValueError: unknown name or part, a shortcut for a plain net, a count below one, or weights
            of another network, with the name of the one that they fit.

    >>> sum(p.numel() for p in build("resnet20").parameters())
    269722
    """
    allowed = {field.name: field for field in fields(Architecture) if field.name != "num_classes"}
    for part in parts:
        lookup(allowed, part, "part")
    architecture = replace(lookup(ARCHITECTURES, name, "model"), **parts)
    tensors, about = {}, {}
    if weights is not None:
        weights = trained.find(name, weights)
        tensors, about = trained.load(weights)
        classes, channels = trained.classes_and_channels(tensors)
        num_classes, in_channels = num_classes or classes, in_channels or channels
    if num_classes is not None:
        architecture = replace(architecture, num_classes=num_classes)
    if "shortcut" in parts and not architecture.residual:
        raise Mistake(f"{name!r} is a plain net and has no shortcut to exchange: leave it out")
    net = ResNet(architecture, 3 if in_channels is None else in_channels)
    net.name, net.variant = name, exchanged(name, architecture)
    if weights is not None:
        _check_parts(weights, about, net)
        transfer(net, tensors, weights, ARCHITECTURES)
        net.inputs = trained.inputs_of(weights, tensors, about)
        digest = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
        net.start = f"{Path(weights).name}, sha256 {digest[:16]}"
    return net
