"""One rule for everything that is found by its name: models, data sets, experiments."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from resnet_tutorial import Mistake

T = TypeVar("T")


def lookup(table: Mapping[str, T], name: object, kind: str) -> T:
    """``table[name]``, with an error that helps when there is no such name.

    Args:
        table: the things, by name.
        name: the name asked for.
        kind: what the table holds, in one word for the message: ``"model"``.

    Raises:
        Mistake: naming the nearest names and all names.

    >>> lookup({"resnet20": 1, "plain20": 2}, "resnet21", "model")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: unknown model 'resnet21'; nearest: resnet20; all: resnet20, plain20
    """
    if isinstance(name, str) and name in table:
        return table[name]
    near = difflib.get_close_matches(str(name).lower(), table, n=3, cutoff=0.75)
    nearest = f"nearest: {', '.join(near)}; " if near else ""
    raise Mistake(f"unknown {kind} {name!r}; {nearest}all: {', '.join(table)}")
