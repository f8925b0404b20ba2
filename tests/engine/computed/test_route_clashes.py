"""Routes of one table that take each other's packets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.computed.route_clashes import route_clashes
from engine.facts import Fact, FactBase

BRIDGE = "br-0123456789ab"


def route(dst: str, device: str, gateway: str = "", **more: Any) -> Fact:
    """A route of the node's main table."""
    fields = {"dst": dst, "family": 6 if ":" in dst else 4, "type": "unicast", "table": "main", "device": device, "metric": 0, **more}
    return Fact("route", {**fields, **({"gateway": gateway} if gateway else {})}, "n1")


PROPER = route("0.0.0.0/0", "eth0", "192.168.1.1", metric=100)
CARD = route("192.168.1.0/24", "eth0", metric=100)


@pytest.mark.parametrize(("routes", "told"), [
    ((CARD, route("192.168.1.0/24", BRIDGE)), [("subnet", BRIDGE, "192.168.1.0/24", "eth0")]),
    ((CARD, route("192.168.0.0/20", BRIDGE)), [("wider", BRIDGE, "192.168.1.0/24", "eth0")]),
    ((route("10.8.0.0/24", "tun0"), route("10.8.0.0/24", "docker0")), [("subnet", "docker0", "10.8.0.0/24", "tun0")]),
    # The card's subnet is the wider one: only some of its machines are taken.
    ((route("172.16.0.0/12", "eth0"), route("172.17.0.0/16", "docker0")), []),
    ((CARD, route("172.18.0.0/16", BRIDGE)), []),
    # What a gateway leads to is no subnet of the card; one machine is none either; a tunnel of the cluster holds its bridge's range by design.
    ((route("172.18.0.0/16", "eth0", "192.168.1.7"), route("172.18.0.0/16", BRIDGE)), []),
    ((route("172.18.0.9/32", "eth0"), route("172.18.0.0/16", BRIDGE)), []),
    ((route("10.42.0.0/16", "flannel0"), route("10.42.0.0/16", "cni0")), []),
    ((CARD, route("192.168.1.0/24", "eth1")), []),
    ((route("fe80::/64", "eth0"), route("fe80::/64", "docker0")), []),
    ((route("fd00:1::/64", "eth0"), route("fd00:1::/64", "docker0")), [("subnet", "docker0", "fd00:1::/64", "eth0")]),
    ((route("172.20.0.0/16", BRIDGE), route("172.20.0.0/16", "docker0")), [("twins", BRIDGE, "172.20.0.0/16", "docker0")]),
    ((route("172.20.0.0/16", BRIDGE), route("172.20.0.0/17", "docker0")), []),
    ((PROPER, route("0.0.0.0/0", "veth12ab")), [("default", "veth12ab", "0.0.0.0/0", "eth0")]),
    ((PROPER, route("0.0.0.0/0", "veth12ab", metric=200)), []),
    ((PROPER, route("0.0.0.0/0", "tun0")), []),
    ((route("0.0.0.0/0", "veth12ab"),), []),
])  # fmt: skip
def test_clashes(routes: tuple[Fact, ...], told: list[tuple[object, ...]]) -> None:
    """A runtime's bridge on a subnet that a card or VPN has, and a default route by a container's wire before the gateway's."""
    assert [tuple(f.get(n) for n in ("what", "device", "other_route", "other_device")) for f in route_clashes(FactBase(routes))] == told


def test_card_that_is_a_port_of_the_bridge() -> None:
    """A card whose address moved to its bridge leaves its route behind: both lead to one wire."""
    port = Fact("link", {"name": "eth0", "master": "docker0"}, "n1")
    assert not list(route_clashes(FactBase((CARD, route("192.168.1.0/24", "docker0"), port))))


def test_bridges_by_their_addresses() -> None:
    """Addresses alone tell that two bridges claim one subnet, unless one of them is switched off."""
    own = [Fact("address", {"device": name, "address": "172.20.0.1", "prefixlen": 16, "family": 4}, "n1") for name in (BRIDGE, "docker0")]
    assert [f.get("what") for f in route_clashes(FactBase(own))] == ["twins"]
    assert not list(route_clashes(FactBase([*own, Fact("link", {"name": "docker0", "up": False}, "n1")])))


def test_other_tables_and_stacks() -> None:
    """Routes of another table or of a container are none of the node's main table."""
    apart = (CARD, route("192.168.1.0/24", BRIDGE, table="100"), route("192.168.1.0/24", BRIDGE).at("n1", "web"))
    assert not list(route_clashes(FactBase(apart)))


def test_subnets_by_addresses_and_networks() -> None:
    """The same clash shows in addresses, and in what the runtime says of its network; it is told once."""
    card = Fact("address", {"device": "eth0", "address": "192.168.1.7", "prefixlen": 24, "family": 4}, "n1")
    network = Fact("container_network", {"name": "web", "bridge": BRIDGE, "subnets": ("no/subnet", "192.168.1.0/24")}, "n1")
    bridge = Fact("address", {"device": BRIDGE, "address": "192.168.1.1", "prefixlen": 24, "family": 4}, "n1")
    for facts in ((card, network), (card, bridge), (card, CARD, bridge, network, route("192.168.1.0/24", BRIDGE))):
        assert [f.get("what") for f in route_clashes(FactBase(facts))] == ["subnet"]


def test_a_route_by_the_card_to_the_bridges_own_subnet() -> None:
    """One that somebody wrote and that comes first is stray; with an address of the card there, or behind the bridge's, it is another matter."""
    stray, own = route("10.22.231.0/24", "eth0", protocol="boot"), route("10.22.231.0/24", "docker0", protocol="kernel", src="10.22.231.1")

    def told(*facts: Fact) -> list[str]:
        return [str(f.get("what")) for f in route_clashes(FactBase([replace(f, line=n) for n, f in enumerate(facts, 1)]))]

    assert told(stray, own) == ["stray"]
    held = Fact("address", {"device": "eth0", "address": "10.22.231.9", "prefixlen": 24, "family": 4}, "n1")
    assert "stray" not in told(stray, own, held)
    assert "stray" not in told(own, stray)
