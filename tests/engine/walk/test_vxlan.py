"""Packets that a VXLAN device sends: where they come out, and what is written down of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.walk.world import World

if TYPE_CHECKING:
    from engine.walk.trace import Trace

A, B, OTHER = "5e:0a:51:00:00:0a", "5e:0a:51:00:00:0b", "5e:0a:51:00:00:99"


def pair(*, here: str = A, there: str = B, mac: str = B, dst: str = "192.0.2.2", vni: int = 1) -> World:
    """Two nodes with flannel.1; n1 holds an entry for n2's, n2 the right one for n1's."""
    world = World()
    for number, own, entry, remote, number_there in ((1, here, mac, dst, 2), (2, there, here, "192.0.2.1", 1)):
        kind = f"vxlan id {vni if number == 2 else 1} local 192.0.2.{number} dev eth0 dstport 8472 nolearning"
        stack = world.host(f"n{number}", f"192.0.2.{number}/24").device("flannel.1", f"10.244.{number}.0/32", kind=kind, mac=own)
        stack.route(f"10.244.{number_there}.0/24 via 10.244.{number_there}.0 dev flannel.1 onlink").router()
        stack.shows("ip neigh", f"10.244.{number_there}.0 dev flannel.1 lladdr {entry} PERMANENT")
        stack.shows("bridge fdb show", f"{entry} dev flannel.1 dst {remote} self permanent")
    return world


def asked(world: World) -> Trace:
    """A ping of n2's overlay address by n1."""
    return world.walk("n1", "10.244.2.0", protocol="icmp")


def tunnelled(trace: Trace) -> list[dict[str, Any]]:
    """What was written down of each tunnel packet."""
    return [dict(fact.fields) for fact in trace.facts if fact.kind == "tunnelled"]


def drops(trace: Trace) -> list[tuple[str, str]]:
    """Node and reason of each drop."""
    return [(fact.node, str(fact.get("by"))) for fact in trace.facts if fact.kind == "drop"]


def test_there_and_back() -> None:
    """Both directions come out at the other end, and the facts tell by which entries."""
    trace = asked(pair())
    assert trace.client_sees == "connected"
    request, reply = tunnelled(trace)
    assert request == {
        "flow": 0,
        "direction": "request",
        "device": "flannel.1",
        "vni": 1,
        "port": 8472,
        "local": "192.0.2.1",
        "next_hop": "10.244.2.0",
        "mac": B,
        "source_mac": A,
        "remote": "192.0.2.2",
        "lost": "",
        "peer": "n2",
        "peer_stack": "host",
        "peer_device": "flannel.1",
        "peer_mac": B,
    }
    assert (reply["direction"], reply["local"], reply["peer"]) == ("reply", "192.0.2.2", "n1")


@pytest.mark.parametrize(
    ("world", "lost", "where"),
    [
        (pair(mac=OTHER), "other-mac", ("n2", "fdb")),
        (pair(here=A, there=A, mac=A), "own-mac", ("n2", "fdb")),
        (pair(vni=7), "no-device", ("n2", "device")),
    ],
)
def test_lost_at_the_other_end(world: World, lost: str, where: tuple[str, str]) -> None:
    """Measured: a frame for another MAC, one with the receiver's own, and one for a VNI that is not there are dropped in silence."""
    trace = asked(world)
    assert (trace.client_sees, [f["lost"] for f in tunnelled(trace)], drops(trace)) == ("timeout", [lost], [where])


def test_nobody_known() -> None:
    """A neighbour entry without one of the forwarding database: the frame is lost at home."""
    world = pair()
    world.stack("n1").shows("bridge fdb show", "")
    trace = asked(world)
    assert ([f["lost"] for f in tunnelled(trace)], drops(trace)) == (["no-entry"], [("n1", "fdb")])


def test_an_address_of_ones_own() -> None:
    """What is sent to an address of this very machine comes back by the device, whatever its MAC.

    Measured for a pod's packet: it goes round until its TTL is spent.  One of the machine's own has a source that is local: a martian.
    """
    world = pair(dst="192.0.2.1")
    world.stack("n1").device("cni0", "10.244.1.1/24", kind="bridge").sysctl(**{"conf__flannel/1__rp_filter": 0})
    world.pod("n1", "web", "10.244.1.7/24", gateway="10.244.1.1")
    trace = world.walk("n1/web", "10.244.2.0", protocol="icmp")
    assert {f["lost"] for f in tunnelled(trace)} == {"own-address"}
    assert (drops(trace)[0], trace.client_sees) == (("n1", "loop"), "EHOSTUNREACH")
    assert drops(asked(pair(dst="192.0.2.1"))) == [("n1", "martian")]


def test_the_outer_packet_dies() -> None:
    """A filter on the way, or no answer to ARP: the tunnel packet is lost, and the inner one with it."""
    world = pair()
    world.stack("n2").filter("-A INPUT -p udp -m udp --dport 8472 -j DROP")
    trace = asked(world)
    assert ([f["lost"] for f in tunnelled(trace)], drops(trace)) == (["outer"], [("n2", "rule")])
    unseen = World()
    unseen.stacks = {key: stack for key, stack in pair().stacks.items() if key[0] == "n1"}
    assert [f["lost"] for f in tunnelled(asked(unseen))] == ["left"]


@pytest.mark.parametrize(
    ("fdb", "sees"),
    [
        (f"{OTHER} dev flannel.1 dst 192.0.2.2 self permanent", "timeout"),
        (f"{B} dev flannel.1 dst 192.0.2.2 self permanent", "connected"),
        ("", "connected"),
    ],
)
def test_without_the_neighbours(fdb: str, sees: str) -> None:
    """Where only the forwarding database was collected, it may tell that another MAC alone leads there; what says nothing is taken for right."""
    world = pair()
    world.stack("n1").shows("bridge fdb show", fdb).unseen("ip neigh")
    assert asked(world).client_sees == sees


@pytest.mark.parametrize(("vni", "port"), [(7, 8472), (1, 4789)])
@pytest.mark.parametrize(("resolved", "sees"), [(True, "timeout"), (False, "EHOSTUNREACH")])
def test_ends_that_disagree(vni: int, port: int, resolved: bool, sees: str) -> None:
    """Another VNI or port at the other end: it is named with its line; a next hop whose MAC has to be asked for is never heard of."""
    world = pair()
    kind = f"vxlan id {vni} local 192.0.2.2 dev eth0 dstport {port} nolearning"
    world.stack("n2").device("flannel.1", kind=kind, mac=B)
    if not resolved:
        world.stack("n1").shows("ip neigh", "10.244.2.0 dev flannel.1 INCOMPLETE").shows(
            "bridge fdb show", "00:00:00:00:00:00 dev flannel.1 dst 192.0.2.2 self permanent"
        )
    trace = asked(world)
    assert trace.client_sees == sees
    assert [(f["lost"], f["peer"], f["peer_stack"], f["peer_device"]) for f in tunnelled(trace)] == [("no-device", "n2", "host", "flannel.1")]
    (drop,) = [fact for fact in trace.facts if fact.kind == "drop"]
    assert (drop.get("by"), drop.get("text")) == ("device", "no VXLAN device with VNI 1 and port 8472 here")
    assert str(drop.get("text_zh")).startswith("这里没有")
    assert drop.source is not None


def test_no_end_that_was_meant() -> None:
    """A device that is the other end of another tunnel of the sender is not blamed."""
    world = pair(vni=7)
    world.stack("n1").device("flannel.7", kind="vxlan id 7 local 192.0.2.1 dev eth0 dstport 8472 nolearning", mac=OTHER)
    assert [(f["lost"], f.get("peer_device")) for f in tunnelled(asked(world))] == [("no-device", None)]


def asking(*floods: str) -> World:
    """The same two nodes, whose neighbours have to be asked for: by frames to all, which each sends to some VTEPs."""
    world = pair()
    for number, other in ((1, 2), (2, 1)):
        copies = floods if number == 1 and floods else (f"192.0.2.{other}",)
        lines = "\n".join(f"00:00:00:00:00:00 dev flannel.1 dst {vtep} self permanent" for vtep in copies)
        world.stack(f"n{number}").shows("ip neigh", "").shows("bridge fdb show", lines)
    return world


def test_questions_are_answered() -> None:
    """Where nothing stops question and answer, they leave no trace; the other end knows who asked, and asks nothing in turn."""
    trace = asked(asking())
    assert trace.client_sees == "connected"
    assert [(f["direction"], f["mac"], f["lost"]) for f in tunnelled(trace)] == [("request", B, ""), ("reply", A, "")]


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_questions_are_lost_outside(node: str) -> None:
    """The outer packet of the question dies at the other end, that of the answer at home: either way nobody is heard, and the sender is told."""
    world = asking()
    world.stack(node).filter("-A INPUT -p udp -m udp --dport 8472 -j DROP")
    trace = asked(world)
    assert (trace.client_sees, drops(trace)) == ("EHOSTUNREACH", [(node, "rule")])


def test_questions_come_home() -> None:
    """A question that its own sender gets back is no answer."""
    world = asking()
    world.stack("n1").shows("iptables-save", "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -j REDIRECT\nCOMMIT\n")
    trace = asked(world)
    assert (trace.client_sees, drops(trace)) == ("EHOSTUNREACH", [("n1", "fdb")])


def test_questions_are_flooded() -> None:
    """Each VTEP gets a copy: one that answers suffices, and nobody's silence is told of; if none does, the first's is."""
    world = asking("192.0.2.3", "192.0.2.2")
    kind = "vxlan id 1 local 192.0.2.3 dev eth0 dstport 8472 nolearning"
    world.host("n3", "192.0.2.3/24").device("flannel.1", "10.244.3.0/32", kind=kind, mac=OTHER)
    trace = asked(world)
    assert (trace.client_sees, [f["remote"] for f in tunnelled(trace)], drops(trace)) == ("connected", ["192.0.2.2", "192.0.2.1"], [])
    world.stack("n2").filter("-A INPUT -p udp -m udp --dport 8472 -j DROP")
    trace = asked(world)
    assert (trace.client_sees, drops(trace)) == ("EHOSTUNREACH", [("n1", "neighbor")])
