"""The network follows its parts: any block, any stem, any strides; and what it answers."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import relu

from resnet_tutorial import counts, models, probes
from resnet_tutorial.models import blocks as first_paper
from resnet_tutorial.models import build, descendants, preact, shortcuts

SMALL = {"stage_sizes": (2, 1, 1), "widths": (4, 8, 12)}
ROOMS = (first_paper, descendants, preact)
KINDS = {
    name: kind
    for room in ROOMS
    for name, kind in vars(room).items()
    if isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__module__ == room.__name__
}
BLOCKS = {name: kind for name, kind in KINDS.items() if name != "PreActBlock"}  # the common base
SHORTCUTS = (models.option_a, models.option_b, models.option_c)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def images(*shape):
    return torch.randn(*shape, dtype=torch.float64)


class OwnBlock(nn.Module):
    """What a reader writes: no base class, no expansion."""

    def __init__(self, in_channels, width, stride, shortcut):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3, stride, padding=1)
        self.downsample = shortcut(in_channels, width, stride)

    def branch(self, x):
        return self.conv(x)

    def shortcut(self, x):
        return self.downsample(x)

    def forward(self, x):
        return relu(self.shortcut(x) + self.branch(x))


# --- a block has a branch


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_its_shortcut_plus_its_branch(name, stride, shortcut):
    block = BLOCKS[name](8, 8 // BLOCKS[name].expansion, stride, shortcut).double()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
    x = images(3, 8, 6, 6)
    state = {key: value.clone() for key, value in block.state_dict().items()}
    torch.manual_seed(1)  # of dropout
    y = block(x)
    once = {key: value.clone() for key, value in block.state_dict().items()}
    block.load_state_dict(state)
    torch.manual_seed(1)
    z = block.branch(x)
    # The branch sees every batch norm of the block but the shortcut's, and each of them once.
    own = {key for key in state if not key.startswith("downsample")}
    assert all(torch.equal(block.state_dict()[key], once[key]) for key in own)
    assert all(count == 1 for key, count in once.items() if key.endswith("num_batches_tracked"))
    if hasattr(block, "downsample"):
        z = block.shortcut(x) + z
    after = z if isinstance(block, models.PreActBlock) else relu(z)
    assert torch.equal(y, after)


def test_only_plain_blocks_have_no_shortcut():
    plain = {n for n, kind in BLOCKS.items() if not hasattr(kind(4, 4), "downsample")}
    assert plain == {n for n, kind in BLOCKS.items() if not hasattr(kind, "shortcut")}
    assert plain == {"PlainBlock"}


def test_every_block_is_exported():
    assert set(KINDS) <= set(models.__all__)


# --- what a net answers


@pytest.mark.parametrize("name", ["plain8", "resnet8", "preact_resnet164", "resnet50"])
def test_blocks_come_by_name_in_order(name):
    net = build(name, stage_sizes=(2, 1, 3), widths=(4, 8, 12))
    names = ["layer1.0", "layer1.1", "layer2.0", "layer3.0", "layer3.1", "layer3.2"]
    assert [name for name, _ in net.blocks()] == names
    assert all(net.get_submodule(name) is block for name, block in net.blocks())


@pytest.mark.parametrize("name", ["plain8", "resnet18", "preact_resnet110"])
def test_maps_are_what_stem_and_stages_give(name):
    net, seen = build(name, **SMALL).double().eval(), {}
    for module in net.children():
        module.register_forward_hook(lambda m, i, o: seen.update({m: o}))
    x = images(2, 3, 32, 32)
    features = net.features(x)
    found = net.maps(x)
    assert list(found) == ["stem", "layer1", "layer2", "layer3"]
    for maps, module in zip(found.values(), (net.maxpool, *net.stages), strict=True):
        assert torch.equal(maps, seen[module])
    last = found["layer3"] if net.bn2 is None else relu(net.bn2(found["layer3"]))
    assert torch.equal(features, last)


def test_maps_refuse_images_that_do_not_fit():
    with pytest.raises(ValueError, match="add the batch axis"):
        build("resnet8").maps(torch.zeros(3, 8, 8))


@pytest.mark.parametrize("name", ["plain8", "resnet8", "resnet50", "preact_resnet164"])
def test_modules_on_shortcuts_are_those_of_no_branch(name):
    net, used = build(name, **SMALL).double(), set()
    for module in net.modules():
        module.register_forward_hook(lambda m, i, o: used.add(m))
    for _, block in net.blocks():
        in_channels = next(m for m in block.modules() if hasattr(m, "in_channels")).in_channels
        block.branch(images(2, in_channels, 4, 4))
    inside = {m for _, block in net.blocks() for m in block.modules() if m is not block}
    assert shortcuts.on_shortcuts(net) == inside - used - {
        m for m in inside if isinstance(m, nn.Identity) and m is net.layer1[0]._modules.get("bn1")
    }


# --- any block


class OwnPreAct(models.PreActBasicBlock):
    pass


def by_function(in_channels, width, stride, shortcut):
    return models.PreActBasicBlock(in_channels, width, stride, shortcut)


@pytest.mark.parametrize(
    "block", [OwnPreAct, partial(models.PreActBasicBlock), partial(OwnPreAct), by_function]
)
def test_whatever_makes_a_pre_activation_block_gives_its_network(block):
    expected = build("preact_resnet110", **SMALL)
    net = build("preact_resnet110", block=block, **SMALL)
    net.load_state_dict(expected.state_dict(), strict=True)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(net(x), expected(x))
    assert isinstance(net.bn2, nn.BatchNorm2d)


@pytest.mark.parametrize(
    "block, expansion",
    [(partial(models.Bottleneck), 4), (partial(models.BasicBlock), 1), (OwnBlock, 1)],
)
def test_a_block_says_how_many_channels_it_gives(block, expansion):
    net = build("resnet8", block=block, shortcut=models.option_b, **SMALL)
    assert net.fc.in_features == 12 * expansion
    assert net(torch.randn(2, 3, 8, 8)).shape == (2, 10)


def test_the_instruments_work_on_a_block_of_the_readers_own():
    net = build("resnet8", block=OwnBlock, **SMALL).double()
    x = images(4, 3, 8, 8)
    assert (probes.branch_ratios(net, x) > 0).all() and len(probes.main_path(net)) == 5
    assert counts.stage_table(net)[-2].receptive_field == counts.receptive_field(net)
    assert list(probes.block_jacobians(net, x[:1])) == ["layer1.0", "layer1.1"]


class PlainToo(models.PlainBlock):
    pass


@pytest.mark.parametrize("block", [PlainToo, partial(models.PlainBlock)])
def test_a_net_is_plain_by_its_blocks(block):
    with pytest.raises(ValueError, match="is a plain net and has no shortcut"):
        build("resnet8", block=block, shortcut=models.option_b)
    state = torch.random.get_rng_state()
    assert not models.Architecture((1, 1), block, widths=(4, 8)).residual
    assert models.Architecture((1, 1), widths=(4, 8)).residual
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_block_that_fixes_its_shortcut_is_refused():
    fixed = partial(models.BasicBlock, shortcut=models.option_c)
    with pytest.raises(ValueError, match=r"pass shortcut=\.\.\. beside block"):
        build("resnet8", block=fixed)


# --- any stem


def deep(in_channels, width):
    """Three 3x3 convolutions in the place of one 7x7."""
    half = width // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, half, 3, 2, 1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(),
        nn.Conv2d(half, width, 3, 1, 1, bias=False),
    )


def deep_and_pooling(in_channels, width):
    return deep(in_channels, width), nn.MaxPool2d(3, 2, 1)


def three_parts(in_channels, width):
    return [deep(in_channels, width), nn.Dropout(0.1), nn.AvgPool2d(2)]


@pytest.mark.parametrize(
    "stem, stride", [(deep, 2), (deep_and_pooling, 4), (three_parts, 4), (models.cifar_stem, 1)]
)
def test_any_stem(stem, stride, tmp_path):
    net = build("resnet8", in_channels=2, stem=stem, **SMALL).eval()
    assert [name for name, _ in net.named_children()][:3] == ["conv1", "bn1", "maxpool"]
    x = torch.randn(2, 2, 32, 32)
    assert net.maps(x)["stem"].shape == (2, 4, 32 // stride, 32 // stride)
    assert torch.equal(net.maps(x)["stem"], net.maxpool(relu(net.bn1(net.conv1(x)))))
    assert counts.stage_table(net, (2, 32, 32))[-2].receptive_field == counts.receptive_field(net)
    with pytest.raises(ValueError, match=f"divides H and W by {4 * stride}, so enlarge"):
        net(torch.randn(1, 2, 4 * stride - 1, 32))
    from safetensors.torch import save_file

    save_file(net.state_dict(), tmp_path / "own.safetensors")
    again = build("resnet8", stem=stem, weights=tmp_path / "own.safetensors", **SMALL).eval()
    assert again.in_channels == 2 and torch.equal(again(x), net(x))


# --- any strides


def test_strides_are_those_of_the_first_blocks():
    net = build("resnet8", strides=(2, 1, 3), **SMALL).eval()
    shapes = [tuple(maps.shape[1:]) for maps in net.maps(torch.randn(1, 3, 24, 24)).values()]
    assert shapes == [(4, 24, 24), (4, 12, 12), (8, 12, 12), (12, 4, 4)]
    assert net.stride == 6 and build("resnet8").stride == 4 and build("resnet50").stride == 32
    with pytest.raises(ValueError, match="divides H and W by 6"):
        net(torch.randn(1, 3, 5, 24))


@pytest.mark.parametrize(
    "strides, message",
    [((1, 2), "one entry for each stage"), ((1, 2, 0), "strides must be positive")],
)
def test_strides_that_make_no_network(strides, message):
    with pytest.raises(ValueError, match=message):
        build("resnet8", strides=strides)
