"""One picture of a file: whatever the camera or the program wrote, and what is refused."""

import os
import warnings

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from resnet_tutorial import Mistake
from resnet_tutorial.data import decode
from resnet_tutorial.data.decode import center, draw_box, picture, random_resized

WHOLE = {"scale": (1.0, 1.0), "ratio": (1.0, 1.0)}


def ramp(w=40, h=20):
    """Red grows to the right, green downward."""
    pixels = np.zeros((h, w, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 250, w).round()
    pixels[..., 1] = np.linspace(0, 250, h).round()[:, None]
    return Image.fromarray(pixels)


def test_a_colour_and_a_grey_picture_are_read_as_they_are(tmp_path):
    ramp().save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        picture(tmp_path / "a.png"), np.asarray(ramp()).transpose(2, 0, 1)
    )
    Image.new("L", (3, 2), 7).save(tmp_path / "b.png")
    assert picture(tmp_path / "b.png").tolist() == [[[7, 7, 7], [7, 7, 7]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_exif_says_of_the_rotation_is_done(tmp_path, orientation):
    """The stored pixels are the upright ones, transformed back by hand."""
    upright = np.asarray(ramp())
    back = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(tmp_path / "a.png")
    Image.fromarray(np.ascontiguousarray(back(upright))).save(path, exif=exif)
    np.testing.assert_array_equal(picture(path), upright.transpose(2, 0, 1))
    with decode.opened(path) as image:
        assert decode.upright_size(image) == (40, 20)
    middle = center(path, 10, 1.0)
    assert middle[5, 0, 0] < middle[5, 9, 0] and middle[0, 5, 1] < middle[9, 5, 1]


def test_damaged_exif_loses_no_picture(tmp_path):
    path = tmp_path / "a.jpg"
    ramp().save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12\0\x03\0\0\0\x01")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert picture(path).shape == (3, 20, 40)


def test_what_is_transparent_lies_on_white(tmp_path):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = 0, 128, 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert picture(tmp_path / "a.png")[:, 0].tolist() == [[255, 127, 0]] * 3
    Image.fromarray(pixels[..., 2:]).save(tmp_path / "b.png")  # grey and alpha
    assert picture(tmp_path / "b.png").tolist() == [[[255, 127, 0]]]


def test_a_transparent_entry_of_a_palette_is_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png", transparency=1)
    assert picture(tmp_path / "a.png")[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]


def test_16_bits_are_scaled_not_clipped(tmp_path):
    values = np.array([[0, 257, 1000, 40_000, 65_535]], np.uint16)
    for suffix in ("png", "tif", "pgm"):
        path = tmp_path / f"a.{suffix}"
        if suffix == "pgm":
            path.write_bytes(b"P5 5 1 65535\n" + values.astype(">u2").tobytes())
        else:
            Image.fromarray(values).save(path)
        assert picture(path).tolist() == [[[0, 1, 4, 156, 255]]]
    assert center(str(tmp_path / "a.png"), 1, 1.0).shape == (1, 1, 3)


def test_cmyk_and_black_and_white_become_rgb_and_grey(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert picture(tmp_path / "a.tif")[:, 0, 0].tolist() == [255, 0, 0]
    Image.new("1", (8, 8), 1).save(tmp_path / "b.png")
    assert picture(tmp_path / "b.png")[:, 0, 0].tolist() == [255]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_numbers_without_a_white_are_refused(tmp_path, dtype):
    Image.fromarray(np.ones((4, 4), dtype)).save(tmp_path / "a.tif")
    with pytest.raises(Mistake, match="its mode is [FI], expected 8 or 16 bits a channel"):
        picture(tmp_path / "a.tif")


def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(Mistake, match="expected a file, got a pipe"):
        picture(tmp_path / "a.png")


def test_a_picture_of_too_many_pixels_is_refused_unread(tmp_path, monkeypatch):
    """Between once and twice Pillow's limit it warns, above it raises: here both are refused."""
    ramp().save(tmp_path / "a.png")
    for limit in (799, 399):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(Mistake, match=f"more than {limit} pixels, .*; scale it down"):
            picture(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 800)
    assert picture(tmp_path / "a.png").shape == (3, 20, 40)


@pytest.mark.parametrize("read", [picture, lambda p: center(p, 8, 1.0)], ids=["whole", "small"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_truncated_file_is_broken_at_any_scale(tmp_path, read, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.effect_noise((128, 128), 50).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(Mistake, match="cannot be read as an image"):
        read(str(path))


def test_a_large_jpeg_is_decoded_at_a_reduced_scale(tmp_path, monkeypatch):
    path, asked = str(tmp_path / "a.jpg"), []
    ramp(800, 600).save(path, quality=95)
    draft = JpegImageFile.draft
    monkeypatch.setattr(JpegImageFile, "draft", lambda *a: asked.append(a[1:]) or draft(*a))
    small = center(path, 50, 1.0).astype(int)
    assert asked == [(None, (67, 50))]
    exact = ramp(800, 600).crop((100, 0, 700, 600)).resize((50, 50), Image.Resampling.BILINEAR)
    assert np.abs(small - np.asarray(exact)).max() <= 6


def test_a_box_is_cut_where_it_was_drawn(tmp_path):
    path = str(tmp_path / "a.png")
    ramp(100, 50).save(path)
    key, settings = (3, 14), {"scale": (0.1, 0.4), "ratio": (0.5, 2.0)}
    box = draw_box(100, 50, np.random.default_rng(key), **settings)
    expected = ramp(100, 50).resize((16, 16), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    np.testing.assert_array_equal(random_resized(path, 16, key, **settings), expected)
    assert (random_resized(path, 16, (3, 15), **settings) != expected).any()


def test_boxes_have_the_shares_and_ratios_that_were_asked_for():
    rng = np.random.default_rng(0)
    boxes = np.array([draw_box(400, 300, rng, (0.2, 0.5), (0.75, 1.5)) for _ in range(500)])
    w, h = (boxes[:, 2:] - boxes[:, :2]).T
    assert (boxes >= 0).all() and boxes[:, 2].max() <= 400 and boxes[:, 3].max() <= 300
    share, ratio = w * h / 120_000, w / h
    assert 0.19 < share.min() < 0.22 and 0.48 < share.max() < 0.51
    assert 0.74 < ratio.min() < 0.8 and 1.4 < ratio.max() < 1.52
    assert 0.33 < share.mean() < 0.37  # uniform in area


def test_a_panorama_gives_its_middle():
    box = draw_box(1000, 10, np.random.default_rng(0), (0.9, 1.0), (3 / 4, 4 / 3))
    assert box == (493, 0, 506, 10)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1)])
def test_pictures_of_one_pixel_are_pictures(tmp_path, shape):
    path = str(tmp_path / "a.png")
    Image.new("RGB", shape, (9, 8, 7)).save(path)
    for found in (center(path, 4, 0.875), random_resized(path, 4, (0, 0), **WHOLE)):
        assert (found == (9, 8, 7)).all()
