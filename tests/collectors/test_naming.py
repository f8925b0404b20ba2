"""File names of command outputs."""

from __future__ import annotations

import pytest

from collectors.naming import command_file


@pytest.mark.parametrize(("command", "file"), [
    ("iptables-save", "iptables-save"),
    ("ip -d -j link", "ip_-d_-j_link"),
    ("ip route show table all", "ip_route_show_table_all"),
    ("/etc/resolv.conf", "etc_resolv.conf"),
    ("ip  addr;id", "ip_addr_id"),
    ("…", "_"),
])
def test_every_run_of_other_characters_becomes_one_underscore(command: str, file: str) -> None:
    """A command line is one path component made of [A-Za-z0-9._-], whatever it holds."""
    assert command_file(command) == file
