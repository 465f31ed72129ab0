"""Sphinx extension: mends what the themes and Jupyter Book put into every page."""

import re
from pathlib import Path


def remove_thebe(app, config):
    """Jupyter Book always loads sphinx_thebe, which puts a remote script's address, twice, into
    every page; the book uses Colab instead."""
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if one.handler.__module__ != "sphinx_thebe"]
    app.registry.css_files[:] = [f for f in app.registry.css_files if f[0] != "sphinx-thebe.css"]


# docutils puts entries with another role into the list of references: screen readers then announce
# an empty list. MyST-NB's label on what unfolds hides the title of what is folded.
MENDED = {
    'role="doc-biblioentry"': 'role="listitem"',
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


# A signature in several lines is a list of definitions without a term.
SIGNATURE = re.compile(r'<dl>\n((?:<dd><em class="sig-param">.*</dd>\n)+)</dl>')


def mend_signature(found):
    lines = found[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f"<span>{lines}</span>"


def mend_roles(app, pagename, templatename, context, doctree):
    if "body" not in context:
        return
    for wrong, right in MENDED.items():
        context["body"] = context["body"].replace(wrong, right)
    context["body"] = SIGNATURE.sub(mend_signature, context["body"])


# Sphinx looks a word up as a property of its index, and these are properties of every object.
MEND_SEARCH = """
Search.setIndex = (setIndex => index => {
  for (const words of [index.terms, index.titleterms])
    for (const name of ["constructor", "__proto__"])
      if (!Object.hasOwn(words, name)) Object.defineProperty(words, name, {value: undefined});
  setIndex(index);
})(Search.setIndex);
"""


def mend_search(app, exception):
    if exception or app.builder.format != "html":
        return
    path = Path(app.outdir, "_static", "searchtools.js")
    text = path.read_text(encoding="utf-8").replace(MEND_SEARCH, "")
    path.write_text(text + MEND_SEARCH, encoding="utf-8")


def setup(app):
    app.connect("config-inited", remove_thebe, priority=900)
    app.connect("html-page-context", mend_roles)
    app.connect("build-finished", mend_search)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
