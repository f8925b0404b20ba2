"""Zip archives, hostile ones too."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from collectors.members import Limits, load
from engine.errors import EvidenceError

if TYPE_CHECKING:
    from pathlib import Path


def tarred(path: Path, name: str, content: bytes) -> Path:
    """A tar archive of one file."""
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, members: dict[str, bytes | zipfile.ZipInfo], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip archive of files (or of ready entries with a little content)."""
    with zipfile.ZipFile(path, "w", method) as made:
        for name, content in members.items():
            if isinstance(content, bytes):
                made.writestr(name, content)
            else:
                made.writestr(content, b"/etc/shadow")
    return path


def attributed(name: str, mode: int) -> zipfile.ZipInfo:
    """An entry with a mode of Unix."""
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


@pytest.mark.parametrize("name", ["b.zip", "b.dat"])
def test_a_zip_reads_like_the_folder_in_it(tmp_path: Path, name: str) -> None:
    """A zip gives its files by their paths, under any name, those of Windows too; archives inside are read, the empty one holds nothing."""
    inner = tarred(tmp_path / "inner.tgz", "ip_rule", b"0:").read_bytes()
    nested = zipped(tmp_path / "nested.zip", {"ip_route": b"default"}).read_bytes()
    made = zipped(tmp_path / name, {"x/ip_addr": b"1: lo", "x\\y": b"", "deep.tgz": inner, "x/deep.zip": nested, "empty/": b""})
    found = load(made, Limits())
    assert found.files == {"x/ip_addr": b"1: lo", "x/y": b"", "deep/ip_rule": b"0:", "x/deep/ip_route": b"default"}
    assert "empty" in found.folders
    assert not found.warnings
    assert not load(zipped(tmp_path / "none.zip", {}), Limits()).files


@pytest.mark.parametrize(("bad", "why"), [
    ("../evil", "leaves the bundle"),
    ("/etc/passwd", "leaves the bundle"),
    ("a\\..\\..\\evil", "leaves the bundle"),
    (attributed("link", stat.S_IFLNK | 0o777), "link"),
    (attributed("pipe", stat.S_IFIFO | 0o666), "special file"),
])
def test_entries_of_a_zip_that_leave_it_are_left_out(tmp_path: Path, bad: str | zipfile.ZipInfo, why: str) -> None:
    """Absolute paths, "..", links and special files are not read, and a warning says so; the rest is."""
    name, content = (bad, b"x") if isinstance(bad, str) else (bad.filename, bad)
    found = load(zipped(tmp_path / "b.zip", {name: content, "ok": b"fine"}), Limits())
    assert found.files == {"ok": b"fine"}
    assert len(found.warnings) == 1
    assert why in found.warnings[0]


def test_what_a_zip_cannot_be_read_of(tmp_path: Path) -> None:
    """Entries that are encrypted or packed by rare methods are left out with a warning."""
    found = load(zipped(tmp_path / "lzma.zip", {"a": b"x" * 99}, zipfile.ZIP_LZMA), Limits())
    assert found.warnings == ["a: not read, it is packed by another method than deflate"]
    locked = bytearray(zipped(tmp_path / "locked.zip", {"a": b"x"}).read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    assert load(tmp_path / "locked.zip", Limits()).warnings == ["a: not read, it is encrypted"]


def test_bombs_in_zips_are_refused(tmp_path: Path) -> None:
    """A zip that unpacks to far more than its size is refused, also if all its entries share one packed content, or lie about its size."""
    bomb = zipped(tmp_path / "b.zip", {f"z{n}": bytes(1 << 24) for n in range(6)})
    with pytest.raises(EvidenceError, match="compression bomb"):
        load(bomb, Limits(ratio=100))
    made = zipped(tmp_path / "l.zip", {"liar": bytes(1 << 20)})
    lying = made.read_bytes().replace((1 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    made.write_bytes(lying)
    with pytest.raises(EvidenceError, match="not a whole zip"):
        load(made, Limits())
    whole = bomb.read_bytes()
    start = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    header = whole[start : start + 48]
    directory = header * 2000
    tail = bytearray(whole[end:])
    tail[8:12] = (2000).to_bytes(2, "little") * 2
    tail[12:16] = len(directory).to_bytes(4, "little")
    tail[16:20] = start.to_bytes(4, "little")
    (tmp_path / "shared.zip").write_bytes(whole[:start] + directory + bytes(tail))
    with pytest.raises(EvidenceError, match=r"compression bomb|not a whole zip"):
        load(tmp_path / "shared.zip", Limits())


def test_bounds_cut_zips_and_say_so(tmp_path: Path) -> None:
    """Too many members and too large a file are left out with a warning; a directory beyond all bounds is not even read."""
    many = zipped(tmp_path / "many.zip", {f"f{n}": b"x" for n in range(20)})
    found = load(many, Limits(members=10))
    assert len(found.files) == 10
    assert "more than the limits allow" in found.warnings[-1]
    assert load(zipped(tmp_path / "big.zip", {"big": b"x" * 100, "s": b"y"}), Limits(file_bytes=10)).files == {"s": b"y"}
    for huge in (zipped(tmp_path / "huge.zip", {"n" * 200 + str(n): b"" for n in range(20)}), wide(many)):
        with pytest.raises(EvidenceError, match="its directory has"):
            load(huge, Limits(members=5))


def wide(path: Path) -> Path:
    """The archive with a locator of a 64-bit directory, whose size nobody checked."""
    whole = path.read_bytes()
    end = whole.index(b"PK\x05\x06")
    made = path.with_name("wide.zip")
    made.write_bytes(whole[:end] + b"PK\x06\x07" + bytes(16) + whole[end:])
    return made


@pytest.mark.parametrize("cut", [3, 10, 40, -5])
def test_a_broken_zip_says_so(tmp_path: Path, cut: int) -> None:
    """A zip that is cut short is an error with a way out, never a traceback."""
    whole = zipped(tmp_path / "b.zip", {"a": b"x" * 99}).read_bytes()
    (tmp_path / "b.zip").write_bytes(whole[:cut])
    with pytest.raises(EvidenceError, match="not a whole"):
        load(tmp_path / "b.zip", Limits())
