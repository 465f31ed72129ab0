"""torchvision's published weights: where they come from, and what they are given."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from serving import serving

from resnet_tutorial import Mistake, models
from resnet_tutorial.models import weights

imagenet, download = weights.imagenet, weights.imagenet.download  # what the weights are read with

# A small network whose tensors have the names, and whose head the classes, of the published ones.
TINY = models.Architecture(
    (1, 1, 1, 1), shortcut=models.option_b, widths=(4, 4, 4, 8), stem=models.imagenet_stem,
    num_classes=1000,
)  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


@pytest.fixture
def published(home, monkeypatch):
    """A mirror that has a file of the tiny network, called as published ones are."""
    torch.manual_seed(0)
    net = models.ResNet(TINY)
    torch.save(net.state_dict(), home / "tiny.pth")
    content = (home / "tiny.pth").read_bytes()
    name = f"tiny-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setitem(models.ARCHITECTURES, "tiny", TINY)
    monkeypatch.setitem(imagenet.FILES, "tiny", (name, len(content)))
    with serving() as site:
        site.files[name] = content
        monkeypatch.setattr(imagenet, "MIRROR", f"{site.address}/")
        site.net, site.name = net, name
        yield site


def test_the_table_is_that_of_the_networks_here():
    for model, (name, size) in imagenet.FILES.items():
        with torch.device("meta"):
            state = models.build(model).state_dict()
        own = sum(v.numel() for k, v in state.items() if not k.endswith("num_batches_tracked"))
        assert 4 * own == size
        assert imagenet._remote(model).sha256 in name and name.startswith(f"{model}-")


def test_weights_are_downloaded_once_and_say_what_they_are_given(published, home):
    net = models.build("tiny", weights="imagenet")
    again = models.build("tiny", weights="imagenet")
    for name, value in published.net.state_dict().items():
        assert torch.equal(net.state_dict()[name], value)
        assert torch.equal(again.state_dict()[name], value)
    assert len(published.requests) == 1
    assert (home / "data" / "weights" / published.name).is_file()
    assert net.inputs == imagenet.inputs() and net.start.startswith(f"{published.name}, sha256 ")


def test_pixels_are_normalised_as_torchvision_does():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 4), dtype=np.uint8)
    mean = np.array([0.485, 0.456, 0.406])[:, None, None]
    std = np.array([0.229, 0.224, 0.225])[:, None, None]
    found = imagenet.inputs().normalize(pixels)
    np.testing.assert_allclose(found, (pixels / 255 - mean) / std, rtol=0, atol=1e-5)


def test_an_interrupted_download_goes_on(published, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 1000)
    published.cut = 5000
    with pytest.raises(ConnectionError):
        models.build("tiny", weights="imagenet")
    published.cut = None
    models.build("tiny", weights="imagenet")
    assert published.requests[-1] == (published.name, "bytes=5000-")


def test_a_file_of_another_checksum_is_not_used(published):
    published.files[published.name] = published.files[published.name][:-1] + b"x"
    with pytest.raises(ConnectionError, match="wrong checksum"):
        models.build("tiny", weights="imagenet")


def test_offline_one_line_says_what_to_put_where(published, home):
    content = published.files.pop(published.name)
    with pytest.raises(ConnectionError) as caught:
        models.build("tiny", weights="imagenet")
    folder = home / "data" / "weights"
    assert f"could not get {published.name}; tried {published.address}/" in str(caught.value)
    assert f"put the file into {folder} yourself" in str(caught.value)
    assert "\n" not in str(caught.value) and "digits" not in str(caught.value)
    (folder / published.name).write_bytes(content)
    models.build("tiny", weights="imagenet")


def test_what_torchvision_has_downloaded_is_taken(published, home):
    kept = home / "torch" / "hub" / "checkpoints" / published.name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(published.files[published.name])
    assert imagenet.fetch("tiny") == kept and not published.requests
    kept.write_bytes(b"damaged")
    assert imagenet.fetch("tiny") != kept


def test_the_head_is_replaced_for_other_classes(published):
    with pytest.warns(UserWarning, match="head for 1000 classes was replaced by a new one for 12"):
        net = models.build("tiny", 12, weights="imagenet")
    assert net.fc.out_features == 12 and torch.equal(net.conv1.weight, published.net.conv1.weight)
    assert net.inputs.shape == (3, 224, 224)


def test_a_file_with_imagenet_s_classes_is_taken_for_torchvision_s_and_said_so(published, home):
    """Under its published name silently."""
    with pytest.warns(UserWarning, match="mean 123.7, 116.3, 103.5, deviation 58.4, 57.12, 57.38"):
        net = models.build("tiny", weights=home / "tiny.pth")
    assert net.inputs == imagenet.inputs()
    path = Path(home, published.name)
    path.write_bytes((home / "tiny.pth").read_bytes())
    models.build("tiny", weights=path)


@pytest.mark.parametrize("name", ["plain34", "preact_resnet164"])
def test_networks_without_published_weights_say_which_have(home, name):
    have = "resnet18, resnet34, resnet50, resnet101, resnet152"
    with pytest.raises(Mistake, match=f"it has none by name; imagenet has {have}; or name a file"):
        models.build(name, weights="imagenet")
