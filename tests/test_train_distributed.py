"""Two processes on the CPU: the run of one, shared."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
import training_script

from resnet_tutorial import Mistake, data, files, records, train
from resnet_tutorial.train import checkpoint
from resnet_tutorial.train.batches import Batches
from resnet_tutorial.train.distributed import World, joined

SCRIPT = Path(training_script.__file__)


def torchrun(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.Popen(
        [*command, "--nproc-per-node=2", SCRIPT, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process):
    with process:
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr


def test_two_processes_learn_the_curve_of_one(tmp_path):
    """Without batch norm: gradients of half batches average to that of the whole."""
    finished(torchrun(tmp_path, "--parts", "none", "--epochs", "2"))
    net = training_script.network("none")
    alone = train.fit(net, data.load("digits"), training_script.recipe(2), device="cpu")
    shared = records.load(tmp_path / checkpoint.RECORD)
    for one, two in zip(alone.curve, shared.curve, strict=True):
        assert abs(one.train_loss - two.train_loss) < 1e-5
        assert (one.train_error, one.test_error) == (two.train_error, two.test_error)
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".")) == sorted(
        [checkpoint.LAST, checkpoint.PREVIOUS, checkpoint.RECORD, checkpoint.WEIGHTS]
    )


def test_without_a_shared_disk_all_start_from_the_checkpoint_of_the_first(tmp_path):
    """SIGTERM to one process stops both after the very step, though only the first one saves."""
    asked = ("--own-folders", "--parts", "none", "--epochs", "2")
    finished(torchrun(tmp_path / "whole", *asked))
    stopped = torchrun(tmp_path / "run", *asked, "--stop-at", "27")
    with stopped:
        _, stderr = stopped.communicate(timeout=120)
    assert "stopped after step 28 of 40; resume goes on from there" in stderr
    assert step_on_disk(tmp_path / "run") == 28 and not (tmp_path / "run1").exists()
    finished(torchrun(tmp_path / "run", *asked))
    whole, run = ((tmp_path / n / checkpoint.WEIGHTS).read_bytes() for n in ("whole", "run"))
    assert whole == run


def test_processes_that_were_asked_for_different_runs_do_not_start(tmp_path):
    with torchrun(tmp_path, "--seed-by-rank") as process:
        _, stderr = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "process 1 was asked for another run than the first: its seed is 0, asked" in stderr
    assert not (tmp_path / checkpoint.LAST).exists()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_waits_for_the_others_can_be_ended(signum):
    """Nothing is there yet that would have to be saved."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with subprocess.Popen([sys.executable, SCRIPT, "unused"], env=os.environ | alone) as process:
        try:
            while not listening(port) and process.poll() is None:
                time.sleep(0.05)
            time.sleep(0.2)
            process.send_signal(signum)
            assert process.wait(timeout=20) == -signum
        finally:
            process.kill()


def listening(port):
    """Whether a process on this machine waits for connections there."""
    lines = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    return any(line.split()[1].endswith(f":{port:04X}") for line in lines.splitlines()[1:]
               if ":" in line.split()[1])  # fmt: skip


TOLD = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    "change",
    [{"WORLD_SIZE": None}, {"MASTER_ADDR": None}, {"MASTER_PORT": None}, {"RANK": "first"},
     {"RANK": "2"}, {"RANK": "-1"}, {"WORLD_SIZE": ""}, {"WORLD_SIZE": "1.5"}],
)  # fmt: skip
def test_half_an_environment_of_torchrun_is_told_in_one_line(monkeypatch, change):
    for name, value in (TOLD | change).items():
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, False)
    with pytest.raises(ValueError, match="start with torchrun, or unset RANK") as caught:
        with joined(torch.device("cpu")):
            raise AssertionError("joined")
    assert "\n" not in str(caught.value)


@pytest.fixture
def pretended(monkeypatch):
    """The environment of a process of two, and no other process."""
    for name, value in TOLD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(dist, "init_process_group", lambda backend: None)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (64x16 and 3x4)"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 14 GiB"),
        RuntimeError("expected scalar type Double but found Float"),
        Mistake("choose another folder"),
    ],
)
def test_an_error_of_the_program_is_not_called_a_lost_connection(pretended, error):
    with pytest.raises(type(error)) as caught, joined(torch.device("cpu")):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[pair.cc:534] Connection closed by peer [127.0.0.1]:1234"),
        RuntimeError("[enforce fail at gloo/transport/tcp/pair.cc:446] . Connection reset by peer"),
        RuntimeError("[unbound_buffer.cc:81] Timed out waiting 1800000ms for recv operation"),
        dist.DistBackendError("NCCL error in: ProcessGroupNCCL.cpp:1275, remote process exited"),
        dist.DistNetworkError("The client socket has timed out"),
    ],
)
def test_a_lost_connection_is_called_one(pretended, error):
    with pytest.raises(ConnectionError, match="process 0 of 2 .* start the run again with resume"):
        with joined(torch.device("cpu")):
            raise error


def test_batch_norm_sees_each_process_s_part(tmp_path):
    """The loss is that of one process which normalises the even and the odd images apart.

    Of two steps: after more of them rounding alone moves this loss by more than the tolerance.
    """
    finished(torchrun(tmp_path, "--parts", "norm", "--epochs", "1", "--batch-size", "640"))
    shared = records.load(tmp_path / checkpoint.RECORD)
    assert abs(shared.curve[0].train_loss - loss_in_parts(2)) < 1e-5
    assert abs(shared.curve[0].train_loss - loss_in_parts(1)) > 1e-4


def loss_in_parts(parts):
    """Mean loss of two steps of SGD, each batch in `parts` forward passes, written out."""
    dataset, recipe = data.load("digits"), training_script.recipe(1, 640)
    net, batches = (
        training_script.network("norm"),
        Batches.of(dataset, dataset.train, "cpu", recipe),
    )
    optimizer = torch.optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=1e-4)
    order = torch.randperm(len(batches), generator=torch.Generator().manual_seed(0))
    losses = []
    for step in range(2):
        optimizer.param_groups[0]["lr"] = 0.02 * recipe.schedule.factor(step, 2)
        chosen = order[640 * step : 640 * step + 640]
        images, labels = batches.augmented(chosen, torch.Generator().manual_seed(step))
        each = [F.cross_entropy(net(images[i::parts]), labels[i::parts]) for i in range(parts)]
        loss = sum(each) / parts
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def test_a_killed_worker_ends_the_run_with_a_message_and_the_run_goes_on(tmp_path):
    with torchrun(tmp_path, "--epochs", "2000") as process:
        while not (tmp_path / checkpoint.PREVIOUS).exists() and process.poll() is None:
            time.sleep(0.02)
        victim = workers(process.pid)[1]
        os.kill(victim, signal.SIGKILL)
        _, stderr = process.communicate(timeout=120)
    assert process.returncode != 0
    assert f"pid: {victim}" in stderr and "SIGKILL" in stderr
    reached = step_on_disk(tmp_path)
    assert reached > 0
    with torchrun(tmp_path, "--epochs", "2000") as process:
        while step_on_disk(tmp_path) <= reached and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=120)
    assert step_on_disk(tmp_path) > reached, stderr
    assert "stopped after step" in stderr


def step_on_disk(folder):
    return files.read_tensors(folder / checkpoint.LAST)[1]["step"]


def workers(parent):
    """The processes that torchrun started, in the order of their ranks."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return sorted(int(child) for child in children)


@pytest.mark.parametrize("size", [1, 3])
def test_shares_are_all_of_it_once(size):
    parts = [list(range(10))[World(rank, size).share] for rank in range(size)]
    assert sorted(sum(parts, [])) == list(range(10))
