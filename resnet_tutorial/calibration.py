"""Does a probability mean what it says?

Of the answers that are given with a probability of 0.9, nine in ten should be right. The *expected
calibration error* sorts the images by the probability of their answer into bins of one width, and
averages |share that is right - mean probability| over the bins, weighted by their images (Naeini
et al., AAAI 2015). A temperature T, softmax(logits / T), mends most of it and changes no answer
(Guo et al., arXiv:1706.04599). It is fitted on some images; what it is worth is measured on others.
Chapter: practice/own_images.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

BINS = 15  # of one width, from 0 to 1
TINY = 1e-30  # in the place of a probability of 0, whose logarithm is needed
TEMPERATURES = (0.05, 20.0)  # between which one is looked for


@dataclass(frozen=True, eq=False)
class Bins:
    """Of each bin: its `images`, the mean `confidence`, and the share `right`; nan where empty.

    >>> round(Bins(np.array([3, 1]), np.array([0.3, 0.9]), np.array([1 / 3, 1.0])).error, 3)
    0.05
    """

    images: Int64[np.ndarray, " b"]
    confidence: Float64[np.ndarray, " b"]
    right: Float64[np.ndarray, " b"]

    @property
    def error(self) -> float:
        """The expected calibration error (ECE)."""
        gaps = np.abs(self.right - self.confidence)
        return float(np.nansum(self.images * gaps) / self.images.sum())


def bins(
    confidence: Float64[np.ndarray, " n"], right: Bool[np.ndarray, " n"], number: int = BINS
) -> Bins:
    """Sorts answers by the probability that they were given with.

    >>> bins(np.array([0.2, 0.4, 0.9]), np.array([False, True, True]), 2).right.tolist()
    [0.5, 1.0]
    """
    place = np.minimum((confidence * number).astype(int), number - 1)
    images = np.bincount(place, minlength=number)
    sums = [np.bincount(place, weights, number) for weights in (confidence, right)]
    with np.errstate(invalid="ignore"):
        return Bins(images, *(part / images for part in sums))


def nll(p: Float64[np.ndarray, "n k"], labels: Int64[np.ndarray, " n"]) -> float:
    """Mean of -log of the probability of the right class, in nats.

    >>> round(nll(np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([0, 1])), 3)
    0.399
    """
    return float(-np.log(np.maximum(p[np.arange(len(p)), labels], TINY)).mean())


def soften(p: Float64[np.ndarray, "n k"], temperature: float) -> Float64[np.ndarray, "n k"]:
    """softmax(logits / T), from softmax(logits): the logits are log p and a constant.

    >>> soften(np.array([[0.2, 0.8]]), 2.0).round(3).tolist()
    [[0.333, 0.667]]
    """
    logits = np.log(np.maximum(p, TINY)) / temperature
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def temperature(p: Float64[np.ndarray, "n k"], labels: Int64[np.ndarray, " n"]) -> float:
    """The T that makes `nll` least, from 0.05 to 20. Above 1: the net is too sure.

    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(size=(4000, 3))
    >>> labels = (logits + rng.gumbel(size=logits.shape)).argmax(1)  # drawn from softmax(logits)
    >>> powers = np.exp(2 * logits)  # twice too sure
    >>> abs(temperature(powers / powers.sum(1, keepdims=True), labels) - 2) < 0.1
    True
    """
    from scipy.optimize import minimize_scalar

    low, high = map(math.log, TEMPERATURES)
    found = minimize_scalar(
        lambda t: nll(soften(p, math.exp(t)), labels), bounds=(low, high), method="bounded"
    )
    return math.exp(found.x)


@dataclass(frozen=True)
class Calibrated:
    """A `temperature` fitted on one half of the images, and the expected calibration error of the
    other half `before` and `after` it.

    >>> Calibrated(1.5, before=0.06, after=0.02).temperature
    1.5
    """

    temperature: float
    before: float
    after: float


def calibrate(
    p: Float64[np.ndarray, "n k"], labels: Int64[np.ndarray, " n"], seed: int = 0
) -> Calibrated:
    """Fits a temperature on one half of the images, drawn by `seed`, and tries it on the other.

    >>> calibrate(np.array([[0.9, 0.1]] * 20), np.array([0, 1] * 10)).temperature > 1.5
    True
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    fitted, other = np.array_split(order, 2)
    found = temperature(p[fitted], labels[fitted])
    errors = [
        bins(q.max(1), q.argmax(1) == labels[other]).error
        for q in (p[other], soften(p[other], found))
    ]
    return Calibrated(found, *errors)
