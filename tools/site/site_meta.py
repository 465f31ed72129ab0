"""Sphinx extension: what search engines, previews of links and readers in a hurry are told.

Where the book is public, sphinxext-opengraph and sphinx-sitemap write tags and map. Own are the
description, a whole sentence where the library cuts the text after so many letters, the reading
time, and the page for addresses that do not exist: sphinx-notfound-page makes one of 22 requests
in the theme, this one is 1.
"""

import math
import re
from html import escape
from urllib.parse import urlsplit

from docutils import nodes
from sphinx import addnodes

CARD = {
    "ogp_image": "_static/card.png",
    "ogp_image_alt": "Training error against depth: plain nets get worse, residual nets do not",
    "ogp_custom_meta_tags": [
        '<meta property="og:image:width" content="1200" />',
        '<meta property="og:image:height" content="630" />',
        '<meta name="twitter:card" content="summary_large_image" />',
    ],
    "ogp_social_cards": {"enable": False},
}
NOT_PAGES = ["404.html", "genindex.html", "index.html", "search.html"]
WORDS_PER_MINUTE = 200
NOT_READ = (nodes.literal_block, nodes.math_block, nodes.raw, nodes.comment)


def tell_the_public(app, config):
    """Tags and sitemap need an address: without one the libraries stay away."""
    if not config.html_baseurl:
        return
    for extension in ("sphinxext.opengraph", "sphinx_sitemap"):
        app.setup_extension(extension)
    settings = CARD | {
        "ogp_site_url": config.html_baseurl,
        "ogp_site_name": config.html_title,
        "ogp_type": "article",
        "ogp_enable_meta_description": False,
        "sitemap_url_scheme": "{link}",
        "sitemap_excludes": NOT_PAGES,
    }
    for name, value in settings.items():
        config[name] = value


def summary(doctree):
    """The first sentence of a page, or nothing."""
    paragraph = next(doctree.findall(nodes.paragraph), None)
    text = " ".join(paragraph.astext().split()) if paragraph is not None else ""
    return re.split(r"(?<=[.?!])\s", text, maxsplit=1)[0]


def own_description(app, pagename):
    """What a page says of itself in its front matter, or nothing."""
    return app.env.metadata[pagename].get("description", "")


def words(node):
    """The words of a page's text; code, outputs and displayed formulas are not read as words."""
    if isinstance(node, NOT_READ) or "cell_output" in getattr(node, "attributes", {}).get(
        "classes", ()
    ):
        return 0
    if isinstance(node, nodes.Text):
        return len(node.astext().split())
    return sum(map(words, node.children))


def reading_time(doctree):
    count = words(doctree)
    minutes = max(1, math.ceil(count / WORDS_PER_MINUTE))
    unit = "minute" if minutes == 1 else "minutes"
    return f'<p class="reading-time">About {minutes} {unit} to read ({count:,} words)</p>'


def description_tag(description):
    return f'<meta name="description" content="{escape(description)}" />'


def describe_page(app, pagename, templatename, context, doctree):
    context.setdefault("page_metadata", "")
    if doctree is None:
        return
    title = app.env.titles[pagename].astext()
    description = own_description(app, pagename) or summary(doctree)
    description = description or f"{title} of the book {app.config.html_title}."
    context["page_metadata"] = description_tag(description)
    context["meta"] = (context["meta"] or {}) | {"og:description": escape(description)}
    is_reference = any(doctree.findall(addnodes.desc))
    if pagename != app.config.root_doc and not is_reference:
        time = reading_time(doctree)
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{time}", 1)


def plain_pages(app):
    """The page for addresses that do not exist, which knows no folder it stands in, and the
    address of the whole site, which leads to the landing page."""
    base = app.config.html_baseurl
    context = {"page_metadata": "", "site_path": urlsplit(base).path or "/"}
    yield "404", context | {"title": "Not found"}, "404.html"
    landing = app.builder.get_target_uri(app.config.root_doc)
    tag = description_tag(own_description(app, app.config.root_doc))
    context = {"page_metadata": tag, "site_address": base, "landing": landing}
    yield "index", context, "redirect.html"


def setup(app):
    app.connect("config-inited", tell_the_public, priority=901)  # after site_address
    app.connect("html-page-context", describe_page, priority=400)  # before sphinxext-opengraph
    app.connect("html-collect-pages", plain_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
