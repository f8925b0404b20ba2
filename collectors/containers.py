"""Containers that several listings show (``docker ps``, ``docker inspect``, ``docker network inspect``): one fact for each."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.facts import Fact

SHORT = 12
"""Characters of an identity that listings show."""


def listed(facts: Sequence[Fact]) -> list[Fact]:
    """Without what front ends tell of tables that were listed themselves."""
    seen = {(f.node, f.stack, f.get("family", 4)) for f in facts if f.kind == "netfilter_table" and f.get("table") == "filter" and not f.get("told")}
    return [f for f in facts if not (f.kind == "netfilter_table" and f.get("told") and (f.node, f.stack, f.get("family", 4)) in seen)]


def merged(facts: Sequence[Fact]) -> list[Fact]:
    """The facts, each container once: the listing that shows most, completed by the others."""
    return _named(_identified(facts))


def entered(facts: Sequence[Fact]) -> list[Fact]:
    """The facts, namespaces that were entered by a process's number (``nsenter -t PID -n``) under the name of the container whose process it is."""
    names = {(f.node, f"pid-{f.get('pid')}"): str(f.get("name")) for f in facts if f.kind == "container" and f.get("pid") and f.get("name")}
    return [f.at(f.node, names[f.node, f.stack]) if (f.node, f.stack) in names else f for f in facts]


def _named(facts: list[Fact]) -> list[Fact]:
    """The facts, what was told of a container by its name alone joined to the one that bears it."""
    loose = [f for f in facts if f.kind == "container" and not f.get("id") and (f.get("endpoints") or f.get("pid") or f.get("ports"))]
    names = {str(f.get("name", "")) for f in loose}
    whole_ones: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in facts if loose else ():
        if fact.kind == "container" and fact.get("id"):
            for word in _called(fact) & names:
                whole_ones[fact.node, word].append(fact)
    change: dict[int, Fact | None] = {}
    for fact in loose:
        known = whole_ones.get((fact.node, str(fact.get("name", ""))), [])
        if len(known) == 1:
            whole = change.get(id(known[0])) or known[0]
            ends = [e for e in fact.get("endpoints", ()) if e.get("address") not in {k.get("address") for k in whole.get("endpoints", ())}]
            joined = {"endpoints": (*(k for k in whole.get("endpoints", ()) if k.get("address")), *ends)} if ends else {}
            joined |= {"ports": fact.get("ports")} if fact.get("ports") and not whole.get("ports") else {}
            change[id(known[0])] = whole.having(**joined, **({"pid": fact.get("pid")} if fact.get("pid") else {}))
            change[id(fact)] = None
    return [made for f in facts if (made := change.get(id(f), f)) is not None]


def _called(fact: Fact) -> set[str]:
    """What a container may be called: its name, and the beginnings of its identity from the third character on."""
    identity = str(fact.get("id", ""))[:64]
    return ({str(fact.get("name"))} if fact.get("name") else set()) | {identity[:end] for end in range(3, len(identity) + 1)}


def _identified(facts: Sequence[Fact]) -> list[Fact]:
    places: dict[tuple[str, str], int] = {}
    made: list[Fact] = []
    for fact in facts:
        key = (fact.node, str(fact.get("id", ""))[:SHORT]) if fact.kind == "container" else ("", "")
        if not key[1] or key not in places:
            if key[1]:
                places[key] = len(made)
            made.append(fact)
            continue
        made[places[key]] = _both(made[places[key]], fact)
    return made


def _both(one: Fact, other: Fact) -> Fact:
    """One container as two listings show it; an endpoint without an address gives way to the same network's with one."""
    more, less = (one, other) if len(one.fields) >= len(other.fields) else (other, one)
    fields: dict[str, Any] = {**less.fields, **more.fields}
    endpoints: dict[str, dict[str, Any]] = {}
    for endpoint in (*less.get("endpoints", ()), *more.get("endpoints", ())):
        known = endpoints.setdefault(str(endpoint.get("network", "")), {})
        known.update(endpoint)
    if endpoints:
        fields["endpoints"] = tuple(endpoints.values())
    fields["ports"] = more.get("ports") or less.get("ports") or ()
    if not ("ports" in more.fields or "ports" in less.fields):
        del fields["ports"]
    return more.having(**fields)
