import json
import os

import pytest
import torch
from safetensors.torch import save_file

from resnet_tutorial import data, experiments, models, names, train
from resnet_tutorial.models import weights
from resnet_tutorial.train.recipe import Cosine, Recipe


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.manual_seed(0)
    net = models.build("resnet8", in_channels=1)
    recipe = Recipe(epochs=1, batch_size=400, schedule=Cosine(warmup=1))
    record = train.fit(net, data.load("digits"), recipe, device="cpu")
    path = tmp_path_factory.mktemp("weights") / "resnet8.safetensors"
    weights.save(path, net, record, torch.float16)
    return net, record, path


def test_saved_weights_build_the_same_network_with_its_classes_and_channels(trained):
    net, record, path = trained
    again = models.build("resnet8", weights=path)
    assert again.conv1.in_channels == 1 and again.training
    for name, value in net.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=2**-11, atol=1e-7)
        assert again.state_dict()[name].dtype == value.dtype
    about = weights.load(path)[1]
    assert about["test_error"] == record.test_error and about["model"] == "resnet8"
    assert about["recipe"] == json.loads(json.dumps(record.recipe))


@pytest.mark.parametrize(
    "name, settings, message",
    [
        ("resnet20", {}, "another network's weights: it was trained as resnet8, asked .* resnet20"),
        ("plain8", {}, "another network's weights: it was trained as resnet8, asked .* plain8"),
        (
            "resnet8",
            {"in_channels": 3},
            r"conv1.weight should be \(16, 3, 3, 3\), is \(16, 1, 3, 3.* images of 1 channel$",
        ),
        ("resnet8", {"widths": (8, 16, 32)}, r"with the parts of the name, asked for are .*widths"),
        ("resnet50", {}, "another network's weights"),
    ],
)
def test_weights_of_another_network_are_refused(trained, name, settings, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, weights=trained[2], **settings)


def test_a_file_of_tensors_alone_is_enough(trained, tmp_path):
    """As another program writes them, a converted checkpoint for example."""
    path = tmp_path / "plain.safetensors"
    save_file(weights.load(trained[2])[0], path)
    built = models.build("resnet8", weights=path, in_channels=1)
    assert weights.load(path)[1] == {}
    for name, value in weights.load(trained[2])[0].items():
        assert torch.equal(built.state_dict()[name], value)


def test_unknown_and_truncated_weights(trained, tmp_path):
    with pytest.raises(
        ValueError, match="'x'; there are fashion_mnist, tiny-imagenet-150; or name a file, as in"
    ):
        models.build("resnet20", weights="x")
    with pytest.raises(ValueError, match="'imagenet'; there are .*; imagenet has resnet18, .*152;"):
        models.build("resnet20", weights="imagenet")
    with pytest.raises(ValueError, match="it has none by name; fashion_mnist has plain20, .*res"):
        models.build("resnet8", weights="fashion_mnist")
    with pytest.raises(ValueError, match="none.safetensors cannot be read"):
        models.build("resnet20", weights=tmp_path / "none.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(trained[2].read_bytes()[:-10])
    with pytest.raises(ValueError, match="cut.safetensors cannot be read"):
        models.build("resnet8", weights=cut)


def test_the_head_for_other_classes_is_a_new_one_and_said_so(trained):
    torch.manual_seed(5)
    fresh = models.build("resnet8", 7, in_channels=1)
    torch.manual_seed(5)
    with pytest.warns(UserWarning, match="head for 10 classes was replaced by a new one for 7$"):
        net = models.build("resnet8", 7, weights=trained[2])
    old = weights.load(trained[2])[0]
    for name, value in net.state_dict().items():
        expected = fresh.state_dict() if name.startswith("fc.") else old
        assert torch.equal(value, expected[name])


def test_a_file_without_a_description_is_told_by_its_shapes(trained, tmp_path):
    """Whose network it is, as far as shapes say: those of a plain net are the residual one's."""
    path = tmp_path / "plain.safetensors"
    save_file(weights.load(trained[2])[0], path)
    with pytest.raises(ValueError, match="another network's .*; they fit plain8, resnet8$"):
        models.build("resnet20", weights=path)
    with pytest.raises(ValueError, match="exchange the same parts"):
        models.build("resnet8", weights=path, widths=(8, 16, 32))
    save_file({"encoder.0.weight": torch.ones(3)}, path)
    with pytest.raises(ValueError, match="should be called as torchvision calls them: conv1.weig"):
        models.build("resnet8", weights=path)


def test_the_folder_of_a_run_is_enough(trained, tmp_path):
    with pytest.raises(ValueError, match="model.safetensors does not exist; name the folder of a"):
        models.build("resnet8", weights=tmp_path)
    (tmp_path / "model.safetensors").write_bytes(trained[2].read_bytes())
    assert models.build("resnet8", weights=tmp_path).in_channels == 1


SHIPPED = [
    pytest.param(model, name, id=f"{model}-{name}")
    for model in models.ARCHITECTURES
    for name in weights.available(model)
]


def test_the_four_networks_of_the_depth_sweep_are_shipped():
    for model in ("resnet20", "plain20", "resnet56", "plain56"):
        assert "fashion_mnist" in weights.available(model)


@pytest.mark.parametrize("model, name", SHIPPED)
def test_shipped_weights_are_those_of_a_recorded_run(model, name):
    tensors, about = weights.load(weights.find(model, name))
    record = next(r for r in experiments.recorded(about["experiment"])
                  if (r.model, r.seed) == (model, about["seed"]))  # fmt: skip
    assert (about["model"], about["data"]) == (model, name)
    assert about["data_fingerprint"] == record.data_fingerprint == data.FINGERPRINTS[name]
    assert (about["recipe"], about["test_error"]) == (record.recipe, record.test_error)
    assert all(value.isfinite().all() for value in tensors.values() if value.is_floating_point())
    assert os.path.getsize(weights.find(model, name)) < 2.1 * record.parameters + 40_000


@pytest.mark.parametrize("model, name", SHIPPED)
def test_shipped_weights_make_the_errors_that_they_state(model, name):
    """Half precision may move a few of 10,000 answers, no more: where the data lie here."""
    try:
        dataset = data.load(name)
    except (ValueError, ConnectionError) as error:
        pytest.skip(f"{name} is not on this machine: {error}"[:120])
    about = weights.load(weights.find(model, name))[1]
    recipe = Recipe(per_pixel_mean=about["recipe"]["per_pixel_mean"])
    runs = experiments.EXPERIMENTS[about["experiment"]].runs
    parts = next(run.parts for run in runs if (run.model, run.seed) == (model, about["seed"]))
    net = models.build(model, weights=name, **dict(parts))
    images = train.Batches.of(dataset, dataset.test.take(slice(2000)), "cpu", recipe)
    expected = about["test_error"]
    deviation = (expected * (1 - expected) / 2000) ** 0.5
    assert abs(train.error(net, images) - expected) < 4 * deviation


def test_the_names_list_what_exists():
    for model in models.ARCHITECTURES:
        for name in weights.available(model):
            assert weights.find(model, name).is_file()
    with pytest.raises(ValueError, match="unknown"):
        names.lookup(weights.available("resnet1202"), "x", "weights")
