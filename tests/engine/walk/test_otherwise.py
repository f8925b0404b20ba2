"""What else a ruleset says about a refused packet: late accepts, other base chains, sets, translations that were passed over.

The worlds have a client 10.1.0.2, a router, and a server 10.2.0.2 that listens on port 80.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.walk.world import World, found, lan

if TYPE_CHECKING:
    from engine.facts import Fact

CHAINS = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
RAW = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A PREROUTING {match} -j CT --notrack\n"
NAT = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"


def filtered(*rules: str) -> World:
    """The router filters."""
    world = lan()
    world.stack("router").filter(*rules)
    return world


def kinds(world: World, kind: str) -> list[Fact]:
    """Derived facts of a kind of the client's flow to port 80."""
    return [fact for fact in world.walk("client", "10.2.0.2").facts if fact.kind == kind]


@pytest.mark.parametrize(
    ("rules", "late"),
    [
        (("-A FORWARD -j REJECT", "-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT"), ("FORWARD", 2, 1)),
        (("-A FORWARD -s 10.0.0.0/8 -j DROP", "-A FORWARD -s 10.1.0.0/24 -p tcp -j ACCEPT"), ("FORWARD", 2, 1)),
        (("-A FORWARD -p tcp -m tcp --dport 1:1024 -j DROP", "-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT"), ("FORWARD", 2, 1)),
        (("-A FORWARD -j X", "-A FORWARD -j Y", "-A X -p tcp -j DROP", "-A Y -p tcp -m tcp --dport 80 -j ACCEPT"), ("FORWARD", 2, 1)),
        (("-A FORWARD -j X", "-A X -i eth0 -j REJECT", "-A X -i eth0 -p tcp -j ACCEPT"), ("X", 2, 1)),
        (("-A FORWARD -s 10.1.0.2/32 -j DROP", "-A FORWARD -j ACCEPT"), None),
        (("-A FORWARD -s 10.1.0.2/32 -j DROP", "-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT"), None),
        (("-A FORWARD -j REJECT", "-A FORWARD -p tcp -m tcp --dport 81 -j ACCEPT"), None),
        (("-A FORWARD -j REJECT", "-A FORWARD -j DROP", "-A FORWARD -j ACCEPT"), None),
        (("-A FORWARD -j REJECT",), None),
    ],
)
def test_later_accept(rules: tuple[str, ...], late: tuple[str, int, int] | None) -> None:
    """An accepting rule counts as too late only if the refusing one lets nothing past to it; a ban in front of a general accept is meant so."""
    told = [(fact.get("chain"), fact.get("number"), fact.get("before")) for fact in kinds(filtered(*rules), "later_accept")]
    assert told == ([late] if late else [])


def test_the_walk_does_not_notice() -> None:
    """Asking again changes neither what the client sees nor what is counted as unknown."""
    trace = filtered("-A FORWARD -j REJECT", "-A FORWARD -m recent --name x --rcheck -j ACCEPT").walk("client", "10.2.0.2")
    assert (trace.client_sees, trace.depends, trace.assumed) == ("ECONNREFUSED", (), ())


NATIVE = """table inet guard {
    chain forward {
        type filter hook forward priority 10; policy accept;
        {rule}
    }
}"""


@pytest.mark.parametrize(
    ("rule", "iptables", "told"),
    [
        ("meta l4proto tcp drop", "-A FORWARD -p tcp -j ACCEPT", [("filter", "FORWARD", False)]),
        ("meta l4proto tcp drop", "-A FORWARD -p udp -j ACCEPT", []),
        ("tcp dport 80 accept", "-A FORWARD -p tcp -j DROP", [("inet guard", "forward", True)]),
        ("tcp dport 81 accept", "-A FORWARD -p tcp -j DROP", []),
    ],
)
def test_other_verdict(rule: str, iptables: str, told: list[tuple[str, str, bool]]) -> None:
    """Another base chain of the hook that accepts by a rule is named, before or after the one that refuses; a policy is no opinion."""
    world = filtered(iptables)
    world.stack("router").shows("nft list ruleset", NATIVE.replace("{rule}", rule))
    assert [(fact.get("table"), fact.get("chain"), fact.get("native")) for fact in kinds(world, "other_verdict")] == told


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (("-A FORWARD -m set --match-set banned src -j DROP",), ("banned", "listed", "10.1.0.0/16", "10.1.0.2")),
        (("-A FORWARD -m set ! --match-set ports dst,dst -j DROP",), ("ports", "not-listed", None, "10.2.0.2,tcp:80")),
        (("-A FORWARD -p tcp -m set --match-set ports dst,dst -j ACCEPT", "-A FORWARD -j DROP"), ("ports", "not-listed", None, "10.2.0.2,tcp:80")),
        (("-A FORWARD -m set --match-set banned src -j X", "-A X -j DROP"), ("banned", "listed", "10.1.0.0/16", "10.1.0.2")),
        (("-A FORWARD -p udp -m set --match-set ports dst,dst -j ACCEPT", "-A FORWARD -j DROP"), None),
        (("-A FORWARD -j DROP", "-A FORWARD -m set --match-set ports dst,dst -j ACCEPT"), None),
    ],
)
def test_set_decided(rules: tuple[str, ...], told: tuple[str, str, str | None, str] | None) -> None:
    """A set decided if the refusing rule (or a jump to it) asked it, or an accepting rule before failed for it alone."""
    world = filtered(*rules)
    sets = "create banned hash:net family inet\nadd banned 10.1.0.0/16\ncreate ports hash:ip,port family inet\nadd ports 10.2.0.2,tcp:443"
    world.stack("router").shows("ipset save", sets)
    facts = [tuple(fact.get(name) for name in ("set", "how", "member", "entry")) for fact in kinds(world, "set_decided")]
    assert facts == ([told] if told else [])


def untracked(match: str, nat: str) -> World:
    """The router keeps packets from conntrack, and translates."""
    world = lan(gateway=False)
    world.stack("client").route("default via 10.1.0.1 dev eth0")
    world.stack("router").iptables(RAW.format(match=match) + NAT + nat)
    return world


def test_nat_skipped() -> None:
    """An untracked request is told with the translation that it would have got."""
    trace = untracked("-p tcp", "-A POSTROUTING -s 10.1.0.0/24 -j MASQUERADE").walk("client", "10.2.0.2")
    skipped = found(trace, "nat_skipped")
    told = {name: skipped.get(name) for name in ("type", "before", "after", "raw_chain", "raw_number", "hook", "target")}
    assert told == {
        "type": "source",
        "before": "10.1.0.2",
        "after": "10.2.0.1",
        "raw_chain": "PREROUTING",
        "raw_number": 1,
        "hook": "POSTROUTING",
        "target": "MASQUERADE",
    }
    assert trace.client_sees != "connected"


def test_reversal_skipped() -> None:
    """An untracked answer keeps the address that the request was given."""
    trace = untracked("-p tcp -m tcp --sport 80", "-A POSTROUTING -s 10.1.0.0/24 -j MASQUERADE").walk("client", "10.2.0.2")
    skipped = found(trace, "nat_skipped")
    assert [skipped.get(name) for name in ("direction", "type", "before", "after")] == ["reply", "reversal", "10.2.0.1", "10.1.0.2"]


@pytest.mark.parametrize(("match", "taken"), [("-p tcp", True), ("-p tcp -m tcp --dport 80", False)])
def test_the_answer_may_be_untracked_too(match: str, *, taken: bool) -> None:
    """What is told of a skipped translation says where its answer would come from, and whether a rule would keep that from conntrack as well."""
    skipped = found(untracked(match, "-A POSTROUTING -s 10.1.0.0/24 -j MASQUERADE").walk("client", "10.2.0.2"), "nat_skipped")
    assert (skipped.get("back_src"), skipped.get("back_sport")) == ("10.2.0.2", 80)
    assert (skipped.get("back_chain"), skipped.get("back_number")) == (("PREROUTING", 1) if taken else (None, None))


def test_no_translation_needed() -> None:
    """An untracked packet that no nat rule wants is not told of."""
    assert not kinds(untracked("-p tcp", "-A POSTROUTING -s 10.9.0.0/24 -j MASQUERADE"), "nat_skipped")


@pytest.mark.parametrize(("rule", "sees"), [("-j ACCEPT", "timeout"), ("-j DROP", "timeout"), ("-j REJECT", "depends")])
def test_order_of_backends(rule: str, sees: str) -> None:
    """Which of two backends runs first matters only where both refuse the packet, and not in the same way."""
    world = lan()
    world.stack("router").iptables(f"{CHAINS}-A FORWARD -p tcp -j DROP", "legacy").iptables(f"{CHAINS}-A FORWARD -p tcp {rule}", "nft")
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == sees
    assert [unknown.what for unknown in trace.depends] == (["order of FORWARD chains"] if sees == "depends" else [])
