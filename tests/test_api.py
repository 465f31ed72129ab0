"""The reference: every public name of the package is on a page, documented, with an example."""

import ast
import doctest
import importlib
import inspect
import re

import api_pages
import pytest
from test_architecture import MODULES, ROOT

# Rooms of the package that its other modules are made of. Their public names reach the reader
# through these, or not at all.
INTERNAL = {
    "__main__",
    "batches",
    "cli",
    "evaluation",
    "loop",
    "names",
    "runs",
    "data.arrays",
    "data.catalogue",
    "data.cifar",
    "data.dataset",
    "data.download",
    "data.fashion",
    "data.folders",
    "experiments.kinds",
    "experiments.table",
    "scratch.normalization",
    "scratch.shapes",
}
DIRECTIVE = re.compile(r"automodule:: resnet_tutorial\.([\w.]+)(?:\n   :members:(.*))?")


def module(name):
    return importlib.import_module(f"resnet_tutorial.{name}")


def public_names(module):
    """`__all__`, or else the functions and classes that are defined in the module."""
    own = [
        name
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]
    return getattr(module, "__all__", own)


def on_pages():
    """The modules that have a place on a page, each with the names that are shown there."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "book/api").glob("*.md")))
    shown = {name: members.split(",") for name, members in DIRECTIVE.findall(text)}
    return {
        name: [m.strip() for m in members if m.strip()] or public_names(module(name))
        for name, members in shown.items()
    }


PAGES = on_pages()
# Checkers need no example: tests/test_check_*.py hands each of them right and wrong answers.
SHOWN = [
    pytest.param(getattr(module(page), name), id=f"{page}.{name}")
    for page, names in PAGES.items()
    for name in names
    if not page.startswith("check") and callable(getattr(module(page), name))
]


def names_used(docstring):
    """Every name and attribute in the examples of a docstring."""
    source = "".join(e.source for e in doctest.DocTestParser().get_examples(docstring or ""))
    return {
        getattr(node, "id", None) or getattr(node, "attr", None)
        for node in ast.walk(ast.parse(source))
    }


def test_every_module_is_on_a_page_or_internal():
    found = {
        ".".join(path.relative_to(ROOT / "resnet_tutorial").with_suffix("").parts)
        for path in MODULES
    }
    found = {name.removesuffix(".__init__") for name in found} - {"__init__", "scratch", "cli"}
    found = {name for name in found if not name.startswith("cli.")} | {"cli"}
    assert found == PAGES.keys() | INTERNAL
    assert not PAGES.keys() & INTERNAL


def test_every_public_name_is_on_a_page():
    shown = {id(getattr(module(page), name)) for page, names in PAGES.items() for name in names}
    for page in PAGES.keys() - {"check.verdict"}:
        for name in public_names(module(page)):
            assert id(getattr(module(page), name)) in shown, f"{page}.{name} is on no page"


@pytest.mark.parametrize("thing", SHOWN)
def test_a_public_name_is_documented_and_has_an_example(thing):
    """An op and its `_backward` may share one. That examples run is tested by running them."""
    name = thing.__name__
    assert thing.__doc__, f"{name} has no docstring"
    pair = getattr(inspect.getmodule(thing), name.removesuffix("_backward"), None)
    used = names_used(thing.__doc__) | names_used(pair and pair.__doc__)
    assert name in used, f"no example of {name} in its docstring"


@pytest.mark.parametrize("thing", [p for p in SHOWN if inspect.isclass(p.values[0])])
def test_public_methods_are_documented(thing):
    """A network's `forward` is what its class says it computes."""
    for name, method in vars(thing).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            described = method.__doc__ or name in ("forward", "backward", "features")
            assert described or any(
                getattr(getattr(base, name, None), "__doc__", None) for base in thing.__mro__[1:]
            ), f"{thing.__name__}.{name} has no docstring"


DOCSTRING = """The norm |x| of `|y|`.

    code | here

Args:
    x: an array,
        or a |list|.
    y: another.

Raises:
    ValueError: never."""
RST = r"""The norm \|x\| of `|y|`.

::

    code | here


:param x: an array,
        or a \|list\|.
:param y: another.


:raises ValueError: never."""


def test_docstrings_become_rst():
    assert "\n".join(api_pages.as_rst(DOCSTRING.split("\n"), set())) == RST


def test_chapters_become_links_where_they_are_written():
    text = ["Source: a paper. Chapters: scratch/batch_norm,", "training/recipe."]
    assert api_pages.as_rst(text, {"book/scratch/batch_norm"}) == [
        "Source: a paper. Chapters: :doc:`/book/scratch/batch_norm`, `training/recipe`."
    ]


def test_what_a_chapter_imports_is_read():
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    cells = [
        new_markdown_cell("from resnet_tutorial import train"),
        new_code_cell("import numpy\nfrom resnet_tutorial import data, models"),
        new_code_cell(
            "from resnet_tutorial.scratch import ops\nfrom resnet_tutorial.data import load"
        ),
        new_code_cell("from resnet_tutorial.check import batch_norm as check"),
    ]
    assert api_pages.imported_modules(new_notebook(cells=cells)) == [
        *("resnet_tutorial.data", "resnet_tutorial.models", "resnet_tutorial.scratch.ops"),
        "resnet_tutorial.check.batch_norm",
    ]
