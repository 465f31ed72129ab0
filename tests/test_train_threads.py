"""How many threads a training takes, and that nobody but the command line changes their number."""

import os
import subprocess
import sys

import pytest
import torch

from resnet_tutorial import data, models, train
from resnet_tutorial.train import Recipe, threads


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    """Torch has two threads, and the user did not say how many."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "cores, load, expected",
    [(2, 0.0, 2), (2, 0.4, 2), (2, 0.6, 1), (2, 1.0, 1), (2, 9.0, 1), (1, 0.0, 1), (16, 3.2, 13)],
)
def test_the_idle_cores_are_taken_and_at_least_one(cores, load, expected):
    assert threads.threads(cores, load) == expected


@pytest.mark.parametrize("load, expected", [(0.0, 2), (1.0, 2), (3.0, 1), (9.0, 1)])
def test_torch_takes_no_more_than_it_had_and_gets_its_number_back(monkeypatch, load, expected):
    monkeypatch.setattr(threads, "available_cores", lambda: 4)
    monkeypatch.setattr(threads, "load_of_others", lambda: load)
    with pytest.raises(KeyError):
        with threads.on_idle_cores() as chosen:
            assert chosen == torch.get_num_threads() == expected
            raise KeyError
    assert torch.get_num_threads() == 2


def test_who_says_a_number_gets_it(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(threads, "load_of_others", lambda: 9.0)
    with threads.on_idle_cores() as chosen:
        assert chosen == torch.get_num_threads() == 2


def test_fit_leaves_the_number_of_threads_alone(monkeypatch):
    monkeypatch.setattr(threads, "load_of_others", lambda: 9.0)
    net = models.build("resnet8", in_channels=1, widths=(4, 4, 4))
    recipe = Recipe(epochs=1, batch_size=400, schedule=train.Cosine(warmup=1))
    record = train.fit(net, data.load("digits"), recipe, device="cpu")
    assert record.environment["threads"] == torch.get_num_threads() == 2


@pytest.mark.parametrize(
    "quota, expected",
    [("max 100000", 8), ("150000 100000", 1), ("50000 100000", 1), ("400000 100000", 4),
     ("1600000 100000", 8), (None, 8)],
)  # fmt: skip
def test_a_container_s_quota_counts(monkeypatch, tmp_path, quota, expected):
    monkeypatch.setattr(threads, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(threads, "_affinity", lambda: set(range(8)))
    if quota is not None:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert threads.available_cores() == expected


def test_the_load_is_that_of_the_cores_that_are_ours(monkeypatch, tmp_path):
    """User, nice, system, idle, waiting: between the readings ours are busy for all and half."""
    monkeypatch.setattr(threads, "TICKS", tmp_path / "stat")
    monkeypatch.setattr(threads, "_affinity", lambda: {0, 11})
    reading = "cpu  9 9 9 9 9 0 0\n{}\ncpu1 {} 0 0 0 0 0 0\nintr 5 6 7\n"
    first = reading.format("cpu0 10 20 30 40 50 0 0\ncpu11 0 0 0 5 5 0 0", 0)
    second = reading.format("cpu0 12 23 35 40 50 0 0\ncpu11 1 2 2 7 8 0 0", 99)
    (tmp_path / "stat").write_text(first)
    monkeypatch.setattr(threads.time, "sleep", lambda _: (tmp_path / "stat").write_text(second))
    assert threads.load_of_others() == 1.5


def test_a_system_that_does_not_tell_has_no_load(monkeypatch, tmp_path):
    monkeypatch.setattr(threads, "TICKS", tmp_path / "absent")
    assert threads.load_of_others() == 0.0


@pytest.mark.skipif(not threads.TICKS.exists(), reason="only Linux says how busy a core is")
def test_a_process_that_computes_is_seen(monkeypatch):
    core = min(os.sched_getaffinity(0))
    monkeypatch.setattr(threads, "_affinity", lambda: {core})
    busy = f"import os; os.sched_setaffinity(0, {{{core}}}); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        load = threads.load_of_others()
        process.kill()
    assert load > 0.7
