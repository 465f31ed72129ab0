"""Two processes on the CPU: the run of one, shared."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import training_script

from resnet_tutorial import data, files, records, train
from resnet_tutorial.train import checkpoint
from resnet_tutorial.train.batches import Batches
from resnet_tutorial.train.distributed import World

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
