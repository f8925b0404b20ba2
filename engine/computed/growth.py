"""Counters that were listed twice in one text, and had grown: what was counted between the two listings, around what was tried then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase

_Row = tuple[tuple[Any, ...], int, Fact, int, dict[str, Any]]
"""What is counted, the number, the fact and line that tell it, and fields that describe it."""


def grown(base: FactBase) -> Iterator[Fact]:
    """A ``grown`` fact for every counter, rule and policy whose number is larger in a later listing of the same text."""
    first: dict[tuple[Any, ...], int] = {}
    last: dict[tuple[Any, ...], _Row] = {}
    for row in (*_counters(base), *_rules(base)):
        what, number, fact, _, _ = row
        key = (fact.node, fact.stack, fact.source.name, *what)
        first.setdefault(key, number)
        last[key] = row
    for key, (_, number, fact, line, fields) in last.items():
        if number > first[key]:
            told = {**fields, "before": first[key], "now": number, "by": number - first[key]}
            yield Fact("grown", told, fact.node, fact.stack, fact.source, line)


def _counters(base: FactBase) -> Iterator[_Row]:
    for fact in base.of_kind("counter"):
        name = str(fact.get("name"))
        yield ("counter", name), int(fact.get("value", 0)), fact, fact.line, {"what": "counter", "name": name}


def _rules(base: FactBase) -> Iterator[_Row]:
    """Rules and policies of tables that were listed more than once; a rule is the same at the same place of its chain with the same words."""
    tables = base.of_kind("netfilter_table")
    listed: dict[tuple[Any, ...], list[Fact]] = {}
    for fact in tables:
        key = (fact.node, fact.stack, fact.source.name, *(fact.get(name) for name in ("backend", "family", "table")))
        listed.setdefault(key, []).append(fact)
    for same in listed.values():
        for fact in same if len(same) > 1 else ():
            yield from _of_table(fact)


def _of_table(fact: Fact) -> Iterator[_Row]:
    from engine.computed.netfilter import target_of

    place = tuple(fact.get(name) for name in ("backend", "family", "table"))
    common = {"backend": fact.get("backend", ""), "table": fact.get("table"), "family": fact.get("family", 4)}
    for chain in fact.get("chains", ()):
        if chain.packets is not None and chain.policy:
            fields = {**common, "what": "policy", "chain": chain.name, "target": chain.policy}
            yield ("policy", *place, chain.name, chain.policy), chain.packets, fact, chain.line, fields
        for number, rule in enumerate(chain.rules, 1):
            if rule.packets is not None:
                fields = {**common, "what": "rule", "chain": chain.name, "number": number, "spec": rule.spec, "target": target_of(rule.spec)}
                yield ("rule", *place, chain.name, number, rule.spec), rule.packets, fact, rule.line, fields
