"""What the README and the landing page promise is there and works."""

import re

from resnet_tutorial.cli.parser import parse


def python_block(text):
    [block] = re.findall(r"```python\n(.*?)```", text, re.S)
    return block


def test_the_landing_page_shows_the_same_example(root):
    """tests/test_packaging.py runs it."""
    example = python_block((root / "README.md").read_text())
    assert example == python_block((root / "book/index.md").read_text())


def test_every_command_line_is_understood(root):
    lines = re.findall(r"^(?:torchrun .*-m resnet_tutorial|resnet-tutorial) ([^#\n]+)",
                       (root / "README.md").read_text(), re.M)  # fmt: skip
    assert {"train", "evaluate", "describe", "reproduce", "data"} <= {x.split()[0] for x in lines}
    for line in lines:
        if "--help" not in line:
            assert callable(parse(line.split()).run)


def test_every_path_of_the_tree_exists(root):
    tree = (root / "README.md").read_text().split("## What is where")[1].split("```")[1]
    folder = ""
    for line in tree.strip().splitlines():
        names = re.match(r" *(\S+(?: \S+)*?)(?:  |$)", line)[1].split()
        folder = folder if line.startswith("  ") else ""
        for name in names:
            assert (root / folder / name).exists(), f"{folder}{name}"
        if not line.startswith("  ") and names[0].endswith("/"):
            folder = names[0]
