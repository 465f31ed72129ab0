import dataclasses
import json
import platform
from pathlib import Path

import pytest
import torch

from resnet_tutorial import provenance, records
from resnet_tutorial.records import Epoch, Record

RECORD = Record(
    model="resnet20",
    recipe={"epochs": 2, "schedule": {"name": "Cosine", "warmup": 20}},
    seed=3,
    data="digits",
    data_fingerprint="0123456789abcdef",
    parameters=269434,
    curve=(Epoch(2.1, 0.5, 0.6, 1.0), Epoch(1.2, 0.25, 0.125, 2.0)),
    environment={"torch": "2.13.0"},
)


def test_a_record_comes_back_as_it_was_saved(tmp_path):
    RECORD.save(tmp_path / "new" / "record.json")
    assert records.load(tmp_path / "new" / "record.json") == RECORD
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["record.json"]


def test_the_result_is_the_last_epochs_not_the_best():
    worse = dataclasses.replace(RECORD, curve=RECORD.curve[::-1])
    assert (RECORD.train_error, RECORD.test_error) == (0.25, 0.125)
    assert (worse.train_error, worse.test_error) == (0.5, 0.6)


def test_a_failed_save_leaves_the_old_record_and_no_debris(tmp_path):
    path = tmp_path / "record.json"
    RECORD.save(path)
    unwritable = dataclasses.replace(RECORD, environment={"torch": object()})
    with pytest.raises(TypeError):
        unwritable.save(path)
    assert records.load(path) == RECORD
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != "curve"}),
        lambda text: json.dumps({**json.loads(text), "format": 99}),
        lambda text: json.dumps({**json.loads(text), "best_test_error": 0.0}),
    ],
)
def test_a_damaged_record_is_named_in_one_line(tmp_path, damage):
    path = tmp_path / "record.json"
    RECORD.save(path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match="record.json is not a readable record") as caught:
        records.load(path)
    assert "\n" not in str(caught.value) and "run the experiment again" in str(caught.value)


def test_the_environment_names_what_a_result_depends_on():
    found = provenance.environment()
    expected = {"package", "source", "python", "torch", "device", "processes", "threads", "date"}
    assert expected == set(found)
    assert json.loads(json.dumps(found)) == found


def test_a_run_on_the_cpu_names_the_cpu_where_there_is_a_gpu(monkeypatch):
    """And one on a GPU that GPU, and whether its products were rounded to TF32."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    assert provenance.environment("cpu")["device"] == platform.machine()
    shared = provenance.environment(torch.device("cuda", 1), processes=4)
    assert (shared["device"], shared["processes"]) == ("GPU 1", 4)
    rounded = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    assert (shared["tf32"]["convolution"], shared["tf32"]["matmul"]) == rounded
    assert json.loads(json.dumps(shared)) == shared


# Of the rooms that decide a run, what moves, keeps or names things and changes no number of it.
DECIDE_NOTHING = {
    *("data/sources.py", "models/__init__.py", "models/weights.py"),
    *("models/imagenet.py", "models/pth.py", "models/transfer.py"),
    *("train/__init__.py", "train/checkpoint.py", "train/stopping.py", "train/threads.py"),
    *("train/checks.py", "train/launch.py"),  # these refuse, and change nothing
    *("data/checking.py", "data/sheet.py", "train/draws.py"),  # these look, and change nothing
    "data/shapes.py",  # draws pictures for one chapter
    *("train/watch.py", "train/meter.py", "train/symptoms.py"),  # these look on
    *("train/before.py", "train/memory.py", "train/sweep.py"),  # these try copies
}


def test_the_source_hash_covers_every_room_that_decides_a_run():
    package = Path(records.__file__).parent
    files = {f"{room}/{path.name}" for room in ("data", "models", "train")
             for path in (package / room).glob("*.py")}  # fmt: skip
    missing = files - set(provenance.SOURCES) - DECIDE_NOTHING
    assert not missing, f"add {sorted(missing)} to SOURCES in provenance.py"
    assert all((package / name).is_file() for name in (*provenance.SOURCES, *DECIDE_NOTHING))
