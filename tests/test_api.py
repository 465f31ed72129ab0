"""The reference: every public name of the package is on a page, documented, with an example."""

import ast
import doctest
import importlib
import inspect
import posixpath
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
import site_api
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.util.inventory import InventoryFile
from test_architecture import MODULES, ROOT

# Rooms of the package that its other modules are made of. Their public names reach the reader
# through these, or not at all.
INTERNAL = {
    "__main__",
    "cli",
    "download",
    "files",
    "names",
    "palette",
    "paths",
    "deploy.folding",
    "deploy.onnx_file",
    "drawings.angles",
    "drawings.backward",
    "drawings.blocks",
    "drawings.chain",
    "drawings.columns",
    "drawings.convolution",
    "drawings.counted",
    "drawings.curves",
    "drawings.field",
    "drawings.flow",
    "drawings.norm",
    "drawings.ideas",
    "drawings.networks",
    "drawings.photos",
    "drawings.plan",
    "drawings.plane",
    "drawings.svg",
    "drawings.training",
    "drawings.troubles",
    "drawings.tuning",
    "data.arrays",
    "data.catalogue",
    "data.checking",
    "data.cifar",
    "data.dataset",
    "data.decode",
    "data.decoders",
    "data.digits",
    "data.fashion",
    "data.folders",
    "data.labels_csv",
    "data.listing",
    "data.sheet",
    "data.sources",
    "data.streamed",
    "data.tiny_imagenet",
    "experiments.experiment",
    "experiments.kinds",
    "experiments.workers",
    "experiments.on_digits",
    "experiments.on_explosion",
    "experiments.on_pictures",
    "experiments.on_recipes",
    "experiments.on_transfer",
    "experiments.recipes",
    "experiments.transferring",
    "models.named",
    "models.transfer",
    "scratch.layer",
    "scratch.normalization",
    "scratch.shapes",
    "scratch.shortcuts",
    "train.batches",
    "train.checks",
    "train.checkpoint",
    "train.evaluation",
    "train.fitting",
    "train.launch",
    "train.layers",
    "train.loop",
    "train.state",
    "train.stream",
    "train.meter",
    "train.stopping",
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
    lost = found - PAGES.keys() - INTERNAL
    gone = (PAGES.keys() | INTERNAL) - found
    assert not lost, f"give {sorted(lost)} a page under book/api/, or add it to INTERNAL here"
    assert not gone, f"take {sorted(gone)} from book/api/ or from INTERNAL: there is no such module"
    assert not PAGES.keys() & INTERNAL


def test_every_public_name_is_on_a_page():
    shown = {id(getattr(module(page), name)) for page, names in PAGES.items() for name in names}
    for page in PAGES.keys() - {"check.verdict"}:
        constants = {name for name in dir(module(page)) if name.isupper()}
        for name in set(public_names(module(page))) - constants:
            assert id(getattr(module(page), name)) in shown, f"{page}.{name} is on no page"


@pytest.mark.parametrize("thing", SHOWN)
def test_a_public_name_is_documented_and_has_an_example(thing):
    """Its own, or one of its module, of the op that it is the `_backward` of, or of its methods.
    That the examples are right is tested by running them."""
    name, home = thing.__name__, inspect.getmodule(thing)
    assert thing.__doc__, f"{name} has no docstring"
    op = getattr(home, name.removesuffix("_backward"), None)
    shared = names_used(home.__doc__) | names_used(op and op.__doc__)
    methods = [method.__doc__ for method in vars(thing).values() if inspect.isfunction(method)]
    own = any(">>>" in (doc or "") for doc in (thing.__doc__, *methods))
    assert own or name in shared, f"no example of {name}"


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

    more | code

Args:
    x: an array,
        or a |list|.
    y: another.

Raises:
    ValueError: never."""
RST = r"""The norm \|x\| of `|y|`.

::

    code | here

    more | code

:param x: an array,
          or a \|list\|.
:param y: another.

:raises ValueError: never.
"""


def test_docstrings_become_rst():
    lines = DOCSTRING.split("\n")
    site_api.process_docstring(SimpleNamespace(env=SimpleNamespace(found_docs=set())),
                               "attribute", "x", None, None, lines)  # fmt: skip
    assert "\n".join(lines) == RST


def test_chapters_become_links_where_they_are_written():
    text = ["Source: a paper. Chapters: scratch/batch_norm,", "training/recipe."]
    assert site_api.as_rst(text, {"book/scratch/batch_norm"}) == [
        "Source: a paper. Chapters: :doc:`/book/scratch/batch_norm`, `training/recipe`."
    ]


def test_what_a_chapter_imports_is_read():
    cells = [
        new_markdown_cell("from resnet_tutorial import train"),
        new_code_cell("import numpy\nfrom resnet_tutorial import data, models"),
        new_code_cell(
            "from resnet_tutorial.scratch import ops\nfrom resnet_tutorial.data import load"
        ),
        new_code_cell("from resnet_tutorial.check import batch_norm as check"),
    ]
    assert site_api.imported_modules(new_notebook(cells=cells)) == [
        *("resnet_tutorial.data", "resnet_tutorial.models", "resnet_tutorial.scratch.ops"),
        "resnet_tutorial.check.batch_norm",
    ]


CONF = """
import sys
sys.path[:0] = {paths!r}
extensions = ["myst_nb", "site_api"]
nb_execution_mode = "off"
html_theme = "basic"
html_theme_options = {{}}
globals().update({settings!r})
"""


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The pages under book/api and a chapter, built with the book's settings, warnings as errors.

    Stubs stand for the other chapters: the whole book takes longer.
    """
    source, out = tmp_path_factory.mktemp("reference"), tmp_path_factory.mktemp("html")
    shutil.copytree(ROOT / "book" / "api", source / "book" / "api")
    toc = (ROOT / "_toc.yml").read_text()
    for page in set(re.findall(r"file: (book/(?!api/)\S+)", toc)) - {"book/scratch/batch_norm"}:
        (source / page).parent.mkdir(parents=True, exist_ok=True)
        (source / f"{page}.md").write_text(f"# {page}\n")
    cells = [
        new_markdown_cell("# Batch norm"),
        new_code_cell("from resnet_tutorial.scratch import ops"),
    ]
    metadata = {"language_info": {"name": "python"}}
    nbformat.write(
        new_notebook(cells=cells, metadata=metadata), source / "book/scratch/batch_norm.ipynb"
    )
    (source / "index.md").write_text("# Index\n\n```{toctree}\n:glob:\nbook/**\n```\n")
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]
    wanted = ("add_module", "autodoc", "default_role", "nitpick", "python")
    settings = {key: value for key, value in settings.items() if key.startswith(wanted)}
    paths = [str(ROOT), str(ROOT / "tools/site")]
    (source / "conf.py").write_text(CONF.format(paths=paths, settings=settings))
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", source, out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / "book"


def test_entries_read_well(reference):
    for page in (reference / "api").glob("*.html"):
        html = page.read_text()
        for raw in ("Args:", "Raises:\n", "object at 0x", "&lt;function", "&lt;class", "|x|"):
            assert raw not in html, f"{page.name}: {raw}"
        assert not re.search(r"Chapters?: \w+/\w", html), page.name
    shapes = re.sub(r"<[^>]+>", "", (reference / "api/scratch.html").read_text())
    assert "dy: Float[ndarray, 'n o h2 w2']" in shapes.replace("&#39;", "'")


def test_every_name_of_a_page_is_in_the_index_of_the_site(reference):
    with (reference.parent / "objects.inv").open("rb") as file:
        index = InventoryFile.load(file, "", posixpath.join)
    found = {name for kind, names in index.items() if kind.startswith("py:") for name in names}
    for page, names in PAGES.items():
        assert f"resnet_tutorial.{page}" in found
        for name in names:
            assert f"resnet_tutorial.{page}.{name}" in found


def test_entry_and_chapter_lead_to_each_other(reference):
    entry, chapter = reference / "api/scratch.html", reference / "scratch/batch_norm.html"
    assert 'href="../scratch/batch_norm.html"' in entry.read_text()
    assert 'href="../api/scratch.html#module-resnet_tutorial.scratch.ops"' in chapter.read_text()
