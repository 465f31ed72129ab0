import hashlib
import io
import os
import socket
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving import serving

from resnet_tutorial import download
from resnet_tutorial.data import cifar, fashion
from resnet_tutorial.download import Remote

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site():
    with serving() as site:
        site.files["a.bin"] = CONTENT
        yield site


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def dead():
    """The address of a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/a.bin"


def remote(*mirrors):
    return Remote("sub/a.bin", SHA256, len(CONTENT), mirrors)


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_dead_mirror_is_passed_over_and_a_second_call_asks_nobody(site, home):
    source = remote(dead(), site.url("absent.bin"), site.url("a.bin"))
    assert download.fetch(source).read_bytes() == CONTENT
    assert visible(home / "sub") == ["a.bin"]
    download.fetch(source)
    assert [path for path, _ in site.requests] == ["absent.bin", "a.bin"]


def test_all_mirrors_down_is_one_message_that_names_each_and_the_ways_out(site, home):
    site.files["wrong.bin"] = b"something else"
    urls = dead(), site.url("absent.bin"), site.url("wrong.bin")
    with pytest.raises(ConnectionError) as caught:
        download.fetch(remote(*urls))
    message = str(caught.value)
    assert "\n" not in message
    reasons = "ConnectionError", "404 Not Found", "wrong checksum"
    for url, reason in zip(urls, reasons, strict=True):
        assert f"{url} ({reason})" in message
    assert str(home / "sub") in message and "RESNET_TUTORIAL_DATA" in message
    assert "'digits'" in message
    assert visible(home / "sub") == [], "a file with a wrong checksum must not stay"


def test_a_damaged_file_is_replaced(site, home):
    path = home / "sub" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(CONTENT[:-1])
    assert download.fetch(remote(site.url("a.bin"))).read_bytes() == CONTENT


def test_a_damaged_file_is_named_and_kept_when_nobody_can_replace_it(home):
    path = home / "sub" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ConnectionError, match=r"a\.bin \(wrong checksum\)"):
        download.fetch(remote(dead()))
    assert path.read_bytes() == CONTENT[:-1]


def test_an_interrupted_download_is_not_used_and_goes_on_where_it_ended(site, home, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 100)
    site.cut = 1000
    with pytest.raises(ConnectionError):
        download.fetch(remote(site.url("a.bin")))
    assert not (home / "sub" / "a.bin").exists()
    site.cut = None
    assert download.fetch(remote(site.url("a.bin"))).read_bytes() == CONTENT
    assert site.requests[-1] == ("a.bin", "bytes=1000-")
    assert visible(home / "sub") == ["a.bin"]


def test_the_next_mirror_goes_on_where_the_first_broke_off(site, home, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 100)
    site.cut = 1000
    with serving() as second:
        second.files["b.bin"] = CONTENT
        source = remote(site.url("a.bin"), second.url("b.bin"))
        assert download.fetch(source).read_bytes() == CONTENT
        assert second.requests == [("b.bin", "bytes=1000-")]


@pytest.mark.parametrize("kept", [None, CONTENT[:1000]], ids=["new", "resumed"])
def test_a_server_that_sends_more_than_the_file_is_left_early(site, home, kept, monkeypatch):
    """By what it announces, or, where it announces nothing, by what comes."""
    site.files["a.bin"] = CONTENT + bytes(50_000_000)
    if kept:
        part(home, kept)
    with pytest.raises(ConnectionError) as caught:
        download.fetch(remote(site.url("a.bin")))
    assert f"sends more than the {len(CONTENT):,} bytes of the file" in str(caught.value)
    assert visible(home / "sub") == []


def test_a_server_that_announces_nothing_is_left_when_the_file_is_full(site, home, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 1000)
    site.files["a.bin"] = CONTENT + bytes(5000)
    site.announced = False
    with pytest.raises(ConnectionError, match="sends more than the 10,240 bytes"):
        download.fetch(remote(site.url("a.bin")))
    assert visible(home / "sub") == []


def test_encrypted_mirrors_are_asked_first():
    for mirrors in (cifar.CIFAR10.mirrors, cifar.CIFAR100.mirrors, fashion.MIRRORS):
        encrypted = [mirror.startswith("https://") for mirror in mirrors]
        assert encrypted == sorted(encrypted, reverse=True) and encrypted[0]


def test_workers_that_ask_at_once_download_once(site, home):
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(download.fetch, [remote(site.url("a.bin"))] * 4))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(site.requests) == 1


def part(home, content):
    path = home / "sub" / ".a.bin.part"
    path.parent.mkdir()
    path.write_bytes(content)


def test_a_server_that_cannot_go_on_in_the_middle_sends_all_again(site, home):
    part(home, CONTENT[:1000])
    site.ranges = False
    assert download.fetch(remote(site.url("a.bin"))).read_bytes() == CONTENT
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "kept", [b"x" * 1000, CONTENT + b"x", b"x" * len(CONTENT)], ids=["start", "longer", "all"]
)
def test_a_wrong_part_is_thrown_away_and_the_download_begun_again(site, home, kept):
    part(home, kept)
    assert download.fetch(remote(site.url("a.bin"))).read_bytes() == CONTENT
    assert [asked for _, asked in site.requests] == [f"bytes={len(kept)}-", None]


def test_a_part_that_was_complete_is_taken(site, home):
    part(home, CONTENT)
    assert download.fetch(remote(site.url("a.bin"))).read_bytes() == CONTENT


def test_without_the_variable_the_cache_is_home(monkeypatch):
    monkeypatch.delenv("RESNET_TUTORIAL_DATA")
    assert download.home().name == "resnet_tutorial"
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", "~/sets")
    assert str(download.home()) == os.path.expanduser("~/sets")


def archive(path, *members):
    """A .tar.gz of (name or TarInfo, content)."""
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member = tarfile.TarInfo(member) if isinstance(member, str) else member
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def link(name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_an_archive_is_unpacked_beside_itself_and_once(home):
    path = archive(home / "a.tar.gz", ("top/x", b"1"))
    (home / ".top.unpacking" / "top").mkdir(parents=True)
    (home / ".top.unpacking" / "top" / "half").write_bytes(b"of a process that was killed")
    place = download.unpack(path, "top")
    assert (place, (place / "x").read_bytes()) == (home / "top", b"1")
    assert visible(place) == ["x"]
    (place / "x").write_bytes(b"2")
    assert (download.unpack(path, "top") / "x").read_bytes() == b"2"
    assert visible(home) == ["a.tar.gz", "top"]


@pytest.mark.parametrize(
    "member",
    ["../evil", "top/../../evil", link("top/link", "../../evil"), link("top/link", "/etc")],
    ids=["up", "up and down", "link", "absolute link"],
)
def test_no_member_leaves_the_folder(home, member):
    inner = home / "inner"
    inner.mkdir()
    path = archive(inner / "a.tar.gz", ("top/x", b"1"), (member, b""))
    with pytest.raises(ValueError, match="a.tar.gz cannot be unpacked") as caught:
        download.unpack(path, "top")
    assert "\n" not in str(caught.value)
    assert visible(inner) == ["a.tar.gz"] and visible(home) == ["inner"]


def test_an_absolute_name_stays_inside(home):
    outside = home / "outside"
    path = archive(home / "a.tar.gz", ("top/x", b"1"), (str(outside), b"evil"))
    assert download.unpack(path, "top") == home / "top"
    assert visible(home) == ["a.tar.gz", "top"]


@pytest.mark.parametrize("size", [0, 20, 60], ids=["empty", "head", "half"])
def test_a_truncated_archive_leaves_nothing(home, size):
    path = archive(home / "a.tar.gz", ("top/x", os.urandom(5000)))
    path.write_bytes(path.read_bytes()[: size * path.stat().st_size // 100])
    with pytest.raises(ValueError, match="a.tar.gz cannot be unpacked"):
        download.unpack(path, "top")
    assert visible(home) == ["a.tar.gz"]


def test_an_archive_without_the_folder_is_refused(home):
    path = archive(home / "a.tar.gz", ("other/x", b"1"))
    with pytest.raises(ValueError, match="a.tar.gz cannot be unpacked"):
        download.unpack(path, "top")
