"""Sphinx extension: the site works offline, without console errors and without duplicates."""

import shutil
from importlib.util import find_spec
from pathlib import Path

FONTS = "output/chtml/fonts/woff-v2"


def remove_thebe(app, config):
    """Jupyter Book always loads sphinx_thebe, which puts a remote script's address, twice, into
    every page; the book uses Colab instead."""
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if one.handler.__module__ != "sphinx_thebe"]
    app.registry.css_files[:] = [f for f in app.registry.css_files if f[0] != "sphinx-thebe.css"]


def remove_duplicate_scripts(app, pagename, templatename, context, doctree):
    """Sphinx 7.4 lists inline scripts twice; a second `const` of the same name is an error."""
    unique = {(str(s), s.attributes.get("body")): s for s in reversed(context["script_files"])}
    context["script_files"] = list(reversed(unique.values()))


def mend_roles(app, pagename, templatename, context, doctree):
    """docutils puts entries with another role into the list of references: screen readers then
    announce an empty list."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def copy_mathjax(app, exception):
    """MathJax and its fonts, from the installed package sphinx-mathjax-offline into the site."""
    if exception or app.builder.format != "html":
        return
    (package,) = find_spec("sphinx-mathjax-offline").submodule_search_locations
    source = Path(package) / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    shutil.copytree(source / FONTS, target / FONTS, dirs_exist_ok=True)
    shutil.copy(source / "tex-chtml-full.js", target)


def setup(app):
    app.connect("config-inited", remove_thebe, priority=900)
    app.connect("html-page-context", remove_duplicate_scripts, priority=900)
    app.connect("html-page-context", mend_roles)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
