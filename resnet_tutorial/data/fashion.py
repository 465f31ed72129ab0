"""Fashion-MNIST from its four idx files, wherever they come from."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from resnet_tutorial import Mistake
from resnet_tutorial.data.dataset import Dataset, Split
from resnet_tutorial.download import Remote, fetch, home

DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
MIRRORS = (  # both the authors'; the second speaks no https, and the checksums answer for it
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
# sha256 of each file; sha256 and bytes of its .gz as the authors serve it. The latter stand in
# TensorFlow Datasets' url_checksums/fashion_mnist.txt (the authors' README gives the md5); the
# former are those of Debian's files, unpacked. Debian packs them anew, so only what is inside can
# be compared.
FILES = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        26_421_880,
    ),
    "train-labels-idx1-ubyte": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        29_515,
    ),
    "t10k-images-idx3-ubyte": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        4_422_102,
    ),
    "t10k-labels-idx1-ubyte": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        5_148,
    ),
}
MOST_AXES = 4  # images, and perhaps their channels
MOST_BYTES = 60_000 * 28 * 28 + 16  # of the largest file, unpacked
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def fashion_mnist() -> Dataset:
    """Fashion-MNIST: 60,000 + 10,000 grey 28x28 pictures of ten kinds of clothing.

    The files, packed or not, are looked for in `home()`, in its folder fashion_mnist, and where
    Debian puts them; else they are downloaded. Source: Xiao, Rasul and Vollgraf, 2017,
    arXiv:1708.07747.
    """
    train, test = (
        Split(
            decode(_content(f"{part}-images-idx3-ubyte"))[:, None],
            decode(_content(f"{part}-labels-idx1-ubyte")).astype(np.int64),
        )
        for part in ("train", "t10k")
    )
    return Dataset("fashion_mnist", train, test, CLASSES)


def decode(content: bytes) -> UInt8[np.ndarray, "..."]:
    """The array in an idx file of bytes: a magic number, the sizes as big-endian int32, the data.

    Raises ValueError when the file is of another type or its length is not what its sizes say.
    """
    if content[:3] != b"\0\0\x08":
        raise Mistake(f"expected an idx file of unsigned bytes, got one that begins {content[:4]}")
    header = 4 + 4 * (content[3] if len(content) > 3 else 0)
    if not 4 < header <= min(len(content), 4 + 4 * MOST_AXES):
        raise Mistake(
            f"expected an idx file of 1 to {MOST_AXES} axes, got one of {len(content)} bytes that "
            f"begins {content[:4]}"
        )
    shape = tuple(np.frombuffer(content[4:header], ">u4").tolist())
    if 0 in shape or len(content) - header != math.prod(shape):
        raise Mistake(
            f"expected {math.prod(shape)} bytes of data for an idx file of shape {shape}, got "
            f"{len(content) - header}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def files_called(name: str) -> list[Path]:
    """The copies of the file called `name`, packed or not, in the order in which they are tried."""
    folders = (home() / "fashion_mnist", home(), DEBIAN)
    paths = (folder / f"{name}{suffix}" for folder in folders for suffix in ("", ".gz"))
    return [path for path in paths if path.is_file()]


def intact_content(name: str) -> bytes | None:
    """What is in the file called `name`, from the first copy that is not damaged; None without one.

    Nothing is downloaded.
    """
    for path in files_called(name):
        content = _read(path)
        if content is not None and hashlib.sha256(content).hexdigest() == FILES[name][0]:
            return content
    return None


def _content(name: str) -> bytes:
    """What is in the file: of a copy on this machine, else downloaded."""
    content = intact_content(name)
    if content is not None:
        return content
    mirrors = tuple(f"{mirror}{name}.gz" for mirror in MIRRORS)
    _, checksum, size = FILES[name]
    return _read(fetch(Remote(f"fashion_mnist/{name}.gz", checksum, size, mirrors)))


def _read(path: Path) -> bytes | None:
    """The file's bytes, unpacked; None when it cannot be read or unpacked."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(MOST_BYTES)
    except (OSError, EOFError, zlib.error):
        return None
