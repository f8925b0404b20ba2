"""Inserting and deleting iptables rules: on the model and on the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.remedies.conftest import Space, operation
from tests.engine.walk.world import World, lan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.facts import Fact, FactBase

FLOW = Flow("client", "host", "", "10.2.0.2", 80, "tcp")


def specs(facts: Iterable[Fact], chain: str = "INPUT", table: str = "filter", backend: str = "") -> list[str]:
    """The rules of a chain."""
    return [
        line.spec
        for f in facts
        if f.kind == "netfilter_table" and f.get("table") == table and (not backend or f.get("backend") == backend)
        for text in f.get("chains")
        if text.name == chain
        for line in text.rules
    ]


def world() -> World:
    """The router drops in FORWARD."""
    made = lan()
    made.stack("router").filter("-A FORWARD -p udp -j ACCEPT", "-A FORWARD -j DROP")
    return made


def sees(facts: FactBase) -> str:
    """What the client sees."""
    return walk(build(facts), FLOW).client_sees


def test_insert() -> None:
    """Rules stand in the given order from the position on; commands, check and undo name them by content."""
    facts = world().facts()
    made = operation("iptables.insert", facts, "router", chain="FORWARD", rule=["-i eth0 -j ACCEPT", "-i eth1 -j ACCEPT"], position="2")
    after = made.apply(facts)
    assert after is not None
    assert specs(after.facts, "FORWARD") == ["-p udp -j ACCEPT", "-i eth0 -j ACCEPT", "-i eth1 -j ACCEPT", "-j DROP"]
    assert made.commands() == ("iptables -w -I FORWARD 2 -i eth0 -j ACCEPT", "iptables -w -I FORWARD 3 -i eth1 -j ACCEPT")
    assert made.verify() == ("iptables -w -C FORWARD -i eth0 -j ACCEPT", "iptables -w -C FORWARD -i eth1 -j ACCEPT")
    assert made.undo() == ("iptables -w -D FORWARD -i eth1 -j ACCEPT", "iptables -w -D FORWARD -i eth0 -j ACCEPT")
    assert (sees(facts), sees(after)) == ("timeout", "connected")


def test_append() -> None:
    """Rules stand at the end, where the policy would have decided."""
    made = lan()
    made.stack("router").filter("-A FORWARD -p udp -j ACCEPT", FORWARD="DROP")
    facts = made.facts()
    appended = operation("iptables.append", facts, "router", chain="FORWARD", rule=["-i eth0 -j ACCEPT", "-i eth1 -j ACCEPT"])
    after = appended.apply(facts)
    assert after is not None
    assert specs(after.facts, "FORWARD") == ["-p udp -j ACCEPT", "-i eth0 -j ACCEPT", "-i eth1 -j ACCEPT"]
    assert appended.commands() == ("iptables -w -A FORWARD -i eth0 -j ACCEPT", "iptables -w -A FORWARD -i eth1 -j ACCEPT")
    assert appended.undo() == ("iptables -w -D FORWARD -i eth1 -j ACCEPT", "iptables -w -D FORWARD -i eth0 -j ACCEPT")
    assert (sees(facts), sees(after)) == ("timeout", "connected")


def test_move() -> None:
    """The rule stands in front of the other one, once; at no time is it missing, and the undo puts it back."""
    made = lan()
    made.stack("router").filter("-A FORWARD -j DROP", "-A FORWARD -p udp -j ACCEPT", "-A FORWARD -p tcp -j ACCEPT")
    facts = made.facts()
    moved = operation("iptables.move", facts, "router", chain="FORWARD", rule="-p tcp -j ACCEPT", position="1", number="3")
    after = moved.apply(facts)
    assert after is not None
    assert specs(after.facts, "FORWARD") == ["-p tcp -j ACCEPT", "-j DROP", "-p udp -j ACCEPT"]
    assert moved.commands() == ("iptables -w -I FORWARD 1 -p tcp -j ACCEPT", "iptables -w -D FORWARD 4")
    assert moved.undo() == ("iptables -w -I FORWARD 4 -p tcp -j ACCEPT", "iptables -w -D FORWARD 1")
    assert (sees(facts), sees(after)) == ("timeout", "connected")


def test_delete() -> None:
    """The rule is found by its words; the undo puts it back where it stood."""
    facts = world().facts()
    made = operation("iptables.delete", facts, "router", chain="FORWARD", rule="-j  DROP")
    after = made.apply(facts)
    assert after is not None
    assert specs(after.facts, "FORWARD") == ["-p udp -j ACCEPT"]
    assert (made.commands(), made.undo()) == (("iptables -w -D FORWARD -j DROP",), ("iptables -w -I FORWARD 2 -j DROP",))
    assert sees(after) == "connected"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("iptables.insert", {"chain": "NONE", "rule": "-j ACCEPT"}),
        ("iptables.delete", {"chain": "FORWARD", "rule": "-j NONE"}),
        ("iptables.append", {"chain": "NONE", "rule": "-j ACCEPT"}),
        ("iptables.move", {"chain": "FORWARD", "rule": "-j NONE", "position": "1"}),
        ("iptables.move", {"chain": "NONE", "rule": "-j DROP", "position": "1"}),
        ("iptables.delete", {"chain": "NONE", "rule": "-j DROP"}),
        ("iptables.insert", {"chain": "FORWARD", "rule": "-j ACCEPT", "table": "raw"}),
        ("iptables.insert", {"chain": "FORWARD", "rule": "-j ACCEPT", "family": "6"}),
        ("iptables.insert", {"chain": "FORWARD", "rule": "-j ACCEPT", "backend": "nft"}),
    ],
)
def test_nothing_to_work_on(name: str, parameters: dict[str, str]) -> None:
    """Where chain, rule, table, family or backend are not in the evidence, the model cannot tell."""
    facts = world().facts()
    assert operation(name, facts, "router", **parameters).apply(facts) is None


@pytest.mark.parametrize(("backend", "program"), [("legacy", "iptables-legacy"), ("nft", "iptables-nft"), ("", "iptables")])
def test_program_of_the_backend(backend: str, program: str) -> None:
    """The command speaks to the backend that was dumped; a plain dump is answered by the plain name."""
    made = lan()
    made.stack("router").iptables("*nat\n:POSTROUTING ACCEPT [0:0]", backend)
    (command,) = operation(
        "iptables.insert", made.facts(), "router", table="nat", chain="POSTROUTING", rule='-m comment --comment "a b" -j MASQUERADE'
    ).commands()
    assert command == f"{program} -w -t nat -I POSTROUTING 1 -m comment --comment 'a b' -j MASQUERADE"


def test_ipv6_program() -> None:
    """IPv6 rules are ip6tables'."""
    assert (
        operation("iptables.insert", lan().facts(), "router", family="6", chain="FORWARD", rule="-j ACCEPT").commands()[0].startswith("ip6tables -w ")
    )


def test_persist() -> None:
    """Docker's chain is kept by a drop-in of its service, other rules where the machine keeps them; a container's rules go with it."""
    facts = world().facts()
    assert "docker.service.d" in operation("iptables.insert", facts, chain="DOCKER-USER", rule="-j ACCEPT").persist()[0]
    assert operation("iptables.insert", facts, chain="FORWARD", rule="-j ACCEPT").persist()[0].startswith("#")
    assert operation("iptables.insert", facts, entry="ip netns exec web", chain="FORWARD", rule="-j ACCEPT").persist() == ()


RULES = st.lists(
    st.sampled_from(["-p udp -j ACCEPT", "-s 10.1.0.0/24 -j ACCEPT", "-j RETURN", "-i eth1 -j ACCEPT", "-d 10.2.0.2/32 -j DROP"]), max_size=4
)


@given(RULES, st.sampled_from(["-s 10.1.0.2/32 -p tcp -j ACCEPT", "-p tcp -j DROP", "-j REJECT"]), st.integers(1, 5))
def test_what_if_and_back(rules: list[str], new: str, position: int) -> None:
    """Inserting a rule and deleting it again restores the walk and the chain."""
    made = lan()
    made.stack("router").filter(*(f"-A FORWARD {rule}" for rule in rules), FORWARD="DROP")
    before = made.facts()
    inserted = operation("iptables.insert", before, "router", chain="FORWARD", rule=new, position=str(min(position, len(rules) + 1))).apply(before)
    assert inserted is not None
    removed = operation("iptables.delete", inserted, "router", chain="FORWARD", rule=new).apply(inserted)
    assert removed is not None
    assert specs(removed.facts, "FORWARD") == specs(before.facts, "FORWARD")
    assert sees(removed) == sees(before)


@pytest.mark.lab
@pytest.mark.parametrize("backend", ["legacy", "nft"])
@pytest.mark.parametrize(
    ("name", "parameters", "undone"),
    [
        (
            "iptables.insert",
            {
                "chain": "INPUT",
                "rule": ["-s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j ACCEPT", '-m comment --comment "a \\"b\\"" -j DROP'],
                "position": "2",
            },
            True,
        ),
        ("iptables.insert", {"chain": "INPUT", "rule": "-i eth0 -j ACCEPT"}, True),
        ("iptables.append", {"chain": "INPUT", "rule": ["-i eth0 -j ACCEPT", "-p tcp -m tcp --dport 80 -j ACCEPT"]}, True),
        ("iptables.move", {"chain": "INPUT", "rule": "-j ACCEPT", "position": "2"}, True),
        ("iptables.delete", {"chain": "INPUT", "rule": "-p udp -j DROP"}, True),
        ("iptables.delete", {"chain": "INPUT", "rule": ["-j ACCEPT", "-p icmp -j ACCEPT"]}, True),
    ],
)
def test_kernel(space: Space, backend: str, name: str, parameters: dict[str, object], undone: bool) -> None:
    """The kernel's chain after the commands is the model's, and after the undo it is what it was."""
    for rule in ("-p icmp -j ACCEPT", "-p udp -j DROP", "-j ACCEPT"):
        space.run(f"iptables-{backend} -A INPUT {rule}")
    applied, after, again, before = space.tried(name, (f"iptables-{backend}-save",), **parameters)
    assert applied is not None
    assert specs(applied) == specs(after) != specs(before)
    assert (specs(again) == specs(before)) is undone
