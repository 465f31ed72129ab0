"""What a trained net gets wrong: against hand counts, scikit-learn and scipy."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.calibration import calibration_curve
from stripes import DATA, RECIPE, Linear, fitted

from resnet_tutorial import calibration, error_rates, figures_of_runs, reports, train
from resnet_tutorial.reports import Report

RNG = np.random.default_rng(0)
CLASSES = ("ant", "bee", "cat", "dog")


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def drawn(n=3000, k=4, scale=1.0, seed=0):
    """Labels drawn from softmax(logits), and softmax(scale * logits): right for the scale 1."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, k))
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    return Report.of(softmax(scale * logits), labels, [f"class {i}" for i in range(k)])


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


# Counted by hand

SMALL = Report.of(
    [[0.7, 0.1, 0.1, 0.1], [0.2, 0.6, 0.1, 0.1], [0.1, 0.9, 0.0, 0.0], [0.3, 0.3, 0.4, 0.0],
     [0.0, 0.8, 0.1, 0.1]],
    [0, 0, 0, 2, 2],
    CLASSES,
)  # fmt: skip


def test_a_small_report_by_hand():
    assert SMALL.counts.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert SMALL.error == 0.6 and len(SMALL) == 5
    assert SMALL.mistakes().tolist() == [2, 4, 1] and SMALL.mistakes(2).tolist() == [2, 4]
    assert [str(pair) for pair in SMALL.pairs()] == [
        "ant taken for bee: 2 of 3 (67%)",
        "cat taken for bee: 1 of 2 (50%)",
    ]
    assert [(row.images, row.wrong) for row in SMALL.by_class()] == [(3, 2), (0, 0), (2, 1), (0, 0)]
    assert SMALL.nll == pytest.approx(-np.log([0.7, 0.2, 0.1, 0.4, 0.1]).mean())


def test_a_class_without_images_has_no_error_and_the_widest_interval():
    row = SMALL.by_class()[1]
    assert math.isnan(row.error) and row.interval == (0.0, 1.0)


def test_the_calibration_error_by_hand():
    """Two bins: 0.4 right of 0.5 and less, and above 0.7, 0.6, 0.9, 0.8 with one right."""
    found = calibration.bins(SMALL.confidence, ~SMALL.wrong, 2)
    assert found.images.tolist() == [1, 4]
    assert found.confidence == pytest.approx([0.4, 0.75]) and found.right.tolist() == [1, 0.25]
    assert found.error == pytest.approx(0.2 * 0.6 + 0.8 * 0.5)


def test_a_probability_of_1_is_in_the_last_bin_and_of_0_has_a_finite_logarithm():
    found = Report.of([[1.0, 0.0], [1.0, 0.0]], [0, 1], "ab")
    assert found.bins().images[-1] == 2 and found.bins().error == 0.5
    assert math.isfinite(found.nll) and math.isfinite(found.calibrated().temperature)


# Against other libraries


def test_the_numbers_are_scikit_learns():
    found = drawn()
    assert (found.counts == metrics.confusion_matrix(found.labels, found.predicted)).all()
    assert 1 - found.error == pytest.approx(metrics.accuracy_score(found.labels, found.predicted))
    assert found.nll == pytest.approx(metrics.log_loss(found.labels, found.probabilities))
    recall = metrics.recall_score(found.labels, found.predicted, average=None)
    assert [1 - row.error for row in found.by_class()] == pytest.approx(recall)


def test_the_bins_are_scikit_learns():
    found = drawn(scale=2.0)
    right, sure = calibration_curve(~found.wrong, found.confidence, n_bins=calibration.BINS)
    filled = found.bins().images > 0
    assert found.bins().right[filled] == pytest.approx(right)
    assert found.bins().confidence[filled] == pytest.approx(sure)


@pytest.mark.parametrize("wrong, images", [(0, 1), (0, 50), (1, 1), (3, 20), (500, 10_000)])
def test_the_interval_is_scipys(wrong, images):
    expected = binomtest(wrong, images).proportion_ci(method="wilson")
    assert error_rates.wilson(wrong, images) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    counts = np.random.default_rng(1).binomial(200, 0.05, 2000)
    held = [low <= 0.05 <= high for low, high in (error_rates.wilson(int(c), 200) for c in counts)]
    assert 0.93 < np.mean(held) < 0.98


# Temperature


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_temperature_is_what_the_logits_were_multiplied_with(scale):
    found = drawn(10_000, scale=scale)
    assert calibration.temperature(found.probabilities, found.labels) == pytest.approx(
        scale, rel=0.06
    )


def test_a_temperature_changes_no_answer_and_is_the_softmax_of_divided_logits():
    logits = RNG.normal(size=(50, 4))
    p = calibration.soften(softmax(logits), 2.5)
    assert np.allclose(p, softmax(logits / 2.5))
    assert (p.argmax(1) == logits.argmax(1)).all()


def test_the_temperature_is_fitted_on_one_half_and_measured_on_the_other():
    found = drawn(20_000, scale=3.0)
    halves = found.calibrated(seed=3)
    order = np.random.default_rng(3).permutation(20_000)
    fitted, other = order[:10_000], order[10_000:]
    p = found.probabilities
    expected = calibration.temperature(p[fitted], found.labels[fitted])
    assert halves.temperature == expected
    mended = Report.of(calibration.soften(p[other], expected), found.labels[other], found.classes)
    assert halves.after == mended.bins().error < 0.03 < 0.1 < halves.before


# Text


def test_the_text_says_the_counts_the_pairs_and_the_interval():
    text = str(SMALL)
    assert text.startswith("3 of 5 images are wrong: 60.00% [23.07, 88.24] (95 %, Wilson's")
    assert "ant taken for bee: 2 of 3 (67%)" in text
    assert "image 2: ant taken for bee, probability 0.900" in text


@pytest.mark.parametrize("scale, said", [(3.0, "too sure"), (0.3, "not sure enough"),
                                         (1.0, "within chance")])  # fmt: skip
def test_the_text_says_whether_the_net_is_too_sure(scale, said):
    assert f": {said};" in str(drawn(scale=scale))


def test_of_many_classes_the_worst_are_shown():
    lines = str(drawn(k=30)).splitlines()
    assert "  and 10 classes with smaller errors" in lines
    errors = [float(line.split()[4]) for line in lines if line.startswith("class ")]
    assert len(errors) == 20 and errors == sorted(errors, reverse=True)


def test_a_net_without_a_mistake_has_no_list_of_them():
    text = str(Report.of([[0.9, 0.1], [0.2, 0.8]], [0, 1], "ab"))
    assert text.startswith("0 of 2 images are wrong") and "mistakes" not in text


# Order


def test_what_is_confused_stands_side_by_side():
    """Pairs (0, 3), (1, 4), (2, 5) are taken for each other."""
    labels = np.tile(np.arange(6), 40)
    answers = np.where(np.arange(240) % 4 == 0, (labels + 3) % 6, labels)
    order = Report.of(np.eye(6)[answers], labels, "abcdef").order().tolist()
    assert sorted(order) == [*range(6)]
    assert {frozenset(order[i : i + 2]) for i in (0, 2, 4)} == {
        *map(frozenset, [(0, 3), (1, 4), (2, 5)])
    }


# Of nets


def test_a_net_and_its_probabilities_give_the_same_report():
    net, record = fitted()
    found = reports.report(net, DATA, RECIPE)
    assert found.error == record.test_error
    images = torch.from_numpy(DATA.normalize(DATA.test.images))
    p = net(images).double().softmax(1).detach().numpy()
    again = reports.report(p, DATA)
    assert np.allclose(found.probabilities, p, atol=1e-6) and (found.counts == again.counts).all()


def test_the_mean_that_the_recipe_names_is_subtracted():
    net, recipe = Linear(), train.Recipe(per_pixel_mean=True)
    images = torch.from_numpy((DATA.test.images - DATA.pixel_mean) / DATA.std)
    expected = net(images).double().softmax(1).detach().numpy()
    found = reports.report(net, DATA, recipe).probabilities
    assert np.allclose(found, expected, atol=1e-6)
    assert not np.allclose(found, reports.report(net, DATA).probabilities, atol=1e-6)


def test_outputs_beyond_the_classes_have_names():
    p = np.full((20, 3), 1 / 3)
    p[:, 2] += 1e-4
    found = reports.report(p, DATA)
    assert found.classes[2] == "output 2" and found.error == 1.0


@pytest.mark.parametrize(
    "p, labels, said",
    [
        ([[0.5, 0.5]], [0, 1], r"got \(1, 2\), \(2,\) and 2"),
        ([[0.5, 0.4, 0.1]], [0], "and 2; give one row an image"),
        (np.empty((0, 2)), [], r"got \(0, 2\)"),
        ([[2.0, -1.0]], [0], "of logits take the softmax first"),
        ([[0.5, 0.6]], [0], "of logits take the softmax first"),
        ([[math.nan, 0.5]], [0], "of logits take the softmax first"),
        ([[0.5, 0.5]], [2], "whole numbers from 0 to 1, got int64 from 2 to 2"),
        ([[0.5, 0.5]], [0.0], "got float64"),
    ],
)
def test_what_are_no_probabilities_is_told(p, labels, said):
    with pytest.raises(ValueError, match=said):
        Report.of(p, labels, "ab")


# Pictures


def test_the_matrix_writes_the_counts_and_shades_by_rows():
    ax = figures_of_runs.confusion_rates(SMALL)
    texts = {(text.get_position(), text.get_text()) for text in ax.texts}
    assert texts == {((0, 0), "1"), ((1, 0), "2"), ((1, 2), "1"), ((2, 2), "1")}
    shown = ax.images[0].get_array()
    assert shown[0, 1] == pytest.approx(2 / 3) and shown[2, 1] == 0.5
    assert [label.get_text() for label in ax.get_yticklabels()] == [*CLASSES]


def test_of_many_classes_those_with_most_mistakes_are_drawn():
    found = drawn(k=30)
    ax = figures_of_runs.confusion_rates(found)
    names = [label.get_text() for label in ax.get_yticklabels()]
    wrong = {row.name: row.wrong for row in found.by_class()}
    assert len(names) == 20 and ax.get_title() == "the 20 of 30 classes with most mistakes"
    assert min(wrong[name] for name in names) >= max(w for n, w in wrong.items() if n not in names)


def test_the_reliability_diagram_shows_the_bins():
    found = drawn()
    upper, lower = figures_of_runs.reliability(found)
    filled = found.bins().images > 0
    assert upper.lines[0].get_xdata() == pytest.approx(found.bins().confidence[filled])
    assert [bar.get_height() for bar in lower.patches] == found.bins().images.tolist()
    assert upper.get_title() == f"expected calibration error {100 * found.bins().error:.1f} %"


def test_the_sheet_shows_the_surest_mistakes_first():
    images = RNG.integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    axes = figures_of_runs.surest_mistakes(SMALL, images[SMALL.mistakes(2)])
    assert axes[0].get_title() == "ant\ntaken for bee, 90 %"
    assert (axes[0].images[0].get_array() == images[2].transpose(1, 2, 0)).all()
    assert axes[1].texts[0].get_text() == "image 4" and not axes[2].images


def test_a_sheet_without_mistakes_says_so():
    found = Report.of([[0.9, 0.1]], [0], "ab")
    [text] = figures_of_runs.surest_mistakes(found, np.empty((0, 1, 4, 4), np.uint8))[0].texts
    assert text.get_text() == "no image is wrong"
