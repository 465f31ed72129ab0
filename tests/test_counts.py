"""Parameters, multiply-adds and receptive fields against published numbers and closed forms."""

import pytest
import torch
from torch import nn

from resnet_tutorial.counts import count_macs, count_parameters, receptive_field, stage_table
from resnet_tutorial.models import (
    ARCHITECTURES,
    Bottleneck,
    BottleneckV1,
    build,
    option_a,
    option_b,
    option_c,
)

IMAGENET = (3, 224, 224)

# depth: n, parameters A, multiply-adds A, parameters B, receptive field
CIFAR = {
    20: (3, 269_722, 40_551_040, 272_474, 81),
    32: (5, 464_154, 68_862_592, 466_906, 137),
    44: (7, 658_586, 97_174_144, 661_338, 193),
    56: (9, 853_018, 125_485_696, 855_770, 249),
    110: (18, 1_727_962, 252_887_680, 1_730_714, 501),
    1202: (200, 19_421_274, 2_829_238_912, 19_424_026, 5597),
}
# name, parts, parameters, multiply-adds, receptive field
V1 = {"block": BottleneckV1}
FAMILY = [
    ("resnet18", {}, 11_689_512, 1_814_073_344, 435),
    ("resnet34", {}, 21_797_672, 3_663_761_408, 899),
    ("resnet50", {}, 25_557_032, 4_089_184_256, 427),
    ("resnet101", {}, 44_549_160, 7_801_405_440, 971),
    ("resnet152", {}, 60_192_808, 11_513_626_624, 1451),
    ("resnet50", V1, 25_557_032, 3_857_973_248, 483),
    ("resnet101", V1, 44_549_160, 7_570_194_432, 1027),
    ("resnet152", V1, 60_192_808, 11_282_415_616, 1507),
    ("resnet18", {"shortcut": option_a}, 11_515_688, 1_794_805_760, 435),
    ("resnet34", {"shortcut": option_a}, 21_623_848, 3_644_493_824, 899),
    ("resnet34", {"shortcut": option_c}, 22_716_840, 3_830_747_136, 899),
    ("plain18", {}, 11_515_688, 1_794_805_760, 435),
    ("plain34", {}, 21_623_848, 3_644_493_824, 899),
]


@pytest.mark.parametrize("depth", CIFAR)
def test_cifar_nets_have_the_published_counts(depth):
    n, parameters, macs, with_projections, field = CIFAR[depth]
    assert parameters == 97_216 * n - 21_926
    assert macs == 14_155_776 * n - 1_916_288
    assert field == 28 * n - 3
    for name in {f"resnet{depth}", f"plain{depth}"} & ARCHITECTURES.keys():
        model = build(name)
        assert count_parameters(model) == parameters
        assert count_macs(model) == macs
        assert receptive_field(model) == field
    assert count_parameters(build(f"resnet{depth}", shortcut=option_b)) == with_projections


def test_the_depth_counts_the_layers_with_weights():
    for name, architecture in ARCHITECTURES.items():
        per_block = sum("conv" in part for part, _ in architecture.block(4, 4).named_children())
        depth = 2 + per_block * sum(architecture.stage_sizes)
        assert name.endswith(str(depth)) and name.rstrip("0123456789") + str(depth) == name


@pytest.mark.parametrize(("name", "parts", "parameters", "macs", "field"), FAMILY)
def test_imagenet_nets_have_the_published_counts(name, parts, parameters, macs, field):
    model = build(name, **parts)
    assert count_parameters(model) == parameters
    assert count_macs(model, IMAGENET) == macs
    assert receptive_field(model) == field


def test_moving_the_stride_to_the_3x3_costs_the_same_in_every_net():
    cost = 3 * 256 * 128 * (56**2 - 28**2)
    assert cost == 231_211_008
    macs = {(name, parts.get("block", Bottleneck)): m for name, parts, _, m, _ in FAMILY}
    for name in ("resnet50", "resnet101", "resnet152"):
        assert macs[name, Bottleneck] - macs[name, BottleneckV1] == cost


def test_resnet50_splits_into_convolutions_norms_and_classifier():
    parts = {nn.Conv2d: 0, nn.BatchNorm2d: 0, nn.Linear: 0}
    for module in build("resnet50").modules():
        if type(module) in parts:
            parts[type(module)] += count_parameters(module)
    assert list(parts.values()) == [23_454_912, 53_120, 2_049_000]


@pytest.mark.parametrize(
    ("name", "parameters", "without_norm"),
    [("preact_resnet164", 1_703_258, 1_679_034), ("preact_resnet1001", 10_327_706, 10_178_490)],
)
def test_pre_activation_nets_have_the_published_counts(name, parameters, without_norm):
    model = build(name)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert count_parameters(model) == parameters
    assert parameters - sum(map(count_parameters, norms)) == without_norm


def test_pre_activation_at_depth_110_is_free():
    model = build("preact_resnet110")
    assert count_parameters(model) == CIFAR[110][1]
    assert count_macs(model) == CIFAR[110][2]


def test_a_bottleneck_is_as_dear_as_two_3x3_convolutions():
    c = 64
    identity = Bottleneck(4 * c, c)
    convolutions = [m for m in identity.modules() if isinstance(m, nn.Conv2d)]
    assert sum(map(count_parameters, convolutions)) == 17 * c**2
    projected = Bottleneck(4 * c, c, shortcut=option_c)
    convolutions = [m for m in projected.modules() if isinstance(m, nn.Conv2d)]
    assert sum(map(count_parameters, convolutions)) == 33 * c**2


def support(model, image_side):
    """The side of the square of input pixels with a gradient from one central output position.

    With positive weights, inputs and norms at their initial averages nothing cancels.
    """
    model = model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.fill_(1 / parameter[0].numel())
    # Averages and maxima see the same window, but only an average has a gradient all over it.
    if isinstance(model.maxpool, nn.MaxPool2d):
        model.maxpool = nn.AvgPool2d(3, stride=2, padding=1)
    x = torch.ones(1, 1, image_side, image_side, dtype=torch.float64, requires_grad=True)
    maps = model.features(x)
    maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2].sum().backward()
    touched = x.grad[0, 0] > 0
    rows, columns = touched.any(1).nonzero(), touched.any(0).nonzero()
    assert touched[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
    assert rows.min() > 0 and rows.max() < image_side - 1  # else the border cut it
    assert rows.numel() == columns.numel()
    return rows.numel()


@pytest.mark.parametrize(
    ("name", "parts", "image_side"),
    [
        ("resnet8", {}, 64),
        ("plain8", {}, 64),
        ("resnet20", {}, 128),
        ("preact_resnet164", {"stage_sizes": (1, 2, 1)}, 64),
        ("resnet18", {"widths": (2, 2, 2, 2)}, 544),
        ("resnet50", {"widths": (1, 1, 1, 1)}, 544),
        ("resnet50", {"widths": (1, 1, 1, 1), "block": BottleneckV1}, 608),
    ],
)
def test_the_receptive_field_is_the_support_of_the_gradient(name, parts, image_side):
    model = build(name, in_channels=1, **parts)
    field = receptive_field(model)
    assert support(model, image_side) == field
    assert receptive_field(model) == field  # now with an average in the place of the maximum


@pytest.mark.parametrize(
    ("name", "image_shape"),
    [("resnet20", (3, 32, 32)), ("preact_resnet164", (3, 32, 32)), ("resnet18", IMAGENET)],
)
def test_stage_table_sums_to_the_totals(name, image_shape):
    model = build(name)
    rows = stage_table(model, image_shape)
    assert sum(row.parameters for row in rows) == count_parameters(model)
    assert sum(row.macs for row in rows) == count_macs(model, image_shape)
    assert rows[-2].receptive_field == receptive_field(model)


def test_stage_table_of_resnet20():
    rows = stage_table(build("resnet20"))
    assert [row.name for row in rows] == ["stem", "layer1", "layer2", "layer3", "head"]
    shapes = [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8), (10,)]
    assert [row.output_shape for row in rows] == shapes
    # The whole image is the union of 8 x 8 fields, 4 pixels apart.
    assert [row.receptive_field for row in rows] == [3, 15, 37, 81, 81 + 7 * 4]
    # Halving the side and doubling the width costs nothing: k^2 c^2 h w stays.
    layer = 9 * 16 * 16 * 32 * 32
    macs = [27 * 16 * 1024, 6 * layer, 5.5 * layer, 5.5 * layer, 640]
    assert [row.macs for row in rows] == macs
    assert rows[0].parameters == 27 * 16 + 2 * 16 and rows[-1].parameters == 650


def test_counting_knows_groups_dilation_and_linear_layers_over_positions():
    model = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2, dilation=2), nn.Conv2d(8, 8, 3, stride=2))
    assert receptive_field(model) == 1 + 2 * 2 + 2
    assert count_macs(model, (4, 9, 9)) == 8 * 2 * 9 * 5 * 5 + 8 * 8 * 9 * 2 * 2
    assert count_macs(nn.Linear(9, 5), (4, 9, 9)) == 9 * 5 * 4 * 9


def test_counting_leaves_the_model_as_it_was():
    model = build("resnet8").double().train()
    model.layer2.eval()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    seen = []
    handle = model.fc.register_forward_hook(lambda *_: seen.append(1))
    hooks = {name: len(module._forward_hooks) for name, module in model.named_modules()}
    stage_table(model)
    with pytest.raises(ValueError):
        count_macs(model, (1, 32, 32))
    assert modes == [module.training for module in model.modules()]
    assert hooks == {name: len(module._forward_hooks) for name, module in model.named_modules()}
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    handle.remove()


def test_frozen_parameters_count():
    model = build("resnet8").requires_grad_(False)
    assert count_parameters(model) == 97_216 - 21_926
