"""The experiments, the chapters and the page of the site agree, for all come from the same data."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import site_experiments
from scipy.stats import ttest_1samp

from resnet_tutorial import experiments
from resnet_tutorial.experiments import EXPERIMENTS

BOOK = Path(__file__).parents[1] / "book"


def source(chapter):
    cells = json.loads((BOOK / f"{chapter}.ipynb").read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells)


CHAPTERS = {
    chapter: source(chapter)
    for chapter in site_experiments.in_order_of_the_book()
    if (BOOK / f"{chapter}.ipynb").exists()
}


def named(text):
    """The experiments whose names stand in `text` in full, quoted or in a command."""
    words = {word for word in re.findall(r"\b\w+\b", text) if word in EXPERIMENTS}
    return {word for word in words if "_" in word or f'"{word}"' in text}  # transfer is a word, too


def composed(text):
    """Those whose names an f-string of `text` may give: f"digits_decay_{decay}"."""
    patterns = [
        re.sub(r"\{.*?\}", r"\\w*", found) for found in re.findall(r'f"(\w+_\w*\{\w+\}\w*)"', text)
    ]
    return {name for name in EXPERIMENTS if any(re.fullmatch(p, name) for p in patterns)}


def test_names_in_chapters_are_seen():
    text = 'recorded("digits_depth") of `digits_long` and f"fashion_option_{kind}", f"{x}_quick"'
    assert named(text) == {"digits_depth", "digits_long"}
    assert composed(text) == {"fashion_option_b", "fashion_option_c"}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_chapters_of_an_experiment_use_it(name):
    for chapter in EXPERIMENTS[name].chapters:
        assert chapter in CHAPTERS, f"{chapter} is no chapter of _toc.yml"
        used = named(CHAPTERS[chapter]) | composed(CHAPTERS[chapter])
        assert name in used or EXPERIMENTS[name].long, f"{chapter} does not use {name}"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_a_chapter_uses_is_an_experiment_of_that_chapter(chapter):
    for name in named(CHAPTERS[chapter]):
        assert chapter in EXPERIMENTS[name].chapters, f"{name}: add {chapter} to its chapters"
    asked = re.findall(r'\b(?:recorded|available)\("(\w+)"\)', CHAPTERS[chapter])
    commands = re.findall(r"`resnet-tutorial reproduce ((?:\w+ ?)+)", CHAPTERS[chapter])
    asked += [name for command in commands for name in command.split()]
    assert set(asked) <= EXPERIMENTS.keys()


@pytest.fixture(scope="module")
def sections():
    """The parts of the page by the experiment's name."""
    parts = re.split(r"^### (\w+)$", site_experiments.everything(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_has_every_experiment_once_with_its_question_and_command(sections):
    assert sections.keys() == EXPERIMENTS.keys()
    for name, experiment in EXPERIMENTS.items():
        assert experiment.question in sections[name]
        assert f"`resnet-tutorial reproduce {name}`" in sections[name]
        assert ("Not run yet" in sections[name]) == bool(experiments.missing(name))
        for record in experiments.available(name):
            assert f"\n| {record.model}" in sections[name]
        if any(run.data == "cifar10-jpeg75" for run in experiment.runs):
            assert "CIFAR-10 (JPEG-75 copy)" in sections[name]
        assert all(f"{{doc}}`/book/{chapter}`" in sections[name] for chapter in experiment.also)


def test_the_interval_is_students():
    values = [0.02, 0.03, 0.07]
    found = [100 * end for end in ttest_1samp(values, 0).confidence_interval(0.95)]
    mean, half = map(float, site_experiments.with_interval(values).split(" ± "))
    assert (mean - half, mean + half) == pytest.approx(tuple(found), abs=0.011)
    assert site_experiments.with_interval([0.125]) == "12.50 (one seed)"


def test_runs_of_one_net_in_other_settings_are_not_averaged():
    one, two, three = experiments.recorded("digits_long")[:3]
    two = replace(two, recipe={**two.recipe, "lr": 0.7})
    three = replace(three, variant={**three.variant, "frozen": "2"})
    table = site_experiments.results([one, two, three])
    assert len(table.splitlines()) == 5 and "(one seed)" in table
    assert "plain56, rate 0.7 |" in table and "frozen 2, rate 0.05 |" in table


def test_a_run_that_diverged_is_counted_and_not_averaged():
    one, two, three = experiments.recorded("digits_long")[:3]
    diverged = replace(two, status="diverged: loss nan in step 3", curve=())
    table = site_experiments.results([one, diverged, three])
    errors = site_experiments.with_interval([one.test_error, three.test_error])
    assert "plain56, 2 of 3 finished" in table and f"| {errors} |" in table
    assert "none finished" in site_experiments.results([diverged])
