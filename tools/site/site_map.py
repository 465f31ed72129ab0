"""Sphinx directive `parts`: the map of the book on its landing page.

Each line of its content is `Part: a sentence.`; parts, their order and their chapters come from
_toc.yml. A part without a sentence, or a sentence without its part, is an error.
"""

from sphinx.util.docutils import SphinxDirective

PART = """\
::::{{container}} part
**{caption}**

{sentence}

{chapters}
::::
"""


class Parts(SphinxDirective):
    has_content = True

    def run(self):
        sentences = dict(line.split(": ", 1) for line in self.content if line.strip())
        parts = {part.caption: part.items for part in self.env.external_site_map.root.subtrees}
        self.env.note_dependency("_toc.yml")
        for name in set(parts) ^ set(sentences):
            what = "has no sentence here" if name in parts else "is no part of _toc.yml"
            raise self.error(f"{name!r} {what}; write one line 'Part: sentence' for each part")
        text = ":::::{container} parts\n"
        for caption, items in parts.items():
            chapters = "\n".join(f"- {{doc}}`/{item}`" for item in items)
            text += PART.format(caption=caption, sentence=sentences[caption], chapters=chapters)
        return self.parse_text_to_nodes(f"{text}:::::\n")


def setup(app):
    app.add_directive("parts", Parts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
