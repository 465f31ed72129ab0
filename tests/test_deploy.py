"""Folding is exact, and an ONNX file answers as the network does."""

import importlib.util
import json
import subprocess
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from resnet_tutorial import data, deploy, models
from resnet_tutorial.cli import main
from resnet_tutorial.deploy import (
    FromPixels,
    export_onnx,
    fold,
    fold_batch_norm,
    onnx_file,
)
from resnet_tutorial.models import weights

DIGITS = data.load("digits")
SMALL = {"stage_sizes": (2, 1), "widths": (4, 8)}
NETS = {
    "plain": {"block": models.PlainBlock},
    "option A": {},
    "option B": {"shortcut": models.option_b},
    "option C": {"shortcut": models.option_c},
    "dropped branch": {"block": models.DroppedBranchBlock},
    "dropped shortcut": {"shortcut": models.option_a_dropped},
    "forgotten": {"shortcut": models.option_a_forgotten},
    "bottleneck": {"block": models.Bottleneck},
    "bottleneck, option C": {"block": models.Bottleneck, "shortcut": models.option_c},
    "bottleneck v1": {"block": models.BottleneckV1, "shortcut": models.option_b},
    "imagenet stem": {"stem": models.imagenet_stem},
    "pre-activation": {"block": models.PreActBasicBlock},
    "pre-activation bottleneck": {
        "block": models.PreActBottleneck,
        "shortcut": models.option_b_preact,
    },
}


def build(**parts):
    """A small net in evaluation mode, float64, with averages, scales and shifts of all sizes."""
    torch.manual_seed(0)
    name = "plain8" if parts.get("block") is models.PlainBlock else "resnet8"
    net = models.build(name, **{**SMALL, **parts}).double().eval()
    for norm in norms(net):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.1, 3)
        nn.init.uniform_(norm.weight, -2, 2)
        nn.init.normal_(norm.bias)
    return net


def norms(net):
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def gap(a, b, x):
    with torch.no_grad():
        expected = a(x)
        return ((b(x) - expected).abs().max() / expected.abs().max()).item()


# Folding


@pytest.mark.parametrize("settings", [{}, {"bias": True}, {"groups": 2}, {"stride": 2}])
@pytest.mark.parametrize("affine", [True, False])
def test_a_pair_is_folded_as_torch_folds_it(settings, affine):
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3, padding=1, **settings).double()
    norm = nn.BatchNorm2d(6, eps=0.3, affine=affine).double().eval()
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.1, 3)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    before = [value.clone() for value in (*conv.state_dict().values(), *norm.state_dict().values())]
    folded, x = fold(conv, norm), torch.randn(2, 4, 7, 5).double()
    assert (folded(x) - norm(conv(x))).abs().max() < 1e-12
    if affine:
        theirs = fuse_conv_bn_eval(conv.eval(), norm)
        assert torch.allclose(folded.weight, theirs.weight, atol=1e-14)
        assert torch.allclose(folded.bias, theirs.bias, atol=1e-14)
    after = (*conv.state_dict().values(), *norm.state_dict().values())
    assert all(map(torch.equal, before, after))


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(6, track_running_stats=False), nn.BatchNorm2d(4)])
def test_a_norm_without_averages_or_of_other_channels_is_refused(norm):
    with pytest.raises(ValueError, match="expected a batch norm with averages of 6 channels"):
        fold(nn.Conv2d(4, 6, 3), norm.eval())


@pytest.mark.parametrize("parts", NETS.values(), ids=NETS)
def test_a_folded_net_computes_the_same(parts):
    net = build(**parts)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    folded = fold_batch_norm(net)
    x = torch.randn(3, 3, 2 * net.stride + 1, 2 * net.stride).double()
    assert gap(net, folded, x) < 1e-12
    assert not folded.training
    after = net.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize("parts", NETS.values(), ids=NETS)
def test_the_norms_behind_an_addition_stay_and_no_other(parts):
    net = build(**parts)
    left = {name for name, m in fold_batch_norm(net).named_modules() if m in set(norms(net)) or
            isinstance(m, nn.BatchNorm2d)}  # fmt: skip
    behind = {f"{name}.bn1" for name, _ in net.blocks()[1:]} | {"bn2"}
    preact = parts.get("block") in (models.PreActBasicBlock, models.PreActBottleneck)
    assert left == (behind if preact else set())


def test_every_named_network_is_folded():
    """On the two smallest of each kind: a norm of a residual net is gone, half of the others'."""
    for name, left in {"plain8": 0, "resnet8": 0, "preact_resnet110": 54, "resnet18": 0}.items():
        torch.manual_seed(0)
        assert len(norms(fold_batch_norm(models.build(name).eval()))) == left


def test_parameters_and_depth_of_a_folded_net():
    net = build()
    folded = fold_batch_norm(net)
    channels = sum(norm.num_features for norm in norms(net))
    count = [sum(p.numel() for p in n.parameters()) for n in (net, folded)]
    assert count[0] - count[1] == channels  # gamma and beta go, a bias comes
    assert [name for name, _ in folded.blocks()] == [name for name, _ in net.blocks()]


class TwiceRead(models.BasicBlock):
    """What conv1 gives is read by bn1 and again by the addition."""

    def branch(self, x):
        f = self.conv1(x)
        return f + self.bn2(self.conv2(torch.relu(self.bn1(f))))

    def forward(self, x):
        return torch.relu(self.branch(x))


class TwiceCalled(models.PlainBlock):
    """conv2 is used twice, once behind each norm."""

    def branch(self, x):
        f = self.bn1(self.conv1(x))
        f = self.bn2(self.conv2(f))
        return self.conv2(f)


class Scaled(nn.BatchNorm2d):
    """A norm of its own making."""

    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "block, left", [(TwiceRead, {"bn1"}), (TwiceCalled, {"bn2"})], ids=lambda value: str(value)
)
def test_what_is_read_or_called_twice_is_not_folded(block, left):
    net = build(block=block)
    folded = fold_batch_norm(net)
    kept = {name for name, m in folded.layer1[0].named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert kept == left
    assert gap(net, folded, torch.randn(2, 3, 8, 8).double()) < 1e-12


def test_a_norm_of_another_class_is_left_alone():
    net = build()
    net.layer1[0].bn1 = Scaled(4).double().eval()
    folded = fold_batch_norm(net)
    assert type(folded.layer1[0].bn1) is Scaled
    assert gap(net, folded, torch.randn(2, 3, 8, 8).double()) < 1e-12


def test_half_precision_weights_stay_half():
    net = build().bfloat16()
    assert {p.dtype for p in fold_batch_norm(net).parameters()} == {torch.bfloat16}


def broken(value):
    net = build()
    with torch.no_grad():
        net.layer1[0].bn1.running_var[2] = value
    return net


def partly_training():
    net = build()
    net.layer2[0].bn2.train()
    return net


@pytest.mark.parametrize(
    "net, said",
    [
        (build().train(), "expected a network in evaluation mode, but it is in training mode"),
        (partly_training(), "but layer2.0.bn2 is in training mode"),
        (broken(float("nan")), "layer1.0.bn1.running_var is not finite everywhere"),
        (broken(float("inf")), "layer1.0.bn1.running_var is not finite everywhere"),
    ],
)
def test_a_net_that_is_not_ready_is_refused(net, said, tmp_path):
    inputs = DIGITS.in_colors().inputs()
    for attempt in (fold_batch_norm, lambda n: export_onnx(n, tmp_path / "a.onnx", inputs)):
        with pytest.raises(ValueError, match=said):
            attempt(net)
    assert not list(tmp_path.iterdir())


# Pixels


def test_pixels_are_normalised_as_the_data_set_does_it():
    net = build(in_channels=1).float()
    pixels = DIGITS.test.images[:20]
    for per_pixel in (False, True):
        mean = DIGITS.pixel_mean if per_pixel else DIGITS.mean
        expected = net(torch.from_numpy((pixels - mean) / DIGITS.std))
        whole = FromPixels(net, DIGITS.inputs(per_pixel))
        probabilities, scores = whole(torch.from_numpy(pixels))
        assert torch.equal(scores, expected)
        assert torch.equal(probabilities, expected.softmax(1))


# Files


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A pre-activation net and its file: the exporter cannot fold all of its norms away."""
    net = build(in_channels=1, block=models.PreActBasicBlock)
    path = tmp_path_factory.mktemp("onnx") / "a.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gap = export_onnx(net, path, DIGITS.inputs())
    return net, path, gap


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_onnxruntime_agrees_at_every_batch_size(exported):
    net, path, gap = exported
    whole = FromPixels(net.double(), DIGITS.inputs()).double()
    for n in (1, 2, 7, 100):
        pixels = DIGITS.test.images[:n]
        found = session(path).run(["probabilities", "logits"], {"pixels": pixels})
        with torch.no_grad():
            expected = whole(torch.from_numpy(pixels))
        for a, b in zip(found, expected, strict=True):
            assert a.shape == (n, 10)
            assert np.abs(a - b.numpy()).max() < 1e-4 * b.abs().max()
    assert 0 < gap < 1e-5


def test_a_file_says_what_it_takes_and_gives(exported):
    _, path, _ = exported
    about = session(path).get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == list(DIGITS.classes)
    assert json.loads(about["mean"]) == [[[pytest.approx(DIGITS.mean.item())]]]
    assert json.loads(about["std"]) == [[[pytest.approx(DIGITS.std.item())]]]
    assert json.loads(about["shape"]) == [1, 8, 8] and json.loads(about["model"]) == "resnet8"
    [taken] = session(path).get_inputs()
    assert (taken.name, taken.type, taken.shape) == ("pixels", "tensor(uint8)", ["n", 1, 8, 8])


def test_a_file_holds_the_weights_and_no_path_of_the_machine_that_wrote_it(exported):
    net, path, _ = exported
    contents = path.read_bytes()
    assert b"site-packages" not in contents and str(deploy.__file__).encode() not in contents
    assert b"forward" not in contents  # of the lines of code that the exporter notes
    weights = sum(4 * value.numel() for value in net.state_dict().values())
    assert len(contents) < weights + 10_000
    onnx.checker.check_model(onnx.load(path), full_check=True)


@pytest.mark.parametrize(
    "wrong",
    [
        DIGITS.test.images[:2].astype(np.float32) / 16,
        DIGITS.test.images[0],
        DIGITS.test.images[:2].transpose(0, 2, 3, 1),
        np.zeros((2, 1, 9, 9), np.uint8),
    ],
    ids=["floats", "one image", "channels last", "another size"],
)
def test_pixels_in_another_form_are_refused_by_the_file(exported, wrong):
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):
        session(exported[1]).run(None, {"pixels": wrong})


def test_a_file_that_answers_otherwise_is_not_written(monkeypatch, tmp_path):
    whole = onnx_file._onnx

    def other(net, pixels, about):
        net.net.fc.bias.data[3] += 0.01
        return whole(net, pixels, about)

    monkeypatch.setattr(onnx_file, "_onnx", other)
    with pytest.raises(ValueError, match="onnxruntime and torch differ by"):
        export_onnx(build(in_channels=1), tmp_path / "a.onnx", DIGITS.inputs())
    assert not list(tmp_path.iterdir())


def test_without_onnxruntime_the_file_is_written_untried(monkeypatch, tmp_path):
    hide(monkeypatch, "onnxruntime")
    path = tmp_path / "a.onnx"
    assert export_onnx(build(in_channels=1), path, DIGITS.inputs()) is None
    assert path.stat().st_size > 1000


def hide(monkeypatch, *names):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in names else found(name, *a)
    )


def test_without_the_libraries_one_line_says_what_to_install(monkeypatch, tmp_path):
    hide(monkeypatch, "onnx", "onnxscript")
    with pytest.raises(ValueError, match=r'pip install "resnet_tutorial\[onnx\]"'):
        export_onnx(build(in_channels=1), tmp_path / "a.onnx", DIGITS.inputs())


def test_an_old_torch_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(ValueError, match="needs torch 2.6 or later, this is 2.5.1"):
        export_onnx(build(in_channels=1), tmp_path / "a.onnx", DIGITS.inputs())


def test_another_number_of_names_than_classes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected 7 class names, .* got 10"):
        export_onnx(build(in_channels=1, num_classes=7), tmp_path / "a.onnx", DIGITS.inputs())


def test_importing_needs_no_onnx():
    code = "import sys; sys.modules['onnx'] = sys.modules['onnxruntime'] = None\n"
    code += "import resnet_tutorial.deploy"
    subprocess.run([sys.executable, "-c", code], check=True)


# The command


@pytest.fixture
def run(tmp_path):
    """The folder of a run on the digits; what its file says may be changed."""

    def write(**changed):
        from resnet_tutorial import files

        torch.manual_seed(0)
        net = models.build("resnet8", in_channels=1)
        about = {"model": "resnet8", "data": "digits", "recipe": {}}
        about |= {"inputs": DIGITS.inputs().as_dict()} | changed
        about = {name: value for name, value in about.items() if value is not None}
        files.write_tensors(tmp_path / "model.safetensors", net.state_dict(), about)
        return tmp_path

    return write


def test_a_run_is_exported(run, capsys):
    folder = run()
    assert main(["export", str(folder), str(folder / "a.onnx")]) == 0
    said = capsys.readouterr().out
    assert "takes pixels, uint8 (n, 1, 8, 8)" in said and "10 classes" in said
    assert "onnxruntime agrees with torch: largest difference" in said
    net = models.build("resnet8", weights=folder / "model.safetensors").eval()
    with torch.no_grad():
        expected = net(torch.from_numpy(DIGITS.normalize(DIGITS.test.images)))
    [found] = session(folder / "a.onnx").run(["logits"], {"pixels": DIGITS.test.images})
    assert np.abs(found - expected.numpy()).max() < 1e-4 * expected.abs().max()


def seen_by(monkeypatch):
    """What the command hands to the exporter, which is not run."""
    given = []

    def written(net, path, inputs):
        given.append((net, inputs))
        path.write_bytes(b"")

    monkeypatch.setattr(deploy, "export_onnx", written)
    return given


def test_the_images_are_those_of_the_data_that_are_named(run, monkeypatch, capsys):
    folder, given = run(data="folder:photos"), seen_by(monkeypatch)
    assert main(["export", str(folder), str(folder / "a.onnx"), "--data", "digits"]) == 0
    [(net, inputs)] = given
    assert inputs == DIGITS.inputs()
    assert not net.training
    assert "onnxruntime is not installed, so the file was not tried" in capsys.readouterr().out


def test_the_mean_image_is_subtracted_where_the_training_did(run, monkeypatch):
    given = seen_by(monkeypatch)
    folder = run(recipe={"per_pixel_mean": True}, inputs=None)
    main(["export", str(folder), str(folder / "a.onnx"), "--data", "digits"])
    assert given[0][1] == DIGITS.inputs(per_pixel_mean=True)


@pytest.mark.parametrize(
    "changed, words, said",
    [
        ({"model": None}, [], "does not say which network it is; give model"),
        ({"inputs": None}, [], "give the data set that it was trained on: "),
        ({}, ["--model", "resnet9"], "unknown model 'resnet9'; nearest: "),
        ({}, ["--model", "resnet20"], "holds another network's weights"),
    ],
)
def test_mistakes_are_told_in_one_line(run, capsys, changed, words, said):
    folder = run(**changed)
    assert main(["export", str(folder), str(folder / "a.onnx"), *words]) == 2
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1


@pytest.mark.parametrize(
    "path, said", [("nowhere/a.onnx", "there is no folder"), (".", "got a folder")]
)
def test_a_place_that_is_none_is_told(run, capsys, path, said):
    folder = run()
    assert main(["export", str(folder), str(folder / path)]) == 2
    assert said in capsys.readouterr().err


def test_weights_that_are_shipped_can_be_folded():
    """A trained net: averages as training leaves them."""
    net = models.build("resnet20", weights="fashion_mnist").double().eval()
    x = torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(0)).double()
    assert weights.find("resnet20", "fashion_mnist").exists()
    assert gap(net, fold_batch_norm(net), x) < 1e-12
