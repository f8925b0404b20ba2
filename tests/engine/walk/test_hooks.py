"""What runs on a hook, in which order (measured on Linux 6.18 where the kernel decides)."""

from __future__ import annotations

import pytest

from engine.walk.choices import Choices
from engine.walk.hooks import calls, conntrack_wanted, late, nat_chains
from tests.engine.walk.native_cases import chain, dnat
from tests.engine.walk.world import lan


def order(hook: str, native: str = "", **tables: str) -> list[str]:
    """What runs on a hook of a router: by name of table and chain, or what it is."""
    world = lan()
    world.stack("router").shows("nft list ruleset", native)
    for backend, text in tables.items():
        world.stack("router").iptables(text, backend)
    stack = world.network().stack("router", "host")
    assert stack is not None
    return [f"{c.chain.table.backend} {c.chain.table.name}" if c.chain else c.kind for c in calls(stack, hook, 4)]


ALL = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING\n*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING\n*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING"


def test_iptables() -> None:
    """raw, conntrack, mangle, NAT."""
    assert order("PREROUTING", legacy=ALL) == ["legacy raw", "track", "legacy mangle", "nat"]


def test_native_chains_by_priority() -> None:
    """Priorities decide, whatever the tables are called; of equal ones the last listed runs first."""
    rules = "".join(
        chain("prerouting", "counter", table=f"t{at}", priority=priority) for at, priority in enumerate(["0", "-400", "-160", "-160", "-110"])
    )
    assert order("PREROUTING", rules, legacy=ALL) == [
        "nft inet t1",
        "legacy raw",
        "track",
        "nft inet t3",
        "nft inet t2",
        "legacy mangle",
        "nft inet t4",
        "nat",
        "nft inet t0",
    ]


def test_iptables_nft_stands_where_nft_lists_it() -> None:
    """Tables of iptables-nft are in the listing too: there is their place among equals; legacy is taken to run first."""
    compat = chain("forward", "counter", family="ip", table="filter").replace("base", "FORWARD")
    before, after = chain("forward", "counter", table="a"), chain("forward", "counter", table="z")
    dump = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD"
    assert order("FORWARD", before + compat + after, nft=dump) == ["nft inet z", "nft filter", "nft inet a"]
    assert order("FORWARD", before + after, nft=dump) == ["nft filter", "nft inet z", "nft inet a"]
    assert order("FORWARD", before, legacy=dump) == ["legacy filter", "nft inet a"]


@pytest.mark.parametrize(
    ("native", "dump", "contested"),
    [
        (chain("forward", "counter"), "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD", True),
        (chain("forward", "counter", priority="10"), "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD", False),
        (chain("forward"), "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD", False),
        (chain("forward", "counter"), "*filter\n:FORWARD ACCEPT [0:0]", False),
        (chain("forward", "counter"), "*security\n:FORWARD ACCEPT [0:0]\n-A FORWARD", False),
    ],
)
def test_order_of_backends_is_a_choice(native: str, dump: str, contested: bool) -> None:
    """Where both backends do something at one priority, either may run first; otherwise nothing is asked."""
    world = lan()
    world.stack("router").shows("nft list ruleset", native).iptables(dump, "legacy")
    stack = world.network().stack("router", "host")
    assert stack is not None
    choices = Choices([1])
    last = late(stack, "FORWARD", 4, choices)
    assert bool(choices.asked) is contested
    usual, other = ([c.chain for c in calls(stack, "FORWARD", 4, tables)] for tables in (frozenset[str](), last))
    assert other == (usual[::-1] if contested else usual)


def test_idle_chains_are_left_out() -> None:
    """An empty chain with policy accept does nothing; one with policy drop does."""
    assert order("FORWARD", chain("forward") + chain("forward", policy="drop", table="u")) == ["nft inet u"]


def test_nat_chains_of_both_kinds() -> None:
    """All nat chains hang off one dispatcher, in order of their own priorities."""
    world = lan()
    world.stack("router").shows("nft list ruleset", dnat("redirect", priority="-110") + dnat("redirect", table="u", priority="0")).nat(
        "-A PREROUTING -j ACCEPT"
    )
    stack = world.network().stack("router", "host")
    assert stack is not None
    assert [c.chain.table.name for c in nat_chains(stack, "PREROUTING", 4) if c.chain] == ["ip t", "nat", "ip u"]
    assert conntrack_wanted(stack)


def test_conntrack_on_demand() -> None:
    """Only rules that look at conntrack or translate switch it on."""
    world = lan()
    world.stack("router").filter("-A FORWARD -p tcp -j DROP").shows("nft list ruleset", chain("forward", "tcp dport 80 drop"))
    stack = world.network().stack("router", "host")
    assert stack is not None
    assert not conntrack_wanted(stack)
