"""What a capture shows arriving at the machine that it is for, unanswered: the walk may begin there, whatever is not known of the way before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.facts import HOST
from engine.walk.trace import Flow

if TYPE_CHECKING:
    from engine.facts import Fact, FactBase

MOST: Final = 2
"""Flows that captures add to a question."""
OPENING: Final = frozenset({"syn", "echo-request"})
"""Packets that ask for an answer."""


def arrived(facts: FactBase) -> tuple[Flow, ...]:
    """For each unanswered packet that was seen on the machine which holds its destination, the flow from there on."""
    seen = [f for f in facts.of_kind("sighting") if f.stack == HOST and "outer_dst" not in f.fields]
    answered = {(f.node, f.get("dst"), f.get("src")) for f in seen}
    made: dict[tuple[str, ...], Flow] = {}
    for fact in seen:
        src, dst, node = str(fact.get("src")), str(fact.get("dst")), fact.node
        if fact.get("what") in OPENING and (node, src, dst) not in answered and _is_for(facts, fact) and not _lives(facts, fact):
            flow = Flow("", "", src, dst, int(fact.get("dport", 0)), str(fact.get("protocol")), src, node)
            made.setdefault((node, src, dst, str(flow.port), flow.protocol), flow)
    return tuple(made.values())[:MOST]


def _is_for(facts: FactBase, packet: Fact) -> bool:
    """Whether the machine of a capture holds a packet's destination, and is not its sender."""
    own = {f.get("address") for f in facts.at("address", packet.node, HOST)}
    return packet.get("dst") in own and packet.get("src") not in own


def _lives(facts: FactBase, packet: Fact) -> bool:
    """Whether some client was answered there: the capture was cut short."""
    tried = (f for f in facts.of_kind("observed") if f.get("address") == packet.get("dst") and f.get("outcome") == "connected")
    return any(f.get("protocol") == packet.get("protocol") and f.get("port", 0) in {0, packet.get("dport", 0)} for f in tried)
