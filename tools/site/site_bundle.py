"""Sphinx extension: few and small files a page, all of them local.

Own, since nothing that Sphinx 7 loads bundles. As the themes leave it, a chapter asks for 29 files,
466 kB without MathJax; bundled for 16, 436 kB with it. The style sheets become `_static/site.css`,
from which lightningcss takes the rules that no page uses, the scripts `_static/site.js`, the icons
fonts of a dozen glyphs inside the style sheet; pictures get a palette; MathJax is reduced to the
parts that read TeX and write HTML.
"""

import base64
import io
import posixpath
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import lightningcss
from fontTools import subset
from PIL import Image

STYLES = (
    "basic.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "copybutton.css",
    "mystnb.*.css",
    "sphinx-design.min.css",
)
SCRIPTS = (
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "clipboard.min.js",
    "copybutton.js",
    "scripts/sphinx-book-theme.js",
    "scripts/bootstrap.js",
    "scripts/pydata-sphinx-theme.js",
)
# Loaded by the themes and used on no page; the notebooks fold with <details>.
UNUSED = ("togglebutton.css", "togglebutton.js", "design-tabs.js", "sphinx-thebe.css")
UNUSED_SETTINGS = ("let toggle", "var togglebutton", "DOCUMENTATION_OPTIONS.")
LEFT_BEHIND = ("styles", "scripts", "vendor", "locales")

MATHJAX = (
    "startup.js",
    "core.js",
    "input/tex-base.js",
    "input/tex/extensions/ams.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "a11y/assistive-mml.js",
)
MATHJAX_FONTS = "output/chtml/fonts/woff-v2"
# An unknown macro becomes a visible error, which the tests find.
# Around a centred formula MathJax leaves the width of its name free on both sides: too much there.
MATHJAX_SETTINGS = """\
window.MathJax = Object.assign(window.MathJax || {}, {
  loader: {load: []}, tex: {packages: ["base", "ams"]},
  chtml: {displayAlign: innerWidth < 600 ? "left" : "center"}
});
"""

CSS_NAME = re.compile(r"[.#](-?[A-Za-z_](?:\\.|[\w-])*)")
FONT_FILE = re.compile(r'url\([^)]*?(fa-[a-z]+-\d+)\.woff2"?\)\s*format\("woff2"\)[^}]*')
ICON = re.compile(r'content:"([^"])"')


def pages(outdir):
    """Every page of the built site; not the themes' templates, which some copy along."""
    return [p for p in outdir.rglob("*.html") if "_static" not in p.relative_to(outdir).parts]


def purge(css, names):
    """The style sheet without the rules that ask for a class or an id that is not in `names`."""
    asked = {re.sub(r"\\(.)", r"\1", name) for name in CSS_NAME.findall(css)}
    return lightningcss.process_stylesheet(css, unused_symbols=asked - names, minify=True)


def names_in_use(outdir):
    """Classes and ids of all pages, and every word of the scripts, which may add classes."""
    found = set()
    for page in pages(outdir):
        text = page.read_text(encoding="utf-8")
        for value in re.findall(r'\b(?:class|id)="([^"]*)"', text):
            found.update(value.split())
        for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.S):
            found.update(re.findall(r"[\w-]+", script))
    for script in (outdir / "_static").rglob("*.js"):
        if script.name != "fontawesome.js" and "mathjax" not in script.parts:
            found.update(re.findall(r"[\w-]+", script.read_text(encoding="utf-8")))
    return found


def icon_font(path, codes):
    """The font with the glyphs of `codes` alone, as the address of embedded data."""
    # The theme falls back to other fonts for nothing here: hinting and layout can go.
    options = subset.Options(hinting=False, layout_features=[], name_IDs=[], notdef_outline=False)
    options.flavor, out = "woff", io.BytesIO()
    with subset.load_font(path, options) as font:
        reduced = subset.Subsetter(options)
        reduced.populate(unicodes=codes)
        reduced.subset(font)
        subset.save_font(font, out, options)
    data = base64.b64encode(out.getvalue()).decode()
    return f'url("data:font/woff;base64,{data}") format("woff")'


def embed_icons(css, fonts):
    codes = sorted({ord(glyph) for glyph in ICON.findall(css)})
    return FONT_FILE.sub(lambda m: icon_font(fonts / f"{m[1]}.ttf", codes), css)


def sources(static, patterns):
    return [path for pattern in patterns for path in sorted(static.glob(pattern))]


def style_sheet(static, extra, names):
    parts = []
    for path in sources(static, (*STYLES, *extra)):
        folder = path.parent.relative_to(static).as_posix()
        parts.append(
            re.sub(
                r"url\((?![\"']?(?:data|https?|#))([^)]*)\)",
                lambda m, folder=folder: f"url({posixpath.normpath(f'{folder}/{m[1]}')})",
                path.read_text(encoding="utf-8"),
            )
        )
    css = "\n".join(parts)
    notices = "\n".join(re.findall(r"/\*!.*?\*/", css, re.S))
    return f"{notices}\n{embed_icons(purge(css, names), static / 'vendor/fontawesome/webfonts')}\n"


def script(static, extra):
    """All scripts after another, after the licences that they refer to."""
    files = sources(static, ("scripts/*.LICENSE.txt", *SCRIPTS, *extra))
    text = ";\n".join(path.read_text(encoding="utf-8") for path in files)
    return re.sub(r"^//# sourceMappingURL=.*$", "", text, flags=re.M)


def reduce_picture(path):
    """A figure has a few hundred shades, nearly all of them from smoothed edges: 256 will do."""
    picture = Image.open(path)
    if picture.mode == "P" or picture.convert("RGBA").getextrema()[3][0] < 255:
        return
    small = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    if out.tell() < path.stat().st_size:
        path.write_bytes(out.getvalue())


def write_mathjax(static):
    """MathJax's components in one file, from the installed package sphinx-mathjax-offline."""
    (package,) = find_spec("sphinx-mathjax-offline").submodule_search_locations
    source, target = Path(package) / "static" / "mathjax", static / "mathjax"
    shutil.copytree(source / MATHJAX_FONTS, target / MATHJAX_FONTS, dirs_exist_ok=True)
    parts = [MATHJAX_SETTINGS] + [(source / name).read_text(encoding="utf-8") for name in MATHJAX]
    (target / "mathjax.js").write_text(";\n".join(parts), encoding="utf-8")


def own_files(files):
    """Those of html_css_files and html_js_files that are loaded in the common way."""
    return [name for name, attributes in files if not set(attributes) - {"priority"}]


def leave_to_bundle(app, pagename, templatename, context, doctree):
    """Take out of a page what the bundles hold and what it does not use; Sphinx 7.4 lists inline
    scripts twice, and a second `const` of the same name is an error; it also gives MathJax to a
    page without formulas whose chapters have some."""
    formulas = 'class="math' in context.get("body", "")
    own = own_files(app.config.html_css_files) + own_files(app.config.html_js_files)
    patterns = [re.escape(f"_static/{name}").replace(r"\*", ".*")
                for name in (*STYLES, *SCRIPTS, *UNUSED, *own)]  # fmt: skip
    bundled = re.compile("|".join(patterns))

    def stays(file):
        inline = file.attributes.get("body") or ""
        name = str(getattr(file, "filename", None) or "")
        if not formulas and ("mathjax" in name or inline.startswith("window.MathJax")):
            return False
        return not bundled.fullmatch(name) and not inline.startswith(UNUSED_SETTINGS)

    for kind in ("css_files", "script_files"):
        unique = {(str(f), f.attributes.get("body")): f for f in context[kind] if stays(f)}
        context[kind] = list(unique.values())


def bundle(app, exception):
    out = Path(app.outdir)
    static = out / "_static"
    # A build in which no page changed copies no style sheets: the bundles of the last one stay.
    if exception or app.builder.format != "html" or not (static / "basic.css").exists():
        return
    names = names_in_use(out)
    own_css, own_js = map(own_files, (app.config.html_css_files, app.config.html_js_files))
    (static / "site.css").write_text(style_sheet(static, own_css, names), encoding="utf-8")
    (static / "site.js").write_text(script(static, own_js), encoding="utf-8")
    for path in [*(out / "_images").glob("*.png"), *static.glob("*.png")]:
        reduce_picture(path)
    write_mathjax(static)
    for path in sources(static, (*STYLES, *SCRIPTS, *UNUSED, *own_css, *own_js)):
        path.unlink()
    for name in LEFT_BEHIND:
        shutil.rmtree(static / name, ignore_errors=True)


def setup(app):
    app.connect("html-page-context", leave_to_bundle, priority=900)
    app.connect("build-finished", bundle, priority=900)  # the theme writes pygments.css late
    return {"parallel_read_safe": True, "parallel_write_safe": True}
