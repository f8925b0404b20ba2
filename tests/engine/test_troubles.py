"""Faults as programs put them into words."""

from __future__ import annotations

import pytest

from engine.troubles import told_of


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("failed to allocate for range 0: no IP addresses available in range set: 10.244.1.1-10.244.1.254", ("ipam-exhausted", "")),
        ('failed to find plugin "flannel" in path [/opt/cni/bin]', ("no-plugin", "flannel")),
        ("NetworkPluginNotReady message:docker: network plugin is not ready: cni config uninitialized", ("no-config", "")),
        ('Error registering network: failed to acquire lease: node "n3" pod cidr not assigned', ("no-pod-cidr", "")),
        ("calico/node is not ready: BIRD is not ready: BGP not established with 10.0.0.2,10.0.0.3", ("bird", "10.0.0.2,10.0.0.3")),
        ("IPVS proxier will not be used because the following required kernel modules are not loaded: [ip_vs]", ("ipvs-modules", "")),
        ('exec: "conntrack": executable file not found in $PATH', ("conntrack-tool", "")),
        ('failed to set bridge addr: \\"cni0\\" already has an IP address different from 10.244.2.1/24', ("bridge-address", "cni0")),
        ("open /run/flannel/subnet.env: no such file or directory", ("no-config", "")),
        ("stat /var/lib/calico/nodename: no such file or directory: check that the calico/node container is running", ("no-config", "")),
        ("1 node(s) didn't have free ports for the requested pod ports", ("host-port-taken", "")),
    ],
)
def test_messages(text: str, name: tuple[str, str]) -> None:
    """Programs' own words are known."""
    assert told_of(text) == name


def test_other_messages() -> None:
    """Most messages tell of nothing here."""
    assert told_of("dial tcp 10.0.0.1:443: i/o timeout") is None
