"""The built site on a local server, and the system's Chromium to look at it.

    python tools/site/browsing.py 8000      # serves _build/html until Ctrl-C

Own, since http.server compresses nothing, knows no folder and no page 404.html, and meets a port in
use with a traceback.
"""

import gzip
import http.server
import shutil
import sys
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from site_address import pages_address, repository

ROOT = Path(__file__).resolve().parents[2]
# The site's folder on GitHub Pages, where the book is public.
PREFIX = urlsplit(pages_address(repository(ROOT))).path.rstrip("/")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
COMPRESSED = {".html", ".css", ".js", ".svg", ".json", ".xml", ".ipynb"}


class Pages(http.server.SimpleHTTPRequestHandler):
    """As GitHub Pages does it: in a folder of its own, text compressed, 404.html for what does not
    exist."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            return self.send(404, Path(self.directory, "404.html"))
        self.send(200, path)

    def send(self, status, path):
        content = path.read_bytes()
        self.send_response(status)
        self.send_header("Content-Type", self.guess_type(path))
        if path.suffix in COMPRESSED and "gzip" in self.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content, compresslevel=6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def translate_path(self, path):
        inside = urlsplit(path).path.startswith(f"{PREFIX}/")
        return super().translate_path(path.removeprefix(PREFIX) if inside else "/outside")

    def log_message(self, *args):
        pass


@contextmanager
def served(site, port=0):
    """Serve the built site; gives its address, without a slash at the end."""
    handler = partial(Pages, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}{PREFIX}"
        server.shutdown()


def executable():
    """The path of the system's Chromium, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def chromium():
    from playwright.sync_api import sync_playwright

    if executable() is None:
        raise SystemExit(f"a browser is needed: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable(), args=FLAGS)
        yield browser
        browser.close()


def main():
    port = int(sys.argv[1])
    try:
        with served(ROOT / "_build" / "html", port) as address:
            print(f"{address}/   (Ctrl-C ends it)", flush=True)
            threading.Event().wait()
    except OSError as error:
        sys.exit(f"port {port}: {error.strerror}; choose another one: make serve PORT={port + 1}")
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
