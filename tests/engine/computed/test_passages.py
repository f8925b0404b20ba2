"""Where packets were last seen."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.parsers import iproute
from collectors.parsers.tcpdump import parse
from collectors.place import Place
from engine.computed.passages import lost_between, lost_inside
from engine.facts import HOST, Fact, FactBase, Source

VXLAN = "{at} IP 192.0.2.1.5555 > 192.0.2.2.4789: VXLAN, flags [I] (0x08), vni 257\nIP 10.0.0.7 > 10.0.0.9: ICMP echo request, id 1, seq 1\n"
OTHER = "{at} IP 192.0.2.1.7946 > 192.0.2.2.7946: UDP, length 62\n"
SENT = VXLAN.format(at="14:00:01.000000") + OTHER.format(at="14:00:01.500000") + VXLAN.format(at="14:00:02.000000")
HEARD = OTHER.format(at="14:00:00.500100") + OTHER.format(at="14:00:01.500100")
BOTH = "tcpdump -ni eth0 udp and host 192.0.2.1"
NONE = "listening on eth0, link-type EN10MB (Ethernet)\n0 packets captured\n"


def shown(node: str, text: str, command: str = "tcpdump -ni eth0 udp") -> list[Fact]:
    """Facts of a capture."""
    return parse(Source(node, text, command), Place(node))


def read_routes(node: str, text: str) -> list[Fact]:
    """Facts of a table of routes."""
    return iproute.parse(Source(f"{node}/ip_route", text, "ip route"), Place(node))


def between(*facts: Fact, heard: str = HEARD, command: str = BOTH, sent: str = SENT) -> list[tuple[str, str, Any, Any]]:
    """Sender, place where it did not arrive, inner and outer destination of every lost packet."""
    base = FactBase([*shown("n1", sent), *shown("n2", heard, command), *facts])
    return [(f.node, str(f.get("to_node")), f.get("dst"), f.get("outer_dst")) for f in lost_between(base)]


def tried(outcome: str) -> Fact:
    """What a ping told."""
    return Fact("observed", {"address": "10.0.0.9", "protocol": "icmp", "program": "ping", "outcome": outcome}, "n1", "web")


def test_a_packet_that_does_not_arrive() -> None:
    """The other machine hears the sender, and not this packet of it: that was lost between them."""
    assert between() == [("n1", "n2", "10.0.0.9", "192.0.2.2")]
    assert between(tried("timeout")) == [("n1", "n2", "10.0.0.9", "192.0.2.2")]


@pytest.mark.parametrize(("heard", "command"), [
    (HEARD + VXLAN.format(at="14:00:01.500200"), BOTH),  # it did arrive
    (HEARD, "tcpdump -ni eth0 port 7946"),  # it would not have been shown
    (HEARD, "tcpdump -ni eth0 port swarm"),  # nobody knows
    (HEARD, ""),
    (HEARD.replace("14:00:", "15:00:"), BOTH),  # another hour
    (HEARD.replace("192.0.2.1", "192.0.2.77"), BOTH),  # of other machines
    (NONE, BOTH),  # nobody shows that this machine has the address
])
def test_a_capture_that_proves_nothing(heard: str, command: str) -> None:
    """Only a capture that would have shown the packet says that it did not arrive."""
    assert between(heard=heard, command=command) == []


@pytest.mark.parametrize(("here", "there", "told"), [
    ("10.1.1.7 dev cali1 scope link\n10.1.2.0/24 via 192.0.2.2 dev eth0\n", "default via 192.0.2.254 dev eth0 src 192.0.2.2\n", (True, True)),
    ("10.1.1.0/24 dev cni0 scope link\n10.1.2.0/24 via 192.0.2.2 dev eth0\n", "default via 192.0.2.254 dev eth0 src 192.0.2.2\n", (True, True)),
    ("10.1.1.0/24 dev eth0 scope link\n10.1.2.0/24 via 192.0.2.2 dev eth0\n", "default via 192.0.2.254 dev eth0 src 192.0.2.2\n", (False, True)),
    ("10.1.1.7 dev cali1 scope link\n10.1.2.0/24 via 192.0.2.3 dev eth0\n", "default via 192.0.2.254 dev eth0 src 192.0.2.2\n", (True, False)),
    ("", "default via 192.0.2.254 dev eth0 src 192.0.2.2\n", (False, False)),
])
def test_whose_packet_it_was_and_where_it_was_sent(here: str, there: str, told: tuple[bool, bool]) -> None:
    """Routes of both machines tell whether the source is a container behind the sender, and whether the other machine is the next hop."""
    command = "tcpdump -ni eth0 icmp"
    ping = "09:12:01.000000 IP 10.1.1.7 > 10.1.2.9: ICMP echo request, id 1, seq 1, length 64\n"
    routes = [*read_routes("n1", here), *read_routes("n2", there + "10.1.2.9 dev cali2 scope link\n")]
    (lost,) = lost_between(FactBase([*shown("n1", ping, command), *shown("n2", NONE, command), *routes]))
    assert (lost.get("behind"), lost.get("toward")) == told


def test_a_try_that_was_answered() -> None:
    """Where the client got its answer nothing was lost, whatever was cut from a capture."""
    assert between(tried("connected")) == []


def test_a_capture_of_nothing() -> None:
    """Nothing at all arrives by the device that holds the address."""
    own = Fact("address", {"device": "eth0", "address": "192.0.2.2", "family": 4, "prefixlen": 24}, "n2", HOST)
    assert between(own, heard=NONE, command="tcpdump -ni eth0 port 4789") == [("n1", "n2", "10.0.0.9", "192.0.2.2")]
    assert between(own.having(device="eth1"), heard=NONE, command="tcpdump -ni eth0 port 4789") == []
    behind = Fact("route", {"dst": "192.0.2.2/32", "device": "cali12", "table": "main"}, "n2", HOST)
    assert between(behind, heard=NONE, command="tcpdump -ni eth0 port 4789") == [("n1", "n2", "10.0.0.9", "192.0.2.2")]
    assert between(behind.having(gateway="192.0.2.9"), heard=NONE, command="tcpdump -ni eth0 port 4789") == []
    assert between(own, heard=NONE, command="tcpdump -ni eth0 port 4789 and host 192.0.2.77") == []


SYN = "{at} {dev} {way} IP 10.9.0.3.4000 > 10.9.0.2.80: Flags [S], seq 1, length 0\n"
SYN_ACK = "{at} {dev} {way} IP 10.9.0.2.80 > 10.9.0.3.4000: Flags [S.], seq 7, ack 2, length 0\n"
PASSING = SYN.format(at="14:00:00.000001", dev="veth3", way="P") + SYN.format(at="14:00:00.000002", dev="veth2", way="Out")
ENTERS = SYN_ACK.format(at="14:00:00.000003", dev="veth2", way="P")
LEAVES = SYN_ACK.format(at="14:00:00.000004", dev="veth3", way="Out")
AGAIN = SYN.format(at="14:00:01.000001", dev="veth3", way="P")


def inside(text: str) -> list[Any]:
    """What was lost inside the machine."""
    return [f.get("what") for f in lost_inside(FactBase(shown("n1", text, "tcpdump -ni any port 80")))]


def test_a_packet_that_does_not_leave() -> None:
    """The question passes a bridge, its answer comes in and goes nowhere, and the question is repeated."""
    assert inside(PASSING + ENTERS + AGAIN) == ["syn-ack"]


@pytest.mark.parametrize("text", [
    PASSING + ENTERS + LEAVES + AGAIN,
    PASSING + ENTERS,
    AGAIN + ENTERS,
    SYN.format(at="14:00:00.000001", dev="eth0", way="Out") + SYN_ACK.format(at="14:00:00.000002", dev="eth0", way="In") * 2,
])
def test_a_packet_that_need_not_leave(text: str) -> None:
    """It leaves; the capture ends there; nothing passes at all; or it is for the machine itself."""
    assert inside(text) == []
