"""Run every chapter as Colab would: python tools/colab.py [ENVIRONMENT ...] [--chapters NB ...]

    book     torch, NumPy, matplotlib, scikit-learn as the book was built with: constraints.txt
    newest   their newest versions (of torch whatever pip finds, on Linux the build for CUDA)
    oldest   the lower bounds of pyproject.toml, for the oldest Python it allows

For each one it makes a virtual environment outside the repository that holds these four and a
Jupyter kernel, and nothing of ours; runs the chapters' first cell there as in Colab, once with this
copy as the repository, once with the built wheel beside it; and asserts that neither moved a
version that was there. Then every chapter runs in an empty folder, its network cut: Python's own
sockets reach no other machine (a program in another language would).
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import chapters
import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools" / "site"))

import site_address  # noqa: E402

GIVEN = ("torch", "numpy", "matplotlib", "scikit-learn")  # what Colab has before us
# Colab's IPython is years older than the newest one, so the oldest environment has one like it.
OLD_KERNEL = ("ipykernel==6.17.1", "ipython==7.34.0")
CUT = '''\
"""Python refuses to reach any other machine."""
import socket
import sys

LOCAL = {"localhost", "127.0.0.1", "::1", "", None}


def refuse(event, arguments):
    host = None
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    if (host.decode() if isinstance(host, bytes) else host) not in LOCAL:
        raise OSError(f"the network is cut: {event} to {host}")


sys.addaudithook(refuse)
'''


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lower_bounds() -> dict[str, str]:
    """The lowest version of each dependency that pyproject.toml allows."""
    return dict(requirement.split(">=") for requirement in project()["dependencies"])


def book_versions() -> dict[str, str]:
    """The version of each package that the book is built with."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def requirements(environment: str) -> list[str]:
    """What is in the environment before the package comes."""
    if environment == "newest":
        return [*GIVEN, "ipykernel"]
    if environment == "oldest":
        return [f"{name}=={version}" for name, version in lower_bounds().items()] + [*OLD_KERNEL]
    pinned = book_versions()
    return [f"{name}=={pinned[name]}" for name in (*GIVEN, "ipykernel")]


def oldest_python() -> str:
    return project()["requires-python"].removeprefix(">=")


def run(*command: object, **settings) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **settings)
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def versions(python: Path) -> dict[str, str]:
    """Every installed package and its version."""
    listed = json.loads(run(python, "-m", "pip", "list", "--format=json"))
    return {package["name"]: package["version"] for package in listed}


def require_unmoved(before: dict[str, str], after: dict[str, str], what: str) -> None:
    """Exit if a package that was there has another version now, or none."""
    moved = [f"{name} {old} -> {after.get(name)}" for name, old in before.items()
             if after.get(name) != old]  # fmt: skip
    if moved:
        sys.exit(f"FAILED: {what} moved {', '.join(moved)}")


def run_install_cell(python: Path, folder: Path, repository: str = "") -> None:
    """The first cell of every chapter, run in `folder`, where google.colab is loaded."""
    source = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
    cell = re.sub('^repository = ".*"', f'repository = "{repository}"', chapters.install_source(),
                  flags=re.M)  # fmt: skip
    run(python, "-c", source + cell, cwd=folder)


def copy_sources(target: Path) -> list[str]:
    """The files that git tracks or would track, copied: a build in the tree leaves traces."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    files = [name for name in listed.splitlines() if (ROOT / name).is_file()]
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    return files


def install_wheel(python: Path, folder: Path) -> None:
    """The wheel of the working tree, uploaded as a reader does, in place of what git brought."""
    site_address.build_wheel(ROOT, folder)
    run(python, "-m", "pip", "uninstall", "-q", "-y", project()["name"])
    run_install_cell(python, folder)


def cut_network(folder: Path) -> dict[str, str]:
    """The variables under which Python imports CUT at its start and finds no file of the user."""
    (folder / "sitecustomize.py").write_text(CUT)
    (folder / "home").mkdir()
    return {"PYTHONPATH": str(folder), "HOME": str(folder / "home"), "RESNET_TUTORIAL_DATA": ""}


def require_cut(python: Path, variables: dict[str, str], folder: Path) -> None:
    """Exit unless a socket is refused and the package is the installed one."""
    source = (
        "import socket, resnet_tutorial\nprint(resnet_tutorial.__file__)\n"
        "try:\n    socket.create_connection(('192.0.2.1', 80), 5)\n"
        "except OSError as error:\n    print(error)"
    )
    printed = run(python, "-c", source, env=os.environ | variables, cwd=folder)
    if "the network is cut" not in printed or str(python.parents[1]) not in printed:
        sys.exit(f"FAILED: the network is open, or another copy is imported:\n{printed}")


def make_kernel(python: Path, variables: dict[str, str], folder: Path) -> None:
    """A Jupyter kernel called colab in that environment, for this process."""
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "colab",
        "language": "python",
        "env": variables,
    }
    place = folder / "jupyter" / "kernels" / "colab"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec))
    os.environ["JUPYTER_PATH"] = str(folder / "jupyter")


def texts(notebook) -> list[str]:
    """The text outputs of the cells whose text is the same on every machine, cell by cell."""
    return [
        "".join(str(o.get("text") or o.get("data", {}).get("text/plain", "")) for o in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code" and "nbval-ignore-output" not in cell.metadata.get("tags", ())
    ]


def run_chapter(name: str, folder: Path) -> bool:
    """Run one chapter in the empty `folder`, print a line; whether no cell failed."""
    notebook = nbformat.read(chapters.paths(name)[1], 4)
    stored = texts(notebook)
    folder.mkdir()
    try:
        seconds = chapters.run_cells(notebook, folder, "colab")
    except chapters.CellFailed as error:
        print(f"  {name:28} FAILED\n{error}", flush=True)
        return False
    pairs = [(old, new) for old, new in zip(stored, texts(notebook), strict=True) if old or new]
    same = sum(old == new for old, new in pairs)
    outputs = f"{same} of {len(pairs)} text outputs as stored"
    print(f"  {name:28} {seconds:5.0f} s, {outputs}", flush=True)
    return True


def prove(environment: str, names: list[str], folder: Path) -> list[str]:
    """Make the environment and run the chapters; returns those that failed."""
    if environment == "oldest" and not re.match(rf"{oldest_python()}\b", sys.version):
        sys.exit(f"oldest needs Python {oldest_python()}, not {sys.version.split()[0]}")
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", *requirements(environment))
    before = versions(python)
    found = ", ".join(f"{name} {before[name]}" for name in (*GIVEN, "ipython", "ipykernel"))
    print(f"{environment}: Python {sys.version.split()[0]}, {found}", flush=True)
    run_install_cell(python, folder, f"file://{ROOT}")
    require_unmoved(before, versions(python), "the first cell")
    install_wheel(python, folder)
    after = versions(python)
    require_unmoved(before, after, "the wheel")
    added = sorted(set(after) - set(before) - {project()["name"], "resnet-tutorial"})
    print(f"  nothing moved; added beside the package: {', '.join(added) or 'nothing'}", flush=True)
    variables = cut_network(folder)
    require_cut(python, variables, folder / "home")
    make_kernel(python, variables, folder)
    return [n for i, n in enumerate(names) if not run_chapter(n, folder / f"empty{i}")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environments", nargs="*", default=["book"], metavar="ENVIRONMENT",
                        help="book (the default), newest, oldest")  # fmt: skip
    parser.add_argument("--chapters", nargs="*", metavar="NB", help="e.g. problem/degradation")
    arguments = parser.parse_args()
    if unknown := set(arguments.environments) - {"book", "newest", "oldest"}:
        parser.error(f"unknown environment {unknown.pop()!r}; there are: book, newest, oldest")
    failed = []
    for environment in arguments.environments:
        folder = Path(tempfile.mkdtemp(prefix="colab-"))
        try:
            names = arguments.chapters or chapters.all_names()
            failed += [f"{environment}: {n}" for n in prove(environment, names, folder)]
        finally:
            shutil.rmtree(folder)
    if failed:
        sys.exit(f"FAILED: {'; '.join(failed)}")
    print("every chapter ran")


if __name__ == "__main__":
    main()
