"""From words to a command: tyro's parser, its errors in one line."""

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Annotated, Protocol

import tyro
from tyro.conf import subcommand

import resnet_tutorial
from resnet_tutorial.cli.datasets import ACTIONS, Data
from resnet_tutorial.cli.networks import Describe
from resnet_tutorial.cli.recipes import FIRST, RECIPES, REGISTRY
from resnet_tutorial.cli.reproducing import Reproduce
from resnet_tutorial.cli.text import PROGRAM
from resnet_tutorial.cli.training import Evaluate, Train
from resnet_tutorial.names import lookup

DESCRIPTION = """Train and examine the residual networks of the book.

resnet-tutorial COMMAND --help explains a command. A first run, a minute on a laptop:
    resnet-tutorial train resnet20 --data digits --epochs 6 --out runs/a"""
COMMANDS = {
    "train": Train,
    "evaluate": Evaluate,
    "describe": Describe,
    "reproduce": Reproduce,
    "data": Data,
}
# What Python says of a word that is no number, and what is meant.
PLAIN = {
    r"invalid literal for int\(\) with base 10:": "expected a whole number, got",
    r"could not convert string to float:": "expected a number, got",
    r"^Error parsing (\S*dummy\S*: )?": "",
}


class Command(Protocol):
    """What every command is once its words are parsed."""

    def run(self) -> int:
        """Does it; the exit code."""


def parse(arguments: Sequence[str]) -> Command:
    """The command that `arguments` name; SystemExit after --help, which is also for no arguments.

    Raises ValueError in one line for what is no command.
    """
    arguments = list(arguments)
    if arguments in ([], ["data"]):
        arguments.append("--help")
    if arguments == ["--version"]:
        print(PROGRAM, resnet_tutorial.__version__)
        raise SystemExit(0)
    _check_names(arguments)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                _commands(arguments),
                prog=PROGRAM,
                description=DESCRIPTION,
                args=arguments,
                registry=REGISTRY,
            )
    except SystemExit as end:
        if not end.code:
            raise
        command = " ".join([PROGRAM, *arguments[:1]]) if arguments[0] in COMMANDS else PROGRAM
        raise ValueError(f"{in_one_line(said.getvalue())}; see {command} --help") from None


def _check_names(arguments: Sequence[str]) -> None:
    """Answers an unknown command with the nearest ones."""
    first, second = (*arguments, "", "")[:2]
    if not first.startswith("-"):
        lookup(COMMANDS, first, "command")
    if first == "data" and second and not second.startswith("-"):
        lookup(ACTIONS, second, "command after data")


def _commands(arguments: Sequence[str]) -> object:
    """The type that tyro parses: any of the commands, train with the values of its --like."""
    like = re.search(r"(?:^|\0)--like[=\0]([^\0]*)", "\0".join(arguments))
    recipe = lookup(RECIPES, like[1] if like else FIRST, "recipe")
    start = Train(model=tyro.MISSING, data=tyro.MISSING, recipe=recipe)
    return (
        Annotated[Train, subcommand("train", default=start)]
        | Annotated[Evaluate, subcommand("evaluate")]
        | Annotated[Describe, subcommand("describe")]
        | Annotated[Reproduce, subcommand("reproduce")]
        | Annotated[Data, subcommand("data")]
    )


def in_one_line(box: str) -> str:
    """The text of the box that tyro draws around an error, without its deep-set explanations.

    >>> in_one_line("╭─ Oh ─╮\\n│ Unrecognized options: --lrr │\\n│ ──── │\\n│ For full help │")
    'Unrecognized options: --lrr'
    """
    text = re.sub(r"\x1b\[[\d;]*m", "", box)
    rows = [row.strip("│") for row in text.splitlines() if row.startswith("│")]
    sections = re.split(r"\n *─+ *(?:\n|$)", "\n".join(rows or [text]))
    kept = (s for s in sections if not re.match(r" *(Argument helptext|For full help)", s))
    shallow = (re.sub(r"^ {8,}.*\n?", "", section, flags=re.M) for section in kept)
    line = "; ".join(" ".join(section.split()) for section in shallow)
    for said, meant in PLAIN.items():
        line = re.sub(said, meant, line)
    return line.rstrip(".")
