"""The interactive figures in a browser: their numbers against Python's, and how they are used."""

import json
import re
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import accumulate
from math import comb, erf, sqrt

import numpy as np
import pytest
import test_site
import torch
from instruments import ARCHITECTURES, PRESETS, architectures, in_script, reference
from instruments.reference import Net

from resnet_tutorial import counts

site, address = test_site.site, test_site.address
browser, tab = test_site.browser, test_site.tab
PAGES = ("signal_and_gradient", "paths", "architectures")
NETS = {
    "plain": Net(12, gain=0.9),
    "plain, batch norm": Net(12, gain=1.3, batch_norm=True),
    "skips": Net(12, gain=1.1, branch_scale=0.6, skip=True),
    "skips, batch norm": Net(12, gain=0.7, branch_scale=1.2, skip=True, batch_norm=True),
}
GIANTS = ("resnet1202", "preact_resnet1001")  # seconds to build; the closed forms know them
NETWORKS = json.loads(ARCHITECTURES.read_text(encoding="utf-8"))
MARKS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def visit(tab, address, page):
    tab.goto(f"{address}/book/instruments/{page}.html", wait_until="load")
    tab.wait_for_function("document.querySelector('.instrument .sentence').textContent")


def settle(tab):
    tab.evaluate(test_site.NEXT_FRAME)


def sentence(tab):
    settle(tab)
    return tab.locator(".instrument .sentence").inner_text()


def numbers(text):
    """The numbers of a sentence: 881, 12,300, 4.2 × 10⁻⁷."""
    found = re.findall(r"(\d[\d,]*(?:\.\d+)?)(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text)
    return [
        float(value.replace(",", "")) * 10.0 ** int(power.translate(MARKS) or 0)
        for value, power in found
    ]


def slide(tab, name, value):
    """Move a slider as a hand does: the input event tells the page."""
    tab.locator(f"input[name={name}]").evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )


# Signal and gradient


def draw(net, width=16, batch=8):
    x, cotangent = np.random.default_rng(1).standard_normal((2, batch, width))
    return net.draw(width, seed=0), x, cotangent


def torch_profiles(net, weights, x, cotangent):
    """`reference.profiles` by autograd."""

    def normed(u):
        return (u - u.mean(0)) / u.std(0, correction=0) if net.batch_norm else u

    weights = torch.from_numpy(weights)
    states = [torch.from_numpy(x).requires_grad_()]
    if net.skip:
        for first, second in zip(weights[::2], weights[1::2], strict=True):
            a = torch.relu(normed(states[-1])) if net.batch_norm else states[-1]
            f = torch.relu(normed(a @ first.T)) @ second.T
            states.append(states[-1] + net.branch_scale * f)
    else:
        for w in weights:
            states.append(torch.relu(normed(states[-1] @ w.T)))
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
    found = [tab.evaluate(script, seed) for seed in range(1, 21)]
    assert sum(value < 1 for value in found) > 14
    assert 0.07 < np.median(found) < 0.3


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
        const weighted = weights(blocks, percent);
        return {
            counts: counts(blocks).map(String), shares: shares(weighted),
            mass: mass(weighted, 1, Math.min(17, blocks)), ...moments(blocks, percent),
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


def test_stored_counts_are_those_of_the_package():
    """What `python tools/instruments/architectures.py` would write now, but for the two giants."""
    assert [net["name"] for net in NETWORKS] == list(architectures.specifications())
    for stored in NETWORKS:
        title = stored["name"]
        if title in GIANTS:
            continue
        assert stored == json.loads(json.dumps(architectures.describe(title))), title
        net = architectures.build(title)
        image = architectures.image_shape(net)
        assert stored["parameters"] == counts.count_parameters(net)
        assert stored["macs"] == counts.count_macs(net, image)
        assert stored["field"] == counts.receptive_field(net)
        rows = [(r.name, list(r.output_shape), r.parameters, r.macs, r.receptive_field)
                for r in counts.stage_table(net, image)]  # fmt: skip
        keys = ("name", "shape", "parameters", "macs", "field")
        assert [tuple(stage[key] for key in keys) for stage in stored["stages"]] == rows


def test_stored_counts_of_the_giants_follow_the_closed_forms():
    giants = {net["name"]: net for net in NETWORKS if net["name"] in GIANTS}
    n = 200
    assert giants["resnet1202"]["parameters"] == 97216 * n - 21926
    assert giants["resnet1202"]["macs"] == 14155776 * n - 1916288
    assert giants["resnet1202"]["field"] == 28 * n - 3
    small = next(net for net in NETWORKS if net["name"] == "preact_resnet164")
    for key in ("parameters", "macs"):
        grown = giants["preact_resnet1001"][key] - small[key]
        block = sum(stage["parts"][-1][key] for stage in small["stages"][1:-1])
        assert grown == (111 - 18) * block


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
        inside = [row[0] for row in cells(tab, ".parts table.shown tbody tr:not(.part)")]
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


# All three


@pytest.mark.parametrize("page", PAGES)
def test_keyboard_reaches_and_moves_everything(tab, address, page):
    visit(tab, address, page)
    wanted = tab.locator(".instrument form").locator("input, select, button")
    enabled = "e => !e.disabled && e.type !== 'hidden' && (e.type !== 'radio' || e.checked)"
    names = "e => e.getAttribute('name') ?? e.textContent.trim()"
    expected = [e.evaluate(names) for e in wanted.all() if e.evaluate(enabled)]
    wanted.first.focus()
    reached = []
    while tab.evaluate("!!document.activeElement.closest('.instrument form')"):
        active = tab.evaluate_handle("document.activeElement")
        if not active.evaluate("e => e.matches('.scrolls')"):
            reached.append(active.evaluate(names))
        tab.keyboard.press("Tab")
    assert reached == expected
    for slider in tab.locator(".instrument input[type=range]:enabled").all():
        before = float(slider.input_value())
        slider.focus()
        tab.keyboard.press("ArrowLeft")
        assert float(slider.input_value()) < before
        assert slider.get_attribute("aria-valuetext").startswith(
            tab.locator(f"[data-shows={slider.get_attribute('name')}]").inner_text()
        )
    assert not tab.problems


@pytest.mark.parametrize("page", PAGES)
def test_every_control_has_a_name(tab, address, page):
    visit(tab, address, page)
    tree = tab.locator(".instrument form").aria_snapshot()
    controls = re.findall(r"- (slider|switch|button|combobox|radio)\b(.*)", tree)
    assert len(controls) > 3
    assert all(re.match(r' "[^"]+"', rest) for _, rest in controls), tree


def test_change_is_announced_once_the_hand_rests(tab, address):
    visit(tab, address, "signal_and_gradient")
    status = tab.locator(".instrument [role=status]")
    assert status.text_content() == ""
    tab.get_by_role("button", name="PyTorch’s default").click()
    seen = sentence(tab)
    assert status.text_content() == ""
    tab.wait_for_function("document.querySelector('.instrument [role=status]').textContent")
    heard = status.text_content()
    assert "10 to the power minus 12" in heard and "⁻" in seen
    assert heard.replace(" to the power minus 12", "⁻¹²") == seen


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("page", PAGES)
def test_nothing_jumps(tab, address, page, width):
    """Neither while the page loads nor when something is moved; and nothing is too wide."""
    tab.set_viewport_size({"width": width, "height": 800})
    visit(tab, address, page)
    shift = tab.evaluate(
        """() => new Promise((done) => {
            let total = 0;
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) {
                    const mine = entry.sources.some((s) => s.node?.parentElement
                        ?.closest(".instrument"));
                    if (mine) total += entry.value;
                }
            }).observe({ type: "layout-shift", buffered: true });
            setTimeout(() => done(total), 300);
        })"""
    )
    assert shift < 0.01
    height = partial(tab.locator(".instrument").evaluate, "e => e.getBoundingClientRect().height")
    expected = height()
    for button in tab.locator(".instrument [data-set]").all():
        button.click()
        settle(tab)
        assert height() == expected
    for radio in tab.locator(".instrument [type=radio]").all():
        radio.check(force=True)
        settle(tab)
        assert height() == expected
    for slider in tab.locator(".instrument input[type=range]:enabled").all():
        for end in ("min", "max"):
            slide(tab, slider.get_attribute("name"), slider.get_attribute(end))
            settle(tab)
            assert height() == expected
    assert tab.evaluate("document.scrollingElement.scrollWidth") <= width
    assert not tab.evaluate(test_site.TOO_WIDE)


def contrast(one, other):
    """WCAG's contrast of two colours written rgb(r, g, b)."""

    def luminance(colour):
        channels = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return np.dot(linear, (0.2126, 0.7152, 0.0722))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out_in_both_modes(tab, address, scheme):
    tab.emulate_media(color_scheme=scheme)
    parts = {
        "signal_and_gradient": {".measured.plain": "stroke", ".theory": "stroke",
                                "svg text": "fill"},
        "paths": {".bars.weighted rect": "fill", ".edge rect": "fill", "svg text": "fill"},
        "architectures": {".slab": "borderTopColor", ".bar.macs": "backgroundColor",
                          ".field .seen": "stroke"},
    }  # fmt: skip
    for page, colours in parts.items():
        visit(tab, address, page)
        assert tab.evaluate("document.documentElement.dataset.theme") == scheme
        background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        for selector, part in colours.items():
            colour = tab.locator(f".instrument {selector}").first.evaluate(
                "(e, part) => getComputedStyle(e)[part]", part
            )
            least = 4.5 if "text" in selector else 3
            assert contrast(colour, background) >= least, f"{page} {selector} {scheme}"


def test_motion_can_be_reduced(tab, address):
    def duration():
        visit(tab, address, "signal_and_gradient")
        return tab.locator(".instrument button").first.evaluate(
            "e => getComputedStyle(e).transitionDuration"
        )

    assert duration() != "0s"
    tab.emulate_media(reduced_motion="reduce")
    assert duration() == "0s"


@pytest.mark.parametrize("page", PAGES)
def test_picture_and_table_without_scripts(browser, address, page):
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    loaded = []
    plain.on("response", lambda r: loaded.append((r.url.rsplit("/")[-1], r.status)))
    plain.goto(f"{address}/book/instruments/{page}.html")
    assert not plain.locator(".instrument form").is_visible()
    picture = plain.locator(".instrument noscript img")
    assert picture.is_visible() and picture.get_attribute("alt").endswith(".")
    assert (picture.get_attribute("src").rsplit("/")[-1], 200) in loaded
    table = plain.locator(".instrument noscript table").inner_text()
    shown = {
        "signal_and_gradient": list(PRESETS),
        "paths": ["11.48", "96.74 %"],
        "architectures": [f"{net[key]:,}" for net in NETWORKS for key in ("parameters", "macs")],
    }
    assert all(text in table for text in shown[page])
    context.close()


def test_picture_stays_away_where_scripts_run(tab, address):
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    visit(tab, address, "paths")
    assert any(url.split("?")[0].endswith("paths.js") for url in asked)
    assert not any(url.endswith(".svg") and "instruments" in url for url in asked)


def test_instruments_work_from_the_disk(browser, site):
    page = browser.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    for name in PAGES:
        page.goto((site / "book" / "instruments" / f"{name}.html").as_uri())
        page.wait_for_function("document.querySelector('.instrument .sentence').textContent")
    page.close()
    assert not problems


def test_other_pages_do_not_load_the_scripts(site):
    for path in (site / "book").rglob("*.html"):
        assert ("_static/instruments/" in path.read_text()) == (path.parent.name == "instruments")


def test_scripts_are_short(root):
    for path in (root / "book" / "_static" / "instruments").glob("*.js"):
        lines = path.read_text().splitlines()
        assert len(lines) < 300 and max(map(len, lines)) <= 100, path.name
        assert lines[0].startswith("// "), path.name
