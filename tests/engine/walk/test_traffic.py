"""Traffic control on the way of a packet."""

from __future__ import annotations

import pytest

from tests.engine.walk.world import World, found, lan

FILTER = (
    "filter protocol ip pref 1 flower chain 0\nfilter protocol ip pref 1 flower chain 0 handle 0x1\n  eth_type ipv4\n"
    "  ip_proto tcp\n{match}  not_in_hw\n\taction order 1: {action}\n\t index 1 ref 1 bind 1"
)


def controlled(node: str, command: str, text: str) -> World:
    """A client, a router and a server; one of them controls its traffic."""
    world = lan()
    world.stack(node).shows(command, text)
    return world


@pytest.mark.parametrize(
    ("queue", "sees", "how"),
    [
        ("qdisc blackhole 8001: dev eth0 root refcnt 2", "timeout", "queue"),
        ("qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 loss 100%", "timeout", "queue"),
        ("qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 delay 100ms loss 30%", "connected", "lossy"),
        ("qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 delay 100ms", "connected", None),
        ("qdisc blackhole 8001: dev eth9 root refcnt 2", "connected", None),
        ("qdisc netem 8001: dev eth0 parent 1:10 limit 1000 loss 100%", "connected", None),
    ],
)
def test_queues(queue: str, sees: str, how: str | None) -> None:
    """A queue at a device's root that drops all ends the packet, one that drops a part is told; other devices' and classes' are no matter."""
    trace = controlled("client", "tc -s qdisc show", queue).walk("client", "10.2.0.2")
    assert trace.client_sees == sees
    facts = [f for f in trace.facts if f.kind == "traffic_controlled"]
    assert {f.get("how") for f in facts} == ({how} if how else set())


@pytest.mark.parametrize(
    ("match", "action", "sees", "how"),
    [
        ("  dst_ip 10.2.0.0/24\n  dst_port 80\n", "gact action drop", "timeout", "filter"),
        ("  dst_port 81\n", "gact action drop", "connected", None),
        ("  src_ip 10.9.0.0/16\n", "gact action drop", "connected", None),
        ("", "gact action pass", "connected", None),
        ("", "gact action continue", "connected", None),
        ("", "gact action pipe\n\t index 1 ref 1 bind 1\n\taction order 2: gact action drop", "timeout", "filter"),
        ("", "mirred (Egress Mirror to device eth9) pipe\n\taction order 2: gact action drop", "timeout", "filter"),
        ("", "mirred (Egress Mirror to device eth9) pipe", "connected", None),
        ("", "police 0x1 rate 1Mbit burst 10Kb mtu 2Kb action drop overhead 0b", "connected", "police"),
    ],
)
def test_filters(match: str, action: str, sees: str, how: str | None) -> None:
    """A filter that fits decides by its action; what polices is told."""
    text = FILTER.format(match=match, action=action)
    trace = controlled("router", "tc -s filter show dev eth0 ingress", text).walk("client", "10.2.0.2")
    assert trace.client_sees == sees
    assert {f.get("how") for f in trace.facts if f.kind == "traffic_controlled"} == ({how} if how else set())
    assert sees == "connected" or found(trace, "drop").get("by") == "tc"


def test_what_is_not_read_is_said() -> None:
    """A filter on something that is not understood is taken to let the packet pass, and that is said."""
    text = FILTER.format(match="  ct_state +trk\n", action="gact action drop")
    trace = controlled("router", "tc -s filter show dev eth0 ingress", text).walk("client", "10.2.0.2")
    assert trace.client_sees == "connected"
    assert [one.command for one in trace.assumed if one.what.startswith("tc ")] == ["tc -s filter show dev eth0 ingress"]
