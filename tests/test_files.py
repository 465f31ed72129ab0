"""Files appear whole or not at all, and equal contents as equal bytes."""

import io
import os
import stat
from pathlib import Path

import pytest
import torch

from resnet_tutorial import files


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with files.replacing(path) as file:
        file.write(b"new, and longer")
        assert path.read_bytes() == b"old"
        assert [p.name for p in tmp_path.glob(files.PARTIAL)] == [f".a.{os.getpid()}.partial"]
    assert path.read_bytes() == b"new, and longer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_no_debris(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), files.replacing(path) as file:
        file.write(b"half")
        raise KeyError

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), files.replacing(path) as file:
        file.write(b"all of it")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o027, 0o640)])
def test_who_may_read_a_file_is_the_user_s_to_say(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with files.replacing(tmp_path / "a") as file:
            file.write(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_tensors_come_back_as_they_were(tmp_path):
    tensors = {
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "count": torch.tensor(7),
    }
    files.write_tensors(tmp_path / "a", tensors, {"step": 3, "curve": [{"loss": 0.5}]})
    found, about = files.read_tensors(tmp_path / "a")
    assert about == {"step": 3, "curve": [{"loss": 0.5}]}
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(found[name], value) and found[name].dtype == value.dtype


def test_equal_contents_are_equal_bytes_in_whatever_order_they_came(tmp_path):
    """The library's header has an order that is drawn for each file."""
    names = ["a", "b", "c", "d"]
    for i in range(16):
        names.reverse()
        tensors = {name: torch.full((2,), float(ord(name))) for name in names}
        files.write_tensors(tmp_path / str(i), tensors, dict.fromkeys(names, 1))
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_what_is_no_file_of_tensors_is_named_in_one_line(tmp_path):
    (tmp_path / "a").write_bytes(b"{}" * 99)
    for name in ("a", "absent"):
        with pytest.raises(ValueError, match=f"{name} cannot be read") as caught:
            files.read_tensors(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_file_that_is_replaced_while_it_is_read_is_read_as_it_was(tmp_path, monkeypatch):
    """Whatever looks at the path a second time finds another file there."""
    path = tmp_path / "last.safetensors"
    files.write_tensors(path, {"w": torch.ones(2)}, {"step": 1})
    real = io.open

    def open_and_replace(file, *arguments, **settings):
        opened = real(file, *arguments, **settings)
        if Path(file) == path:
            monkeypatch.undo()
            files.write_tensors(path, {"w": torch.full((3,), 2.0)}, {"step": 2})
        return opened

    monkeypatch.setattr("io.open", open_and_replace)
    monkeypatch.setattr("builtins.open", open_and_replace)
    found, about = files.read_tensors(path)
    assert about == {"step": 1} and found["w"].tolist() == [1, 1]
    assert files.read_tensors(path)[1] == {"step": 2}
