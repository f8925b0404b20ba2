"""What a client announces beyond the evidence."""

from __future__ import annotations

import pytest

from engine.walk.sizes import walk_full
from engine.walk.trace import Flow
from tests.engine.walk.world import World

CLAMP = "*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"


def node(card: int = 1450, pod: int = 1500, bridge: int = 1500) -> World:
    """A node with a pod; the rest of the world is unknown."""
    world = World()
    host = world.host("n1", "192.0.2.1/24").router().route("default via 192.0.2.254 dev eth0")
    host.devices["eth0"].mtu = card
    host.device("docker0", "172.17.0.1/16", kind="bridge", mtu=bridge)
    world.pod("n1", "web", "172.17.0.2/16", gateway="172.17.0.1", bridge="docker0")
    world.stack("n1", "web").devices["eth0"].mtu = pod
    return world


def noted(world: World, stack: str = "web", protocol: str = "tcp") -> list[tuple[object, ...]]:
    """What is told of the narrow device."""
    trace = walk_full(world.network(), Flow("n1", stack, "", "203.0.113.7", 443, protocol, size=1500))
    names = ("device", "mtu", "announced", "sender_device", "sender_mtu")
    return [(f.node, f.stack, *(f.get(n) for n in names)) for f in trace.facts if f.kind == "narrow"]


def test_container_wider_than_the_card() -> None:
    """A container of 1500 behind a card of 1450 announces what the card's network does not carry."""
    assert noted(node()) == [("n1", "host", "eth0", 1450, 1500, "eth0", 1500)]


@pytest.mark.parametrize(("card", "pod"), [(1500, 1500), (1450, 1450), (9000, 1500), (1500, 1400)])
def test_nothing_to_tell(card: int, pod: int) -> None:
    """A container that announces no more than the card carries."""
    assert not noted(node(card, pod))


def test_clamped() -> None:
    """A rule on the node that lowers the MSS mends it."""
    world = node()
    world.stack("n1").iptables(CLAMP)
    assert not noted(world)


def test_the_node_itself_and_datagrams() -> None:
    """The node announces its card's MTU; datagrams announce nothing."""
    assert not noted(node(), "host")
    assert not noted(node(), protocol="udp")


class TestUpload:
    """What the client itself sends towards an end that nobody collected."""

    FLOW = Flow("n1", "web", "", "203.0.113.7", 443, "tcp", size=1500)
    NO_ICMP = "-A OUTPUT -p icmp -j DROP"

    def test_error_lost(self) -> None:
        """The node's own rules keep the pod from hearing that its packets are too big for the card: they never leave."""
        world = node()
        world.stack("n1").filter(self.NO_ICMP)
        trace = walk_full(world.network(), self.FLOW)
        assert (trace.client_sees, trace.request.disposition.value, trace.reply) == ("timeout", "too-big", None)
        assert [(f.get("by"), f.get("direction")) for f in trace.facts if f.kind == "drop"] == [("too-big", "request"), ("rule", "error")]

    def test_error_heard(self) -> None:
        """Where the pod hears it, its packets leave, and nothing more is known."""
        assert walk_full(node().network(), self.FLOW).client_sees == "depends"

    def test_nothing_too_big(self) -> None:
        """A rule that drops ICMP does no harm where everything fits."""
        world = node(card=1500)
        world.stack("n1").filter(self.NO_ICMP)
        assert walk_full(world.network(), self.FLOW).client_sees == "depends"

    def test_nobody_complained(self) -> None:
        """Without a word of large packets the question is left open."""
        world = node()
        world.stack("n1").filter(self.NO_ICMP)
        assert walk_full(world.network(), self.FLOW._replace(size=0)).client_sees == "depends"
