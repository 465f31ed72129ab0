"""Sphinx extension: what a reader may have forgotten is one hover away.

In every chapter, and beside every interactive figure, the first use of each glossary term becomes
a link to it, and a mention of an equation by its name, (he-layer) for `\\tag{he-layer}`, a link to
the equation. The texts that `previews.js` shows beside these links, and beside links to other
pages, are stored in the page. Own, since sphinx-tippy knows no first uses, and its two scripts
weigh 46 kB.
"""

import json
import re

from docutils import nodes
from site_meta import summary
from sphinx import addnodes

GLOSSARY = "book/glossary"
TAG = re.compile(r"\\tag\{([^{}]+)\}")
CHINESE = re.compile(r"\s*([\u4e00-\u9fff].*)")
# Titles of papers, whose words are not the book's.
LITERATURE = "Further reading"
# Text inside these is not prose of the chapter, or is a link already.
CLOSED = (nodes.reference, nodes.title, nodes.literal, nodes.literal_block, nodes.raw, nodes.math,
          nodes.math_block, nodes.rubric)  # fmt: skip


def text_with_maths(node):
    r"""The node's text; formulas between \( and \), as MathJax reads them."""
    if isinstance(node, nodes.math):
        return rf"\({node.astext()}\)"
    if isinstance(node, nodes.Text):
        return node.astext()
    return "".join(map(text_with_maths, node.children))


def glossary(env):
    """The terms in English, as {term: (anchor, term with its Chinese name, definition)}."""
    found = {}
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        definition = next(item.findall(nodes.definition))
        for term in item.findall(nodes.term):
            name = CHINESE.sub("", term.astext())
            text = text_with_maths(definition).replace("\n", " ")
            found[name] = (term["ids"][0], term.astext(), text)
    return found


def pattern(terms):
    """Finds any of the terms as whole words, in the singular or the plural, over line ends."""
    longest_first = sorted(terms, key=len, reverse=True)
    words = "|".join(re.escape(term).replace(r"\ ", r"\s+") for term in longest_first)
    return re.compile(rf"(?<![\w-])({words})(?:e?s)?(?![\w-])", re.IGNORECASE)


def link(text, refuri, kind):
    target = nodes.reference("", "", nodes.Text(text), internal=True, refuri=refuri)
    target["classes"].append(kind)
    return target


def prose(doctree):
    """The text nodes of a chapter in which links may be put."""
    for text in list(doctree.findall(nodes.Text)):
        ancestors, node = [], text.parent
        while node is not None:
            ancestors.append(node)
            node = node.parent
        titles = [one[0].astext() for one in ancestors if isinstance(one, nodes.section)]
        if LITERATURE not in titles and not any(isinstance(one, CLOSED) for one in ancestors):
            yield text


def replace_text(text, new):
    """Put `new` nodes in the place of a text node, and return those that are text."""
    text.parent.replace(text, new)
    return [node for node in new if isinstance(node, nodes.Text)]


def link_first_uses(doctree, terms, address):
    """Link the first use of every term to `address`#anchor; returns {address: (title, text)}."""
    left, previews = dict(terms), {}
    waiting = list(prose(doctree))
    while waiting and left:
        text = waiting.pop(0)
        found = pattern(left).search(text)
        if not found:
            continue
        name = find_name(found[1], left)
        anchor, title, definition = left.pop(name)
        left = {other: value for other, value in left.items() if value[0] != anchor}
        target = f"{address}#{anchor}"
        previews[target] = (title, definition)
        before, after = text[: found.start()], text[found.end() :]
        new = [nodes.Text(before), link(found[0], target, "term-link"), nodes.Text(after)]
        waiting = replace_text(text, new)[1:] + waiting
    return previews


def find_name(words, terms):
    """The glossary's spelling of a term found in the text."""
    words = " ".join(words.split()).lower()
    return next(name for name in terms if name.lower() == words)


def link_equations(doctree):
    """Give every named equation an anchor, and link the mentions of its name to it."""
    names = set()
    for block in doctree.findall(nodes.math_block):
        for name in TAG.findall(block.astext()):
            names.add(name)
            block["ids"].append(f"equation-{name}")
    if not names:
        return
    mention = re.compile(rf"\(({'|'.join(map(re.escape, names))})\)")
    for text in prose(doctree):
        pieces, end = [], 0
        for found in mention.finditer(text):
            target = link(found[1], f"#equation-{found[1]}", "equation-link")
            pieces += [nodes.Text(text[end : found.start()] + "("), target]
            end = found.end() - 1
        if pieces:
            replace_text(text, [*pieces, nodes.Text(text[end:])])


def is_chapter(docname):
    """Whether the page is in a part of the book that is read from the start, not looked up."""
    _, *part, _ = docname.split("/")
    return part not in ([], ["api"])


def link_chapter(app, doctree, docname):
    if app.builder.format != "html" or not is_chapter(docname):
        return
    link_equations(doctree)
    address = app.builder.get_relative_uri(docname, GLOSSARY)
    doctree["previews"] = link_first_uses(doctree, glossary(app.env), address)


def page_previews(app, docname, doctree):
    """Title and text by address: of the glossary terms and of the pages that this page links to."""
    found = dict(doctree.get("previews", {}))
    pages = {app.builder.get_relative_uri(docname, name): name for name in app.env.found_docs}
    for reference in doctree.findall(nodes.reference):
        name = pages.get(reference.get("refuri"))
        if name and name != docname:
            title = app.env.titles[name].astext()
            found[reference["refuri"]] = (title, summary(app.env.get_doctree(name)))
    return found


def store_previews(app, pagename, templatename, context, doctree):
    found = page_previews(app, pagename, doctree) if doctree else {}
    data = json.dumps(found, ensure_ascii=False).replace("</", "<\\/")
    script = f'<script type="application/json" id="previews">{data}</script>'
    context["previews"] = script if found else ""


def index_chinese_names(app, doctree):
    """An index entry for the Chinese name alone: the search skips entries, such as those of whole
    terms, of which the words looked for are less than half."""
    if app.env.docname != GLOSSARY:
        return
    for node in doctree.findall(addnodes.index):
        kind, name, *rest = node["entries"][0]
        if chinese := CHINESE.search(name):
            node["entries"].append((kind, chinese[1], *rest))


def setup(app):
    app.connect("doctree-read", index_chinese_names)
    app.connect("doctree-resolved", link_chapter)
    app.connect("html-page-context", store_previews)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
