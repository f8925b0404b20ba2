"""Laws that the running kernel taught; tests/fuzz/cases holds them as networks that are built and probed."""

from __future__ import annotations

import pytest

from engine.walk.trace import Disposition
from tests.engine.walk.world import World, found, lan

SEVERAL = (("tcp", 80), ("udp", 80), ("icmp", 0))


def seen(world: World, sender: str, dst: str) -> list[str]:
    """What clients of TCP, UDP and ping see."""
    return [world.sees(sender, dst, port, protocol) for protocol, port in SEVERAL]


@pytest.mark.parametrize(("rule", "sees"), [("", "EHOSTUNREACH"), ("-A INPUT -p icmp -j DROP", "timeout")])
def test_answer_of_a_local_reject(rule: str, sees: str) -> None:
    """The ICMP error of REJECT on OUTPUT comes back by lo and passes INPUT."""
    world = lan()
    world.stack("client").filter("-A OUTPUT -p tcp -j REJECT --reject-with icmp-host-prohibited", *filter(None, [rule]))
    assert world.sees("client", "10.2.0.2") == sees


def test_failing_reroute() -> None:
    """DNAT on OUTPUT to where no route leads: send() fails, TCP takes its SYN for lost."""
    world = lan()
    world.stack("router").nat("-A OUTPUT -d 10.2.0.9/32 -j DNAT --to-destination 192.0.2.1")
    assert seen(world, "router", "10.2.0.9") == ["timeout", "ENETUNREACH", "ENETUNREACH"]


def test_loopback_source() -> None:
    """What comes from 127.0.0.0/8 leaves by lo only."""
    assert lan().sees("router", "10.2.0.2", src="127.0.0.1") == "EINVAL"
    world = lan()
    world.stack("router").nat("-A OUTPUT -d 127.0.0.1/32 -j DNAT --to-destination 10.2.0.2")
    assert seen(world, "router", "127.0.0.1") == ["timeout", "EINVAL", "EINVAL"]


def test_martian_before_route() -> None:
    """A source in 127.0.0.0/8 is refused before anybody finds that there is no route; ARP, asked in its name, gets no answer either."""
    world = lan()
    world.stack("client").nat("-A POSTROUTING -j SNAT --to-source 127.0.0.1")
    trace = world.walk("client", "192.0.2.1")
    assert (trace.client_sees, trace.request.disposition, found(trace, "drop").get("by")) == ("EHOSTUNREACH", Disposition.SOURCE_INVALID, "martian")


def test_route_by_lo() -> None:
    """What a stack sends by lo is delivered to it, yet its answer may not bear a foreign address; what it forwards to lo goes round till TTL 0."""
    world = lan()
    world.stack("router").route("10.9.9.9 dev lo").listens("tcp 0.0.0.0:80", "udp 0.0.0.0:80")
    assert seen(world, "router", "10.9.9.9") == ["timeout", "timeout", "timeout"]
    assert world.walk("router", "10.9.9.9").request.disposition is Disposition.DELIVERED
    assert seen(world, "client", "10.9.9.9") == ["EHOSTUNREACH", "timeout", "EHOSTUNREACH"]


def test_gateway_of_ones_own() -> None:
    """A gateway that is an own address makes the destination on-link."""
    world = lan()
    world.stack("client").route("10.1.0.1 via 10.1.0.2 dev eth0")
    assert world.sees("client", "10.1.0.1", 81) == "ECONNREFUSED"


def test_sizes_of_errors() -> None:
    """An ICMP error quotes the packet it is about, a reset has no options: -m length sees that."""
    world = lan()
    world.stack("router").filter("-A FORWARD -m length --length 88 -j DROP", "-A FORWARD -m length --length 40 -j DROP")
    sizes = {"tcp": 0, "udp": 60}
    assert [world.sees("client", "10.2.0.2", 81, protocol, size=size) for protocol, size in sizes.items()] == ["timeout", "timeout"]
    assert [world.sees("client", "10.2.0.2", 80, protocol, size=size) for protocol, size in sizes.items()] == ["connected", "connected"]


def test_echo_to_oneself() -> None:
    """The answer to a ping of oneself is ESTABLISHED, though question and answer have the same addresses."""
    world = lan()
    world.stack("router").filter("-A INPUT -p icmp -m conntrack --ctstate ESTABLISHED -j DROP")
    assert world.sees("router", "127.0.0.1", protocol="icmp") == "timeout"


def test_error_about_a_closed_udp_port_is_its_own_packet() -> None:
    """With notrack it stays out of NAT, and the client does not know whom it speaks of; a REJECT belongs to the connection whatever raw says."""
    for rejected, sees in ((False, "timeout"), (True, "ECONNREFUSED")):
        world = lan()
        tables = ["*raw", ":OUTPUT ACCEPT [0:0]", "-A OUTPUT -d 10.1.0.2/32 -j CT --notrack", "*nat", ":PREROUTING ACCEPT [0:0]",
                  "-A PREROUTING -d 10.99.0.1/32 -j DNAT --to-destination 10.1.0.1", "*filter", ":INPUT ACCEPT [0:0]"]
        world.stack("router").iptables("\n".join([*tables, *(["-A INPUT -p udp -j REJECT"] if rejected else [])]))
        assert world.sees("client", "10.99.0.1", 81, "udp") == sees


@pytest.mark.parametrize(("forward", "sees"), [(1, "connected"), (0, "timeout")])
def test_bridged_dnat_needs_forwarding(forward: int, sees: str) -> None:
    """DNAT of a bridged frame to another port of the bridge works only where the stack forwards."""
    world = World()
    host = world.host("n1", "192.0.2.1/24").device("br0", "10.244.0.1/24", kind="bridge").sysctl(ip_forward=forward)
    host.parameters["net.bridge.bridge-nf-call-iptables"] = 1
    host.nat("-A PREROUTING -d 10.96.0.1/32 -j DNAT --to-destination 10.244.0.3")
    world.pod("n1", "a", "10.244.0.2/24", bridge="br0", gateway="10.244.0.1")
    world.pod("n1", "b", "10.244.0.3/24", bridge="br0", gateway="10.244.0.1").listens("tcp 0.0.0.0:80")
    assert world.sees("n1/a", "10.96.0.1") == sees
    assert world.sees("n1/a", "10.244.0.3") == "connected"


@pytest.mark.parametrize(("call", "sees"), [(1, "EHOSTUNREACH"), (0, "connected")])
def test_bridge_port_of_entry(call: int, sees: str) -> None:
    """--physdev-in holds up to INPUT where bridge-nf calls iptables, and nowhere else."""
    world = World()
    host = world.host("n1", "192.0.2.1/24").device("br0", "10.244.0.1/24", kind="bridge").listens("tcp 0.0.0.0:80")
    host.parameters["net.bridge.bridge-nf-call-iptables"] = call
    rejecting = "-A INPUT -m physdev --physdev-in veth-a -j REJECT --reject-with icmp-admin-prohibited"
    host.filter(rejecting, "-A INPUT -m physdev --physdev-is-bridged -j DROP")
    world.pod("n1", "a", "10.244.0.2/24", bridge="br0", gateway="10.244.0.1")
    assert world.sees("n1/a", "10.244.0.1") == sees


def test_way_by_a_bridge_port() -> None:
    """Answers to ARP that was asked by a bridge port arrive on the bridge: nobody answers."""
    world = World()
    world.host("n1", "192.0.2.1/24").device("br0", "10.244.0.1/24", kind="bridge").route("10.244.0.2 dev veth-a")
    world.pod("n1", "a", "10.244.0.2/24", bridge="br0", gateway="10.244.0.1")
    assert world.sees("n1", "10.244.0.2") == "EHOSTUNREACH"
