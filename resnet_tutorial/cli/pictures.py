"""How a folder of pictures is read, as options; and what is said of it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

from resnet_tutorial import Mistake
from resnet_tutorial.cli.text import PROGRAM, shape, table
from resnet_tutorial.paths import printable

SHOWN = 8  # pairs, and classes, that are named


@dataclass(frozen=True)
class Pictures:
    """How a folder of pictures is read. Only for folder:PATH."""

    size: Annotated[int | None, arg(metavar="PIXELS")] = None
    """Side of the squares that the network sees; 224 for photos of many sizes."""
    skip_broken: FlagCreatePairsOff[bool] = False
    """Leave out the pictures that cannot be read."""
    held_out: float = 0.2
    """Share of the pictures of each class to test on, of a folder without train and val."""
    split_seed: int = 0
    """Fixes which pictures these are."""
    workers: Annotated[int | None, arg(metavar="COUNT")] = None
    """Processes that decode photos; by default one for each core."""

    def settings(self) -> dict:
        """What differs from the defaults, as `data.load` takes it. ValueError for bad numbers."""
        if self.workers is not None and not 0 <= self.workers <= 256:
            raise Mistake(f"--workers must be in 0 to 256, got {self.workers}")
        if self.split_seed < 0:
            raise Mistake(f"--split-seed must not be negative, got {self.split_seed}")
        usual = asdict(Pictures())
        given = {name: value for name, value in asdict(self).items() if value != usual[name]}
        return {"seed" if name == "split_seed" else name: v for name, v in given.items()}

    def load(self, name: str):
        """The data set called `name`, of a folder as these options say."""
        from resnet_tutorial import data

        return data.load(name, **self.settings())


def described(inspection, dataset) -> Iterator[str]:
    """Lines on a folder of pictures: what is there, how it looks, what was left out and why."""
    found = inspection.found
    sizes = f"{len(dataset.train):,} training and {len(dataset.test):,} test images"
    streamed = "; streamed from their files" if hasattr(dataset, "crop_pct") else ""
    yield f"{sizes} of {shape(dataset.image_shape)} in {len(dataset.classes)} classes{streamed}"
    if found.drawn:
        yield f"the folder has no train and val: of each class {found.drawn}"
    yield printable(table([("class", "training", "test"), *inspection.counts()]))
    small, median, large = map(shape, inspection.sizes())
    yield f"width x height: smallest {small}, median {median}, largest {large}"
    modes = (f"{mode} {count:,}" for mode, count in inspection.modes.most_common())
    yield f"modes (Pillow's names): {', '.join(modes)}"
    yield _channels(dataset)
    left_out = (f"{count:,} {why}" for why, count in sorted(found.left_out.items()))
    yield f"left out: {printable(', '.join(left_out)) or 'nothing'}"
    if bad := inspection.broken:
        yield f"broken: {len(bad):,}"
    if few := inspection.few():
        more = f" and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
        yield printable(
            f"fewer than 20 training pictures: {', '.join(few[:SHOWN])}{more}; add some, or expect "
            "little of these classes"
        )


def duplicates(inspection) -> Iterator[str]:
    """Lines on pictures that are there twice."""
    from resnet_tutorial.data import checking

    alike = checking.can_compare_looks()
    pairs = list(inspection.duplicates())
    across = [pair for pair in pairs if pair.across]
    differ = [pair for pair in pairs if pair.classes_differ]
    kind = "near-duplicates" if alike else "equal files"
    yield (
        f"{kind}: {len(pairs):,} pairs, {len(across):,} of them across the split, "
        f"{len(differ):,} in different classes"
    )
    for pair in sorted(pairs, key=lambda p: (not p.across, not p.classes_differ))[:SHOWN]:
        why = " (across the split)" * pair.across + " (different classes)" * pair.classes_differ
        yield printable(f"  {pair.names[0]} ~ {pair.names[1]}{why}")
    if across:
        yield (
            "look at them: of two files with one picture delete one, or the test error is too low "
            "by what was learned by heart"
        )
    if not alike:
        yield f"pictures that only look alike are found with: {checking.EXTRA}"


def verdict(name: str, inspection, dataset, size: int | None) -> str:
    """What to do next."""
    if min(min(train, test) for _, train, test in inspection.counts()) < 2:
        return "some classes have a single picture in a part: add pictures before you train"
    model = "resnet18" if min(dataset.image_shape[1:]) >= 64 else "resnet20"
    asked = f"{name} --size {size}" if size else name
    return f"ready: {PROGRAM} train {model} --data {asked} --like photos --out runs/a"


def _channels(dataset) -> str:
    """Mean and deviation of each channel, and over how many pictures."""
    from resnet_tutorial.data.streamed import MOST_MEASURED

    count = len(dataset.train)
    if hasattr(dataset, "crop_pct"):
        count = min(count, MOST_MEASURED)
    mean = " ".join(f"{value:.1f}" for value in dataset.mean.ravel())
    try:
        std = " ".join(f"{value:.1f}" for value in dataset.std.ravel())
    except Mistake as mistake:
        std = str(mistake)
    return f"channels (0 to 255, of {count:,} training pictures): mean {mean}; deviation {std}"
