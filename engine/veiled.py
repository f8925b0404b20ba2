"""Evidence whose addresses somebody replaced (``sos clean``): what compares addresses with networks proves nothing there.

Prefixes are replaced one by one, so that an address no longer lies in the network that held it, and addresses of unknown networks come from
172.17.0.0/16, docker's own.  What counters, policies, parameters and devices tell still holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.facts import Fact, FactBase
    from engine.inference.engine import Match

COMPARING: Final = frozenset({"in-prefix", "not-in-prefix", "overlaps", "not-overlaps"})
"""Operators that ask whether an address lies in a network."""
ROUTED: Final = frozenset({"no-route", "blocked-route", "rp-filter", "martian"})
"""``drop.by`` of what longest-prefix look-ups decide."""
CONTAINED: Final = frozenset({"docker_pool", "lease_mismatch", "path_mismatch", "tunnel_end", "left_evidence", "no_nat", "other_way", "arrival"})
"""Kinds that are made by comparing addresses with networks."""
UNKNOWN: Final = "172.17."
"""How addresses begin that stand for those of unknown networks."""


def nodes(facts: FactBase) -> frozenset[str]:
    """Nodes whose addresses were replaced."""
    return frozenset(f.node for f in facts.of_kind("obfuscated"))


def split(matches: Sequence[Match], veiled: frozenset[str]) -> tuple[list[Match], list[str]]:
    """The matches that hold all the same, and what to say of the others."""
    kept = [m for m in matches if not veiled or not _doubtful(m, veiled)]
    gone = sorted({m.rule.id for m in matches if not any(m is k for k in kept)})
    if not gone:
        return kept, []
    shown = ", ".join(sorted(veiled))
    said = f"switched off for {shown}, whose addresses sos clean replaced, because they compare addresses with networks: {', '.join(gone)}"
    return kept, [said]


def _doubtful(match: Match, veiled: frozenset[str]) -> bool:
    """Whether a match rests on which network holds an address of such a node."""
    facts = [f for f in match.facts() if f.node in veiled]
    return bool(facts) and (any(map(_contained, facts)) or not COMPARING.isdisjoint(_operators(match)))


def _contained(fact: Fact) -> bool:
    return fact.kind in CONTAINED or fact.get("by") in ROUTED or any(str(value).startswith(UNKNOWN) for value in fact.fields.values())


def _operators(match: Match) -> Iterator[str]:
    """Operators of all comparisons of the branch that matched."""
    rule, branch = match.rule, match.branch
    yield from (guard.op for guard in (*rule.guards, *branch.guards))
    for pattern in (*rule.slots(branch), *rule.absent(branch)):
        yield from (condition.op for condition in pattern.where)
        yield from (guard.op for guard in pattern.guards)
