"""Sphinx extension: the table of exercises on the page for teachers, read from the chapters.

It takes the place of the comment `% exercises` in book/teaching.md at every build.
"""

import re

import nbformat
from site_experiments import ROOT, in_order_of_the_book

PAGE, MARK = "book/teaching", "% exercises"
HEADING = re.compile(r"^### (\d+)\. (.*?) \((\d+) minutes?.*\)$", re.MULTILINE)


def exercises(notebook):
    """(number, title, minutes, whether a checker judges the answer) of each, in order."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for number, title, minutes in HEADING.findall(cell.source):
                found.append([int(number), title, int(minutes), False])
        elif found and re.search(r"^check\.\w+\(", cell.source, re.MULTILINE):
            found[-1][3] = True
    return found


def table():
    """All exercises of the book as MyST, in the order of _toc.yml."""
    rows = ["| exercise | minutes | judged by |", "| --- | --- | --- |"]
    for chapter in in_order_of_the_book():
        path = ROOT / "book" / f"{chapter}.ipynb"
        if path.exists():
            rows.append(f"| **{{doc}}`/book/{chapter}`** | | |")
            for number, title, minutes, checked in exercises(nbformat.read(path, 4)):
                judge = "a checker" if checked else "the solution"
                rows.append(f"| {number}. {title} | {minutes} | {judge} |")
    return "\n".join(rows)


def write(app, docname, source):
    if docname == PAGE:
        source[0] = source[0].replace(MARK, table())


def setup(app):
    app.connect("source-read", write)
    app.connect("env-get-outdated", lambda *_: [PAGE])  # chapters are no source of this page
    return {"parallel_read_safe": True, "parallel_write_safe": True}
