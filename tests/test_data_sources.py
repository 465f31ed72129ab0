"""Fashion-MNIST and CIFAR from tiny files of the same formats."""

import gzip
import hashlib
import io
import shutil
import struct
import tarfile

import numpy as np
import pytest
from PIL import Image
from serving import serving

from resnet_tutorial import data
from resnet_tutorial.data import cifar, fashion
from resnet_tutorial.download import Remote

RNG = np.random.default_rng(0)
FINE = [f"fine{i}" for i in range(100)]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def site():
    with serving() as site:
        yield site


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home, and no mirrors: a test that would reach the network fails."""
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fashion, "MIRRORS", ())
    monkeypatch.setattr(fashion, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(cifar, "SIZES", (20, 10))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_every_checksum_is_a_sha256():
    """One digit too many, and no download could ever be the right one."""
    packed = [checksum for pair in fashion.FILES.values() for checksum in pair[:2]]
    for checksum in (cifar.CIFAR10.sha256, cifar.CIFAR100.sha256, *packed):
        assert len(bytes.fromhex(checksum)) == 32


# Fashion-MNIST


def idx(array):
    return struct.pack(f">4B{array.ndim}i", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def clothes(monkeypatch):
    """Contents of the four files, whose checksums are made the expected ones."""
    contents = {}
    for part, n in (("train", 12), ("t10k", 4)):
        images = RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        contents[f"{part}-images-idx3-ubyte"] = idx(images)
        contents[f"{part}-labels-idx1-ubyte"] = idx(np.arange(n, dtype=np.uint8) % 10)
    packed = {name: gzip.compress(content, mtime=0) for name, content in contents.items()}
    expected = {
        name: (sha256(contents[name]), sha256(content), len(content))
        for name, content in packed.items()
    }
    monkeypatch.setattr(fashion, "FILES", expected)
    return contents


def write(folder, contents, level=None):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if level is None:
            (folder / name).write_bytes(content)
        else:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, level))


def check_clothes(dataset, contents):
    pixels = contents["train-images-idx3-ubyte"][16:]
    assert dataset.name == "fashion_mnist" and dataset.image_shape == (1, 28, 28)
    assert dataset.train.images.tobytes() == pixels
    assert dataset.train.labels.tolist() == [*range(10), 0, 1]
    assert len(dataset.test) == 4 and dataset.classes[9] == "Ankle boot"


@pytest.mark.parametrize("where", ["home", "home/fashion_mnist", "debian"])
@pytest.mark.parametrize("level", [None, 1], ids=["plain", "packed anew"])
def test_fashion_mnist_is_found_where_it_may_lie(tmp_path, clothes, where, level):
    write(tmp_path / where, clothes, level)
    check_clothes(data.load("fashion_mnist"), clothes)


def test_fashion_mnist_is_downloaded_and_a_damaged_copy_repaired(
    home, tmp_path, site, clothes, monkeypatch
):
    write(tmp_path / "debian", {name: content[:-1] for name, content in clothes.items()}, 1)
    write(home, {name: b"another set of that name" for name in clothes})
    packed = {f"{name}.gz": gzip.compress(c, mtime=0) for name, c in clothes.items()}
    site.files |= packed
    monkeypatch.setattr(fashion, "MIRRORS", (f"{site.address}/absent/", f"{site.address}/"))
    check_clothes(data.load("fashion_mnist"), clothes)
    assert len(site.requests) == 8
    damaged = home / "fashion_mnist" / "t10k-images-idx3-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:100])
    check_clothes(data.load("fashion_mnist"), clothes)
    assert len(site.requests) == 10, "only the damaged file is fetched again"
    assert (home / "train-images-idx3-ubyte").read_bytes() == b"another set of that name"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(np.zeros((2, 3), np.uint8))[:-1], r"expected 6 bytes .* shape \(2, 3\), got 5"),
        (idx(np.zeros((2, 3), np.uint8)) + b"x", "got 7"),
        (b"\0\0\x0d\1\0\0\0\1....", "unsigned bytes"),
        (b"", "unsigned bytes"),
    ],
)
def test_an_idx_file_must_hold_what_its_header_says(content, message):
    with pytest.raises(ValueError, match=message):
        fashion.decode(content)


# CIFAR


def tarball(folder, files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def cifar10_files():
    """Six batches; image i of a batch has label i, red i, green 100 + i, blue rising by rows."""
    blue = np.repeat(np.arange(32, dtype=np.uint8), 32).tobytes()
    record = [bytes([i]) + bytes([i]) * 1024 + bytes([100 + i]) * 1024 + blue for i in range(10)]
    batches = {f"data_batch_{b + 1}.bin": b"".join(record[4 * b % 10 :][:4]) for b in range(5)}
    return {**batches, "test_batch.bin": b"".join(record), "batches.meta.txt": b""}


def cifar100_files():
    def records(n):
        return b"".join(bytes([7, 99 - i]) + bytes([i]) * 3072 for i in range(n))

    names = "\n".join(FINE).encode() + b"\n"
    return {"train.bin": records(20), "test.bin": records(10), "fine_label_names.txt": names}


@pytest.fixture
def archives(site, monkeypatch):
    """Both archives served by the site's second mirror."""
    for name, folder, files in (
        ("CIFAR10", cifar.FOLDER10, cifar10_files()),
        ("CIFAR100", cifar.FOLDER100, cifar100_files()),
    ):
        file, content = getattr(cifar, name).file, tarball(folder, files)
        site.files[file] = content
        mirrors = (site.url(f"absent/{file}"), site.url(file))
        monkeypatch.setattr(cifar, name, Remote(file, sha256(content), len(content), mirrors))
    return site


def check_cifar10(dataset):
    assert (dataset.name, dataset.label) == ("cifar10", "CIFAR-10")
    assert (len(dataset.train), dataset.image_shape) == (18, (3, 32, 32))
    assert dataset.test.labels.tolist() == list(range(10))
    image = dataset.test.images[3]
    assert (image[0] == 3).all() and (image[1] == 103).all()
    np.testing.assert_array_equal(image[2], np.arange(32)[:, None] * np.ones(32))
    assert dataset.classes[0] == "airplane" and dataset.classes[9] == "truck"


@pytest.fixture
def eighteen(monkeypatch):
    """The number of training images in `cifar10_files`: 4, 4, 2, 4, 4."""
    monkeypatch.setattr(cifar, "SIZES", (18, 10))


def test_cifar10_is_downloaded_unpacked_and_then_found(home, archives, eighteen):
    check_cifar10(data.load("cifar10"))
    asked = len(archives.requests)
    check_cifar10(data.load("cifar10"))
    (home / cifar.CIFAR10.file).unlink()
    check_cifar10(data.load("cifar10"))
    assert len(archives.requests) == asked == 2


@pytest.mark.parametrize("damage", [lambda c: c[:300], lambda c: c + b"x"], ids=["short", "long"])
def test_a_damaged_archive_is_fetched_again(home, archives, eighteen, damage):
    (home / cifar.CIFAR10.file).write_bytes(damage(archives.files[cifar.CIFAR10.file]))
    check_cifar10(data.load("cifar10"))


def test_cifar100_has_the_fine_labels(archives):
    dataset = data.load("cifar100")
    assert (dataset.name, dataset.classes) == ("cifar100", tuple(FINE))
    assert dataset.train.labels.tolist() == list(range(99, 79, -1))
    assert (dataset.train.images[5] == 5).all() and dataset.image_shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("data_batch_2.bin", lambda c: c[:-1], "data_batch_2.bin: expected records of 3073 bytes"),
        ("data_batch_2.bin", lambda c: b"", "data_batch_2.bin: expected records"),
        ("test_batch.bin", lambda c: c[3073:], "18 training and 10 test .* got 18 and 9"),
        ("test_batch.bin", lambda c: b"\x0a" + c[1:], "test label 10 is not one of the 10 classes"),
    ],
)
def test_a_damaged_unpacked_file_is_not_used(home, eighteen, file, change, message):
    place = home / cifar.FOLDER10
    place.mkdir()
    for name, content in cifar10_files().items():
        (place / name).write_bytes(change(content) if name == file else content)
    with pytest.raises(ValueError, match=message) as caught:
        data.load("cifar10")
    assert "\n" not in str(caught.value)


@pytest.fixture
def copy(home):
    """The layout of the JPEG copy: two training images and one test image a class."""
    for part, n in (("train", 2), ("test", 1)):
        for label, name in enumerate(cifar.CLASSES10):
            folder = home / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                Image.new("RGB", (32, 32), (20 * label, 100, 0)).save(folder / f"{i:04}.jpg")
    return home


def check_copy(dataset):
    assert (dataset.name, dataset.label) == ("cifar10-jpeg75", "CIFAR-10 (JPEG-75 copy)")
    assert dataset.classes == cifar.CLASSES10
    assert dataset.train.labels.tolist() == [i // 2 for i in range(20)]
    red = dataset.train.images[:, 0].mean((1, 2))
    np.testing.assert_allclose(red, 20 * dataset.train.labels, atol=4)


@pytest.mark.parametrize("name", ["cifar10", "cifar10-jpeg75"])
def test_the_jpeg_copy_is_read_and_names_itself(copy, name):
    check_copy(data.load(name))


def test_the_jpeg_copy_may_lie_deeper_or_be_arrays(copy):
    first = data.load("cifar10")
    (copy / "cifar10-jpeg75").mkdir()
    for part in ("train", "test"):
        (copy / part).rename(copy / "cifar10-jpeg75" / part)
    check_copy(data.load("cifar10"))
    data.save(first, copy / "cifar10-jpeg75.npz")
    shutil.rmtree(copy / "cifar10-jpeg75")
    check_copy(data.load("cifar10"))
    assert data.load("cifar10").fingerprint == first.fingerprint


def test_the_original_goes_before_the_copy(copy, archives, eighteen):
    (copy / cifar.CIFAR10.file).write_bytes(archives.files[cifar.CIFAR10.file])
    check_cifar10(data.load("cifar10"))
    assert archives.requests == []


def test_an_incomplete_copy_is_refused(copy):
    (copy / "train" / "frog" / "0001.jpg").unlink()
    with pytest.raises(ValueError, match="20 training and 10 test .* got 19 and 10"):
        data.load("cifar10")


def test_a_copy_without_colours_is_refused(copy):
    for path in copy.rglob("*.jpg"):
        Image.new("L", (32, 32)).save(path)
    with pytest.raises(ValueError, match=r"shape \(3, 32, 32\) .* got .* \(1, 32, 32\)"):
        data.load("cifar10")


def test_a_missing_copy_is_asked_for_and_never_downloaded(home):
    with pytest.raises(ValueError, match=r"no cifar10-jpeg75.npz .* set RESNET_TUTORIAL_DATA"):
        data.load("cifar10-jpeg75")
