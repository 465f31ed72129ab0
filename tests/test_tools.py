"""tools/chapters.py: from the text view to a stored notebook and back."""

import os
import subprocess
import sys
from types import ModuleType

import chapters
import jupyterlab
import nbformat
import pytest

VIEW = """\
# %% [markdown]
# # Title
# $x$

# %% alt="A line that rises from one to two"
import sys
import matplotlib.pyplot as plt
line = plt.plot([1,2])
print("a")
print("b", file=sys.stderr)
print("c")

# %% tags=["hide-cell"]
x = 1
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "BOOK", tmp_path / "book")
    monkeypatch.setattr(chapters, "TEXT", tmp_path / "text")
    monkeypatch.setattr(chapters, "STAMPS", tmp_path / "text" / "stamps.json")
    return tmp_path


def write(folder, source):
    view = folder / "text" / "part" / "name.py"
    view.parent.mkdir(parents=True, exist_ok=True)
    view.write_text(source)
    return view, folder / "book" / "part" / "name.ipynb"


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["chapters.py", *arguments])
    chapters.main()


def test_view_becomes_the_same_notebook_every_time(folder, monkeypatch, capsys):
    view, path = write(folder, VIEW)
    run(monkeypatch, "run", "part/name")
    first, text = path.read_bytes(), view.read_text()
    title, install, draw, solution = nbformat.read(path, 4).cells
    assert install.source == chapters.install_source()
    assert draw.metadata == {"mystnb": {"image": {"alt": "A line that rises from one to two"}}}
    assert [o.get("text") for o in draw.outputs[:2]] == ["a\nc\n", "b\n"]
    assert "image/png" in draw.outputs[2].data
    assert "plt.plot([1, 2])" in draw.source and "import sys\n\nimport" in draw.source
    assert solution.source == "# @title Solution\nx = 1"
    assert solution.metadata.cellView == "form"  # Colab
    assert solution.metadata.jupyter == {"source_hidden": True, "outputs_hidden": True}
    assert [title.id, install.id, draw.id] == ["cell-00", "cell-01", "cell-02"]

    capsys.readouterr()
    run(monkeypatch, "run")
    assert capsys.readouterr().out == ""  # unchanged: not executed
    run(monkeypatch, "text")
    run(monkeypatch, "run", "--all")
    assert "part/name" in capsys.readouterr().out
    assert path.read_bytes() == first and view.read_text() == text


def test_failing_cell_is_named_and_nothing_is_stored(folder, monkeypatch):
    _, path = write(folder, "# %%\n1 / 0\n")
    with pytest.raises(SystemExit, match="part/name, cell-01: ZeroDivisionError"):
        run(monkeypatch, "run", "part/name")
    assert not path.exists()


def test_unknown_chapter_is_refused(folder, monkeypatch):
    write(folder, VIEW)
    with pytest.raises(SystemExit, match="no chapter 'part/nam'; there are: part/name"):
        run(monkeypatch, "run", "part/nam")


def test_edited_view_is_not_overwritten(folder, monkeypatch):
    view, path = write(folder, VIEW)
    path.parent.mkdir(parents=True)
    path.write_text(nbformat.writes(nbformat.v4.new_notebook()))
    os.utime(path, (0, 0))
    with pytest.raises(SystemExit, match="newer than the notebook"):
        run(monkeypatch, "text", "part/name")
    assert view.read_text() == VIEW


def test_notebook_saved_in_jupyterlab_is_run_and_written_as_before(folder, monkeypatch, capsys):
    view, path = write(folder, VIEW)
    run(monkeypatch, "run", "part/name")
    first, text = path.read_bytes(), view.read_text()
    path.write_text(nbformat.writes(jupyterlab.saved(nbformat.read(path, 4))))
    assert path.read_bytes() != first
    capsys.readouterr()
    run(monkeypatch, "run")
    assert "part/name" in capsys.readouterr().out
    assert path.read_bytes() == first and view.read_text() == text


TIMED = "# %% [markdown]\n# # Title\n# Runs in about {} s on two CPU cores.\n# %%\nx = 1\n"


@pytest.mark.parametrize("stated, problem", [(20, None), (1, "part/name"), (300, "part/name")])
def test_stated_run_time_is_compared_with_the_measured_one(
    folder, monkeypatch, capsys, stated, problem
):
    view, path = write(folder, TIMED.format(stated))
    monkeypatch.setattr(chapters, "run_cells", lambda notebook, folder: 11.0)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "time", "part/name")
    assert f"11.0 s, stated {stated} s" in capsys.readouterr().out
    assert (ended.value.code == 0) == (problem is None)
    assert problem is None or problem in ended.value.code
    assert not path.exists() and view.read_text() == TIMED.format(stated)  # nothing is stored


def test_the_install_cell_says_what_to_do_and_takes_a_wheel(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    monkeypatch.chdir(tmp_path)
    cell = chapters.INSTALL.format(url="")
    exec(cell, {})  # not in Colab
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    with pytest.raises(RuntimeError, match="^upload the wheel of the page"):
        exec(cell, {})
    assert commands == []
    exec(chapters.INSTALL.format(url="https://github.com/ada/nets"), {})
    (tmp_path / "resnet_tutorial-1.0-py3-none-any.whl").touch()
    exec(cell, {})
    asked = [command[-1] for command in commands]
    assert asked == ["git+https://github.com/ada/nets", "resnet_tutorial-1.0-py3-none-any.whl"]
