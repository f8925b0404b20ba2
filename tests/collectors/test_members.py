"""Files of folders and archives, hostile ones too."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
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
