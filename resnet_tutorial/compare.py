"""How two nets are compared: a difference of error rates with an interval over seeds and images.

Train a net again from another seed, or test it on other images, and its error changes. Let a run
of net A with seed s be wrong on image i as often as the *two-way layout* says:

    wrong[s, i] = mu + a_s + b_i + e_si        a_s: the seed, b_i: the image, e_si: this pair

The a, b and e are independent with mean 0. Seeds and images are crossed: each of the S seeds meets
each of the m images. The difference of two nets, D = mean(wrong A) - mean(wrong B), then has

    Var D = sum over nets (var_a/S + var_e/(S m))  +  var_b/m
            `---------------- V ----------------'     `- I -'

where b_i is now the difference of the nets' image terms: both see the same images, so what is hard
for both cancels (*paired over images*). Seeds are not paired: two nets have other weights,
and equal seed numbers mean nothing. The three mean squares of the layout estimate the parts:

    V: the variance of a net's error between its seeds, divided by S, summed over the nets
    E: sum of squares of wrong - row mean - column mean + mean, over (S-1)(m-1), divided by S m
    W: the variance over the images of (share of A's seeds that are wrong - share of B's), over m;
       it holds the images and the pairs: its mean is I + E, hence I = W - E, or 0 if that is less

Intervals: D +- t sqrt(variance). Seeds alone, variance V: it speaks of these test images. Images
alone, variance W: it speaks of these trained nets, and is all that one seed can give. Both: V + I,
and never less than for one alone. Student's t has the degrees of freedom of Satterthwaite (Welch's,
for seeds alone): (sum of the parts)^2 / sum(part^2 / its own), S - 1 for each net's part of V, and
m - 1 for I.

Rare errors. Wrong answers are counted, and a count of 0 is no proof of 0. So I gets 1/m^2, one
image more on which the nets differ (Agresti and Min's addition to matched pairs), and V gets
1/(S m)^2 for each net, one wrong answer more.

Error rates alone (`rates`, `records`) do not tell which images were wrong. V is there all the same;
I has a bound, if an image that is hard for one net is not easy for the other:
I <= (p_A (1 - p_A) + p_B (1 - p_B)) / m. It is wide: keep predictions.

Simulated in tests/test_compare.py (500 to 10,000 images, errors of 0.2 to 20 %, 2 to 5 seeds with
normal logits), intervals over both held the truth in 94 to 98 % of the cases, with rare errors in
more. From three seeds they are 1.1 to 1.6 times as long as if the spread were known, from two 2.5
times. Nets that fail altogether now and then are not normal, and were not simulated.

Sources: Searle, Casella, McCulloch, Variance Components, 1992 (the layout); Satterthwaite,
Biometrics Bulletin 2, 1946; Welch, Biometrika 34, 1947; Agresti, Min, Statistics in Medicine 24,
2005. Why both sources count: Dietterich, Neural Computation 10, 1998; Bouthillier et al., MLSys
2021. Chapter: training/comparing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from resnet_tutorial import Mistake
from resnet_tutorial.records import Record

LEVEL = 0.95  # of every interval in the book
SOURCES = ("seeds", "images")


@dataclass(frozen=True)
class Spread:
    """Between the seeds of one net: `variance` of a run's error, `pairs` the part of it that comes
    from single images (var_e / m), and the number of `seeds`.

    >>> rates([0.1, 0.2], [0.1], images=100).spreads[0].seeds
    2
    """

    variance: float
    pairs: float
    seeds: int


@dataclass(frozen=True)
class Comparison:
    """The error of one net minus that of another, fractions; `low` to `high` is the 95 % interval.
    `sources` says what it covers: other "seeds", other "images", or both. `spreads` holds one
    Spread a net (one of the differences when seeds are paired), `image_variance` is I above.

    >>> a, b = [0.101, 0.097, 0.104], [0.081, 0.084, 0.079]
    >>> print(rates(a, b, images=10_000, names=("plain", "residual")).over("seeds"))
    plain minus residual: 1.93 points [1.21, 2.66] (95 %, other seeds), 3 and 3 seeds, 10,000 images
    """

    difference: float
    spreads: tuple[Spread, ...]
    images: int
    image_variance: float
    names: tuple[str, str]
    sources: tuple[str, ...] = SOURCES

    def __post_init__(self):
        if min(s.seeds for s in self.spreads) == 1:
            object.__setattr__(self, "sources", ("images",))

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.difference - self._times_error((1 + LEVEL) / 2)

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.difference + self._times_error((1 + LEVEL) / 2)

    def over(self, *sources: str) -> "Comparison":
        """The same difference with the interval over these sources only: "seeds" or "images"."""
        known = bool(sources) and set(sources) <= set(self.sources)
        _expect(known, f"some of {self.sources}", sources, "one seed has no spread")
        return replace(self, sources=tuple(s for s in SOURCES if s in sources))

    def detectable(self, power: float = 0.8) -> float:
        """The smallest true difference whose interval leaves out 0 with probability `power`.

        It is half the interval, plus as much as the estimate falls short on an unlucky day. An
        interval around 0 says nothing against differences smaller than this. From three seeds it is
        rough, and too small: simulated, 0.8 is 0.7. From five on it is right.

        >>> round(rates([0.10, 0.12, 0.11], [0.10, 0.09, 0.11], images=500).detectable(), 3)
        0.06
        """
        return self._times_error((1 + LEVEL) / 2) + self._times_error(power)

    def seeds_needed(self, difference: float, power: float = 0.8) -> int | None:
        """Seeds a net with which `difference` would be detectable if the spread stays; None when
        1,000 are not enough, as when the images are too few.

        >>> few = rates([0.10, 0.12, 0.11], [0.10, 0.09, 0.11], images=500)
        >>> few.over("seeds").seeds_needed(0.02), few.seeds_needed(0.02)
        (6, None)
        """
        _expect("seeds" in self.sources, "an interval over seeds", self.sources, "train more seeds")

        for n in range(2, 1001):
            more = replace(self, spreads=tuple(replace(s, seeds=n) for s in self.spreads))
            if more.detectable(power) <= abs(difference):
                return n
        return None

    def _times_error(self, probability: float) -> float:
        """The standard error of the difference, times this quantile of Student's t."""
        pairs = sum(s.pairs / s.seeds for s in self.spreads)
        if self.sources == ("images",):
            parts = [(self.image_variance + pairs, self.images - 1)]
        else:
            parts = [(s.variance / s.seeds, s.seeds - 1) for s in self.spreads]
            parts += [(self.image_variance, self.images - 1)] * ("images" in self.sources)
        variance = sum(part for part, _ in parts)
        degrees = variance**2 / sum(part**2 / own for part, own in parts)
        alone = [self.over(s) for s in self.sources if self.sources == SOURCES]
        least = max((one._times_error(probability) for one in alone), default=0.0)
        return max(_t(probability, degrees) * sqrt(variance), least)

    def __str__(self) -> str:
        digits = 1 if self.high - self.low >= 0.02 else 2
        points = [f"{100 * x:z.{digits}f}" for x in (self.difference, self.low, self.high)]
        seeds = " and ".join(str(s.seeds) for s in self.spreads)
        return (
            f"{self.names[0]} minus {self.names[1]}: {points[0]} points [{points[1]}, {points[2]}]"
            f" ({LEVEL:.0%}, other {' and '.join(self.sources)}),"
            f" {seeds}{' paired' * (len(self.spreads) == 1)} seeds, {self.images:,} images"
        ).replace("%", " %")


def predictions(a, b, *, paired: bool = False, names=("A", "B")) -> Comparison:
    """Compares two nets by what each run got wrong on the same images, in the same order.

    a and b are boolean arrays (seeds, images), True where wrong, or (images,) for a single run; the
    numbers of seeds may differ. Set `paired` only if runs s of both nets share what matters, first
    weights and batches, as when one recipe is changed a little; then differences a[s] - b[s] count.
    `names` are for the printed line.

    >>> wrong = np.arange(2000).reshape(2, 1000) % 19 == 0
    >>> print(predictions(wrong, wrong[:, ::-1]))
    A minus B: 0.0 points [-1.4, 1.4] (95 %, other seeds and images), 2 and 2 seeds, 1,000 images
    """
    a, b = _wrong(a), _wrong(b)
    same = a.shape[1] == b.shape[1]
    _expect(same, "the same images", f"{a.shape[1]} and {b.shape[1]}", "use one test set")
    m = a.shape[1]
    layouts = _layouts(a, b, paired)
    by_image = sum(x.mean(axis=0) for x in layouts)
    spreads = tuple(_spread(x.mean(axis=1), m, _pairs(x)) for x in layouts)
    pairs = sum(s.pairs / s.seeds for s in spreads)
    image_variance = max(float(by_image.var(ddof=1)) / m - pairs, 0.0) + 1 / m**2
    return Comparison(float(by_image.mean()), spreads, m, image_variance, tuple(names))


def rates(a, b, images: int, *, paired: bool = False, names=("A", "B")) -> Comparison:
    """Compares two nets by the error rates of their runs, fractions, on a test set of `images`. The
    images' part is a bound, see above; `.over("seeds")` leaves it out, and speaks of these images.

    >>> print(rates([0.02], [0.05], images=500))
    A minus B: -3.0 points [-5.3, -0.7] (95 %, other images), 1 and 1 seeds, 500 images
    """
    a, b = _rates(a, images), _rates(b, images)
    spreads = tuple(_spread(x, images, 0.0) for x in _layouts(a, b, paired))
    bound = sum(float(x.mean() * (1 - x.mean())) for x in (a, b)) / images + 1 / images**2
    return Comparison(float(a.mean() - b.mean()), spreads, images, bound, tuple(names))


def records(
    a: Sequence[Record], b: Sequence[Record], images: int, *, split="test", paired=False, names=None
) -> Comparison:
    """Compares the last errors of recorded runs as `rates` does; each list is one net and recipe.
    `split` is "test" or "train", and `images` the number of images in it.

    >>> from resnet_tutorial import experiments
    >>> runs = experiments.recorded("fashion_depth")
    >>> plain, residual = ([r for r in runs if r.model == m] for m in ("plain20", "resnet20"))
    >>> result = records(plain, residual, images=10_000)
    >>> result.names, result.low < result.difference < result.high
    (('plain20', 'resnet20'), True)
    """
    _expect(split in ("test", "train"), "the split 'test' or 'train'", repr(split), "choose one")
    nets = [sorted(runs, key=lambda r: r.seed) for runs in (a, b)]
    for runs in nets:
        _expect_one_net(runs)
    data = {r.data_fingerprint for runs in nets for r in runs}
    _expect(len(data) == 1, "runs on the same data", f"{len(data)} data sets", "choose one")
    seeds = [[r.seed for r in runs] for runs in nets]
    _expect(not paired or seeds[0] == seeds[1], "the same seeds to pair", seeds, "do not pair")
    errors = [[getattr(r, f"{split}_error") for r in runs] for runs in nets]
    return rates(*errors, images, paired=paired, names=names or (a[0].model, b[0].model))


def interval(values) -> tuple[float, float]:
    """95 % interval for the mean over seeds of one net's result, on the same images.

    >>> [round(end, 3) for end in interval([0.10, 0.12, 0.11])]
    [0.085, 0.135]
    """
    x = np.asarray(values, dtype=float)
    usable = x.ndim == 1 and len(x) > 1 and np.isfinite(x).all()
    _expect(usable, "two or more finite numbers", x, "give one a seed")
    half = _t((1 + LEVEL) / 2, len(x) - 1) * float(x.std(ddof=1)) / sqrt(len(x))
    return float(x.mean()) - half, float(x.mean()) + half


def _t(probability, degrees) -> float:
    from scipy.special import stdtrit  # the quantile of Student's t

    return float(stdtrit(degrees, probability))


def _layouts(a: np.ndarray, b: np.ndarray, paired: bool) -> list[np.ndarray]:
    """What varies independently between seeds: each net by itself, or the paired differences."""
    if not paired:
        return [a, -b]
    _expect(len(a) == len(b), "as many seeds of both", f"{len(a)} and {len(b)}", "do not pair")
    return [a - b]


def _spread(errors: np.ndarray, images: int, pairs: float) -> Spread:
    """Of the runs' errors, with one wrong answer more; of one run nothing is known."""
    n = len(errors)
    variance = float(errors.var(ddof=1)) + 1 / (n * images**2) if n > 1 else float("nan")
    return Spread(variance, pairs, n)


def _pairs(x: np.ndarray) -> float:
    """var_e / m: the mean square of what seeds and images leave unexplained, over the images."""
    seeds, images = x.shape
    if seeds == 1:
        return 0.0  # not to be told from the images' own, and left with it
    rest = x - x.mean(axis=1, keepdims=True) - x.mean(axis=0) + x.mean()
    return float((rest**2).sum()) / ((seeds - 1) * (images - 1)) / images


def _wrong(x) -> np.ndarray:
    x = np.asarray(x)
    usable = x.dtype == bool and x.ndim in (1, 2) and x.shape[-1] > 1 and x.size
    got, advice = f"{x.dtype} {x.shape}", "for error rates there is compare.rates"
    _expect(usable, "booleans (seeds, images), True where wrong", got, advice)
    return np.atleast_2d(x).astype(float)


def _rates(x, images: int) -> np.ndarray:
    x = np.atleast_1d(np.asarray(x, dtype=float))
    usable = x.ndim == 1 and x.size and ((x >= 0) & (x <= 1)).all()
    _expect(usable, "error rates from 0 to 1, one a seed", x, "mend the list")
    whole = images > 1 and np.abs(x * images - np.round(x * images)).max() < 0.01
    _expect(whole, f"whole parts of {images} images", x, "say how many images there were")
    return np.round(x * images) / images  # records may hold the nearest float32


def _expect(met, expected: str, got, advice: str) -> None:
    if not met:
        raise Mistake(f"expected {expected}, got {' '.join(str(got).split())}; {advice}")


def _expect_one_net(runs: Sequence[Record]) -> None:
    _expect(runs, "records of each net", "none", "run the experiment")
    kinds = {(r.model, str(r.recipe), str(r.variant)) for r in runs}
    _expect(len(kinds) == 1, "one net and recipe a list", f"{len(kinds)} kinds", "split the list")
    seeds = [r.seed for r in runs]
    _expect(len(set(seeds)) == len(seeds), "each seed once", seeds, "leave one out")
    status = {r.status for r in runs} - {"finished"}
    _expect(not status, "finished runs", status, "report these beside the others")
