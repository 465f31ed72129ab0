"""What lies where, and whether it is what it should be; without any network."""

import gzip
import hashlib
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from resnet_tutorial import data, download
from resnet_tutorial.cli import main
from resnet_tutorial.data import CATALOGUE, Dataset, Split, arrays, cifar, fashion
from resnet_tutorial.data.sources import Archive, BuiltIn
from resnet_tutorial.download import Remote
from resnet_tutorial.experiments import kinds

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home; nothing can be downloaded, and Debian's package is absent."""
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", str(tmp_path))
    monkeypatch.setattr(fashion, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(download, "_try", lambda url, *_: pytest.fail(f"asked for {url}"))
    return tmp_path


@pytest.fixture
def clothes(home, monkeypatch):
    """The four files of Fashion-MNIST with other contents, which are made the expected ones."""
    expected = {}
    for name in fashion.FILES:
        content = RNG.bytes(100)
        (home / f"{name}.gz").write_bytes(gzip.compress(content))
        expected[name] = hashlib.sha256(content).hexdigest(), ""
    monkeypatch.setattr(fashion, "FILES", expected)
    return home


def images(sizes, shape, classes, name="cifar10-jpeg75"):
    train, test = (
        Split(RNG.integers(0, 256, (n, *shape), dtype=np.uint8), np.arange(n) % classes)
        for n in sizes
    )
    return Dataset(name, train, test, tuple(map(str, range(classes))))


@pytest.mark.parametrize(
    "name", [n for n, entry in CATALOGUE.items() if isinstance(entry.source, BuiltIn)]
)
def test_what_is_built_in_is_as_its_row_says(name):
    """Wrong sizes, another name, other pixels: CONTRIBUTING, "Add a data set"."""
    entry = CATALOGUE[name]
    dataset = entry.load()
    assert dataset.name == name
    assert entry.check(dataset), f"write the fingerprint {dataset.fingerprint} into the row"


def change(monkeypatch, name, **values):
    monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], **values))


@pytest.fixture
def copy(home, monkeypatch):
    """A small array file in the place of the JPEG-75 copy, taken for whole."""
    dataset = images((20, 10), (3, 32, 32), 10)
    arrays.save(dataset, home / "cifar10-jpeg75.npz")
    monkeypatch.setattr(cifar, "SIZES", (20, 10))
    change(monkeypatch, "cifar10", sizes=(20, 10))
    change(monkeypatch, "cifar10-jpeg75", sizes=(20, 10), fingerprint=dataset.fingerprint)
    return home


def check(capsys, *arguments):
    code = main(["data", *arguments])
    return code, *capsys.readouterr()


def test_everything_about_a_data_set_stands_in_its_row():
    assert CATALOGUE.keys() == data.DATASETS.keys()
    for name, entry in CATALOGUE.items():
        assert data.DATASETS[name] is entry.load
        assert data.FINGERPRINTS.get(name) == entry.fingerprint
        assert kinds.PIXELS[name] == entry.sizes[0] * entry.image_shape[1] * entry.image_shape[2]
        assert images((1, 1), (1, 1, 1), 1, name).label == entry.label


def test_labels_are_not_those_of_another_data_set():
    labels = [entry.label for entry in CATALOGUE.values()]
    assert len({*labels}) == len(labels)


def test_where_the_data_lie_is_listed(home, clothes, copy, capsys):
    code, said, _ = check(capsys, "list")
    rows = {row.split()[0]: row for row in said.splitlines()}
    assert code == 0 and str(home) in said
    assert rows["digits"].endswith("1x8x8       10  inside scikit-learn")
    assert rows["fashion_mnist"].split()[1:4] == ["60,000", "10,000", "1x28x28"]
    assert rows["fashion_mnist"].endswith(str(home))
    assert rows["cifar10"].endswith("cifar10-jpeg75.npz")
    assert rows["cifar100"].endswith("not here: resnet-tutorial data fetch cifar100")


def test_an_absent_data_set_says_how_to_get_it(capsys):
    for name in ("fashion_mnist", "cifar10", "cifar100"):
        assert check(capsys, "check", name) == (
            2, "", f"error: {name} is not on this machine; download it: resnet-tutorial data fetch "
            f"{name}\n",
        )  # fmt: skip
    code, _, said = check(capsys, "check", "cifar10-jpeg75")
    assert code == 2 and "unpack the copy there" in said


def test_one_file_of_four_is_not_fashion_mnist(clothes):
    assert CATALOGUE["fashion_mnist"].source.place() == str(clothes)
    (clothes / "t10k-labels-idx1-ubyte.gz").unlink()
    assert CATALOGUE["fashion_mnist"].source.place() is None


def test_the_digits_are_all_right(capsys):
    code, said, _ = check(capsys, "check", "digits")
    assert code == 0 and said == (
        "digits, inside scikit-learn: all right\n"
        "1,297 training and 500 test images of 1x8x8 in 10 classes\n"
        "fingerprint 529a36f9fa2a1895\n"
    )


def test_a_damaged_file_is_found_and_nothing_is_downloaded(clothes, capsys):
    CATALOGUE["fashion_mnist"].source.verify()
    file = clothes / "train-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-9])
    code, _, said = check(capsys, "check", "fashion_mnist")
    assert code == 2 and said.startswith(f"error: wrong checksum: {file}; delete it and fetch")


def test_a_damaged_archive_is_found(home):
    source = Archive(Remote("a.tar.gz", hashlib.sha256(b"right").hexdigest(), 5, ()), "a")
    assert source.place() is None
    (home / "a.tar.gz").write_bytes(b"right")
    source.verify()
    assert source.place() == str(home / "a.tar.gz")
    (home / "a.tar.gz").write_bytes(b"wrong")
    with pytest.raises(ValueError, match=f"wrong checksum: {home / 'a.tar.gz'}; delete it"):
        source.verify()


BATCHES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


@pytest.fixture
def random_bytes(home, monkeypatch):
    """CIFAR-10's unpacked folder with random images, as many as are made the expected ones."""
    monkeypatch.setattr(cifar, "SIZES", (20, 10))
    change(monkeypatch, "cifar10", sizes=(20, 10))
    place = home / cifar.FOLDER10
    place.mkdir()
    for name, n in zip(BATCHES, (4, 4, 4, 4, 4, 10), strict=True):
        (place / name).write_bytes(b"".join(b"\x03" + RNG.bytes(3072) for _ in range(n)))
    return place


def test_random_bytes_of_the_right_size_are_not_called_all_right(random_bytes, capsys):
    code, said, _ = check(capsys, "check", "cifar10")
    assert code == 1 and said.startswith(f"CIFAR-10, {random_bytes}: not verified: the sizes")
    assert "all right" not in said


def test_a_folder_beside_its_archive_holds_what_the_archive_holds(
    home, random_bytes, monkeypatch, capsys
):
    archive = home / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(random_bytes, cifar.FOLDER10)
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    source = Archive(replace(cifar.CIFAR10, sha256=checksum), cifar.FOLDER10)
    change(monkeypatch, "cifar10", source=source)
    code, said, _ = check(capsys, "check", "cifar10")
    assert code == 0 and said.startswith(f"CIFAR-10, {random_bytes}: all right")
    batch = random_bytes / "data_batch_4.bin"
    batch.write_bytes(batch.read_bytes()[:-1] + b"?")
    code, _, said = check(capsys, "check", "cifar10")
    assert code == 2 and f"{batch} is not what cifar-10-binary.tar.gz holds" in said


def test_a_truncated_batch_is_found(home, capsys):
    place = home / cifar.FOLDER10
    place.mkdir()
    for name in BATCHES:
        (place / name).write_bytes(b"\0" * 3073)
    code, _, said = check(capsys, "check", "cifar10")
    assert code == 2 and "expected 50000 training and 10000 test images" in said
    (place / "data_batch_3.bin").write_bytes(b"\0" * 3000)
    code, _, said = check(capsys, "check", "cifar10")
    assert code == 2 and "data_batch_3.bin: expected records of 3073 bytes, got 3000" in said


def test_the_copy_stands_in_for_the_original_and_says_so(copy, capsys):
    code, said, _ = check(capsys, "check", "cifar10")
    assert code == 0
    assert said.startswith(f"CIFAR-10 (JPEG-75 copy), {copy / 'cifar10-jpeg75.npz'}: all right")
    assert "20 training and 10 test images of 3x32x32 in 10 classes" in said


def test_fetch_gets_the_original_though_the_copy_is_there(copy, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(download, "_try", lambda url, *_: asked.append(url) or "no network here")
    code, _, said = check(capsys, "fetch", "cifar10")
    assert code == 2 and asked == list(cifar.CIFAR10.mirrors)
    assert said.startswith("error: could not get cifar-10-binary.tar.gz") and "Ways out" in said


def test_fetch_of_what_is_there_downloads_nothing(home, copy, capsys):
    for name, place in (("digits", "inside scikit-learn"),
                        ("cifar10-jpeg75", str(home / "cifar10-jpeg75.npz"))):  # fmt: skip
        assert check(capsys, "fetch", name) == (0, f"{name}: {place}\n", "")


def test_other_pixels_are_found(copy, monkeypatch, capsys):
    change(monkeypatch, "cifar10-jpeg75", fingerprint="0123456789abcdef")
    code, _, said = check(capsys, "check", "cifar10-jpeg75")
    assert code == 2 and "expected the fingerprint 0123456789abcdef" in said


@pytest.mark.parametrize(
    "sizes, shape, classes", [((19, 10), (3, 4, 4), 5), ((20, 10), (1, 4, 4), 5),
                              ((20, 10), (3, 4, 4), 4)],
)  # fmt: skip
def test_other_images_are_found(sizes, shape, classes):
    entry = replace(CATALOGUE["cifar100"], sizes=(20, 10), image_shape=(3, 4, 4), classes=5)
    assert not entry.check(images((20, 10), (3, 4, 4), 5, "small")), "no fingerprint is known"
    with pytest.raises(ValueError, match="small: expected training and test images"):
        entry.check(images(sizes, shape, classes, "small"))


def test_a_folder_is_checked(home, capsys):
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            (home / "pets" / part / name).mkdir(parents=True)
            Image.new("RGB", (5, 4)).save(home / "pets" / part / name / "a.png")
    code, said, _ = check(capsys, "check", f"folder:{home / 'pets'}")
    assert code == 0 and "2 training and 2 test images of 3x4x5 in 2 classes" in said
