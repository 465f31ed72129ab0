"""What a trained net gets wrong: how often, which classes, how sure it was.

Everything follows from the probabilities that it gives and the right labels: `Report.of`. `report`
asks a net for them. Chapter: practice/own_images.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64, Int64

from resnet_tutorial import Mistake
from resnet_tutorial.calibration import Bins, Calibrated, bins, calibrate, nll
from resnet_tutorial.data import Dataset
from resnet_tutorial.error_rates import OfClass, Pair, wilson
from resnet_tutorial.paths import printable

if TYPE_CHECKING:
    from torch import nn

    from resnet_tutorial.train.recipe import Recipe

SUM = 1e-3  # by which the sum of an image's probabilities may differ from 1
SHOWN = 5  # pairs and mistakes in the text
SHOWN_CLASSES = 20


@dataclass(frozen=True, eq=False)
class Report:
    """What a net says of n images of k classes, and what was right; `print` it.

    >>> found = Report.of([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]], [0, 1, 1, 1], "ab")
    >>> found.error, found.counts.tolist(), found.mistakes().tolist()
    (0.25, [[1, 0], [1, 2]], [1])
    """

    probabilities: Float64[np.ndarray, "n k"]
    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    names: Sequence[str] | None = None

    @classmethod
    def of(
        cls, probabilities, labels, classes: Sequence[str], names: Sequence[str] | None = None
    ) -> "Report":
        """From any two arrays. ValueError for what are no probabilities, or no labels of them.

        `names` are those of the images' files, where they came from some.
        """
        p, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
        if p.ndim != 2 or not len(p) or labels.shape != p.shape[:1] or len(classes) != p.shape[1]:
            raise Mistake(
                f"expected probabilities (n, k), n labels and k class names, got {p.shape}, "
                f"{labels.shape} and {len(classes)}; give one row an image, one column a class"
            )
        if not ((p >= 0).all() and np.abs(p.sum(1) - 1).max() < SUM):
            raise Mistake(
                "expected probabilities, not negative and with the sum 1 for each image; of logits "
                "take the softmax first"
            )
        if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(classes):
            raise Mistake(
                f"expected labels as whole numbers from 0 to {len(classes) - 1}, got "
                f"{labels.dtype} from {labels.min()} to {labels.max()}"
            )
        return cls(p, labels.astype(np.int64), tuple(classes), names)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def predicted(self) -> Int64[np.ndarray, " n"]:
        """The most likely class of each image."""
        return self.probabilities.argmax(1)

    @cached_property
    def wrong(self) -> Bool[np.ndarray, " n"]:
        """Whether that is not the right one."""
        return self.predicted != self.labels

    @property
    def error(self) -> float:
        """The share that is wrong."""
        return float(self.wrong.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the error: over other images, for this trained net."""
        return wilson(int(self.wrong.sum()), len(self))

    @cached_property
    def counts(self) -> Int64[np.ndarray, "k k"]:
        """The confusion matrix: how many images of each class (row) got each answer (column)."""
        k = len(self.classes)
        return np.bincount(k * self.labels + self.predicted, minlength=k * k).reshape(k, k)

    def by_class(self) -> list[OfClass]:
        """Each class in its order."""
        rows = zip(self.classes, self.counts, self.counts.diagonal(), strict=True)
        return [OfClass(name, int(row.sum()), int(row.sum() - right)) for name, row, right in rows]

    def pairs(self, most: int = SHOWN) -> list[Pair]:
        """The `most` frequent confusions, the largest count first."""
        found = [
            Pair(self.classes[i], self.classes[j], int(count), int(self.counts[i].sum()))
            for (i, j), count in np.ndenumerate(self.counts)
            if i != j and count
        ]
        return sorted(found, key=lambda pair: (-pair.count, -pair.count / pair.images))[:most]

    def mistakes(self, most: int | None = None) -> Int64[np.ndarray, " m"]:
        """Indices of the images that are wrong, the surest mistake first."""
        found = np.flatnonzero(self.wrong)
        return found[np.argsort(-self.confidence[found], kind="stable")][:most]

    @cached_property
    def confidence(self) -> Float64[np.ndarray, " n"]:
        """The probability of each image's answer."""
        return self.probabilities.max(1)

    @property
    def nll(self) -> float:
        """Mean of -log of the probability of the right class, in nats."""
        return nll(self.probabilities, self.labels)

    def bins(self) -> Bins:
        """The images by the probability of their answer; `.error` is the calibration error."""
        return bins(self.confidence, ~self.wrong)

    def calibrated(self, seed: int = 0) -> Calibrated | None:
        """What a temperature fitted on half the images does for the others; of one image None."""
        return calibrate(self.probabilities, self.labels, seed) if len(self) > 1 else None

    def order(self) -> Int64[np.ndarray, " k"]:
        """The classes in an order that puts next to each other what is confused.

        Classes are near that are often taken for each other; the order is that of the leaves of a
        tree of averages (scipy's optimal leaf ordering).
        """
        from scipy.cluster.hierarchy import leaves_list, linkage
        from scipy.spatial.distance import squareform

        if len(self.classes) < 3:
            return np.arange(len(self.classes))
        rates = self.counts / np.maximum(self.counts.sum(1, keepdims=True), 1)
        far = 1 - (rates + rates.T) / 2
        np.fill_diagonal(far, 0)
        tree = linkage(squareform(far), "average", optimal_ordering=True)
        return leaves_list(tree).astype(np.int64)

    def __str__(self) -> str:
        low, high = self.interval
        lines = [
            f"{self.wrong.sum():,} of {len(self):,} images are wrong: {self.error:.2%} "
            f"[{100 * low:.2f}, {100 * high:.2f}] (95 %, Wilson's interval, other images)",
            "",
            *self._class_lines(),
        ]
        if self.wrong.any():
            lines += ["", "Most frequent confusions", *(f"  {pair}" for pair in self.pairs())]
            lines += [
                "",
                "Surest mistakes",
                *map(self._mistake_line, self.mistakes(SHOWN).tolist()),
            ]
        return "\n".join([*lines, "", *self._calibration_lines()])

    def _class_lines(self) -> list[str]:
        """A table, the worst classes first when there are many."""
        rows, more = self.by_class(), ""
        if len(rows) > SHOWN_CLASSES:
            rows = sorted(rows, key=lambda row: -row.error if row.images else 1)[:SHOWN_CLASSES]
            more = f"  and {len(self.classes) - SHOWN_CLASSES} classes with smaller errors"
        width = max(5, *(len(row.name) for row in rows))
        head = f"{'Class':<{width}}  images   wrong   error (%)  95 %"
        lines = [
            f"{row.name:<{width}}  {row.images:>6,}  {row.wrong:>6,}  {100 * row.error:>10.1f}  "
            f"[{100 * row.interval[0]:.1f}, {100 * row.interval[1]:.1f}]"
            for row in rows
        ]
        return [head, *lines, *filter(None, [more])]

    def called(self, index: int | np.integer) -> str:
        """The name of an image's file, or its number."""
        return f"image {index}" if self.names is None else printable(self.names[index])

    def _mistake_line(self, index: int) -> str:
        true, answer = (self.classes[part[index]] for part in (self.labels, self.predicted))
        sure = f"probability {self.confidence[index]:.3f}"
        return f"  {self.called(index)}: {true} taken for {answer}, {sure}"

    def _calibration_lines(self) -> list[str]:
        sure, right = float(self.confidence.mean()), 1 - self.error
        low, high = (1 - end for end in reversed(self.interval))  # of the share that is right
        how = "too sure" if sure > high else "not sure enough" if sure < low else "within chance"
        lines = [
            f"Negative log likelihood {self.nll:.3f} nats; of {len(self.classes)} equal "
            f"probabilities {math.log(len(self.classes)):.3f}",
            f"Calibration: mean probability of the answers {sure:.1%}, right {right:.1%}: {how}; "
            f"expected calibration error {self.bins().error:.1%}",
        ]
        if found := self.calibrated():
            lines.append(
                f"Temperature {found.temperature:.2f}, fitted on one half of the images; expected "
                f"calibration error of the other half {found.before:.1%}, with it {found.after:.1%}"
            )
        return lines


def report(net_or_predictions, dataset: Dataset, recipe: "Recipe | None" = None) -> Report:
    """The Report of a net on the test images of `dataset`.

    Instead of the net its probabilities `(n, k)` for them will do, in their order. `recipe` is the
    one of its training: the mean that it subtracts and its precision are used. Outputs beyond the
    classes are called "output 12". Raises ValueError when the two do not fit.

    >>> from resnet_tutorial import data, models
    >>> digits = data.load("digits")
    >>> net = models.build("resnet8", in_channels=1)
    >>> found = report(net, digits)
    >>> found.error > 0.5, len(found)  # untrained
    (True, 500)
    """
    p = net_or_predictions
    if callable(p):
        p = _probabilities(p, dataset, recipe)
    p = np.asarray(p)
    beyond = range(len(dataset.classes), p.shape[1] if p.ndim == 2 else 0)
    classes = (*dataset.classes, *(f"output {i}" for i in beyond))
    names = dataset.test.names
    return Report.of(p, dataset.test.labels, classes, None if names is None else names.tolist())


def _probabilities(net: "nn.Module", dataset: Dataset, recipe: "Recipe | None"):
    """Of every test image, in float64."""
    import torch

    from resnet_tutorial.train import Batches, Recipe
    from resnet_tutorial.train.evaluation import autocast, batch_size, evaluating, whole_float32

    device, recipe = next(net.parameters()).device, recipe or Recipe()
    batches = Batches.of(dataset, dataset.test, device, recipe)
    with whole_float32(), evaluating(net), autocast(device, recipe):
        parts = [
            net(images).float().cpu().double().softmax(1)
            for images, _ in batches.normalized(batch_size(batches.images))
        ]
    return torch.cat(parts).numpy()
