"""Devices of a stack."""

from __future__ import annotations

import pytest

from engine.facts import Fact
from engine.model.links import Link, is_overlay, link_of


def test_fields() -> None:
    """A link keeps what was observed; what was not is unknown."""
    link = link_of(
        [Fact("link", {"name": "flannel.1", "type": "vxlan", "vxlan_id": 1, "vxlan_port": 8472, "mtu": 1450, "up": True, "rx_packets": 3})]
    )
    assert (link.name, link.type, link.vxlan_id, link.vxlan_port, link.mtu, link.up) == ("flannel.1", "vxlan", 1, 8472, 1450, True)
    assert (link.carrier, link.hairpin, link.index, link.mac) == (None, None, None, "")


@pytest.mark.parametrize(("mac", "sends"), [("02:00:00:00:00:0a", True), ("10.0.0.1", False), ("zz:00:00:00:00:00", False), ("", False)])
def test_source_of_frames(mac: str, sends: bool) -> None:
    """Only an Ethernet address is one: tunnels print the addresses of their ends in its place."""
    assert Link("eth0", mac=mac).frame_address == (mac if sends else "")


def test_bridge_port_completes_a_link() -> None:
    """What ``bridge link`` says of a device fills in what ``ip link`` left out, and never overrules it."""
    port = Fact("bridge_port", {"device": "veth1", "master": "br0", "hairpin": True, "isolated": False, "state": "blocking"})
    link = link_of([Fact("link", {"name": "veth1"})], port)
    assert (link.master, link.hairpin, link.isolated, link.port_state) == ("br0", True, False, "blocking")
    said = link_of([Fact("link", {"name": "veth1", "master": "br9", "hairpin": False, "port_state": "forwarding"})], port)
    assert (said.master, said.hairpin, said.port_state) == ("br9", False, "forwarding")
    assert not link_of([Fact("link", {"name": "veth1"})], Fact("bridge_port", {"device": "veth1"})).master


def test_several_listings_of_one_device() -> None:
    """The first listing tells; what it left out, the others fill in."""
    link = link_of([Fact("link", {"name": "eth0", "mtu": 1500}), Fact("link", {"name": "eth0", "mtu": 9000, "type": "veth"})])
    assert (link.mtu, link.type) == (1500, "veth")


@pytest.mark.parametrize(
    ("link", "right"),
    [
        (Link("x", type="vxlan"), True),
        (Link("tunl0"), True),
        (Link("flannel.1"), True),
        (Link("flannel.1", type="bridge"), False),
        (Link("eth0"), False),
        (Link("wg0", type="wireguard"), True),
    ],
)
def test_overlay(link: Link, right: bool) -> None:
    """A device carries an overlay by its type; its name counts only where the type was not shown."""
    assert is_overlay(link) is right
