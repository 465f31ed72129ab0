"""Sphinx extension: what search engines, previews of links and readers in a hurry are told.

Description, canonical address and picture of every page, the reading time under its title, the
sitemap and the page for addresses that do not exist. The site's own address follows from
`repository.url` in _config.yml.
"""

import math
import re
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes
from sphinx import addnodes

CARD = "_static/card.png"
CARD_SIZE = 1200, 630
CARD_ALT = "Training error against depth: plain nets get worse with depth, residual nets do not"
WORDS_PER_MINUTE = 200
NOT_READ = (nodes.literal_block, nodes.math_block, nodes.raw, nodes.comment)


def site_address(repository):
    """Where GitHub Pages shows a repository: https://github.com/OWNER/NAME is
    https://OWNER.github.io/NAME/."""
    try:
        owner, name = urlsplit(repository).path.strip("/").split("/")
    except ValueError:
        raise ValueError(
            "repository.url in _config.yml: expected https://github.com/OWNER/NAME, "
            f"got {repository!r}"
        ) from None
    return f"https://{owner}.github.io/{name}/"


def set_address(app, config):
    repository = config.html_theme_options["repository_url"]
    config.html_baseurl = config.html_baseurl or site_address(repository)


def summary(doctree):
    """The first sentence of a page, or nothing."""
    paragraph = next(doctree.findall(nodes.paragraph), None)
    text = " ".join(paragraph.astext().split()) if paragraph is not None else ""
    return re.split(r"(?<=[.?!])\s", text, maxsplit=1)[0]


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


def metadata(config, title, description, url):
    """The tags of a page's head that describe it to others."""
    width, height = CARD_SIZE
    properties = {
        "og:type": "article",
        "og:site_name": config.html_title,
        "og:title": title,
        "og:description": description,
        "og:url": url,
        "og:image": config.html_baseurl + CARD,
        "og:image:width": width,
        "og:image:height": height,
        "og:image:alt": CARD_ALT,
    }
    tags = [f'<meta name="description" content="{escape(description)}" />']
    tags += [f'<meta property="{name}" content="{escape(str(value))}" />'
             for name, value in properties.items()]  # fmt: skip
    tags.append('<meta name="twitter:card" content="summary_large_image" />')
    return "\n  ".join(tags)


def describe_page(app, pagename, templatename, context, doctree):
    context.setdefault("page_metadata", "")
    if doctree is None:
        return
    title = app.env.titles[pagename].astext()
    description = summary(doctree) or f"{title} of the book {app.config.html_title}."
    context["page_metadata"] = metadata(app.config, title, description, context["pageurl"])
    is_reference = any(doctree.findall(addnodes.desc))
    if pagename != app.config.root_doc and not is_reference:
        time = reading_time(doctree)
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{time}", 1)


def plain_pages(app):
    """The page for addresses that do not exist, which knows no folder it stands in, and the
    address of the whole site, which leads to the landing page."""
    base = app.config.html_baseurl
    context = {"page_metadata": "", "site_path": urlsplit(base).path}
    yield "404", context | {"title": "Not found"}, "404.html"
    landing = app.builder.get_target_uri(app.config.root_doc)
    description = summary(app.env.get_doctree(app.config.root_doc))
    tags = metadata(app.config, app.config.html_title, description, base + landing)
    context = {"page_metadata": tags, "site_address": base, "landing": landing}
    yield "index", context, "redirect.html"


def write_sitemap(app, exception):
    if exception or app.builder.format != "html":
        return
    names = sorted(set(app.env.found_docs))
    addresses = [app.config.html_baseurl + app.builder.get_target_uri(name) for name in names]
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        + "".join(f"  <url><loc>{escape(address)}</loc></url>\n" for address in addresses)
        + "</urlset>\n"
    )


def setup(app):
    app.connect("config-inited", set_address, priority=900)
    app.connect("html-page-context", describe_page)
    app.connect("html-collect-pages", plain_pages)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
