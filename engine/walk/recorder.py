"""What a run of the walk writes down: hops with their steps, and the derived facts for the rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.facts import Fact
from engine.model.netfilter.rule import Rule
from engine.model.netfilter.ruleset import Chain
from engine.phrases import phrase
from engine.walk.trace import Hop, Line, Step, Unknown

if TYPE_CHECKING:
    from engine.model.nft.ruleset import NftChain, NftRule
    from engine.model.packet import Packet
    from engine.model.stack import NetStack


OUTER = frozenset({"drop", "hop", "left_evidence"})
"""Kinds of facts that say whether they are about a tunnel's outer packet."""


def line_of(fact: Fact | None) -> tuple[Line, ...]:
    """The evidence line of a fact; nothing for derived or inline facts without a text."""
    if fact is None or not (fact.text or fact.source.name):
        return ()
    return (Line(fact.node, fact.stack, fact.source.name, fact.line, fact.text),)


def rule_line(chain: Chain | NftChain, rule: Rule | NftRule) -> tuple[Line, ...]:
    """The evidence line of a netfilter rule."""
    fact = chain.table.fact
    text = fact.source.line(rule.line).strip() or (f"-A {chain.name} {rule.spec}" if isinstance(rule, Rule) else rule.spec)
    return (Line(fact.node, fact.stack, fact.source.name, rule.line, text),)


def policy_line(chain: Chain | NftChain) -> tuple[Line, ...]:
    """The evidence line of a chain's declaration."""
    fact = chain.table.fact
    number = chain.text.line if isinstance(chain, Chain) else chain.line
    said = f":{chain.name} {chain.policy}" if isinstance(chain, Chain) else f"chain {chain.name} {{ policy {chain.policy.lower()}; }}"
    return (Line(fact.node, fact.stack, fact.source.name, number, fact.source.line(number).strip() or said),)


@dataclass(slots=True)
class _OpenHop:
    stack: NetStack
    in_device: str
    packet: str
    out_device: str = ""
    steps: list[Step] = field(default_factory=list)


class Recorder:
    """Hops and derived facts of one run; one direction at a time."""

    def __init__(self, flow: int) -> None:
        self.flow = flow
        self.direction = "request"
        self.hops: list[_OpenHop] = []
        self.facts: list[Fact] = []
        self.assumed: dict[tuple[str, str, str], Unknown] = {}
        self.outer: dict[str, str | int] = {}
        """While a tunnel's outer packet is walked: fields that say so in :data:`OUTER` facts."""
        self.client: NetStack | None = None
        """Once the request is over: the stack that sent it, unless it came from outside."""
        self._seq = 0

    def turn(self, direction: str) -> tuple[Hop, ...]:
        """Close the hops of the direction so far and start another direction."""
        done = tuple(Hop(h.stack.node, h.stack.name, h.in_device, h.out_device, h.packet, tuple(h.steps)) for h in self.hops)
        if self.direction == "request" and self.hops and not self.hops[0].in_device:
            self.client = self.hops[0].stack
        self.hops = []
        self.direction = direction
        return done

    def enter(self, stack: NetStack, in_device: str, packet: Packet) -> None:
        """The packet enters a stack."""
        self.hops.append(_OpenHop(stack, in_device, str(packet)))

    def leave(self, device: str) -> None:
        """The packet leaves the current stack by a device."""
        if self.hops:
            self.hops[-1].out_device = device

    def step(self, what: str, summary: str, verdict: str = "pass", lines: tuple[Line, ...] = (), **detail: Any) -> None:
        """One hook or decision of the current hop."""
        if self.hops:
            self.hops[-1].steps.append(Step(what, summary, verdict, lines, detail))

    def fact(self, kind: str, stack: NetStack, lines: tuple[Line, ...] = (), origin: Fact | None = None, **fields: Any) -> None:
        """A derived fact, placed on a stack; its evidence is the given line or the origin's."""
        clean = {k: v for k, v in fields.items() if v is not None}
        clean.update(flow=self.flow, direction=self.direction)
        if kind in OUTER:
            clean.update(self.outer)
        source, number, shown = (origin.source, origin.line, origin.shown) if origin is not None else (None, 0, "")
        if lines and source is None:
            from engine.facts import Source

            source, number, shown = Source(lines[0].source), lines[0].line, lines[0].text
        made = Fact(kind, clean, stack.node, stack.name) if source is None else Fact(kind, clean, stack.node, stack.name, source, number, shown)
        self.facts.append(made)

    def mark(self) -> tuple[int, int, int]:
        """Where the writing is now, for :meth:`rewind`."""
        return len(self.hops), len(self.facts), len(self.hops[-1].steps) if self.hops else 0

    def rewind(self, mark: tuple[int, int, int]) -> None:
        """Strike out what was written since a mark: what only prepares a packet (a question for its neighbour) is told only where it fails."""
        hops, facts, steps = mark
        del self.hops[hops:], self.facts[facts:]
        if self.hops:
            del self.hops[-1].steps[steps:]

    def sequence(self) -> int:
        """Running number of routed hops."""
        self._seq += 1
        return self._seq

    def assume(self, unknown: Unknown) -> None:
        """Something was taken for granted; said once."""
        self.assumed.setdefault((unknown.node, unknown.stack, unknown.what), unknown)
        self.step("assume", phrase("assumed", why=unknown.why), "unknown")
