"""The intervals of `compare` hold the true difference as often as they say: shown by simulation."""

import dataclasses
from math import sqrt

import numpy as np
import pytest

from resnet_tutorial import compare
from resnet_tutorial.compare import Comparison, Spread
from resnet_tutorial.records import Epoch, Record

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
DIFFICULTY = 4.0  # spread of the images' logits: most are never wrong, some nearly always


def logistic(x):
    return 1 / (1 + np.exp(-x))


def averaged(logits, sd):
    """Probability to be wrong, averaged over a normal part of the logit with this deviation."""
    return logistic(np.asarray(logits)[..., None] + sd * NODES) @ WEIGHTS


def centre(error, sd):
    """The mean logit with which `averaged` gives this error."""
    low, high = -60.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if averaged(middle, sd) < error else (low, middle)
    return low


@dataclasses.dataclass
class World:
    """Two nets with these true errors, `seeds` runs each, on `images` of different difficulty.

    The logit of being wrong is a sum: net, image (`alike` of its variance is common to both nets),
    seed. With `shared_seeds` the same number is drawn for both nets: pairs.
    """

    errors: tuple[float, float]
    seeds: tuple[int, int]
    images: int
    seed_spread: float
    alike: float = 0.9
    shared_seeds: bool = False

    def __post_init__(self):
        self.rng = np.random.default_rng(0)
        sd = sqrt(DIFFICULTY**2 + self.seed_spread**2)
        self.centres = [centre(error, sd) for error in self.errors]
        self.truth = self.errors[0] - self.errors[1]

    def normal(self, *shape):
        return self.rng.standard_normal(shape, dtype=np.float32)

    def test_set(self):
        """Logits (images,) of both nets on new images."""
        common = sqrt(self.alike) * self.normal(self.images)
        own = [sqrt(1 - self.alike) * self.normal(self.images) for _ in range(2)]
        return [
            np.float32(c) + DIFFICULTY * (common + x)
            for c, x in zip(self.centres, own, strict=True)
        ]

    def train(self, test_set):
        """Wrong answers (seeds, images) of new runs of both nets."""
        shocks = [self.normal(n, 1) for n in self.seeds]
        shocks = [shocks[0]] * 2 if self.shared_seeds else shocks
        chances = [
            logistic(x + self.seed_spread * s) for x, s in zip(test_set, shocks, strict=True)
        ]
        return [self.rng.random(p.shape, dtype=np.float32) < p for p in chances]

    def results(self, repeats, compared, test_set=None):
        return [compared(*self.train(test_set or self.test_set())) for _ in range(repeats)]


def share_held(results, truth):
    return np.mean([r.low <= truth <= r.high for r in results])


def error_of(share, repeats):
    """Three Monte-Carlo standard errors of a share."""
    return 3 * sqrt(share * (1 - share) / repeats)


def relative_width(results):
    """Mean width against that of an interval which knows the true standard error."""
    true = 2 * 1.96 * np.std([r.difference for r in results])
    return np.mean([r.high - r.low for r in results]) / true


def from_rates(a, b):
    return compare.rates(a.mean(axis=1), b.mean(axis=1), a.shape[1])


WORLDS = {
    "equal": World((0.05, 0.05), (3, 3), 2000, 0.2),
    "different": World((0.2, 0.17), (3, 3), 2000, 0.2),
    "seeds alike": World((0.05, 0.05), (3, 3), 2000, 0.03),
    "seeds apart": World((0.06, 0.05), (3, 3), 2000, 0.8),
    "few images": World((0.02, 0.01), (3, 3), 500, 0.2),
    "rare": World((0.002, 0.002), (3, 3), 500, 0.2),
    "rare, five seeds": World((0.002, 0.004), (5, 5), 500, 0.2),
    "five seeds": World((0.1, 0.09), (5, 5), 2000, 0.2),
    "two seeds": World((0.1, 0.09), (2, 2), 2000, 0.2),
    "three and five": World((0.1, 0.09), (3, 5), 2000, 0.3),
    "unlike nets": World((0.1, 0.1), (3, 3), 2000, 0.2, alike=0.0),
    "large test set": World((0.1, 0.09), (3, 3), 10_000, 0.2),
}


@pytest.mark.parametrize("name", WORLDS)
def test_new_seeds_and_new_images(name):
    world = dataclasses.replace(WORLDS[name])
    repeats = 300 if world.images > 5000 else 1000
    results = world.results(repeats, compare.predictions)
    held = share_held(results, world.truth)
    assert held >= 0.95 - error_of(0.95, repeats)
    if "rare" not in name and min(world.seeds) > 2:
        # Long from few seeds, not absurdly: Student's t with two to four degrees of freedom, which
        # three seeds leave, is 1.4 to 2.2 times the normal quantile.
        assert held <= 0.99 and relative_width(results) < 1.7


@pytest.mark.parametrize("name", ["equal", "rare", "five seeds", "unlike nets", "three and five"])
def test_rates_give_a_longer_interval(name):
    world = dataclasses.replace(WORLDS[name])
    both = world.results(500, lambda a, b: (compare.predictions(a, b), from_rates(a, b)))
    known, bound = zip(*both, strict=True)
    assert share_held(bound, world.truth) >= 0.95 - error_of(0.95, 500)
    assert relative_width(bound) > relative_width(known)


@pytest.mark.parametrize("name", ["equal", "seeds apart", "few images", "three and five"])
@pytest.mark.parametrize("compared", [compare.predictions, from_rates])
def test_new_seeds_on_the_same_images(name, compared):
    world = dataclasses.replace(WORLDS[name])
    images = world.test_set()
    a, b = (averaged(x, world.seed_spread).mean() for x in images)
    results = world.results(1000, lambda *nets: compared(*nets).over("seeds"), images)
    held = share_held(results, a - b)  # Welch's is somewhat long from three seeds
    assert 0.95 - error_of(0.95, 1000) <= held <= 0.97 + error_of(0.97, 1000)


@pytest.mark.parametrize("errors, images", [((0.1, 0.08), 10_000), ((0.03, 0.03), 500)])
def test_one_run_of_each_on_new_images(errors, images):
    """The nets are trained: their seeds are fixed, and only the images are new."""
    world = World(errors, (1, 1), images, 0.0)
    results = world.results(1000, compare.predictions)
    assert {r.sources for r in results} == {("images",)}
    assert abs(share_held(results, world.truth) - 0.95) <= error_of(0.95, 1000)


@pytest.mark.parametrize("errors", [(0.002, 0.002), (0.004, 0.001), (0.006, 0.0002)])
def test_rare_errors_of_one_run(errors):
    world = World(errors, (1, 1), 500, 0.0)
    assert share_held(world.results(1000, compare.predictions), world.truth) >= 0.95 - 0.021


def test_each_source_alone_is_too_short_for_both():
    world = World((0.1, 0.09), (3, 3), 500, 0.3, alike=0.0)
    results = world.results(1000, compare.predictions)
    assert share_held(results, world.truth) >= 0.95 - error_of(0.95, 1000)
    for source in compare.SOURCES:
        assert share_held([r.over(source) for r in results], world.truth) < 0.92


def test_paired_seeds():
    """Pairing is worth it when the seeds' part is common to both nets; it keeps the level."""
    world = World((0.1, 0.09), (5, 5), 2000, 0.5, shared_seeds=True)
    both = world.results(
        1000, lambda a, b: (compare.predictions(a, b, paired=True), compare.predictions(a, b))
    )
    paired, unpaired = zip(*both, strict=True)
    assert share_held(paired, world.truth) >= 0.95 - error_of(0.95, 1000)
    assert relative_width(paired) < 1.4 and relative_width(unpaired) > 2


def known(spread, seeds):
    """A comparison whose spread between seeds is the true one."""
    return Comparison(0.0, (Spread(spread**2, 0.0, seeds),) * 2, 10**6, 0.0, ("A", "B"), ("seeds",))


def power(difference, spread, seeds, repeats=1500):
    draws = np.random.default_rng(0).normal(0.1, spread, (repeats, 2, seeds))
    draws[:, 0] += difference
    draws = draws.clip(0, 1).round(6)
    results = [compare.rates(*pair, 10**6).over("seeds") for pair in draws]
    return np.mean([r.low > 0 or r.high < 0 for r in results])


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("aim", [0.5, 0.8])
def test_a_detectable_difference_is_detected_as_often_as_said(seeds, aim):
    difference = known(0.005, seeds).detectable(aim)
    assert abs(power(difference, 0.005, seeds) - aim) <= error_of(aim, 1500)


def test_three_seeds_detect_somewhat_less_than_a_known_spread_promises():
    """Their degrees of freedom are estimated too, and are at most the 4 of equal spreads."""
    assert 0.65 < power(known(0.005, 3).detectable(), 0.005, 3) < 0.78


@pytest.mark.parametrize("difference", [0.01, 0.006])
def test_the_seeds_needed_are_enough_and_one_less_is_not(difference):
    seeds = known(0.005, 3).seeds_needed(difference)
    assert power(difference, 0.005, seeds) >= 0.8 - error_of(0.8, 1500)
    assert power(difference, 0.005, seeds - 1) < 0.8 + error_of(0.8, 1500)
    assert known(0.005, 3).detectable() > known(0.005, seeds).detectable()


@pytest.mark.parametrize("seeds, difference", [(5, 0.0245), (10, 0.019)])
def test_power_over_seeds_and_images(seeds, difference):
    """Where the difference is what the usual run calls detectable, it is mostly detected."""
    world = World((0.1 + difference, 0.1), (seeds, seeds), 1000, 0.2)
    results = world.results(600, compare.predictions)
    said = np.median([r.detectable() for r in results])
    assert said == pytest.approx(world.truth, rel=0.05)
    found = np.mean([r.low > 0 for r in results])
    assert abs(found - 0.8) <= error_of(0.8, 600)


def test_images_can_be_the_limit():
    world = World((0.1, 0.09), (3, 3), 300, 0.1)
    [result] = world.results(1, compare.predictions)
    assert result.seeds_needed(0.001) is None
    assert result.seeds_needed(0.5) <= 3


def some_wrong(seeds=3, images=400, rate=0.1, seed=0):
    return np.random.default_rng(seed).random((seeds, images)) < rate


def test_swapping_the_nets_turns_the_interval_round():
    a, b = some_wrong(3), some_wrong(5, rate=0.2, seed=1)
    one, other = compare.predictions(a, b), compare.predictions(b, a)
    assert one.difference == pytest.approx(-other.difference)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_order_of_seeds_and_images_does_not_matter():
    a, b = some_wrong(), some_wrong(seed=1)
    shuffled = compare.predictions(a[::-1, ::-1], b[:, ::-1])
    assert shuffled.low == pytest.approx(compare.predictions(a, b).low)


def test_more_images_give_a_shorter_interval():
    """Images four times as many: the part of the images is half as long."""
    a, b = some_wrong(1), some_wrong(1, seed=1)
    few, many = compare.predictions(a, b), compare.predictions(np.tile(a, 4), np.tile(b, 4))
    assert many.difference == pytest.approx(few.difference)
    assert (many.high - many.low) / (few.high - few.low) == pytest.approx(0.5, rel=0.02)


def test_identical_nets_differ_by_nothing_but_not_certainly():
    wrong = some_wrong()
    paired = compare.predictions(wrong, wrong, paired=True)
    assert paired.difference == 0 and 0 < paired.high < 4 / wrong.shape[1]
    never = np.zeros((3, 500), bool)
    assert 0.5 / 500 < compare.predictions(never, never).high < 6 / 500


def test_the_parts_are_the_mean_squares_of_the_layout():
    """Against sums written out for a layout of 2 seeds and 3 images."""
    a, b = np.array([[1, 0, 1], [0, 0, 1]], bool), np.zeros((2, 3), bool)
    result = compare.predictions(a, b)
    assert result.difference == pytest.approx(1 / 2)
    assert result.spreads[0].variance == pytest.approx((1 / 3) ** 2 / 2 + 1 / 18)
    # Rows 2/3, 1/3; columns 1/2, 0, 1: rests +-1/3, -+1/6, -+1/6; 1 x 2 degrees.
    assert result.spreads[0].pairs == pytest.approx((2 / 9 + 4 / 36) / 2 / 3)
    assert result.image_variance == pytest.approx(1 / 4 / 3 - 1 / 36 + 1 / 9)


def test_interval_of_one_net():
    low, high = compare.interval([0.1, 0.12])
    assert (low, high) == pytest.approx((0.11 - 0.12706, 0.11 + 0.12706), abs=1e-5)


RECORD = Record("plain20", {"epochs": 1}, 0, "digits", "f", 1, (Epoch(0.1, 0.25, 0.5, 1.0),))


def runs(model, errors, **changes):
    epochs = [Epoch(0.1, error / 2, error, 1.0) for error in errors]
    return [
        dataclasses.replace(RECORD, model=model, seed=seed, curve=(epoch,), **changes)
        for seed, epoch in enumerate(epochs)
    ]


def test_records_are_compared_by_their_last_errors():
    a, b = runs("plain56", [0.5, 0.4, 0.48]), runs("resnet56", [0.2, 0.1, 0.22])
    result = compare.records(a, b[::-1], images=500)
    assert result == compare.rates(
        [0.5, 0.4, 0.48], [0.2, 0.1, 0.22], 500, names=("plain56", "resnet56")
    )
    assert compare.records(a, b, images=500, split="train").difference == result.difference / 2
    paired = compare.records(a, b[::-1], images=500, paired=True).over("seeds")
    assert paired.high - paired.low < result.high - result.low
    assert "3 paired seeds" in str(paired)


A, B = runs("plain56", [0.5, 0.4]), runs("resnet56", [0.2, 0.1])
MISTAKES = {
    "rates for predictions": (lambda: compare.predictions([0.1], [0.2]), "compare.rates"),
    "missing values": (lambda: compare.predictions([[np.nan] * 5], [[1.0] * 5]), "booleans"),
    "three axes": (lambda: compare.predictions(np.ones((2, 2, 2), bool), B), "booleans"),
    "no seeds": (lambda: compare.predictions(np.ones((0, 9), bool), B), "booleans"),
    "other images": (lambda: compare.predictions(some_wrong(), some_wrong(images=9)), "400 and 9"),
    "pairs": (lambda: compare.predictions(some_wrong(), some_wrong(2), paired=True), "3 and 2"),
    "percent": (lambda: compare.rates([10.0], [0.2], 100), "from 0 to 1"),
    "nan": (lambda: compare.rates([np.nan], [0.2], 100), "from 0 to 1"),
    "number of images": (lambda: compare.rates([0.123], [0.2], 100), "whole parts of 100"),
    "one seed": (lambda: compare.rates([0.1], [0.2], 100).over("seeds"), "one seed"),
    "no such source": (lambda: compare.rates([0.1], [0.2], 100).over("luck"), "expected some of"),
    "power": (lambda: compare.rates([0.1], [0.2], 100).seeds_needed(0.1), "train more seeds"),
    "split": (lambda: compare.records(A, B, 500, split="val"), "'val'; choose one"),
    "no records": (lambda: compare.records(A, [], 500), "run the experiment"),
    "mixed": (lambda: compare.records(A + runs("x", [0.0, 0.0, 0.5])[2:], B, 500), "2 kinds"),
    "twice": (lambda: compare.records(A + A, B, 500), r"\[0, 0, 1, 1\]"),
    "other data": (lambda: compare.records(A, runs("x", [0.0], data_fingerprint="g"), 500), "same"),
    "other seeds": (lambda: compare.records(A, B[1:], 500, paired=True), "do not pair"),
    "diverged": (lambda: compare.records(A, runs("x", [1.0], status="nan at 7"), 500), "nan at 7"),
    "one value": (lambda: compare.interval([0.1]), "two or more"),
    "a gap": (lambda: compare.interval([0.1, np.nan]), "finite"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_in_one_line(name):
    call, message = MISTAKES[name]
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value) and ", got " in str(caught.value)
