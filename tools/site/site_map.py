"""Sphinx directive `parts`: the map of the book on its landing page.

Each line of its content is `Part: a sentence.`; parts, their order and their chapters come from
_toc.yml. A part without a sentence, or a sentence without its part, is an error.
"""

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxDirective


def chapter_link(docname, source):
    link = pending_xref("", nodes.inline(), refdomain="std", reftype="doc", refdoc=source,
                        reftarget=f"/{docname}", refexplicit=False, refwarn=True)  # fmt: skip
    return nodes.list_item("", nodes.paragraph("", "", link))


class Parts(SphinxDirective):
    has_content = True

    def run(self):
        sentences = dict(line.split(": ", 1) for line in self.content if line.strip())
        parts = self.env.external_site_map.root.subtrees
        captions = [part.caption for part in parts]
        self.env.note_dependency("_toc.yml")
        for name in set(captions) ^ set(sentences):
            what = "has no sentence here" if name in captions else "is no part of _toc.yml"
            raise self.error(f"{name!r} {what}; write one line 'Part: sentence' for each part")
        items = [self.part(part, sentences[part.caption]) for part in parts]
        return [nodes.container("", *items, classes=["parts"])]

    def part(self, part, sentence):
        text, messages = self.parse_inline(sentence)
        title = nodes.paragraph("", "", nodes.strong("", part.caption), classes=["part-title"])
        chapters = [chapter_link(str(item), self.env.docname) for item in part.items]
        links = nodes.bullet_list("", *chapters)
        content = [title, nodes.paragraph("", "", *text), *messages, links]
        return nodes.container("", *content, classes=["part"])


def setup(app):
    app.add_directive("parts", Parts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
