"""Draw the README's figure, the landing page's and the card for links, from nets and records."""

from pathlib import Path

from resnet_tutorial import drawings, experiments, figures
from resnet_tutorial.models import BasicBlock, PlainBlock

STATIC = Path(__file__).resolve().parents[1] / "book" / "_static"
TITLE = "Residual Networks, Derived and Measured"


def block():
    """A plain and a residual block."""
    pair = {"plain": PlainBlock(16, 16), "residual": BasicBlock(16, 16)}
    return drawings.blocks(pair, (16, 8, 8))


def both_errors(records):
    return figures.errors_by_depth(records)[0].figure


def training_error(records, width, height):
    """The panel of the training error alone, in inches."""
    training, test = figures.errors_by_depth(records)
    test.remove()
    training.set_subplotspec(training.figure.add_gridspec(1, 1)[0])
    training.set_title("Deeper, and trained worse: without shortcuts", loc="left", fontsize=10)
    training.figure.set_size_inches(width, height)
    return training.figure


if __name__ == "__main__":
    block().save(STATIC / "block.svg")
    records = experiments.recorded("digits_depth")
    both_errors(records).savefig(STATIC / "degradation.png", dpi=160)
    training_error(records, 4.2, 2.6).savefig(STATIC / "cover.png", dpi=200)
    card = training_error(records, 6, 3.15)
    card.suptitle(TITLE, fontsize=15, fontweight="bold")
    card.savefig(STATIC / "card.png", dpi=200)
