"""Bounded programs and files."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from collectors.live.run import find, read_below, read_file, run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_program_gives_output_status_and_complaint() -> None:
    """Output, exit status and the first line of standard error are kept."""
    output = run(["/bin/sh", "-c", "echo out; echo bad >&2; echo worse >&2; exit 3"], timeout=5, max_bytes=100)
    assert (output.data, output.exit_status, output.error, output.truncated) == (b"out\n", 3, "bad", False)


def test_a_program_that_hangs_is_ended_with_its_children() -> None:
    """Time runs out for the whole process group, and what was printed so far is kept."""
    began = time.monotonic()
    output = run(["/bin/sh", "-c", "echo first; sleep 60 & sleep 60"], timeout=0.2, max_bytes=100)
    assert time.monotonic() - began < 5
    assert (output.data, output.timed_out, output.truncated, output.error) == (b"first\n", True, True, "no answer within 0.2 s")


def test_a_program_that_never_ends_printing_is_cut() -> None:
    """No more than the cap is kept, however much there is."""
    output = run(["/bin/sh", "-c", "while :; do echo yes; done"], timeout=5, max_bytes=1000)
    assert (len(output.data), output.truncated, output.timed_out) == (1000, True, False)


def test_output_of_exactly_the_cap_is_whole() -> None:
    """The cap itself cuts nothing."""
    output = run(["/bin/echo", "abc"], timeout=5, max_bytes=4)
    assert (output.data, output.truncated) == (b"abc\n", False)


def test_a_missing_program_is_no_crash() -> None:
    """What cannot be run says so."""
    output = run(["/nowhere/to/be/found"], timeout=1, max_bytes=10)
    assert (output.exit_status, output.error) == (127, "/nowhere/to/be/found: No such file or directory")


def test_programs_are_found_off_a_users_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system folders are searched although a plain user's PATH lacks them."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert find("sh")
    assert find("no-such-program") is None


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A FIFO would block and a folder is no file: both are refused; a file is cut at the cap."""
    os.mkfifo(tmp_path / "pipe")
    assert read_file(str(tmp_path / "pipe"), 10).error == "not a regular file"
    assert read_file(str(tmp_path / "none"), 10).error == "No such file or directory"
    (tmp_path / "file").write_text("0123456789")
    assert (read_file(str(tmp_path / "file"), 4).data, read_file(str(tmp_path / "file"), 4).truncated) == (b"0123", True)
    assert read_file(str(tmp_path / "file"), 10).truncated is False


def test_a_containers_links_lead_nowhere(tmp_path: Path) -> None:
    """Below a container's root no link is followed, neither as file nor as folder."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "hosts").write_text("mine")
    (tmp_path / "secret").write_text("host's")
    (root / "etc" / "resolv.conf").symlink_to(tmp_path / "secret")
    (root / "var").symlink_to(tmp_path)
    assert read_below(str(root), ["etc", "hosts"], 100).data == b"mine"
    assert read_below(str(root), ["etc", "resolv.conf"], 100).exit_status == 1
    assert read_below(str(root), ["var", "secret"], 100).exit_status == 1
    os.mkfifo(root / "etc" / "pipe")
    assert read_below(str(root), ["etc", "pipe"], 100).error == "not a regular file"
    assert read_below(str(tmp_path / "none"), ["etc", "hosts"], 100).exit_status == 1
