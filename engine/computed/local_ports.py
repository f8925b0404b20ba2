"""How many of the ports that connect() may choose are taken, by what was counted or listed: seen without a walk, whatever the destination."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase

RANGE: Final = "net.ipv4.ip_local_port_range"
USUAL: Final = (32768, 60999)
"""Range of a kernel that nobody set another one for."""
HOLDING: Final = frozenset({"ESTAB", "TIME-WAIT", "SYN-SENT", "CLOSE-WAIT", "FIN-WAIT-1", "FIN-WAIT-2", "LAST-ACK", "CLOSING"})
"""States of connections that keep their port."""
COUNTED: Final = ("ss.estab", "ss.timewait")
NEARLY: Final = 0.9
"""Part of the ports from which on connect() fails now and then: a listing is a moment, and listeners take some."""


class _Taken(NamedTuple):
    """Connections that were seen on one stack."""

    used: int
    waiting: int
    origin: Fact
    peer: tuple[str, int] | None = None
    """Address and port to which all of them lead; None where programs counted whatever there is."""


def rooms(base: FactBase) -> Iterator[Fact]:
    """A ``room`` fact for the local ports of every stack whose connections were counted or listed."""
    for (node, stack), taken in {**_counted(base), **_listed(base)}.items():
        first, last = _range(base, node, stack)
        size = last - first + 1
        fields = {"resource": "ports", "free": taken.used * 5 < size * 4, "full": taken.used >= NEARLY * size, "used": taken.used, "max": size}
        more = {"key": RANGE, "lost": 0, "waiting": taken.waiting}
        end = {"peer_address": taken.peer[0], "peer_port": taken.peer[1]} if taken.peer else {}
        yield Fact("room", {**fields, **more, **end}, node, stack, taken.origin.source, taken.origin.line, taken.origin.shown)


def _range(base: FactBase, node: str, stack: str) -> tuple[int, int]:
    words = next((str(f.get("value", "")).split() for f in base.at("sysctl", node, stack) if f.get("key") == RANGE), [])
    first, last = map(int, words) if len(words) == 2 and all(w.isdecimal() for w in words) else USUAL
    return (first, last) if first < last else USUAL


def _counted(base: FactBase) -> dict[tuple[str, str], _Taken]:
    """Connections as programs counted them (``ss -s``, ``netstat | wc -l``, ``/proc/net/sockstat``)."""
    found: dict[tuple[str, str], dict[str, Fact]] = {}
    for fact in base.of_kind("counter"):
        if fact.get("name") in COUNTED:
            found.setdefault((fact.node, fact.stack), {})[str(fact.get("name"))] = fact
    made = {}
    for place, facts in found.items():
        waiting = int(facts["ss.timewait"].get("value", 0)) if "ss.timewait" in facts else 0
        made[place] = _Taken(sum(int(f.get("value", 0)) for f in facts.values()), waiting, facts.get("ss.timewait") or next(iter(facts.values())))
    return made


def _listed(base: FactBase) -> dict[tuple[str, str], _Taken]:
    """Connections of a listing to the one address and port that most of them have."""
    ends: dict[tuple[str, str], Counter[tuple[str, int]]] = {}
    waiting: Counter[tuple[str, str, str, int]] = Counter()
    origin: dict[tuple[str, str, str, int], Fact] = {}
    for fact in base.of_kind("socket"):
        if fact.get("protocol") != "tcp" or fact.get("state") not in HOLDING or not fact.get("peer_port"):
            continue
        peer = (str(fact.get("peer_address")), int(fact.get("peer_port", 0)))
        ends.setdefault((fact.node, fact.stack), Counter())[peer] += 1
        waiting[fact.node, fact.stack, *peer] += str(fact.get("state")).startswith("TIME")
        origin.setdefault((fact.node, fact.stack, *peer), fact)
    made = {}
    for (node, stack), counts in ends.items():
        peer, used = counts.most_common(1)[0]
        made[node, stack] = _Taken(used, waiting[node, stack, *peer], origin[node, stack, *peer], peer)
    return made
