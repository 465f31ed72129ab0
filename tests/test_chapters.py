"""Every chapter is what the book promises: executed, compared, checked, readable anywhere.

A rule takes a notebook and yields what is wrong with it. `test_rule_rejects` proves each rule on a
small notebook that breaks it.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import chapters
import jupyterlab
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

BOOK = Path(__file__).resolve().parents[1] / "book"
NOTEBOOKS = sorted(p for p in BOOK.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
OPENING = ("You will do", "You will learn", "You need")
SECTIONS = ("What this does not show", "Exercises", "Summary", "Further reading")
IGNORED = "nbval-ignore-output"
PLAIN_WORDS = 200  # at most, before anything else
PATH_WORDS, PATH_CELLS, CELL_LINES = 1500, 12, 12  # at most, of what one sees without a click
LEAST_DRAWINGS, LEAST_PREDICTIONS = 2, 2
LEAST_COMPARED = 0.70  # share of the book's text outputs that nbval compares strictly
SALES = re.compile(
    r"\b(powerful|revolution\w*|crucial\w*|delv(e|es|ing)|game.chang\w+|seamless\w*|leverag\w+"
    r"|unlock\w*|paradigm\w*|let'?s dive|important to note"
    r"|in this chapter,? we( will|'ll)? explore)\b",
    re.IGNORECASE,
)
MYST = re.compile(
    r"^\s*(:::|```\{|\([\w-]+\)=|\+\+\+|% )|(?<!`)\{[a-z:]+\}`|\[\]\(|\[\^\w+\]|^\$\$ \([\w-]+\)$",
    re.MULTILINE,
)
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(home|root|work|tmp|Users|opt|usr|content)/|[A-Z]:\\\\")


def code_cells(notebook):
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def markdown(notebook):
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def tags(cell):
    return cell.metadata.get("tags", [])


def is_shown(cell):
    """Whether the cell's code is seen without a click."""
    return not {"hide-cell", "hide-input"} & set(tags(cell))


def has_assert(cell):
    return any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cell.source)))


def text_of(output):
    """What nbval compares of an output; the name of a figure object does not count."""
    if output.output_type == "stream":
        return output.text
    text = "".join(output.get("data", {}).get("text/plain", ""))
    return "" if text.startswith("<Figure") else text


def images(cell):
    return [o for o in cell.outputs if any(k.startswith("image/") for k in o.get("data", {}))]


def text_output_cells(notebook):
    return [c for c in code_cells(notebook) if any(text_of(o).strip() for o in c.outputs)]


def outputs_are_stored(notebook):
    if not any(cell.outputs for cell in code_cells(notebook)):
        yield "no stored outputs"


def no_error_outputs(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"{cell.id} stores the error {output.ename}"


def executed_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if None in counts or counts != list(range(counts[0], counts[0] + len(counts))):
        yield f"execution counts {counts}: restart the kernel and run all cells, or make chapters"


def every_cell_is_compared_or_tagged(notebook):
    for cell in code_cells(notebook):
        if {"nbval-skip", "raises-exception"} & set(tags(cell)) or "NBVAL_" in cell.source:
            yield f"{cell.id} escapes nbval; only the tag {IGNORED} is allowed"


def outputs_repeat(notebook):
    for cell in code_cells(notebook):
        if cell.source.rstrip().endswith(";"):
            yield f"{cell.id} ends with ';', which nbval does not obey: write 'ax = ...' instead"
        if any(re.search(r" at 0x[0-9a-f]+", text_of(output)) for output in cell.outputs):
            yield f"{cell.id} prints a memory address, which differs every time"


def renders_everywhere(notebook):
    for match in MYST.finditer(markdown(notebook)):
        yield f"MyST markup that shows raw in Jupyter and Colab: {match.group().strip()!r}"


def equations_are_checked(notebook):
    claimed = set(re.findall(r"\\tag\*?\{([^}]*)\}", markdown(notebook)))
    checked = set()
    for cell in code_cells(notebook):
        names = re.findall(r"^\s*# checks (.*)", cell.source, re.MULTILINE)
        names = {name for line in names for name in re.findall(r"\(([^)]+)\)", line)}
        if names and not has_assert(cell):
            yield f"{cell.id} says it checks {sorted(names)} and asserts nothing"
        checked |= names
    for name in sorted(claimed - checked):
        yield rf"no code cell has a comment '# checks ({name})' for \tag{{{name}}}"
    for name in sorted(checked - claimed):
        yield rf"'# checks ({name})', but no equation has \tag{{{name}}}"


def ignored_outputs_are_asserted(notebook):
    cells = code_cells(notebook)
    for i, cell in enumerate(cells):
        if IGNORED in tags(cell) and not any(map(has_assert, cells[i + 1 : i + 3])):
            yield f"no assert in the two code cells after {cell.id}, whose output is ignored"


def installs_itself_in_colab(notebook):
    if code_cells(notebook)[0].source != chapters.install_source():
        yield "first code cell is not the generated one: python tools/chapters.py run"


def solutions_are_folded(notebook):
    """On the site and in Colab; what JupyterLab hides changes whenever a reader opens a cell."""
    for cell in code_cells(notebook):
        hidden, folded = not is_shown(cell), cell.metadata.get("cellView") == "form"
        if hidden != folded or (cell.source.startswith("# @title Solution") and not hidden):
            yield f"{cell.id} is not folded everywhere: give it the tag hide-cell, make chapters"


def states_its_run_time(notebook):
    if chapters.stated_seconds(notebook) is None:
        yield f"the opening lacks the run time: {chapters.STATED}"


def has_the_sections(notebook):
    text = markdown(notebook)
    title = notebook.cells[0].source if notebook.cells[0].cell_type == "markdown" else ""
    if not title.startswith("# "):
        yield "first cell is not the title"
    opening = text.partition("\n## In plain words\n")
    opening = (opening[0] + opening[2].split("\n## ")[0]).lower()
    for phrase in OPENING:
        if phrase.lower() not in opening:
            yield f"the opening lacks {phrase!r}"
    headings = re.findall(r"^##+ (.*)", text, re.MULTILINE)
    found = [s for h in headings for s in SECTIONS if s.lower() in h.lower()]
    if found != list(SECTIONS):
        yield f"closing sections are {found}, not {list(SECTIONS)}"


def figures_have_alt_text(notebook):
    for cell in code_cells(notebook):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if len(images(cell)) > 1:
            yield f"{cell.id} has several figures; one alt text can describe only one"
        if alt and not images(cell):
            yield f"{cell.id} describes a figure and shows none"
        if images(cell) and len(alt.split()) < 5:
            yield f"the figure of {cell.id} needs an alt text that says what it shows, not {alt!r}"


def plots_through_the_package(notebook):
    for cell in code_cells(notebook):
        if re.search(r"\bpyplot\b|\bpylab\b|\bplt\.", cell.source):
            yield f"{cell.id} draws with pyplot; use resnet_tutorial.figures"


def prose_is_plain(notebook):
    for match in SALES.finditer(markdown(notebook)):
        yield f"sales word: {match.group()!r}"


def reads_nets_where_they_are(notebook):
    """What a cell puts into a net that it has trained lies on the CPU."""
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "train.fit":
                if "device" not in [keyword.arg for keyword in node.keywords]:
                    yield f"{cell.id}: train.fit puts the net on a GPU; say device='cpu'"


def names_no_machine(notebook):
    for cell in notebook.cells:
        texts = [cell.source] + [text_of(o) for o in cell.get("outputs", [])]
        if any(MACHINE_PATH.search(text) for text in texts):
            yield f"{cell.id} contains an absolute path"


# The form of two layers: a path that is seen, and proofs that are one click away.

FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)


def on_the_path(notebook):
    """The words that are seen without a click, up to the exercises."""
    text = FOLDED.sub("", markdown(notebook))
    return re.split(r"^## Exercises", text, flags=re.MULTILINE)[0]


def path_cells(notebook):
    """The code cells that are seen, up to the exercises."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and "## Exercises" in cell.source:
            break
        cells.append(cell)
    return [c for c in cells if c.cell_type == "code" and c.source.strip() and is_shown(c)]


def begins_in_plain_words(notebook):
    found = re.search(
        r"^## In plain words\n(.*?)(?=^## |^\*\*You will)", markdown(notebook), re.M | re.S
    )
    if not found:
        yield "no section '## In plain words' before 'You will do'"
    elif "$" in found[1]:
        yield "symbols in the plain words"
    elif (count := len(found[1].split())) > PLAIN_WORDS:
        yield f"{count} plain words, at most {PLAIN_WORDS}"


def path_is_short(notebook):
    words = re.findall(r"\S*\w\S*", on_the_path(notebook))
    if (count := len(words)) > PATH_WORDS:
        yield f"{count} words on the path, at most {PATH_WORDS}"
    cells = path_cells(notebook)
    if len(cells) > PATH_CELLS:
        yield f"{len(cells)} visible code cells on the path, at most {PATH_CELLS}"
    for cell in cells:
        if (lines := len(cell.source.strip().splitlines())) > CELL_LINES:
            yield f"{cell.id} has {lines} lines, at most {CELL_LINES}"


def checks_are_folded(notebook):
    for cell in code_cells(notebook):
        if is_shown(cell) and has_assert(cell):
            yield f"{cell.id} asserts in sight; put the check in a folded cell '# @title Check ...'"


def is_drawn(notebook):
    drawn = [c for c in code_cells(notebook) if "drawings." in c.source and images(c)]
    if len(drawn) < LEAST_DRAWINGS:
        yield f"{len(drawn)} drawings, at least {LEAST_DRAWINGS}"


def predictions_are_answered(notebook):
    """A prediction is asked in bold; its answer says "you predicted"."""
    text = on_the_path(notebook)
    asked = len(re.findall(r"\*\*Predict", text))
    answered = len(re.findall(r"you predicted", text, re.IGNORECASE))
    if asked < LEAST_PREDICTIONS or answered < asked:
        yield f"{asked} predictions, {answered} answers; at least {LEAST_PREDICTIONS}, all answered"


FORM = (
    begins_in_plain_words,
    path_is_short,
    checks_are_folded,
    is_drawn,
    predictions_are_answered,
)
RULES = (
    outputs_are_stored,
    no_error_outputs,
    executed_in_order,
    every_cell_is_compared_or_tagged,
    outputs_repeat,
    renders_everywhere,
    equations_are_checked,
    ignored_outputs_are_asserted,
    installs_itself_in_colab,
    solutions_are_folded,
    states_its_run_time,
    has_the_sections,
    figures_have_alt_text,
    plots_through_the_package,
    prose_is_plain,
    reads_nets_where_they_are,
    names_no_machine,
)


def broken(notebook, rules=RULES + FORM):
    """Names of the rules that the notebook breaks."""
    return [rule.__name__ for rule in rules if list(rule(notebook))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: str(p.relative_to(BOOK)))
def test_chapter(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    rules = RULES + FORM
    problems = [f"{rule.__name__}: {problem}" for rule in rules for problem in rule(notebook)]
    assert not problems, "\n".join(problems)
    assert broken(jupyterlab.saved(notebook)) == []


def test_an_equation_has_its_name_alone():
    """In the whole book, so that one can ask for (name)."""
    names = Counter()
    for path in NOTEBOOKS:
        names.update(re.findall(r"\\tag\*?\{([^}]*)\}", markdown(nbformat.read(path, 4))))
    assert [name for name, count in names.items() if count > 1] == []


def compared_share(notebooks):
    """Share of the cells with text output whose output nbval compares."""
    cells = [cell for notebook in notebooks for cell in text_output_cells(notebook)]
    return sum(IGNORED not in tags(cell) for cell in cells) / len(cells)


def test_most_text_outputs_are_compared():
    assert compared_share(nbformat.read(path, 4) for path in NOTEBOOKS) >= LEAST_COMPARED


# The rules themselves.


def code(source, *outputs, **metadata):
    return new_code_cell(source, outputs=list(outputs), metadata=metadata)


def stream(text):
    return new_output("stream", name="stdout", text=text)


def number(notebook):
    for count, cell in enumerate(code_cells(notebook), 1):
        cell.execution_count = count
    return notebook


OPENED = (
    "# Title\n\n## In plain words\n\nwords\n\n"
    "**You will do:** a\n**You will learn:** b\n**You need:** c\n"
    "Runs in about 10 s on two CPU cores."
)


def good_notebook():
    """The smallest notebook that breaks no rule."""
    png = new_output("display_data", {"image/png": "", "text/plain": "<Figure size 1x1>"})
    svg = new_output("execute_result", {"image/svg+xml": "<svg/>"}, execution_count=1)
    alt = {"image": {"alt": "error rises with the depth"}}
    fold = {"tags": ["hide-cell"], "cellView": "form"}
    cells = [
        new_markdown_cell(OPENED),
        code(chapters.install_source(), tags=["hide-cell"], cellView="form"),
        new_markdown_cell(r"$$ a = b \tag{one} $$"),
        code("# checks (one)\nassert True\nprint(1)", stream("1\n"), **fold),
        code("ax = draw()", png, mystnb=alt),
        code("print(time)", stream("0.1 s"), tags=[IGNORED]),
        code("assert 0 < 1", **fold),
        code("drawings.paths(2)", svg, mystnb=alt),
        code("drawings.paths(3)", svg, mystnb=alt),
        new_markdown_cell("**Predict** one. **Predict** two. You predicted 1. If you predicted 2."),
        new_markdown_cell("\n\n".join(f"## {section}" for section in SECTIONS)),
    ]
    return number(new_notebook(cells=cells))


def with_code(source, *outputs, **metadata):
    notebook = good_notebook()
    notebook.cells.insert(-1, code(source, *outputs, **metadata))
    return number(notebook)


def with_text(source):
    notebook = good_notebook()
    notebook.cells.insert(2, new_markdown_cell(source))
    return notebook


def changed(index, **attributes):
    notebook = good_notebook()
    notebook.cells[index].update(attributes)
    return notebook


def with_seen_cells(count):
    notebook = good_notebook()
    for i in range(count):
        notebook.cells.insert(4, code(f"x = {i}"))
    return number(notebook)


def without_outputs():
    notebook = good_notebook()
    for cell in code_cells(notebook):
        cell.outputs = []
        cell.metadata.pop("mystnb", None)
    return notebook


ERROR = new_output("error", ename="ValueError", evalue="", traceback=[])
PNG = new_output("display_data", {"image/png": ""})
CASES = [
    (outputs_are_stored, without_outputs()),
    (no_error_outputs, with_code("f()", ERROR)),
    (executed_in_order, changed(3, execution_count=7)),
    (executed_in_order, changed(3, execution_count=None)),
    (every_cell_is_compared_or_tagged, with_code("f()", tags=["nbval-skip"])),
    (every_cell_is_compared_or_tagged, with_code("# NBVAL_IGNORE_OUTPUT\nf()")),
    (outputs_repeat, with_code("draw();")),
    (outputs_repeat, with_code("draw()", stream("<Axes at 0x7f12>"))),
    (renders_everywhere, with_text("```{note}\nx\n```")),
    (renders_everywhere, with_text("a\n\n:::{tip}\nx\n:::")),
    (renders_everywhere, with_text("see {eq}`one`")),
    (renders_everywhere, with_text("(label)=\n")),
    (renders_everywhere, with_text("see [](../notation.md)")),
    (renders_everywhere, with_text("as shown before[^1]")),
    (renders_everywhere, with_text("$$\nx\n$$ (label)")),
    (renders_everywhere, with_text("+++\n")),
    (renders_everywhere, with_text("% a comment")),
    (equations_are_checked, with_text(r"$$ c = d \tag{two} $$")),
    (equations_are_checked, with_code("# checks (three)\nassert True")),
    (equations_are_checked, with_code("# checks (one)\n'assert True'")),
    (ignored_outputs_are_asserted, with_code("f()", tags=[IGNORED])),
    (ignored_outputs_are_asserted, changed(6, source="print('assert')")),
    (installs_itself_in_colab, changed(1, source="import sys")),
    (reads_nets_where_they_are, with_code("train.fit(net, digits, recipe, seed=1)")),
    (solutions_are_folded, with_code("# @title Solution 1\nx = 1")),
    (solutions_are_folded, with_code("x = 1", tags=["hide-cell"])),
    (solutions_are_folded, with_code("x = 1", cellView="form")),
    (states_its_run_time, changed(0, source=OPENED.replace("10 s", "a minute"))),
    (has_the_sections, changed(0, source=OPENED.removeprefix("# "))),
    (has_the_sections, changed(0, source=OPENED.replace("will learn", "learn"))),
    (has_the_sections, changed(10, source="## Exercises\n\n## Summary")),
    (figures_have_alt_text, changed(4, metadata={})),
    (figures_have_alt_text, changed(4, outputs=[])),
    (figures_have_alt_text, with_code("ax = draw()", PNG, mystnb={"image": {"alt": "plot"}})),
    (plots_through_the_package, with_code("import matplotlib.pyplot as p")),
    (plots_through_the_package, with_code("plt.plot(x)")),
    (prose_is_plain, with_text("This powerful trick")),
    (prose_is_plain, with_text("In this chapter we will explore depth.")),
    (names_no_machine, with_code("print(p)", stream("/usr/me/x.json"))),
    (names_no_machine, with_code("open('/opt/x')")),
    (begins_in_plain_words, changed(0, source=OPENED.replace("## In plain", "## In other"))),
    (begins_in_plain_words, changed(0, source=OPENED.replace("words\n\n*", "$x$\n\n*"))),
    (begins_in_plain_words, changed(0, source=OPENED.replace("words\n\n*", "w " * 201 + "\n\n*"))),
    (path_is_short, with_text("word " * 1500)),
    (path_is_short, changed(4, source="ax = draw()\n" * 13)),
    (path_is_short, with_seen_cells(12)),
    (checks_are_folded, changed(5, source="assert True")),
    (is_drawn, changed(7, source="figures.paths(2)")),
    (predictions_are_answered, changed(9, source="**Predict** one. You predicted 1.")),
    (predictions_are_answered, changed(9, source="**Predict** 1. **Predict** 2. You predicted 1.")),
]


def test_rules_accept_a_good_chapter():
    assert broken(good_notebook()) == []
    assert broken(with_text("home/workers, https://a.org/usr/x, `{name}`, $a_{ij}$")) == []


@pytest.mark.parametrize("rule, notebook", CASES)
def test_rule_rejects(rule, notebook):
    assert broken(notebook, FORM if rule in FORM else RULES) == [rule.__name__]


def test_every_rule_is_proved():
    assert {rule for rule, _ in CASES} == {*RULES, *FORM}


def test_compared_share_counts_text_outputs_only():
    assert compared_share([good_notebook()]) == 1 / 2  # one printed, one ignored, a figure
