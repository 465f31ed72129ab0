"""resnet-tutorial data list | fetch | check."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg, subcommand

from resnet_tutorial import Mistake
from resnet_tutorial.cli import pictures
from resnet_tutorial.cli.pictures import Pictures
from resnet_tutorial.cli.recipes import RECIPES
from resnet_tutorial.cli.text import PROGRAM, shape, table
from resnet_tutorial.names import lookup
from resnet_tutorial.paths import printable

NOT_VERIFIED = (
    "not verified: the sizes are right, but no fingerprint is known, and the archive with the "
    "right checksum does not lie there"
)
File = Annotated[Path | None, arg(metavar="FILE.png", help_behavior_hint="(default: none)")]
Name = Annotated[str, Positional, arg(metavar="NAME")]


@dataclass(frozen=True)
class ListAll:
    """List the data sets, and where a copy of each lies."""

    def run(self) -> int:
        """Prints the table."""
        from resnet_tutorial.data import CATALOGUE, home

        rows = [("name", "training", "test", "image", "classes", "where")]
        for name, entry in CATALOGUE.items():
            way = f"{PROGRAM} data fetch {name}" if entry.source.downloadable else "on no mirror"
            place = entry.source.place() or f"not here: {way}"
            rows.append((name, *entry.sizes, shape(entry.image_shape), entry.classes, place))
        print(table(rows, left=(0, 5)))
        print(
            "folder:PATH is any folder PATH of images: train/CLASS/... and val/CLASS/...; CLASS/..."
            " alone; or a CSV file of labels"
        )
        print(f"Downloads go to {home()} (RESNET_TUTORIAL_DATA names another folder).")
        return 0


@dataclass(frozen=True)
class Fetch:
    """Download a data set, unless a copy is on this machine."""

    name: Name
    """The data set, as in cifar10."""

    def run(self) -> int:
        """Downloads and says where the data lie."""
        source = _entry(self.name).source
        source.fetch()
        print(f"{self.name}: {source.place()}")
        return 0


@dataclass(frozen=True)
class Check:
    """Verify the copy of a data set: checksums, shapes, counts, fingerprint. Of folder:PATH, read
    every picture and say what is there."""

    name: Name
    """The data set, as in cifar10, or folder:PATH."""
    pictures: OmitArgPrefixes[Pictures] = field(default_factory=Pictures)
    """How a folder is read."""
    sheet: File = None
    """Write ten pictures of each class to this PNG file."""
    augmented: File = None
    """Write what the network sees of 8 pictures in 6 draws to this PNG file."""
    duplicates: FlagCreatePairsOff[bool] = False
    """Look for pictures that are there twice."""

    def run(self) -> int:
        """Prints what was found; nothing is downloaded. 1 when nothing vouches for the files."""
        from resnet_tutorial import data

        if self.name.startswith("folder:"):
            return self._folder(self.name.removeprefix("folder:"))
        if asked := self._for_folders():
            raise Mistake(f"{asked} is only for folder:PATH; leave it out")
        entry = _entry(self.name)
        place = entry.source.place()
        if place is None:
            if not entry.source.downloadable:
                entry.source.fetch()  # says where the data should be
            raise Mistake(
                f"{self.name} is not on this machine; download it: {PROGRAM} data fetch {self.name}"
            )
        verified = entry.source.verify()
        dataset = data.load(self.name)
        known = data.CATALOGUE[dataset.name].check(dataset)  # the copy may stand for the original
        _report(dataset, place, "all right" if known or verified else NOT_VERIFIED)
        return 0 if known or verified else 1

    def _for_folders(self) -> str:
        """The first option given that is for folders alone."""
        given = [*self.pictures.settings()]
        given += [name for name in ("sheet", "augmented", "duplicates") if getattr(self, name)]
        return f"--{given[0].replace('_', '-')}" if given else ""

    def _folder(self, path: str) -> int:
        """Of a folder: everything is read and said before what is broken ends the command."""
        from resnet_tutorial.data import checking, decoders, folders, streamed
        from resnet_tutorial.data.listing import listing

        settings = self.pictures.settings()
        size, skip = settings.pop("size", None), settings.pop("skip_broken", False)
        folders.check_size(size)
        workers = settings.pop("workers", None)
        inspection = checking.inspect(listing(path, **settings), self.duplicates, workers)
        if len(inspection.broken) == len(inspection.seen):
            raise decoders.broken(inspection.broken, len(inspection.seen))
        dataset = streamed.of_listing(inspection.good, size, workers=workers)
        print(printable(f"{dataset.label}, {path}"))
        for line in pictures.described(inspection, dataset):
            print(line)
        print(f"fingerprint {dataset.fingerprint}")
        if self.duplicates:
            for line in pictures.duplicates(inspection):
                print(line)
        self._draw(inspection.good, dataset)
        if inspection.broken and not skip:
            raise decoders.broken(inspection.broken, len(inspection.seen))
        print(printable(pictures.verdict(self.name, inspection, dataset, size)))
        return 0

    def _draw(self, found, dataset) -> None:
        """The sheets that were asked for."""
        from resnet_tutorial.data import sheet

        if self.sheet:
            sheet.save(sheet.of_listing(found), self.sheet)
            print(f"{self.sheet}: pictures of each class")
        if self.augmented:
            from resnet_tutorial.train.draws import draws

            drawn = draws(dataset, RECIPES["photos"])
            rows = [(f"picture {i + 1}", list(images)) for i, images in enumerate(drawn)]
            sheet.save(rows, self.augmented)
            print(f"{self.augmented}: what the network sees")


ACTIONS = {"list": ListAll, "fetch": Fetch, "check": Check}


@dataclass(frozen=True)
class Data:
    """List, download and verify data sets."""

    action: OmitArgPrefixes[
        Annotated[ListAll, subcommand("list", prefix_name=False)]
        | Annotated[Fetch, subcommand("fetch", prefix_name=False)]
        | Annotated[Check, subcommand("check", prefix_name=False)]
    ]

    def run(self) -> int:
        """Does what was asked for."""
        return self.action.run()


def _entry(name: str):
    from resnet_tutorial.data import CATALOGUE

    return lookup(CATALOGUE, name, "data set")


def _report(dataset, place: object, verdict: str) -> None:
    sizes = f"{len(dataset.train):,} training and {len(dataset.test):,} test images"
    print(f"{dataset.label}, {place}: {verdict}")
    print(f"{sizes} of {shape(dataset.image_shape)} in {len(dataset.classes)} classes")
    print(f"fingerprint {dataset.fingerprint}")
