"""What the project's model says about a probe: evidence → parsers → model → walk, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from collectors.evidence import read_files
from engine.facts import HOST, FactBase
from engine.inet import family_of
from engine.model import build
from engine.model.network import Port
from engine.walk import walk
from engine.walk.choices import MAX_REPLAYS, replays
from engine.walk.journey import Journey
from engine.walk.layer2 import explore
from engine.walk.trace import Disposition, Flow
from tests.fuzz.helper import octets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact
    from engine.model import Network
    from engine.walk.choices import Asked
    from engine.walk.journey import Run
    from engine.walk.trace import Trace, Walked
    from tests.fuzz.scenario import Probe

Place = tuple[str, str, str, int]
"""Stack, table, chain, position of a rule (0 = the policy)."""


@dataclass(frozen=True, slots=True)
class Course:
    """What may become of a probe: the walk with one answer to each of the kernel's own random choices."""

    sees: str
    chance: Fraction
    """Share of the packets that go so."""
    sources: frozenset[str]
    """Source addresses that the server may see; empty if the request does not arrive."""
    ended_by: frozenset[Place]
    """Rules and policies that drop or reject a packet of the flow."""
    translated_by: frozenset[Place]
    """Rules that translate the request."""
    request: Walked
    reply: Walked | None
    bystanders: frozenset[str]
    """IPv6: stacks that only share a segment with those that the packets came to; they see each question for a neighbour there."""
    astray: bool = False
    """The answer arrived where nobody waits for it: at another stack, or from or for another address or port."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model expects of a probe."""

    sees: str
    """``depends`` if several outcomes are possible."""
    courses: tuple[Course, ...]
    complete: bool
    """All courses were walked."""
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
    """Walk a probe, and every course that chance may give it."""
    family = family_of(probe.dst)
    # How large a SYN is, the model knows.
    size = probe.size or (0 if probe.protocol == "tcp" else octets(family))
    flow = Flow("node", probe.stack, probe.src, probe.dst, probe.port, probe.protocol, size=size, sport=sport)
    trace = walk(network, flow)
    runs = list(replays(lambda choices: Journey(network, flow, 0, choices, "").run()))
    return Prediction(trace.client_sees, tuple(_course(network, run, asked, family) for run, asked in runs), len(runs) < MAX_REPLAYS, trace)


def _course(network: Network, run: Run, asked: list[Asked], family: int) -> Course:
    ended = frozenset(_place(f) for f in run.facts if f.kind == "drop" and f.get("table"))
    translated = frozenset(_place(f) for f in run.facts if f.kind == "nat" and f.get("direction") == "request" and f.get("table"))
    astray = any(f.kind == "drop" and f.get("by") == "socket" and f.get("direction") == "reply" for f in run.facts)
    chance = prod(map(_chance, asked), start=Fraction(1))
    sources = frozenset(_sources(run))
    return Course(run.sees, chance, sources, ended, translated, run.request, run.reply, _bystanders(network, run, family), astray)


def _bystanders(network: Network, run: Run, family: int) -> frozenset[str]:
    if family == 4:
        return frozenset()  # ARP passes no chain of IP
    hops = [hop for walked in (run.request, run.reply) if walked is not None for hop in walked.hops]
    there = [(stack, device) for hop in hops if (stack := network.stack(hop.node, hop.stack)) for device in (hop.in_device, hop.out_device)]
    starts = [Port(stack, stack.links[device]) for stack, device in there if device in stack.links and device != "lo"]
    reached = {port.stack.name for start in starts for port in explore(network, start, 0, 6).reached.values()}
    return frozenset(reached - {hop.stack for hop in hops})


def _chance(asked: Asked) -> Fraction:
    """Share of the packets for which a question has the answer that was followed; 1 where nobody knows."""
    known = [Fraction(share) if share else None for share in asked.shares]
    if not known:
        return Fraction(1)
    mine = known[asked.chosen]
    return mine if mine is not None else 1 - sum((share for share in known if share is not None), Fraction(0))


def _place(fact: Fact) -> Place:
    return fact.stack or HOST, str(fact.get("table")), str(fact.get("chain")), int(fact.get("number") or 0)


def _sources(run: Run) -> set[str]:
    """The source of the request as it entered its last stack, and what source translation there made of it."""
    if run.request.disposition is not Disposition.DELIVERED or not run.request.hops:
        return set()
    last = run.request.hops[-1]
    source = last.packet.split()[1]
    found = {source[1:].partition("]")[0] if source.startswith("[") else source.partition(":")[0] if last.packet.count(":") < 3 else source}
    return found | {str(f.get("after")) for f in run.facts if f.kind == "nat" and f.stack == last.stack and f.get("type") == "source"}
