"""host-local's leases: the real plug-in refuses when they fill its range, and gives again after the printed command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.machine import why_not
from tests.lab.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

pytestmark = pytest.mark.lab

NODES = """
node1:
  links: {eth0: {wire: lan, address: 10.20.0.11/24}}
  sysctls: {net.ipv4.ip_forward: 1}
  files:
    /etc/cni/net.d/10-bridge.conflist: |
      {"cniVersion": "0.4.0", "name": "podnet", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
       "ipam": {"type": "host-local", "subnet": "10.30.0.0/29", "routes": [{"dst": "0.0.0.0/0"}]}}]}
  pods: {api: {cni: true}}
"""
CONFIG = '{"cniVersion":"0.4.0","name":"podnet","type":"bridge","ipam":{"type":"host-local","subnet":"10.30.0.0/29"}}'


@pytest.fixture
def net() -> Iterator[Table]:
    """A node whose pods come from a subnet of five addresses, one of them in use."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    table = Table(NODES)
    yield table
    table.close()


def lease(net: Table, sandbox: str) -> dict[str, Any]:
    """What host-local answers to ADD for a sandbox that nobody will ever delete."""
    setting = f"CNI_COMMAND=ADD CNI_CONTAINERID={sandbox} CNI_NETNS=/gone CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni"
    answer: dict[str, Any] = json.loads(net.run("node1", f"echo '{CONFIG}' | {setting} /usr/lib/cni/host-local || true"))
    return answer


def diagnosed(net: Table, folder: Path, name: str, symptom: str) -> dict[str, Any]:
    """The report on what the collector reads on the machine."""
    net.run("node1", f"diagnose collect -o {folder}/{name} > /dev/null")
    argv = f"diagnose --symptom '{symptom}' --format json -b {folder}/{name}"
    report: dict[str, Any] = json.loads(net.run("node1", f"{argv} || test $? -le 1"))
    return report


def test_leaked_leases(net: Table, tmp_path: Path) -> None:
    """Leases of sandboxes that are gone fill the range: the refusal is explained, and mended by the printed command; a live pod keeps its own."""
    for number in range(4):
        assert "ips" in lease(net, f"gone{number}")
    refused = lease(net, "new")
    report = diagnosed(net, tmp_path, "full", f"pod web stays in ContainerCreating: {refused['msg']}")
    first = report["findings"][0]
    assert (first["rule"], first["standing"], first["node"]) == ("pod-cidr-exhausted", "root-cause", "node1")
    command = next(line for plan in first["remedies"] for line in plan["commands"] if line.startswith("rm "))
    net.run("node1", command)
    assert "ips" in lease(net, "new")
    assert len(net.run("node1", "ls /var/lib/cni/networks/podnet | grep -c '^[0-9]'").split()) == 1
    assert net.run("node1", "grep -l sandbox-api /var/lib/cni/networks/podnet/10.*").strip()


def test_room_is_left(net: Table, tmp_path: Path) -> None:
    """With one address left nothing is wrong, however many leases nobody holds."""
    for number in range(3):
        lease(net, f"gone{number}")
    assert diagnosed(net, tmp_path, "room", "is anything wrong with node1")["findings"] == []
