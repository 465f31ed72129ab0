"""The files around the book: licences, citation, changelog, workflow."""

import os
import re
import sys

import colab
import pytest
import yaml

PROJECT = colab.project()


@pytest.fixture(scope="module")
def workflow(root):
    return yaml.safe_load((root / ".github/workflows/book.yml").read_text())


def test_licences_cover_the_code_and_the_text(root):
    code, text = (root / "LICENSE").read_text(), (root / "LICENSE-TEXT").read_text()
    assert code.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in code and len(code.splitlines()) > 200
    assert "creativecommons.org/licenses/by/4.0/" in text and "book/" in text
    assert PROJECT["license"] == "Apache-2.0 AND CC-BY-4.0"


def test_citation_and_changelog_are_of_this_version(root):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # the required ones
    assert str(citation["version"]) == PROJECT["version"]
    assert " AND ".join(citation["license"]) == PROJECT["license"]
    newest = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(), re.M)
    assert newest[1] == PROJECT["version"]


def test_every_how_to_of_contributing_fits_on_a_screen(root):
    text = (root / "CONTRIBUTING.md").read_text()
    sections = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)+)", text, re.M))
    expected = {"Add a chapter", "Add an experiment", "Add a data set", "Add a checker"}
    assert expected <= sections.keys()
    assert max(len(section.splitlines()) for section in sections.values()) <= 24
    for path in set(re.findall(r"`((?:tools|tests|book|resnet_tutorial)/[\w./]+)`", text)):
        named = path.replace("CHAPTER", "convolution").replace("book/part/name", "book/index")
        assert (root / named.removesuffix("/NAME/").replace("index.ipynb", "index.md")).exists(), (
            path
        )


def test_every_make_target_named_exists(root, workflow):
    makefile = (root / "Makefile").read_text()
    texts = [(root / name).read_text() for name in ("CONTRIBUTING.md", "README.md")]
    texts += [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    named = {name for text in texts for name in re.findall(r"(?:^|`)make ([a-z]+)", text, re.M)}
    assert {"book", "test", "chapters"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_workflow_builds_tests_and_publishes(workflow):
    assert workflow[True].keys() >= {"push", "pull_request"}  # YAML reads the key `on` as true
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    commands = [step["run"] for step in build["steps"] if "run" in step]
    assert commands.index("make book") < commands.index("make test")
    uses = {step["uses"] for job in workflow["jobs"].values() for step in job["steps"]
            if "uses" in step}  # fmt: skip
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", one) for one in uses), uses
    [upload] = [s for s in build["steps"] if "upload-pages-artifact" in s.get("uses", "")]
    assert upload["with"]["path"] == "_build/html"
    assert publish["needs"] == "build" and "main" in publish["if"]
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}


def test_workflow_tries_the_environments_that_exist(workflow):
    environments = workflow["jobs"]["versions"]["strategy"]["matrix"]["environment"]
    assert environments == ["oldest", "newest"]
    for environment in environments:
        assert colab.requirements(environment)


def test_oldest_environment_is_what_pyproject_allows():
    assert set(colab.GIVEN) < set(colab.lower_bounds())
    oldest = set(colab.requirements("oldest"))
    for dependency in PROJECT["dependencies"]:
        assert dependency.replace(">=", "==") in oldest
        assert re.fullmatch(r"[\w-]+>=[\d.]+", dependency), f"{dependency}: a lower bound alone"
    assert colab.oldest_python() == "3.11"


def test_a_moved_package_is_named():
    before = {"torch": "2.4.0", "numpy": "1.24.0"}
    colab.require_unmoved(before, before | {"jaxtyping": "0.3"}, "the wheel")
    with pytest.raises(SystemExit, match="the wheel moved numpy 1.24.0 -> 2.0.0"):
        colab.require_unmoved(before, before | {"numpy": "2.0.0"}, "the wheel")
    with pytest.raises(SystemExit, match="torch 2.4.0 -> None"):
        colab.require_unmoved(before, {"numpy": "1.24.0"}, "the wheel")


def test_a_python_with_the_network_cut_reaches_this_machine_alone(tmp_path):
    source = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname())\nprint('near')\n"
        "for address in ('192.0.2.1', 'example.org'):\n"
        "    try:\n        socket.create_connection((address, 80), 1)\n"
        "    except OSError as error:\n        print(error)\n"
    )
    variables = os.environ | colab.cut_network(tmp_path)
    near, *far = colab.run(sys.executable, "-c", source, env=variables).splitlines()
    assert near == "near" and len(far) == 2
    assert all(line.startswith("the network is cut") for line in far)
