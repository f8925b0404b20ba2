"""Files of folders and archives, hostile ones too."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from collectors.members import Limits, decode, load
from engine.errors import EvidenceError

if TYPE_CHECKING:
    from pathlib import Path


def archive(path: Path, members: dict[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> Path:
    """A tar archive of files (or of ready entries without content)."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]  # the mode is one of tarfile's literals
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """An entry that is no plain file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(("name", "mode"), [("b.tar.gz", "w:gz"), ("b.tgz", "w:gz"), ("b.tar", "w"), ("b.tar.xz", "w:xz"), ("b.dat", "w:gz")])
def test_an_archive_reads_like_the_folder_in_it(tmp_path: Path, name: str, mode: str) -> None:
    """Every kind of tar gives its files by their paths, also under a name that does not say so."""
    found = load(archive(tmp_path / name, {"x/ip_addr": b"1: lo", "./x/y": b""}, mode), Limits())
    assert found.files == {"x/ip_addr": b"1: lo", "x/y": b""}
    assert not found.warnings


@pytest.mark.parametrize(("bad", "why"), [
    ("../evil", "leaves the bundle"),
    ("/etc/passwd", "leaves the bundle"),
    ("a/../../evil", "leaves the bundle"),
    (entry("link", tarfile.SYMTYPE, "/etc/shadow"), "link"),
    (entry("hard", tarfile.LNKTYPE, "ok"), "link"),
    (entry("null", tarfile.CHRTYPE), "device"),
    (entry("pipe", tarfile.FIFOTYPE), "device"),
])
def test_entries_that_leave_the_bundle_are_left_out(tmp_path: Path, bad: str | tarfile.TarInfo, why: str) -> None:
    """Absolute paths, "..", links and devices are not read, and a warning says so; the rest is."""
    name = bad if isinstance(bad, str) else bad.name
    found = load(archive(tmp_path / "b.tar.gz", {name: b"x" if isinstance(bad, str) else bad, "ok": b"fine"}), Limits())
    assert found.files == {"ok": b"fine"}
    assert len(found.warnings) == 1
    assert why in found.warnings[0]


def test_a_compression_bomb_is_refused(tmp_path: Path) -> None:
    """An archive that unpacks to far more than its size is an error before the memory is taken."""
    bomb = archive(tmp_path / "b.tar.gz", {f"z{n}": bytes(1 << 24) for n in range(6)})
    with pytest.raises(EvidenceError, match="compression bomb"):
        load(bomb, Limits(ratio=100))


def test_bounds_cut_and_say_so(tmp_path: Path) -> None:
    """Too many members, too large a file and too much in all are left out with a warning."""
    many = archive(tmp_path / "many.tar", {f"f{n}": b"x" for n in range(20)}, "w")
    found = load(many, Limits(members=5))
    assert len(found.files) == 5
    assert "more than the limits allow" in found.warnings[-1]
    big = archive(tmp_path / "big.tar", {"big": b"x" * 100, "small": b"y"}, "w")
    found = load(big, Limits(file_bytes=10))
    assert list(found.files) == ["small"]
    found = load(big, Limits(total_bytes=100))
    assert list(found.files) == ["big"]
    deep = archive(tmp_path / "deep.tar", {"/".join("d" * 30): b"x"}, "w")
    found = load(deep, Limits())
    assert not found.files
    assert "nested too deeply" in found.warnings[0]


def test_a_folder_is_bounded_as_well(tmp_path: Path) -> None:
    """The same bounds hold for folders."""
    for number in range(5):
        (tmp_path / f"f{number}").write_text("x" * 20)
    found = load(tmp_path, Limits(members=3))
    assert len(found.files) == 3
    found = load(tmp_path, Limits(file_bytes=10))
    assert not found.files
    assert len(found.warnings) == 5


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: data[:10], lambda data: data[:100] + b"\0" * 50 + data[150:]])
def test_a_broken_archive_is_one_clear_error(tmp_path: Path, damage: object) -> None:
    """A truncated or corrupt archive raises one line with the way out."""
    whole = archive(tmp_path / "b.tar.gz", {f"f{n}": os.urandom(4000) for n in range(10)}).read_bytes()
    broken = tmp_path / "broken.tar.gz"
    assert callable(damage)
    broken.write_bytes(damage(whole))
    with pytest.raises(EvidenceError, match="not a whole tar archive") as caught:
        load(broken, Limits())
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_gzipped_text_is_no_bundle(tmp_path: Path) -> None:
    """A gzip file without a tar inside is an error, not a crash."""
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(b"hello " * 1000))
    with pytest.raises(EvidenceError, match="not a whole tar archive"):
        load(path, Limits())


def test_archives_inside_are_read_to_a_depth(tmp_path: Path) -> None:
    """A folder of bundles and a bundle of bundles are read; deeper nesting is left out, and a broken inner one spoils nothing."""
    inner = archive(tmp_path / "n1.tar.gz", {"ip_addr": b"1: lo"}).read_bytes()
    outer = archive(tmp_path / "outer.tar", {"n1.tar.gz": inner, "bad.tar.gz": b"\x1f\x8bgarbage"}, "w")
    found = load(outer, Limits())
    assert found.files == {"n1/ip_addr": b"1: lo"}
    assert any("bad.tar.gz" in warning for warning in found.warnings)
    nest = outer.read_bytes()
    for number in range(3):
        nest = archive(tmp_path / f"nest{number}.tar", {"a.tar": nest}, "w").read_bytes()
    found = load(tmp_path / "nest2.tar", Limits())
    assert not found.files
    assert any("archives are nested too deeply" in warning for warning in found.warnings)


def test_links_of_a_folder_stay_inside(tmp_path: Path) -> None:
    """A link inside the folder is followed, one that leads out is left out; special files and hidden ones too."""
    root = tmp_path / "bundle"
    root.mkdir()
    (tmp_path / "secret").write_text("x")
    (root / "ip_addr").write_text("1: lo")
    (root / "copy").symlink_to("ip_addr")
    (root / "out").symlink_to("../secret")
    (root / "broken").symlink_to("nowhere")
    (root / ".hidden").write_text("x")
    os.mkfifo(root / "pipe")
    found = load(root, Limits())
    assert found.files == {"copy": b"1: lo", "ip_addr": b"1: lo"}
    assert {warning.partition(":")[0] for warning in found.warnings} == {"broken", "out", "pipe"}


def test_binary_files_are_left_out(tmp_path: Path) -> None:
    """A binary file is not evidence; a warning names it."""
    (tmp_path / "dump.pcap").write_bytes(b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00")
    found = load(tmp_path, Limits())
    assert not found.files
    assert found.warnings == ["dump.pcap: not read, it is not text"]
    with pytest.raises(EvidenceError, match="is not text"):
        load(tmp_path / "dump.pcap", Limits())


def test_missing_and_unreadable_paths(tmp_path: Path) -> None:
    """A path that is missing or no file is one clear error."""
    with pytest.raises(EvidenceError, match="No such file"):
        load(tmp_path / "nothing", Limits())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EvidenceError, match="neither a file nor a folder"):
        load(tmp_path / "pipe", Limits())


@pytest.mark.parametrize(("data", "text"), [
    (b"caf\xc3\xa9", "café"), (b"caf\xe9", "caf�"), (b"\xef\xbb\xbfx", "x"), ("ip r".encode("utf-16"), "ip r"),
])
def test_every_file_decodes(data: bytes, text: str) -> None:
    """UTF-8 with or without a mark, UTF-16 with one, and anything else with replacements."""
    assert decode(data) == text


# --- zip ---------------------------------------------------------------------------------------------------------------


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
    inner = archive(tmp_path / "inner.tgz", {"ip_rule": b"0:"}).read_bytes()
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
