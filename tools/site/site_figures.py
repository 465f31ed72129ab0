"""Sphinx extension: every figure has a caption with its number, and an SVG to take away.

A cell whose first line is `# @title Figure 2: the answer` or `# @title Drawing: what it shows` is a
figure of the book. Under its picture stand number, answer and a link to the SVG, which says itself
what it is and whose. The page book/figures.md shows all of them in the place of `% figures`, and
book/slides/*.yml name them for the slides.
"""

import base64
import html
import io
import re
from dataclasses import dataclass

import nbformat
from docutils import nodes
from PIL import Image
from site_experiments import ROOT, in_order_of_the_book, title

PAGE, MARK = "book/figures", "% figures"
TITLE = re.compile(r"# @title (Figure \d+|Drawing|Pictures)(?::| (?=that|of)) ?(.+)")
CREDIT = "{book}, chapter {chapter}. CC BY 4.0."
FOLDER = "figures"


@dataclass(frozen=True)
class Figure:
    """A picture of a chapter: "Figure 2", the sentence that it answers with, what is seen."""

    chapter: str
    number: str
    caption: str
    alt: str
    svg: str

    @property
    def file(self):
        """problem-degradation-figure-2.svg"""
        return f"{self.chapter}-{self.number}".replace("/", "-").replace(" ", "-").lower() + ".svg"


def vector(cell):
    """The SVG of a cell's picture: its output, or what lies beside a plot; None without."""
    for output in cell.get("outputs", ()):
        found = output.get("data", {}).get("image/svg+xml") or output.get("metadata", {}).get("svg")
        if found:
            return found
    for output in cell.get("outputs", ()):
        for kind in ("image/png", "image/jpeg"):
            if kind in output.get("data", {}):
                return framed(kind, output["data"][kind])
    return None


def framed(kind, data):
    """A picture of pixels in an SVG: what the command line drew."""
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        w, h = picture.size
    data = "".join(data.split())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}">'
        f'<image width="{w}" height="{h}" href="data:{kind};base64,{data}"/></svg>'
    )


def figures(chapter, notebook):
    """The figures of a chapter, in order; what has no number of its own is counted here."""
    found, drawn = [], 0
    for cell in notebook.cells:
        line = TITLE.match(cell.source) if cell.cell_type == "code" else None
        svg = line and vector(cell)
        if svg:
            drawn += not line[1].startswith("Figure")
            number = line[1] if line[1].startswith("Figure") else f"Drawing {drawn}"
            caption = line[2] if line[1] != "Pictures" else f"pictures {line[2]}"
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            found.append(Figure(chapter, number, caption, alt, svg))
    return found


def of_chapter(chapter):
    """The figures of the stored notebook."""
    path = ROOT / "book" / f"{chapter}.ipynb"
    return figures(chapter, nbformat.read(path, 4)) if path.exists() else []


def credited(figure, book):
    """The SVG with a title and a description, which drawing programs and screen readers show."""
    says = CREDIT.format(book=book, chapter=title(figure.chapter))
    head = (
        f"<title>{html.escape(f'{figure.number}: {figure.caption}')}</title>"
        f"<desc>{html.escape(f'{figure.alt} {says}'.strip())}</desc>"
    )
    svg = re.sub(r"<title>.*?</title>|<desc>.*?</desc>", "", figure.svg, flags=re.DOTALL)
    return re.sub(r"(<svg\b[^>]*>)", lambda tag: tag[1] + head, svg, count=1)


def caption(figure, up):
    """Number, answer, link."""
    link = nodes.reference("", "SVG", refuri=f"{up}{FOLDER}/{figure.file}", internal=False)
    link["classes"].append("figure-file")
    text = nodes.paragraph(
        "", "", nodes.strong("", figure.number), nodes.Text(f": {figure.caption} ")
    )
    text += link
    return nodes.container("", text, classes=["figure-caption"])


def put_captions(app, doctree):
    """Under each figure of a chapter; its fold then need not repeat them."""
    docname = app.env.docname
    found = {(f.number, f.caption): f for f in of_chapter(docname.removeprefix("book/"))}
    if not found:
        return
    left, up = list(found.values()), "../" * docname.count("/")
    for cell in doctree.findall(
        lambda n: "cell" in getattr(n, "attributes", {}).get("classes", ())
    ):
        code = next(cell.findall(nodes.literal_block), None)
        if code is None or not left or not TITLE.match(code.astext()):
            continue
        if TITLE.match(code.astext())[2] in left[0].caption:
            cell += caption(left.pop(0), up)
            for fold in cell.findall(lambda n: "prompt_show" in getattr(n, "attributes", {})):
                fold["prompt_show"], fold["prompt_hide"] = "Show the code", "Hide the code"


def gallery(chapter):
    """The figures of a chapter as HTML, each a picture that leads to its file."""
    rows = [
        f'<figure><a href="../{FOLDER}/{f.file}"><img loading="lazy" alt="{html.escape(f.alt)}" '
        f'src="../{FOLDER}/{f.file}"></a><figcaption><b>{f.number}</b>: {html.escape(f.caption)}'
        "</figcaption></figure>"
        for f in of_chapter(chapter)
    ]
    if not rows:
        return ""
    inside = "\n".join(rows)
    return (
        f"## {{doc}}`/book/{chapter}`\n\n```{{raw}} html\n"
        f'<div class="gallery">\n{inside}\n</div>\n```\n'
    )


def write(app, docname, source):
    if docname == PAGE:
        source[0] = source[0].replace(MARK, "\n".join(map(gallery, in_order_of_the_book())))


def save(app, error):
    """All SVG files, in the folder `figures` of the site."""
    if error is None and app.builder.format == "html":
        folder = app.outdir / FOLDER
        folder.mkdir(exist_ok=True)
        for docname in sorted(app.env.found_docs):
            for figure in of_chapter(docname.removeprefix("book/")):
                (folder / figure.file).write_text(credited(figure, app.config.project))


def setup(app):
    app.connect("source-read", write)
    app.connect("doctree-read", put_captions)
    app.connect("build-finished", save)
    app.connect("env-get-outdated", lambda *_: [PAGE])  # chapters are no source of this page
    return {"parallel_read_safe": True, "parallel_write_safe": True}
