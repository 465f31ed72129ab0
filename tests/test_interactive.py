"""The numbers of the interactive figures against Python's, in a browser."""

import json
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from math import comb, erf, sqrt

import numpy as np
import pytest
import torch
from instrument_pages import numbers, sentence, settle, slide, visit
from instruments import ARCHITECTURES, PRESETS, architectures, branches, in_script, reference
from instruments.reference import Net

from resnet_tutorial import counts, data, models

NETS = {
    "plain": Net(12, gain=0.9),
    "plain, batch norm": Net(12, gain=1.3, batch_norm=True),
    "skips": Net(12, gain=1.1, branch_scale=0.6, skip=True),
    "skips, batch norm": Net(12, gain=0.7, branch_scale=1.2, skip=True, batch_norm=True),
}
NETWORKS = json.loads(ARCHITECTURES.read_text(encoding="utf-8"))
BRANCHES = json.loads(branches.FILE.read_text())


# Signal and gradient


def draw(net, width=16, batch=8):
    x, cotangent = np.random.default_rng(1).standard_normal((2, batch, width))
    return net.draw(width, seed=0), x, cotangent


def forward(net, weights, x):
    """The input and what each block gives, in PyTorch."""

    def normed(u):
        return (u - u.mean(0)) / u.std(0, correction=0) if net.batch_norm else u

    states = [x]
    if net.skip:
        for first, second in zip(weights[::2], weights[1::2], strict=True):
            a = torch.relu(normed(states[-1])) if net.batch_norm else states[-1]
            f = torch.relu(normed(a @ first.T)) @ second.T
            states.append(states[-1] + net.branch_scale * f)
    else:
        for w in weights:
            states.append(torch.relu(normed(states[-1] @ w.T)))
    return states


def torch_profiles(net, weights, x, cotangent):
    """`reference.profiles` by autograd."""
    states = forward(net, torch.from_numpy(weights), torch.from_numpy(x).requires_grad_())
    gradients = torch.autograd.grad(states[-1], states, torch.from_numpy(cotangent))
    return [[a.square().mean().sqrt().item() for a in arrays] for arrays in (states, gradients)]


@pytest.mark.parametrize("kind", NETS)
def test_profiles_are_those_of_autograd_and_of_the_browser(tab, address, kind):
    net = NETS[kind]
    weights, x, cotangent = draw(net)
    expected = torch_profiles(net, weights, x, cotangent)
    np.testing.assert_allclose(reference.profiles(net, weights, x, cotangent), expected, rtol=1e-9)
    visit(tab, address, "signal_and_gradient")
    found = tab.evaluate(
        """([settings, weights, x, cotangent, n]) => {
            const array = (values) => Float64Array.from(values);
            return instruments.network.profiles(
                settings, weights.map(array), array(x), array(cotangent), n);
        }""",
        [
            json.loads(in_script(net)),
            weights.reshape(net.depth, -1).tolist(),
            x.T.ravel().tolist(),
            cotangent.T.ravel().tolist(),
            x.shape[1],
        ],
    )
    np.testing.assert_allclose([found["signal"], found["gradient"]], expected, rtol=1e-9)


@pytest.mark.parametrize("kind", NETS)
def test_theory_is_pythons(tab, address, kind):
    visit(tab, address, "signal_and_gradient")
    for depth in (2, 56, 100):
        net = replace(NETS[kind], depth=depth)
        law = tab.evaluate("(s) => instruments.theory.law(s)", json.loads(in_script(net)))
        np.testing.assert_allclose(
            [law["signal"], law["gradient"]], reference.laws(net), rtol=1e-12
        )


@pytest.mark.parametrize("kind", NETS)
def test_theory_describes_the_nets(kind):
    """Exact laws within four standard errors; the envelopes of batch norm within ten percent."""
    net, width, batch = replace(NETS[kind], depth=6), 48, 128
    squares = []
    for seed in range(150):
        x, cotangent = np.random.default_rng(1000 + seed).standard_normal((2, batch, width))
        squares.append(np.square(reference.profiles(net, net.draw(width, seed), x, cotangent)))
    mean, error = np.mean(squares, 0), np.std(squares, 0, ddof=1) / sqrt(len(squares))
    signal, gradient = np.square(reference.laws(net))
    assert np.all(np.abs(mean[0] - signal) < 4 * error[0])
    if net.batch_norm:
        np.testing.assert_allclose(mean[1], gradient, rtol=0.1)
    else:
        assert np.all(np.abs(mean[1] - gradient) < 4 * error[1])


def test_random_numbers_are_normal(tab, address):
    visit(tab, address, "signal_and_gradient")
    count = 100_000
    script = """([seed, count]) => {
        const { bits, normals } = instruments.random;
        return Array.from(normals(bits(seed), count));
    }"""
    z, again, other = (np.array(tab.evaluate(script, [seed, count])) for seed in (1, 1, 2))
    assert np.array_equal(z, again)
    for draws in (z[1:] * z[:-1], z[2:] * z[:-2], z * other, z, z**3):
        assert abs(draws.mean()) < 4 * draws.std() / sqrt(count)
    assert abs((z**2).mean() - 1) < 4 * sqrt(2 / count)
    assert abs((z**4).mean() - 3) < 4 * sqrt(96 / count)
    below = np.array([0.5 * (1 + erf(v / sqrt(2))) for v in np.sort(z)])
    distance = np.abs(below - (np.arange(count) + 0.5) / count).max()
    assert distance < 1.95 / sqrt(count)  # Kolmogorov and Smirnov, one in a thousand


def test_page_shows_what_its_network_does(tab, address):
    """From the controls to the sentence, with the browser's own weights."""
    visit(tab, address, "signal_and_gradient")
    net = Net(10, gain=1.2, branch_scale=0.5, skip=True, batch_norm=True)
    slide(tab, "depth", net.depth)
    slide(tab, "gain", net.gain)
    slide(tab, "branchScale", net.branch_scale)
    tab.get_by_role("switch", name="Skips").check(force=True)
    shown = numbers(sentence(tab))
    drawn = tab.evaluate(
        """() => {
            const { x, cotangent, weights } = instruments.signal.draw(1);
            return [[x], [cotangent], weights(10, 1.2 * Math.sqrt(2 / 64))]
                .map((arrays) => arrays.map((a) => Array.from(a)));
        }"""
    )
    x, cotangent = (np.array(array).reshape(64, 64).T for array in drawn[:2])
    weights = np.array(drawn[2]).reshape(10, 64, 64)
    assert abs(weights.std() - 1.2 * sqrt(2 / 64)) < 0.01
    signal, gradient = reference.profiles(net, weights, x, cotangent)
    assert shown[0] == 10
    np.testing.assert_allclose(
        shown[1:], [signal[-1] / signal[0], gradient[0] / gradient[-1]], rtol=5e-3
    )
    slide(tab, "layer", 5)
    settle(tab)
    law = np.array(reference.laws(net))[:, 2]
    expected = [4, signal[2] / signal[0], law[0], gradient[2] / gradient[-1], law[1]]
    reading = tab.locator(".reading").inner_text()
    np.testing.assert_allclose(numbers(reading), expected, rtol=5e-3)


def test_experiments_show_what_the_page_says(tab, address):
    visit(tab, address, "signal_and_gradient")
    ends = {}
    for title, net in PRESETS.items():
        button = tab.get_by_role("button", name=title)
        button.click()
        _, signal, gradient = numbers(sentence(tab))
        ends[title] = signal, gradient
        assert button.get_attribute("aria-pressed") == "true"
        laws = reference.laws(net)
        for found, law in ((signal, laws[0][-1]), (gradient, laws[1][0])):
            assert law / 4 < found < law * 4, title
    assert ends["Batch norm, 56 plain layers"][1] > 20_000
    assert 10 < ends["Skips with batch norm"][1] < 40
    # The gain changes nothing under batch norm.
    tab.get_by_role("button", name="Batch norm, 56 plain layers").click()
    before = sentence(tab)
    slide(tab, "gain", 0.5)
    assert sentence(tab) == before
    # Most nets of 100 layers end below the mean.
    script = """(seed) => instruments.signal.measure(
        {depth: 100, gain: 1, skip: false, batchNorm: false, branchScale: 1},
        instruments.signal.draw(seed)).signal.at(-1)"""
    found = [tab.evaluate(script, seed) for seed in range(1, 41)]
    assert sum(value < 1 for value in found) > 30
    assert 0.07 < np.median(found) < 0.3


@pytest.mark.parametrize("kind", NETS)
def test_a_training_step_is_that_of_autograd(tab, address, kind):
    net = NETS[kind]
    start, x, cotangent = draw(net)
    weights = [torch.from_numpy(w).requires_grad_() for w in start]
    loss = (forward(net, weights, torch.from_numpy(x))[-1] * torch.from_numpy(cotangent)).sum()
    gradients = torch.autograd.grad(loss, weights)
    shares = [(g.norm() / w.norm()).item() for g, w in zip(gradients, weights, strict=True)]
    rate = 0.01 / shares[-1]
    visit(tab, address, "signal_and_gradient")
    found = tab.evaluate(
        """([settings, weights, x, cotangent, n]) => {
            const array = (values) => Float64Array.from(values);
            const step = instruments.network.step(
                settings, weights.map(array), array(x), array(cotangent), n, 0.01);
            return { moved: step.moved, weights: step.weights.map((w) => Array.from(w)) };
        }""",
        [
            json.loads(in_script(net)),
            start.reshape(net.depth, -1).tolist(),
            x.T.ravel().tolist(),
            cotangent.T.ravel().tolist(),
            x.shape[1],
        ],
    )
    np.testing.assert_allclose(found["moved"], rate * np.array(shares), rtol=1e-9)
    expected = [(w - rate * g).detach().ravel() for w, g in zip(weights, gradients, strict=True)]
    np.testing.assert_allclose(found["weights"], expected, rtol=1e-9, atol=1e-12)


def test_training_steps_are_counted_and_a_new_net_begins_again(tab, address):
    visit(tab, address, "signal_and_gradient")
    tab.get_by_role("button", name="Batch norm, 56 plain layers").click()
    before, said = sentence(tab), tab.locator(".instrument .steps")
    assert said.inner_text().startswith("No step of training yet")
    train = tab.get_by_role("button", name="One training step")
    train.click()
    settle(tab)
    _, first, last = numbers("1 " + said.inner_text())
    assert last == 1 and first > 1000  # the exploding gradient hits the first layer
    assert sentence(tab) != before
    assert tab.locator("svg.gradient .ghost").count() == 1
    train.click()
    settle(tab)
    assert said.inner_text().startswith("2 steps of training")
    slide(tab, "layer", 3)
    settle(tab)
    assert said.inner_text().startswith("2 steps of training")
    tab.get_by_role("button", name="New weights").click()
    settle(tab)
    assert said.inner_text().startswith("No step of training yet")
    tab.get_by_role("button", name="Skips with batch norm").click()
    settle(tab)
    train.click()
    settle(tab)
    _, first, last = numbers("1 " + said.inner_text())
    assert last == 1 and first < 100


def test_new_weights_and_kept_curves_stay_in_sight(tab, address):
    visit(tab, address, "signal_and_gradient")
    first = sentence(tab)
    tab.get_by_role("button", name="New weights").click()
    assert sentence(tab) != first
    assert tab.locator("svg.gradient .ghost").count() == 1
    tab.get_by_role("button", name="Keep this curve").click()
    tab.get_by_role("switch", name="Skips").check(force=True)
    settle(tab)
    assert tab.locator("svg.gradient .ghost").count() == 0
    assert tab.locator("svg.gradient .pinned.plain").count() == 1
    assert tab.locator("svg.gradient .measured.residual").count() == 1
    assert tab.locator(".laws p.shown").inner_text().startswith("One block")


# Paths


def test_paths_are_counted_exactly(tab, address):
    visit(tab, address, "paths")
    script = """([blocks, percent]) => {
        const { counts, weights, shares, mass, moments } = instruments.paths;
        const percents = Array(blocks).fill(percent);
        const weighted = weights(percents);
        return {
            counts: counts(blocks).map(String), shares: shares(weighted),
            mass: mass(weighted, 1, Math.min(17, blocks)), ...moments(percents),
        };
    }"""
    for blocks in (1, 2, 54, 110):
        for percent in (0, 1, 27, 100, 200):
            found = tab.evaluate(script, [blocks, percent])
            exact = reference.path_shares(blocks, Fraction(percent, 100))
            assert found["counts"] == [str(comb(blocks, k)) for k in range(blocks + 1)]
            np.testing.assert_allclose(found["shares"], [float(s) for s in exact], rtol=4e-16)
            assert found["mass"] == pytest.approx(float(sum(exact[1:18])), rel=4e-16, abs=0)
            mean, deviation = reference.moments(exact)
            assert found["mean"] == pytest.approx(mean, rel=1e-12)
            assert found["deviation"] == pytest.approx(deviation, rel=1e-12)


def test_path_page_shows_the_range(tab, address):
    visit(tab, address, "paths")
    chosen = sum(comb(54, k) for k in range(5, 18))
    weighted = float(sum(reference.path_shares(54, Fraction(27, 100))[5:18]))
    assert numbers(sentence(tab)) == [
        chosen, 2**54, 5, 17, 54, round(100 * chosen / 2**54, 3), 0.27, round(100 * weighted, 1),
    ]  # fmt: skip
    assert f"{chosen:,} of the {2**54:,} paths" in sentence(tab)
    slide(tab, "first", 20)
    slide(tab, "last", 34)
    assert "96.0 % of all paths" in sentence(tab)
    slide(tab, "last", 12)  # pushes the first along
    assert "take 12 of the 54 branches" in sentence(tab)
    slide(tab, "blocks", 8)
    assert "256 paths take 8 of the 8 branches" in sentence(tab)
    slide(tab, "blocks", 110)
    assert numbers(sentence(tab))[1] == pytest.approx(2**110, rel=0.05)


@pytest.mark.parametrize("name", BRANCHES)
def test_measured_branches_weigh_the_paths(tab, address, name):
    visit(tab, address, "paths")
    tab.get_by_label("Weights of the branches").select_option(name)
    slide(tab, "first", 2)
    slide(tab, "last", 8)
    exact = reference.measured_shares([Fraction(percent, 100) for percent in BRANCHES[name]])
    mean, deviation = reference.moments(exact)
    blocks, inside = len(BRANCHES[name]), float(sum(exact[2:9]))
    assert sum(exact) == 1 and len(exact) == blocks + 1
    assert f"2 to 8 of the {blocks} branches" in sentence(tab)
    assert f"measured in {name} they carry {100 * inside:.1f} %" in sentence(tab)
    row = tab.locator("[data-row=weighted]")
    assert row.locator(".mean").inner_text() == f"{mean:.2f}"
    assert row.locator(".deviation").inner_text() == f"{deviation:.2f}"
    assert tab.locator("input[name=blocks]").is_disabled()
    tab.get_by_label("Weights of the branches").select_option("")
    assert f"of the {blocks} branches" in sentence(tab)
    assert not tab.locator("input[name=blocks]").is_disabled()


def test_equal_branches_are_the_binomial_law():
    weight = Fraction(27, 100)
    assert reference.measured_shares([weight] * 9) == reference.path_shares(9, weight)


def test_a_branch_weighs_what_autograd_says():
    """The ratio of one block, with the whole block's gradient as the witness."""
    torch.manual_seed(0)
    net = models.build("resnet8", in_channels=1, widths=(4, 8, 16)).double()
    images = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    found = branches.measure(net, images, torch.tensor([0, 1, 2]))
    block = net.layer1[0]
    x = torch.relu(net.bn1(net.conv1(images))).detach().requires_grad_()

    def later(y):
        return net.fc(net.layer3(net.layer2(y)).mean((2, 3)))

    logits = later(block(x))
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2]), reduction="sum")
    [whole] = torch.autograd.grad(loss, x)
    s = block.branch(x) + x
    y = torch.relu(s).detach().requires_grad_()
    [dy] = torch.autograd.grad(
        torch.nn.functional.cross_entropy(later(y), torch.tensor([0, 1, 2]), reduction="sum"), y
    )
    along = dy * (s > 0)
    ratio = (whole - along).flatten(1).norm(dim=1) / along.flatten(1).norm(dim=1)
    assert found[0] == pytest.approx(ratio.median().item(), rel=1e-9)
    assert len(found) == 3


@pytest.mark.skipif(
    data.CATALOGUE["fashion_mnist"].source.place() is None, reason="Fashion-MNIST is not here"
)
def test_stored_weights_of_branches_are_those_of_the_shipped_networks():
    for name, percents in branches.all_measured().items():
        assert np.abs(np.array(percents) - BRANCHES[name]).max() <= 1, name  # of rounding


def test_path_page_is_right_in_what_it_says(tab, address):
    def mass(percent, first, last):
        return sum(reference.path_shares(54, Fraction(percent, 100))[first : last + 1])

    assert round(100 * float(mass(100, 20, 34)), 1) == 96.0
    assert round(100 * float(mass(100, 5, 17)), 2) == 0.45
    assert round(100 * float(mass(27, 5, 17))) == 97
    assert round(100 * float(mass(2, 0, 3))) == 98
    assert reference.moments(reference.path_shares(54, Fraction(2)))[0] == pytest.approx(36)
    visit(tab, address, "paths")
    slide(tab, "epsilon", 200)
    settle(tab)
    assert tab.locator("[data-row=weighted] .mean").inner_text() == "36.00"


def test_edges_can_be_dragged(tab, address):
    visit(tab, address, "paths")
    for edge, name, steps in ((0, "first", 3), (1, "last", 10), (1, "last", -4)):
        tab.locator("svg.chart").scroll_into_view_if_needed()
        before = int(tab.locator(f"input[name={name}]").input_value())
        box = tab.locator("svg.chart .edge rect").nth(edge).bounding_box()
        bars = tab.locator("svg.chart .bars.weighted rect")
        step = bars.nth(1).bounding_box()["x"] - bars.nth(0).bounding_box()["x"]
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x + steps * step, y, steps=5)
        tab.mouse.up()
        settle(tab)
        assert int(tab.locator(f"input[name={name}]").input_value()) == before + steps
        tab.mouse.move(x, y)  # let go: nothing follows any more
        settle(tab)
        assert int(tab.locator(f"input[name={name}]").input_value()) == before + steps


# Architectures


@pytest.mark.parametrize("stored", NETWORKS, ids=lambda net: net["name"])
def test_stored_counts_are_those_of_the_package(stored):
    """Built with two blocks a stage, which takes a fraction of the time: the others are alike."""
    name, _ = architectures.specifications()[stored["name"]]
    sizes = models.ARCHITECTURES[name].stage_sizes
    net = architectures.build(stored["name"], stage_sizes=(2,) * len(sizes))
    small = json.loads(json.dumps(architectures.describe(net)))
    image = architectures.image_shape(net)
    rows = [(r.name, list(r.output_shape), r.parameters, r.macs, r.receptive_field)
            for r in counts.stage_table(net, image)]  # fmt: skip
    keys = ("name", "shape", "parameters", "macs", "field")
    assert [tuple(stage[key] for key in keys) for stage in small["stages"]] == rows
    assert small["parameters"] == counts.count_parameters(net)
    assert small["macs"] == counts.count_macs(net, image)
    assert small["field"] == counts.receptive_field(net)
    assert stored["image"] == small["image"] == list(image)
    wider = 0  # by so much the receptive field exceeds that of the small net
    for stage, like, size in zip(stored["stages"], small["stages"], [1, *sizes, 1], strict=True):
        assert (stage["name"], stage["shape"]) == (like["name"], like["shape"])
        first, *rest = one_by_one(like)
        assert one_by_one(stage) == [first, *rest * (size - 1)]
        if rest:
            convolutions = sum(words.startswith("3×3 conv") for words, _ in rest[0]["layers"])
            jump = image[1] // stage["shape"][1]
            wider += (size - 2) * convolutions * 2 * jump
        assert stage["field"] == like["field"] + wider
    assert stored["field"] == stored["stages"][-2]["field"]


def one_by_one(stage):
    """The blocks of a stage, a dict each."""
    said = [({**part, "title": "", "times": 1}, part["times"]) for part in stage["parts"]]
    return [part for part, times in said for _ in range(times)]


def test_every_network_is_stored():
    assert [net["name"] for net in NETWORKS] == list(architectures.specifications())
    assert {net["name"] for net in NETWORKS} >= set(models.ARCHITECTURES)
    stored = {net["name"]: net for net in NETWORKS}
    for n in (3, 5, 7, 9, 18, 200):
        net = stored[f"resnet{6 * n + 2}"]
        assert net["parameters"] == 97216 * n - 21926
        assert net["macs"] == 14155776 * n - 1916288
        assert net["field"] == 28 * n - 3


def test_blocks_and_layers_add_up_to_their_stages():
    for net in NETWORKS:
        for key in ("parameters", "macs"):
            assert net[key] == sum(stage[key] for stage in net["stages"]), net["name"]
        for stage in net["stages"]:
            for key in ("parameters", "macs"):
                assert stage[key] == sum(p["times"] * p[key] for p in stage["parts"])
            for part in stage["parts"]:
                assert part["parameters"] == sum(n for _, n in part["layers"]), net["name"]


def cells(tab, rows):
    return [row.split("\t") for row in tab.locator(rows).all_inner_texts()]


def percent(share):
    """As the bars show it."""
    return "<1" if 0 < share < Fraction(1, 100) else str(int(100 * share + Fraction(1, 2)))


def test_explorer_shows_every_network(tab, address):
    visit(tab, address, "architectures")
    for net in NETWORKS:
        tab.get_by_label("Network").select_option(net["name"])
        settle(tab)
        expected = [
            [s["name"], " × ".join(map(str, s["shape"])), f"{s['parameters']:,}",
             f"{s['macs']:,}", str(s["field"])]
            for s in net["stages"]
        ]  # fmt: skip
        assert cells(tab, ".sums tbody tr") == expected, net["name"]
        whole = ["whole net", "", f"{net['parameters']:,}", f"{net['macs']:,}", ""]
        assert cells(tab, ".sums tr.whole") == [whole]
        assert tab.get_by_role("radio").count() == len(net["stages"])
        keys = ("parameters", "macs")
        shares = [percent(Fraction(s[key], net[key])) for s in net["stages"] for key in keys]
        assert tab.locator(".bar > span").all_inner_texts() == shares, net["name"]


@pytest.mark.parametrize("size", [(32, 2), (33, 12), (64, 200), (225, 1000)])
@pytest.mark.parametrize(
    "title", ["plain20", "resnet20, option B", "preact_resnet110", "resnet34, option C", "resnet50"]
)
def test_other_sizes_and_classes_are_counted_as_the_package_does(tab, address, title, size):
    side, classes = size
    net = architectures.build(title, num_classes=classes)
    rows = counts.stage_table(net, (3, side, side))
    visit(tab, address, "architectures")
    tab.get_by_label("Network").select_option(title)
    settle(tab)
    tab.get_by_label("Side of the images").fill(str(side))
    tab.get_by_label("Classes").fill(str(classes))
    settle(tab)
    assert cells(tab, ".sums tbody tr") == [
        [r.name, " × ".join(map(str, r.output_shape)), f"{r.parameters:,}", f"{r.macs:,}",
         str(r.receptive_field)]
        for r in rows
    ]  # fmt: skip
    whole = sum(r.parameters for r in rows), sum(r.macs for r in rows)
    assert cells(tab, ".sums tr.whole") == [["whole net", "", *(f"{n:,}" for n in whole), ""]]


def test_size_and_classes_follow_the_network_until_they_are_set(tab, address):
    visit(tab, address, "architectures")
    side, classes = tab.get_by_label("Side of the images"), tab.get_by_label("Classes")
    assert (side.input_value(), classes.input_value()) == ("224", "1000")
    classes.fill("12")
    settle(tab)
    tab.get_by_label("Network").select_option("resnet18")
    settle(tab)
    assert (side.input_value(), classes.input_value()) == ("224", "12")
    tab.get_by_label("Network").select_option("resnet20")
    settle(tab)
    assert (side.input_value(), classes.input_value()) == ("32", "10")
    side.fill("1")  # less than the network can take, as while somebody types 100
    settle(tab)
    assert cells(tab, ".sums tbody tr")[3][1] == "64 × 1 × 1"
    assert not tab.problems


def test_arrow_keys_walk_through_the_stages(tab, address):
    visit(tab, address, "architectures")
    [net] = [net for net in NETWORKS if net["name"] == "resnet50"]
    tab.get_by_role("radio", name="stem").focus()
    tab.keyboard.press("Space")
    totals = [list(accumulate(s[key] for s in net["stages"])) for key in ("parameters", "macs")]
    for stage, parameters, macs in zip(net["stages"], *totals, strict=True):
        assert sentence(tab).startswith(f"{stage['name']} of resnet50")
        partial_sums = [f"up to {stage['name']}", "", f"{parameters:,}", f"{macs:,}", ""]
        assert cells(tab, ".sums tr.partial") == [partial_sums]
        assert cells(tab, ".sums tr.chosen")[0][0] == stage["name"]
        assert f"{stage['field']} × {stage['field']}" in tab.locator(".reach").inner_text()
        inside = [row[0] for row in cells(tab, ".inside table.shown tbody tr:not(.part)")]
        assert inside == [words for part in stage["parts"] for words, _ in part["layers"]]
        tab.keyboard.press("ArrowRight")
    assert sentence(tab).startswith("stem of")  # around the corner


def test_slabs_and_fields_are_to_scale(tab, address):
    visit(tab, address, "architectures")
    tab.get_by_label("Network").select_option("resnet20")
    tab.get_by_role("radio", name="layer3").check(force=True)
    settle(tab)
    boxes = [slab.bounding_box() for slab in tab.locator(".slab").all()[1:4]]
    for wide, narrow in ((boxes[2], boxes[1]), (boxes[1], boxes[0])):
        assert wide["width"] == pytest.approx(2 * narrow["width"], abs=1)
        assert narrow["height"] == pytest.approx(2 * wide["height"], abs=1)
    seen, image = (tab.locator(f".field .{kind}").bounding_box() for kind in ("seen", "image"))
    assert seen["width"] / image["width"] == pytest.approx(81 / 32, rel=0.06)
