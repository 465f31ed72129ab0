"""Files of weights that PyTorch wrote: what is understood, and that nothing in them is run."""

import io
import os
import pickle
import tarfile

import pytest
import torch

from resnet_tutorial import Mistake, models
from resnet_tutorial.models import pth, weights

SMALL = {"widths": (4, 8, 8)}


def small(num_classes=5):
    torch.manual_seed(0)
    return models.build("resnet8", num_classes, **SMALL)


def written(path, content, **settings):
    torch.save(content, path, **settings)
    return path


def same(net, state):
    found = net.state_dict()
    return all(torch.equal(found[name], value) for name, value in state.items())


class Program:
    """What makes a pickle write a file when it is loaded."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_a_state_dict_builds_the_network(tmp_path):
    state = small().state_dict()
    path = written(tmp_path / "small.pth", state)
    net = models.build("resnet8", weights=path, **SMALL)
    assert same(net, state) and net.fc.out_features == 5 and net.inputs is None


def test_files_from_before_batches_were_counted(tmp_path):
    """So are those that torchvision publishes: parameters, and no num_batches_tracked."""
    state = {k: v for k, v in small().state_dict().items() if not k.endswith("num_batches_tracked")}
    state = {k: torch.nn.Parameter(v) if k.endswith("weight") else v for k, v in state.items()}
    net = models.build("resnet8", weights=written(tmp_path / "a.pth", state), **SMALL)
    assert same(net, state) and net.bn1.num_batches_tracked == 0


@pytest.mark.parametrize("key", pth.NESTED)
def test_the_weights_in_a_checkpoint_are_found_and_said_so(tmp_path, key):
    state = small().state_dict()
    content = {"epoch": 3, key: state, "optimizer": {"state": {}}}
    with pytest.warns(UserWarning, match=f"a.pth is a checkpoint; its weights are under '{key}'"):
        found = pth.load(written(tmp_path / "a.pth", content))
    assert found.keys() == state.keys()


def test_the_prefix_of_several_devices_is_taken_off_and_said_so(tmp_path):
    state = {f"module.{name}": value for name, value in small().state_dict().items()}
    with pytest.warns(UserWarning, match="a.pth: took the prefix 'module.' off all names"):
        net = models.build("resnet8", weights=written(tmp_path / "a.pth", state), **SMALL)
    assert same(net, small().state_dict())


@pytest.mark.parametrize("place", ["alone", "beside tensors"])
def test_a_program_in_the_pickle_is_refused_and_not_run(tmp_path, place):
    trap = tmp_path / "made"
    content = Program(trap)
    if place == "beside tensors":
        content = {**small().state_dict(), "epoch": content}
    path = written(tmp_path / "trap.pth", content)
    with pytest.raises(Mistake, match="could run a program; nothing of it was run") as caught:
        models.build("resnet8", weights=path, **SMALL)
    assert "mkdir" in str(caught.value) and "\n" not in str(caught.value)
    assert not trap.exists()
    torch.load(path, weights_only=False)  # that the trap is one
    assert trap.exists()


def test_a_whole_network_is_refused_with_what_to_save_instead(tmp_path):
    path = written(tmp_path / "net.pth", torch.nn.Linear(2, 2))
    with pytest.raises(Mistake, match=r"torch.nn.modules.linear.Linear\).*net.state_dict\(\)"):
        pth.load(path)


def bare(path):
    return written(path, small().state_dict(), _use_new_zipfile_serialization=False)


def archive(path):
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    return path


def pickled(path):
    path.write_bytes(pickle.dumps(Program(path.parent / "made"), protocol=4))
    return path


@pytest.mark.parametrize("make", [bare, archive, pickled])
def test_older_formats_are_refused_with_the_line_that_converts(tmp_path, make):
    with pytest.raises(Mistake, match="format of PyTorch before 1.6.*weights_only=True"):
        pth.load(make(tmp_path / "old.pth"))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "is empty"),
        (b"<!doctype html><html>", "a web page that was saved in its place"),
        (b"PK\3\4 and nothing more", "cut short or damaged"),
    ],
)
def test_what_is_no_such_file_is_told(tmp_path, content, said):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(Mistake, match=said):
        pth.load(path)


def test_a_file_cut_short_is_told(tmp_path):
    path = written(tmp_path / "a.pth", small().state_dict())
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 100):
        path.write_bytes(whole[:length])
        with pytest.raises(Mistake, match="cut short or damaged"):
            pth.load(path)


@pytest.mark.parametrize(
    "content, said",
    [
        ([torch.ones(2)], "should hold tensors by name, holds list"),
        (torch.ones(2), "should hold tensors by name, holds Tensor"),
        ({}, "should hold tensors by name, holds dict"),
        ({"a": torch.ones(2), "epoch": 3}, "but 'epoch' is int"),
        ({"a": torch.tensor(float("nan"))}, "a is not finite everywhere"),
    ],
)
def test_what_is_no_table_of_tensors_is_told(tmp_path, content, said):
    with pytest.raises(Mistake, match=said):
        weights.load(written(tmp_path / "a.pth", content))


def test_another_architecture_is_named_where_one_fits(tmp_path):
    path = written(tmp_path / "b.pth", models.build("resnet8", 3, in_channels=1).state_dict())
    with pytest.raises(Mistake, match="another network's weights.*; they fit plain8, resnet8$"):
        models.build("resnet20", weights=path)
    path = written(tmp_path / "b.pth", {"conv1.weight": torch.ones(7, 3, 3, 3)})
    with pytest.raises(Mistake, match="no network that has a name here has them"):
        models.build("resnet20", weights=path)
