"""Chains and rules of iptables tables; and that every computed kind is declared."""

from __future__ import annotations

import pytest

from engine.computed import EXPANDERS
from engine.computed.netfilter import target_of
from engine.facts import ChainText, Fact, FactBase, RuleLine, Source
from engine.schema import KINDS

SOURCE = Source("iptables-save", "*filter\n:FORWARD DROP [7:9]\n:X - [0:0]\n[5:6] -A FORWARD -j X\n-A FORWARD\nCOMMIT\n")
CHAINS = (ChainText("FORWARD", "DROP", 2, (RuleLine(4, "-j X", 5), RuleLine(5, "")), 7), ChainText("X", "", 3))
TABLE = Fact("netfilter_table", {"backend": "nft", "family": 4, "table": "filter", "chains": CHAINS}, "n1", "web", SOURCE, 1)


def test_chains() -> None:
    """Each chain is a fact at its line; a user chain has no policy, and counters that were not printed are absent."""
    base, user = FactBase([TABLE], EXPANDERS).of_kind("netfilter_chain")
    common = {"backend": "nft", "family": 4, "table": "filter"}
    assert base.fields == {**common, "name": "FORWARD", "policy": "DROP", "rule_count": 2, "packets": 7}
    assert user.fields == {**common, "name": "X", "rule_count": 0}
    assert (base.node, base.stack, base.line, base.text) == ("n1", "web", 2, ":FORWARD DROP [7:9]")


def test_rules() -> None:
    """Each rule is a fact with its position from 1, its words and its target, at its line."""
    first, second = FactBase([TABLE], EXPANDERS).of_kind("netfilter_rule")
    common = {"backend": "nft", "family": 4, "table": "filter", "chain": "FORWARD"}
    assert first.fields == {**common, "number": 1, "spec": "-j X", "target": "X", "packets": 5}
    assert second.fields == {**common, "number": 2, "spec": "", "target": ""}
    assert first.text == "[5:6] -A FORWARD -j X"


def test_unknown_backend_joins() -> None:
    """A backend that the output (``iptables -S``) does not tell is "" in what is computed: chains of one table can be joined by it."""
    base = FactBase([TABLE.having(backend=None)], EXPANDERS)
    assert {f.fields["backend"] for kind in EXPANDERS for f in base.of_kind(kind)} == {""}


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ("-s 10.0.0.1/32 -j ACCEPT", "ACCEPT"),
        ("-g CHAIN", "CHAIN"),
        ('-m comment --comment "x -j DROP \\" -j DROP" -j ACCEPT', "ACCEPT"),
        ("", ""),
        ('-m comment --comment "-j DROP"', ""),
        ('-j LOG --log-prefix "a -j B"', "LOG"),
        ("-m comment --comment a-j -j X", "X"),
        ('-m comment --comment "torn -j X', ""),
    ],
)
def test_target(spec: str, target: str) -> None:
    """The target is the word after ``-j`` or ``-g``, and nothing inside a quoted comment counts."""
    assert target_of(spec) == target


def test_expanders_are_declared() -> None:
    """Every computed kind is in the schema, and its facts have no other fields."""
    base = FactBase([TABLE], EXPANDERS)
    for kind in EXPANDERS:
        assert KINDS[kind].origin == "engine"
        for fact in base.of_kind(kind):
            assert set(fact.fields) <= set(KINDS[kind].fields)
