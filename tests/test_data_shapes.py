"""The folder of drawn shapes: what it holds, and the same pixels every time."""

import numpy as np
import pytest
from PIL import Image

from resnet_tutorial.data import shapes
from resnet_tutorial.data.listing import listing


def test_a_folder_of_each_shape_in_two_formats_and_many_sizes(tmp_path):
    found = listing(shapes.write(tmp_path / "a", per_class=5))
    assert found.classes == tuple(shapes.SHAPES) and len(found.train) == 48
    sizes, formats = set(), set()
    for path in (tmp_path / "a").glob("*/*"):
        with Image.open(path) as image:
            assert image.mode == "RGB"
            sizes.add(image.size)
            formats.add(image.format)
    assert len(sizes) > 50 and formats == {"JPEG", "PNG"}


def test_the_same_seed_draws_the_same_pictures(tmp_path):
    a, b, c = (shapes.write(tmp_path / n, 2, seed) for n, seed in (("a", 1), ("b", 1), ("c", 2)))
    pixels = [np.asarray(Image.open(place / "ring" / "ring-01.png")) for place in (a, b, c)]
    assert (pixels[0] == pixels[1]).all() and pixels[0].shape != pixels[2].shape


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_a_shape_is_lighter_than_its_ground_and_fills_a_part_of_its_frame(name):
    u, v = np.mgrid[-1.5:1.5:60j, -1.5:1.5:60j]
    inside = shapes.SHAPES[name](u, v)
    assert 0.05 < inside.mean() < 0.5 and not inside[[0, -1]].any() and not inside[:, [0, -1]].any()
    levels = shapes.picture(name, np.random.default_rng(0)).mean(2)
    assert np.percentile(levels, 98) > np.percentile(levels, 20) + 40


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="is there already; name a folder that is new"):
        shapes.write(tmp_path / "mine")
