import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from resnet_tutorial import figures
from resnet_tutorial.data import Dataset, Split
from resnet_tutorial.records import Epoch, Record


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def record(model, seed, error):
    curve = (Epoch(2.0, 0.9, 0.9, 1.0), Epoch(1.0, error, error + 0.01, 2.0))
    return Record(model, {}, seed, "digits", "", 0, curve)


RECORDS = [
    record(model, seed, error + seed / 100)
    for model, error in (("plain56", 0.5), ("plain8", 0.0), ("resnet8", 0.1), ("resnet56", 0.0))
    for seed in (0, 1)
]


@pytest.mark.parametrize(
    "label, color",
    [
        ("plain", figures.PLAIN),
        ("plain nets without BN", figures.PLAIN),
        ("plain56, usual start", figures.PLAIN),
        ("resnet20", figures.RESIDUAL),
        ("residual, option A", figures.RESIDUAL),
        ("preact_resnet164", figures.RESIDUAL),
        ("theory, plain", figures.THEORY),
        ("response", figures.OTHERS[0]),
        ("plainly", figures.OTHERS[0]),
        ("resnet21", figures.OTHERS[0]),
        ("3 resnets", figures.OTHERS[0]),
    ],
)
def test_a_colour_is_that_of_a_whole_word_or_of_the_blocks_of_a_network(label, color):
    assert figures.colors([label]) == {label: color}


def test_errors_by_depth_draws_each_seed_and_the_mean_in_percent():
    train, test = figures.errors_by_depth(RECORDS)
    points, mean = train.lines[0], train.lines[1]
    assert points.get_color() == mean.get_color() == figures.PLAIN
    np.testing.assert_allclose(points.get_xydata(), [[8, 0], [8, 1], [56, 50], [56, 51]])
    np.testing.assert_allclose(mean.get_xydata(), [[8, 0.5], [56, 50.5]])
    np.testing.assert_allclose(test.lines[1].get_ydata(), [1.5, 51.5])
    assert [text.get_text() for text in train.get_legend().get_texts()] == ["plain", "residual"]
    assert (train.get_ylabel(), test.get_ylabel()) == ("training error (%)", "test error (%)")


def test_train_and_test_joins_both_errors_of_every_run():
    [ax, other] = figures.train_and_test({"digits": RECORDS, "one": RECORDS[:1]})
    assert (ax.get_title(), other.get_title()) == ("digits", "one")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "56"]
    gaps, train, test = ax.collections[0], ax.lines[0], ax.lines[1]
    np.testing.assert_allclose(train.get_ydata(), [50, 51, 0, 1])
    np.testing.assert_allclose(test.get_ydata(), [51, 52, 1, 2])
    np.testing.assert_allclose(train.get_xdata(), test.get_xdata())
    assert np.all(train.get_xdata()[:2] < 1) and np.all(train.get_xdata()[2:] < 0)
    assert np.all(ax.lines[2].get_xdata()[:2] > 0) and np.all(ax.lines[2].get_xdata()[2:] > 1)
    assert len(set(train.get_xdata())) == 4  # no seed hides another
    middle = (train.get_xdata()[2] + train.get_xdata()[3]) / 2  # of the two seeds of plain8
    np.testing.assert_allclose(other.lines[0].get_xdata(), [middle])  # a lone seed
    ends = [segment[:, 1] for segment in gaps.get_segments()]
    np.testing.assert_allclose(ends, [[50, 51], [51, 52], [0, 1], [1, 2]])
    colors = [line.get_color() for line in ax.lines]
    assert colors == [figures.PLAIN] * 2 + [figures.RESIDUAL] * 2
    assert test.get_markerfacecolor() == "none" != train.get_markerfacecolor()
    assert len(ax.figure.legends[0].get_texts()) == 4


def test_curves_draw_every_run_and_name_each_network_once():
    ax = figures.curves(RECORDS)
    assert len(ax.lines) == len(RECORDS)
    assert len(ax.get_legend().get_texts()) == 4
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 90], [2, 50]])
    loss = figures.curves(RECORDS, "train_loss")
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [2, 1])
    assert loss.get_ylabel() == "training loss (nats)"


def test_theory_is_dashed_and_every_series_has_its_own_colour():
    x = [1, 2, 3]
    ax = figures.lines({"a": (x, x), "b": (x, x), "plain": (x, x), "theory": (x, x)}, "x", "y", "y")
    assert [line.get_linestyle() for line in ax.lines] == ["-", "-", "-", "--"]
    assert len({line.get_color() for line in ax.lines}) == 4
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")


def test_lines_draw_each_seed_and_their_mean():
    ax = figures.lines({"plain": ([1, 2], [[1, 4], [3, 8]])}, "x", "y")
    drawn = [line.get_ydata().tolist() for line in ax.lines]
    assert drawn == [[1, 4], [3, 8], [2, 6]]


def test_layer_profiles_average_on_the_scale_they_are_drawn_on():
    values = np.array([[1.0, 100.0], [100.0, 1.0]])
    thick = [line for line in figures.layer_profiles({"plain20": values}, "y").lines][-1]
    np.testing.assert_allclose(thick.get_ydata(), [10, 10])
    thick = figures.layer_profiles({"plain20": values}, "y", log=False).lines[-1]
    np.testing.assert_allclose(thick.get_ydata(), [50.5, 50.5])


def test_a_confusion_matrix_writes_every_count_that_is_not_zero():
    ax = figures.confusion(np.array([[5, 1], [0, 7]]), ("cat", "dog"))
    assert sorted(text.get_text() for text in ax.texts) == ["1", "5", "7"]
    assert ax.get_ylabel() == "true" and ax.get_xlabel() == "predicted"


def test_an_image_row_shows_each_image_under_its_title():
    axes = figures.image_row(np.zeros((3, 1, 8, 8), dtype=np.uint8), ["a", "b", "c"])
    assert [ax.get_title() for ax in axes] == ["a", "b", "c"]


def test_image_rows_break_after_the_columns():
    images = np.zeros((3, 1, 8, 8), dtype=np.uint8)
    axes = figures.image_row(images, ["a", "b", "c"], columns=2)
    tops = [ax.get_subplotspec().rowspan.start for ax in axes]
    assert [ax.get_title() for ax in axes] == ["a", "b", "c"] and tops == [0, 0, 1]


def test_a_name_says_family_and_depth():
    assert (figures.family("plain56"), figures.depth("plain56")) == ("plain", 56)
    assert figures.family("preact_resnet110") == "preact_resnet"


def test_a_law_shows_theory_dashed_and_two_standard_errors_each_way():
    ax = figures.law([1, 2], [10, 20], [11, 19], [1, 3], "depth", "energy", "y", "plain nets")
    assert ax.lines[0].get_linestyle() == "--"
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 10], [2, 20]])
    points, _, (bars,) = ax.containers[0]
    np.testing.assert_allclose(points.get_xydata(), [[1, 11], [2, 19]])
    ends = [segment[:, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, [[9, 13], [13, 25]])
    assert points.get_color() == figures.PLAIN
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("depth", "energy")
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")


def test_a_notebook_shows_every_figure():
    """The first figure loads the notebook's backend; a style context must not switch it off."""
    draw = "from resnet_tutorial import figures as f\nax = f.lines({'a': ([0, 1], [0, 1])}, '', '')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(draw) for _ in range(2)])
    NotebookClient(notebook, kernel_name="python3").execute()
    assert ["image/png" in cell.outputs[0].data for cell in notebook.cells] == [True, True]


def test_contact_sheet_shows_each_class_in_its_row():
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 2, 4), np.uint8)
    labels = np.array([1, 0, 1, 0, 1, 2, 2, 2, 2, 2])
    split = Split(images, labels)
    dataset = Dataset("cifar10-jpeg75", split, split, ("cat", "dog", "fox", "owl"))
    ax = figures.contact_sheet(dataset, per_class=3)
    sheet = ax.images[0].get_array()
    assert sheet.shape == (4 * 3 - 1, 3 * 5 - 1, 3)
    white = 9
    drawn = sheet[::3, ::5, 0].tolist()
    assert drawn == [[1, 3, white], [0, 2, 4], [5, 6, 7], [white] * 3]
    assert (sheet[2] == white).all(), "a line between the rows"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "dog", "fox", "owl"]
    assert ax.get_title() == "CIFAR-10 (JPEG-75 copy)"
    assert len(figures.contact_sheet(dataset, classes=2).get_yticks()) == 2


def test_contact_sheet_draws_one_channel_in_grey():
    split = Split(np.zeros((2, 1, 3, 3), np.uint8), np.array([0, 1]))
    ax = figures.contact_sheet(Dataset("grey", split, split, ("a", "b")))
    assert ax.images[0].get_array().squeeze().ndim == 2
    assert ax.images[0].get_cmap().name == "gray"
