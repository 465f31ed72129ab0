"""Labels of pictures in a CSV file that lies beside them.

Chapter: practice/own_images.
"""

import csv
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from resnet_tutorial import Mistake

FILE = ("file", "filename", "image", "path")  # what the two columns may be called
LABEL = ("label", "class", "category")
MOST_BYTES = 2**28
HEAD = 65_536  # read to see whether it is such a table


def only_one(path: Path) -> Path | None:
    """The CSV file in `path` that names pictures and labels; None without one.

    Raises ValueError when several do.
    """
    tables = sorted(p for p in path.glob("*.csv") if p.is_file() and not p.name.startswith("."))
    fitting = [table for table in tables if None not in _columns(_rows(table, HEAD)[:1])]
    if len(fitting) > 1:
        raise Mistake(
            f"expected one CSV file of labels in {path}, got {len(fitting)} "
            f"({', '.join(table.name for table in fitting[:3])}); leave the one that counts"
        )
    if tables and not fitting:
        raise Mistake(
            f"{tables[0]} has no column of file names ({', '.join(FILE)}) or none of classes "
            f"({', '.join(LABEL)}); name the columns so"
        )
    return fitting[0] if fitting else None


def groups(
    table: Path, pictures: Mapping[str, int]
) -> tuple[dict[str, list[tuple[str, int]]], int, int]:
    """Of each class the names and bytes of its pictures; how many lack a row, and rows a picture.

    A row names a picture by its path from the CSV, or by as much of its end as is unique, with or
    without the suffix. Raises ValueError for a picture with two labels, and for fewer than two
    classes.
    """
    rows = _rows(table, MOST_BYTES)
    file, label = _columns(rows[:1])
    known, labels, unfound = _by_ending(pictures), {}, 0
    for number, row in enumerate(rows[1:], 2):
        if len(row) <= max(file, label) or not row[label].strip():
            if any(cell.strip() for cell in row):
                raise Mistake(f"{table}, row {number}: expected a file and its label, got {row}")
            continue
        name = known.get(os.path.normpath(row[file].strip().replace("\\", "/")))
        if name is None:
            unfound += 1
            continue
        given = unicodedata.normalize("NFC", row[label].strip())
        if labels.setdefault(name, given) != given:
            raise Mistake(
                f"{table}, row {number}: {name} is {given}, and {labels[name]} in an earlier row; "
                "give each picture one label"
            )
    found: dict[str, list] = {}
    for name, size in pictures.items():
        if name in labels:
            found.setdefault(labels[name], []).append((name, size))
    if len(found) < 2:
        raise Mistake(
            f"{table}: expected pictures of at least two classes, got {len(found)} "
            f"({unfound} rows without their picture)"
        )
    return {name: found[name] for name in sorted(found)}, len(pictures) - len(labels), unfound


def _rows(table: Path, most: int) -> list[list[str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            text = file.read(most)
        try:
            dialect = csv.Sniffer().sniff(text.partition("\n")[0], ",;\t")
        except csv.Error:  # one column, or nothing
            dialect = csv.excel
        return list(csv.reader(text.splitlines(), dialect))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Mistake(f"{table} cannot be read as CSV ({error}); save it as UTF-8") from None


def _columns(head: list[list[str]]) -> tuple[int | None, int | None]:
    """Where the file names and the labels stand; None for what is missing."""
    names = [cell.strip().lower() for row in head for cell in row]
    first = (next((names.index(n) for n in kind if n in names), None) for kind in (FILE, LABEL))
    return tuple(first)


def _by_ending(pictures: Mapping[str, int]) -> dict[str, str | None]:
    """The picture that each way to write its name means; None where several could be meant."""
    found: dict[str, str | None] = {}
    for name in pictures:
        parts = name.split(os.sep)
        endings = {os.sep.join(parts[i:]) for i in range(1, len(parts))}
        endings |= {os.path.splitext(ending)[0] for ending in (name, *endings)}
        for ending in endings - {name}:
            found[ending] = None if ending in found else name
    return found | {name: name for name in pictures}
