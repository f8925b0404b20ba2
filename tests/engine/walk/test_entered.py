"""Where packets were seen to come in."""

from __future__ import annotations

from typing import Any

import pytest

from engine.facts import HOST, Fact, FactBase
from engine.matrix.observer import Observer
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.walk.world import lan, parsed

SYN = {"src": "10.68.1.9", "dst": "10.64.0.3", "protocol": "tcp", "dport": 9091}


def node(name: str, address: str) -> list[Fact]:
    """A node whose routes lead back to the pod by a tunnel, and whose filter of sources is strict."""
    links = f"2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\n    inet {address}/24 scope global eth0\n"
    links += "4: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1440 state UNKNOWN\n    link/ipip 0.0.0.0 brd 0.0.0.0\n"
    routes = f"10.64.0.0/24 dev eth0 proto kernel scope link src {address}\n10.68.1.0/26 via 10.64.0.2 dev tunl0 proto bird onlink\n"
    strict = "net.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.eth0.rp_filter = 1\nnet.ipv4.conf.tunl0.rp_filter = 0\n"
    return [fact for command, text in (("ip address", links), ("ip route", routes), ("sysctl -a", strict)) for fact in parsed(command, text, name)]


def seen(node_name: str, device: str, kind: str = "kernel_trace", **more: Any) -> Fact:
    """The kernel tells of a packet."""
    return Fact(kind, {**SYN, "in_device": device, **more}, node_name, HOST)


def drops(*told: Fact, nodes: tuple[str, ...] = ("n3",)) -> list[object]:
    """Why a pod's packet dies, by devices."""
    facts = FactBase([fact for at, name in enumerate(nodes) for fact in node(name, f"10.64.0.{3 + at}")] + list(told))
    trace = walk(build(facts), Flow("", "", "10.68.1.9", "10.64.0.3", 9091, "tcp"))
    return [(f.fields["by"], f.fields["in_device"]) for f in trace.facts if f.kind == "drop" and f.fields["direction"] == "request"]


def test_what_the_kernel_saw_beats_the_route_back() -> None:
    """By the routes the pod's packet would come out of the tunnel; the kernel saw it come in by the card, where the filter of sources drops it."""
    assert drops() == []
    for kind in ("kernel_trace", "kernel_message"):
        assert drops(seen("n3", "eth0", kind)) == [("rp-filter", "eth0")]
    assert drops(seen("n3", "tunl0")) == []


CARD = "09:12:01.000000 IP 10.68.1.9.39122 > 10.64.0.3.9091: Flags [S], seq 1, win 29200, length 0\n"


@pytest.mark.parametrize(("command", "text", "dies"), [
    ("tcpdump -ni eth0 port 9091", CARD, True),
    ("tcpdump -ni tunl0 port 9091", CARD, False),
    ("tcpdump -ni any port 9091", CARD.replace(" IP ", " eth0  In  IP "), True),
    ("tcpdump -ni any port 9091", CARD.replace(" IP ", " tunl0 In  IP "), False),
    ("tcpdump -ni eth0 port 9091", CARD.replace("10.64.0.3.9091", "10.64.0.5.9091"), False),
])
def test_captures_tell_it_as_well(command: str, text: str, dies: bool) -> None:
    """A capture on the machine that a packet is for shows by which device it came; one on all devices says so itself."""
    assert drops(*parsed(command, text, "n3")) == ([("rp-filter", "eth0")] if dies else [])


def test_what_tells_nothing_of_this_flow() -> None:
    """Packets of others, devices that are not there, and two machines of which nobody knows who was first."""
    assert drops(seen("n3", "eth0", src="10.68.1.8")) == []
    assert drops(seen("n3", "eth9")) == []
    assert drops(seen("n3", "eth0"), seen("n4", "eth0"), nodes=("n3", "n4")) == []


def test_a_known_sender_needs_no_sighting() -> None:
    """A sender whose stack is in the evidence begins at home, whatever was seen elsewhere."""
    told = [seen("server", "eth0", src="10.1.0.2", dst="10.2.0.2")]
    trace = walk(build(lan().facts().plus(told)), Flow("client", HOST, "", "10.2.0.2", 80, "tcp"))
    assert [hop.node for hop in trace.request.hops] == ["client", "router", "server"]
    assert trace.client_sees == "connected"


def test_stacks_that_saw_packets_are_like_no_other() -> None:
    """The matrix takes no two flows for equal where a sighting may move the one of them."""
    facts = node("n3", "10.64.0.3")
    for told, opaque in (([], False), ([seen("n3", "eth0")], True)):
        network = build(FactBase([*facts, *told]))
        stack = network.stack("n3", HOST)
        assert stack is not None
        assert Observer(network, stack, 4).opaque is opaque
