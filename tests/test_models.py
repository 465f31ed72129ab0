"""The PyTorch networks: their equations, their names, their errors."""

import copy

import pytest
import torch
from test_models_parts import BLOCKS as EVERY_BLOCK
from torch import nn

from resnet_tutorial.models import (
    ARCHITECTURES,
    BasicBlock,
    Bottleneck,
    BottleneckV1,
    PadShortcut,
    PlainBlock,
    PreActBasicBlock,
    PreActBottleneck,
    build,
    option_a,
    option_a_forgotten,
    option_b,
    option_c,
)

RESIDUAL = [BasicBlock, Bottleneck, BottleneckV1]
PREACT = [PreActBasicBlock, PreActBottleneck]
BLOCKS = [PlainBlock, *RESIDUAL, *PREACT]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def images(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def block_of(kind, in_channels, width, *rest):
    """A block whose norms are not at their initial gamma and beta."""
    block = kind(in_channels, width, *rest).double()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return block


def caught(module, inputs):
    """Output of ``module(inputs)``, and the output of every submodule by name, by hooks."""
    outputs, handles = {}, []
    for name, part in module.named_modules():

        def keep(part, args, output, name=name):
            outputs[name] = output

        handles.append(part.register_forward_hook(keep))
    y = module(inputs)
    for handle in handles:
        handle.remove()
    return y, outputs


# --- shortcuts


def test_option_a_subsamples_and_appends_zero_channels():
    x = images(2, 3, 7, 6)
    y = PadShortcut(3, 5, 2)(x)
    assert y.shape == (2, 5, 4, 3)
    assert torch.equal(y[:, :3], x[:, :, ::2, ::2])
    assert not y[:, 3:].any()
    assert not list(PadShortcut(3, 5, 2).parameters())


def test_option_a_is_linear_and_its_square_with_its_transpose_a_projector():
    shortcut = PadShortcut(2, 3, 2).double()
    x, dy = images(1, 2, 4, 4).requires_grad_(), images(1, 3, 2, 2)
    matrix = torch.autograd.functional.jacobian(shortcut, x).reshape(12, 32)
    assert torch.equal(matrix @ x.flatten(), shortcut(x).flatten())
    square = matrix @ matrix.T
    assert torch.equal(square @ square, square)
    assert square.trace() == 8  # two channels of four pixels survive
    # Backward: drop the appended channels, and put zeros between the pixels.
    shortcut(x).backward(dy)
    expected = torch.zeros_like(x)
    expected[:, :, ::2, ::2] = dy[:, :2]
    assert torch.equal(x.grad, expected)


@pytest.mark.parametrize("arguments", [(4, 4, 1), (4, 6, 2)], ids=["same shape", "another"])
def test_a_forgotten_shortcut_gives_the_right_output_and_the_branch_gradient(arguments):
    right, forgetful = (
        BasicBlock(*arguments, shortcut=option).double()
        for option in (option_a, option_a_forgotten)
    )
    forgetful.load_state_dict(right.state_dict())
    x = images(3, 4, 6, 6).requires_grad_()
    y = right(x)
    assert torch.equal(forgetful(x), y)
    dy = torch.randn_like(y)
    [wrong] = torch.autograd.grad(forgetful(x), x, dy)
    [branch] = torch.autograd.grad(right.branch(x), x, dy * (y > 0))
    [dx] = torch.autograd.grad(y, x, dy)
    assert torch.allclose(wrong, branch, rtol=0, atol=1e-12)
    assert (dx - wrong).abs().max() > 0.1


def test_option_a_cannot_drop_channels():
    with pytest.raises(ValueError, match="16 -> 8: use option_b"):
        option_a(16, 8, 1)


@pytest.mark.parametrize("option", [option_a, option_b])
def test_options_a_and_b_are_the_identity_where_the_shape_stays(option):
    assert isinstance(option(8, 8, 1), nn.Identity)
    for arguments in ((8, 16, 1), (8, 8, 2), (8, 16, 2)):
        shortcut = option(*arguments)
        assert not isinstance(shortcut, nn.Identity)
        assert shortcut(torch.randn(2, 8, 6, 6)).shape[1] == arguments[1]


def test_option_c_projects_even_where_the_shape_stays():
    for option, arguments in (
        (option_c, (8, 8, 1)),
        (option_c, (8, 16, 2)),
        (option_b, (8, 16, 2)),
    ):
        projection, norm = option(*arguments)
        assert projection.weight.shape == (arguments[1], 8, 1, 1) and projection.bias is None
        assert projection.stride == (arguments[2],) * 2
        assert norm.num_features == arguments[1]


# --- blocks


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("shape", [(8, 8), (7, 5)])
@pytest.mark.parametrize("option", [option_a, option_b, option_c])
def test_blocks_halve_the_map_and_widen(kind, shape, option):
    block = kind(4, 4, 2, option)
    expected = (2, 4 * kind.expansion, -(-shape[0] // 2), -(-shape[1] // 2))
    assert block(torch.randn(2, 4, *shape)).shape == expected


def test_the_plain_block_is_its_formula():
    block = block_of(PlainBlock, 4, 6, 2)
    x = images(2, 4, 8, 8)
    f = block.bn1(block.conv1(x)).clamp(min=0)
    assert torch.equal(block(x), block.bn2(block.conv2(f)).clamp(min=0))


@pytest.mark.parametrize("kind", RESIDUAL)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("option", [option_a, option_b, option_c])
def test_a_residual_block_is_relu_of_shortcut_plus_branch(kind, stride, option):
    block = block_of(kind, 8, 8 // kind.expansion, stride, option)
    x = images(3, 8, 6, 6)
    last = "bn2" if kind is BasicBlock else "bn3"
    y, seen = caught(block, x)
    assert torch.equal(y, (seen["downsample"] + seen[last]).clamp(min=0))
    f = block.bn1(block.conv1(x)).clamp(min=0)
    f = block.bn2(block.conv2(f))
    if last == "bn3":
        f = block.bn3(block.conv3(f.clamp(min=0)))
    assert torch.equal(seen[last], f)
    if isinstance(block.downsample, nn.Identity):
        assert torch.equal(y, (x + f).clamp(min=0))


@pytest.mark.parametrize("kind", PREACT)
def test_a_pre_activation_block_adds_to_x_itself(kind):
    block = block_of(kind, 8, 8 // kind.expansion)
    x = images(3, 8, 6, 6)
    f = block.conv1(block.bn1(x).clamp(min=0))
    f = block.conv2(block.bn2(f).clamp(min=0))
    if kind is PreActBottleneck:
        f = block.conv3(block.bn3(f).clamp(min=0))
    assert torch.equal(block(x), x + f)


@pytest.mark.parametrize("kind", PREACT)
@pytest.mark.parametrize("option", [option_a, option_b])
def test_where_the_shape_changes_both_paths_share_the_first_activation(kind, option):
    block = block_of(kind, 8, 8, 2, option)
    y, seen = caught(block, x := images(3, 8, 6, 6))
    last = "conv2" if kind is PreActBasicBlock else "conv3"
    shortcut = block.downsample(block.bn1(x).clamp(min=0))
    assert torch.equal(y, shortcut + seen[last])


@pytest.mark.parametrize("kind", RESIDUAL)
def test_a_last_gamma_of_zero_makes_the_block_relu(kind):
    block = block_of(kind, 8, 8 // kind.expansion)
    last = block.bn2 if kind is BasicBlock else block.bn3
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    x = images(3, 8, 6, 6)
    y = block(x)
    assert torch.equal(y, x.clamp(min=0))
    y.square().sum().backward()
    assert not block.conv1.weight.grad.any() and not block.conv2.weight.grad.any()
    assert last.weight.grad.any()


@pytest.mark.parametrize("kind", EVERY_BLOCK.values(), ids=EVERY_BLOCK)
def test_hooks_keep_what_they_saw(kind):
    """An in-place ReLU or addition would change the tensors after the hook saw them."""
    block, x = block_of(kind, 8, 8 // kind.expansion), images(3, 8, 6, 6)
    before, copies, kept, handles = x.clone(), {}, {}, []
    for name, part in block.named_modules():

        def keep(part, args, output, name=name):
            kept[name], copies[name] = output, output.clone()

        handles.append(part.register_forward_hook(keep))
    block(x)
    assert torch.equal(x, before)
    assert all(torch.equal(kept[name], copies[name]) for name in kept)
    assert (kept["bn1"] < 0).any()


@pytest.mark.parametrize(("kind", "strided"), [(Bottleneck, "conv2"), (BottleneckV1, "conv1")])
def test_where_a_bottleneck_has_its_stride(kind, strided):
    block = kind(8, 4, 2)
    strides = {name: m.stride for name, m in block.named_children() if name.startswith("conv")}
    assert strides == {"conv1": (1, 1), "conv2": (1, 1), "conv3": (1, 1), strided: (2, 2)}


# --- networks


@pytest.mark.parametrize("name", ["preact_resnet110", "preact_resnet164"])
def test_pre_activation_telescopes(name):
    """x_L = x_l + the sum of all F between, where the shortcuts are identities."""
    model = build(name, stage_sizes=(5, 1, 1)).double()
    stage, x = model.layer1, images(2, 3, 8, 8)
    last = "conv2" if name == "preact_resnet110" else "conv3"
    _, seen = caught(model, x)
    total = seen["layer1.0"]
    for i in range(1, len(stage)):
        total = total + seen[f"layer1.{i}.{last}"]
    assert torch.equal(seen["layer1"], total)


def test_a_pre_activation_net_starts_and_ends_with_an_activation():
    model = build("preact_resnet164", stage_sizes=(2, 1, 1)).double()
    x = images(2, 3, 8, 8)
    _, seen = caught(model, x)
    first = model.layer1[0]
    a = model.bn1(model.conv1(x)).clamp(min=0)
    assert not list(first.bn1.parameters())
    assert torch.equal(seen["layer1.0.conv1"], first.conv1(a))
    assert torch.equal(seen["layer1.0.downsample"], first.downsample(a))
    head = model.bn2(seen["layer3"]).clamp(min=0).mean(dim=(2, 3))
    torch.testing.assert_close(seen["fc"], model.fc(head))


@pytest.mark.parametrize("name", ["plain8", "resnet8", "resnet18"])
def test_a_network_is_stem_stages_average_classifier(name):
    model, x = (
        build(name, widths=(4, 8, 16, 32), stage_sizes=(1, 1, 1, 1)).double(),
        images(2, 3, 64, 64),
    )
    nn.init.normal_(model.bn1.bias)
    maps = model.bn1(model.conv1(x)).clamp(min=0)
    if name == "resnet18":
        maps = nn.functional.max_pool2d(maps, 3, 2, 1)
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        maps = stage(maps)
    assert torch.equal(model.features(x), maps)
    average = maps.flatten(2).mean(2)
    torch.testing.assert_close(model(x), average @ model.fc.weight.T + model.fc.bias)


@pytest.mark.parametrize("block", PREACT)
def test_a_pre_activation_block_brings_its_network(block):
    model = build("resnet8", block=block)
    assert isinstance(model.bn2, nn.BatchNorm2d) and isinstance(model.layer1[0].bn1, nn.Identity)
    assert model.bn2.num_features == model.fc.in_features


@pytest.mark.parametrize("name", ["resnet20", "resnet56"])
def test_a_plain_net_is_the_residual_net_without_additions(name):
    torch.manual_seed(3)
    residual = build(name)
    torch.manual_seed(3)
    plain = build(name.replace("resnet", "plain"))
    theirs = residual.state_dict()
    assert plain.state_dict().keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in plain.state_dict().items())
    x = torch.randn(2, 3, 32, 32)
    assert not torch.equal(plain(x), residual(x))


def test_initialisation_is_he_by_fan_out():
    model = build("resnet50")
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            std = (2 / (module.out_channels * module.kernel_size[0] ** 2)) ** 0.5
            n = module.weight.numel()
            assert abs(module.weight.std() / std - 1) < 4 / (2 * n) ** 0.5, name
            assert module.bias is None
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all()
    bound = model.fc.in_features**-0.5
    assert 0.99 * bound < model.fc.weight.abs().max() <= bound


@pytest.mark.parametrize(
    ("name", "image_shape"),
    [("resnet8", (3, 4, 5)), ("preact_resnet110", (3, 9, 8)), ("resnet18", (3, 32, 45))],
)
def test_images_of_any_size_give_logits(name, image_shape):
    parts = {"stage_sizes": (1, 1, 1)} if name.startswith("preact") else {}
    model = build(name, num_classes=7, **parts).eval()
    assert model(torch.randn(2, *image_shape)).shape == (2, 7)


def test_default_numbers_of_classes():
    assert build("resnet8").fc.out_features == 10
    assert build("resnet18", stage_sizes=(1, 1, 1, 1)).fc.out_features == 1000


def test_parts_can_be_exchanged():
    model = build(
        "resnet20", 5, 1, block=Bottleneck, shortcut=option_b, widths=(4, 8), stage_sizes=(2, 1)
    )
    blocks = [module for module in model.modules() if isinstance(module, Bottleneck)]
    assert [block.conv1.out_channels for block in blocks] == [4, 4, 8]
    assert [len(list(block.downsample.children())) for block in blocks] == [2, 0, 2]
    assert model(torch.randn(2, 1, 8, 8)).shape == (2, 5)
    assert ARCHITECTURES["resnet20"].widths == (16, 32, 64)


@pytest.mark.parametrize("autocast", [False, True])
def test_channels_last_gives_the_same_logits(autocast):
    model = build("resnet8").eval()
    x = torch.randn(2, 3, 16, 16)
    expected = model(x)
    other = copy.deepcopy(model).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits = other(x.to(memory_format=torch.channels_last))
    assert logits.dtype == (torch.bfloat16 if autocast else torch.float32)
    tolerance = 0.05 if autocast else 1e-5
    torch.testing.assert_close(logits.float(), expected, atol=tolerance, rtol=tolerance)


def test_a_residual_net_fits_a_batch_by_plain_sgd():
    model = build("resnet8", widths=(8, 16, 32))
    x, labels = torch.randn(16, 3, 8, 8), torch.arange(16) % 10
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(30):
        loss = nn.functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


# --- torchvision's names


def torchvision_state(stage_sizes, bottleneck):
    """Key and shape of every tensor, from the published layout of the ImageNet nets."""
    state = {}

    def conv(name, out_channels, in_channels, kernel):
        state[f"{name}.weight"] = (out_channels, in_channels, kernel, kernel)

    def norm(name, channels):
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{tensor}"] = (channels,)
        state[f"{name}.num_batches_tracked"] = ()

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    channels = 64
    for stage, size in enumerate(stage_sizes):
        width = 64 * 2**stage
        out_channels = 4 * width if bottleneck else width
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        for index in range(size):
            prefix = f"layer{stage + 1}.{index}."
            sizes = [channels, *[width] * (len(kernels) - 1), out_channels]
            for i, kernel in enumerate(kernels):
                conv(f"{prefix}conv{i + 1}", sizes[i + 1], sizes[i], kernel)
                norm(f"{prefix}bn{i + 1}", sizes[i + 1])
            if index == 0 and (stage > 0 or bottleneck):
                conv(f"{prefix}downsample.0", out_channels, channels, 1)
                norm(f"{prefix}downsample.1", out_channels)
            channels = out_channels
    state["fc.weight"], state["fc.bias"] = (1000, channels), (1000,)
    return state


@pytest.mark.parametrize(
    ("name", "stage_sizes", "bottleneck"),
    [
        ("resnet18", (2, 2, 2, 2), False),
        ("resnet34", (3, 4, 6, 3), False),
        ("resnet50", (3, 4, 6, 3), True),
        ("resnet101", (3, 4, 23, 3), True),
        ("resnet152", (3, 8, 36, 3), True),
    ],
)
def test_tensors_have_the_names_order_and_shapes_of_torchvision(name, stage_sizes, bottleneck):
    with torch.device("meta"):
        state = build(name).state_dict()
    expected = torchvision_state(stage_sizes, bottleneck)
    assert [(key, tuple(value.shape)) for key, value in state.items()] == list(expected.items())


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_torchvision_gives_the_same_logits(name):
    try:
        from torchvision.models import get_model
    except Exception as error:  # some builds raise RuntimeError where torch has no CUDA
        pytest.skip(f"torchvision does not import here: {error}")
    theirs, ours = get_model(name, weights=None), build(name)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 3, 64, 64)
    for mode in (False, True):
        torch.testing.assert_close(ours.train(mode)(x), theirs.train(mode)(x))


# --- errors


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            torch.zeros(3, 32, 32),
            r"got torch.float32 \(3, 32, 32\): add the batch axis with x\[None",
        ),
        (torch.zeros(2, 3), r"expected float images \(n, 3, h >= 4, w >= 4\), got"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.uint8), "got torch.uint8 .*: convert and normalise"),
        (torch.zeros(2, 1, 32, 32), r"\(2, 1, 32, 32\): .*in_channels=1"),
        (torch.zeros(2, 32, 32, 3), "axis 1 is the channels"),
        (torch.zeros(2, 3, 3, 32), "divides H and W by 4, so enlarge"),
    ],
)
def test_images_that_do_not_fit(x, message):
    with pytest.raises(ValueError, match=message) as raised:
        build("resnet8")(x)
    assert "\n" not in str(raised.value)


def test_an_imagenet_net_needs_32_pixels():
    model = build("resnet18", widths=(4, 4, 4, 4)).eval()
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)
    with pytest.raises(ValueError, match="h >= 32, w >= 32.*divides H and W by 32"):
        model(torch.zeros(1, 3, 32, 31))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet21"}, "unknown model 'resnet21'; nearest: .*resnet20"),
        ({"num_classes": 0}, "num_classes must be positive and of type int, got 0"),
        ({"num_classes": True}, "num_classes must be positive and of type int, got True"),
        ({"in_channels": -1}, "in_channels must be positive and of type int, got -1"),
        ({"widths": (16, 0, 64)}, "widths must be positive and of type int, got 0"),
        ({"stage_sizes": (1, 1)}, r"one entry for each stage, got \(1, 1\) and \(16, 32, 64\)"),
        ({"stage_sizes": (), "widths": ()}, "one entry for each stage"),
        ({"blok": Bottleneck}, "unknown part 'blok'; nearest: block; all: stage_sizes, block"),
        ({"name": "plain8", "shortcut": option_b}, "'plain8' is a plain net and has no shortcut"),
    ],
)
def test_networks_that_cannot_be_built(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**{"name": "resnet8", **arguments})


@pytest.mark.parametrize("arguments", [{"shortcut": "B"}, {"num_classes": "10"}, {"stem": None}])
def test_parts_of_the_wrong_type(arguments):
    """The type checker of the test run may be first, and raises a TypeError."""
    with pytest.raises((ValueError, TypeError), match=next(iter(arguments))):
        build("resnet8", **arguments)
