"""Where a copied file lay."""

from __future__ import annotations

import pytest

from collectors.parsers.files import node_path
from engine.facts import Source


@pytest.mark.parametrize(
    ("name", "command", "path"),
    [
        ("nodes/n1/files/etc/cni/net.d/10-x.conflist", "", "/etc/cni/net.d/10-x.conflist"),
        ("sosreport-n1/etc/resolv.conf", "", "/etc/resolv.conf"),
        ("/run/flannel/subnet.env", "", "/run/flannel/subnet.env"),
        ("n1/etc_resolv.conf", "", "/etc/resolv.conf"),
        ("etc_cni_net.d_87-podman-bridge.conflist", "", "/etc/cni/net.d/87-podman-bridge.conflist"),
        ("all/n1-etc_resolv.conf", "", "/etc/resolv.conf"),
        ("n1-run_flannel_subnet.env", "", "/run/flannel/subnet.env"),
        ("resolv.conf", "", "resolv.conf"),
        ("fetc_resolv.conf", "", "fetc_resolv.conf"),
        ("session.txt", "cat /etc/resolv.conf", "/etc/resolv.conf"),
    ],
)
def test_node_path(name: str, command: str, path: str) -> None:
    """The path on the node, or the name where nothing tells it."""
    assert node_path(Source(name, "", command)) == path
