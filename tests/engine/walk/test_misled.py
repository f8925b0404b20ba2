"""Neighbour entries that hold a MAC which no device of the segment has."""

from __future__ import annotations

import pytest

from engine.computed import EXPANDERS
from engine.facts import Fact, FactBase, Source
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.walk.world import World, found

GONE = "02:11:22:33:44:55"
GATEWAY = "02:00:00:00:00:02"


def wired(entry: str = f"10.1.0.1 dev eth0 lladdr {GONE} PERMANENT") -> World:
    """A server on another network, a router, and a client behind its bridge ``br0``; ``entry``: what the client holds of the router."""
    world = World()
    router = world.stack("n1").device("br0", "10.1.0.1/24", kind="bridge", mac=GATEWAY).router()
    world.pod("n1", "client", "10.1.0.5/24", bridge="br0", gateway="10.1.0.1").shows("ip neigh", entry)
    router.device("up0", "10.2.0.1/24", index=50, peer=60, mac="02:00:00:00:00:50")
    server = world.stack("n1", "server").device("eth0", "10.2.0.5/24", index=60, peer=50, mac="02:00:00:00:00:60")
    server.route("default via 10.2.0.1 dev eth0").listens("tcp 0.0.0.0:80")
    return world


@pytest.mark.parametrize("state", ["PERMANENT", "NOARP", "REACHABLE"])
def test_entry_that_is_used_as_it_is(state: str) -> None:
    """The receiver throws away frames for a MAC that is not its own, and nobody is told; both MACs are named, and the drop cites the entry."""
    trace = wired(f"10.1.0.1 dev eth0 lladdr {GONE} {state}").walk("n1/client", "10.2.0.5")
    assert trace.client_sees == "timeout"
    misled = found(trace, "misled_neighbor", direction="request")
    assert (misled.stack, misled.get("mac"), misled.get("real_mac"), misled.get("holder_device")) == ("client", GONE, GATEWAY, "br0")
    drop = found(trace, "drop", direction="request")
    assert (drop.get("by"), drop.get("effect"), drop.source.name) == ("neighbor", "dropped", "nodes/n1/ip neigh")
    assert not [fact for fact in trace.facts if fact.kind == "silent_neighbor"]


def test_reply_is_misled_as_well() -> None:
    """The server's own entry counts for what it sends back."""
    world = wired("")
    world.stack("n1", "server").shows("ip neigh", f"10.2.0.1 dev eth0 lladdr {GONE} PERMANENT")
    trace = world.walk("n1/client", "10.2.0.5")
    assert trace.client_sees == "timeout"
    assert found(trace, "misled_neighbor", direction="reply").stack == "server"


@pytest.mark.parametrize("state", ["STALE", "DELAY", "PROBE"])
def test_entries_that_the_kernel_asks_about(state: str) -> None:
    """Probes that nobody answers end the entry within seconds, and the next question finds the right MAC: the walk goes on, and the entry is told."""
    trace = wired(f"10.1.0.1 dev eth0 lladdr {GONE} {state}").walk("n1/client", "10.2.0.5")
    assert trace.client_sees == "connected"
    assert found(trace, "misled_neighbor", direction="request").get("state") == state


def test_an_entry_that_failed_misleads_nobody() -> None:
    """A MAC that is left in an entry which failed is not used."""
    trace = wired(f"10.1.0.1 dev eth0 lladdr {GONE} FAILED").walk("n1/client", "10.2.0.5")
    assert not [fact for fact in trace.facts if fact.kind == "misled_neighbor"]


WIRED = "02:00:00:00:02:0{}"


def lan(entry: str, other: str = "10.0.0.9 dev eth0 lladdr 02:00:00:00:02:09 STALE") -> World:
    """Three machines on a wire that leads out of the evidence; what the first holds of the second, and of the third."""
    world = World()
    world.stack("n1").device("eth0", "10.0.0.1/24", mac=WIRED.format(1)).shows("ip neigh", f"{entry}\n{other}")
    world.stack("n2").device("eth0", "10.0.0.2/24", mac=WIRED.format(2)).listens("tcp 0.0.0.0:80")
    world.stack("n3").device("eth0", "10.0.0.9/24", mac=WIRED.format(9))
    return world


WRONG = f"10.0.0.2 dev eth0 lladdr {GONE} REACHABLE"


@pytest.mark.parametrize(
    ("world", "lost"),
    [
        (lan(WRONG), True),
        (lan(WRONG.replace(GONE, WIRED.format(2))), False),
        # Nothing shows that the wire hands out everybody's own MAC …
        (lan(WRONG, ""), False),
        # … or it hands out one for all, as clouds do.
        (lan(WRONG, f"10.0.0.9 dev eth0 lladdr {GONE} STALE"), False),
        (lan(WRONG.replace(GONE, "00:00:5e:00:01:0a")), False),
        (lan(WRONG.replace(GONE, WIRED.format(9))), False),
    ],
)
def test_a_wire_that_leads_out(world: World, *, lost: bool) -> None:
    """On a wire where another entry holds its owner's very MAC, one that nobody in the evidence has misleads; those of others, or of many, do not."""
    trace = world.walk("n1", "10.0.0.2")
    assert ("misled_neighbor" in {fact.kind for fact in trace.facts}) is lost
    assert not lost or trace.client_sees == "timeout"


@pytest.mark.parametrize("mac", [GATEWAY, "02:00:00:00:00:03"])
def test_mac_of_the_bridge_or_of_a_port(mac: str) -> None:
    """A bridge takes frames for its own MAC and for those of its ports (local entries of its forwarding database)."""
    world = wired(f"10.1.0.1 dev eth0 lladdr {mac} PERMANENT")
    assert world.stack("n1").devices["veth-client"].index == 3
    assert world.sees("n1/client", "10.2.0.5") == "connected"


def _macvlan(world: World) -> None:
    world.stack("n1", "virtual").device("mv0", "10.1.0.9/24", kind="macvlan mode bridge", index=70, peer=2)


def _fdb(world: World) -> None:
    world.stack("n1").shows("bridge fdb show", f"{GONE} dev br0 self permanent")


def _unlisted(world: World) -> None:
    world.stack("n1").unseen("bridge fdb show")


def _card(world: World) -> None:
    world.stack("n1").device("eth9", master="br0", index=80)


def _tap(world: World) -> None:
    world.stack("n1").device("tap0", kind="tun type tap", master="br0", index=80)


def _renamed(world: World) -> None:
    world.stack("n1").shows("sysctl net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-iptables = 1")
    world.stack("n1").nat("-A PREROUTING -d 10.9.0.9/32 -p tcp -j DNAT --to-destination 10.2.0.5")


@pytest.mark.parametrize("more", [_macvlan, _fdb, _unlisted, _card, _tap, _renamed])
def test_segments_that_are_not_known_to_the_last_port(more: object) -> None:
    """A second MAC of a device, a wire that leads out, a virtual machine, a bridge that sends frames elsewhere: nothing is said."""
    world = wired()
    assert callable(more)
    more(world)
    trace = world.walk("n1/client", "10.2.0.5")
    assert not [fact for fact in trace.facts if fact.kind == "misled_neighbor"]


def test_nobody_holds_the_address_itself() -> None:
    """A station that answers for an address of another device of its own, or as a proxy, may have told any MAC."""
    world = wired(f"10.2.0.1 dev eth0 lladdr {GONE} PERMANENT")
    world.stack("n1", "client").routing = ["default via 10.2.0.1 dev eth0 onlink"]
    trace = world.walk("n1/client", "10.2.0.5")
    assert not [fact for fact in trace.facts if fact.kind == "misled_neighbor"]


@pytest.mark.parametrize(("later", "assumed"), [(None, 1), (3600, 1), (300, 0)])
def test_listings_of_two_moments(later: int | None, assumed: int) -> None:
    """What two collections tell may both have been true, each at its time: that it is so still is assumed, unless they were made within minutes."""
    facts = [
        Fact(f.kind, f.fields, f.node, f.stack, Source(f"{f.node}/{f.source.name}", f.source.text, f.source.command), f.line)
        for f in lan(WRONG).facts().facts
    ]
    times = {"n1": 1_000_000, "n2": 1_000_000 + later, "n3": 1_000_000} if later is not None else {}
    facts += [Fact("collection", {"created": seconds}, node) for node, seconds in times.items()]
    trace = walk(build(FactBase(facts, EXPANDERS)), Flow("n1", "host", "", "10.0.0.2", 80, "tcp"))
    assert trace.client_sees == "timeout"
    assert len([one for one in trace.assumed if one.what.startswith("MAC of")]) == assumed
