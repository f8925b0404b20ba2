"""Chains and rules of iptables tables, as facts that rules can bind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import ChainText, FactBase


_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"?')

_TARGET = re.compile(r"(?<!\S)(?:-j|-g|--jump|--goto)\s+(\S+)")


def target_of(spec: str) -> str:
    """Jump target of a rule in ``iptables-save`` words, "" if it has none."""
    if '"' in spec:  # a comment may hold anything
        spec = _QUOTED.sub('""', spec)
    found = _TARGET.search(spec)
    return found[1] if found else ""


def netfilter_chains(base: FactBase) -> Iterator[Fact]:
    """A ``netfilter_chain`` fact for every chain of every iptables table."""
    for table, common, chain in _chains(base):
        fields = {**common, "name": chain.name, "rule_count": len(chain.rules)}
        if chain.policy:
            fields["policy"] = chain.policy
        if chain.packets is not None:
            fields["packets"] = chain.packets
        yield Fact("netfilter_chain", fields, table.node, table.stack, table.source, chain.line)


def netfilter_rules(base: FactBase) -> Iterator[Fact]:
    """A ``netfilter_rule`` fact for every rule of every iptables table."""
    for table, common, chain in _chains(base):
        for number, rule in enumerate(chain.rules, 1):
            fields = {**common, "chain": chain.name, "number": number, "spec": rule.spec, "target": target_of(rule.spec)}
            if rule.packets is not None:
                fields["packets"] = rule.packets
            yield Fact("netfilter_rule", fields, table.node, table.stack, table.source, rule.line)


def _chains(base: FactBase) -> Iterator[tuple[Fact, dict[str, object], ChainText]]:
    for table in base.of_kind("netfilter_table"):
        # "" for a backend that the output does not tell, so that rules can join chains of one table by it.
        common = {"backend": "", **{name: table.fields[name] for name in ("backend", "family", "table") if name in table.fields}}
        for chain in table.fields.get("chains", ()):
            yield table, common, chain
