"""A small web server on this machine, for tests of downloads."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """`files` by path; `requests` lists (path, Range header) of every request.

    `cut` ends each answer after so many bytes although more were announced; `ranges` says whether a
    part of a file can be asked for, and `announced` whether an answer begins with its length.
    """

    def __init__(self, address: str):
        self.address = address
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.cut: int | None = None
        self.ranges = True
        self.announced = True

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site, asked = self.server.site, self.headers.get("Range")
        path = self.path.lstrip("/")
        site.requests.append((path, asked))
        if path not in site.files:
            return self.send_error(404)
        content, first = site.files[path], 0
        if asked and site.ranges:
            first = int(asked.removeprefix("bytes=").rstrip("-"))
            if first >= len(content):
                return self.send_error(416)
        self.send_response(206 if asked and site.ranges else 200)
        if site.announced:
            self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        self.wfile.write(content[first:][: site.cut])

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
