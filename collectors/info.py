"""What a bundle holds, for ``diagnose bundle info``."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from engine.facts import HOST

if TYPE_CHECKING:
    from collectors.evidence import Evidence
    from engine.facts import Fact


def describe(evidence: Evidence) -> list[str]:
    """Lines for a person: every node with its stacks and listings, then what is missing and what is doubtful."""
    by_stack: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in evidence.facts:
        by_stack[fact.node, fact.stack].append(fact)
    lines: list[str] = []
    for (node, stack), facts in sorted(by_stack.items(), key=_order):
        if not node:
            lines.append(f"cluster: {_counted(facts)}")
            continue
        title = f"node {node}" if stack == HOST else f"  namespace {stack}"
        lines.append(f"{title}: {_counted(facts)}")
        lines.extend(f"    missing: {what}" for what in _missing(facts))
    lines.extend(f"note: {note}" for note in evidence.notes)
    lines.extend(f"warning: {warning}" for warning in evidence.warnings)
    return lines


def _missing(facts: list[Fact]) -> list[str]:
    """What could not be had, and why: one line a command, the first reason given (a failed command leaves an empty file besides)."""
    told: dict[str, str] = {}
    for fact in facts:
        if fact.kind == "not_collected":
            command = str(fact.get("command") or fact.get("what"))
            told.setdefault(command, f"{command}: {fact.get('reason')}" if fact.get("reason") else fact.text or command)
    return list(told.values())


def _order(entry: tuple[tuple[str, str], list[Fact]]) -> tuple[bool, str, bool, str]:
    """Nodes by name, each one's own stack first; the cluster last."""
    (node, stack), _ = entry
    return not node, node, stack != HOST, stack


def _counted(facts: list[Fact]) -> str:
    """``12 links, 30 routes, …`` by kind."""
    counts = Counter(fact.kind for fact in facts if fact.kind not in {"collected", "collection", "not_collected", "unparsed", "netns"})
    shown = [f"{count} {kind}" for kind, count in sorted(counts.items())]
    return ", ".join(shown) or "nothing but empty listings"
