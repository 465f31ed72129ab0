"""From words to a command: tyro's parser, its errors in one line."""

import contextlib
import functools
import io
import operator
import os
import re
from collections.abc import Sequence
from typing import Annotated, Protocol, runtime_checkable

import tyro
from tyro.conf import subcommand

import resnet_tutorial
from resnet_tutorial import Mistake
from resnet_tutorial.cli.datasets import ACTIONS, Data
from resnet_tutorial.cli.exporting import Export
from resnet_tutorial.cli.networks import Describe
from resnet_tutorial.cli.predicting import Predict
from resnet_tutorial.cli.recipes import FIRST, REGISTRY, starting_from
from resnet_tutorial.cli.reporting import Report
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
    "export": Export,
    "predict": Predict,
    "report": Report,
    "describe": Describe,
    "reproduce": Reproduce,
    "data": Data,
}
ANY_COMMAND = functools.reduce(
    operator.or_, (Annotated[kind, subcommand(name)] for name, kind in COMMANDS.items())
)
# What Python says of a word that is no number, and what is meant.
PLAIN = {
    # of an option that may be left out: what its type says, without the None
    r"no type matching \{None\}.*does not match choices \('None',\) - <class '\w+'>: ": "",
    r"invalid literal for int\(\) with base 10:": "expected a whole number, got",
    r"could not convert string to float:": "expected a number, got",
    r"^Error parsing (\S*dummy\S*: )?": "",
}


@runtime_checkable
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
    tyro._experimental_options["ansi_codes"] = not os.environ.get("NO_COLOR")  # no-color.org
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), starting_from(_like(arguments)):
            return tyro.cli(
                ANY_COMMAND,
                prog=PROGRAM,
                description=DESCRIPTION,
                args=arguments,
                registry=REGISTRY,
            )
    except SystemExit as end:
        if not end.code:
            raise
        command = " ".join([PROGRAM, *arguments[:1]]) if arguments[0] in COMMANDS else PROGRAM
        raise Mistake(f"{in_one_line(said.getvalue())}; see {command} --help") from None


def _check_names(arguments: Sequence[str]) -> None:
    """Answers an unknown command with the nearest ones."""
    first, second = (*arguments, "", "")[:2]
    if not first.startswith("-"):
        lookup(COMMANDS, first, "command")
    if first == "data" and second and not second.startswith("-"):
        lookup(ACTIONS, second, "command after data")


def _like(arguments: Sequence[str]) -> str:
    """The recipe that --like names, before all else: it decides what the defaults are."""
    given = re.search(r"(?:^|\0)--like[=\0]([^\0]*)", "\0".join(arguments))
    return given[1] if given else FIRST


def in_one_line(box: str) -> str:
    """The text of the box that tyro draws around an error, without its deep-set explanations.

    >>> in_one_line("╭─ Oh ─╮\\n│ Unrecognized options: --lrr │\\n│ ──── │\\n│ For full help │")
    'Unrecognized options: --lrr'
    """
    text = re.sub(r"\x1b\[[\d;]*m|│", "", box)
    # Between two rules; the title is in the first one, or above it where there is no UTF-8.
    title, *sections = re.split(r"^ *(?:[╭╰].*|[-─]+) *$", text, flags=re.M)
    kept = [s for s in sections if not re.match(r"\s*(Argument helptext|For full help|$)", s)]
    shallow = (re.sub(r"^ {8,}.*", "", section, flags=re.M) for section in kept or [title])
    line = "; ".join(" ".join(section.split()) for section in shallow)
    for said, meant in PLAIN.items():
        line = re.sub(said, meant, line)
    return line.rstrip(".")
