"""Every reader of files, given files that are damaged, of another kind, or no files at all.

A file that is not what it should be is a user's mistake, told in one line: never an error of
another type, never a hang, and never a result that the file does not hold.
"""

import contextlib
import io
import json
import os
import random
import signal
import struct
import tarfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_records import RECORD

from resnet_tutorial import Mistake, data, download, files, models, records
from resnet_tutorial.cli import recipes
from resnet_tutorial.data import arrays, cifar, decode, fashion
from resnet_tutorial.models import weights
from resnet_tutorial.paths import readable
from resnet_tutorial.train import checkpoint

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 3, 4, 4), dtype=np.uint8)
SPLIT = data.Split(PIXELS, np.array([0, 1, 0, 1]))
TINY = data.Dataset("tiny", SPLIT, SPLIT, ("a", "b"))
# Of the network in the files of weights here, which is small: it says so.
OURS = replace(RECORD, model="resnet8", variant={"widths": "(2, 3, 4)"})
NAMES = "\n".join(f"class{i}" for i in range(100)) + "\n"
SECONDS = 5  # no reader takes as long, unless it waits for what never comes


class Hung(BaseException):
    """A reader waits. No Exception, so that no reader can take it for a damaged file."""


@dataclass(frozen=True)
class Reader:
    """`write` makes a sound file at a path, `read` reads it, `sound` judges what was read."""

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    sound: Callable[[object], bool]
    suffix: str = ""


def network():
    torch.manual_seed(0)
    return models.build("resnet8", widths=(2, 3, 4))


def finite(net) -> bool:
    with torch.no_grad():
        return bool(net.eval()(torch.ones(1, 3, 8, 8)).isfinite().all())


def probable(record) -> bool:
    """Whether the values of a record can be those of a run."""
    epochs = record.curve
    return (
        len(epochs) > 0
        and all(0 <= e.train_error <= 1 and 0 <= e.test_error <= 1 for e in epochs)
        and all(0 <= e.seconds < float("inf") and type(e.train_loss) is float for e in epochs)
        and all(type(n) is int and n >= 0 for n in (record.seed, record.parameters))
        and all(type(s) is str for s in (record.model, record.data, record.status))
        and all(type(d) is dict for d in (record.recipe, record.variant, record.environment))
    )


def write_archive(path):
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("top/pixels")
        info.size = PIXELS.nbytes
        tar.addfile(info, io.BytesIO(PIXELS.tobytes()))


def read_archive(path):
    content = (download.unpack(path, "top") / "pixels").read_bytes()
    (path.parent / "top" / "pixels").unlink()
    (path.parent / "top").rmdir()
    return content


def write_image(path):
    Image.fromarray(PIXELS[0].transpose(1, 2, 0)).resize((16, 16)).save(path)


def write_checkpoint(path):
    checkpoint.RunFolder(path.parent).save(network().state_dict(), {"step": 3, "epoch": 0})


def read_batch(path):
    return data.Dataset("c", *2 * [cifar.read_binary(path.parent, [path.name], 1)], tuple("01"))


def idx(array):
    return struct.pack(f">4B{array.ndim}i", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def is_image(pixels):
    return pixels.ndim == 3 and len(pixels) in (1, 3) and pixels.dtype == np.uint8


def anything(_):
    return True


READERS = {
    "weights": Reader(
        lambda path: weights.save(path, network(), OURS),
        lambda path: models.build("resnet8", weights=path, widths=(2, 3, 4)),
        finite,
        ".safetensors",
    ),
    "record": Reader(RECORD.save, records.load, probable, ".json"),
    "arrays": Reader(
        lambda path: data.save(TINY, path),
        lambda path: arrays.read(path, "tiny"),
        lambda found: (found.fingerprint, found.classes) == (TINY.fingerprint, TINY.classes),
        ".npz",
    ),
    "idx": Reader(
        lambda path: path.write_bytes(idx(PIXELS)),
        lambda path: fashion.decode(readable(path).read_bytes()),
        lambda found: found.size <= PIXELS.size + 16,
    ),
    "records of CIFAR": Reader(
        lambda path: path.write_bytes(bytes(2 * 3073)), read_batch, anything, ".bin"
    ),
    "names of classes": Reader(
        lambda path: path.write_text(NAMES),
        lambda path: cifar.read_names(path),
        lambda names: len({*names}) == 100,
        ".txt",
    ),
    # That the content is right is seen by the checksum, before: see test_data_download.py.
    "archive": Reader(write_archive, read_archive, anything, ".tar.gz"),
    **{
        f"image {suffix}": Reader(write_image, lambda path: decode.picture(path), is_image, suffix)
        for suffix in (".png", ".jpg", ".gif", ".bmp", ".tif", ".webp", ".ppm")
    },
    "checkpoint": Reader(
        write_checkpoint,
        lambda path: checkpoint.RunFolder(path.parent).load(),
        anything,
    ),
}


@contextlib.contextmanager
def limited():
    """Raises Hung after SECONDS."""

    def ring(signum, frame):
        raise Hung

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def answer(reader, path):
    """What was read, or the mistake. Any other error fails the test."""
    with warnings.catch_warnings(), limited():
        warnings.simplefilter("ignore")  # Pillow's remarks on damaged files
        try:
            return reader.read(path)
        except (Mistake, OSError) as error:
            assert "\n" not in str(error) and len(str(error)) < 600, str(error)
            return error


def check(reader, path, what):
    """Reads a file that may be damaged."""
    try:
        found = answer(reader, path)
    except Hung:
        pytest.fail(f"{what}: it waits for ever")
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    assert isinstance(found, Exception) or reader.sound(found), f"{what}: taken for sound"
    return found


def damaged(content, dice):
    """The bytes with one of the things done to them that disks, networks and people do."""
    content = bytearray(content)
    at = dice.randrange(len(content))
    if dice.random() < 0.5:  # the head decides how the rest is read
        at = dice.randrange(min(len(content), 300))
    kind = dice.randrange(7)
    if kind == 0:
        return bytes(content[:at])
    if kind == 1:
        content[at] ^= 1 << dice.randrange(8)
    elif kind == 2:
        length = dice.randrange(1, 9)
        content[at : at + length] = dice.randbytes(length)
    elif kind == 3:
        content[at : at + 8] = b"\xff" * 8
    elif kind == 4:
        del content[at : at + dice.randrange(1, 50)]
    elif kind == 5:
        content[at:at] = dice.randbytes(dice.randrange(1, 50))
    else:
        content[at] = ord("9")
    return bytes(content)


readers = pytest.mark.parametrize("name", READERS)


def path_of(name, folder):
    return folder / ("last.safetensors" if name == "checkpoint" else f"file{READERS[name].suffix}")


@readers
def test_a_sound_file_is_read(name, tmp_path):
    reader, path = READERS[name], path_of(name, tmp_path)
    reader.write(path)
    found = answer(reader, path)
    assert not isinstance(found, Exception) and reader.sound(found), found


@readers
def test_a_damaged_file_is_a_mistake_in_one_line(name, tmp_path):
    reader, path = READERS[name], path_of(name, tmp_path)
    reader.write(path)
    content, dice = path.read_bytes(), random.Random(name)
    found = []
    for trial in range(100):
        changed = damaged(content, dice)
        path.write_bytes(changed)
        found.append(check(reader, path, f"trial {trial}"))
    assert sum(isinstance(answer, Exception) for answer in found) > 10


OTHERS = {
    "empty": b"",
    "one byte": b"P",
    "a page": b"<!doctype html><html><body>404 Not Found</body></html>\n" * 20,
    "zeros": bytes(5000),
    "text": "Grüße\n".encode("latin-1") * 50,
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93.",
    "nested JSON": b"[" * 100_000,
    "huge number": b'{"format": ' + b"9" * 10_000 + b"}",
}


@readers
@pytest.mark.parametrize("what", OTHERS)
def test_another_file_is_a_mistake_in_one_line(name, what, tmp_path):
    reader, path = READERS[name], path_of(name, tmp_path)
    path.write_bytes(OTHERS[what])
    found = check(reader, path, what)
    assert isinstance(found, Exception) and "pickle" not in str(found), found


@readers
@pytest.mark.parametrize("what", ["nothing", "folder", "pipe", "loop", "device"])
def test_what_is_no_file_is_a_mistake_in_one_line(name, what, tmp_path):
    if name == "checkpoint" and what in ("nothing", "loop"):
        pytest.skip("a run that begins")
    reader, path = READERS[name], path_of(name, tmp_path)
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    assert isinstance(check(reader, path, what), Exception)


VALUES = [None, True, -1, 1.5, 10**400, float("nan"), 1e999, "x", "", [], {}, [1], {"x": 1}]


def variants(content):
    """Every JSON text that differs from `content` in one value, removed or replaced."""
    places = list(content) if isinstance(content, dict) else range(len(content))
    for key in places:
        rest = content.copy()
        del rest[key]
        yield rest
        inner = content[key]
        changes = list(variants(inner)) if isinstance(inner, dict | list) else []
        for value in VALUES + changes:
            if repr(value) != repr(inner):
                changed = content.copy()
                changed[key] = value
                yield changed


def unsigned(path):
    """A record without its checksum, as an older version wrote it: only its values are judged."""
    content = json.loads(path.read_text())
    del content["sha256"]
    return content


def test_a_record_with_another_value_is_a_mistake_or_can_be_one(tmp_path):
    path = tmp_path / "record.json"
    RECORD.save(path)
    count = 0
    for changed in variants(unsigned(path)):
        path.write_text(json.dumps(changed))
        check(READERS["record"], path, str(changed)[:300])
        count += 1
    assert count > 200


EPOCH = {"train_loss": 1.0, "train_error": 0.5, "seconds": 1.0}


@pytest.mark.parametrize(
    "change, said",
    [
        ({"seed": -1}, "seed should be a whole number from 0, is '-1'"),
        ({"parameters": "many"}, "parameters should be a whole number from 0, is 'many'"),
        ({"model": None}, "model should be text, is 'None'"),
        ({"curve": []}, "it has no epoch"),
        ({"recipe": []}, r"recipe should be a table, is '\[\]'"),
        (
            {"curve": [EPOCH | {"test_error": 1.5}]},
            "epoch 1: test_error should be from 0 to 1, is '1.5'",
        ),
    ],
)
def test_a_record_names_what_is_wrong(tmp_path, change, said):
    path = tmp_path / "record.json"
    RECORD.save(path)
    path.write_text(json.dumps(unsigned(path) | change))
    with pytest.raises(Mistake, match=said):
        records.load(path)


def test_a_diverged_record_is_read(tmp_path):
    path = tmp_path / "record.json"
    broken = replace(RECORD.curve[-1], train_loss=float("nan"))
    replace(RECORD, curve=(RECORD.curve[0], broken), status="diverged: ...").save(path)
    assert records.load(path).status == "diverged: ..."


def states(tmp_path, about):
    """A file of weights that says `about` of itself."""
    path = tmp_path / "weights.safetensors"
    files.write_tensors(path, network().state_dict(), about)
    return path


def test_weights_that_say_anything_of_themselves_are_a_mistake_or_usable(tmp_path):
    path = tmp_path / "weights.safetensors"
    weights.save(path, network(), OURS)
    about = weights.load(path)[1]
    count = 0
    for changed in variants(about):
        found = check(READERS["weights"], states(tmp_path, changed), str(changed)[:300])
        if not isinstance(found, Exception) and "recipe" in changed:
            with contextlib.suppress(Mistake):
                recipes.read(changed["recipe"])
        count += 1
    assert count > 100


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("fc.bias", lambda x: x * float("nan"), "fc.bias is not finite everywhere"),
        ("conv1.weight", lambda x: x / 0.0, "conv1.weight is not finite everywhere"),
        ("fc.bias", lambda x: x.double() + 1e300, "fc.bias is not finite everywhere"),
        ("bn1.running_var", lambda x: -x, "bn1.running_var should be 0 or more, is -1"),
        ("bn1.num_batches_tracked", lambda x: x - 5, "num_batches_tracked should be 0 or more"),
        ("fc.bias", lambda x: x.to(torch.complex64), "fc.bias should be real numbers"),
        ("fc.bias", lambda x: x > 0, "fc.bias should be real numbers, is torch.bool"),
        ("fc.bias", lambda x: x.long(), "fc.bias should be torch.float32, is torch.int64"),
        ("bn1.num_batches_tracked", lambda x: x.float(), "should be torch.int64, is torch.float32"),
        ("fc.bias", lambda x: None, r"fc.bias should be \(10,\), is absent"),
        ("fc.bias", lambda x: x.sum(), r"fc.bias should be \(10,\), is \(\)"),
        ("fc.bias", lambda x: x[:0], r"fc.bias should be \(10,\), is \(0,\)"),
        ("conv1.weight", lambda x: x[:, :0], r"conv1.weight should be .*, is \(2, 0, 3, 3\)"),
        ("conv1.weight", lambda x: torch.empty(0, 10**15, 3, 3), "in_channels"),
        ("fc.more", lambda x: torch.ones(1), "fc.more should be absent"),
    ],
)
def test_weights_that_no_network_has_are_refused(tmp_path, name, value, said):
    path = tmp_path / "weights.safetensors"
    tensors = network().state_dict() | {name: torch.ones(())}
    tensors[name] = value(network().state_dict().get(name))
    files.write_tensors(path, {k: v for k, v in tensors.items() if v is not None}, {})
    with pytest.raises(Mistake, match=said):
        models.build("resnet8", weights=path, widths=(2, 3, 4))


def test_a_checkpoint_is_no_file_of_weights(tmp_path):
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    checkpoint.RunFolder(tmp_path).save(checkpoint.snapshot(net, optimizer), {"step": 1})
    with pytest.raises(Mistake, match="checkpoint of a run; the weights are model.safetensors"):
        models.build("resnet8", weights=tmp_path / "last.safetensors")
