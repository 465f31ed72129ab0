"""resnet-tutorial data list | fetch | check."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg, subcommand

from resnet_tutorial import Mistake
from resnet_tutorial.cli.text import PROGRAM, shape, table
from resnet_tutorial.names import lookup

NOT_VERIFIED = (
    "not verified: the sizes are right, but no fingerprint is known, and the archive with the "
    "right checksum does not lie there"
)
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
        print("folder:PATH is any folder PATH of images: train/CLASS/... and val/CLASS/...")
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
    """Verify the copy of a data set: checksums, shapes, counts, fingerprint."""

    name: Name
    """The data set, as in cifar10, or folder:PATH."""

    def run(self) -> int:
        """Prints what was found; nothing is downloaded. 1 when nothing vouches for the files."""
        from resnet_tutorial import data

        if self.name.startswith("folder:"):
            _report(data.load(self.name), self.name.removeprefix("folder:"), "all right")
            return 0
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


ACTIONS = {"list": ListAll, "fetch": Fetch, "check": Check}


@dataclass(frozen=True)
class Data:
    """List, download and verify data sets."""

    action: (
        Annotated[ListAll, subcommand("list", prefix_name=False)]
        | Annotated[Fetch, subcommand("fetch", prefix_name=False)]
        | Annotated[Check, subcommand("check", prefix_name=False)]
    )

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
