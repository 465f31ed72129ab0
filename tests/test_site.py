"""The files of the built site."""

import json
import re
import struct

import linkcheck
import pytest
import site_meta
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


def test_chapters_open_in_colab(root, site):
    """The button leads to the page's own notebook in the repository."""
    for chapter in sorted((root / "book").rglob("[!.]*.ipynb")):
        name = chapter.relative_to(root)
        html = (site / name).with_suffix(".html").read_text()
        assert f"/blob/main/{name}" in html
        assert f"_sources/{name}" in html


def test_the_address_follows_from_the_repository(root):
    assert site_meta.site_address("https://github.com/Ada/nets") == "https://Ada.github.io/nets/"
    assert site_meta.site_address("https://github.com/Ada/nets/") == "https://Ada.github.io/nets/"
    with pytest.raises(ValueError, match="https://github.com/OWNER/NAME"):
        site_meta.site_address("https://example.org")


@pytest.fixture(scope="session")
def public(root):
    config = yaml.safe_load((root / "_config.yml").read_text())
    return site_meta.site_address(config["repository"]["url"])


def test_every_page_describes_itself(site, public):
    """In a sentence of its own, with its address and a picture that exists."""
    seen = set()
    for path in sorted((site / "book").rglob("*.html")):
        html, name = path.read_text(), path.relative_to(site)
        description = content(html, "description")
        assert 20 < len(description) < 330 and description not in seen
        seen.add(description)
        assert content(html, "og:description") == description
        assert f'<link rel="canonical" href="{public}{name}"' in html
        assert content(html, "og:url") == f"{public}{name}"
        card = site / content(html, "og:image").removeprefix(public)
        size = struct.unpack(">II", card.read_bytes()[16:24])
        assert size == (int(content(html, "og:image:width")), int(content(html, "og:image:height")))
        assert '<link rel="icon"' in html


def test_the_front_page_describes_the_book(site, public):
    html = (site / "index.html").read_text()
    assert content(html, "og:url") == f"{public}book/index.html"
    assert "book" in content(html, "description")


def test_the_sitemap_lists_every_page(site, public):
    listed = re.findall("<loc>(.*?)</loc>", (site / "sitemap.xml").read_text())
    built = [path.relative_to(site) for path in (site / "book").rglob("*.html")]
    assert sorted(listed) == sorted(f"{public}{name}" for name in built)


def test_every_chapter_says_what_it_takes(site):
    """Needs and run time in its opening lines, the reading time under its title."""
    for path in chapters(site):
        html = path.read_text()
        minutes, words = re.search(
            r"About (\d+) minutes? to read \(([\d,]+) words\)", html
        ).groups()
        assert 200 * (int(minutes) - 1) < int(words.replace(",", "")) <= 200 * int(minutes)
        opening = html[html.index("<h1>") : html.index("<h2>")]
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
    shown = re.search(r'class="parts (.*?)class="ways ', html, re.S)[1]
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
