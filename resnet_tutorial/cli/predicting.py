"""resnet-tutorial predict."""

import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from resnet_tutorial import Mistake
from resnet_tutorial.cli.streams import tell
from resnet_tutorial.cli.training import DataSaid, Device, ModelSaid, device_called
from resnet_tutorial.paths import expanded, printable

Flag = FlagCreatePairsOff[bool]
HEAD = 4096  # bytes of stdin that tell names from a picture
AT_ONCE = 32  # pictures a step of the network


@dataclass(frozen=True)
class Predict:
    """Tell what is on pictures, with the weights of a run. A line a picture."""

    run_or_file: Annotated[Path, Positional, arg(metavar="RUN_OR_FILE")]
    """The folder of a run, or a file of weights."""
    pictures: Annotated[
        tuple[str, ...], Positional, arg(metavar="PICTURES", help_behavior_hint="(one or more)")
    ]
    """Pictures, folders of them, and - for standard input: names, a line each, or one picture."""
    top: int = 3
    """How many classes are shown, the most likely first."""
    json: Flag = False
    """Write JSON, an object a picture: the file and the probabilities by class."""
    model: ModelSaid = None
    """The network, for a file that does not say it."""
    data: DataSaid = None
    """The data set that it was trained on, for a file that does not say its classes."""
    device: Device = None
    """Where to compute: cpu, cuda, cuda:1."""

    def run(self) -> int:
        """Predicts; 2 when a picture could not be read, which is told on stderr."""
        if self.top < 1:
            raise Mistake(f"--top must be positive, got {self.top}")
        device = device_called(self.device)
        predictor = predictor_of(self.run_or_file, self.model, self.data, device)
        unread, count = 0, 0
        with tempfile.TemporaryDirectory() as scratch:
            files = names(self.pictures, Path(scratch))
            while group := list(itertools.islice(files, AT_ONCE)):
                count += len(group)
                unread += self._tell(predictor, group)
        if not count:
            raise Mistake("expected at least one picture, got none")
        if unread and count > 1:
            tell(f"{unread} of {count} could not be read")
        return 2 if unread else 0

    def _tell(self, predictor, group: list[tuple[str, Path]]) -> int:
        """Prints a line for each picture; how many could not be read."""
        prepared = []
        for name, path in group:
            try:
                prepared.append((name, predictor.prepared(path)))
            except (Mistake, OSError) as error:
                tell(f"error: {error}".replace(str(path), name))
        if prepared:
            import numpy as np

            rows = predictor(np.concatenate([images for _, images in prepared]))
            for (name, _), row in zip(prepared, rows, strict=True):
                best = (-row).argsort(kind="stable")[: self.top]
                self._print(name, {predictor.classes[i]: float(row[i]) for i in best})
        return len(group) - len(prepared)

    def _print(self, name: str, probabilities: dict[str, float]) -> None:
        name = printable(name)
        if self.json:
            line = json.dumps({"file": name, "probabilities": probabilities})
        else:
            line = f"{name}: {', '.join(f'{k} {p:.1%}' for k, p in probabilities.items())}"
        print(line, flush=True)


def predictor_of(source: Path, model: str | None, data: str | None, device="cpu"):
    """The network in `source` and how pictures become its input, as of the data set `data`.

    ValueError for a file that does not say what was not named.
    """
    from resnet_tutorial.predict import Predictor

    inputs = None if data is None else _inputs(source, data)
    return Predictor.load(source, model, inputs, device)


def _inputs(source: Path, name: str):
    from resnet_tutorial import data
    from resnet_tutorial.models import weights

    recipe = weights.load(weights.located(source))[1].get("recipe", {})
    return data.load(name).inputs(bool(recipe.get("per_pixel_mean")))


def names(given: tuple[str, ...], scratch: Path) -> Iterator[tuple[str, Path]]:
    """Each picture as it is called, and its file; folders and standard input are looked into.

    A picture that comes on standard input is put into the folder `scratch`.
    """
    from resnet_tutorial.data.listing import SUFFIXES

    for word in given:
        path = expanded(word)
        if word == "-":
            yield from _piped(scratch)
        elif path.is_dir():
            inside = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            found = sorted(p for p in inside if not p.name.startswith("."))
            if not found:
                raise Mistake(f"no picture in the folder {path}; name one that has some")
            yield from ((str(p), p) for p in found)
        else:
            yield word, path


def _piped(scratch: Path) -> Iterator[tuple[str, Path]]:
    """What comes on standard input: the pictures that it names, or the one that it is.

    Names are answered as they come, a group at a time. Every format of pictures has a byte 0 near
    its start, and no name has one.
    """
    stream = sys.stdin.buffer
    head = stream.peek(HEAD)[:HEAD] if hasattr(stream, "peek") else b""
    if b"\0" not in head:
        for line in stream:
            if name := os.fsdecode(line.rstrip(b"\r\n")):
                yield name, expanded(name)
        return
    path = scratch / "picture"
    path.write_bytes(stream.read())
    yield "-", path
