"""The built site in a real browser, with the network cut."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import linkcheck
import pytest

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Every element of class math that holds no typeset formula, or one that MathJax could not read.
UNTYPESET = """() => [...document.querySelectorAll('.math, mjx-merror, [data-mjx-error]')]
    .filter(e => !e.matches('.math') || !e.querySelector('mjx-container'))
    .map(e => e.textContent)"""
RAW_MATHS = r"""() => {
    const walker = document.createTreeWalker(document.querySelector('article'), 4);
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


def is_stale() -> bool:
    """Whether a source of the site is newer than the built one."""
    sources = [ROOT / "_config.yml", ROOT / "_toc.yml", ROOT / "tools" / "site_assets.py"]
    sources += [path for path in (ROOT / "tools" / "instruments").rglob("*.*")]
    sources += [path for path in (ROOT / "book").rglob("*") if path.is_file()]
    built = SITE / "index.html"
    return not built.exists() or built.stat().st_mtime < max(p.stat().st_mtime for p in sources)


@pytest.fixture(scope="module")
def site() -> Path:
    if is_stale():
        subprocess.run(["make", "book", f"PYTHON={sys.executable}"], cwd=ROOT, check=True)
    return SITE


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address(site):
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"no system browser; any of these will do: {', '.join(BROWSERS)}")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser, address):
    """A page of 1280 pixels width that notes in `problems` whatever goes wrong in it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, problems = context.new_page(), []

    def local_only(route):
        if route.request.url.startswith(address):
            return route.continue_()
        problems.append(f"remote request: {route.request.url}")
        return route.abort()

    context.route("**/*", local_only)
    page.on("console", lambda m: m.type == "error" and problems.append(f"console: {m.text}"))
    page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("response", lambda r: r.status >= 400 and problems.append(f"{r.status}: {r.url}"))
    page.problems = problems
    yield page
    context.close()


def open_page(tab, url):
    tab.goto(url, wait_until="load")
    tab.evaluate("() => window.MathJax?.startup?.promise")


def test_links(site):
    assert not sorted(linkcheck.findings(site))


def test_link_check_rejects_a_broken_site(tmp_path):
    (tmp_path / "b.html").write_text("<p id='here'>b</p>")
    (tmp_path / "a.html").write_text(
        "<a href='b.html#here'>fine</a> <a href='https://example.org'>fine</a>"
        "<a href='c.html'>1</a> <a href='b.html#there'>2</a> <img src='b.html'>"
        "<script src='https://example.org/x.js'></script>"
        "<link rel='stylesheet' href='//example.org/x.css'>"
    )
    found = "\n".join(linkcheck.findings(tmp_path))
    assert found.count("\n") == 4
    for problem in ("missing file: c.html", "missing anchor: b.html#there", "without alt text"):
        assert problem in found
    assert found.count("remote load") == 2


def test_every_page(tab, address, site):
    """Every page, wide and as narrow as a phone; one test, to start the browser's cache once."""
    pages = sorted(str(p.relative_to(site)) for p in (site / "book").rglob("*.html"))
    assert pages
    problems = []
    for name in pages:
        tab.problems.clear()
        tab.set_viewport_size({"width": 1280, "height": 900})
        open_page(tab, f"{address}/{name}")
        found = [f"formula not typeset: {text!r}" for text in tab.evaluate(UNTYPESET)]
        found += [f"raw formula: {text!r}" for text in tab.evaluate(RAW_MATHS)]
        tab.set_viewport_size({"width": 360, "height": 800})
        tab.evaluate(NEXT_FRAME)
        width = tab.evaluate("() => document.scrollingElement.scrollWidth")
        found += [f"{width} pixels wide on a phone of 360"] if width > 360 else []
        found += [f"wider than a phone: {text}" for text in tab.evaluate(TOO_WIDE)]
        problems += [f"{name}: {problem}" for problem in found + tab.problems]
    assert not problems, "\n".join(problems)


def test_checks_see_what_is_wrong(tab, address):
    """The checks of test_every_page find faults that are put into a good page."""
    open_page(tab, f"{address}/book/index.html")
    tab.set_viewport_size({"width": 360, "height": 800})
    tab.evaluate("""() => {
        const article = document.querySelector('article');
        article.innerHTML += '<p>$$ x $$</p><div style="width: 900px">wide</div>';
        article.innerHTML += '<span class="math">y</span><img src="missing.png">';
    }""")
    tab.wait_for_load_state("networkidle")
    assert any("wide" in text for text in tab.evaluate(TOO_WIDE))
    assert tab.evaluate(RAW_MATHS) == ["$$ x $$"]
    assert tab.evaluate(UNTYPESET) == ["y"]
    assert any(problem.startswith("404") for problem in tab.problems)


def test_front_page_leads_to_the_book(tab, address):
    tab.goto(f"{address}/index.html")
    tab.wait_for_url("**/book/index.html")
    assert not tab.problems


def test_theme_switch(tab, address):
    open_page(tab, f"{address}/book/index.html")
    seen = []
    for _ in range(3):
        tab.locator(".theme-switch-button:visible").first.click()
        dataset = tab.evaluate("() => ({...document.documentElement.dataset})")
        background = tab.evaluate("() => getComputedStyle(document.body).backgroundColor")
        seen.append((dataset["mode"], dataset["theme"], background))
    assert {mode for mode, _, _ in seen} == {"light", "dark", "auto"}
    colours = {theme: background for _, theme, background in seen}
    assert colours["light"] != colours["dark"]
    assert not tab.problems


def test_search_finds_the_shortcut(tab, address):
    tab.goto(f"{address}/search.html?q=shortcut")
    tab.wait_for_selector("#search-results li a")
    assert "shortcut" in tab.locator("#search-results").inner_text().lower()
    assert tab.locator("input[name=q]:visible").count() == 1
    assert not tab.problems


def test_chapters_open_in_colab(site):
    """The button leads to the page's own notebook in the repository."""
    chapters = sorted((ROOT / "book").rglob("[!.]*.ipynb"))
    for chapter in chapters:
        name = chapter.relative_to(ROOT)
        html = (site / name).with_suffix(".html").read_text()
        assert f"/blob/main/{name}" in html
        assert f"_sources/{name}" in html
