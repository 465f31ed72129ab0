"""The plan of the house: who may import whom, how big a module may be, what may not stand here."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "resnet_tutorial"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Parts of the package that each part may import; a new module is given its place here.
MAY_IMPORT = {
    "__init__": set(),
    "palette": set(),
    "trace": set(),
    "drawings": {"palette", "scratch", "trace"},
    "names": set(),
    "scratch": set(),
    "paths": set(),
    "files": {"paths"},
    "download": {"paths"},
    "inputs": set(),
    "records": {"files", "paths"},
    "provenance": set(),
    "compare": {"records"},
    "models": {"names", "records", "files", "paths", "inputs", "download"},
    "counts": {"models"},
    "probes": {"models"},
    "surgery": {"models"},
    "data": {"names", "files", "paths", "inputs", "download"},
    "deploy": {"data", "files", "inputs", "models", "paths", "trace"},
    "figures": {"records", "data", "models", "palette"},
    "figures_of_runs": {"figures", "files", "palette", "records"},
    "calibration": set(),
    "error_rates": set(),
    "check": {"scratch", "models", "broken_runs", "train"},
    "train": {
        *("data", "files", "paths", "records", "models", "counts", "figures_of_runs", "inputs"),
        "provenance",
    },
    "broken_runs": {"data", "inputs", "models", "records", "train"},
    "predict": {"data", "models", "inputs", "train", "paths"},
    "reports": {"calibration", "data", "error_rates", "paths", "train"},
    "experiments": {
        *("names", "files", "models", "data", "records", "surgery", "train", "counts"),
    },
    "cli": {
        *("names", "paths", "files", "models", "data", "train", "experiments", "counts"),
        *("reports", "figures", "figures_of_runs", "deploy", "predict"),
    },
    "__main__": {"cli"},
}
# Libraries that only these parts may import, anywhere in the file.
ONLY_IN = {
    "matplotlib": {"figures", "figures_of_runs"},
    "sklearn": {"data"},
    "pooch": {"download"},
    "requests": {"download"},
    "scipy": {"compare", "calibration", "reports"},
    "PIL": {"data", "predict"},
    "imagehash": {"data"},
    "tyro": {"cli"},
    "safetensors": {"files"},
    **dict.fromkeys(("onnx", "onnxruntime"), {"deploy"}),
}
SCRATCH_LIBRARIES = {"numpy", "jaxtyping"}
UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
LONGEST_MODULE = 300
# Written so that this file does not contain what it looks for.
FORBIDDEN = re.compile(
    r"/w[o]rk/|/t[m]p/|/r[o]ot/|/h[o]me/\w|/f[a]rm/|\.\./sh[a]red"
    r"|p[y]pi\.org|p[y]thonhosted|registry\.n[p]mjs|deb\.d[e]bian\.org"
)
TEXT = {".py", ".md", ".ipynb", ".yml", ".toml", ".txt", ".json", ".bib", ".css", ".svg", ".js", ""}


def part_of(path: Path) -> str:
    """The part of the package a file belongs to: its module, or its sub-package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(source: str, package: tuple[str, ...]) -> set[str]:
    """Dotted names that Python source, in a module of `package`, imports; relative ones resolved.
    `from a import b` gives both a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*base, *filter(None, [node.module])])
            found |= {name} | {f"{name}.{alias.name}" for alias in node.names}
    return found


def imports_of(path: Path) -> set[str]:
    return imported(path.read_text(), path.relative_to(ROOT).parent.parts)


def tensors_alone(call: ast.Call) -> bool:
    """Whether a call of torch.load runs nothing that stands in the file."""
    settings = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return ast.unparse(call.func) == "torch.load" and settings.get("weights_only") == "True"


def unsafe_loads(source: str) -> set[str]:
    """Ways to run a stranger's code by loading a file."""
    names = {name.split(".")[0] for name in imported(source, ("resnet_tutorial",))} & UNSAFE
    nodes = list(ast.walk(ast.parse(source)))
    safe = {call.func for call in nodes if isinstance(call, ast.Call) and tensors_alone(call)}
    for node in nodes:
        if node in safe:
            continue
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"torch.load", "torch.save"}:
            names.add(ast.unparse(node))
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            names |= {"allow_pickle"} if ast.unparse(node.value) != "False" else set()
    return names


def module_id(path):
    return str(path.relative_to(PACKAGE))


def test_imports_are_read():
    source = "import torch.nn as nn\nfrom . import ops\nfrom ..models import build\nimport a, b.c"
    expected = {"torch.nn", "p.s", "p.s.ops", "p.models", "p.models.build", "a", "b.c"}
    assert imported(source, ("p", "s")) == expected


def test_unsafe_loads_are_seen():
    assert unsafe_loads("def f():\n    from pickle import load") == {"pickle"}
    assert unsafe_loads("x = torch.load(p)") == {"torch.load"}
    assert unsafe_loads("x = torch.load(p, weights_only=False)") == {"torch.load"}
    assert unsafe_loads("x = torch.load(p, weights_only=True)") == set()
    assert unsafe_loads("f = torch.load; f(torch.load(p, weights_only=True))") == {"torch.load"}
    assert unsafe_loads("np.load(p, allow_pickle=True)") == {"allow_pickle"}
    assert unsafe_loads("np.load(p, allow_pickle=False)") == set()


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_imports_point_downward(path):
    part, names = part_of(path), imports_of(path)
    own = {n.split(".")[1] for n in names if n.startswith("resnet_tutorial.")}
    own -= {"__version__", "Mistake"}  # in the package's own __init__
    allowed = MAY_IMPORT[part] | {part}
    assert own <= allowed, f"{part} may import {sorted(allowed)}, not {sorted(own - allowed)}"
    libraries = {name.split(".")[0] for name in names}
    misplaced = {x for x in libraries & ONLY_IN.keys() if part not in ONLY_IN[x]}
    assert not misplaced, f"{part} imports {sorted(misplaced)}"
    if part == "scratch":
        foreign = libraries - set(sys.stdlib_module_names) - SCRATCH_LIBRARIES
        assert foreign <= {"resnet_tutorial"}, f"scratch imports {sorted(foreign)}"


def test_import_rules_have_no_circle():
    """Every part can be placed above all that it may import."""
    left, placed = dict(MAY_IMPORT), set()
    while left:
        lowest = {part for part, below in left.items() if below <= placed}
        assert lowest, f"in a circle: {sorted(left)}"
        placed |= lowest
        left = {part: below for part, below in left.items() if part not in lowest}


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_module_is_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_module_loads_no_pickle(path):
    assert not unsafe_loads(path.read_text())


def run_python(source):
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_is_cheap():
    run_python(
        "import sys, resnet_tutorial\n"
        "heavy = {'torch', 'matplotlib', 'numpy', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )


def test_scratch_works_without_torch():
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in MODULES
        if part_of(path) == "scratch" and path.stem != "__init__"
    ]
    assert names
    imports = "\n".join(f"import {name}" for name in names)
    run_python(f"import sys\nsys.modules['torch'] = None\nimport resnet_tutorial\n{imports}")


def public(path):
    """Public top-level functions and classes, less the `_backward` of a documented op."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if not node.name.startswith("_") and not node.name.endswith("_backward"):
                yield node


TAUGHT = [path for path in MODULES if part_of(path) in {"scratch", "models"}]


@pytest.mark.parametrize("path", TAUGHT, ids=module_id)
def test_public_names_say_which_chapter_derives_them(path):
    toc = (ROOT / "_toc.yml").read_text()
    parts = yaml.safe_load(toc)["parts"]
    pages = {page["file"].removeprefix("book/") for part in parts for page in part["chapters"]}
    module = ast.get_docstring(ast.parse(path.read_text())) or ""
    for node in public(path):
        own = ast.get_docstring(node)
        assert own, f"{node.name} has no docstring"
        chapters = re.findall(r"Chapter: ([\w/]+)", own) or re.findall(r"Chapter: ([\w/]+)", module)
        assert chapters, f"{node.name}: neither it nor its module says 'Chapter: part/name'"
        assert set(chapters) <= pages, f"{node.name} names {chapters}, not in _toc.yml"


def repository_files():
    """Files that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not in a git repository")
    return [path for line in done.stdout.splitlines() if (path := ROOT / line).is_file()]


def test_no_machine_is_named():
    bad = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in repository_files()
        if path.suffix in TEXT
        for match in FORBIDDEN.finditer(path.read_text())
    ]
    assert not bad, "\n".join(bad)


def test_machine_names_are_seen():
    for text in ("/ho" + "me/me/x", "https://py" + "pi.org/simple", "cd /wo" + "rk/x"):
        assert FORBIDDEN.search(text)
