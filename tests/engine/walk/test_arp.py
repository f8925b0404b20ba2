"""ARP passes the chains below IP; each answer was measured on Linux 6.18."""

from __future__ import annotations

import pytest

from tests.engine.walk.world import World, found

FAILS, OK, LATE = "EHOSTUNREACH", "connected", "timeout"


def pair(rules: str) -> World:
    """Two hosts, c and s, on one wire; c has these rules."""
    world = World()
    world.host("c", "10.1.0.1/24").shows("nft list ruleset", rules)
    world.host("s", "10.1.0.2/24").listens("tcp 0.0.0.0:80")
    return world


def chain(family: str, hook: str, rule: str) -> str:
    """A ruleset of one chain."""
    device = " device eth0" if family in {"netdev", "inet"} else ""
    return f"table {family} t {{\n chain c {{\n  type filter hook {hook}{device} priority filter; policy accept;\n  {rule}\n }}\n}}"


@pytest.mark.parametrize(
    ("family", "hook", "rule", "sees"),
    [
        ("netdev", "ingress", "meta mark 0 counter packets 0 bytes 0 drop", FAILS),
        ("netdev", "egress", "drop", FAILS),
        ("netdev", "ingress", "meta protocol arp drop", FAILS),
        ("netdev", "ingress", "meta protocol ip drop", LATE),
        ("netdev", "ingress", "ip saddr 10.1.0.2 drop", LATE),
        ("netdev", "ingress", "meta l4proto tcp drop", LATE),
        ("netdev", "ingress", "tcp sport 80 drop", LATE),
        ("netdev", "ingress", "meta length 28 drop", FAILS),
        ("netdev", "ingress", "ether type arp arp operation request drop", OK),
        ("netdev", "ingress", "ether type arp arp operation reply drop", FAILS),
        ("netdev", "ingress", "meta pkttype broadcast drop", OK),
        ("netdev", "ingress", "arp saddr ip 10.1.0.2 drop", FAILS),
        ("netdev", "ingress", "fib saddr . iif oif missing drop", OK),
        ("inet", "ingress", "meta protocol arp drop", OK),
        ("arp", "output", "arp operation request drop", FAILS),
        ("arp", "output", "arp htype 1 arp hlen 6 arp plen 4 arp operation request counter packets 0 bytes 0 drop", FAILS),
        ("arp", "output", "arp operation reply drop", OK),
        ("arp", "output", "arp daddr ip 10.1.0.0/24 drop", FAILS),
        ("arp", "output", 'oifname "eth1" drop', OK),
        ("arp", "output", "arp ptype ip accept", OK),
        ("arp", "input", "arp operation reply drop", FAILS),
        ("arp", "input", "arp operation request drop", OK),
    ],
)
def test_chains_that_see_arp(family: str, hook: str, rule: str, sees: str) -> None:
    """A chain that drops the question or its answer leaves the neighbour unknown; one that looks for IP lets ARP pass."""
    assert pair(chain(family, hook, rule)).sees("c", "10.1.0.2") == sees


def test_known_neighbours_are_not_asked() -> None:
    """Who stands in the table of neighbours is sent to at once."""
    world = pair(chain("arp", "output", "drop"))
    world.stack("c").shows("ip neigh", "10.1.0.2 dev eth0 lladdr 02:00:00:00:00:02 REACHABLE")
    assert world.sees("c", "10.1.0.2") == OK


def test_the_rule_is_named() -> None:
    """The rule that ended the question is told, and that it was one of ARP."""
    trace = pair(chain("arp", "output", "arp operation request drop")).walk("c", "10.1.0.2")
    drop = found(trace, "drop", by="rule")
    assert (drop.text, drop.fields["table"], drop.fields["protocol"]) == ("arp operation request drop", "arp t", "arp")


BRIDGED = [
    ("forward", "ether type arp counter packets 0 bytes 0 drop", FAILS, OK),
    ("forward", "ether type ip counter packets 0 bytes 0 drop", LATE, OK),
    ("forward", "ether daddr ff:ff:ff:ff:ff:ff drop", FAILS, OK),
    ("forward", "ether saddr 02:00:00:00:00:66 drop", FAILS, OK),
    ("forward", "ether type arp arp operation request accept", OK, OK),
    ("input", 'iifname "veth-a" drop', OK, FAILS),
    ("output", 'oifname "veth-a" drop', OK, FAILS),
    ("prerouting", 'iifname "veth-a" drop', FAILS, FAILS),
]


@pytest.mark.parametrize(("hook", "rule", "other", "node"), BRIDGED)
def test_bridges(hook: str, rule: str, other: str, node: str) -> None:
    """Chains of a bridge (ebtables are such) see the questions that cross it and those of its node; ``other``, ``node``: who is connected to."""
    world = World()
    world.stack("n1").device("cni0", "10.1.0.1/24", kind="bridge").shows("nft list ruleset", chain("bridge", hook, rule))
    for name, address in (("a", "10.1.0.2/24"), ("b", "10.1.0.3/24")):
        world.pod("n1", name, address).listens("tcp 0.0.0.0:80")
    world.stack("n1", "a").devices["eth0"].mac = "02:00:00:00:00:66"
    world.stack("n1").listens("tcp 0.0.0.0:80")
    assert [world.sees("n1/a", "10.1.0.3"), world.sees("n1/a", "10.1.0.1")] == [other, node]
