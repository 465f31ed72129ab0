"""Files from the internet, each checked against its sha256, and archives unpacked safely.

Nothing is used before its checksum was found right: only then does the file get its name. An
interrupted download goes on where it ended, from whichever mirror answers.
"""

import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from resnet_tutorial import Mistake
from resnet_tutorial.paths import expanded, readable

TIMEOUT = (10, 60)  # seconds until a connection, and between two pieces of an answer
CHUNK = 1 << 18
# What tarfile and the libraries below it raise for a damaged archive; a full disk is none of these.
DAMAGED = (
    *(tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError),
    *(FileNotFoundError, NotADirectoryError, ValueError, OverflowError),
)


@dataclass(frozen=True)
class Remote:
    """A file under `home()`: relative path, checksum, size in bytes, whole addresses in turn.

    The checksum may be the first hex digits of it, the size the most that the file can have.
    `otherwise` ends the list of the ways out when no mirror can serve it.
    """

    file: str
    sha256: str
    size: int
    mirrors: tuple[str, ...]
    otherwise: str = "or use the data set 'digits', which needs no download"

    def is_at(self, path: Path) -> bool:
        """Whether the file at `path` has the checksum."""
        return sha256(path).startswith(self.sha256)


def home() -> Path:
    """The folder of the data sets: RESNET_TUTORIAL_DATA, or the user's cache.

    >>> isinstance(home(), Path)
    True
    """
    place = os.environ.get("RESNET_TUTORIAL_DATA") or _cache()
    return expanded(place)


def fetch(remote: Remote) -> Path:
    """The path of the file, downloaded unless a copy with the right checksum is there.

    A damaged copy is replaced, and only when the new one is whole. Raises ConnectionError that
    names every mirror and the ways out when none can serve the file.
    """
    path = home() / remote.file
    failures = []
    if path.is_file():
        if remote.is_at(path):  # before any lock: the folder may be read-only
            return path
        failures = [f"{path} (wrong checksum)"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        if path.is_file() and remote.is_at(path):  # another process was faster
            return path
        for url in remote.mirrors:
            failure = _try(url, path, remote)
            if failure is None:
                return path
            failures.append(f"{url} ({failure})")
    raise ConnectionError(
        f"could not get {path.name}; tried {', '.join(failures)}. Ways out: try again later (what "
        f"arrived is kept); put the file into {path.parent} yourself (RESNET_TUTORIAL_DATA names "
        f"another folder than {home()}); {remote.otherwise}"
    )


def unpack(archive: Path, folder: str) -> Path:
    """The archive's top folder `folder`, unpacked beside it, whole or not at all.

    Raises ValueError when the archive is damaged, lacks the folder, or has a member that would be
    written outside.
    """
    target = archive.parent / folder
    scratch = archive.parent / f".{folder}.unpacking"
    with _locked(target):
        if target.is_dir():  # another process was faster
            return target
        shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
        try:
            with tarfile.open(readable(archive)) as tar:
                tar.extractall(scratch, filter="data")
            (scratch / folder).rename(target)
        except DAMAGED as error:
            why = " ".join(str(error).split())[:200]
            raise Mistake(
                f"{archive} cannot be unpacked ({why}); delete it and load the data set again"
            ) from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return target


def _cache() -> Path:
    """The user's cache; pooch is imported when first needed (0.2 s), without tqdm's remark."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pooch
    return pooch.os_cache("resnet_tutorial")


def sha256(path: Path) -> str:
    """The checksum of a file, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _locked(path: Path) -> FileLock:
    """One process at a time: the workers of one training run all ask for the same data."""
    return FileLock(path.with_name(f".{path.name}.lock"))


class _TooLong(Exception):
    """More comes than the file can have."""


def _try(url: str, path: Path, remote: Remote) -> str | None:
    """Downloads to `path`; why that failed, or None."""
    import requests  # 0.1 s, and only a download needs it

    part = path.with_name(f".{path.name}.part")
    resumed = part.exists()
    try:
        _download(url, part, remote.size)
    except _TooLong:
        part.unlink(missing_ok=True)
        return f"sends more than the {remote.size:,} bytes of the file"
    except requests.RequestException as error:
        answer = error.response
        return type(error).__name__ if answer is None else f"{answer.status_code} {answer.reason}"
    if remote.is_at(part):
        part.replace(path)
        return None
    part.unlink()  # so the second try is fresh
    return _try(url, path, remote) if resumed else "wrong checksum"


def _download(url: str, part: Path, most: int) -> None:
    """Completes `part`; from its start when the server cannot go on in the middle.

    Raises _TooLong as soon as more than `most` bytes are announced or come.
    """
    import requests

    done = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # else a .gz may arrive unpacked
    if done:
        headers["Range"] = f"bytes={done}-"
    with requests.get(url, stream=True, timeout=TIMEOUT, headers=headers) as answer:
        if done and answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing; the checksum decides
        answer.raise_for_status()
        goes_on = answer.status_code == requests.codes.partial_content
        done = done if goes_on else 0
        announced = answer.headers.get("Content-Length", "")
        size = int(announced) if announced.isdecimal() else 0
        if done + size > most:
            raise _TooLong
        bar = tqdm(total=done + size or None, initial=done, unit="B", unit_scale=True, delay=1,
                   desc=url.rsplit("/", 1)[-1])  # fmt: skip
        with bar, part.open("ab" if goes_on else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                bar.update(file.write(chunk))
                if file.tell() > most:
                    raise _TooLong
    if part.stat().st_size < done + size:  # urllib3 1 takes a connection that broke for the end
        raise requests.ConnectionError
