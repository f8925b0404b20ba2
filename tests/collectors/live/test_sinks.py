"""Where bundles are written."""

from __future__ import annotations

import os
import stat
import tarfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from collectors.live.sinks import ArchiveSink, FolderSink, MemorySink, open_sink
from engine.errors import EvidenceError

if TYPE_CHECKING:
    from pathlib import Path

WHEN = 1_700_000_000.5
"""Seconds since the epoch."""


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_sink_in_memory_keeps_the_files() -> None:
    """Path and content stay what they were."""
    sink = MemorySink()
    sink.put("nodes/n1/a", b"\0x")
    assert sink.files == {"nodes/n1/a": b"\0x"}


def test_a_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Files and every folder on the way to them are unreadable for others, whatever the umask allows."""
    before = os.umask(0)
    try:
        with open_sink(tmp_path / "out" / "b", WHEN) as sink:
            assert isinstance(sink, FolderSink)
            sink.put("nodes/n1/netns/web/ip_addr", b"x")
            sink.put("nodes/n1/ip_addr", b"y")
            sink.put("manifest.json", b"{}")
    finally:
        os.umask(before)
    root = tmp_path / "out" / "b"
    assert (root / "nodes/n1/netns/web/ip_addr").read_bytes() == b"x"
    inside = list(root.rglob("*"))
    assert {mode(path) for path in inside if path.is_dir()} | {mode(root)} == {0o700}
    assert {mode(path) for path in inside if path.is_file()} == {0o600}


def test_no_file_is_written_twice(tmp_path: Path) -> None:
    """Two items of one path would lose one of them, and a planted link would be followed: both are errors that name the path."""
    (tmp_path / "other").write_text("mine")
    out = tmp_path / "b"

    def write(number: int) -> None:
        with open_sink(out, WHEN) as sink:
            (out / "link").symlink_to(tmp_path / "other")
            sink.put("twice" if number else "link", b"first")
            sink.put("twice", b"second")

    for number, path in enumerate(("link", "twice")):
        with pytest.raises(EvidenceError, match=f"cannot write {out}/{path}: File exists"):
            write(number)
        for left in out.iterdir():
            left.unlink()
    assert (tmp_path / "other").read_text() == "mine"


@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz"])
def test_an_archive_has_one_top_folder_of_its_name(tmp_path: Path, suffix: str) -> None:
    """Members lie below the archive's own name, private, with the time of the collection; so does the archive itself."""
    out = tmp_path / "out" / f"case{suffix}"
    with open_sink(out, WHEN) as sink:
        assert isinstance(sink, ArchiveSink)
        sink.put("nodes/n1/ip_addr", b"content")
    with tarfile.open(out) as archive:
        members = archive.getmembers()
        content = archive.extractfile(members[0])
        assert content is not None
        assert content.read() == b"content"
    assert [(m.name, m.mode, m.mtime, m.size) for m in members] == [("case/nodes/n1/ip_addr", 0o600, int(WHEN), 7)]
    assert mode(out) == 0o600


def test_threads_may_write_side_by_side(tmp_path: Path) -> None:
    """No member is torn when several threads append at once."""
    out = tmp_path / "b.tgz"
    with open_sink(out, WHEN) as sink, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: sink.put(f"f{n}", bytes([n]) * 3000), range(100)))
    with tarfile.open(out) as archive:
        read = {member.name: content.read() for member in archive if (content := archive.extractfile(member))}
    assert read == {f"b/f{n}": bytes([n]) * 3000 for n in range(100)}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_archive_appears_whole_or_not_at_all(tmp_path: Path, error: type[BaseException]) -> None:
    """While it grows nothing bears its name; after a failure or Ctrl-C nothing is left, not even the part."""
    out = tmp_path / "b.tar.gz"

    def break_off() -> None:
        with open_sink(out, WHEN) as sink:
            sink.put("x", b"x")
            assert not out.exists()
            raise error

    with pytest.raises(error):
        break_off()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["b", "b.tar.gz"])
@pytest.mark.parametrize("there", ["file", "folder", "dangling link"])
def test_what_is_there_stays(tmp_path: Path, name: str, there: str) -> None:
    """A file, a folder that is not empty, and a link to nowhere are refused and left alone."""
    out = tmp_path / name
    if there == "file":
        out.write_text("mine")
    elif there == "folder":
        (out / "mine").mkdir(parents=True)
    else:
        out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(EvidenceError, match="exists already"), open_sink(out, WHEN):
        pytest.fail("it was opened")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    """``mktemp -d`` is a fine place."""
    with open_sink(tmp_path, WHEN) as sink:
        sink.put("x", b"x")
    assert (tmp_path / "x").read_bytes() == b"x"


def test_a_path_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    """The operating system's reason becomes an error with a way out."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceError, match="cannot write") as caught, open_sink(tmp_path / "file" / "b.tgz", WHEN):
        pytest.fail("it was opened")
    assert caught.value.hint == "choose another path with -o"
