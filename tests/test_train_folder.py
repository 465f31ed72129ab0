"""What a run does to its folder: files of others stay, and a kill at any moment loses nothing."""

import itertools
import os
import sys
from dataclasses import replace

import pytest
import torch
from stripes import RECIPE, Linear, fitted

from resnet_tutorial import files, records
from resnet_tutorial.train import Steps, loop
from resnet_tutorial.train.checkpoint import LAST, NEXT, PREVIOUS, RECORD, WEIGHTS, RunFolder

KILLED = 9


def held(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != ".lock")


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".lock"}


@pytest.mark.parametrize("name", [LAST, PREVIOUS, NEXT, RECORD, WEIGHTS])
@pytest.mark.parametrize("resume", [False, True])
def test_a_file_of_somebody_else_is_left_alone(tmp_path, name, resume):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match="choose another folder|in another folder") as caught:
        fitted(folder=tmp_path, resume=resume)
    assert contents(tmp_path) == {name: b"mine"}
    assert "delete" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [RECORD, WEIGHTS, LAST])
def test_a_file_of_somebody_else_beside_a_run_is_left_alone(tmp_path, name):
    """Their formats are right, so that only what they say tells them apart."""
    fitted(folder=tmp_path)
    if name == RECORD:
        fitted(seed=1)[1].save(tmp_path / name)
    else:
        files.write_tensors(tmp_path / name, {"w": torch.ones(2)}, {})
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="holds another run: its seed is 1|is no run's"):
        fitted(folder=tmp_path, resume=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", [".notes.partial", ".lock.old", ".record.json.partial", "a.txt"])
def test_other_files_in_the_folder_stay(tmp_path, name):
    (tmp_path / name).write_text("mine")
    fitted(folder=tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_what_a_killed_run_left_half_written_goes(tmp_path):
    (tmp_path / f".{NEXT}.123.partial").write_text("half")
    fitted(folder=tmp_path)
    assert held(tmp_path) == sorted([LAST, RECORD, WEIGHTS])


def test_a_lock_that_is_somebody_s_file_is_not_emptied(tmp_path):
    (tmp_path / ".lock").write_text("mine")
    with pytest.raises(ValueError, match="is no run's; move it away, or choose another folder"):
        fitted(folder=tmp_path)
    assert (tmp_path / ".lock").read_text() == "mine"


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("lr", [0.1, 1e30])
def test_a_run_that_has_ended_is_not_run_over_without_its_checkpoints(tmp_path, lr, resume):
    fitted(replace(RECIPE, epochs=1, lr=lr, schedule=Steps()), folder=tmp_path)
    for name in (LAST, PREVIOUS):
        (tmp_path / name).unlink(missing_ok=True)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="holds .*choose another folder"):
        fitted(folder=tmp_path, resume=resume)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["", "."])
def test_the_working_folder_is_no_folder_for_a_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="expected a folder for the run, as in runs/a"):
        fitted(folder=name)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_not_utf_8_is_refused_before_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setattr(loop.Training, "take_step", None)
    with pytest.raises(ValueError, match="is not UTF-8.*choose another folder"):
        fitted(folder=os.fsencode(tmp_path).decode() + "/\udcff")
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_nobody_s_is_named():
    with pytest.raises(ValueError, match="cannot be found.*write the whole path"):
        fitted(folder="~no_such_user_at_all/run")


def test_what_cannot_be_opened_is_not_called_broken(tmp_path):
    """A loop of links stands for missing permission, which the superuser is never refused."""
    fitted(folder=tmp_path)
    (tmp_path / LAST).replace(tmp_path / "elsewhere")
    (tmp_path / LAST).symlink_to(LAST)
    with pytest.raises(ValueError, match=f"{LAST} cannot be read .*symbolic.*readable") as caught:
        fitted(folder=tmp_path, resume=True)
    assert "another folder" not in str(caught.value)
    assert (tmp_path / LAST).is_symlink() and (tmp_path / "elsewhere").exists()


def test_one_flipped_bit_is_noticed(tmp_path):
    """In every part of the file: its header's size, the header, the JSON in it, the numbers."""
    path = tmp_path / "a.safetensors"
    tensors = {"w": torch.randn(50), "n": torch.arange(4)}
    files.write_tensors(path, tensors, {"step": 3, "curve": [0.5]})
    sound = path.read_bytes()
    for position in range(0, len(sound), 7):
        changed = bytearray(sound)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        try:
            found, about = files.read_tensors(path)
        except files.Broken as error:
            assert "\n" not in str(error)
            continue
        assert all(torch.equal(found[name], tensors[name]) for name in tensors)
        assert about.get("step", 3) == 3  # the bit was in the checksum's name, or the JSON's


@pytest.mark.parametrize("kept", [0, 1])
def test_a_flipped_bit_costs_a_checkpoint_and_not_the_run(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    whole, _ = fitted(folder=tmp_path)
    for name in (LAST, PREVIOUS)[: 2 - kept]:
        changed = bytearray((tmp_path / name).read_bytes())
        changed[-3] ^= 16
        (tmp_path / name).write_bytes(changed)
    if not kept:
        with pytest.raises(ValueError, match="checksum is wrong.*; start the run again in another"):
            fitted(folder=tmp_path, resume=True)
        return
    with pytest.warns(UserWarning, match=f"checksum is wrong.*going on from {PREVIOUS}"):
        again, _ = fitted(folder=tmp_path, resume=True)
    assert torch.equal(again.fc.weight, whole.fc.weight)


def test_equal_runs_write_equal_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(loop.Clock, "read", lambda self: (1.0, 1.0))
    for name in ("a", "b"):
        fitted(folder=tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_folder_removed_during_a_run_is_made_again(tmp_path, monkeypatch):
    folder, step = tmp_path / "run", loop.Training.take_step
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)

    def take_step(self, *arguments):
        if self.step == 7:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
        return step(self, *arguments)

    monkeypatch.setattr(loop.Training, "take_step", take_step)
    _, record = fitted(folder=folder)
    assert held(folder) == sorted([LAST, PREVIOUS, RECORD, WEIGHTS])
    assert records.load(folder / RECORD) == record


def full_after(monkeypatch, times):
    """The disk is full from that write on."""
    sync, left = os.fsync, itertools.count(times, -1)

    def fsync(number):
        if next(left) <= 0:
            raise OSError(28, "No space left on device")
        sync(number)

    monkeypatch.setattr(files.os, "fsync", fsync)


def test_a_full_disk_is_said_and_the_run_goes_on_until_it_has_to_save(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    said = f"No space left on device; make room and resume: '.*{NEXT}'"
    with monkeypatch.context() as patch:
        full_after(patch, times=2)
        with pytest.warns(UserWarning, match=f"{said}; the run goes on without"):
            with pytest.raises(OSError, match=said):
                fitted(folder=tmp_path)
    assert files.read_tensors(tmp_path / LAST)[1]["step"] == 2
    again, _ = fitted(folder=tmp_path, resume=True)
    assert torch.equal(again.fc.weight, fitted()[0].fc.weight)


# Every moment of a kill


def in_child(work, die_at=None):
    """Runs `work` in a forked process that is killed before its file operation `die_at`; how many
    operations there were."""
    pid = os.fork()
    if pid == 0:
        count = itertools.count()

        def note(event, arguments):
            if event in ("open", "os.rename", "os.remove", "os.mkdir") and next(count) == die_at:
                os._exit(KILLED)

        try:
            sys.addaudithook(note)
            work()
            os._exit(100 + next(count))
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == KILLED or code > 100, code
    return None if code == KILLED else code - 100


def save(folder, step):
    """Goes on from the folder, as a run does, and saves that step."""

    def work():
        place = RunFolder(folder)
        place.load()
        place.save({"w": torch.full((3,), float(step))}, {"step": step})

    return work


def newest(folder):
    tensors, state = RunFolder(folder).load()
    assert tensors["w"].eq(state["step"]).all()
    return state["step"]


@pytest.mark.filterwarnings("ignore:.*going on from")
@pytest.mark.parametrize("broken", [None, LAST])
def test_two_kills_between_any_two_file_operations_lose_nothing(tmp_path, broken):
    """Both the first kill and the second, in the save after it, walk over every operation."""
    places = map(tmp_path.joinpath, map(str, itertools.count()))

    def begun():
        folder = next(places)
        for step in (1, 2):
            RunFolder(folder).save({"w": torch.full((3,), float(step))}, {"step": step})
        if broken:
            (folder / broken).write_bytes(b"cut short")
        return folder

    operations = in_child(save(begun(), 3))
    assert operations >= 6  # the checkpoints that are read, the new one, and at least two renames
    least = 1 if broken else 2
    for first in range(operations):
        folder = begun()
        assert in_child(save(folder, 3), first) is None
        reached = newest(folder)
        assert reached in (least, 3)
        second = 0
        while True:
            twin = next(places)
            twin.mkdir()
            for name, content in contents(folder).items():
                (twin / name).write_bytes(content)
            if in_child(save(twin, 4), second) is not None:
                assert newest(twin) == 4
                break
            assert newest(twin) in (reached, 4)
            second += 1
        assert second >= 6


def test_a_broken_last_checkpoint_is_not_made_the_previous_one(tmp_path):
    folder = RunFolder(tmp_path)
    for step in (1, 2):
        folder.save({"w": torch.ones(1)}, {"step": step})
    (tmp_path / LAST).write_bytes(b"cut short")
    with pytest.warns(UserWarning, match="going on from previous"):
        folder.load()
    folder.save({"w": torch.ones(1)}, {"step": 3})
    steps = {name: files.read_tensors(tmp_path / name)[1]["step"] for name in (LAST, PREVIOUS)}
    assert steps == {LAST: 3, PREVIOUS: 1}


@pytest.mark.parametrize(
    "change",
    [
        {"step": -1}, {"step": 0}, {"step": 10**9}, {"step": "7"}, {"step": 2.0}, {"step": None},
        {"used": [1.0]}, {"used": None}, {"used": [-1.0, 1.0]}, {"curve": []}, {"curve": [{}] * 3},
        {"curve": None}, {"curve": [{"train_loss": 1.0}] * 3}, {"run": None}, {"run": {}},
    ],
)  # fmt: skip
def test_a_senseless_checkpoint_is_refused_in_one_line(tmp_path, change):
    fitted(folder=tmp_path)
    tensors, state = files.read_tensors(tmp_path / LAST)
    files.write_tensors(tmp_path / LAST, tensors, {**state, **change})
    with pytest.raises(ValueError, match="is not sound .*another folder|is no run's") as caught:
        fitted(folder=tmp_path, resume=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("model.fc.weight"),
        lambda t: t.pop("momentum.fc.bias"),
        lambda t: t.pop("losses"),
        lambda t: t.update(more=torch.ones(1)),
        lambda t: t.update({"model.fc.weight": torch.ones(1, 16)}),
        lambda t: t.update({"model.fc.weight": torch.ones(2, 16, dtype=torch.int64)}),
        lambda t: t.update({"momentum.fc.bias": torch.ones(3)}),
        lambda t: t.update(losses=torch.ones(1)),
        lambda t: t["model.fc.bias"].fill_(torch.nan),
    ],
)
def test_a_checkpoint_with_wrong_tensors_is_refused_and_nothing_is_loaded(tmp_path, change):
    fitted(folder=tmp_path)
    tensors, state = files.read_tensors(tmp_path / LAST)
    change(tensors)
    files.write_tensors(tmp_path / LAST, tensors, state)
    model = Linear()
    with pytest.raises(ValueError, match="is not sound .*start the run again in another folder"):
        fitted(model=model, folder=tmp_path, resume=True)
    assert torch.equal(model.fc.weight, Linear().fc.weight)
