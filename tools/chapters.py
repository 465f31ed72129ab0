"""Edit and execute the chapters: book/**/*.ipynb, with stored outputs.

    python tools/chapters.py text problem/degradation   # writes .text/problem/degradation.py
    python tools/chapters.py run problem/degradation    # view -> notebook, executed, in order
    python tools/chapters.py run                        # every chapter that changed
    python tools/chapters.py run --all                  # every chapter
    python tools/chapters.py time                       # measures the run times that they state

The view under .text/ is a git-ignored jupytext file in percent format; a new chapter begins as
such a file. `run` takes the view where it is newer than the notebook, formats the code with
ruff, executes it in the chapter's folder, and writes notebook and view, byte for byte the same
every time; a notebook that was edited or executed elsewhere, as in JupyterLab, counts as changed.
In the view a code cell's header carries what the notebook keeps as metadata:

    # %% tags=["hide-cell"]               folded on the site, in JupyterLab and in Colab, under
                                          the title of its first line: # @title Solution 1
                                          (GitHub shows every cell; it obeys no such mark)
    # %% tags=["nbval-ignore-output"]     output differs between machines; an assert must follow
    # %% alt="Training error rises with depth for plain nets and falls for residual nets."
                                          alternative text of the cell's figure: one per cell
                                          (in the notebook: metadata mystnb.image.alt)

A cell that draws ends with an assignment, `ax = figures.learning_curves(...)`: nbval does not obey
the semicolon that hides `<Axes at 0x...>` in Jupyter. One figure a cell.

The cell that installs the package in Colab is generated from the repository's address in
_config.yml, put after the title, and left out of the view.

Own, since jupytext pairs files but does not repeat itself: its --sync may keep outputs that are no
longer those of the code, and its --execute writes other cell ids and times with every run.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
BOOK, TEXT = ROOT / "book", ROOT / ".text"
STAMPS = TEXT / "stamps.json"
STATED = r"Runs in about (\d+) s on two CPU cores"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
INSTALL = """\
# @title Install the package (only in Colab)
import subprocess
import sys
from pathlib import Path

# Empty? Then upload the wheel of the book's page "The package" first.
repository = "{url}"
if "google.colab" in sys.modules:
    wheels = [str(path) for path in Path().glob("resnet_tutorial-*.whl")]
    if not wheels and not repository:
        raise RuntimeError("upload the wheel of the page 'The package'")
    package = wheels[0] if wheels else f"git+{{repository}}"
    pip = [sys.executable, "-m", "pip", "install", "-q"]
    subprocess.run([*pip, package], check=True)
"""


def install_source():
    """Source of every chapter's first code cell. The package's lower bounds are low, so that pip
    leaves the torch, NumPy and matplotlib that Colab ships as they are."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    return INSTALL.format(url=config["repository"]["url"]).strip()


def is_install(cell):
    return cell.cell_type == "code" and cell.source.startswith(INSTALL.splitlines()[0])


def paths(name):
    name = name.removeprefix("book/").removeprefix(".text/").removesuffix(".ipynb")
    name = name.removesuffix(".py")
    return name, BOOK / f"{name}.ipynb", TEXT / f"{name}.py"


def all_names():
    found = {p.relative_to(BOOK).with_suffix("") for p in BOOK.rglob("[!.]*.ipynb")}
    found |= {p.relative_to(TEXT).with_suffix("") for p in TEXT.rglob("[!.]*.py")}
    return sorted(str(name) for name in found if ".ipynb_checkpoints" not in name.parts)


def write_view(notebook, name):
    """The notebook's cells as percent format, as old as the notebook: in step with it."""
    _, path, view = paths(name)
    cells = [nbformat.from_dict(c) for c in notebook.cells if not is_install(c)]
    for cell in cells:
        meta = cell.metadata
        alt = meta.get("mystnb", {}).get("image", {}).get("alt")
        cell.metadata = {k: meta[k] for k in ("tags",) if k in meta} | ({"alt": alt} if alt else {})
    filters = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "all"}
    new = nbformat.v4.new_notebook(cells=cells, metadata={"jupytext": filters})
    view.parent.mkdir(parents=True, exist_ok=True)
    view.write_text(jupytext.writes(new, fmt="py:percent"))
    os.utime(view, ns=(path.stat().st_mtime_ns,) * 2)


def cell_metadata(cell, folded):
    """Only what a reader or the site needs; everything that changes by itself is dropped."""
    old, new = cell.metadata, {}
    tags = old.get("tags", ())
    if tags:
        new["tags"] = list(tags)
    if alt := old.get("alt") or old.get("mystnb", {}).get("image", {}).get("alt"):
        new["mystnb"] = {"image": {"alt": alt}}
    if folded:  # on the site, in JupyterLab, in Colab
        title = cell.source.splitlines()[0].removeprefix("# @title").strip()
        prompts = {"code_prompt_show": f"Show: {title}", "code_prompt_hide": f"Hide: {title}"}
        new["mystnb"] = new.get("mystnb", {}) | prompts
        new |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
        if "hide-cell" in tags:
            new["jupyter"]["outputs_hidden"] = True
    return new


def prepare(notebook):
    """Cells without outputs, ids from their position, the install cell after the title."""
    cells = [c for c in notebook.cells if not is_install(c) and c.source.strip()]
    install = nbformat.v4.new_code_cell(install_source(), metadata={"tags": ["hide-cell"]})
    cells.insert(1 if cells and cells[0].cell_type == "markdown" else 0, install)
    for i, cell in enumerate(cells):
        tags = set(cell.metadata.get("tags", ()))
        folded = cell.cell_type == "code" and tags & {"hide-cell", "hide-input"}
        if folded and not cell.source.startswith("# @title"):
            cell.source = f"# @title Solution\n{cell.source}"
        cell.id, cell.metadata = f"cell-{i:02d}", cell_metadata(cell, folded)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    new = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    new.nbformat_minor = 5
    return nbformat.reads(format_code(nbformat.writes(new)), 4)


def format_code(text):
    """The notebook's JSON with imports sorted and code formatted; a syntax error stays for the
    kernel to report."""
    for verb in (["check", "--select=I", "--fix", "--quiet"], ["format"]):
        command = [sys.executable, "-m", "ruff", *verb, "--stdin-filename=book/x.ipynb", "-"]
        done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True)
        text = done.stdout or text
    return text


def load(name):
    name, path, view = paths(name)
    if not path.exists() and not view.exists():
        sys.exit(f"no chapter {name!r}; there are: {', '.join(all_names())}")
    newer = view.exists() and (not path.exists() or view.stat().st_mtime > path.stat().st_mtime)
    return prepare(jupytext.read(view) if newer else nbformat.read(path, 4))


def stamp(name, cells):
    """Hash of the chapter's cells (as JSON), its stored file, the package's sources and records."""
    digest = hashlib.sha256(cells.encode())
    files = [
        path
        for path in sorted((ROOT / "resnet_tutorial").rglob("*"))
        if path.suffix in {".py", ".json", ".safetensors"}
    ]
    for path in [paths(name)[1], *files]:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


# A plot is stored as PNG, which every reader of notebooks shows, and beside it as SVG for the
# downloads of the site: in the metadata of the output, which nbval does not compare.
VECTOR = (
    "--InlineBackend.figure_formats={'png', 'svg'}",
    "--InlineBackend.rc={'svg.fonttype': 'none', 'svg.hashsalt': 'book'}",
)
UNSTABLE = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>\s*", re.DOTALL)  # Matplotlib's date


def put_vectors_aside(notebook):
    """Moves the SVG of every plot from the output's data to its metadata."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            pictures = output.get("data", {})
            if {"image/png", "image/svg+xml"} <= pictures.keys():
                output.metadata["svg"] = UNSTABLE.sub("", pictures.pop("image/svg+xml"))


class CellFailed(Exception):
    """A cell raised: the traceback, then one line that names the cell and the error."""


def run_cells(notebook, folder, kernel="python3"):
    """Fill in the outputs of all cells, run in `folder`; returns seconds. Raises CellFailed."""
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name=kernel,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=40", *VECTOR],
        resources={"metadata": {"path": str(folder)}},
    )
    start = time.time()
    try:
        client.execute()
    except CellExecutionError as error:
        outputs = {c.id: str(c.get("outputs")) for c in notebook.cells}
        where = next(i for i, text in outputs.items() if "'output_type': 'error'" in text)
        raise CellFailed(f"{error}\n{where}: {error.ename}: {error.evalue}") from None
    put_vectors_aside(notebook)
    return time.time() - start


def execute(name, notebook):
    """Run the cells in the chapter's folder and store notebook and view; returns seconds."""
    _, path, view = paths(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    start = time.time()
    try:
        seconds = run_cells(notebook, path.parent)
    except CellFailed as error:
        *traceback, last = str(error).splitlines()
        sys.exit("\n".join(["FAILED", *traceback, f"{name}, {last}"]))
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    path.write_text(nbformat.writes(notebook) + "\n")
    os.utime(path, (start, start))  # a view that was edited meanwhile stays newer, and as it is
    if not view.exists() or view.stat().st_mtime <= start:
        write_view(notebook, name)
    return seconds


def run_changed(names, everything, stamps):
    """Execute the chapters whose stamp is another one, or all of `names`."""
    for name in names:
        notebook = load(name)
        cells = nbformat.writes(notebook)  # without outputs, which executing fills in
        if everything or stamps.get(name) != stamp(name, cells):
            print(f"{name} ...", end=" ", flush=True)
            print(f"{execute(name, notebook):.1f} s", flush=True)
            stamps[name] = stamp(name, cells)
            STAMPS.parent.mkdir(exist_ok=True)
            STAMPS.write_text(json.dumps(stamps, indent=1, sort_keys=True))


def make_views(names):
    for name in names:
        _, path, view = paths(name)
        if view.exists() and path.exists() and view.stat().st_mtime > path.stat().st_mtime:
            sys.exit(f"{view} is newer than the notebook: run {name} first, or delete the view")
        write_view(nbformat.read(path, 4), name)


def stated_seconds(notebook):
    """The run time that the chapter states before its first section of its own, or None."""
    text = "\n".join(c.source for c in notebook.cells[:5] if c.cell_type == "markdown")
    found = re.search(STATED, text)
    return int(found[1]) if found else None


def measure(names):
    """Run the chapters, store nothing, and compare with the times they state; exits with 1 when
    a chapter takes longer than stated, or less than half."""
    wrong = []
    print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}; GPU times: not measured")
    for name in names:
        notebook = load(name)
        stated = stated_seconds(notebook)
        seconds = run_cells(notebook, paths(name)[1].parent)
        fits = stated is not None and stated / 2 <= seconds <= stated
        wrong += [] if fits else [name]
        print(f"{name:32}{seconds:6.1f} s, stated {stated} s{'' if fits else '  <- wrong'}")
    sys.exit(f"state another time in: {', '.join(wrong)}" if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["text", "run", "time"])
    parser.add_argument("chapters", nargs="*", metavar="NB", help="e.g. problem/degradation")
    parser.add_argument("--all", action="store_true", help="run: the unchanged ones too")
    args = parser.parse_args()
    names = [paths(name)[0] for name in args.chapters] or all_names()
    if args.verb == "text":
        make_views(names)
    elif args.verb == "time":
        measure(names)
    else:
        stamps = json.loads(STAMPS.read_text()) if STAMPS.exists() else {}
        run_changed(names, bool(args.chapters or args.all), stamps)


if __name__ == "__main__":
    main()
