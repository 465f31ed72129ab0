"""Sphinx extension: the directive ``instrument`` puts an interactive figure into a page.

    ```{instrument} paths
    ```

The figure is HTML from templates/, moved by the scripts of book/_static/instruments, which only the
pages that show one load. Without scripts the reader gets a picture and a table instead; both, and
all data, come from ``reference``, architectures.json and branches.json.
"""

import json
from fractions import Fraction
from pathlib import Path

import jinja2
import numpy as np
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from instruments import reference
from instruments.reference import Net

HERE = Path(__file__).parent
ARCHITECTURES = HERE / "architectures.json"
BRANCHES = HERE / "branches.json"
SCRIPTS = {
    "signal": ["chart", "random", "network", "theory", "signal"],
    "architectures": ["architectures"],
    "paths": ["chart", "paths", "path_counter"],
}
# The experiments that the first instrument offers, and that its fallback shows.
PRESETS = {
    "He, 30 plain layers": Net(30),
    "PyTorch’s default, 30 plain layers": Net(30, gain=0.41),
    "Batch norm, 56 plain layers": Net(56, batch_norm=True),
    "Skips without batch norm": Net(56, skip=True),
    "Skips, branches times 1/√28": Net(56, branch_scale=0.19, skip=True),
    "Skips with batch norm": Net(56, skip=True, batch_norm=True),
}
WIDTH = BATCH = 64
VEIT = (54, Fraction(27, 100), 5, 17)  # blocks, weight of a branch, the lengths between


def in_script(net: Net) -> str:
    """The settings of a net under the names of the form's controls."""
    return json.dumps(
        {
            "depth": net.depth,
            "gain": net.gain,
            "branchScale": net.branch_scale,
            "skip": net.skip,
            "batchNorm": net.batch_norm,
        }
    )


def measured(net: Net, seed: int = 0) -> list[np.ndarray]:
    """Signal and gradient of one draw, and their laws, relative to where they start."""
    x, cotangent = np.random.default_rng(seed + 1).standard_normal((2, BATCH, WIDTH))
    signal, gradient = reference.profiles(net, net.draw(WIDTH, seed), x, cotangent)
    return [signal / signal[0], gradient / gradient[-1], *reference.laws(net)]


def number(value: float) -> str:
    """Two digits, with a power of ten where that is shorter."""
    mantissa, exponent = f"{value:.1e}".split("e")
    near = -3 < int(exponent) < 4
    return f"{value:.2g}" if near and value < 100 else f"{value:,.0f}" if near else (
        f"{mantissa} × 10<sup>{int(exponent)}</sup>".replace("-", "−"))  # fmt: skip


def signal_context() -> dict:
    ends = {}
    for title, net in PRESETS.items():
        signal, gradient, signal_law, gradient_law = measured(net)
        values = (signal[-1], signal_law[-1], gradient[0], gradient_law[0])
        ends[title] = [number(value) for value in values]
    return {"presets": {title: in_script(net) for title, net in PRESETS.items()}, "ends": ends}


def architectures_context() -> dict:
    text = ARCHITECTURES.read_text(encoding="utf-8")
    return {"data": text.replace("</", "<\\/"), "networks": json.loads(text)}


def paths_context() -> dict:
    blocks, _, first, last = VEIT
    rows = []
    for percent in (100, 50, 27, 10):
        shares = reference.path_shares(blocks, Fraction(percent, 100))
        mass = float(sum(shares[first : last + 1]))
        rows.append((percent / 100, *reference.moments(shares), mass))
    measured = json.loads(BRANCHES.read_text())
    return {"rows": rows, "blocks": blocks, "first": first, "last": last, "measured": measured}


CONTEXTS = {
    "signal": signal_context,
    "architectures": architectures_context,
    "paths": paths_context,
}


class Instrument(SphinxDirective):
    """One of ``SCRIPTS``; a name that is none is an error of the build."""

    required_arguments = 1

    def run(self):
        [name] = self.arguments
        if name not in SCRIPTS:
            raise self.error(f"expected one of {', '.join(SCRIPTS)}, got {name!r}")
        for source in (HERE / "templates").glob("*.html"):
            self.env.note_dependency(str(source))
        loader = jinja2.FileSystemLoader(HERE / "templates")
        templates = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)
        static = "../" * self.env.docname.count("/") + "_static/instruments"
        html = templates.get_template(f"{name}.html").render(static=static, **CONTEXTS[name]())
        return [nodes.raw("", html, format="html", instrument=name)]


def load_scripts(app, pagename, templatename, context, doctree):
    """Style and scripts, on the pages with an instrument alone."""
    raw = doctree.findall(nodes.raw) if doctree else []
    names = [node["instrument"] for node in raw if "instrument" in node]
    if names:
        app.add_css_file("instruments/instruments.css")
    for script in dict.fromkeys(s for name in names for s in ["controls", *SCRIPTS[name]]):
        # A low number: before MathJax, which takes long to load.
        app.add_js_file(f"instruments/{script}.js", priority=100, loading_method="defer")


def pictures() -> dict:
    """The still picture of each instrument: an Axes."""
    from resnet_tutorial import figures  # matplotlib is needed nowhere else in the build

    lines = {}
    for label, net in (("plain", PRESETS["Batch norm, 56 plain layers"]),
                       ("residual", PRESETS["Skips with batch norm"])):  # fmt: skip
        layers = net.layers_a_block * np.arange(net.depth // net.layers_a_block + 1)
        _, gradient, _, law = measured(net)
        lines |= {label: (layers, gradient), f"theory, {label}": (layers, law)}
    [net] = [net for net in json.loads(ARCHITECTURES.read_text()) if net["name"] == "resnet50"]
    stages = {
        label: (range(len(net["stages"])), [100 * s[key] / net[key] for s in net["stages"]])
        for label, key in (("parameters", "parameters"), ("multiply-adds", "macs"))
    }
    blocks, weight, *_ = VEIT
    lengths = {
        label: (range(blocks + 1), [100 * float(s) for s in reference.path_shares(blocks, w)])
        for label, w in (("all paths", Fraction(1)), ("weighted by 0.27 a branch", weight))
    }
    size = "gradient norm over the output's"
    return {
        "signal": figures.lines(lines, "layer", size, log="y"),
        "architectures": figures.lines(stages, "stage of resnet50 (0: stem, 5: head)", "share (%)"),
        "paths": figures.lines(lengths, "branches on the path", "share of the paths (%)"),
    }


def draw_pictures(app, exception):
    if exception or app.builder.format != "html":
        return
    import matplotlib

    folder = Path(app.outdir) / "_static" / "instruments"
    matplotlib.rcParams["svg.hashsalt"] = "instruments"  # the same names in every build
    for name, axes in pictures().items():
        axes.figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def setup(app):
    app.add_directive("instrument", Instrument)
    app.connect("html-page-context", load_scripts)
    app.connect("build-finished", draw_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
