"""Print the built site as one book: python tools/site/book_pdf.py [_build/book.pdf]

All pages, in the order of _toc.yml, become one page whose links stay inside it; the system's
Chromium typesets its formulas and prints it, with an outline and page numbers.
"""

import posixpath
import re
import sys
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import browsing
import yaml
from pypdf import PdfWriter
from pypdf.generic import NameObject, TextStringObject

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
ARTICLE = re.compile(r'<article class="bd-article">(.*)</article>', re.S)
HEADING = re.compile(r'<h[1-6][^>]*>(.*?)(?:<a class="headerlink".*?)?</h[1-6]>', re.S)
# What nobody can move on paper, and the picture and the table that stand in for it.
MOVED = re.compile(r'(<section class="instrument.*?)<form.*?<noscript>(.*?)</noscript>', re.S)
NAMES = re.compile(r'\b(id|href|src)="([^"]*)"')
FOOTER = """<div style="width: 100%; text-align: center; font: 8pt sans-serif">
<span class="pageNumber"></span></div>"""
# What the pages themselves tell MathJax.
SETTINGS = '<script>window.MathJax = {options: {processHtmlClass: "math"}}</script>'
UNTYPESET = """() => [...document.querySelectorAll('.math')]
    .filter(e => !e.querySelector('mjx-container')).length"""
STYLE = """
  body { background: #fff; }
  article { break-before: page; }
  .title { padding-top: 30vh; text-align: center; }
  .contents { break-before: page; list-style: none; padding: 0; }
  .contents .section-number { display: inline-block; min-width: 2em; }
"""


def page_names(toc):
    """The pages of a table of contents, the landing page first."""
    yield toc["root"]
    for part in toc["parts"]:
        yield from (str(Path(chapter["file"]).with_suffix("")) for chapter in part["chapters"])


def inside(name, names):
    """A function that makes an id or an address of the page `name` one of the whole book."""

    def replace(match):
        kind, value = match.groups()
        if kind == "id":
            return f'id="{name}/{value}"'
        parts = urlsplit(value)
        if parts.scheme or parts.netloc:
            return match[0]
        target = posixpath.normpath(urljoin(f"{name}.html", parts.path) or f"{name}.html")
        page = target.removesuffix(".html")
        if kind == "href" and page in names:
            return f'href="#{page}/{parts.fragment}"' if parts.fragment else f'href="#{page}"'
        return f'{kind}="{target}"'

    return replace


def whole_book(pages):
    """One page from the HTML of several, {name: HTML} in the order of the book."""
    articles, contents = [], []
    for name, html in pages.items():
        article = MOVED.sub(r"\1\2", ARTICLE.search(html)[1])
        title = HEADING.search(article)[1]
        contents.append(f'<li><a href="#{name}">{title}</a></li>')
        text = NAMES.sub(inside(name, pages), article)
        articles.append(f'<article class="bd-article bd-content" id="{name}">{text}</article>')
    first = re.search(r"<title>(.*?)</title>", next(iter(pages.values())), re.S)[1]
    title = first.split("&#8212;")[0].strip()
    return (
        f'<!DOCTYPE html>\n<html lang="en" data-theme="light"><head><meta charset="utf-8">\n'
        f"<title>{title}</title>\n"
        f'<link rel="stylesheet" href="_static/site.css"><style>{STYLE}</style>\n'
        f'{SETTINGS}<script defer src="_static/mathjax/mathjax.js"></script></head><body>\n'
        f'<div class="title"><p style="font-size: 3rem">{title}</p></div>\n'
        f'<ul class="contents">{"".join(contents)}</ul>\n{"".join(articles)}</body></html>'
    )


def print_book(browser, pages, site, target):
    """Write the PDF of `pages`, {name: HTML} of the built `site`, to `target`."""
    with browsing.served(site) as address:
        tab = browser.new_page()
        tab.set_default_timeout(0)  # a whole book takes its time
        everything = f"{address}/everything.html"
        book = whole_book(pages)
        tab.route(everything, lambda route: route.fulfill(body=book, content_type="text/html"))
        tab.goto(everything)
        tab.add_script_tag(path=ROOT / "book/_static/print.js")
        tab.evaluate("() => window.MathJax.startup.promise")
        if missing := tab.evaluate(UNTYPESET):
            raise RuntimeError(f"{missing} formulas were not typeset; build the book again")
        margin = {"top": "16mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
        tab.pdf(path=target, format="A4", margin=margin, outline=True, tagged=True,
                print_background=True, display_header_footer=True, header_template="<span></span>",
                footer_template=FOOTER)  # fmt: skip
    mend_outline(target, headings(book))


def headings(book):
    """The texts of a page's headings."""
    texts = (re.sub(r"<[^>]*>|\\[()]", "", text) for text in HEADING.findall(book))
    return [" ".join(unescape(text).split()) for text in texts]


def outline(entry):
    """The entries of a PDF's outline in the order of the book, from its root."""
    child = entry.get("/First")
    while child is not None:
        child = child.get_object()
        yield child
        yield from outline(child)
        child = child.get("/Next")


def mend_outline(path, titles):
    """Chromium loses the spaces at line ends of a heading, and repeats some: write it anew."""
    book = PdfWriter(clone_from=path)
    entries = list(outline(book.root_object["/Outlines"].get_object()))
    if len(entries) != len(titles):
        raise RuntimeError(f"{len(titles)} headings, but {len(entries)} entries in the outline")
    for entry, title in zip(entries, titles, strict=True):
        entry[NameObject("/Title")] = TextStringObject(title)
    book.write(path)


def main():
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_build" / "book.pdf"
    names = page_names(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    pages = {name: (SITE / f"{name}.html").read_text(encoding="utf-8") for name in names}
    with browsing.chromium() as browser:
        print_book(browser, pages, SITE, target)
    print(f"{target}   ({target.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
