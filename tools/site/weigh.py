"""Weigh the built site: python tools/site/weigh.py [PAGE ...]

For each page, opened with an empty cache: requests, bytes as sent (text compressed) and as they
are, and on a slow telephone's connection the time until something is shown and until the last
formula is typeset. Then the medians, the time on a fast connection, and the time of a build.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import browsing

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8,
        "uploadThroughput": 0.75e6 / 8}  # fmt: skip
LOOK_AT_MATHS = """addEventListener("DOMContentLoaded", () => window.MathJax?.startup?.promise.then(
    () => { window.typesetAt = performance.now(); }));"""
SHOWN = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"
TYPESET = "() => Promise.resolve(window.MathJax?.startup?.promise).then(() => window.typesetAt)"


def visit(browser, url, conditions=None):
    """Open a page with an empty cache: (requests, bytes sent, bytes, ms to content, ms to maths);
    the last is None on a page without formulas."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(120_000)
    protocol = context.new_cdp_session(tab)
    protocol.send("Network.enable")
    if conditions:
        protocol.send("Network.emulateNetworkConditions", conditions)
    requests, sent, raw = [], [], []
    protocol.on("Network.requestWillBeSent", lambda e: requests.append(e["request"]["url"]))
    protocol.on("Network.loadingFinished", lambda e: sent.append(e["encodedDataLength"]))
    protocol.on("Network.dataReceived", lambda e: raw.append(e["dataLength"]))
    tab.add_init_script(LOOK_AT_MATHS)
    tab.goto(url)
    typeset = tab.evaluate(TYPESET)
    tab.wait_for_load_state("networkidle")
    remote = [url for url in requests if url.startswith("http")]  # not the embedded fonts
    result = len(remote), sum(sent), sum(raw), tab.evaluate(SHOWN), typeset
    context.close()
    return result


def line(name, requests, sent, raw, shown, typeset):
    maths = f"{typeset / 1000:7.1f} s" if typeset else "        -"
    return (f"{name:<36}{requests:>9}{sent / 1000:>9.0f} kB{raw / 1000:>8.0f} kB"
            f"{shown / 1000:>9.1f} s{maths}")  # fmt: skip


def weigh(names):
    print(f"{'page':<36}{'requests':>9}{'sent':>12}{'raw':>11}{'content':>11}{'maths':>9}")
    slow, fast = [], []
    with browsing.served(SITE) as address, browsing.chromium() as browser:
        for name in names:
            slow.append(visit(browser, f"{address}/{name}", SLOW))
            fast.append(visit(browser, f"{address}/{name}"))
            print(line(name, *slow[-1]), flush=True)
    typeset = [row[-1] for row in slow if row[-1]]
    columns = [median(column) for column in list(zip(*slow, strict=True))[:-1]]
    print(line("median", *columns, median(typeset) if typeset else None))
    shown = [row[3] for row in fast]
    print(f"times above: {SLOW['downloadThroughput'] * 8 / 1e6} Mbit/s, {SLOW['latency']} ms")
    print(f"content without a limit: median {median(shown):.0f} ms, at most {max(shown):.0f} ms")


def build_seconds():
    """A build of the whole site into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        command = [str(Path(sys.executable).parent / "jupyter-book"), "build", ".", "-q"]
        subprocess.run([*command, "--path-output", folder], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        return time.perf_counter() - start


def main():
    found = sorted(str(path.relative_to(SITE)) for path in (SITE / "book").rglob("*.html"))
    names = sys.argv[1:] or found
    if not names:
        sys.exit("no built site: run `make book` first")
    weigh(names)
    if names == found:
        print(f"build: {build_seconds():.1f} s")


if __name__ == "__main__":
    main()
