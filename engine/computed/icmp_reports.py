"""ICMP errors that somebody saw: in a capture as they passed, or as ping printed what it was told.  In one word, why packets do not arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase

SHARED = ("why", "by", "address", "mtu", "protocol")


def icmp_reports(base: FactBase) -> Iterator[Fact]:
    """An ``icmp_report`` fact for every error that a capture shows or that ping was told."""
    own = {(f.node, f.stack, f.get("address")) for f in base.of_kind("address")}
    for fact in base.of_kind("captured"):
        if fact.get("name") == "icmp-error":
            more = {name: fact.get(name) for name in ("dst", "dport", "number", "count") if name in fact.fields}
            yield _made(fact, {"seen_by": "capture", **more}, own)
    for fact in base.of_kind("observed"):
        if fact.get("why") and fact.get("address") and fact.get("outcome") != "connected":
            yield _made(fact, {"seen_by": str(fact.get("program")), "count": max(int(fact.get("lost", 1)), 1)}, own)


def _made(fact: Fact, fields: dict[str, Any], own: set[tuple[str, str, Any]]) -> Fact:
    shared = {name: fact.get(name) for name in SHARED if name in fact.fields}
    here = (fact.node, fact.stack, fact.get("by")) in own
    return Fact("icmp_report", {**shared, **fields, "own": here}, fact.node, fact.stack, fact.source, fact.line, fact.shown)
