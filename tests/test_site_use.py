"""What readers do on the site: search, switch the theme, look up, copy, print, get lost."""

import re

import nbformat
import pytest
from test_chapters import code_cells, is_shown
from test_site_pages import chapters

TERM = "a.term-link"
EQUATION = "a.equation-link"
# On the search page, in pixels from the left.
WORDS_BEGIN = """() => {
    const field = document.querySelector('.bd-search-container input');
    return field.getBoundingClientRect().left + parseFloat(getComputedStyle(field).paddingLeft);
}"""
GLASS_ENDS = """() => document.querySelector('.bd-search-container .fa-magnifying-glass')
    .getBoundingClientRect().right"""


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("shortcut", "book/glossary.html"),
        ("degradation", "book/problem/degradation.html"),
        ("batch norm", "book/scratch/batch_norm.html"),
        ("vanishing gradient", "book/theory/explosion.html"),
        ("initialisation", "book/theory/signal_propagation.html"),
        ("receptive field", "book/scratch/receptive_field.html"),
        ("weight decay", "book/training/weight_without_size.html"),
        ("multiply-adds", "book/pytorch/counting.html"),
        ("退化", "book/glossary.html#term-degradation"),
        ("残差", "book/glossary.html#term-residual-block"),
        ("残差块", "book/glossary.html#term-residual-block"),
        ("批归一化", "book/glossary.html#term-batch-normalization"),
        ("梯度消失", "book/glossary.html#term-vanishing-gradient"),
    ],
)
def test_search_finds(tab, address, words, page):
    tab.goto(f"{address}/search.html?q={words}")
    tab.wait_for_selector(f"#search-results li a[href^='{page}']")
    assert tab.locator("input[name=q]:visible").count() == 1
    assert tab.evaluate(WORDS_BEGIN) > tab.evaluate(GLASS_ENDS)
    assert not tab.problems


def test_search_says_when_it_finds_nothing(tab, address):
    tab.goto(f"{address}/search.html?q=zzzzz")
    tab.get_by_text("did not match any documents").wait_for()


@pytest.mark.parametrize("word", ["constructor", "__proto__"])
def test_search_knows_the_properties_of_objects_as_words(tab, address, word):
    tab.goto(f"{address}/search.html?q={word}")
    tab.get_by_text(re.compile(r"did not match any documents|found \d+ page")).wait_for()
    assert "undefined" not in tab.locator("#search-results").inner_text()
    assert not tab.problems


def test_front_page_leads_to_the_book(tab, address):
    tab.goto(f"{address}/index.html")
    tab.wait_for_url("**/book/index.html")
    assert not tab.problems


def test_lost_readers_find_back(tab, address):
    answer = tab.goto(f"{address}/book/chapters/of/another/book.html")
    assert answer.status == 404
    assert tab.locator("h1").inner_text() == "This page does not exist"
    tab.problems.clear()
    tab.get_by_role("link", name="the map of the book").click()
    tab.wait_for_url("**/book/index.html")
    assert not tab.problems


def test_theme_switch(tab, read):
    read(tab, "book/index.html")
    seen = []
    for _ in range(3):
        tab.locator(".theme-switch-button:visible").first.click()
        dataset = tab.evaluate("() => ({...document.documentElement.dataset})")
        background = tab.evaluate("() => getComputedStyle(document.body).backgroundColor")
        seen.append((dataset["mode"], dataset["theme"], background))
    assert {mode for mode, _, _ in seen} == {"light", "dark", "auto"}
    colours = {theme: background for _, theme, background in seen}
    assert colours["light"] != colours["dark"]
    assert not tab.problems


def test_icons_are_drawn(tab, read):
    """The embedded fonts hold the glyph of every icon: each is as wide as an icon is."""
    read(tab, "book/problem/degradation.html")
    assert tab.evaluate("() => document.fonts.check('900 16px \"Font Awesome 6 Free\"', '\\uf135')")
    widths = tab.evaluate("""() => [...document.querySelectorAll('[class*="fa-"]')]
        .filter(e => e.getClientRects().length)
        .map(e => [getComputedStyle(e, '::before').content, e.getBoundingClientRect().width])""")
    assert len(widths) > 5
    assert all(content not in ("none", "normal") and width > 5 for content, width in widths)


def preview(tab):
    tab.wait_for_selector("#preview:visible")
    return tab.locator("#preview")


def test_a_term_shows_its_definition(tab, read, site):
    read(tab, "book/theory/explosion.html")
    link = tab.locator(TERM, has_text="vanishing gradient").first
    link.hover()
    assert "shrinks" in preview(tab).inner_text() and "梯度" in preview(tab).inner_text()
    assert link.get_attribute("aria-describedby") == "preview"
    tab.locator("h1").hover()
    tab.wait_for_selector("#preview", state="hidden")
    assert not tab.problems


def test_the_pointer_may_enter_a_preview(tab, read):
    read(tab, "book/theory/gradient_flow.html")
    tab.locator(TERM).first.hover()
    preview(tab).hover()
    tab.wait_for_timeout(400)
    assert preview(tab).is_visible()


def test_definitions_are_typeset(tab, read):
    """Of the terms in this chapter some have a formula in their definition."""
    read(tab, "book/scratch/residual_block.html")
    tab.locator(TERM, has_text="residual block").first.hover()
    tab.wait_for_selector("#preview mjx-container")
    assert "\\(" not in preview(tab).inner_text()


def test_an_equation_shows_itself(tab, read):
    read(tab, "book/theory/signal_propagation.html")
    tab.evaluate("() => document.querySelectorAll('details').forEach(part => part.open = true)")
    tab.locator(EQUATION, has_text="he-layer").first.hover()
    assert preview(tab).locator("mjx-container").count() == 1
    href = tab.locator(EQUATION, has_text="he-layer").first.get_attribute("href")
    assert tab.locator(href).locator("mjx-container").count() == 1


def test_a_chapter_shows_its_title(tab, read):
    read(tab, "book/index.html")
    tab.locator(".parts a", has_text="Shattered gradients").hover()
    assert "predict" in preview(tab).inner_text()


def test_previews_follow_the_keyboard(tab, read):
    read(tab, "book/theory/gradient_flow.html")
    tab.keyboard.press("Tab")
    tab.locator(TERM).first.focus()
    assert preview(tab).is_visible()
    tab.keyboard.press("Escape")
    assert preview_is_hidden(tab)
    tab.keyboard.press("Tab")
    tab.locator(TERM).nth(1).focus()
    assert preview(tab).is_visible()


def preview_is_hidden(tab):
    return not tab.locator("#preview").is_visible()


def test_the_first_tap_previews_and_the_second_follows(new_tab, read):
    tab = new_tab(has_touch=True, viewport={"width": 360, "height": 800})
    read(tab, "book/theory/signal_propagation.html")
    start, link = tab.url, tab.locator(TERM).first
    link.tap()
    box = preview(tab).bounding_box()
    assert tab.url == start and box["x"] >= 0 and box["x"] + box["width"] <= 360
    link.tap()
    tab.wait_for_url("**/glossary.html#term-*")
    assert not tab.problems


def test_first_uses_alone_are_linked(root, site):
    """In each chapter at most one link to a term, none in a heading, a link or code."""
    found = 0
    for chapter in chapters(site):
        html = chapter.read_text()
        targets = re.findall(r'<a class="term-link[^>]*href="([^"]*)"', html)
        assert len(targets) == len(set(targets))
        assert not re.search(r"<h\d>(?:(?!</h\d>).)*term-link", html)
        found += len(targets)
    assert found > 5 * len(chapters(site))


def test_terms_are_linked_where_one_reads_and_not_where_one_looks_up(site):
    read, looked_up = ("instruments/paths", "problem/degradation"), ("api/scratch", "notation")
    for name in (*read, *looked_up):
        assert ("term-link" in (site / f"book/{name}.html").read_text()) == (name in read)


def test_code_is_copied_as_it_stands(new_tab, read, root):
    tab = new_tab(permissions=["clipboard-read", "clipboard-write"])
    read(tab, "book/problem/degradation.html")
    cells = code_cells(nbformat.read(root / "book/problem/degradation.ipynb", 4))
    seen = next(cell for cell in cells if is_shown(cell))
    block = tab.locator("div.cell_input:visible").first
    block.hover()
    block.locator("button.copybtn").click()
    assert tab.evaluate("() => navigator.clipboard.readText()").strip() == seen.source
    assert tab.locator(".cell_output button.copybtn").count() == 0


def test_the_sentences_in_circulation_are_filtered(tab, read):
    """By words of either language and by verdict; an address leads to its sentence all the same."""
    read(tab, "book/said.html")
    form, sentences = tab.locator(".said-filter"), tab.locator("#said-about-resnets > section")
    total = sentences.count()

    def count():
        return sentences.filter(visible=True).count(), form.locator("output").inner_text()

    assert total >= 42 and count() == (total, f"{total} of {total} sentences")
    form.get_by_label("Words").fill("gradient vanish")
    fewer, said = count()
    assert 0 < fewer < total and said == f"{fewer} of {total} sentences"
    form.get_by_label("Words").fill("梯度")
    assert 0 < count()[0] < total
    form.get_by_label("Words").fill("")
    kinds = form.locator("option").all_inner_texts()
    assert kinds[0] == "any verdict" and {"Holds", "Holds when", "Wrong"} <= set(kinds)
    found = []
    for kind in kinds[1:]:
        form.get_by_label("Verdict").select_option(kind)
        found.append(count()[0])
        verdicts = tab.locator("#said-about-resnets > section:visible dt").all_inner_texts()
        rest = "(\\.|$)" if kind == "Holds" else ""
        assert all(re.match(kind + rest, verdict) for verdict in verdicts)
    assert sum(found) == total and all(found)
    tab.evaluate("() => location.hash = '#said-357'")
    tab.wait_for_function("() => !document.querySelector('#said-about-resnets > section[hidden]')")
    assert not tab.problems
