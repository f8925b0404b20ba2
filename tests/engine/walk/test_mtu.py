"""Limits of routes and devices; what was measured on Linux 6.18 with veth pairs and a bridge in network namespaces."""

from __future__ import annotations

import pytest

from engine.inet import to_int
from engine.model.fib import Key
from engine.walk.choices import Choices
from engine.walk.mtu import port_limit, route_mtu, way_limit
from engine.walk.routing import find_way
from tests.engine.walk.world import World, found, lan


def bridged(port: int = 1500, end: int = 1500, bridge: int = 1500, *, call: bool = True) -> World:
    """Two pods of one bridge; ``port`` and ``end`` are the MTUs on the side of the one that is asked."""
    world = World()
    host = world.stack("n1").device("br0", "10.3.0.254/24", kind="bridge", mtu=bridge)
    host.shows("sysctl -a", f"net.bridge.bridge-nf-call-iptables = {int(call)}\nnet.ipv4.ip_forward = 1")
    world.pod("n1", "a", "10.3.0.1/24", bridge="br0")
    world.pod("n1", "b", "10.3.0.2/24", bridge="br0").listens("udp 0.0.0.0:80")
    host.devices["veth-b"].mtu = port
    world.stack("n1", "b").devices["eth0"].mtu = end
    return world


def test_route_beats_device() -> None:
    """The ``mtu`` of a route wins over the device's, also if it is larger (measured: ``mtu 1450`` on a device of 1400 sends no ICMP)."""
    world = lan()
    world.stack("client").route("10.9.0.0/16 via 10.1.0.1 dev eth0 mtu 1300").device("eth1", "10.4.0.1/24", mtu=9000)
    stack = world.network().stack("client", "host")
    assert stack is not None

    def limit(dst: str) -> int:
        way = find_way(stack, Key(4, to_int(dst)), Choices())
        found_limit = way_limit(stack, way, 4)
        assert found_limit is not None
        assert route_mtu(stack, way, 4) == found_limit.octets
        return found_limit.octets

    assert [limit("10.9.0.1"), limit("10.1.0.7"), limit("10.4.0.9")] == [1300, 1500, 9000]


def test_loopback_has_no_limit() -> None:
    """What stays on the stack is as large as IP allows."""
    stack = lan().network().stack("client", "host")
    assert stack is not None
    way = find_way(stack, Key(4, to_int("10.1.0.2")), Choices())
    assert way_limit(stack, way, 4) is None
    assert route_mtu(stack, way, 4) == 65535
    assert port_limit(stack.link("unseen")) is None


@pytest.mark.parametrize(("size", "sees"), [(1400, "connected"), (1401, "EMSGSIZE")])
def test_router_refuses_larger_packets(size: int, sees: str) -> None:
    """A router tells the sender of a DF packet that is larger than the MTU of the way out: EMSGSIZE."""
    world = lan()
    world.stack("router").devices["eth1"].mtu = 1400
    world.stack("server").devices["eth0"].mtu = 1400
    assert world.sees("client", "10.2.0.2", protocol="udp", size=size) == sees


def test_size_is_checked_before_forward_and_after_ttl() -> None:
    """Too-big comes before the FORWARD chain: DROP there hides nothing; the drop tells sizes and device."""
    world = lan()
    world.stack("router").filter(FORWARD="DROP").devices["eth1"].mtu = 1400
    trace = world.walk("client", "10.2.0.2", protocol="udp", size=1450)
    assert trace.client_sees == "EMSGSIZE"
    drop = found(trace, "drop")
    told = tuple(drop.get(name) for name in ("by", "effect", "size", "mtu", "device"))
    assert (drop.node, *told) == ("router", "too-big", "rejected", 1450, 1400, "eth1")


def test_own_device_is_too_small() -> None:
    """A sender that insists on DF learns at once what its own device does not take; the packet meets no rule."""
    world = lan()
    assert world.sees("client", "10.2.0.2", protocol="udp", size=1501) == "EMSGSIZE"
    assert world.walk("client", "10.2.0.2", protocol="udp", size=1501).reply is None


def test_filtered_error_is_a_black_hole() -> None:
    """Where the ICMP error is dropped, large packets are lost in silence and small ones pass."""
    world = lan()
    world.stack("router").filter("-A OUTPUT -p icmp -m icmp --icmp-type 3/4 -j DROP").devices["eth1"].mtu = 1400
    assert world.sees("client", "10.2.0.2", protocol="udp") == "connected"
    trace = world.walk("client", "10.2.0.2", protocol="udp", size=1450)
    assert trace.client_sees == "timeout"
    assert found(trace, "drop", direction="error").get("chain") == "OUTPUT"


@pytest.mark.parametrize(
    ("port", "end", "call", "size", "sees"),
    [
        (1400, 1400, True, 1400, "connected"),
        (1400, 1400, True, 1401, "timeout"),
        (1400, 1500, False, 1404, "connected"),
        (1400, 1500, False, 1405, "timeout"),
        (1500, 1400, True, 1404, "connected"),
        (1500, 1400, True, 1405, "timeout"),
    ],
)
def test_bridge_loses_large_frames(port: int, end: int, call: bool, size: int, sees: str) -> None:
    """Measured: a bridge port loses what is more than 4 octets over its MTU (all of it, if iptables is called), a receiving veth end too."""
    assert bridged(port, end, call=call).sees("n1/a", "10.3.0.2", protocol="icmp", size=size) == sees


def test_mtu_of_the_bridge_does_not_matter() -> None:
    """Measured: frames between ports pass, and frames to the bridge's own stack are delivered, whatever the MTU of the bridge itself."""
    assert bridged(bridge=1400).sees("n1/a", "10.3.0.2", protocol="udp", size=1500) == "connected"
    assert bridged(bridge=1400).walk("n1/a", "10.3.0.254", protocol="icmp", size=1500).request.disposition.value == "delivered"


def test_raw_socket_hears_of_its_own_device() -> None:
    """Measured: ping over a veth pair whose far end is smaller gets ENOBUFS; behind a bridge it hears nothing."""
    world = bridged(end=1400)
    assert world.sees("n1/a", "10.3.0.2", protocol="icmp", size=1450) == "timeout"
    world = World()
    world.stack("n1").device("veth", "10.5.0.1/24", index=5, peer=7)
    world.stack("n1", "a").device("eth0", "10.5.0.2/24", index=7, peer=5, mtu=1400)
    assert world.sees("n1", "10.5.0.2", protocol="icmp", size=1404) == "connected"
    assert world.sees("n1", "10.5.0.2", protocol="icmp", size=1405) == "ENOBUFS"


def test_cards_differ() -> None:
    """Whether a network card takes frames larger than its MTU is up to its driver: unknown."""
    world = World()
    world.host("n1", "192.0.2.1/24").devices["eth0"].mtu = 9000
    world.host("n2", "192.0.2.2/24").listens("udp 0.0.0.0:80").devices["eth0"].mtu = 1500
    assert world.sees("n1", "192.0.2.2", protocol="udp", size=1500) == "connected"
    trace = world.walk("n1", "192.0.2.2", protocol="icmp", size=8000)
    assert trace.client_sees == "depends"
    assert [each.what for each in trace.depends] == ["MTU of eth0"]
