"""Every page of the built site in a real browser, with the network cut."""

import pytest

# Every element of class math that holds no typeset formula, or one that MathJax could not read.
UNTYPESET = """() => [...document.querySelectorAll('.math, mjx-merror, [data-mjx-error]')]
    .filter(e => !e.matches('.math') || !e.querySelector('mjx-container'))
    .map(e => e.textContent)"""
RAW_MATHS = r"""() => {
    const walker = document.createTreeWalker(document.querySelector('main'), 4);
    const found = [];
    while (walker.nextNode()) {
        const node = walker.currentNode;
        if (!node.parentElement.closest('pre, code, script, style')
            && /\$\$|\\\(|\\\[|\\begin\{/.test(node.data)) found.push(node.data.trim());
    }
    return found;
}"""
# The page hears of a new size before the next frame, and is laid out anew with it.
NEXT_FRAME = """() => new Promise(
    done => requestAnimationFrame(() => requestAnimationFrame(done)))"""
# Elements of the text that reach past the window's right edge and stand in nothing that scrolls,
# or past its left edge, where nothing can scroll.
TOO_WIDE = """() => {
    const scrolls = e => e && (/auto|scroll/.test(getComputedStyle(e).overflowX)
        ? e !== document.documentElement && e !== document.body : scrolls(e.parentElement));
    return [...document.querySelectorAll('article *')]
        .filter(e => e.getClientRects().length
            && (e.getBoundingClientRect().left < -1
                || e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e.parentElement))
            && !e.closest('mjx-assistive-mml, .visually-hidden, .sr-only'))
        .map(e => `${e.tagName} ${e.className}: ${e.textContent.slice(0, 40)}`);
}"""
UNREACHABLE = """() => [...document.querySelectorAll('article *')]
    .filter(e => e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0
        && /auto|scroll/.test(getComputedStyle(e).overflowX)
        && !e.closest('mjx-assistive-mml') && !e.querySelector('[tabindex="0"], a, button, input'))
    .map(e => `${e.tagName} ${e.className}: ${e.textContent.slice(0, 40)}`)"""


def pages(site):
    found = [p for p in site.rglob("*.html") if "_static" not in p.relative_to(site).parts]
    names = sorted(str(p.relative_to(site)) for p in found)
    return [name for name in names if name not in ("index.html", "404.html")]  # not in the theme


def chapters(site):
    """The pages made from notebooks."""
    notebooks = (site / "_sources").rglob("*.ipynb")
    return sorted(site / p.relative_to(site / "_sources").with_suffix(".html") for p in notebooks)


def findings(tab):
    """What is wrong with the page that the tab shows, wide and as narrow as a phone."""
    tab.set_viewport_size({"width": 1280, "height": 900})
    found = [f"formula not typeset: {text!r}" for text in tab.evaluate(UNTYPESET)]
    found += [f"raw formula: {text!r}" for text in tab.evaluate(RAW_MATHS)]
    tab.set_viewport_size({"width": 360, "height": 800})
    tab.evaluate(NEXT_FRAME)
    width = tab.evaluate("() => document.scrollingElement.scrollWidth")
    found += [f"{width} pixels wide on a phone of 360"] if width > 360 else []
    found += [f"wider than a phone: {text}" for text in tab.evaluate(TOO_WIDE)]
    found += [f"scrolls, but not by keyboard: {text}" for text in tab.evaluate(UNREACHABLE)]
    return found + tab.problems


def test_every_page(tab, read, site):
    """One test, to start the browser's cache once."""
    names, problems = pages(site), []
    assert len(names) > 10
    for name in names:
        tab.problems.clear()
        problems += [f"{name}: {problem}" for problem in findings(read(tab, name))]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("<p>$$ x $$</p>", "raw formula"),
        ('<span class="math">y</span>', "not typeset"),
        ('<div style="width: 900px">wide</div>', "wider than a phone"),
        ('<img src="missing.png" alt="none">', "404"),
        ('<img src="https://example.org/x.png" alt="none">', "remote request"),
        ('<div style="overflow: auto"><p style="width: 900px">w</p></div>', "not by keyboard"),
    ],
)
def test_faults_are_found(tab, read, fault, message):
    read(tab, "book/index.html")
    assert not findings(tab)
    tab.evaluate("fault => document.querySelector('article').innerHTML += fault", fault)
    tab.wait_for_load_state("networkidle")
    assert any(message in problem for problem in findings(tab))
