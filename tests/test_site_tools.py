"""The Sphinx extensions of the site, piece by piece."""

import io
import re
import shutil
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import book_pdf
import pytest
import site_address
import site_bundle
import site_meta
import site_terms
from docutils import nodes
from fontTools import ttLib
from PIL import Image, ImageChops
from pypdf import PdfReader

CSS = """
.used, .unused > a { color: red }
.unused:hover { color: blue }
p:not(.unused) { margin: 0 }
@media print { .unused { x: y } .used { content: "}" } }
@media screen { .unused { x: y } }
@keyframes k { from { top: 0 } to { top: 1px } }
/* { */ #here, a[href] { top: 0 }
"""


def test_purge_keeps_what_is_used_and_nothing_else():
    """A rule stays whole where one of its selectors is used."""
    kept = re.sub(r"\s+", "", site_bundle.purge(CSS, {"used", "here"}))
    assert kept == (
        ".used,.unused>a{color:red}p:not(.unused){margin:0}"
        '@mediaprint{.used{content:"}"}}@keyframesk{0%{top:0}to{top:1px}}'
        "#here,a[href]{top:0}"
    )


def test_purge_reads_escaped_names():
    assert site_bundle.purge(r".w-50\%{a:b}.x\:y{c:d}", {"w-50%"}) == r".w-50\%{a:b}"


def test_names_in_use_are_those_of_pages_and_scripts(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "a.html").write_text('<p class="one two" id="three">word</p>')
    (tmp_path / "_static" / "s.js").write_text('e.classList.add("four-five")')
    (tmp_path / "_static" / "t.html").write_text('<p class="template">')
    names = site_bundle.names_in_use(tmp_path)
    assert {"one", "two", "three", "four-five"} <= names
    assert not {"word", "template"} & names


def test_icon_font_holds_the_asked_glyphs_alone(site, tmp_path):
    css = (site / "_static" / "site.css").read_text()
    fonts = re.findall(r'data:font/woff;base64,([^"]*)"', css)
    assert fonts
    glyphs = set()
    for font in fonts:
        data = site_bundle.base64.b64decode(font)
        glyphs |= set(ttLib.TTFont(io.BytesIO(data)).getBestCmap())
    asked = {ord(glyph) for glyph in site_bundle.ICON.findall(css)}
    icons = {code for code in asked if code > 0xF000}
    assert icons <= glyphs <= asked | {0x20} and len(icons) < 40


def test_fonts_and_wheel_have_the_same_bytes_every_time(root, tmp_path, monkeypatch):
    """What a build writes must not depend on when: two builds of the site are equal."""
    theme = Path(find_spec("pydata_sphinx_theme").origin).parent
    [font] = theme.rglob("webfonts/fa-solid-900.ttf")
    first = site_bundle.icon_font(font, [0xF019])
    wheels = [tmp_path / "a", tmp_path / "b"]
    site_address.build_wheel(root, wheels[0])
    monkeypatch.setattr("fontTools.ttLib.tables._h_e_a_d.timestampNow", lambda: 1)
    time.sleep(2.1)  # the steps of times in a zip file
    site_address.build_wheel(root, wheels[1])
    assert site_bundle.icon_font(font, [0xF019]) == first
    one, other = (next(folder.glob("*.whl")).read_bytes() for folder in wheels)
    assert one == other


def test_a_reduced_picture_looks_the_same(root, tmp_path):
    original = root / "book" / "_static" / "degradation.png"
    path = Path(shutil.copy(original, tmp_path))
    site_bundle.reduce_picture(path)
    assert path.stat().st_size < original.stat().st_size / 2
    before, after = (Image.open(p).convert("RGB") for p in (original, path))
    difference = ImageChops.difference(before, after)
    assert max(high for _, high in difference.getextrema()) < 16


def test_transparent_pictures_stay(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGBA", (9, 9), (255, 0, 0, 100)).save(path)
    before = path.read_bytes()
    site_bundle.reduce_picture(path)
    assert path.read_bytes() == before


def document(*children):
    return nodes.container("", *children)


def text(*children):
    return nodes.paragraph("", "", *[nodes.Text(c) if isinstance(c, str) else c for c in children])


TERMS = {  # anchor, title of the preview, definition
    "stage": ("term-stage", "stage 阶段", "S"),
    "residual block": ("term-block", "residual block 残差块", "B"),
    "skip connection": ("term-skip", "skip connection 跳跃连接", "K"),
    "shortcut": ("term-skip", "shortcut 捷径", "K"),
}


def linked(doctree):
    site_terms.link_first_uses(doctree, TERMS, "g.html")
    return [(r.astext(), r["refuri"]) for r in doctree.findall(nodes.reference)]


def test_first_use_of_each_term_is_linked():
    doctree = document(text("Stages of residual\nblocks; a stage, a Residual block."))
    assert linked(doctree) == [
        ("Stages", "g.html#term-stage"),
        ("residual\nblocks", "g.html#term-block"),
    ]
    assert doctree.astext() == "Stages of residual\nblocks; a stage, a Residual block."


def test_a_preview_has_the_chinese_name():
    found = site_terms.link_first_uses(document(text("a shortcut")), TERMS, "g.html")
    assert found == {"g.html#term-skip": ("shortcut 捷径", "K")}


def test_two_names_of_a_term_are_linked_once():
    assert linked(document(text("a skip connection or shortcut"))) == [
        ("skip connection", "g.html#term-skip")
    ]


@pytest.mark.parametrize("words", ["backstage", "staged", "multi-stage", "stage-wise"])
def test_parts_of_words_are_no_terms(words):
    assert not linked(document(text(words)))


@pytest.mark.parametrize("kind", [nodes.literal, nodes.title, nodes.math])
def test_terms_in_code_titles_and_formulas_stay(kind):
    doctree = document(text("see ", kind("", "stage"), " and then the stage"))
    assert len(linked(doctree)) == 1
    assert doctree.astext().endswith("stage")
    (reference,) = doctree.findall(nodes.reference)
    assert isinstance(reference.parent, nodes.paragraph)


def test_titles_of_papers_are_not_linked():
    section = nodes.section("", nodes.title("", "Further reading"), text("The stage"))
    assert not linked(document(section))


def test_equations_are_linked_by_their_names():
    formula = nodes.math_block("", r"a = b \tag{he-layer}")
    doctree = document(formula, text("by (he-layer), and (other) by"), text("(he-layer)"))
    site_terms.link_equations(doctree)
    assert formula["ids"] == ["equation-he-layer"]
    found = [(r.astext(), r["refuri"]) for r in doctree.findall(nodes.reference)]
    assert found == [("he-layer", "#equation-he-layer")] * 2
    assert "by (he-layer), and (other) by" in doctree.astext()


def test_definitions_keep_their_formulas():
    definition = text("the ReLU, ", nodes.math("", r"\max(0, x)"), ".")
    assert site_terms.text_with_maths(definition) == r"the ReLU, \(\max(0, x)\)."


def test_words_leave_out_code_and_outputs():
    output = nodes.container("", text("five words of an output"), classes=["cell_output"])
    doctree = document(text("two words"), nodes.literal_block("", "x = 1"), output)
    assert site_meta.words(doctree) == 2


def test_summary_is_the_first_sentence():
    assert site_meta.summary(document(text("One, 3.5 times\nmore. Two."))) == "One, 3.5 times more."
    assert site_meta.summary(document()) == ""


PAGE = """<title>Book &#8212; Book</title><article class="bd-article">
<h1>{title}<a class="headerlink" href="#t">#</a></h1><p id="t">{text}</p></article>"""


def test_links_of_the_whole_book_stay_inside_it():
    pages = {
        "book/index": PAGE.format(title="Map", text='<a href="part/one.html#t">1</a>'),
        "book/part/one": PAGE.format(
            title="One",
            text='<a href="../index.html">0</a><a href="#t">2</a>'
            '<a href="https://example.org">3</a><img src="../../_images/x.png">',
        ),
    }
    book = book_pdf.whole_book(pages)
    assert set(re.findall(r'id="([^"]*)"', book)) == {
        "book/index", "book/part/one", "book/index/t", "book/part/one/t"}  # fmt: skip
    body = book[book.index("</ul>") :]
    assert re.findall(r'<a href="([^"]*)"', body) == [
        "#book/part/one/t", "#book/index", "#book/part/one/t", "https://example.org"]  # fmt: skip
    assert 'src="_images/x.png"' in body and book.count("<title>Book</title>") == 1


@pytest.mark.parametrize("name", ["signal_and_gradient", "paths", "architectures"])
def test_on_paper_a_picture_and_a_table_stand_for_what_moves(site, name):
    page = f"book/instruments/{name}"
    book = book_pdf.whole_book({page: (site / f"{page}.html").read_text()})
    assert not re.search("<form|<input|<noscript", book)
    assert re.search(r'<img src="(\S+)"', book) and "<table" in book
    assert (site / re.search(r'<img src="(\S+)"', book)[1]).is_file()


def test_the_pdf_has_an_outline_and_typeset_formulas(browser, site, tmp_path):
    names = ("book/index", "book/notation")
    pages = {name: (site / f"{name}.html").read_text() for name in names}
    target = tmp_path / "book.pdf"
    book_pdf.print_book(browser, pages, site, target)
    pdf = PdfReader(io.BytesIO(target.read_bytes()))
    titles = [entry["/Title"] for entry in book_pdf.outline(pdf.root_object["/Outlines"])]
    assert titles == book_pdf.headings(book_pdf.whole_book(pages))
    assert "Notation and conventions" in titles
    text = "\n".join(page.extract_text() for page in pdf.pages)
    assert len(pdf.pages) >= 4 and "What counts as true here" in text and "\\(" not in text


def test_a_part_without_its_sentence_stops_the_build(root, tmp_path):
    """The map of the landing page cannot forget a part."""
    for name in ("_config.yml", "_toc.yml", "pyproject.toml"):
        shutil.copy(root / name, tmp_path)
    shutil.copytree(root / "tools", tmp_path / "tools")
    book = tmp_path / "book"
    shutil.copytree(root / "book" / "_static", book / "_static")
    shutil.copytree(root / "book" / "_templates", book / "_templates")
    (book / "index.md").write_text("# Book\n\n```{parts}\nOne: a sentence.\nNone: another.\n```\n")
    for name in ("glossary", "one"):
        (book / f"{name}.md").write_text(f"# {name}\n\nText.\n")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nparts:\n"
        "- caption: One\n  chapters: [{file: book/glossary}]\n"
        "- caption: Two\n  chapters: [{file: book/one}]\n"
    )
    (book / "references.bib").write_text("")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", tmp_path, "-W", "-q"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode != 0
    assert re.search("'Two' has no sentence here|'None' is no part", answer.stderr + answer.stdout)


def test_a_port_in_use_is_said_in_one_line(root, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = [sys.executable, root / "tools/site/browsing.py", str(port)]
        answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode != 0 and answer.stdout == ""
    assert answer.stderr == (
        f"port {port}: Address already in use; choose another one: make serve PORT={port + 1}\n"
    )
