"""Inserting, deleting and moving native nftables rules: on the model and on the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import RuleError
from engine.model import build
from engine.model.nft.json_form import parse as parse_json
from engine.model.nft.parser import parse
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.remedies.conftest import Space, operation
from tests.engine.walk.native_cases import forward
from tests.engine.walk.world import World, lan

if TYPE_CHECKING:
    from engine.facts import Fact, FactBase
    from engine.model.nft import ast

FLOW = Flow("client", "host", "", "10.2.0.2", 80, "tcp")
RULES = forward("udp dport 53 accept", "reject with icmpx admin-prohibited")


def world() -> World:
    """The router rejects in a native chain."""
    made = lan()
    made.stack("router").shows("nft list ruleset", RULES)
    return made


def listing(facts: list[Fact]) -> ast.Listing:
    """The ruleset of one stack, whichever form it was printed in."""
    (fact,) = [f for f in facts if f.kind == "nft_ruleset"]
    return parse_json(fact.get("text")) if fact.get("format") == "json" else parse(fact.get("text"))


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
    """A chain that is not listed, and a rule that is not there, leave the model without an answer."""
    facts = world().facts()
    for name in ("nft.insert", "nft.delete"):
        assert operation(name, facts, "router", table="inet t", chain="none", rule="accept").apply(facts) is None
    assert operation("nft.delete", facts, "router", table="inet t", chain="base", rule="accept").apply(facts) is None
    late = operation("nft.move", facts, "router", table="inet t", chain="base", rule="udp dport 53 accept", position="1")
    assert late.apply(facts) is None


def test_long_sets_go_on_over_lines() -> None:
    """A rule whose set takes several lines is deleted as a whole, and what is appended comes behind its last line."""
    made = lan()
    made.stack("router").shows("nft list ruleset", forward("accept", "tcp dport { 22,\n\t\t\t80 } drop"))
    facts = made.facts()
    gone = operation("nft.delete", facts, "router", table="inet t", chain="base", rule="tcp dport { 22, 80 } drop").apply(facts)
    more = operation("nft.insert", facts, "router", table="inet t", chain="base", rule="drop", position="3").apply(facts)
    assert gone is not None
    assert rules(gone) == ["accept"]
    assert more is not None
    assert rules(more)[:2] == ["accept", "tcp dport { 22, 80 } drop"]
    assert rules(more)[2].startswith("drop comment")


def test_what_was_listed_without_handles_is_found_by_its_words() -> None:
    """The delete looks the handle up by the rule's words, whatever its counter says by then; a listing with handles names it."""
    made = lan()
    made.stack("router").shows("nft list ruleset", forward('iifname "eth*" counter packets 7 bytes 420 drop'))
    facts = made.facts()
    words = 'iifname "eth*" counter packets 7 bytes 420 drop'
    (command,) = operation("nft.delete", facts, "router", table="inet t", chain="base", rule=words).commands()
    assert 'iifname "eth\\*" counter packets [0-9]* bytes [0-9]* drop # handle' in command
    made.stack("client").shows("nft -a list ruleset", forward("drop # handle 12"))
    named = operation("nft.delete", made.facts(), "client", table="inet t", chain="base", rule="drop")
    assert (named.commands(), named.undo()) == (("nft delete rule inet t base handle 12",), ("nft insert rule inet t base drop",))


LISTINGS = ("nft list ruleset", "nft -a list ruleset", "nft -j list ruleset")
KERNEL = forward(
    "udp dport 53 accept", 'iifname "eth0" tcp dport { 22, 80 } counter drop comment "closed, *"', "ct state invalid drop", "tcp dport 80 accept",
    "reject with icmpx admin-prohibited",
)  # fmt: skip


def same(applied: list[Fact] | None, after: list[Fact], undone: list[Fact], before: list[Fact]) -> None:
    """What the model says is what the kernel shows, the commands changed something, and the undo took it back."""
    assert applied is not None
    assert listing(applied) == listing(after)
    assert listing(after) != listing(before)
    assert listing(undone) == listing(before)


@pytest.mark.parametrize("command", LISTINGS)
@pytest.mark.parametrize("position", ["", "2", "6"])
def test_insert_on_the_kernel(space: Space, command: str, position: str) -> None:
    """The kernel's ruleset after the commands is the model's, and the undo brings the old one back, whichever way it was listed."""
    space.run(f"printf '%s' '{KERNEL}' | nft -f -")
    words = ['iifname "eth0" ip saddr { 10.1.0.0/24, 10.2.0.0/24 } tcp dport 80 ct state new accept', "ct state established,related accept"]
    same(*space.tried("nft.insert", (command,), table="inet t", chain="base", rule=words, position=position))


def spelt(space: Space, command: str, number: int) -> str:
    """The words of a rule as the model reads them from a listing."""
    return listing(list(space.facts(command).facts)).tables[0].chains[0].rules[number - 1].text


@pytest.mark.parametrize("command", LISTINGS)
@pytest.mark.parametrize("number", [1, 2, 5])
def test_delete_on_the_kernel(space: Space, command: str, number: int) -> None:
    """The rule is gone on the kernel and on the model alike, and the undo brings it back to its place."""
    space.run(f"printf '%s' '{KERNEL}' | nft -f -")
    same(*space.tried("nft.delete", (command,), table="inet t", chain="base", rule=spelt(space, command, number), number=str(number)))


@pytest.mark.parametrize("command", LISTINGS)
@pytest.mark.parametrize(("number", "position"), [(4, 2), (2, 1), (5, 4)])
def test_move_on_the_kernel(space: Space, command: str, number: int, position: int) -> None:
    """The rule stands in front of the other on the kernel and on the model alike, and the undo puts it back."""
    space.run(f"printf '%s' '{KERNEL}' | nft -f -")
    rule = spelt(space, command, number)
    same(*space.tried("nft.move", (command,), table="inet t", chain="base", rule=rule, number=str(number), position=str(position)))
