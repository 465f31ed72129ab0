"""What a stopped, killed or starved run leaves on the disk, and that it goes on from there."""

import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import training_script
from torch import nn

from resnet_tutorial import data, files, records, train
from resnet_tutorial.train import loop
from resnet_tutorial.train.checkpoint import LAST, PREVIOUS, RECORD, WEIGHTS, RunFolder
from resnet_tutorial.train.recipe import Recipe

SCRIPT = Path(training_script.__file__)


def start(*arguments):
    command = [sys.executable, SCRIPT, *arguments]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, **pipes, text=True)


def fitted(folder=None, recipe=None, **settings):
    net, recipe = training_script.network(), recipe or training_script.recipe()
    return net, train.fit(net, data.load("digits"), recipe, device="cpu", folder=folder, **settings)


def same_weights(folder, net):
    found, _ = files.read_tensors(folder / WEIGHTS)
    assert found.keys() == net.state_dict().keys()
    return all(torch.equal(found[name], value) for name, value in net.state_dict().items())


def brief(epochs):
    return Recipe(epochs=epochs, batch_size=400, schedule=train.Cosine(warmup=1))


@pytest.fixture(scope="module")
def whole():
    """The run that was never stopped; one thread, as in the script."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    net, record = fitted()
    torch.set_num_threads(threads)
    return net, record


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def curve(record):
    return [(e.train_loss, e.train_error, e.test_error) for e in record.curve]


class Server:
    """Forks runs of the script; `child` gives the exit code of one that may be killed."""

    def __init__(self, process):
        self.process = process
        assert process.stdout.readline() == "ready\n"

    def child(self, folder, kill_after=None):
        self.process.stdin.write(f"{folder}\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(pid, signal.SIGKILL)
        return int(self.process.stdout.readline())


def test_killed_at_twenty_random_moments_and_resumed_it_learns_the_same_bits(tmp_path):
    """Dropout, augmentation, shuffling, momentum, position in the epoch: all of it goes on."""
    whole, killed, draw = tmp_path / "whole", tmp_path / "killed", random.Random(0)
    with start() as process:
        server = Server(process)
        begun = time.perf_counter()
        assert server.child(whole) == 0
        longest = (time.perf_counter() - begun) / 10
        codes = [server.child(killed, draw.uniform(0, longest)) for _ in range(20)]
        assert server.child(killed) == 0
        process.communicate()
    assert codes.count(-signal.SIGKILL) >= 10  # the others found the run finished
    assert (killed / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    assert curve(records.load(killed / RECORD)) == curve(records.load(whole / RECORD))
    assert not list(killed.glob(".*.partial"))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on_to_the_same_weights(
    tmp_path, whole, one_thread, signum
):
    with start(tmp_path) as process:
        while not (tmp_path / PREVIOUS).exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signum)
        _, stderr = process.communicate(timeout=60)
    stopped = re.fullmatch(r"stopped: stopped after step (\d+) of 80; resume .*\n", stderr)
    assert process.returncode == 1 and stopped, stderr
    assert files.read_tensors(tmp_path / LAST)[1]["step"] == int(stopped[1])
    fitted(tmp_path, resume=True)
    assert same_weights(tmp_path, whole[0])


def interrupt_at(monkeypatch, step):
    """Sends this process Ctrl-C in that step."""
    original = loop.Training.take_step

    def take_step(self, forward, batch):
        if self.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, forward, batch)

    monkeypatch.setattr(loop.Training, "take_step", take_step)


@pytest.mark.parametrize("step", [0, 7, 19, 20, 45])
def test_stopped_inside_and_at_the_end_of_an_epoch(tmp_path, whole, monkeypatch, one_thread, step):
    """An epoch has 20 steps: step 19 is the last of the first."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, step)
        with pytest.raises(train.Interrupted, match=f"stopped after step {step + 1} of 80"):
            fitted(tmp_path)
    net, record = fitted(tmp_path, resume=True)
    assert all(
        torch.equal(a, b) for a, b in zip(net.parameters(), whole[0].parameters(), strict=True)
    )
    assert curve(record) == curve(whole[1])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_finished_run_is_not_run_again(tmp_path, whole, one_thread, monkeypatch):
    fitted(tmp_path)
    monkeypatch.setattr(loop.Training, "take_step", None)
    net, record = fitted(tmp_path, resume=True)
    assert curve(record) == curve(whole[1]) and same_weights(tmp_path, net)


@pytest.mark.parametrize("cut", ["half", "empty", "garbage"])
def test_a_broken_checkpoint_is_named_and_the_previous_one_used(
    tmp_path, whole, monkeypatch, one_thread, cut
):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 30)
        with pytest.raises(train.Interrupted):
            fitted(tmp_path)
    contents = (tmp_path / LAST).read_bytes()
    broken = {"half": contents[: len(contents) // 2], "empty": b"", "garbage": b"{}" * 999}[cut]
    (tmp_path / LAST).write_bytes(broken)
    with pytest.warns(UserWarning, match=rf"{LAST} cannot be read .*going on from {PREVIOUS}"):
        net, _ = fitted(tmp_path, resume=True)
    assert all(
        torch.equal(a, b) for a, b in zip(net.parameters(), whole[0].parameters(), strict=True)
    )


def test_two_broken_checkpoints_are_named(tmp_path):
    for name in (LAST, PREVIOUS):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=f"{LAST} cannot.*{PREVIOUS} cannot.*start the run again"):
        fitted(tmp_path, resume=True)


def test_a_full_disk_costs_no_checkpoint(tmp_path, monkeypatch):
    tensors = {"w": torch.ones(3)}
    with RunFolder(tmp_path) as folder:
        folder.save(tensors, {"step": 1})
        folder.save(tensors, {"step": 2})

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(files.os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device"):
            folder.save(tensors, {"step": 3})
        monkeypatch.undo()
        assert folder.load()[1] == {"step": 2}
        assert files.read_tensors(tmp_path / PREVIOUS)[1] == {"step": 1}
        assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", LAST, PREVIOUS]


def test_two_runs_cannot_write_to_one_folder(tmp_path):
    with RunFolder(tmp_path):
        with pytest.raises(ValueError, match="another run is writing to .*choose another folder"):
            fitted(tmp_path)
    fitted(tmp_path, brief(1))


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    fitted(tmp_path, brief(1))
    with pytest.raises(ValueError, match="holds a run; resume it, or choose another folder"):
        fitted(tmp_path, brief(1))
    with pytest.raises(ValueError, match="its recipe is {'epochs': 1}, asked for is {'epochs': 2}"):
        fitted(tmp_path, brief(2), resume=True)
    with pytest.raises(ValueError, match="holds another run: its seed is 0, asked for is 1"):
        fitted(tmp_path, brief(1), resume=True, seed=1)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file cannot be the folder of a run .*name another"):
        fitted(tmp_path / "file", brief(1))


class Breaking(nn.Module):
    """Its loss is no number from a certain step on."""

    def __init__(self, step):
        super().__init__()
        self.fc, self.left = nn.Linear(64, 10), step

    def forward(self, x):
        y = self.fc(x.flatten(1))
        if self.training:
            self.left -= 1
        return y * float("nan") if self.left < 0 else y


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    recipe = Recipe(epochs=4, batch_size=64, lr=0.5, schedule=train.Steps(drops=(0.25,)))
    record = train.fit(Breaking(33), data.load("digits"), recipe, folder=tmp_path, device="cpu")
    assert record.status == "diverged: loss nan in step 34, lr 0.05"
    assert records.load(tmp_path / RECORD).status == record.status
    tensors, state = RunFolder(tmp_path).load()
    assert state["step"] == 33
    assert all(t.isfinite().all() for t in tensors.values() if t.is_floating_point())


def test_an_interrupted_run_can_say_so_from_a_worker():
    """A process pool pickles what its workers raise."""
    error = pickle.loads(pickle.dumps(train.Interrupted("stopped after step 3", signal.SIGTERM)))
    assert (str(error), error.signum) == ("stopped after step 3", signal.SIGTERM)
