"""Networks that are wider than the card of their node."""

from __future__ import annotations

from typing import Any

import pytest

from engine.computed.mtu_gaps import mtu_gaps
from engine.facts import Fact, FactBase


def link(name: str, mtu: int, stack: str = "host", **more: Any) -> Fact:
    """A device."""
    return Fact("link", {"name": name, "mtu": mtu, "up": True, **more}, "n1", stack)


def network(mtu: str = "1500", **more: Any) -> Fact:
    """A network of docker."""
    fields = {"runtime": "docker", "name": "app", "driver": "bridge", "options": {"com.docker.network.driver.mtu": mtu}}
    return Fact("container_network", fields | more, "n1")


def default(device: str) -> Fact:
    """The default route."""
    return Fact("route", {"dst": "0.0.0.0/0", "type": "unicast", "table": "main", "gateway": "192.0.2.254", "device": device, "family": 4}, "n1")


def gaps(*facts: Fact) -> list[tuple[object, ...]]:
    """What is told."""
    return [tuple(f.get(n) for n in ("what", "name", "mtu", "uplink", "uplink_mtu", "fits")) for f in mtu_gaps(FactBase(facts))]


CARD = link("ens3", 1450)
LO = link("lo", 65536, type="loopback")


@pytest.mark.parametrize(
    ("wide", "told"),
    [
        (network(), ("network", "app", 1500)),
        (Fact("cni_config", {"file": "10-net.conflist", "name": "pods", "mtu": 1500}, "n1"), ("network", "pods", 1500)),
        (link("eth0", 1500, "web", type="veth"), ("container", "web", 1500)),
    ],
)
def test_wider_than_the_card(wide: Fact, told: tuple[object, ...]) -> None:
    """Docker's option, a CNI file, and the container's own device each show it."""
    assert gaps(LO, CARD, wide) == [(*told, "ens3", 1450, 1450)]


def test_bridge_with_containers() -> None:
    """A bridge shows it by its ports; an empty one has the size that it was made with."""
    assert gaps(CARD, link("docker0", 1500, type="bridge")) == []
    ported = (link("docker0", 1500, type="bridge"), link("veth1", 1500, master="docker0"))
    assert gaps(CARD, *ported) == [("bridge", "docker0", 1500, "ens3", 1450, 1450)]


@pytest.mark.parametrize(
    "facts",
    [
        (link("ens3", 1500), network()),
        (link("ens3", 9000), network("8950")),
        (CARD, network("1450")),
        (CARD, network(internal=True)),
        (CARD, network(driver="overlay")),
        (CARD, network(options={})),
        (link("ens3", 1450, "web"), LO),
        (link("ens3", 1450), link("ens4", 1500), network()),
        (CARD, link("docker0", 1500, type="bridge"), default("ens4"), link("ens4", 1500), network()),
        (LO, network()),
        (network(),),
    ],
)
def test_nothing_to_tell(facts: tuple[Fact, ...]) -> None:
    """Networks that fit, cards of which one is wide enough or is the one that is used, and no card at all."""
    assert gaps(*facts) == []


def test_default_route_decides() -> None:
    """Of several cards that of the default route counts."""
    assert gaps(CARD, link("ens4", 1500), default("ens3"), network()) == [("network", "app", 1500, "ens3", 1450, 1450)]


@pytest.mark.parametrize(
    ("name", "more", "mtu", "told"),
    [
        ("flannel.1", {"type": "vxlan", "vxlan_device": "ens3"}, 1450, 1400),
        ("flannel.1", {}, 1450, 1400),
        ("tunl0", {"type": "ipip"}, 1440, 1430),
        ("wg0", {"type": "wireguard"}, 1420, 1390),
        ("flannel.1", {"type": "vxlan", "vxlan_device": "ens3"}, 1400, 0),
        ("tunl0", {}, 1430, 0),
        ("wg0", {"type": "wireguard"}, 1380, 0),
        ("flannel.1", {"type": "vxlan", "vxlan_device": "ens9"}, 1450, 0),
    ],
)
def test_tunnels(name: str, more: dict[str, Any], mtu: int, told: int) -> None:
    """A tunnel must be smaller than its card by what it adds; a tunnel whose card was not seen tells nothing."""
    assert gaps(CARD, link(name, mtu, **more)) == ([("tunnel", name, mtu, "ens3", 1450, told)] if told else [])


def route(dst: str, device: str, gateway: str = "") -> Fact:
    """A route of the main table."""
    fields = {"dst": dst, "type": "unicast", "table": "main", "device": device, "family": 4, "gateway": gateway}
    return Fact("route", {name: value for name, value in fields.items() if value}, "n1")


@pytest.mark.parametrize(("mtu", "told"), [(1440, [("tunnel", "tunl0", 1440, "wg0", 1420, 1400)]), (1400, [])])
def test_a_tunnel_in_a_tunnel(mtu: int, told: list[tuple[object, ...]]) -> None:
    """Where a VPN leads to the other nodes, a tunnel must fit into that, whatever the card takes."""
    routes = (default("eth0"), route("10.9.0.0/24", "wg0"), route("10.205.70.0/26", "tunl0", "10.9.0.12"))
    assert gaps(link("eth0", 1500), link("wg0", 1420), link("tunl0", mtu), *routes) == told
