"""Check a built site: missing files and anchors, images without alt, remote loads.

    python tools/site/linkcheck.py _build/html

Prints one line per finding and exits with 1 if there is any. Own, of the standard library alone:
all pages in 0.6 s, without a request.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}
# A <link> with one of these relations makes the browser fetch its target.
FETCHED = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "manifest"}


class Page(HTMLParser):
    """Anchors, links and loads of one page."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.problems = {""}, [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = {name: value or "" for name, value in attrs}
        self.anchors |= {attrs[key] for key in ("id", "name") if key in attrs}
        if tag == "img" and not attrs.get("alt", "").strip():
            self.problems.append(f"image without alt text: {attrs.get('src', '')[:60]}")
        target = attrs.get(LOADING.get(tag, "href" if tag == "a" else ""))
        if target is None:
            return
        if tag == "link" and not FETCHED & set(attrs.get("rel", "").split()):
            return
        remote = urlsplit(target)
        if remote.netloc and tag != "a":
            self.problems.append(f"remote load: <{tag}> {target}")
        elif not remote.scheme and not remote.netloc:
            self.links.append(target)


def findings(root):
    """One line per problem of the site under `root`."""
    root = root.resolve()
    skip = root / "_static"  # the themes' own templates
    paths = sorted(p for p in root.rglob("*.html") if skip not in p.parents)
    pages = {path: Page(path) for path in paths}
    for path, page in pages.items():
        name = path.relative_to(root)
        yield from (f"{name}: {problem}" for problem in page.problems)
        for link in page.links:
            parts = urlsplit(link)
            where = unquote(parts.path)
            base = root if where.startswith("/") else path.parent
            target = (base / where.lstrip("/")).resolve() if where else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{name}: missing file: {link}"
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: missing anchor: {link}"
    if not pages:
        yield f"{root}: no pages; build the book first"


def main():
    problems = sorted(set(findings(Path(sys.argv[1]))))
    print("\n".join(problems) if problems else "links: all found")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
