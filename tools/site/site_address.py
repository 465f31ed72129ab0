"""Sphinx extension: where the book is public, and what it offers where it is not.

Its repository stands in _config.yml, or in the variable BOOK_REPOSITORY, which the workflow sets to
the one that it runs in. Without a repository the site has no button, link or tag that would lead
nowhere. Always it holds what it is made of: the notebook of each chapter, the package as a wheel.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import yaml

PARTS = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT", "resnet_tutorial")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
# In the first cell of a chapter, as the notebook's JSON writes it.
UNSET, SET = r"repository = \"\"", r"repository = \"{}\""


def repository(folder: Path) -> str:
    """The address of the repository, or an empty text."""
    config = yaml.safe_load(Path(folder, "_config.yml").read_text(encoding="utf-8"))
    return os.environ.get("BOOK_REPOSITORY") or config["repository"]["url"]


def pages_address(repository: str) -> str:
    """Where GitHub Pages shows a repository: https://github.com/owner/name is
    https://owner.github.io/name/. That of no repository is empty."""
    if not repository:
        return ""
    parts = urlsplit(repository)
    names = parts.path.strip("/").split("/")
    if not parts.netloc or len(names) != 2:
        raise ValueError(
            "repository.url in _config.yml, or BOOK_REPOSITORY: expected "
            f"https://github.com/owner/name, got {repository!r}"
        )
    return f"https://{names[0]}.github.io/{names[1]}/"


def wheel_name(folder: Path) -> str:
    project = tomllib.loads(Path(folder, "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['name']}-{project['version']}-py3-none-any.whl"


def build_wheel(folder: Path, target: Path) -> None:
    """The package's wheel, from a copy: a build leaves traces, and takes up those of others."""
    with tempfile.TemporaryDirectory() as tree:
        for name in PARTS:
            source = Path(folder, name)
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, Path(tree, name))
        variables = os.environ | {"SOURCE_DATE_EPOCH": "315532800"}  # the same bytes every time
        subprocess.run([sys.executable, "-c", BUILD, str(target)], cwd=tree, env=variables,
                       check=True, capture_output=True)  # fmt: skip


def set_address(app, config):
    url = repository(app.confdir)
    theme = config.html_theme_options
    theme |= dict.fromkeys(("use_repository_button", "use_issues_button"), bool(url))
    theme |= {"repository_url": url} | ({} if url else {"launch_buttons": {}})
    config.html_baseurl = pages_address(url)
    link = '<a href="../../_static/{0}" download><code>{0}</code></a>'
    config.myst_substitutions = {"wheel": link.format(wheel_name(app.confdir))}


def add_downloads(app, exception):
    """The wheel, and in the notebooks, which Sphinx has copied, the repository's address."""
    if exception or app.builder.format != "html":
        return
    build_wheel(app.confdir, Path(app.outdir, "_static"))
    for path in Path(app.outdir, "_sources").rglob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(UNSET, SET.format(repository(app.confdir))), encoding="utf-8")


def setup(app):
    app.connect("config-inited", set_address, priority=900)
    app.connect("build-finished", add_downloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
