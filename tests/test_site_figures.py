"""Every figure of the book can be taken away: numbered, with its caption and its credit."""

import re
import xml.etree.ElementTree as ET

import nbformat
import pytest
import site_figures
from nbformat.v4 import new_code_cell, new_notebook, new_output
from test_chapters import NOTEBOOKS

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="1"><title>old</title><path d="M0 0"/></svg>'
NAMES = [str(path).split("/book/")[1].removesuffix(".ipynb") for path in NOTEBOOKS]


def cell(source, data, **metadata):
    output = new_output("display_data", data, metadata=metadata)
    return new_code_cell(source, outputs=[output])


def test_drawings_are_counted_and_figures_keep_their_number():
    cells = [
        cell("# @title Drawing: a block\nx", {"image/svg+xml": SVG}),
        cell("# @title Figure 7: it falls\nx", {"image/png": ""}, svg=SVG),
        cell("# @title Check of (a): no figure\nx", {"image/svg+xml": SVG}),
        cell("# @title Drawing: without a picture\nx", {"text/plain": ""}),
        cell("# @title Pictures that it gets wrong\nx", {"image/png": ""}, svg=SVG),
    ]
    found = site_figures.figures("part/name", new_notebook(cells=cells))
    assert [(f.number, f.caption, f.file) for f in found] == [
        ("Drawing 1", "a block", "part-name-drawing-1.svg"),
        ("Figure 7", "it falls", "part-name-figure-7.svg"),
        ("Drawing 2", "pictures that it gets wrong", "part-name-drawing-2.svg"),
    ]


def test_a_file_says_what_it_is_and_whose():
    figure = site_figures.Figure("problem/degradation", "Figure 1", "a < b", "Dots.", SVG)
    root = ET.fromstring(site_figures.credited(figure, "The Book"))
    title, about, path = root
    assert title.text == "Figure 1: a < b"
    assert about.text.startswith("Dots. The Book, chapter ") and "CC BY 4.0" in about.text
    assert path.get("d") == "M0 0"


@pytest.mark.parametrize("chapter", NAMES)
def test_every_picture_of_a_chapter_has_its_file(chapter, site):
    notebook = nbformat.read(site_figures.ROOT / "book" / f"{chapter}.ipynb", 4)
    titled = [
        c
        for c in notebook.cells
        if re.match(r"# @title (Figure|Drawing|Pictures)", c.source)
        and any(k.startswith("image/") for o in c.outputs for k in o.get("data", {}))
    ]
    found = site_figures.of_chapter(chapter)
    assert len(found) == len(titled) and len({f.file for f in found}) == len(found)
    page = (site / f"book/{chapter}.html").read_text()
    assert page.count('class="figure-caption') == len(found)
    for figure in found:
        ET.parse(site / "figures" / figure.file)
        assert f"figures/{figure.file}" in page
        assert f"figures/{figure.file}" in (site / "book/figures.html").read_text()
