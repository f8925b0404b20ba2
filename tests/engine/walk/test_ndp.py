"""Neighbour discovery in the walk; the kernel's side of it is compared in tests/fuzz/cases/ipv6-*.yaml."""

from __future__ import annotations

from tests.engine.walk.world import World, found

NEEDED = ("-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT", "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j ACCEPT")


def pair(*rules: str, known: bool = False) -> World:
    """Two machines on one wire; ``b`` drops what its rules do not accept."""
    world = World()
    world.host("a", "2001:db8::a/64", "fe80::a/64 scope link")
    b = world.host("b", "2001:db8::b/64", "fe80::b/64 scope link").listens("tcp [::]:80")
    b.shows("ip6tables-save", "\n".join(["*filter", ":INPUT DROP [0:0]", "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT", *rules, "COMMIT"]))
    world.stack("a").shows("ip6tables-save", "")
    if known:
        world.stack("a").shows("ip neigh", "2001:db8::b dev eth0 lladdr 02:00:00:00:00:02 STALE")
        b.shows("ip neigh", "2001:db8::a dev eth0 lladdr 02:00:00:00:00:02 STALE")
    return world


def test_firewall_that_knows_no_neighbours() -> None:
    """A policy that drops solicitations cuts the wire, whatever it accepts otherwise; the drop names the policy and the question."""
    trace = pair().walk("a", "2001:db8::b")
    assert trace.client_sees == "EHOSTUNREACH"
    drop = found(trace, "drop", direction="request")
    assert (drop.node, drop.get("by"), drop.get("chain"), drop.get("protocol"), drop.get("dst")) == (
        "b",
        "policy",
        "INPUT",
        "icmpv6",
        "ff02::1:ff00:b",
    )


def test_firewall_that_lets_neighbours_in() -> None:
    """With both types accepted the flow lives; neighbours that are in the cache are not asked for."""
    assert pair(*NEEDED).sees("a", "2001:db8::b") == "connected"
    assert pair(known=True).sees("a", "2001:db8::b") == "connected"


def test_answer_of_the_neighbour() -> None:
    """The one that asks must let the advertisement in; the same policy drops the ICMPv6 error by which its own stack would tell (timeout)."""
    world = pair(*NEEDED)
    world.stack("a").shows("ip6tables-save", "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT")
    trace = world.walk("a", "2001:db8::b")
    assert trace.client_sees == "timeout"
    assert found(trace, "drop", direction="request").node == "a"


def test_bridged_questions_pass_prerouting() -> None:
    """With bridge-nf-call-ip6tables the bridge's PREROUTING and POSTROUTING see neighbour discovery between its ports."""
    for hook, sees in (("PREROUTING", "EHOSTUNREACH"), ("POSTROUTING", "EHOSTUNREACH"), ("INPUT", "connected")):
        world = World()
        node = world.stack("n1").device("cni0", "2001:db8:4::1/64", kind="bridge")
        node.shows("sysctl net.bridge.bridge-nf-call-ip6tables", "net.bridge.bridge-nf-call-ip6tables = 1")
        node.shows("ip6tables-save", f"*mangle\n:{hook} ACCEPT [0:0]\n-A {hook} -p ipv6-icmp -j DROP\nCOMMIT")
        for at, pod in enumerate(("p1", "p2"), 2):
            world.pod("n1", pod, f"2001:db8:4::{at}/64").listens("tcp [::]:80").shows("ip6tables-save", "")
        assert world.sees("n1/p1", "2001:db8:4::3") == sees, hook
