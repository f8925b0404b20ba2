"""Faults as programs put them into words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.troubles import SAID, WORDS, told_of


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("failed to allocate for range 0: no IP addresses available in range set: 10.244.1.1-10.244.1.254", ("ipam-exhausted", "")),
        ('failed to find plugin "flannel" in path [/opt/cni/bin]', ("no-plugin", "flannel")),
        ("NetworkPluginNotReady message:docker: network plugin is not ready: cni config uninitialized", ("no-config", "")),
        ('Error registering network: failed to acquire lease: node "n3" pod cidr not assigned', ("no-pod-cidr", "")),
        (
            'subnet "10.244.0.0/16" specified in the flannel net config doesn\'t contain "10.100.2.0/24" PodCIDR of the "n2" node',
            ("foreign-pod-cidr", "10.100.2.0/24"),
        ),
        ("calico/node is not ready: BIRD is not ready: BGP not established with 10.0.0.2,10.0.0.3", ("bird", "10.0.0.2,10.0.0.3")),
        ("IPVS proxier will not be used because the following required kernel modules are not loaded: [ip_vs]", ("ipvs-modules", "")),
        ('exec: "conntrack": executable file not found in $PATH', ("conntrack-tool", "")),
        ('failed to set bridge addr: \\"cni0\\" already has an IP address different from 10.244.2.1/24', ("bridge-address", "cni0")),
        ("open /run/flannel/subnet.env: no such file or directory", ("no-config", "")),
        ("stat /var/lib/calico/nodename: no such file or directory: check that the calico/node container is running", ("no-config", "")),
        ("network: add cmd: failed to assign an IP address to container", ("ipam-exhausted", "")),
        ("error adding host side routes: failed to auto-assign: Auto-assigned 0 out of 1 IPv4s: []", ("ipam-exhausted", "")),
        ("no IP addresses available in network: k8s-pod-network", ("ipam-exhausted", "")),
        (
            "TCP connection from 10.40.0.1:31567 to 10.36.0.12:3000 blocked by Weave NPC.",
            ("policy-denied", "10.40.0.1:31567 to 10.36.0.12:3000"),
        ),
        (
            "Network 10.32.0.0/12 overlaps with existing route 10.0.0.0/8 on host",
            ("range-taken", "10.32.0.0/12 overlaps with existing route 10.0.0.0/8"),
        ),
        ("Error: subnet 10.89.0.0/24 is already used on the host or by another config", ("range-taken", "10.89.0.0/24 is already used on the host")),
        (
            "Error response from daemon: Pool overlaps with other one on this address space",
            ("range-taken", "pool overlaps with other one on this address space"),
        ),
        ("1 node(s) didn't have free ports for the requested pod ports", ("host-port-taken", "")),
    ],
)
def test_messages(text: str, name: tuple[str, str]) -> None:
    """Programs' own words are known."""
    assert told_of(text) == name


def test_other_messages() -> None:
    """Most messages tell of nothing here."""
    assert told_of("dial tcp 10.0.0.1:443: i/o timeout") is None


@pytest.mark.parametrize(("name", "pattern"), SAID, ids=[name for name, _ in SAID])
def test_words_tell_which_expressions_to_try(name: str, pattern: str) -> None:
    """Every text that fits the expression of a fault holds one of its words."""

    @given(st.from_regex(pattern, fullmatch=True))
    def law(text: str) -> None:
        assert any(word in text for word in WORDS[name])

    law()
