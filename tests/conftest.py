"""What several test modules share: the repository, the built site, and a browser on it."""

import subprocess
import sys
from pathlib import Path

import browsing
import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


def left(request) -> bool:
    """Whether the page was left before the answer came."""
    return request.failure == "net::ERR_ABORTED"


def is_stale() -> bool:
    """Whether a source of the site is newer than the built one."""
    sources = [ROOT / "_config.yml", ROOT / "_toc.yml"]
    for folder in (ROOT / "book", ROOT / "tools" / "site"):
        sources += [path for path in folder.rglob("*") if path.is_file()]
    sources += (ROOT / "resnet_tutorial").rglob("*.py")  # their docstrings are pages
    sources += (ROOT / "resnet_tutorial" / "results").rglob("*.json")  # on the page Experiments
    built = SITE / "_static" / "site.js"  # written last
    return not built.exists() or built.stat().st_mtime < max(p.stat().st_mtime for p in sources)


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The built site; one of the test processes builds it where it is older than its sources."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "site.lock"):
        if is_stale():
            subprocess.run(["make", "book", f"PYTHON={sys.executable}"], cwd=ROOT, check=True)
    return SITE


@pytest.fixture(scope="session")
def address(site):
    """Where a local server shows the built site."""
    with browsing.served(site) as address:
        yield address


@pytest.fixture(scope="session")
def base_url(address):
    """Of pytest-playwright, whose own fixture pytest 9 calls deprecated."""
    return address


@pytest.fixture(scope="session")
def browser_type_launch_args():
    """pytest-playwright launches the system's Chromium."""
    if browsing.executable() is None:
        pytest.skip(f"no system browser; any of these will do: {', '.join(browsing.BROWSERS)}")
    return {"executable_path": browsing.executable(), "args": browsing.FLAGS}


@pytest.fixture
def new_tab(new_context, address):
    """Opens a page of 1280 pixels width, or with other settings of its context, that notes in
    `problems` whatever goes wrong in it; the network ends at the local server."""

    def open_tab(**settings):
        context = new_context(**{"viewport": {"width": 1280, "height": 900}} | settings)
        page, problems = context.new_page(), []

        def local_only(route):
            if route.request.url.startswith(address):
                return route.continue_()
            problems.append(f"remote request: {route.request.url}")
            return route.abort()

        context.route("**/*", local_only)
        page.on("console", lambda m: m.type == "error" and problems.append(f"console: {m.text}"))
        page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
        page.on("requestfailed", lambda r: left(r) or problems.append(f"failed: {r.url}"))
        page.on("response", lambda r: r.status >= 400 and problems.append(f"{r.status}: {r.url}"))
        page.problems = problems
        return page

    return open_tab


@pytest.fixture
def tab(new_tab):
    return new_tab()


@pytest.fixture
def read(address):
    """Open a page of the site in a tab, to the last typeset formula."""

    def read(tab, name):
        tab.goto(f"{address}/{name}", wait_until="load")
        tab.evaluate("() => window.MathJax?.startup?.promise")
        return tab

    return read
