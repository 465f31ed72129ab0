"""A drawing is read back: its counts, shapes and strides are those of what it was drawn from."""

import inspect
import re
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn

from resnet_tutorial import compare, data, drawings, models, surgery
from resnet_tutorial.drawings.svg import INK, MARGIN, WEIGHTS, WIDTH, width_of
from resnet_tutorial.models import (
    BasicBlock,
    Bottleneck,
    BottleneckV1,
    PlainBlock,
    PreActBasicBlock,
    option_a,
    option_b,
    option_c,
)
from resnet_tutorial.palette import PLAIN, RESIDUAL
from resnet_tutorial.scratch.blocks import PadShortcut
from resnet_tutorial.scratch.layers import Conv2d, Linear, global_avg_pool
from resnet_tutorial.train import Cosine, OneCycle, Steps
from resnet_tutorial.train.distributed import World

IMAGE = np.array(
    [[1, 0, 2, 1, 0], [0, 1, 1, 0, 2], [2, 1, 0, 1, 1], [0, 2, 1, 0, 1], [1, 0, 0, 2, 7.0]]
)
KERNEL = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 2.0]])
DIFFERENCES = {
    "no momentum": compare.rates([0.02, 0.03], [0.02, 0.03], images=100),
    "mirror images": compare.rates([0.05, 0.06, 0.07], [0.01, 0.02, 0.01], images=5000),
    "no batch norm": compare.rates([0.05, 0.9, 0.2], [0.01, 0.02, 0.01], images=500),
}
LEAST_FONT, PHONE = 11, 350  # pixels; a phone of 390 leaves 350 to an image


@dataclass(frozen=True)
class Seen:
    """An element with its place on the card."""

    tag: str
    x: float
    y: float
    text: str
    values: dict


def seen(drawing):
    """The elements of a drawing in their order, moved to where they appear."""

    def walk(element, dx, dy):
        for child in element:
            tag, values = child.tag.split("}")[-1], child.attrib
            if tag == "g":
                x, y = map(float, re.findall(r"-?[\d.]+", values["transform"]))
                yield from walk(child, dx + x, dy + y)
            elif tag != "title":
                x, y = (float(values.get(k, values.get(f"c{k}", 0))) for k in "xy")
                yield Seen(tag, dx + x, dy + y, child.text or "", values)

    return list(walk(ElementTree.fromstring(drawing.svg), 0, 0))


def texts(drawing):
    return [e.text for e in seen(drawing) if e.tag == "text"]


def additions(drawing):
    """Circles that carry a plus."""
    return [e for e in seen(drawing) if e.tag == "circle" and e.values.get("stroke") == RESIDUAL
            and float(e.values["r"]) in (6, 13)]  # fmt: skip


def block_of(kind, *arguments):
    return drawings.blocks({"title": kind(*arguments)}, (arguments[0], 8, 8))


BLOCKS = [
    (PlainBlock, 16, 16, 1),
    (BasicBlock, 16, 16, 1),
    (BasicBlock, 16, 32, 2),
    (Bottleneck, 64, 32, 2),
    (BottleneckV1, 64, 32, 2),
    (PreActBasicBlock, 16, 32, 2),
]


@pytest.mark.parametrize("case", BLOCKS, ids=lambda case: f"{case[0].__name__}-{case[3]}")
def test_a_block_shows_its_layers_in_order(case):
    kind, *arguments = case
    found = texts(block_of(kind, *arguments))
    block = kind(*arguments)
    drawn = [t for t in found if t.startswith("conv ")]
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    expected = [f"conv {m.kernel_size[0]}×{m.kernel_size[0]}, {m.out_channels}" for m in
                convolutions]  # fmt: skip
    assert drawn == expected
    assert found.count("batch norm") == sum(isinstance(m, nn.BatchNorm2d) for m in block.modules())
    assert found.count("stride 2") == sum(m.stride[0] == 2 for m in convolutions)
    out = tuple(block(torch.zeros(1, arguments[0], 8, 8)).shape[1:])
    shapes = [t for t in found if re.fullmatch(r"\d+×\d+×\d+", t)]
    assert shapes[0] == f"{arguments[0]}×8×8" and shapes[-1] == "×".join(map(str, out))


def test_the_stride_stands_on_the_layer_that_has_it():
    for kind, place in ((BottleneckV1, 0), (Bottleneck, 1)):
        found = texts(block_of(kind, 64, 32, 2))
        assert found[found.index("stride 2") - 1].startswith(
            ["conv 1×1, 32", "conv 3×3, 32"][place]
        )


def test_only_an_addition_gives_a_shortcut_and_the_blue():
    plain, residual = block_of(PlainBlock, 16, 16), block_of(BasicBlock, 16, 16)
    assert (len(additions(plain)), len(additions(residual))) == (0, 1)
    assert RESIDUAL not in plain.svg and PLAIN not in residual.svg
    assert "F(x)" in texts(residual) and "F(x)" not in texts(plain)


def test_a_block_of_the_readers_own_is_drawn_as_it_computes():
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            return x + self.b(torch.relu(self.a(x)))

    found = texts(drawings.blocks({"mine": Mine()}, (4, 8, 8)))
    assert found.count("conv 3×3, 4") == 2 and found.count("ReLU") == 1
    with pytest.raises(ValueError, match="at most one addition, got 2"):
        drawings.blocks({"two": nn.Sequential(Mine(), Mine())}, (4, 8, 8))


def test_drawing_leaves_the_module_as_found():
    block = BasicBlock(4, 4).train()
    block.bn1.eval()
    before = {k: v.clone() for k, v in block.state_dict().items()}
    drawings.blocks({"a": block}, (4, 8, 8))
    drawings.shortcuts({"a": option_c(2, 4, 2)}, (2, 4, 4))
    assert block.training and block.bn2.training and not block.bn1.training
    assert all(torch.equal(before[k], v) for k, v in block.state_dict().items())
    assert not block._forward_hooks and not block.conv1._forward_pre_hooks


@pytest.mark.parametrize(
    "option, zeros, lines, read",
    [(option_a, 2, 2, 4), (option_b, 0, 8, 4), (option_c, 0, 8, 4)],
    ids=["A", "B", "C"],
)
def test_shortcuts_show_what_reaches_what(option, zeros, lines, read):
    torch.manual_seed(0)
    drawing = drawings.shortcuts({"s": option(2, 4, 2)}, (2, 4, 4))
    strokes = seen(drawing)
    assert texts(drawing).count("0") == zeros
    assert sum(e.tag == "path" for e in strokes) == lines
    cells = [e for e in strokes if e.tag == "rect" and e.values["width"] == "22"]
    assert len(cells) == 16 and sum(e.values["fill"] == RESIDUAL for e in cells) == read


@pytest.mark.parametrize(
    "name", ["plain20", "resnet20", "resnet34", "resnet50", "preact_resnet110"]
)
def test_stages_are_those_of_the_net(name):
    net = models.build(name)
    drawing = drawings.stages(net, (3, 64, 64))
    found = texts(drawing)
    assert [int(t.split()[0]) for t in found if re.fullmatch(r"\d+ ×", t)] == list(
        net.architecture.stage_sizes
    )
    convolutions = len([t for t in found if re.fullmatch(r"\d×\d, \d+", t)])
    assert convolutions == len(net.stages) * (3 if "50" in name else 2)
    x, shapes = torch.zeros(1, 3, 64, 64), []
    for stage in net.stages:
        stage.register_forward_hook(lambda m, i, o: shapes.append("×".join(map(str, o.shape[1:]))))
    net.eval()(x)
    assert [t.removeprefix("to ") for t in found if t.startswith("to ") and "×" in t][
        -len(shapes) :
    ] == shapes
    assert found.count("first: stride 2") == len(net.stages) - 1
    circles = [e for e in seen(drawing) if e.tag == "circle"]
    assert len(circles) == (0 if "plain" in name else len(net.stages))  # one plus a stage
    depth = int("".join(filter(str.isdigit, name)))
    assert f"of {depth} layers" in drawing.alt


@pytest.mark.parametrize("name", ["plain20", "resnet20", "resnet34", "resnet50"])
def test_layers_are_those_of_the_net(name):
    net = models.build(name)
    drawing = drawings.layers({name: net}, (3, 64, 64))
    found = texts(drawing)
    main = [m for n, m in net.named_modules() if isinstance(m, nn.Conv2d) and "downsample" not in n]
    expected = [f"{m.kernel_size[0]}×{m.kernel_size[0]}, {m.out_channels}" +
                (", /2" if m.stride[0] == 2 else "") for m in main]  # fmt: skip
    assert [t for t in found if re.match(r"\d×\d, \d", t)] == expected
    blocks = sum(net.architecture.stage_sizes)
    assert len(additions(drawing)) == (0 if "plain" in name else blocks)
    changes = sum("4 3" in e.values.get("stroke-dasharray", "") for e in seen(drawing))
    other = [m for n, m in net.named_modules() if n.endswith("downsample")
             and not isinstance(m, nn.Identity)]  # fmt: skip
    assert changes == len(other)


def test_plain_and_residual_layers_stand_level():
    nets = {n: models.build(n) for n in ("plain20", "resnet20")}
    drawing = drawings.layers(nets, (3, 32, 32))
    bars = [e for e in seen(drawing) if e.tag == "text" and re.match(r"\d×\d, ", e.text)]
    assert len(bars) == 2 * 19
    assert [e.y for e in bars[:19]] == [e.y for e in bars[19:]]


def test_a_net_without_blocks_is_refused():
    with pytest.raises(ValueError, match="made of blocks with two convolutions"):
        drawings.stages(nn.Conv2d(3, 4, 3), (3, 8, 8))


def test_inserted_blocks_are_the_ones_that_compute_the_identity():
    torch.manual_seed(0)
    shallow, deep = models.build("plain8"), models.build("plain20")
    extended = surgery.identity_extension(shallow, deep, torch.rand(8, 3, 8, 8))
    found = texts(drawings.inserted({"8": shallow, "20": extended, "deep": deep}, (3, 8, 8)))
    assert found.count("2 identity blocks") == 3  # one bar a stage
    assert [t for t in found if t.endswith((", 16", ", 32", ", 64"))].count(
        "2 conv, 16"
    ) == 1 + 1 + 3


def test_the_classifier_shows_the_nets_own_probabilities():
    torch.manual_seed(0)
    net = models.build("resnet8", in_channels=1)
    image = torch.rand(1, 8, 8)
    drawing = drawings.classifier(net, image, data.load("digits").classes)
    with torch.no_grad():
        expected = net.eval()(image[None])[0].softmax(0)
    found = texts(drawing)
    assert [t for t in found if t.endswith("%")] == [f"{float(p):.0%}" for p in expected]
    assert f"the answer: {int(expected.argmax())}" in found
    with pytest.raises(ValueError, match="expected a net with 2 outputs"):
        drawings.classifier(net, image, ("a", "b"))


SMALL_LAYERS = [
    Conv2d((16, 1, 3, 3), np.random.default_rng(0), stride=2, padding=1),
    global_avg_pool(),
    Linear(16, 10, np.random.default_rng(0)),
]


def test_a_chain_shows_every_array_and_its_gradient_in_order():
    drawing = drawings.chain(SMALL_LAYERS, np.ones((2, 1, 8, 8)), end="cross-entropy")
    found = texts(drawing)
    assert [t for t in found if t.startswith(("conv2d", "global avg pool", "linear", "cross"))] == [
        "conv2d, stride 2",
        "global avg pool",
        "linear",
        "cross-entropy",
    ]
    for shape in ("1×8×8", "16×4×4", "16", "10"):
        assert found.count(shape) == 2  # down, and up
    filled = [e for e in seen(drawing) if e.tag == "rect" and e.values.get("fill") == WEIGHTS]
    assert len(filled) == 2


def test_a_layer_with_a_wrong_gradient_is_drawn_as_it_is():
    class Cut(Linear):
        def backward(self, dy):
            return super().backward(dy)[:, 1:]

    wrong = drawings.chain([Cut(4, 2, np.random.default_rng(0))], np.ones((1, 4)))
    assert "other shapes" in wrong.alt and "3" in texts(wrong)


def test_pooling_shares_its_gradient_evenly():
    found = texts(drawings.averaged(np.array([[1.0, 2.0], [4.0, 5.0]]), 2.0))
    assert found.count("0.5") == 4 and found.count("3") == 1


def parts_of(size):
    return [World(rank, size).share for rank in range(size)]


def test_option_a_and_its_transpose_are_drawn_with_their_numbers():
    option = PadShortcut(1, 2, 2, np.random.default_rng(0))
    x, dy = np.arange(1.0, 17).reshape(4, 4), np.arange(21.0, 29).reshape(2, 2, 2)
    found = texts(drawings.picked(option, x, dy))
    for number in (1, 3, 9, 11):
        assert found.count(str(number)) == 2  # read, and kept
    for number in (21, 22, 23, 24):
        assert found.count(str(number)) == 2  # arrives, and comes back
    assert all(found.count(str(n)) == 1 for n in (25, 26, 27, 28))
    assert found.count("0") == 4 + 12


def test_blame_is_the_gradient_of_the_cross_entropy():
    z = torch.tensor([0.3, -1.0, 0.9, 0.0], dtype=torch.float64, requires_grad=True)
    torch.nn.functional.cross_entropy(z[None], torch.tensor([1])).backward()
    drawing = drawings.blame(z.detach().numpy(), 1)
    found = [t.replace("−", "-") for t in texts(drawing) if t[0] in "+−"]
    assert found == [f"{g:+.2f}" for g in z.grad.tolist()]
    bars = [e for e in seen(drawing) if e.tag == "rect"][-4:]
    wide = np.array([float(e.values["width"]) for e in bars])
    assert np.allclose(wide / wide.sum(), (z.grad.abs() / z.grad.abs().sum()).numpy(), atol=1e-3)
    assert [e.values["fill"] == PLAIN for e in bars] == [False, True, False, False]


@pytest.mark.parametrize("slope, jump, place, step", [(1.0, 2.0, 0.3, 1.0), (0.5, -2.0, 0.1, 0.4)])
def test_the_secant_over_a_kink_has_its_slope(slope, jump, place, step):
    alt = drawings.kink(slope, jump, place, step).alt
    expected = slope + jump / 2 * (1 - place / step)
    assert float(alt.split()[-1].rstrip(".").replace("−", "-")) == pytest.approx(expected, abs=0.05)
    with pytest.raises(ValueError, match="between 0 and the step"):
        drawings.kink(slope, jump, 2 * step, step)


def examples():
    torch.manual_seed(0)
    wide = {"v1": BottleneckV1(256, 128, 2), "v1.5": Bottleneck(256, 128, 2)}
    pair = {"plain": PlainBlock(16, 32, 2), "residual": BasicBlock(16, 32, 2)}
    order = {"original": BasicBlock(16, 16), "pre-activation": PreActBasicBlock(16, 16)}
    digits = data.load("digits")
    small = models.build("resnet8", in_channels=1)
    yield "bottleneck", lambda: drawings.blocks(wide, (256, 56, 56))
    yield "blocks", lambda: drawings.blocks(pair, (16, 8, 8))
    yield "preact", lambda: drawings.blocks(order, (16, 8, 8))
    yield "options", lambda: drawings.shortcuts({"A": option_a(2, 4, 2)}, (2, 4, 4))
    probe, half = (models.build("resnet8", in_channels=1) for _ in range(2))
    for part in (probe.conv1, probe.bn1, *probe.stages, half.conv1, half.bn1, half.layer1):
        part.requires_grad_(False)
    from resnet_tutorial import experiments
    from resnet_tutorial.check.it_does_not_train import LOOKS

    yield "looks", lambda: drawings.looks(LOOKS)
    kept = experiments.recorded("digits_depth")
    yield "runs", lambda: drawings.runs({f"run {i}": kept[i] for i in range(3)}, 2.3)
    groups = {"conv1": 0.0, "layer1": 0.1, "fc": 0.2}
    yield "reached", lambda: drawings.reached({"healthy": groups, "run 8": groups})
    yield (
        "frozen",
        lambda: drawings.frozen({"whole": small, "half": half, "probe": probe}, (1, 8, 8)),
    )
    ways = {"scratch": [0.91, 0.93], "1 frozen": [0.7, 0.72], "probe": [0.6, 0.61]}
    yield (
        "errors",
        lambda: drawings.errors({"10 pictures": ways, "50 pictures": ways}, "test error"),
    )
    dotted = np.arange(60 * 40, dtype=np.uint8).reshape(60, 40, 1)
    yield "cuts", lambda: drawings.cuts(dotted, {"a box": (0, 5, 30, 55), "b": (10, 0, 40, 9)})
    yield "pipeline", lambda: drawings.pipeline(3, 8, (3, 32, 32))
    yield "stages50", lambda: drawings.stages(models.build("resnet50"), (3, 224, 224))
    yield "stages20", lambda: drawings.stages(models.build("plain20"), (3, 8, 8))
    yield (
        "layers34",
        lambda: drawings.layers(
            {n: models.build(n) for n in ("plain34", "resnet34")}, (3, 224, 224)
        ),
    )
    yield "inserted", lambda: drawings.inserted({"a": small, "b": small}, (1, 8, 8))
    yield (
        "classifier",
        lambda: drawings.classifier(
            small, torch.from_numpy(np.float32(digits.test.images[0])), digits.classes
        ),
    )
    dy = np.array([[1, 2], [4, 3.0]])
    yield "window", lambda: drawings.window(IMAGE, KERNEL, 2, 1, (1, 2))
    yield "im2col", lambda: drawings.im2col(IMAGE[:3, :3], KERNEL[:2, 1:])
    yield "stamps", lambda: drawings.stamps(dy, KERNEL[:2, 1:])
    yield "way back", lambda: drawings.way_back(dy, KERNEL[:2, 1:], 2)
    yield "kernels", lambda: drawings.kernels_back(np.arange(16.0).reshape(2, 2, 2, 2))
    yield "field", lambda: drawings.field([(3, 1), (3, 2), (3, 1), (3, 2), (3, 1)])
    yield "axes", lambda: drawings.norm_axes({"batch norm": nn.BatchNorm2d(3)}, (4, 3, 3, 3))
    yield "statistics", lambda: drawings.statistics(*normed(), 1)
    yield "removed", lambda: drawings.removed(IMAGE[0], IMAGE[1])
    yield "flow", lambda: drawings.flow(BasicBlock(8, 16, 2), (8, 4, 4))
    steps = np.linspace(-1, 1, 33)
    yield "removed and divided", lambda: drawings.removed(IMAGE[0], IMAGE[1], divided=True)
    yield "slopes", lambda: drawings.slopes(steps, {"plain": steps**3, "residual": np.sin(steps)})
    yield "histogram", lambda: drawings.histogram(10.0 ** np.abs(steps), "energy")
    yield "triangle", lambda: drawings.decay_triangle(0.5, 0.2)
    steps_of = {"w": (np.array([3.0, 4]), np.array([-8.0, 6])), "v": (IMAGE[0], IMAGE[1])}
    yield "turns", lambda: drawings.turns(steps_of, 0.1)
    yield "discs", lambda: drawings.discs({"plain": np.array([0.5, 1j]), "other": np.array([2.2])})
    yield "sizes", lambda: drawings.sizes({"plain": 0.4 ** np.arange(13), "residual": [1.0, 64.0]})
    yield (
        "descents",
        lambda: drawings.descents({"plain": [0.0, 3.0, 4.5], "residual": [5.0, 5.05]}, 5.1),
    )
    yield (
        "arms",
        lambda: drawings.arms({"plain20": [3.2, 4.1], "resnet20": [1.5, 2.25]}, "error (%)"),
    )
    yield "paths", lambda: drawings.paths(4)
    yield "contributions", lambda: drawings.paths(3, (0.5, -0.2, 0.1))
    yield "half circles", lambda: drawings.half_circles(np.pi / 3)
    yield "opposite", lambda: drawings.half_circles(np.pi)
    curves = {"without batch norm": steps**2, "with batch norm": steps}
    yield "cosine maps", lambda: drawings.cosine_maps(steps, curves)
    parts = {"stem": 3, "stage 1": 40, "stage 2": 30, "stage 3": 30}
    yield "shares", lambda: drawings.shares({"weights": parts, "multiply-adds": {"head": 5}})
    wrong = np.random.default_rng(0).random((6, 500)) < 0.05
    yield "pairs", lambda: drawings.pairs(wrong[0], wrong[1], ("old net", "new net"))
    names = "the old net", "the new net"
    yield "pairs with long names", lambda: drawings.pairs(wrong[0], wrong[1], names)
    yield "layout", lambda: drawings.layout({"8 layers": wrong[:3], "20 layers": wrong[3:]})
    yield "chain", lambda: drawings.chain(SMALL_LAYERS, np.ones((2, 1, 8, 8)))
    yield "averaged", lambda: drawings.averaged(IMAGE[:2, :2], 2.0)
    drops = {"drops": Steps(warmup=20), "cosine": Cosine(20), "one cycle": OneCycle()}
    yield "schedules", lambda: drawings.schedules(drops, rate=0.1, steps=300)
    yield "a long schedule", lambda: drawings.schedules({"paper": Steps()}, 0.1, 64_000)
    yield (
        "intervals",
        lambda: drawings.intervals(DIFFERENCES, "points of test error", span=(-2, 8)),
    )
    profile = {"conv": 0.5, "batch norm": 0.3, "ReLU": 0.1, "addition": 0.05, "the rest": 0.05}
    yield "bars", lambda: drawings.bars({"time": profile, "bytes": profile}, "time of a step")
    yield "batch shares", lambda: drawings.batch_shares(digits.train.images[:8], parts_of(4))
    yield "two shares", lambda: drawings.batch_shares(digits.train.images[:8], parts_of(2))
    option = PadShortcut(1, 2, 2, np.random.default_rng(0))
    yield "picked", lambda: drawings.picked(option, IMAGE[:4, :4], np.ones((2, 2, 2)))
    yield "blame", lambda: drawings.blame(np.log([1.0, 2.0, 3.0]), 2)
    yield "kink", lambda: drawings.kink(1.0, 2.0, 0.3, 1.0)


EXAMPLES = dict(examples())


def extent(text):
    """Left, top, right and bottom of a text, from the font's usual widths."""
    size = float(text.values["font-size"])
    wide = width_of(text.text, size) * 0.95
    left = (
        text.x
        - {"start": 0, "middle": wide / 2, "end": wide}[text.values.get("text-anchor", "start")]
    )
    return left, text.y - 0.72 * size, left + wide, text.y + 0.1 * size


def test_every_drawing_has_an_example():
    """Only then is it tested that its words neither leave the card nor cover each other."""
    source = inspect.getsource(examples)
    kinds = {name for name in drawings.__all__ if inspect.isfunction(getattr(drawings, name))}
    missing = sorted(name for name in kinds if f"drawings.{name}(" not in source)
    assert not missing, f"add {missing} to examples()"


def test_a_branch_with_a_second_meeting_is_refused():
    """Squeeze and excitation: two results meet in a product, which no chain can show."""

    class Excited(BasicBlock):
        def branch(self, x):
            f = super().branch(x)
            return f * f.mean(dim=(2, 3), keepdim=True).sigmoid()

    with pytest.raises(ValueError, match="where two results meet, got a mul of two"):
        drawings.blocks({"SE": Excited(4, 4)}, (4, 8, 8))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_text_is_on_the_card_and_covers_no_other(name):
    drawing = EXAMPLES[name]()
    height = float(re.search(r'viewBox="0 0 \d+ ([\d.]+)"', drawing.svg)[1])
    boxes = [(e.text, extent(e)) for e in seen(drawing) if e.tag == "text"]
    assert boxes
    for text, (left, top, right, bottom) in boxes:
        inside = MARGIN / 2 <= left and right <= WIDTH - MARGIN / 2 and 0 < top and bottom < height
        assert inside, f"{text!r} leaves the card: {left:.0f} to {right:.0f}"
    for i, (text, a) in enumerate(boxes):
        for other, b in boxes[i + 1 :]:
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, f"{text!r} and {other!r} overlap"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_drawing_repeats_and_can_be_read_on_a_phone_and_by_ear(name, tmp_path):
    drawing, again = EXAMPLES[name](), EXAMPLES[name]()
    assert drawing.svg == again.svg == drawing._repr_svg_()
    assert " id=" not in drawing.svg and "<style" not in drawing.svg
    assert not re.search(r"\d\.\d\d", re.sub(">[^<]*<", "><", drawing.svg))  # in no coordinate
    sizes = {float(e.values["font-size"]) for e in seen(drawing) if e.tag == "text"}
    assert min(sizes) * PHONE / WIDTH >= LEAST_FONT
    assert len(drawing.alt.split()) >= 5 and repr(drawing) == f"Drawing: {drawing.alt}"
    drawing.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == drawing.svg


def test_overlaps_and_texts_outside_are_seen():
    canvas = drawings.svg.Canvas(100, 40)
    canvas.text(10, 10, "one")
    canvas.text(14, 12, "two")
    a, b = (extent(e) for e in seen(drawings.Drawing(canvas, "x")) if e.tag == "text")
    assert a[2] > b[0] and a[3] > b[1]


# ---- convolution, batch norm, flow ---------------------------------------------------------------


def numbers(drawing):
    return [float(t.replace("−", "-")) for t in texts(drawing) if re.fullmatch("−?[\\d.]+", t)]


def marked(drawing):
    """The numbers in squares that are looked at: they are bold."""
    return [float(e.text.replace("−", "-")) for e in seen(drawing)
            if e.tag == "text" and e.values.get("font-weight") == "700"
            and re.fullmatch("−?[\\d.]+", e.text)]  # fmt: skip


def correlate(x, w, stride=1, padding=0):
    x, w = (torch.from_numpy(a)[None, None] for a in (x, w))
    return torch.conv2d(x, w, None, stride, padding)[0, 0].numpy()


@pytest.mark.parametrize("stride, padding, at", [(1, 0, (2, 1)), (2, 1, (1, 2)), (2, 0, (0, 1))])
def test_the_window_shows_what_is_multiplied_and_what_comes_out(stride, padding, at):
    drawing = drawings.window(IMAGE, KERNEL, stride, padding, at)
    padded, y = np.pad(IMAGE, padding), correlate(IMAGE, KERNEL, stride, padding)
    assert numbers(drawing) == [*padded.flat, *KERNEL.flat, *y.flat]
    *covered, out = marked(drawing)
    assert (np.array(covered) * KERNEL.ravel()).sum() == out == y[at]
    assert f"multiply and add; stride {stride}" in texts(drawing)
    dashed = [e for e in seen(drawing) if e.tag == "rect" and "3 3" in str(e.values)]
    assert (len(dashed) > 0) == (padding > 0)
    with pytest.raises(ValueError, match="take one from"):
        drawings.window(IMAGE, KERNEL, stride, padding, (5, 5))


@pytest.mark.parametrize("stride, padding", [(1, 0), (2, 1)])
def test_columns_times_the_kernel_are_the_output(stride, padding):
    x, w = IMAGE[:3, :3], KERNEL[:2, 1:]
    drawing = drawings.im2col(x, w, stride, padding, (1, 0))
    y = correlate(x, w, stride, padding)
    found = numbers(drawing)[np.pad(x, padding).size :]
    columns = np.array(found[: 4 * y.size]).reshape(4, y.size)
    kernel, out = np.array(found[4 * y.size : 4 * y.size + 4]), found[4 * y.size + 4 :]
    row = [e for e in seen(drawing) if e.tag == "rect" and e.values["fill"] == WEIGHTS]
    assert len(row) == 4 and len({e.y for e in row}) == 1  # a row, as in the product
    np.testing.assert_array_equal(kernel, w.ravel())
    np.testing.assert_array_equal(kernel @ columns, y.ravel())
    assert out == [*y.flat]
    picked = marked(drawing)
    np.testing.assert_array_equal(picked[:4], picked[4:8])
    assert picked[8] == y[1, 0]


@pytest.mark.parametrize("stride", [1, 2])
def test_the_stamps_add_up_to_the_gradient(stride):
    dy, w = np.array([[1, 2], [-1, 3.0]]), np.array([[1, 2], [5, -1.0]])
    side = stride + 2
    drawing = drawings.stamps(dy, w, stride)
    found = np.array(numbers(drawing)[8:]).reshape(5, side, side)
    np.testing.assert_array_equal(found[:4].sum(0), found[4])
    x = torch.zeros(1, 1, side, side, dtype=torch.double, requires_grad=True)
    torch.conv2d(x, torch.from_numpy(w)[None, None], stride=stride).backward(
        torch.from_numpy(dy)[None, None]
    )
    np.testing.assert_array_equal(found[4], x.grad[0, 0])
    for part, value in zip(found[:4], dy.flat, strict=True):
        assert np.count_nonzero(part) == 4 and part.sum() == value * w.sum()


@pytest.mark.parametrize("stride, padding", [(1, 0), (2, 0), (2, 1), (3, 2)])
def test_the_way_back_is_the_gradient(stride, padding):
    dy, k = np.array([[1, 2, 3], [4, 5, 6.0]]), 3
    side = [stride * (n - 1) + k - 2 * padding for n in dy.shape]
    rim = k - 1 - padding
    drawing = drawings.way_back(dy, KERNEL, stride, padding, (1, 1))
    x = torch.zeros(1, 1, *side, dtype=torch.double, requires_grad=True)
    w = torch.from_numpy(KERNEL)[None, None]
    torch.conv2d(x, w, stride=stride, padding=padding).backward(torch.from_numpy(dy)[None, None])
    parts = np.split(numbers(drawing), np.cumsum([6, np.prod([n + k - 1 for n in side]), 9, 9]))
    wide = parts[1].reshape([n + k - 1 for n in side])
    inner = wide[rim : wide.shape[0] - rim : stride, rim : wide.shape[1] - rim : stride]
    np.testing.assert_array_equal(inner, dy)
    assert wide.sum() == dy.sum()
    np.testing.assert_array_equal(parts[2], KERNEL.ravel())
    np.testing.assert_array_equal(parts[3], KERNEL.ravel()[::-1])
    np.testing.assert_array_equal(parts[4], x.grad[0, 0].ravel())
    assert marked(drawing)[-1] == x.grad[0, 0, 1, 1]
    with pytest.raises(ValueError, match="padding of at most 2, got 3"):
        drawings.way_back(dy, KERNEL, stride, 3)


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (2, 1, 2, 2), (1, 2, 2, 2)])
def test_the_kernels_of_the_way_back_are_flipped_and_swapped(shape):
    w = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    found = numbers(drawings.kernels_back(w))
    back = np.array(found[w.size :]).reshape(shape[1], shape[0], 2, 2)
    np.testing.assert_array_equal(found[: w.size], w.ravel())
    for o, c, a, b in np.ndindex(shape):
        assert back[c, o, 1 - a, 1 - b] == w[o, c, a, b]


def seen_by_one_output(layers):
    """For each map, the output's first: which positions get a gradient, by autograd."""
    maps = [torch.ones(1, 1, 60, dtype=torch.double, requires_grad=True)]
    for kernel, stride in layers:
        maps.append(torch.conv1d(maps[-1], torch.ones(1, 1, kernel).double(), stride=stride))
        maps[-1].retain_grad()
    maps[-1][0, 0, 0].backward()
    return [torch.nonzero(m.grad[0, 0]).ravel().tolist() for m in reversed(maps)]


@pytest.mark.parametrize(
    "layers",
    [[], [(3, 1)] * 3, [(3, 2), (3, 1)], [(3, 1), (3, 2)], [(1, 2), (3, 1)], [(5, 3), (3, 2)]],
    ids=str,
)
def test_the_field_shows_what_one_output_reads(layers):
    drawing = drawings.field(layers)
    rows = {}
    for e in seen(drawing):
        if e.tag == "rect" and e.values["height"] != "100%" and float(e.values["rx"]) == 1:
            rows.setdefault(e.y, []).append(e)
    expected = seen_by_one_output(layers)
    assert len(rows) == len(layers) + 1
    for row, positions in zip(rows.values(), expected, strict=True):
        read = [i for i, e in enumerate(row) if "stroke-dasharray" not in e.values]
        assert read == positions and len(row) == positions[-1] + 1
    counts = [int(t.split()[0]) for t in texts(drawing)]
    assert counts == [len(positions) for positions in expected]
    strokes = [lines_of(drawing, color) for color in (RESIDUAL, "#c9ccd1")]
    reads = sum(len(p) * k for p, (k, _) in zip(expected, reversed(layers), strict=False))
    assert sum(map(len, strokes)) == reads
    centres = [[e.x + float(e.values["width"]) / 2 - MARGIN for e in row] for row in rows.values()]
    for stroke in [s for color in strokes for s in color]:
        upper, lower = (min(abs(x - c) for row in centres for c in row) for x in stroke[:, 0])
        assert max(upper, lower) < 0.2
    for row, (kernel, stride) in enumerate(reversed(layers)):
        above, below = centres[row], centres[row + 1]
        for i, x in enumerate(above):  # a position stands over the middle of what it reads
            middle = (below[stride * i] + below[stride * i + kernel - 1]) / 2
            assert x == pytest.approx(middle, abs=0.2)


def test_a_field_that_is_too_wide_is_refused():
    with pytest.raises(ValueError, match="at most 25 pixels, got 27: take fewer layers"):
        drawings.field([(3, 1)] * 13)


@pytest.mark.parametrize(
    "layer, count", [(nn.BatchNorm2d(3), 36), (nn.GroupNorm(1, 3), 27), (nn.InstanceNorm2d(3), 9)],
    ids=["batch", "layer", "instance"],
)  # fmt: skip
def test_the_numbers_averaged_together_are_marked(layer, count):
    drawing = drawings.norm_axes({"norm": layer}, (4, 3, 3, 3))
    squares = [e for e in seen(drawing) if e.tag == "rect"][1:]
    assert len(squares) == 108 and sum(e.values["fill"] == RESIDUAL for e in squares) == count
    assert f"{count} of 108 numbers are averaged together" in texts(drawing)


def normed():
    """A norm with averages, and batches that arrive in it."""
    layer = nn.BatchNorm2d(2)
    layer.running_mean += 1.5
    layer.running_var += 3.0
    generator = torch.Generator().manual_seed(0)
    batches = {f"ten {i}s": i + torch.randn(10, 2, 2, 2, generator=generator) for i in range(3)}
    return layer, batches


def test_statistics_stand_where_they_are():
    layer, batches = normed()
    found = seen(drawings.statistics(layer, batches, 1))
    middles = np.array([float(e.values["cx"]) for e in found if e.tag == "circle"])
    ends = [re.findall(r"-?[\d.]+", e.values["d"]) for e in found if e.tag == "path"][1:]
    wide = np.array([float(d[2]) - float(d[0]) for d in ends])
    means = np.array([1.5, *(x[:, 1].mean().item() for x in batches.values())])
    spreads = np.array([2.0, *(x[:, 1].std(correction=0).item() for x in batches.values())])
    scale = wide[0] / (2 * spreads[0])
    np.testing.assert_allclose(wide, 2 * spreads * scale, atol=0.3)
    np.testing.assert_allclose(middles - middles[0], (means - means[0]) * scale, atol=0.3)


def test_what_remains_is_the_gradient_of_batch_norm():
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=8), rng.normal(size=8)
    bars = [e for e in seen(drawings.removed(x, dy)) if e.tag == "rect"][1:]
    high = np.array([float(e.values["height"]) for e in bars]).reshape(4, 8)
    t = torch.from_numpy(x)[:, None].requires_grad_()
    torch.nn.functional.batch_norm(t, None, None, training=True).backward(
        torch.from_numpy(dy)[:, None]
    )
    expected = np.abs(t.grad.ravel().numpy()) / np.abs(dy).max() * x.std() * high[0].max()
    np.testing.assert_allclose(high[3], expected, atol=0.1)


def test_what_goes_on_is_divided_by_the_spread():
    rng = np.random.default_rng(0)
    x, dy = 0.5 * rng.normal(size=8), rng.normal(size=8)
    drawing = drawings.removed(x, dy, divided=True)
    bars = [e for e in seen(drawing) if e.tag == "rect"][1:]
    high = np.array([float(e.values["height"]) for e in bars]).reshape(5, 8)
    np.testing.assert_allclose(high[4] * x.std(), high[3], atol=0.1)
    assert f"divided by s = {x.std():.2f}" in texts(drawing)


def test_flow_adds_forward_where_it_copies_backward():
    residual = drawings.flow(BasicBlock(8, 8), (8, 4, 4))
    found = texts(residual)
    assert [t for t in found if t in ("copy", "add")] == ["copy", "add", "add", "copy"]
    assert "y = x + F(x)" in found and "dx = dy + Jᵀ dy" in found and found.count("2 conv") == 2
    plain = drawings.flow(PlainBlock(8, 8), (8, 4, 4))
    assert "dx = Jᵀ dy" in texts(plain) and "add" not in texts(plain)
    projected = drawings.flow(Bottleneck(8, 4, 2), (8, 4, 4))
    before = texts(drawings.flow(BasicBlock(8, 8), (8, 4, 4), total="s"))
    assert "s = x + F(x)" in before and "dx = ds + Jᵀ ds" in before and "dy" not in before
    assert "dx = Sᵀ dy + Jᵀ dy" in texts(projected) and texts(projected).count("3 conv") == 2


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_path_is_drawn_once(n):
    drawing = drawings.paths(n)
    found = [e for e in seen(drawing) if e.tag == "text"]
    rows = {}
    for e in found:
        rows.setdefault(round(e.y / 10), []).append(e.text)  # smaller text stands a little higher
    taken = {tuple(t for t in row if t.startswith("F")) for row in rows.values()}
    assert len(rows) == len(taken) == 2**n
    for row in rows.values():
        assert row[-1].split()[0] == str(sum(t.startswith("F") for t in row))
    with pytest.raises(ValueError, match="expected 1 to 4 blocks, got 5"):
        drawings.paths(5)
    with pytest.raises(ValueError, match="3 factors"):
        drawings.paths(3, (0.5, 1.0))


def test_paths_end_in_what_they_contribute():
    found = texts(drawings.paths(3, (0.5, -0.2, 0.1)))
    ends = [float(t.replace("−", "-")) for t in found if t.strip("−").replace(".", "").isdigit()]
    assert len(ends) == 8 and sum(ends) == pytest.approx(1.5 * 0.8 * 1.1)


# ---- in the plane --------------------------------------------------------------------------------


def lines_of(drawing, color):
    """End points of the straight lines of a colour."""
    paths = [e.values for e in seen(drawing) if e.tag == "path"]
    ends = [re.findall(r"-?[\d.]+", v["d"]) for v in paths if v.get("stroke") == color]
    return [np.array(numbers, float).reshape(-1, 2) for numbers in ends]


def test_decay_and_step_are_at_a_right_angle_and_keep_the_norm():
    drawing = drawings.decay_triangle(rate=0.5, decay=0.4)
    [decay], [step] = lines_of(drawing, PLAIN), lines_of(drawing, RESIDUAL)
    old, new = lines_of(drawing, "#666666")[0], lines_of(drawing, "#333333")[0]
    u, v = (p[1] - p[0] for p in (decay, step))
    assert abs(u @ v) / np.linalg.norm(u) / np.linalg.norm(v) < 0.01
    lengths = [np.linalg.norm(p[1] - p[0]) for p in (old, new)]
    assert lengths[0] == pytest.approx(lengths[1], abs=0.2)
    assert "together: a turn by 36.9°" in texts(drawing)  # cos = 0.8
    # an arrow's line ends 5 early
    assert np.linalg.norm(u) + 5 == pytest.approx(0.2 * (lengths[0] + 5), abs=0.3)
    with pytest.raises(ValueError, match="between 0 and 1, got 2"):
        drawings.decay_triangle(2.0, 1.0)


def test_turns_draws_the_step_that_gradient_descent_takes():
    rng = np.random.default_rng(0)
    pairs = {"a": rng.normal(size=(2, 5)), "b": 2 * rng.normal(size=(2, 5))}
    drawing = drawings.turns({name: tuple(p) for name, p in pairs.items()}, rate=0.3)
    olds, news = (lines_of(drawing, color) for color in ("#666666", "#333333"))
    scales = []
    for (w, g), old, new in zip(pairs.values(), olds, news, strict=True):
        u, v, stepped = old[1] - old[0], new[1] - new[0], w - 0.3 * g
        v *= 1 + 5 / np.linalg.norm(v)  # an arrow's line ends 5 early
        scales += [
            np.linalg.norm(u) / np.linalg.norm(w),
            np.linalg.norm(v) / np.linalg.norm(stepped),
        ]
        cosine = w @ stepped / np.linalg.norm(w) / np.linalg.norm(stepped)
        assert u @ v / np.linalg.norm(u) / np.linalg.norm(v) == pytest.approx(cosine, abs=0.002)
        angle = np.degrees(np.arccos(cosine))
        assert any(t.startswith(f"a turn by {angle:.1f}°") for t in texts(drawing))
    np.testing.assert_allclose(scales, scales[0], rtol=0.01)


def test_discs_place_every_eigenvalue():
    values = np.array([0.5, 1 + 0.5j, -0.5j])
    circles = [e for e in seen(drawings.discs({"plain": values})) if e.tag == "circle"]
    around, dots = circles[:2], circles[2:]
    unit = float(around[0].values["r"])
    assert around[1].x - around[0].x == pytest.approx(unit, abs=0.11)
    found = [(d.x - around[0].x - 1j * (d.y - around[0].y)) / unit for d in dots]
    np.testing.assert_allclose(found, values, atol=0.01)


def test_arms_show_every_run_and_the_mean():
    drawing = drawings.arms({"plain20": [1.0, 2.0, 6.0], "resnet20": [0.0, 1.0]}, "error (%)")
    dots = [e for e in seen(drawing) if e.tag == "circle"]
    x = np.array([d.x for d in dots])
    np.testing.assert_allclose((x - x.min()) / (x.max() - x.min()) * 6, [1, 2, 6, 0, 1], atol=0.01)
    assert [d.values["fill"] for d in dots] == [PLAIN] * 3 + [RESIDUAL] * 2
    assert {"mean 3", "mean 0.5", "0", "6", "error (%)"} <= set(texts(drawing))
    [mean] = [p[0, 0] for p in lines_of(drawing, PLAIN)]
    assert mean + MARGIN == pytest.approx(x[0] + (x[1] - x[0]) * 2, abs=0.2)


def test_arms_between_given_ends_hide_no_run():
    drawing = drawings.arms({"plain20": [40.0, 40.1, 39.9, 80.4]}, "error (%)", (0.0, 100.0))
    dots = [e for e in seen(drawing) if e.tag == "circle"]
    assert len({(d.x, d.y) for d in dots}) == 4 and len({d.y for d in dots[:3]}) == 3
    assert dots[0].y == dots[3].y
    assert {"mean 50", "0", "100"} <= set(texts(drawing))


def test_descents_show_every_step_of_every_model():
    ways = {"plain": [0.0, 2.0, 3.0], "residual": [3.5, 3.75]}
    drawing = drawings.descents(ways, target=4.0)
    marks = [e for e in seen(drawing) if e.tag == "circle"]
    dots, rings = ([e for e in marks if e.values["r"] == r] for r in ("3", "7"))
    assert [d.values["fill"] for d in dots] == [PLAIN] * 2 + [RESIDUAL]
    assert [r.values["stroke"] for r in rings] == [PLAIN, RESIDUAL]
    [goal] = [p[0, 0] + MARGIN for p in lines_of(drawing, INK)]
    x = np.array([e.x for e in (*rings, *dots)])
    places = (x - x[0]) / (goal - x[0]) * 4
    np.testing.assert_allclose(places, [0.0, 3.5, 2.0, 3.0, 3.75], atol=0.01)
    assert {"start: 0", "start: 3.5", "wanted: 4"} <= set(texts(drawing))


def points_of(path):
    return np.array(re.findall(r"-?[\d.]+", path), float).reshape(-1, 2)


@pytest.mark.parametrize("angle", [0.4, np.pi / 2, 2.5])
def test_the_filled_sector_is_what_both_half_circles_share(angle):
    drawing = drawings.half_circles(angle)
    paths = [e.values for e in seen(drawing) if e.tag == "path"]
    [sector] = [points_of(v["d"]) for v in paths if "stroke" not in v]
    arcs = [points_of(v["d"]) for v in paths if v.get("stroke-width") == "4"]
    center = sector[0]

    def turn(points):
        return np.unwrap(np.arctan2(center[1] - points[:, 1], points[:, 0] - center[0]))

    ends = [(turn(a)[0], turn(a)[-1]) for a in arcs]
    assert [high - low for low, high in ends] == pytest.approx([np.pi, np.pi], abs=0.01)
    shared = min(high for _, high in ends) - max(low for low, _ in ends)
    drawn = turn(sector[1:])
    assert drawn[-1] - drawn[0] == pytest.approx(shared, abs=0.01)
    assert shared == pytest.approx(np.pi - angle, abs=0.01)
    assert f"{1 - angle / np.pi:.0%} are on for x′" in texts(drawing)
    with pytest.raises(ValueError, match="between 0 and pi, got 90"):
        drawings.half_circles(90.0)


def test_cosine_maps_are_drawn_where_they_are():
    cosines = np.linspace(-1, 1, 5)
    maps = {"one": cosines**2, "other": 0.5 * cosines}
    drawing = drawings.cosine_maps(cosines, maps)
    [frame] = [e.values for e in seen(drawing) if e.tag == "rect" and e.values["fill"] == "none"]
    left, top, side = (float(frame[k]) for k in ("x", "y", "width"))
    paths = [e.values for e in seen(drawing) if e.tag == "path"]
    curves = [points_of(v["d"]) for v in paths if v.get("stroke-width") == "2.6"]
    for values, curve in zip(maps.values(), (c for c in curves if len(c) == 5), strict=True):
        np.testing.assert_allclose((curve[:, 0] - left) / side * 2 - 1, cosines, atol=0.01)
        np.testing.assert_allclose(1 - (curve[:, 1] - top) / side * 2, values, atol=0.01)
    assert {"one", "other"} <= set(texts(drawing))


# ---- curves and bars -----------------------------------------------------------------------------


def test_a_slope_is_the_slope_of_the_curve_above_it():
    x = np.linspace(-1, 1, 21)
    y, slope = lines_of(drawings.slopes(x, {"plain": x**2}), PLAIN)
    assert len(y) == 21 and len(slope) == 20
    ratio = np.diff(y[:, 1]) / (slope[:, 1] - slope[:, 1].mean())
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=0.1)  # coordinates have one decimal
    assert "its slope y′, from −1.9 to 1.9" in texts(drawings.slopes(x, {"plain": x**2}))
    assert "changes its sign 1 times" in drawings.slopes(x, {"plain": x**2}).alt


def test_sizes_are_the_heights_of_bars():
    drawing = drawings.sizes({"plain, small": [1.0, 0.5, 0.125], "residual": [1.0, 4.0]})
    bars = [e for e in seen(drawing) if e.tag == "rect"][1:]
    high = np.array([float(e.values["height"]) for e in bars])
    np.testing.assert_allclose(high[:3] / high[0], [1, 0.5, 0.125], atol=0.01)
    assert high[4] == pytest.approx(4 * high[3], abs=0.3)
    assert [e.values["fill"] for e in bars] == [PLAIN] * 3 + [RESIDUAL] * 2
    assert {"1", "0.12", "4"} <= set(texts(drawing))


def test_the_histogram_counts_every_value_and_marks_mean_and_median():
    values = 10 ** np.random.default_rng(0).normal(size=500)
    drawing = drawings.histogram(values, "energy", bins=10)
    bars = [e for e in seen(drawing) if e.tag == "rect"][1:]
    high = np.array([float(e.values["height"]) for e in bars])
    counts = np.histogram(np.log10(values), 10)[0]
    np.testing.assert_allclose(high / high.max(), counts / counts.max(), atol=0.001)
    assert {f"mean {values.mean():.2g}", f"median {np.median(values):.2g}"} <= set(texts(drawing))
    assert f"height of a bar: number of values, at most {counts.max()}" in texts(drawing)
    [[mean, _]], [[median, _]] = (lines_of(drawing, color) for color in (PLAIN, RESIDUAL))
    span = np.log10(values.max() / values.min())
    ratio = (mean[0] - median[0]) / 340 * span
    assert ratio == pytest.approx(np.log10(values.mean() / np.median(values)), abs=0.01)
    with pytest.raises(ValueError, match="expected positive values, got 0"):
        drawings.histogram(np.array([0.0, 1.0]), "energy")


# ---- counts --------------------------------------------------------------------------------------


def test_shares_are_as_wide_as_they_are_large_and_wide_ones_are_named():
    parts = {"stem": 2, "stage 1": 38, "stage 2": 60}
    drawing = drawings.shares({"weights": parts})
    bars = [e for e in seen(drawing) if e.tag == "rect"][1:]
    wide = np.array([float(e.values["width"]) for e in bars])
    np.testing.assert_allclose(wide / wide.sum(), [0.02, 0.38, 0.6], atol=0.001)
    found = texts(drawing)
    assert {"38 %", "60 %", "stage 2", "100"} <= set(found) and "stem" not in found
    assert "stem 2 %" in drawing.alt
    with pytest.raises(ValueError, match="positive sum, got 0"):
        drawings.shares({"weights": {"stem": 0}})


def test_pairs_put_every_image_in_its_place_and_colour():
    a = np.array([True, True, False, False, False, False, True])
    b = np.array([True, False, True, False, False, False, True])
    drawing = drawings.pairs(a, b, ("old", "new"), columns=5)
    squares = [e for e in seen(drawing) if e.tag == "rect" and float(e.values["width"]) > 20][1:]
    places = {(round((e.x - MARGIN) / 68), round((e.y - MARGIN) / 68)): e.values["fill"] for e in
              squares}  # fmt: skip
    dark, light = places[0, 0], places[3, 0]
    expected = [dark, PLAIN, RESIDUAL, light, light, light, dark]
    assert [places[i % 5, i // 5] for i in range(7)] == expected and len({*expected}) == 4
    counted = {"both wrong: 2", "only old wrong: 1", "only new wrong: 1", "both right: 3"}
    assert counted <= set(texts(drawing))
    with pytest.raises(ValueError, match="got 7 and 6"):
        drawings.pairs(a, b[:6])


def test_the_layout_has_a_stroke_for_every_wrong_answer_and_hard_images_on_the_left():
    a = np.array([[1, 0, 1, 0], [0, 0, 1, 0]], bool)
    b = np.array([[0, 0, 1, 1]], bool)
    drawing = drawings.layout({"A": a, "B": b})
    rows = [e.values["d"] for e in seen(drawing) if e.tag == "path" and "v" in e.values["d"]]
    x = [[float(v) for v in re.findall(r"M([\d.]+)", d)] for d in rows]
    hard, first, second = sorted({v for row in x for v in row})  # three of four images
    assert x == [[hard, first], [hard], [hard, second]]
    assert [t for t in texts(drawing) if t.isdigit()] == ["2", "1", "2"]
    for runs, message in ((np.zeros((1, 4), bool), "got none"), (b[:, :3], "the same images")):
        with pytest.raises(ValueError, match=message):
            drawings.layout({"A": a & False, "B": runs})


# ---- a training run ------------------------------------------------------------------------------


def test_a_schedule_is_that_of_the_object():
    schedule, steps = Steps(warmup=20), 300
    drawing = drawings.schedules({"drops": schedule}, rate=0.1, steps=steps)
    [curve] = [p for p in lines_of(drawing, RESIDUAL) if len(p) == steps]
    factors = [schedule.factor(step, steps) for step in range(steps)]
    np.testing.assert_allclose((curve[0, 1] - curve[:, 1]) / 26, np.log10(factors) + 1, atol=0.01)
    assert {"20", "150", "225", "0.1", "0.01", "0.001", "step 0", "300"} <= set(texts(drawing))
    assert "jumps at 20, 150, 225" in drawing.alt


def test_a_rate_of_zero_stays_on_the_card():
    drawing = drawings.schedules({"cosine": Cosine(warmup=0)}, rate=0.1, steps=1000)
    [curve] = [p for p in lines_of(drawing, RESIDUAL) if len(p) == 1000]
    assert curve[:, 1].max() - curve[0, 1] == pytest.approx(78, abs=0.1)  # three decades
    assert "no jumps" in drawing.alt


def test_intervals_stand_where_they_are_and_say_whether_they_hold_zero():
    drawing = drawings.intervals(DIFFERENCES, "points", span=(-2, 8))
    zero = lines_of(drawing, "#666666")[0][0, 0]
    unit = (WIDTH - 2 * MARGIN - 20) / 10
    [clear] = lines_of(drawing, RESIDUAL)
    mirror = DIFFERENCES["mirror images"]
    expected = [100 * mirror.low, 100 * mirror.high]
    np.testing.assert_allclose((clear[:, 0] - zero) / unit, expected, atol=0.01)
    assert mirror.low > 0 > DIFFERENCES["no momentum"].low
    heads = [e for e in seen(drawing) if e.tag == "polygon"]
    assert len(heads) == 3  # one interval leaves the span on one side, one on both
    assert drawing.alt.count("holds 0") == 2 and drawing.alt.count("leaves out 0") == 1


def test_bars_are_as_long_as_the_shares():
    drawing = drawings.bars({"a": {"conv": 3.0, "BN": 1.0}, "b": {"conv": 1.0}}, "time")
    found = [e for e in seen(drawing) if e.tag == "rect"][1:]
    assert [float(e.values["width"]) for e in found] == [142.5, 47.5, 190]
    assert [t for t in texts(drawing) if t.endswith(" %")] == ["75 %", "25 %", "100 %"]
    assert [e.values["fill"] for e in found] == [RESIDUAL, PLAIN, RESIDUAL]


@pytest.mark.parametrize("size", [2, 4])
def test_shares_show_every_image_once_in_its_process(size):
    images = np.arange(8.0).reshape(8, 1, 1, 1) * np.array([[0.0, 1.0], [1.0, 0.0]])
    drawing = drawings.batch_shares(images, parts_of(size))
    frames = [e.values["stroke"] for e in seen(drawing) if e.values.get("stroke-width") == "2.6"]
    assert len(frames) == 8 and frames[:size] * (8 // size) == frames and len(set(frames)) == size
    assert texts(drawing).count("the net") == texts(drawing).count("gradient") == size
    assert f"process 1 takes 1, {1 + size}" in drawing.alt
    with pytest.raises(ValueError, match="every image in one part"):
        drawings.batch_shares(images, parts_of(size)[:-1])


def test_frozen_parts_are_dashed_and_the_share_is_counted():
    net = models.build("resnet8", num_classes=7, in_channels=1)
    for part in (net.conv1, net.bn1, net.layer1):
        part.requires_grad_(False)
    net.train()
    drawing = drawings.frozen({"a net": net}, (1, 8, 8))
    _, *boxes = re.findall(r"<rect [^>]*>", drawing.svg)  # the first is the card
    assert ["stroke-dasharray" in box for box in boxes] == [True, True, False, False, False]
    trained = sum(p.numel() for p in net.parameters() if p.requires_grad)
    share = trained / sum(p.numel() for p in net.parameters())
    assert f"stem, stage 1 frozen; stage 2, stage 3, head trained, {share:.0%}"[:-1] in drawing.alt
    assert "7 classes" in drawing.svg and net.training


def test_a_dot_for_every_run_stands_at_its_error():
    groups = {"few": {"a": [0.9, 0.8], "b": [0.7]}, "many": {"a": [0.5], "b": [0.4, 0.45]}}
    svg = drawings.errors(groups, "test error").svg
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)]
    values = [90, 80, 70, 50, 40, 45]
    slope, offset = np.polyfit(values, places, 1)
    assert slope > 0 and np.allclose(np.polyval([slope, offset], values), places, atol=0.3)
    ticks = re.findall(r'<text x="([\d.]+)"[^>]*>(\d+)</text>', svg)
    assert [int(value) for _, value in ticks] == [40, 50, 60, 70, 80, 90]
    assert np.allclose(
        [float(x) for x, _ in ticks], np.polyval([slope, offset], range(40, 91, 10)), atol=0.3
    )
    assert len(set(re.findall(r'<circle[^>]*fill="([^"]+)"', svg))) == 2


def test_boxes_lie_where_they_were_drawn_and_their_share_is_said():
    picture = np.zeros((50, 100, 3), np.uint8)
    drawing = drawings.cuts(picture, {"left half": (0, 0, 50, 50), "a spot": (90, 40, 100, 50)})
    frames = [e for e in seen(drawing) if e.values.get("fill") == "none"]
    whole, half, _, spot, _ = frames
    sides = [float(whole.values["width"]), float(half.values["width"]), float(spot.values["width"])]
    assert np.allclose(sides, [340, 170, 34]) and (half.x, half.y) == (whole.x, whole.y)
    assert np.isclose(spot.x - whole.x, 0.9 * 340) and np.isclose(spot.y - whole.y, 0.4 * 340)
    assert texts(drawing) == ["left half 50×50, 50 %", "a spot 10×10, 2 %"]


@pytest.mark.parametrize("workers, boxes", [(1, ["worker"]), (2, ["worker 1", "worker 2"]),
                                            (9, ["worker 1", "worker 2", "worker 9"])])  # fmt: skip
def test_a_pipeline_has_its_workers_and_one_process_that_steps(workers, boxes):
    drawing = drawings.pipeline(workers, 16, (3, 64, 48))
    said = texts(drawing)
    assert [t for t in said if t.startswith("worker")] == boxes
    assert said.count("a step of the network") == 1 and "stack 16 of them: 16×3×64×48" in said
    assert said.count("scale to 64×48") == len(boxes) and f"{workers} worker" in drawing.alt
