"""What lies in a folder of pictures: classes, parts, and what was left out, no picture opened.

Chapter: practice/own_images.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from tqdm import tqdm

from resnet_tutorial import Mistake
from resnet_tutorial.data import labels_csv
from resnet_tutorial.paths import expanded

SUFFIXES = {
    *(".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
}
TESTS = ("val", "test", "valid", "validation")  # what the part beside train is called
SYSTEM = {"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "lost+found", "$RECYCLE.BIN"}
HIDDEN = "hidden, or of the system"
LOOSE = "pictures beside the class folders"
EMPTY = "empty files"
UNUSUAL = "links to folders, pipes, devices"
UNNAMED = "pictures that the CSV does not name"
UNFOUND = "rows of the CSV without their picture"
TOLD = (LOOSE, EMPTY, UNNAMED, UNFOUND)  # what a user may not expect: said without being asked


@dataclass(frozen=True, eq=False)
class Files:
    """Pictures by their names under `root`, their sizes in bytes and class numbers, `(n,)` each.

    >>> files = Files("photos", np.array(["a.png", "b.png"], object), np.array([9, 8]),
    ...               np.array([0, 1]))
    >>> len(files), files.take([1]).paths
    (2, ['photos/b.png'])
    """

    root: str
    names: np.ndarray
    sizes: Int64[np.ndarray, " n"]
    labels: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def paths(self) -> list[str]:
        """Where each picture lies."""
        return [os.path.join(self.root, name) for name in self.names]

    def take(self, indices) -> "Files":
        """The pictures at `indices` (any NumPy index)."""
        return Files(self.root, self.names[indices], self.sizes[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Listing:
    """Classes in alphabetical order, the two parts, and how many entries were left out, by reason.

    `drawn` says how the test part came about where the folder has none; else it is empty.
    """

    name: str
    classes: tuple[str, ...]
    train: Files
    test: Files
    left_out: Mapping[str, int]
    drawn: str = ""

    def without(self, paths: set[str], why: str) -> "Listing":
        """This listing without the pictures at `paths`, counted under `why`.

        Raises ValueError when a class is left without pictures in a part.
        """
        kept = []
        for part in (self.train, self.test):
            good = part.take(np.array([path not in paths for path in part.paths], bool))
            if lost := {*part.labels.tolist()} - {*good.labels.tolist()}:
                raise Mistake(
                    f"{self.name}: class {self.classes[min(lost)]} has no picture left that can be "
                    "read; add pictures or delete the class"
                )
            kept.append(good)
        left_out = {**self.left_out, **({why: len(paths)} if paths else {})}
        return replace(self, train=kept[0], test=kept[1], left_out=left_out)


def listing(path: str | os.PathLike, held_out: float = 0.2, seed: int = 0) -> Listing:
    """The pictures under `path`, of whichever form it has.

    - train/CLASS/... and val/CLASS/... (or test, valid); pictures may lie deeper inside;
    - CLASS/... alone: of every class the share `held_out`, drawn by `seed`, is the test part;
    - pictures and one CSV file with their names (file, filename, image or path) and classes (label,
      class or category), split in the same way.

    Names of classes that differ only in how Unicode writes an accent are one class. Raises
    ValueError when there are no two classes, when a class has no picture in one of the parts, or
    when the CSV contradicts itself.

    >>> listing("no_such_folder")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: expected the folders train and val ... no such folder
    """
    path = expanded(path)
    if not 0 < held_out < 1:
        raise Mistake(f"held_out must be a share between 0 and 1, got {held_out}")
    with tqdm(desc="listing", unit=" files", delay=2, mininterval=1, leave=False) as bar:
        found = _Found(path, bar)
        if not path.is_dir():
            raise _no_form(path, "there is no such folder")
        folders = found.folders(path)
        if "train" in folders:
            return _split_already(found, folders)
        if {*folders} & {*TESTS} and len(folders) <= len(TESTS) and {*folders} <= {*TESTS}:
            raise _no_form(path, f"only {', '.join(sorted(folders))} is there")
        if len(folders) < 2 and (table := labels_csv.only_one(path)):
            groups = _by_csv(found, table)
        elif folders:
            found.loose(path)
            groups = found.classes(path)
        else:
            raise _no_form(path, "it has no folders")
    return _split_by_seed(found, groups, held_out, seed)


@dataclass
class _Found:
    """What is being collected: how many entries were left out of `root`, and why."""

    root: Path
    bar: tqdm
    left_out: Counter = field(default_factory=Counter)

    def name(self, path: str | Path) -> str:
        """What messages call the picture or folder."""
        return os.path.relpath(path, self.root)

    def folders(self, path: Path) -> dict[str, str]:
        """The folders in `path` by their names, less those of the system."""
        with os.scandir(path) as entries:
            return {e.name: e.path for e in entries if e.is_dir() and not _hidden(e.name)}

    def loose(self, path: Path) -> None:
        """Counts what lies in `path` beside its folders."""
        with os.scandir(path) as entries:
            for entry in entries:
                if _hidden(entry.name):
                    self.left_out[HIDDEN] += 1
                elif not entry.is_dir():
                    picture = Path(entry.name).suffix.lower() in SUFFIXES
                    self.left_out[LOOSE if picture else _suffix(entry.name)] += 1

    def classes(self, part: Path) -> dict[str, list[tuple[str, int]]]:
        """Pictures of every class folder in `part`: name under the root, and bytes."""
        groups: dict[str, list] = {}
        for name, path in sorted(self.folders(part).items()):
            _check_name(name, path)
            groups.setdefault(unicodedata.normalize("NFC", name), []).extend(self.pictures(path))
        if len(groups) < 2:
            raise Mistake(
                f"expected at least two class folders in {part}, got {len(groups)}"
                + "".join(f" ({name})" for name in groups)
            )
        for name, pictures in groups.items():
            if not pictures:
                raise Mistake(
                    f"no image in the class folder {part / name}; add images "
                    f"({', '.join(sorted(SUFFIXES))}) or delete the folder"
                )
        return {name: groups[name] for name in sorted(groups)}

    def pictures(self, path: str | Path) -> list[tuple[str, int]]:
        """The pictures in `path` and deeper, in order; what else lies there is counted."""
        start = len(os.path.join(self.root, ""))
        found = [(entry.path[start:], entry.stat().st_size) for entry in self._walk(path)]
        return sorted(found, key=lambda item: item[0].split(os.sep))

    def _walk(self, path: str | Path) -> Iterator[os.DirEntry]:
        with os.scandir(path) as entries:
            for entry in entries:
                self.bar.update()
                if _hidden(entry.name):
                    self.left_out[HIDDEN] += 1
                elif entry.is_dir(follow_symlinks=False):
                    yield from self._walk(entry.path)
                elif os.path.splitext(entry.name)[1].lower() not in SUFFIXES:
                    self.left_out[_suffix(entry.name)] += 1
                elif not entry.is_file():
                    self.left_out[UNUSUAL] += 1
                elif entry.stat().st_size == 0:
                    self.left_out[EMPTY] += 1
                else:
                    yield entry


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM


def _suffix(name: str) -> str:
    suffix = os.path.splitext(name)[1].lower()
    return f"files {suffix[:12]}" if suffix else "files without a suffix"


def _check_name(name: str, path: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Mistake(f"the name of the class folder {path!r} is not UTF-8; rename it") from None


def _no_form(path: Path, what: str) -> Mistake:
    return Mistake(
        f"expected the folders train and val (or test) in {path}, each with one folder a class, or "
        f"one folder a class, or pictures and a CSV file of their labels; {what}"
    )


def _split_already(found: _Found, folders: Mapping[str, str]) -> Listing:
    """Of a folder that has train and val."""
    test = next((name for name in TESTS if name in folders), None)
    if test is None:
        raise _no_form(
            found.root,
            "not both are there; to hold out a part of train by seed, name the folder train itself",
        )
    for name in {*folders} - {"train", test}:
        found.left_out[f"the folder {name} beside train and {test}"] += 1
    groups = []
    for part in (found.root / "train", found.root / test):
        found.loose(part)
        groups.append(found.classes(part))
    if differ := sorted({*groups[0]} ^ {*groups[1]}):
        only = {name: "train" if name in groups[0] else test for name in differ}
        raise Mistake(
            f"{found.root / 'train'} and {found.root / test} have different classes: "
            f"{', '.join(differ[:5])} only in one of them ({differ[0]} only in "
            f"{only[differ[0]]}); give both the same class folders"
        )
    found.loose(found.root)
    train, test = (_files(found, list(part.values())) for part in groups)
    return Listing(found.root.resolve().name, tuple(groups[0]), train, test, found.left_out)


def _split_by_seed(
    found: _Found, groups: Mapping[str, list[tuple[str, int]]], held_out: float, seed: int
) -> Listing:
    """Of every class the share `held_out`; a class is drawn as it would be without the others."""
    parts: tuple[list, list] = ([], [])
    for name, pictures in groups.items():
        if len(pictures) < 2:
            raise Mistake(
                f"class {name} has {len(pictures)} picture in {found.root}, expected at least 2, "
                "one to learn from and one to be tested on; add pictures or delete the class"
            )
        count = min(max(1, round(held_out * len(pictures))), len(pictures) - 1)
        key = [seed, *name.encode()]
        chosen = {*np.random.default_rng(key).permutation(len(pictures))[:count].tolist()}
        for part in (0, 1):
            parts[part].append([p for i, p in enumerate(pictures) if (i in chosen) == part])
    train, test = (_files(found, part) for part in parts)
    drawn = f"{held_out:.0%} held out (seed {seed})"
    name = found.root.resolve().name
    return Listing(name, tuple(groups), train, test, found.left_out, drawn)


def _files(found: _Found, groups: Sequence[list[tuple[str, int]]]) -> Files:
    pictures = [picture for group in groups for picture in group]
    names = np.empty(len(pictures), object)
    names[:] = [name for name, _ in pictures]
    labels = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    sizes = np.array([size for _, size in pictures], np.int64)
    return Files(str(found.root), names, sizes, labels.astype(np.int64))


def _by_csv(found: _Found, table: Path) -> dict[str, list[tuple[str, int]]]:
    pictures = dict(found.pictures(found.root))
    groups, unnamed, unfound = labels_csv.groups(table, pictures)
    found.left_out[_suffix(table.name)] -= 1  # it was read
    found.left_out += Counter({UNNAMED: unnamed, UNFOUND: unfound})
    return groups
