"""The files of the built site."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import linkcheck
import pytest
import site_address
import yaml
from test_site_pages import chapters, pages


def content(html, key):
    """The content of the page's <meta> of that name or property."""
    found = re.findall(rf'<meta (?:name|property)="{key}" content="([^"]*)"', html)
    assert len(found) == 1, f"{key}: {found}"
    return found[0]


def test_links(site):
    assert not sorted(linkcheck.findings(site))


def test_link_check_rejects_a_broken_site(tmp_path):
    (tmp_path / "b.html").write_text("<p id='here'>b</p>")
    (tmp_path / "a.html").write_text(
        "<a href='b.html#here'>fine</a> <a href='https://example.org'>fine</a>"
        "<a href='c.html'>1</a> <a href='b.html#there'>2</a> <img src='b.html'>"
        "<script src='https://example.org/x.js'></script>"
        "<link rel='stylesheet' href='//example.org/x.css'>"
    )
    found = "\n".join(linkcheck.findings(tmp_path))
    assert found.count("\n") == 4
    for problem in ("missing file: c.html", "missing anchor: b.html#there", "without alt text"):
        assert problem in found
    assert found.count("remote load") == 2


@pytest.fixture(scope="session")
def public(root):
    """The site's address, empty where _config.yml and the environment name no repository."""
    return site_address.pages_address(site_address.repository(root))


def test_chapters_are_downloads(root, site, public):
    """The button leads to the page's own notebook: on the site, and in Colab where there is one."""
    for chapter in sorted((root / "book").rglob("[!.]*.ipynb")):
        name = chapter.relative_to(root)
        html = (site / name).with_suffix(".html").read_text()
        assert bool(public) == (f"/blob/main/{name}" in html)
        assert f"_sources/{name}" in html and (site / "_sources" / name).is_file()


def test_the_package_is_a_download(root, site):
    wheel = site / "_static" / site_address.wheel_name(root)
    assert f'_static/{wheel.name}"' in (site / "book/api/index.html").read_text()
    assert "resnet_tutorial/scratch/ops.py" in zipfile.ZipFile(wheel).namelist()


def test_the_address_follows_from_the_repository():
    pages_address = site_address.pages_address
    assert pages_address("https://github.com/Ada/nets") == "https://Ada.github.io/nets/"
    assert pages_address("https://github.com/Ada/nets/") == "https://Ada.github.io/nets/"
    assert pages_address("") == ""
    with pytest.raises(ValueError, match="https://github.com/owner/name"):
        pages_address("https://example.org")


def test_every_page_describes_itself(site, public):
    """In a sentence of its own; where the book is public, with its address and a picture."""
    seen = set()
    for path in sorted((site / "book").rglob("*.html")):
        html, name = path.read_text(), path.relative_to(site)
        description = content(html, "description")
        assert 20 < len(description) < 330 and description not in seen
        seen.add(description)
        assert '<link rel="icon"' in html
        if public:
            describes_itself_to_others(html, f"{public}{name}", site, public)
        else:
            leads_nowhere(html)


def describes_itself_to_others(html, address, site, public):
    assert content(html, "og:description") == content(html, "description")
    assert f'<link rel="canonical" href="{address}"' in html
    assert content(html, "og:url") == address
    card = site / content(html, "og:image").removeprefix(public)
    size = struct.unpack(">II", card.read_bytes()[16:24])
    assert size == (int(content(html, "og:image:width")), int(content(html, "og:image:height")))


def leads_nowhere(html):
    """Nothing on the page needs a public address."""
    buttons = ("source-repository-button", "source-issues-button", "colab.research.google.com")
    for word in ("og:url", "canonical", *buttons, "viewcode-link"):
        assert word not in html, word


def test_the_front_page_describes_the_book(site, public):
    html = (site / "index.html").read_text()
    assert "book" in content(html, "description")
    if public:
        assert content(html, "og:url") == f"{public}book/index.html"
    else:
        leads_nowhere(html)


def test_the_sitemap_lists_every_page(site, public):
    assert (site / "sitemap.xml").exists() == bool(public)
    if not public:
        return
    listed = re.findall("<loc>(.*?)</loc>", (site / "sitemap.xml").read_text())
    built = [path.relative_to(site) for path in (site / "book").rglob("*.html")]
    assert sorted(listed) == sorted(f"{public}{name}" for name in built)


@pytest.mark.parametrize("repository", ["", "https://github.com/ada/nets"])
def test_a_site_with_and_without_an_address(root, tmp_path, repository):
    """A page, a chapter and an entry of the package, with all of the book's settings."""
    for name in ("_config.yml", *site_address.PARTS, "tools", "book/_static", "book/_templates"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if (root / name).is_dir() else shutil.copy)(root / name, target)
    book = tmp_path / "book"
    shutil.copy(root / "book/theory/shattered_gradients.ipynb", book / "chapter.ipynb")
    entry = "```{eval-rst}\n.. automodule:: resnet_tutorial.names\n   :members:\n```\n"
    (book / "index.md").write_text("# Book\n\nThis book has one chapter.\n")
    (book / "glossary.md").write_text(f"# Words\n\nThis page has few words.\n\n{entry}")
    (book / "references.bib").write_text("")
    files = "chapters: [{file: book/chapter}, {file: book/glossary}]"
    (tmp_path / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\n{files}\n")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", tmp_path, "-q"]
    variables = os.environ | {"BOOK_REPOSITORY": repository}
    subprocess.run(command, check=True, capture_output=True, env=variables)
    html = tmp_path / "_build" / "html"
    public = site_address.pages_address(repository)
    for name in ("index", "chapter", "glossary"):
        page = (html / f"book/{name}.html").read_text()
        if not repository:
            leads_nowhere(page)
            continue
        describes_itself_to_others(page, f"{public}book/{name}.html", html, public)
        assert "source-repository-button" in page and f'href="{repository}"' in page
        assert "source-issues-button" in page and f"{repository}/issues" in page
    assert (html / "sitemap.xml").exists() == bool(repository)
    notebook = (html / "_sources/book/chapter.ipynb").read_text()
    assert f'repository = \\"{repository}\\"' in notebook
    assert (html / "_static" / site_address.wheel_name(root)).is_file()
    entry = (html / "book/glossary.html").read_text()
    assert (f"{repository}/blob/main/resnet_tutorial/names.py#L" in entry) == bool(repository)
    base = re.search('<base href="(.*)">', (html / "404.html").read_text())[1]
    assert base == ("/nets/" if repository else "/")


def test_every_chapter_says_what_it_takes(site):
    """Needs and run time in its opening lines, the reading time under its title."""
    for path in chapters(site):
        html = path.read_text()
        minutes, words = re.search(
            r"About (\d+) minutes? to read \(([\d,]+) words\)", html
        ).groups()
        assert 200 * (int(minutes) - 1) < int(words.replace(",", "")) <= 200 * int(minutes)
        opening = "".join(html[html.index("<h1>") :].split("<h2>")[:2])  # with the plain words
        assert "You need:" in opening
        assert re.search(r"Runs in\s+about \d+ s|\d+ min", opening), path.name


def test_every_interactive_figure_says_what_it_takes(site):
    for path in (site / "book/instruments").glob("*.html"):
        assert re.search(r"About \d+ minutes? to read.*You need:", path.read_text(), re.S), (
            path.name
        )


def test_pages_lead_on(root, site):
    """Next and previous follow the table of contents, from the landing page to the last page."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    names = [re.sub(r"\.(ipynb|md)$", "", name) for name in (toc["root"], *files)]
    for here, there in zip(names, names[1:], strict=False):
        for page, other, relation in ((here, there, "next"), (there, here, "prev")):
            html = (site / f"{page}.html").read_text()
            (target,) = re.findall(rf'<link rel="{relation}"[^>]* href="([^"]*)"', html)
            assert (site / f"{page}.html").parent.joinpath(target).resolve() == (
                site / f"{other}.html"
            )


def test_the_landing_page_maps_every_part(root, site):
    """Each part with a sentence, each chapter with a link."""
    html = (site / "book/index.html").read_text()
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    shown = re.search(r'class="parts (.*?)<h2>', html, re.S)[1]
    for part in toc["parts"]:
        assert re.search(rf"<strong>{part['caption']}</strong></p>\s*<p>\w", shown)
        for chapter in part["chapters"]:
            assert chapter["file"].removeprefix("book/") + ".html" in shown


def test_previews_are_stored_in_the_page(site):
    """A text for every link to a term, so that a preview needs no request."""
    for path in chapters(site):
        html = path.read_text()
        targets = re.findall(r'<a class="term-link[^>]*href="([^"]*)"', html)
        stored = re.search(r'<script type="application/json" id="previews">(.*?)</script>', html)
        texts = json.loads(stored[1])
        assert targets and all(len(texts[target][1]) > 20 for target in targets)


def test_no_page_loads_what_it_does_not_use(site):
    """One style sheet, one script; MathJax where there are formulas, the search where one looks,
    an interactive figure's own where it is."""
    for name in pages(site):
        html = (site / name).read_text()
        of_figure = r'"[^"]*_static/instruments/[^"]*\.(?:css|js)\?[^"]*"'
        assert bool(re.search(of_figure, html)) == name.startswith("book/instruments/")
        html = re.sub(rf"<(?:link|script)[^>]*{of_figure}[^>]*>", "", html)
        assert re.findall(r'<link rel="stylesheet"[^>]*href="[^"]*?([^"/]*)"', html) == ["site.css"]
        scripts = re.findall(r'<script[^>]* src="[^"]*?([\w.]+)(?:\?[^"]*)?"', html)
        has_maths = 'class="math' in html
        expected = ["site.js"] + ["mathjax.js"] * has_maths
        search = ["searchtools.js", "language_data.js", "searchindex.js"]
        assert [s for s in scripts if s not in search] == expected, name
        assert (search[0] in scripts) == (name == "search.html")
