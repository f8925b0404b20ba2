"""Packets that the model delivers and the wire does not, as connection tables tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.walk.world import World, found

if TYPE_CHECKING:
    from engine.walk.trace import Trace

SENT = "tcp 6 118 SYN_SENT src=10.1.0.5 dst=10.2.0.8 sport=41000 dport=80 [UNREPLIED] src=10.2.0.8 dst=10.1.0.5 sport=80 dport=41000 mark=0 use=1"
TAKEN = "tcp 6 59 SYN_RECV src=10.1.0.5 dst=10.2.0.8 sport=41000 dport=80 src=10.2.0.8 dst=10.1.0.5 sport=80 dport=41000 mark=0 use=1"
LATER = TAKEN.replace("41000", "55092").replace("59 SYN_RECV", "116 TIME_WAIT")
OTHER = SENT.replace("10.2.0.8", "10.2.0.9")


def nodes(first: str, second: str | None, *, masquerade: bool = False) -> World:
    """Pods ``web`` on n1 and ``api`` on n2, routed directly; what the connection tables of both hold."""
    world = World()
    for name, mine, other, pod, entries in (("n1", 1, 2, "web", first), ("n2", 2, 1, "api", second)):
        host = world.host(name, f"192.168.5.{10 + mine}/24").router().route(f"10.{other}.0.0/24 via 192.168.5.{10 + other} dev eth0")
        host.device("cni0", f"10.{mine}.0.1/24", kind="bridge")
        world.pod(name, pod, f"10.{mine}.0.{5 if mine == 1 else 8}/24", gateway=f"10.{mine}.0.1").listens("tcp 0.0.0.0:80")
        if masquerade:
            host.nat("-A POSTROUTING ! -o cni0 -j MASQUERADE")
        if entries is not None:
            host.shows("conntrack -L", entries)
    return world


def told(trace: Trace) -> list[object]:
    """The fact's fields."""
    fact = found(trace, "vanished")
    return [fact.node, *(fact.get(name) for name in ("direction", "device", "src", "dst", "to_node", "address"))]


def test_a_request_that_does_not_arrive() -> None:
    """The sender waits, and the receiver has never seen it."""
    assert told(nodes(SENT, OTHER).walk("n1/web", "10.2.0.8")) == ["n1", "request", "eth0", "10.1.0.5", "10.2.0.8", "n2", "192.168.5.11"]


def test_an_answer_that_does_not_arrive() -> None:
    """The receiver has answered, and the sender still waits."""
    assert told(nodes(SENT, TAKEN).walk("n1/web", "10.2.0.8")) == ["n2", "reply", "eth0", "10.2.0.8", "10.1.0.5", "n1", "192.168.5.12"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (TAKEN, TAKEN),
        (OTHER, OTHER),
        (SENT, None),
        (SENT, TAKEN.replace("sport=80 dport=41000 mark", "sport=80 dport=41000 [UNREPLIED] mark")),
        (SENT.replace("dport=80", "dport=81").replace("sport=80 ", "sport=81 "), ""),
        (SENT, ""),
        (SENT, LATER),
        (f"{SENT}\n{LATER}", LATER),
        (f"{SENT}\n{LATER}", OTHER),
    ],
)
def test_nothing_is_missing(first: str, second: str | None) -> None:
    """Answered, other ends, a table nobody listed, nothing tracked, no answer yet, an entry that a mended fault left: none says so."""
    trace = nodes(first, second).walk("n1/web", "10.2.0.8")
    assert trace.client_sees == "connected"
    assert not [f for f in trace.facts if f.kind == "vanished"]


def test_the_card_s_own_address() -> None:
    """What bears the node's own address is no foreign source: something else stops it."""
    own = SENT.replace("10.1.0.5", "192.168.5.11")
    trace = nodes(own, OTHER).walk("n1", "10.2.0.8")
    assert not [f for f in trace.facts if f.kind == "vanished"]


def test_translated() -> None:
    """A masqueraded packet bears the node's own address on the wire."""
    masked = SENT.replace("src=10.2.0.8 dst=10.1.0.5", "src=10.2.0.8 dst=192.168.5.11")
    trace = nodes(masked, OTHER, masquerade=True).walk("n1/web", "10.2.0.8")
    assert trace.client_sees == "connected"
    assert not [f for f in trace.facts if f.kind == "vanished"]
