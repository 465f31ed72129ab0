"""The wheel and the source distribution hold what they should, and the installed package works."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import colab
import pytest
from test_readme import python_block

ROOT, PROJECT = colab.ROOT, colab.project()
# Nothing that leads to the repository. One thread, as in the other tests.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
LARGE = 100_000  # bytes; only weights are larger
KINDS = {".py", ".json", ".safetensors"}  # sources, recorded runs, weights


def build(kind, tree, out):
    """`sdist` or `wheel` of the project in `tree`, as pip builds it."""
    out.mkdir(exist_ok=True)
    command = f"from setuptools import build_meta as b; b.build_{kind}({str(out)!r})"
    done = subprocess.run([sys.executable, "-c", command], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [path] = out.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The files of the repository, its source distribution, and its wheel."""
    if not (ROOT / ".git").exists():
        pytest.skip("not in a git repository")
    folder = tmp_path_factory.mktemp("packaging")
    tree = folder / "tree"
    files = colab.copy_sources(tree)
    return files, build("sdist", tree, folder / "sdist"), build("wheel", tree, folder / "wheel")


def test_wheel_holds_the_package_its_records_and_weights_and_nothing_else(built):
    files, _, wheel = built
    contents = zipfile.ZipFile(wheel).infolist()
    package = {file for file in files if file.startswith("resnet_tutorial/")}
    found = {item.filename for item in contents if ".dist-info/" not in item.filename}
    assert found == package
    assert {"." + file.rsplit(".", 1)[1] for file in found} <= KINDS
    large = [i.filename for i in contents if i.file_size > LARGE]
    assert all(name.endswith(".safetensors") for name in large), large
    licences = {i.filename.rsplit("/")[-1] for i in contents if "/licenses/" in i.filename}
    assert licences == {"LICENSE", "LICENSE-TEXT"}


def test_source_distribution_holds_the_whole_repository(built):
    files, sdist, _ = built
    names = [name.partition("/")[2] for name in tarfile.open(sdist).getnames()]
    made = {"PKG-INFO", "setup.cfg"}
    found = {name for name in names if name not in made and ".egg-info" not in name}
    assert set(files) <= found
    assert not [name for name in found - set(files) if (ROOT / name).is_file()]


def test_wheel_built_from_the_source_distribution_is_the_same(built, tmp_path):
    _, sdist, wheel = built
    tarfile.open(sdist).extractall(tmp_path, filter="data")
    [tree] = tmp_path.iterdir()
    again = build("wheel", tree, tmp_path / "out")

    def record(path):  # the name and the checksum of every file
        with zipfile.ZipFile(path) as archive:
            [name] = [name for name in archive.namelist() if name.endswith("/RECORD")]
            return sorted(archive.read(name).decode().splitlines())

    assert record(again) == record(wheel)


@pytest.fixture(scope="module")
def python(built, tmp_path_factory):
    """A Python outside the repository that has the wheel, and this one's libraries."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    python = place / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q"]
    run([*pip, "--no-index", "--no-deps", built[2]], place.parent)
    [packages] = place.glob("lib/python*/site-packages")
    # Only this folder is added: what its own .pth files add, as this repository, is not.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return python


def run(command, folder):
    """What a command prints that knows nothing of the repository."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installed_package_runs_the_example_of_the_readme(python, tmp_path):
    example = python_block((ROOT / "README.md").read_text())
    where = "\nimport resnet_tutorial as r\nprint(r.__file__, r.__version__)"
    printed, place = run([python, "-c", example + where], tmp_path).splitlines()
    [error] = re.findall(r"test error (\d+\.\d)%", printed)
    assert float(error) < 10
    assert place.startswith(str(python.parents[1])) and place.endswith(PROJECT["version"])


def test_installed_commands_explain_themselves(python, tmp_path):
    if not PROJECT.get("scripts"):
        pytest.skip("pyproject.toml declares no command")
    for name in PROJECT["scripts"]:
        assert name in run([python.parent / name, "--help"], tmp_path)
