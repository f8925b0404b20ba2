"""Sockets without ss."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from collectors.live import stack
from collectors.live.modules import Facility
from collectors.live.options import CollectOptions
from collectors.live.sockets import end_point, owners_by_inode, socket_line, table
from collectors.parsers.ss import parse
from collectors.place import Place
from engine.facts import Source

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("text", "shown"), [
    ("0100007F:1F90", "127.0.0.1:8080"),
    ("00000000:0000", "0.0.0.0:*"),
    ("00000000000000000000000001000000:0050", "[::1]:80"),
    ("0000000000000000FFFF00000100007F:0016", "[::ffff:127.0.0.1]:22"),
])
def test_end_points_are_words_in_the_machines_order(text: str, shown: str) -> None:
    """Addresses of /proc/net are 32-bit words in host order (these are of a little-endian machine)."""
    assert end_point(text) == shown


def test_lines_that_are_none_are_left_out() -> None:
    """A short line gives nothing."""
    assert socket_line("tcp", "  sl  local_address", {}) == ""


def test_this_process_owns_its_sockets() -> None:
    """A socket's inode leads to its process."""
    with socket.socket() as own:
        inode = os.fstat(own.fileno()).st_ino
        assert f"pid={os.getpid()},fd={own.fileno()}" in owners_by_inode("/proc")[inode]


def test_a_listener_is_seen_as_ss_shows_it() -> None:
    """The table reads back as a listening socket of this process, and as a whole listing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = table("/proc/self/net", 1 << 20).data.decode()
    facts = parse(Source("x", text, "ss -tuanp"), Place("n1"))
    found = next(f for f in facts if f.kind == "socket" and f.get("port") == port)
    assert (found.get("address"), found.get("state"), found.get("pid"), found.get("protocol")) == ("127.0.0.1", "LISTEN", os.getpid(), "tcp")
    assert {f.get("scope") for f in facts if f.kind == "collected"} == {"tcp", "udp", "tcp-listen", "udp-listen"}
    assert not [f for f in facts if f.kind == "unparsed"]


def test_the_table_is_bounded(tmp_path: Path) -> None:
    """A cut table says so."""
    line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
    for name in ("tcp", "tcp6", "udp", "udp6"):
        (tmp_path / name).write_text("header\n" + line * 50)
    assert table(str(tmp_path), 500).truncated
    assert not table(str(tmp_path), 1 << 20).truncated


def test_ss_is_not_run_where_it_would_load_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the diag modules the sockets come from /proc/net."""
    monkeypatch.setattr(stack, "facility", lambda _: Facility.ABSENT)
    assert [(got.command, got.via) for got in stack.sockets(CollectOptions())] == [("ss -tuanp", "file")]
