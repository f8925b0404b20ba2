"""IPsec policies on the way of a packet."""

from __future__ import annotations

import pytest

from tests.engine.walk.world import World, found, lan

BLOCK = "src 10.1.0.0/24 dst 10.2.0.2/32 {more}\n\tdir {dir} action block priority 10 ptype main"
WRAP = "src 10.1.0.0/24 dst 10.2.0.0/24\n\tdir {dir} priority 20 ptype main\n\ttmpl src 10.2.0.1 dst 10.2.0.2\n\t\tproto esp reqid 1 mode tunnel"
SS = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
STATE = "src 10.2.0.1 dst 10.2.0.2\n\tproto esp spi {spi} reqid 1 mode tunnel"


def guarded(node: str, policies: str, states: str = "") -> World:
    """A client, a router and a server; one of them has policies, and associations."""
    world = lan()
    world.stack(node).shows("ip xfrm policy", policies).shows("ip xfrm state list nokeys", states)
    return world


@pytest.mark.parametrize(
    ("node", "side", "sees"), [("client", "out", "EPERM"), ("router", "out", "timeout"), ("router", "fwd", "timeout"), ("server", "in", "timeout")]
)
def test_a_blocking_policy(node: str, side: str, sees: str) -> None:
    """It ends what is sent (told to the program that sends), forwarded, or delivered; the fact names its selector."""
    trace = guarded(node, BLOCK.format(dir=side, more="")).walk("client", "10.2.0.2")
    assert trace.client_sees == sees
    fact = found(trace, "transform_lost")
    assert [fact.get(name) for name in ("node", "how", "dir", "policy_dst")] == [node, "block", side, "10.2.0.2/32"]
    assert found(trace, "drop").get("by") == "xfrm"


@pytest.mark.parametrize("more", ["proto tcp dport 81 ", "proto udp ", "dev eth9 "])
def test_other_traffic_is_selected(more: str) -> None:
    """A selector of another port, protocol or device is none of this packet's."""
    assert guarded("client", BLOCK.format(dir="out", more=more)).sees("client", "10.2.0.2") == "connected"


def test_the_lowest_priority_counts() -> None:
    """A policy in front lets pass what a later one blocks."""
    front = "src 10.1.0.2/32 dst 10.2.0.2/32 \n\tdir out priority 5 ptype main"
    assert guarded("client", f"{BLOCK.format(dir='out', more='')}\n{front}").sees("client", "10.2.0.2") == "connected"


@pytest.mark.parametrize(
    ("states", "sees"), [("", "timeout"), (STATE.format(spi="0x00000100"), "connected"), (STATE.format(spi="0x00000000"), "timeout")]
)
def test_what_must_be_wrapped(states: str, sees: str) -> None:
    """Without an association (or with one that was only asked for) the packet is dropped; with one it goes on, and that is said."""
    trace = guarded("router", WRAP.format(dir="out"), states).walk("client", "10.2.0.2")
    assert trace.client_sees == sees
    assert any(one.what == "IPsec" for one in trace.assumed) == (sees == "connected")
    assert sees == "connected" or found(trace, "transform_lost").get("peer_dst") == "10.2.0.2"


@pytest.mark.parametrize(("states", "sees"), [("", "connected"), (STATE.format(spi="0x00000000"), "timeout")])
def test_a_key_daemon_waits_for_the_first_packet(states: str, sees: str) -> None:
    """Where IKE's port is open the association is made when it is needed, so that its absence proves nothing; one that was asked for in vain does."""
    world = guarded("router", WRAP.format(dir="out"), states)
    world.stack("router").shows("ss -lntup", SS + 'udp UNCONN 0 0 0.0.0.0:500 0.0.0.0:* users:(("charon",pid=71,fd=12))\n')
    assert world.sees("client", "10.2.0.2") == sees


def test_what_must_have_been_wrapped() -> None:
    """The receiver drops what comes as it is; what the sender's policy wrapped is taken, and what somebody unseen may have wrapped."""
    world = guarded("server", WRAP.format(dir="in"))
    assert any(one.what == "IPsec" for one in world.walk("client", "10.2.0.2").assumed)
    world.stack("client").shows("ip xfrm policy", "")
    world.stack("router").shows("ip xfrm policy", "")
    assert found(world.walk("client", "10.2.0.2"), "transform_lost").get("how") == "plain"
    world.stack("router").shows("ip xfrm policy", WRAP.format(dir="out")).shows("ip xfrm state list nokeys", STATE.format(spi="0x00000100"))
    assert world.sees("client", "10.2.0.2") == "connected"


def test_wrapping_that_is_optional() -> None:
    """A template of level use does without an association."""
    assert guarded("router", f"{WRAP.format(dir='out')}\n\t\tlevel use").sees("client", "10.2.0.2") == "connected"
