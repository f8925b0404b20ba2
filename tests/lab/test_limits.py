"""Bounds that no printed command lifts: what the kernel does at them, and what the program says of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.table import laid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.lab.table import Table

pytestmark = pytest.mark.lab

NODES = """
node1:
  links: {eth0: {wire: lan, address: 10.20.0.11/24}}
  bridges: {cni0: 10.1.0.1/24}
  sysctls: {net.ipv4.ip_forward: 1}
  pods: {web: {address: 10.1.0.5/24, bridge: cni0, gateway: 10.1.0.1}, api: {address: 10.1.0.6/24, bridge: cni0, gateway: 10.1.0.1}}
"""
PORT = 8080


@pytest.fixture
def net() -> Iterator[Table]:
    """A node with a client and a server that accepts nobody and lets two connections wait for it (the kernel takes one more than asked)."""
    with laid(NODES) as table:
        table.run("node1/api", f"hold listen {PORT} 1")
        yield table


def diagnosed(net: Table, folder: Path) -> dict[str, Any]:
    """The report on what the collector reads on the machine."""
    argv = f"diagnose --symptom 'web cannot connect to 10.1.0.6:{PORT}, i/o timeout' --from web --to 10.1.0.6 --port {PORT} --format json"
    net.run("node1", f"diagnose collect -o {folder}/node1 > /dev/null")
    report: dict[str, Any] = json.loads(net.run("node1", f"{argv} -b {folder}/node1 || test $? -le 1"))
    return report


def test_full_accept_queue(net: Table, tmp_path: Path) -> None:
    """The SYN that finds the accept queue full is dropped: the client times out, the walk says so, and the hanging server is named."""
    net.run("node1/web", f"hold 10.1.0.6 {PORT} 2")
    assert net.send("node1/web", "10.1.0.6", PORT, "tcp", 0.7)[0] == "timeout"
    report = diagnosed(net, tmp_path)
    first = report["findings"][0]
    assert (first["rule"], first["standing"]) == ("listen-queue-overflow", "root-cause")
    assert report["traces"][0]["client_sees"] == "timeout"


def test_room_in_the_queue(net: Table, tmp_path: Path) -> None:
    """With room in the queue the handshake is done by the kernel, though nobody accepts: nothing is found."""
    net.run("node1/web", f"hold 10.1.0.6 {PORT} 1")
    report = diagnosed(net, tmp_path)
    assert (report["verdict"], report["findings"]) == ("no-fault-found", [])
