"""What is kept comes back as it was, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import kept

LONG_AGO = 1_000_000_000


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep nothing beside the program."""
    folder = tmp_path / "kept"
    monkeypatch.setattr(kept, "_file", lambda name: str(folder / name))
    return folder


def files(folder: Path, *names: str) -> None:
    """Write some files."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")


def test_plain_values_come_back() -> None:
    """What was kept under a key is what that key gives; another key gives nothing, and so does another name."""
    key = (("a", 1, LONG_AGO, LONG_AGO),)
    content = [("x", 1, True, 2.5, None), {"k": (1,)}]
    kept.save("x", key, content, key)
    assert kept.load("x", key) == content
    assert kept.load("x", (*key, ("b", 1, 1, 1))) is None
    assert kept.load("y", key) is None


def test_what_is_being_worked_on_is_not_kept(tmp_path: Path) -> None:
    """A file that changed just now may change again within the same tick of the clock; nor is anything kept of an archive."""
    files(tmp_path / "r", "a.yaml")
    fresh = kept.stamp(str(tmp_path / "r"))
    kept.save("x", fresh, 1, fresh)
    kept.save("y", (), 1, ())
    assert kept.load("x", fresh) is None
    assert kept.load("y", ()) is None


@pytest.mark.parametrize("change", ["text", "added", "removed", "renamed", "deep"])
def test_every_change_shows_in_the_stamp(tmp_path: Path, change: str) -> None:
    """A stamp differs after a file was written, added, removed or renamed, at any level."""
    folder = tmp_path / "r"
    files(folder, "a.yaml", "b/c.yaml")
    before = kept.stamp(str(folder))
    assert [Path(path).name for path, *_ in before] == ["a.yaml", "c.yaml"]
    os.utime(folder / "a.yaml", ns=(LONG_AGO, LONG_AGO))
    if change == "text":
        (folder / "a.yaml").write_text("other.", encoding="utf-8")
    elif change == "removed":
        (folder / "a.yaml").unlink()
    elif change == "renamed":
        (folder / "a.yaml").rename(folder / "z.yaml")
    else:
        files(folder, "new.yaml" if change == "added" else "b/d/new.yaml")
    assert kept.stamp(str(folder)) != before


def test_byte_code_is_no_content(tmp_path: Path) -> None:
    """Folders of byte code do not count, and places that are not there have no stamp."""
    files(tmp_path / "r", "a.yaml")
    before = kept.stamp(str(tmp_path / "r"))
    files(tmp_path / "r", "__pycache__/x.pyc")
    assert kept.stamp(str(tmp_path / "r")) == before
    assert kept.stamp(str(tmp_path / "r"), str(tmp_path / "app.pyz" / "rules")) == ()


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\xe9\x01", b"i\x01\x00\x00\x00"])
def test_a_spoilt_file_is_none(elsewhere: Path, data: bytes) -> None:
    """What cannot be read is worked out anew."""
    elsewhere.mkdir()
    (elsewhere / "x").write_bytes(data)
    assert kept.load("x", ()) is None


def test_a_place_that_cannot_be_written(elsewhere: Path) -> None:
    """An installation that cannot be written is no error, and no rest of an attempt is left behind."""
    key = (("a", 1, LONG_AGO, LONG_AGO),)
    elsewhere.write_text("a file where the folder would be", encoding="utf-8")
    kept.save("x", key, 1, key)
    elsewhere.unlink()
    (elsewhere / "x").mkdir(parents=True)  # cannot be replaced by a file
    kept.save("x", key, 1, key)
    assert [path.name for path in elsewhere.iterdir()] == ["x"]
