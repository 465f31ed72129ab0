"""The interactive figures as people use them: keyboard, phone, dark mode, no scripts."""

import json
import re
from functools import partial

import numpy as np
import pytest
from instrument_pages import PAGES, sentence, settle, slide, visit
from instruments import ARCHITECTURES, PRESETS
from test_site_pages import TOO_WIDE

NETWORKS = json.loads(ARCHITECTURES.read_text(encoding="utf-8"))


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
        settle(tab)
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
    """Neither when the scripts start nor when something is moved; and nothing is too wide."""
    tab.set_viewport_size({"width": width, "height": 800})
    height = partial(tab.locator(".instrument").evaluate, "e => e.getBoundingClientRect().height")
    tab.route("**/_static/instruments/*.js*", lambda route: route.fulfill(body=""))
    tab.goto(f"{address}/book/instruments/{page}.html")
    before = height()
    tab.unroute("**/_static/instruments/*.js*")
    visit(tab, address, page)
    expected = height()
    assert expected == pytest.approx(before, abs=4)
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
    tab.evaluate("document.querySelectorAll('.presets').forEach(e => (e.scrollLeft = 0))")
    assert not tab.evaluate(TOO_WIDE)


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
