"""The site for everybody: axe-core's rules, the keyboard, contrast in both modes, print."""

import pytest
from test_site_pages import pages

# Thousands of glyphs and coloured words, in which axe finds nothing and takes long; the colours of
# code have a test of their own.
SIMPLIFY = """() => document.querySelectorAll('.highlight pre').forEach(
    code => code.textContent = code.textContent)"""
CONTRAST = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
# The pairs of colour and background that the words of code have, as [r, g, b] each.
CODE_COLOURS = """() => {
    const rgb = text => text.match(/[\\d.]+/g).map(Number);
    const behind = e => {
        const colour = getComputedStyle(e).backgroundColor;
        return /, 0\\)$|transparent/.test(colour) ? behind(e.parentElement) : colour;
    };
    const pairs = new Set();
    for (const word of document.querySelectorAll('.highlight span:not(:empty)'))
        pairs.add(JSON.stringify([rgb(getComputedStyle(word).color), rgb(behind(word))]));
    return [...pairs].map(JSON.parse);
}"""


@pytest.fixture(scope="session")
def axe():
    return pytest.importorskip("axe_playwright_python.sync_playwright").Axe()


@pytest.fixture
def bare(new_tab):
    """A tab without transitions, which pass through other colours, whose formulas stay text: their
    boxes are for the eye, and the MathML beside them, for screen readers, is MathJax's own."""
    tab = new_tab(reduced_motion="reduce")
    tab.route("**/mathjax.js", lambda route: route.fulfill(body=""))
    return tab


def violations(axe, tab, **options):
    found = axe.run(tab, options=options or {"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['impact']} {one['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
            for one in found for node in one["nodes"]]  # fmt: skip


def pale_code(tab):
    return [
        f"code too pale: {pair}" for pair in tab.evaluate(CODE_COLOURS) if contrast(*pair) < 4.5
    ]


def test_every_page_in_both_modes(bare, axe, address, site):
    """Light: all rules; dark: the contrast; both: the colours of code."""
    problems = []
    for name in [*pages(site), "404.html"]:
        bare.emulate_media(color_scheme="dark")
        bare.goto(f"{address}/{name}")
        found = pale_code(bare)
        bare.emulate_media(color_scheme="light")
        found += pale_code(bare)
        bare.evaluate(SIMPLIFY)
        found += violations(axe, bare)
        bare.emulate_media(color_scheme="dark")
        found += violations(axe, bare, **CONTRAST)
        problems += [f"{name}: {problem}" for problem in found]
    assert not problems, "\n".join(problems)


def test_axe_finds_faults(bare, axe, address):
    bare.goto(f"{address}/book/notation.html")
    bare.evaluate("""() => document.querySelector('article').innerHTML +=
        '<p style="color: #aaa; background: #fff">pale</p><img src="x.png">'""")
    found = "\n".join(violations(axe, bare))
    assert "color-contrast" in found and "image-alt" in found


def luminance(colour):
    parts = [c / 255 for c in colour[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_by_definition():
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)
    assert contrast([118, 118, 118], [255, 255, 255]) == pytest.approx(4.54, abs=0.01)


def test_pale_code_is_found(bare, address):
    bare.goto(f"{address}/book/problem/degradation.html")
    assert not pale_code(bare)
    bare.add_style_tag(content=".highlight .k { color: #aaa !important }")
    assert pale_code(bare)


def focus(tab):
    return tab.evaluate("""() => {
        const e = document.activeElement, box = e.getBoundingClientRect();
        return {text: e.innerText, href: e.getAttribute('href'), top: box.top, right: box.right,
                shown: e.checkVisibility({visibilityProperty: true, opacityProperty: true})};
    }""")


def test_the_keyboard_skips_to_the_text(new_tab, read):
    tab = new_tab(reduced_motion="reduce")
    read(tab, "book/problem/degradation.html")
    tab.keyboard.press("Tab")
    first = focus(tab)
    assert first["href"] == "#main-content" and first["shown"]
    assert first["top"] >= 0 and first["right"] > 0
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    assert tab.evaluate("() => document.activeElement.closest('main') !== null")


def test_focus_goes_from_the_sidebar_to_the_text(new_tab, read):
    """And what has the focus is seen."""
    tab = new_tab(reduced_motion="reduce")
    read(tab, "book/index.html")
    regions = []
    for _ in range(60):  # the sidebar lists every chapter
        tab.keyboard.press("Tab")
        assert focus(tab)["shown"]
        region = tab.evaluate("""() => ['.bd-sidebar-primary', '.bd-article']
            .find(part => document.activeElement.closest(part))""")
        regions += [region] if region and region not in regions else []
    assert regions == [".bd-sidebar-primary", ".bd-article"]


def test_nothing_moves_where_motion_is_unwelcome(new_tab, read):
    tab = new_tab(reduced_motion="reduce")
    read(tab, "book/problem/degradation.html")
    moving = tab.evaluate("""() => [...document.querySelectorAll('*')].filter(e => {
        const style = getComputedStyle(e);
        const lasts = text => text.split(',').some(time => parseFloat(time) > 0.01);
        return style.scrollBehavior === 'smooth' || lasts(style.transitionDuration)
            || style.animationName !== 'none' && lasts(style.animationDuration);
    }).map(e => `${e.tagName} ${e.className}`)""")
    assert not moving


def test_print_shows_text_and_solutions_alone(tab, read):
    read(tab, "book/problem/degradation.html")
    tab.emulate_media(media="print")
    tab.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    for part in (".bd-sidebar-primary", ".bd-header-article", ".prev-next-footer", ".copybtn"):
        assert not tab.locator(part).first.is_visible(), part
    assert tab.locator("h1").is_visible()
    assert tab.locator("details[open] pre").first.is_visible()
    folded = tab.locator("details:not([open])")
    assert folded.count() == 1 and not folded.first.is_visible()
    tab.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert tab.locator("details[open]").count() == 0
