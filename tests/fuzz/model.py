"""What the project's model says about a probe: evidence → parsers → model → walk, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collectors.evidence import read_files
from engine.facts import HOST, FactBase
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Disposition, Flow, Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact
    from engine.model import Network
    from tests.fuzz.scenario import Probe

Place = tuple[str, str, str, int]
"""Stack, table, chain, position of a rule (0 = the policy)."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model expects of a probe."""

    sees: str
    """``depends`` if the outcome is open for want of evidence."""
    allowed: frozenset[str]
    """Outcomes of all branches that are the kernel's own choice."""
    sources: frozenset[str]
    """Source addresses that the server may see; empty if the request does not arrive."""
    ended_by: frozenset[Place]
    """Rules and policies that drop or reject a packet of the flow."""
    translated_by: frozenset[Place]
    """Rules that translate the request."""
    trace: Trace


def read(files: Mapping[str, bytes]) -> Network:
    """The model of a bundle; raises ``ValueError`` for evidence that was not understood."""
    evidence = read_files(files)
    unparsed = [f"{f.source.name}: {f.get('sample')}" for f in evidence.facts if f.kind == "unparsed"]
    if unparsed:
        message = "; ".join(unparsed)
        raise ValueError(message)
    return build(FactBase(evidence.facts))


def predict(network: Network, probe: Probe, sport: int) -> Prediction:
    """Walk a probe."""
    trace = walk(network, Flow("node", probe.stack, probe.src, probe.dst, probe.port, probe.protocol, size=probe.size, sport=sport))
    ended = frozenset(_place(f) for f in trace.facts if f.kind == "drop" and f.get("table"))
    translated = frozenset(_place(f) for f in trace.facts if f.kind == "nat" and f.get("direction") == "request")
    allowed = {trace.client_sees} | {sees for _, _, sees in trace.branches}
    if trace.branches:
        # The trace holds the first branch's way, its outcome only where something ended a packet.
        allowed.add(next((str(f.get("client_sees")) for f in trace.facts if f.kind == "drop"), "connected"))
    return Prediction(trace.client_sees, frozenset(allowed), frozenset(_sources(trace)), ended, translated, trace)


def _place(fact: Fact) -> Place:
    return fact.stack or HOST, str(fact.get("table")), str(fact.get("chain")), int(fact.get("number") or 0)


def _sources(trace: Trace) -> set[str]:
    """The source of the request as it entered its last stack, and what source translation there made of it."""
    if trace.request.disposition is not Disposition.DELIVERED or not trace.request.hops:
        return set()
    last = trace.request.hops[-1]
    source = last.packet.split()[1]
    found = {source[1:].partition("]")[0] if source.startswith("[") else source.partition(":")[0] if last.packet.count(":") < 3 else source}
    return found | {str(f.get("after")) for f in trace.facts if f.kind == "nat" and f.stack == last.stack and f.get("type") == "source"}
