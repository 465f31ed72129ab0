"""The page for teachers lists every exercise of the book."""

import nbformat
import site_teaching
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from test_chapters import NOTEBOOKS


def test_exercises_are_read_from_headings_and_cells():
    cells = [
        new_markdown_cell("# A\n\n## Exercises\n\n### 1. By hand (5 minutes)\n\nHow many?"),
        new_markdown_cell("### 2. In code (1 minute)"),
        new_code_cell("def f(x):\n    return None\n\n\ncheck.f(f)"),
    ]
    found = site_teaching.exercises(new_notebook(cells=cells))
    assert found == [[1, "By hand", 5, False], [2, "In code", 1, True]]


def test_every_chapter_has_three_to_six_and_the_first_takes_five_minutes():
    for path in NOTEBOOKS:
        found = site_teaching.exercises(nbformat.read(path, 4))
        assert 3 <= len(found) <= 6, path
        assert [number for number, *_ in found] == list(range(1, len(found) + 1)), path
        assert found[0][2] <= 5, path


def test_the_page_has_a_row_for_each(site):
    html = (site / "book/teaching.html").read_text()
    for path in NOTEBOOKS:
        for number, title, *_ in site_teaching.exercises(nbformat.read(path, 4)):
            assert f"{number}. {title.split(' ')[0]}" in html, path
