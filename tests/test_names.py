"""Finding things by name, and the lazy package."""

import subprocess
import sys

import pytest

import resnet_tutorial
from resnet_tutorial.names import lookup

TABLE = {"resnet20": 1, "resnet32": 2, "plain20": 3}


def test_a_known_name_gives_its_entry():
    assert lookup(TABLE, "resnet32", "model") == 2


def test_an_unknown_name_is_told_the_nearest_and_all():
    with pytest.raises(ValueError) as raised:
        lookup(TABLE, "resnet21", "model")
    message = str(raised.value)
    assert message.startswith("unknown model 'resnet21'; nearest: ")
    nearest, everything = message.split("; ")[1:]
    assert "resnet20" in nearest and "plain20" not in nearest
    assert everything == "all: resnet20, resnet32, plain20"


@pytest.mark.parametrize("name", ["ResNet20", "ResNet-20", "resnet 20", "resnet20 "])
def test_the_nearest_name_survives_capitals_and_hyphens(name):
    with pytest.raises(ValueError, match="nearest: resnet20"):
        lookup(TABLE, name, "model")


def test_a_name_near_to_nothing_gets_no_suggestion():
    with pytest.raises(ValueError, match="^unknown data set 'imagenet'; all: digits, cifar10$"):
        lookup({"digits": 0, "cifar10": 0}, "imagenet", "data set")


@pytest.mark.parametrize("name", [None, 20, ["resnet20"]])
def test_what_is_no_string_is_unknown_too(name):
    with pytest.raises(ValueError, match="unknown model"):
        lookup(TABLE, name, "model")


def run_python(source: str) -> None:
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_package_imports_nothing_until_asked():
    run_python(
        "import sys; before = set(sys.modules)\n"
        "import resnet_tutorial\n"
        "new = set(sys.modules) - before - {'resnet_tutorial', 'importlib'}\n"
        "assert not {m for m in new if not m.startswith(('importlib', '_'))}, new\n"
        "assert resnet_tutorial.names.lookup({'a': 1}, 'a', 'letter') == 1\n"
    )


def test_a_missing_dependency_is_not_hidden():
    run_python(
        "import sys; sys.modules['torch'] = None\n"
        "import resnet_tutorial\n"
        "try: resnet_tutorial.models\n"
        "except ModuleNotFoundError as error: assert 'torch' in str(error)\n"
        "else: raise SystemExit('models came without torch')\n"
    )


def test_the_package_lists_its_submodules():
    assert {"Mistake", "counts", "models", "names", "__version__"} <= set(dir(resnet_tutorial))
    assert not hasattr(resnet_tutorial, "no_such_module")
    assert not hasattr(resnet_tutorial, "__main__")


def test_the_version_is_the_installed_one_or_says_that_there_is_none(monkeypatch):
    from importlib import metadata

    monkeypatch.setattr(metadata, "version", lambda name: {"resnet_tutorial": "1.2.3"}[name])
    assert resnet_tutorial.__version__ == "1.2.3"

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    assert resnet_tutorial.__version__ == "0+unknown"
