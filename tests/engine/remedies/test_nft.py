"""Inserting native nftables rules: on the model and on the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import RuleError
from engine.facts import Fact, FactBase
from engine.model import build
from engine.model.nft.parser import parse
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.remedies.conftest import Space, operation
from tests.engine.walk.native_cases import forward
from tests.engine.walk.world import World, lan

if TYPE_CHECKING:
    from engine.model.nft import ast

FLOW = Flow("client", "host", "", "10.2.0.2", 80, "tcp")
RULES = forward("udp dport 53 accept", "reject with icmpx admin-prohibited")


def world() -> World:
    """The router rejects in a native chain."""
    made = lan()
    made.stack("router").shows("nft list ruleset", RULES)
    return made


def listing(facts: list[Fact]) -> ast.Listing:
    """The ruleset of one stack."""
    (fact,) = [f for f in facts if f.kind == "nft_ruleset"]
    return parse(fact.get("text"))


def rules(facts: FactBase) -> list[str]:
    """The chain's rules on the router."""
    return [r.text for t in listing([f for f in facts.facts if f.node == "router"]).tables for c in t.chains for r in c.rules]


@pytest.mark.parametrize(
    ("position", "words"),
    [
        ("", "nft insert rule inet t base "),
        ("1", "nft insert rule inet t base "),
        ("2", "nft add rule inet t base index 0 "),
        ("3", "nft add rule inet t base index 1 "),
    ],
)
def test_insert(position: str, words: str) -> None:
    """The rule stands at its place, with a comment by which the undo finds its handle."""
    facts = world().facts()
    made = operation("nft.insert", facts, "router", table="inet t", chain="base", rule="ip saddr 10.1.0.0/24 tcp dport 80 accept", position=position)
    after = made.apply(facts)
    assert after is not None
    at = int(position or 1) - 1
    found = rules(after)
    assert found[at].startswith('ip saddr 10.1.0.0/24 tcp dport 80 accept comment "diagnose-')
    assert found[:at] + found[at + 1 :] == ["udp dport 53 accept", "reject with icmpx admin-prohibited"]
    (command,), (undo,) = made.commands(), made.undo()
    tag = command.partition("diagnose-")[2][:8]
    assert command == f"{words}ip saddr 10.1.0.0/24 tcp dport 80 accept comment '\"diagnose-{tag}\"'"
    assert undo == f"nft delete rule inet t base handle \"$(nft -a list chain inet t base | sed -n '/diagnose-{tag}/s/.*# handle //p')\""
    assert made.verify() == (f"nft list chain inet t base | grep diagnose-{tag}",)


def test_what_if() -> None:
    """On the model the flow lives once the answer may come back too."""
    facts = world().facts()
    accept = ["ct state established,related accept", "ip saddr 10.1.0.0/24 tcp dport 80 accept"]
    after = operation("nft.insert", facts, "router", table="inet t", chain="base", rule=accept, position="2").apply(facts)
    assert after is not None
    assert [walk(build(each), FLOW).client_sees for each in (facts, after)] == ["EHOSTUNREACH", "connected"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"rule": "accept; flush ruleset"},
        {"rule": "accept\nflush ruleset"},
        {"rule": 'iifname "eth0; flush ruleset accept'},
        {"rule": "accept # comment"},
        {"rule": "frobnicate"},
        {"chain": "base; flush"},
        {"chain": "-h"},
        {"table": "t"},
        {"table": "inet t u"},
        {"table": "inet $(reboot)"},
    ],
)
def test_evidence_cannot_smuggle_statements(parameters: dict[str, str]) -> None:
    """Nft reads its arguments as a program: more than one rule, or a name that is none, is refused."""
    with pytest.raises(RuleError):
        operation("nft.insert", world().facts(), "router", **{"table": "inet t", "chain": "base", "rule": "accept", **parameters})


def test_nothing_to_work_on() -> None:
    """A chain that is not listed, or a listing in JSON, leaves the model without an answer."""
    facts = world().facts()
    assert operation("nft.insert", facts, "router", table="inet t", chain="none", rule="accept").apply(facts) is None
    text = '{"nftables": [{"chain": {"family": "inet", "table": "t", "name": "base"}}]}'
    json = FactBase([Fact("nft_ruleset", {"text": text, "format": "json"}, "n1")])
    assert operation("nft.insert", json, table="inet t", chain="base", rule="accept").apply(json) is None


@pytest.mark.parametrize("position", ["", "2", "3"])
def test_kernel(space: Space, position: str) -> None:
    """The kernel's ruleset after the commands is the model's, and the undo brings the old one back."""
    space.run(f"printf '%s' '{RULES}' | nft -f -")
    words = ['iifname "eth0" ip saddr { 10.1.0.0/24, 10.2.0.0/24 } tcp dport 80 ct state new accept', "ct state established,related accept"]
    applied, after, undone, before = space.tried("nft.insert", ("nft list ruleset",), table="inet t", chain="base", rule=words, position=position)
    assert applied is not None
    assert listing(applied) == listing(after)
    assert listing(after) != listing(before)
    assert listing(undone) == listing(before)
