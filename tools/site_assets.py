"""Sphinx extension: mends what the themes and Jupyter Book put into every page."""


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


def mend_roles(app, pagename, templatename, context, doctree):
    for wrong, right in MENDED.items() if "body" in context else ():
        context["body"] = context["body"].replace(wrong, right)


def setup(app):
    app.connect("config-inited", remove_thebe, priority=900)
    app.connect("html-page-context", mend_roles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
