"""One node's evidence of an overlay: what its own firewall does to the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.walk.test_walker import overlay

if TYPE_CHECKING:
    from tests.engine.walk.world import World

IPIP = "ipip remote any local {local}"


def one_node(*rules: str, kind: str = "", policy: str = "ACCEPT") -> World:
    """The first node of an overlay, without the other."""
    world = overlay(kind, mtu=1480) if kind else overlay()
    if kind:
        world.stack("n1").routing[:] = ["10.244.2.0/24 via 192.0.2.2 dev flannel.1 onlink"]
    del world.stacks["n2", "host"], world.stacks["n2", "p"]
    world.stack("n1").filter(*rules, INPUT=policy)
    return world


def dropped(world: World) -> list[tuple[object, ...]]:
    """Where the answer ends."""
    trace = world.walk("n1/p", "10.244.2.2")
    names = ("direction", "hook", "tunnel", "overhead", "protocol", "dport")
    return [(trace.client_sees, f.node, *(f.get(n) for n in names)) for f in trace.facts if f.kind == "drop"]


def test_nothing_in_the_way() -> None:
    """The answer comes in by the tunnel and on to the pod: what the other node does is left open, rp_filter has nothing to say."""
    world = one_node()
    world.stack("n1").sysctl(conf__all__rp_filter=1)
    trace = world.walk("n1/p", "10.244.2.2")
    assert (trace.client_sees, [f.kind for f in trace.facts if f.kind == "drop"]) == ("depends", [])
    assert trace.reply is not None
    assert trace.reply.disposition.value == "delivered"
    assert any(hop.in_device == "flannel.1" for hop in trace.reply.hops)


@pytest.mark.parametrize(
    ("rules", "policy"),
    [
        (("-A INPUT -p udp -m udp --dport 8472 -j DROP",), "ACCEPT"),
        (("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -p tcp -j ACCEPT"), "DROP"),
    ],
)
def test_own_firewall(rules: tuple[str, ...], policy: str) -> None:
    """Tunnel packets of the other node are no answers to conntrack: a firewall that lets in known connections only stops them."""
    assert dropped(one_node(*rules, policy=policy)) == [("timeout", "n1", "reply", "INPUT", "flannel.1", 50, "udp", 8472)]


def test_port_is_open() -> None:
    """A closed firewall with the tunnel's port open lets the answer in."""
    assert dropped(one_node("-A INPUT -p udp -m udp --dport 8472 -j ACCEPT", policy="DROP")) == []


def test_inner_answer() -> None:
    """What is unpacked meets FORWARD as any packet does."""
    rules = ("-A FORWARD -i cni0 -j ACCEPT", "-A FORWARD -j DROP")
    assert dropped(one_node(*rules)) == [("timeout", "n1", "reply", "FORWARD", None, None, "tcp", 40000)]


def test_ipip() -> None:
    """IP in IP is let in by its protocol number."""
    assert dropped(one_node("-A INPUT -p 4 -j DROP", kind=IPIP)) == [("timeout", "n1", "reply", "INPUT", "flannel.1", 20, "ipip", 0)]
    assert dropped(one_node("-A INPUT -p 4 -j ACCEPT", kind=IPIP, policy="DROP")) == []


class TestSenderUnseen:
    """A pod of a node that nobody collected sends: its packets come by the tunnel."""

    FLOW = Flow("", "", "10.244.2.2", "10.244.1.2", 80, "tcp")

    def seen(self, *rules: str, policy: str = "ACCEPT", kind: str = "") -> list[tuple[object, ...]]:
        """What the client sees, and where its packets end."""
        trace = walk(one_node(*rules, policy=policy, kind=kind).network(), self.FLOW)
        names = ("direction", "hook", "tunnel", "protocol")
        return [(trace.client_sees, *(f.get(n) for n in names)) for f in trace.facts if f.kind == "drop"] or [(trace.client_sees,)]

    def test_let_in(self) -> None:
        """An open port, an open protocol."""
        assert self.seen() == [("connected",)]
        assert self.seen("-A INPUT -p udp -m udp --dport 8472 -j ACCEPT", policy="DROP") == [("connected",)]
        assert self.seen("-A INPUT -p 4 -j ACCEPT", policy="DROP", kind=IPIP) == [("connected",)]

    def test_refused(self) -> None:
        """The receiving node's own firewall decides on the outer packet, before anything is unpacked."""
        assert self.seen("-A INPUT -p tcp -j ACCEPT", policy="DROP") == [("timeout", "request", "INPUT", "flannel.1", "udp")]
        assert self.seen("-A INPUT -p 4 -j DROP", kind=IPIP) == [("timeout", "request", "INPUT", "flannel.1", "ipip")]

    def test_other_end_unknown(self) -> None:
        """Where no entry tells the other node's address, the packet comes out of the tunnel as it is."""
        world = one_node("-A INPUT -p udp -j DROP")
        world.stack("n1").shows("bridge fdb show", "")
        assert walk(world.network(), self.FLOW).request.disposition.value == "delivered"
