"""Slides are made of figures that the book has, and each is one file that needs no other."""

import re

import pytest
import site_slides
import yaml

DECKS = sorted(site_slides.SOURCES.glob("*.yml"))


@pytest.mark.parametrize("source", DECKS, ids=lambda path: path.stem)
def test_every_slide_has_its_figure_a_sentence_and_a_question(source):
    deck = yaml.safe_load(source.read_text())
    assert len(deck["slides"]) >= 10
    for entry in deck["slides"]:
        assert set(entry) <= {"title", "figure", "say", "ask"} and entry["say"] and entry["ask"]
        if "figure" in entry:
            assert site_slides.figure(entry["figure"]).svg
    numbers = [entry.get("figure") for entry in deck["slides"]]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("source", DECKS, ids=lambda path: path.stem)
def test_the_file_stands_alone_and_turns_its_pages(source, site, browser):
    path = site / "_static" / "slides" / f"{source.stem}.html"
    text = path.read_text()
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(path.as_uri())
    count = len(yaml.safe_load(source.read_text())["slides"])
    assert page.locator("section").count() == count
    for picture in page.locator("img").all():
        assert picture.evaluate("async (e) => { await e.decode(); return e.naturalWidth }") > 0
    for section in page.locator("section").all():
        assert section.evaluate("e => e.scrollHeight <= e.clientHeight + 1")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("Math.abs(scrollY - innerHeight) < 2")
    page.close()


def test_a_figure_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="problem/degradation has no Figure 99"):
        site_slides.figure("problem/degradation Figure 99")
