"""Sphinx extension: slides from the book's own figures, one HTML file a deck, without other files.

book/slides/NAME.yml lists the slides: a title, a figure ("problem/degradation Figure 1"), what to
say and what to ask. The file _static/slides/NAME.html of the site shows one a screen, prints one a
page, and keeps its figures inside, so that it can be saved and shown anywhere.
"""

import base64
import html

import site_figures
import yaml
from site_experiments import ROOT, title

SOURCES = ROOT / "book" / "slides"
STYLE = """
* { box-sizing: border-box; margin: 0 }
html { scroll-snap-type: y mandatory; font: 2.2vmin/1.4 system-ui, sans-serif; color: #1c1c1c }
section { height: 100vh; scroll-snap-align: start; padding: 4vmin 6vmin; display: grid;
  grid-template-rows: auto minmax(0, 1fr) auto; gap: 2vmin; background: #fff }
h1 { font-size: 2em; line-height: 1.2 } h1 small { color: #666; font-size: .45em }
img { width: 100%; height: 100%; object-fit: contain }
.text { display: grid; gap: 1vmin; max-width: 110vmin } .ask { color: #0072b2; font-weight: 600 }
.credit { color: #666; font-size: .6em }
@media print { @page { size: 297mm 167mm; margin: 0 } section { break-after: page } }
"""
KEYS = """
addEventListener("keydown", (event) => {
  const way = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1,
    PageUp: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  scrollTo({ top: (Math.round(scrollY / innerHeight) + way) * innerHeight });
});
"""


def figure(name):
    """The figure called "problem/degradation Figure 1"; ValueError when there is none."""
    chapter, _, number = name.partition(" ")
    for found in site_figures.of_chapter(chapter):
        if found.number == number:
            return found
    raise ValueError(f"slides: {chapter} has no {number}")


def slide(entry, deck, book):
    """One screen."""
    picture, credit = "", html.escape(book)
    if name := entry.get("figure"):
        found = figure(name)
        data = base64.b64encode(found.svg.encode()).decode()
        picture = f'<img alt="{html.escape(found.alt)}" src="data:image/svg+xml;base64,{data}">'
        credit += f", {html.escape(title(found.chapter))}, {found.number.lower()}"
    heading, small = html.escape(entry["title"]), html.escape(deck["title"])
    return (
        f"<section><h1>{heading} <small>{small}</small></h1>"
        f'<div>{picture}</div><div class="text"><p>{html.escape(entry["say"])}</p>'
        f'<p class="ask">{html.escape(entry["ask"])}</p>'
        f'<p class="credit">{credit}. CC BY 4.0.</p></div></section>'
    )


def document(deck, book):
    """The whole file."""
    slides = "\n".join(slide(entry, deck, book) for entry in deck["slides"])
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(deck['title'])}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n{slides}\n</main>\n"
        f"<script>{KEYS}</script></body></html>\n"
    )


def save(app, error):
    if error is None and app.builder.format == "html":
        folder = app.outdir / "_static" / "slides"
        folder.mkdir(exist_ok=True)
        for source in sorted(SOURCES.glob("*.yml")):
            text = document(yaml.safe_load(source.read_text()), app.config.project)
            (folder / f"{source.stem}.html").write_text(text)


def setup(app):
    app.connect("build-finished", save)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
