"""Sphinx extension: the package's docstrings as pages, linked with the chapters both ways.

sphinx.ext.napoleon reads "Args:" and "Raises:", sphinx.ext.linkcode leads to the sources. Own are
the marks that they do not know: |x| is a norm, indented lines are code, "Chapter: part/name" leads
to the chapter that derives a thing. Every chapter gets a last line that links to the parts of the
package that it imports.
"""

import ast
import inspect
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx import addnodes
from sphinx.ext.napoleon import GoogleDocstring

CODE = re.compile(r"(``[^`]+``|`[^`]+`)")
CHAPTERS = re.compile(r"Chapters?:\s+(\w+/\w+(?:,\s+\w+/\w+)*)")


def chapters_of(docstring: str | None) -> list[str]:
    """The chapters that a docstring names."""
    return re.split(r",\s+", ", ".join(CHAPTERS.findall(docstring or "")))


def linked(chapters: list[str], pages: set[str]) -> str:
    """The sentence that names the chapters, with their titles as links where they are written."""
    links = [f":doc:`/book/{c}`" if f"book/{c}" in pages else f"`{c}`" for c in chapters]
    return f"Chapter{'s' if len(chapters) > 1 else ''}: {', '.join(links)}"


def as_rst(lines: list[str], pages: set[str]) -> list[str]:
    """A docstring's lines, its marks as reStructuredText; its sections are for napoleon."""
    text = CHAPTERS.sub(lambda found: linked(chapters_of(found.group()), pages), "\n".join(lines))
    blocks, code = [], False
    for block in text.split("\n\n"):
        before, code = code, block.startswith("    ")
        blocks += ["::"] if code and not before else []
        blocks.append(block if code else escaped(block))
    return "\n\n".join(blocks).split("\n")


def escaped(text: str) -> str:
    """Prose, its bars escaped outside of code."""
    parts = CODE.split(text)
    parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
    return "".join(parts)


def process_docstring(app, what, name, obj, options, lines):
    """What names no chapter links to the one that its module names."""
    module = sys.modules.get(getattr(obj, "__module__", None) or "")
    inherited = CHAPTERS.search(getattr(module, "__doc__", None) or "")
    if what in ("function", "class") and inherited and not CHAPTERS.search("\n".join(lines)):
        lines += ["", inherited.group(), ""]
    # The class alone: the extension takes the first words of an attribute for its type.
    lines[:] = GoogleDocstring(as_rst(lines, app.env.found_docs)).lines()


def process_signature(app, what, name, obj, options, signature, return_annotation):
    """A default that is a function or a class by its name, as in the source."""
    if not signature:
        return None
    named = re.sub(r"<(?:class|function) '?(?:\w+\.)*(\w+)'?(?: at 0x\w+)?>", r"\1", signature)
    return named.replace("<factory>", "..."), return_annotation


def skip_member(app, what, name, obj, skip, options):
    """A field of a dataclass whose default is a function or a class is not a method."""
    borrowed = inspect.isfunction(obj) or inspect.isclass(obj)
    field = (obj.__doc__ or "").startswith("Alias for field number")
    return True if what == "class" and (field or borrowed and "." not in obj.__qualname__) else None


def imported_modules(notebook) -> list[str]:
    """The modules of the package that the code cells import, in order."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    own = [name for name in dict.fromkeys(found) if name.startswith("resnet_tutorial.")]
    modules = [name for name in own if is_module(name)]
    return [m for m in modules if not any(other.startswith(f"{m}.") for other in modules)]


def source_of(app, info):
    """The address of a function or class in the repository."""
    theme = app.config.html_theme_options
    repository, branch = theme.get("repository_url"), theme.get("repository_branch")
    found = sys.modules[info["module"]]
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    found = getattr(found, "__func__", found)  # of a class method
    if not repository or not (inspect.isfunction(found) or inspect.isclass(found)):
        return None
    found = inspect.unwrap(found)
    home = Path(sys.modules["resnet_tutorial"].__file__).parents[1]
    path = Path(inspect.getsourcefile(found)).relative_to(home)
    lines, first = inspect.getsourcelines(found)
    return f"{repository}/blob/{branch}/{path}#L{first}-L{first + len(lines) - 1}"


def is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module and no package
        return False


def link_chapter(app, doctree):
    """The last line of a chapter: the pages of the modules that it imports."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    line = nodes.paragraph("", "In the package: ")
    for i, name in enumerate(imported_modules(nbformat.read(path, 4))):
        line += nodes.Text(", " if i else "")
        line += addnodes.pending_xref(
            "",
            nodes.literal(name, name.removeprefix("resnet_tutorial.")),
            refdomain="py",
            reftype="mod",
            reftarget=name,
            refwarn=True,
        )
    title = next(doctree.findall(nodes.section))
    title += addnodes.seealso("", line)


def setup(app):
    # Sphinx keeps the configuration on the disk, and can leave out a function, not a partial.
    app.config.linkcode_resolve = lambda domain, info: source_of(app, info)
    for extension in ("autodoc", "linkcode"):
        app.setup_extension(f"sphinx.ext.{extension}")
    app.connect("autodoc-process-docstring", process_docstring)
    app.connect("autodoc-process-signature", process_signature)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("doctree-read", link_chapter)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
