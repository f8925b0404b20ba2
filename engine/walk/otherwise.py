"""What else a ruleset says about a packet that it refused: an accepting rule too far behind, another base chain that accepts, a set that decided.

The chains are asked again in the dark: on a copy of the packet's state, with a recorder that nobody reads and choices of its own, so that
neither the walk nor its replays notice.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from engine.inet import to_text
from engine.model.fib import Key
from engine.model.netfilter import matches as m
from engine.model.netfilter.rule import Rule
from engine.model.netfilter.ruleset import Chain
from engine.model.packet import Entry, State
from engine.walk.choices import Choices
from engine.walk.hooks import calls
from engine.walk.netfilter import Passage, Verdict
from engine.walk.recorder import Recorder, line_of, rule_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.model.nft.ruleset import NftChain, NftRule
    from engine.model.packet import HookContext
    from engine.walk.hooks import Call
    from engine.walk.trace import Line

    AnyChain = Chain | NftChain
    AnyRule = Rule | NftRule
    Told = tuple[str, tuple[Line, ...], dict[str, Any]]
    """Kind, evidence and fields of a derived fact."""

REFUSING = frozenset({"DROP", "REJECT"})


def shadow(passage: Passage, skipping: AnyRule | None = None) -> Passage:
    """A passage of the same packet in the same state, whose doings nobody sees; ``skipping`` is taken out of its chain."""
    entry = passage.state.entry
    made = Passage(passage.stack, passage.packet, [], Choices(), Recorder(passage.recorder.flow))
    made.state = replace(passage.state, entry=replace(entry) if entry is not None else None)
    made.tracked, made.next_hop, made.skipping = True, passage.next_hop, skipping
    return made


def note(passage: Passage, call: Call, queue: Iterable[Call], verdict: Verdict, context: HookContext) -> None:
    """Write down what else the ruleset says; does nothing unless a chain of it refused the packet."""
    if call.chain is None or verdict.chain is None or verdict.by == "unknown":
        return
    for fact, lines, fields in (
        *_later(passage, call.chain, verdict, context),
        *_others(passage, call, queue, context),
        *_sets(passage, call.chain, verdict, context),
    ):
        passage.recorder.fact(fact, passage.stack, lines, hook=context.hook, **fields)


# --- an accepting rule that stands too far behind ---------------------------------------------------------------------


def _later(passage: Passage, base: AnyChain, verdict: Verdict, context: HookContext) -> Iterator[Told]:
    """The rule that would accept the packet were the deciding one not there, if the deciding one keeps every packet from it."""
    deciding = verdict.rule
    if deciding is None or deciding.target.name not in REFUSING:
        return
    found = shadow(passage, deciding).asked(base, context)
    if found is None or found.name != "accept" or found.chain is None or found.rule is None or not _covers(verdict, found):
        return
    for (chain, stop), (_, go) in zip_longest(verdict.path, found.path, fillvalue=(found.chain, found.rule)):
        if stop is not go:
            yield (
                "later_accept",
                rule_line(found.chain, found.rule),
                {
                    "backend": chain.table.backend,
                    "table": chain.table.name,
                    "chain": chain.name,
                    "number": go.number,
                    "spec": go.spec,
                    "before": stop.number,
                    "accept_chain": found.chain.name,
                    "accept_number": found.rule.number,
                    "accept_spec": found.rule.spec,
                },
            )
            return


def _covers(refusal: Verdict, acceptance: Verdict) -> bool:
    """Whether no packet gets past the refusing rule to the accepting one: each condition of the former is among those of the latter, or wider."""
    wanted = _conditions(acceptance)
    return all(any(wider(stop, go) for go in wanted) for stop in _conditions(refusal))


def _conditions(verdict: Verdict) -> list[object]:
    found: list[object] = []
    for _, rule in verdict.path:
        found += rule.matches if isinstance(rule, Rule) else rule.statements[:-1]
    return found


def wider(one: object, other: object) -> bool:
    """Whether a condition holds for every packet for which another one does (as far as that is plain)."""
    match one, other:
        case m.Proto(_, protocol), _ if protocol == "all":
            return True
        case m.Proto(_, left), m.Proto(_, right):
            return left == right
        case m.Address(_, side, left), m.Address(_, other_side, right):
            return side == other_side and left.covers(right)
        case m.Ports(_, side, left), m.Ports(_, other_side, right):
            return side == other_side and all(any(a <= low and high <= b for a, b in left) for low, high in right)
        case m.CtState(_, left), m.CtState(_, right):
            return left >= right
    return one == other


# --- another base chain of the hook -----------------------------------------------------------------------------------


def _others(passage: Passage, call: Call, queue: Iterable[Call], context: HookContext) -> Iterator[Told]:
    """Other filtering base chains of the hook with a rule that accepts the packet: accepting ends one base chain only."""
    for other in queue:
        chain = other.chain
        if chain is None or other is call or not _filters(chain):
            continue
        found = shadow(passage).asked(chain, context)
        if found is None or found.name != "accept" or found.rule is None or found.chain is None:
            continue
        yield (
            "other_verdict",
            rule_line(found.chain, found.rule),
            {
                "backend": chain.table.backend,
                "table": chain.table.name,
                "base_chain": chain.name,
                "chain": found.chain.name,
                "number": found.rule.number,
                "spec": found.rule.spec,
                "native": not isinstance(chain, Chain),
            },
        )


def _filters(chain: AnyChain) -> bool:
    if isinstance(chain, Chain):
        return chain.table.name == "filter"
    return chain.hook is not None and chain.hook.type == "filter"


# --- sets -------------------------------------------------------------------------------------------------------------


def _sets(passage: Passage, base: AnyChain, verdict: Verdict, context: HookContext) -> Iterator[Told]:
    """Sets that decided: of the refusing rule (and the jumps to it), and of accepting rules before it that failed for their set alone."""
    if not isinstance(base, Chain):
        return
    for chain, rule in verdict.path:
        if isinstance(chain, Chain) and isinstance(rule, Rule):
            for match in rule.matches:
                inner = match.match if isinstance(match, m.Negated) else match
                if isinstance(inner, m.InSet):
                    listed = inner is match
                    yield _set_fact(passage, context, (chain, rule), inner, "listed" if listed else "not-listed")
    for chain, stop in verdict.path or [(base, None)]:
        before = stop.number - 1 if stop is not None else None
        places = range(len(chain.rules))[:before] if isinstance(chain, Chain) else ()
        for place in places:
            if isinstance(chain, Chain) and "--match-set" in chain.text.rules[place].spec:
                missed = _missed(passage, chain.rules[place], context)
                if missed is not None:
                    yield _set_fact(passage, context, (chain, chain.rules[place]), missed, "not-listed")


def _missed(passage: Passage, rule: Rule, context: HookContext) -> m.InSet | None:
    """The set that an accepting rule failed for, if every other condition holds."""
    sets = [x for x in rule.matches if isinstance(x, m.InSet)]
    if rule.target.name != "ACCEPT" or len(sets) != 1:
        return None
    around, state = passage.around(), replace(context, state=passage.state)
    answers = {match: match.holds(passage.packet, state, around) for match in rule.matches}
    return sets[0] if answers.pop(sets[0]) is False and all(answers.values()) else None


def _set_fact(passage: Passage, context: HookContext, place: tuple[Chain, Rule], match: m.InSet, how: str) -> Told:
    chain, rule = place
    found = passage.stack.ipsets.get(match.name)
    fields: dict[str, Any] = {
        "set": match.name,
        "how": how,
        "table": chain.table.name,
        "chain": chain.name,
        "number": rule.number,
        "spec": rule.spec,
        "target": rule.target.name,
        "type": found.type if found is not None else None,
        "entry": found.entry(match.directions, passage.packet, context) if found is not None else None,
    }
    lines = (*rule_line(chain, rule), *(line_of(found.fact) if found is not None else ()))
    if found is not None and how == "listed":
        member = found.holds(match.directions, passage.packet, context, passage.stack.ipsets)[1]
        fields["member"] = member.text if member is not None else None
    return "set_decided", lines, fields


# --- translations that were passed over -------------------------------------------------------------------------------


def note_untranslated(passage: Passage, context: HookContext) -> None:
    """An untracked packet passes nat by: tell the translation that it would have got there."""
    if passage.state.untracked_by is None:
        return
    chain, rule = passage.state.untracked_by
    packet, family = passage.packet, passage.packet.family
    missed = _unmade(passage, context) if passage.recorder.direction == "request" else _unreversed(passage, context)
    if missed:
        passage.recorder.fact(
            "nat_skipped",
            passage.stack,
            rule_line(chain, rule),
            hook=context.hook,
            raw_table=chain.table.name,
            raw_chain=chain.name,
            raw_number=rule.number,
            raw_spec=rule.spec,
            backend=chain.table.backend,
            src=to_text(packet.src, family),
            dst=to_text(packet.dst, family),
            sport=packet.sport,
            dport=packet.dport,
            protocol=packet.protocol,
            **missed,
        )


def _unmade(passage: Passage, context: HookContext) -> dict[str, Any]:
    """What the nat chains would have made of the packet, had conntrack seen it."""
    made, own = shadow(passage), passage.packet.tuple()
    made.state = State("NEW", Entry(own, own.inverted()))
    made.translate(context)
    nat = next((fact for fact in made.recorder.facts if fact.kind == "nat"), None)
    if nat is None:
        return {}
    told = {name: nat.fields.get(name) for name in ("type", "target", "chain", "number", "spec", "before", "after")}
    return {**told, **_answer(passage, made.state.entry)}


def _answer(passage: Passage, entry: Entry | None) -> dict[str, Any]:
    """The tuple of the answer to the packet once it were translated, and the rule that would keep that from conntrack as well."""
    stack, family = passage.stack, passage.packet.family
    if entry is None:
        return {}
    reply = entry.reply
    here = stack.is_local(reply.src, family)
    route = stack.fib.lookup(Key(family, reply.src)).route
    device = route.hops[0].device if route is not None and not here else ""
    back = shadow(passage)
    back.packet, back.state, back.tracked = passage.packet.with_tuple(reply), State(""), False
    hook = "OUTPUT" if here else "PREROUTING"
    for call in calls(stack, hook, family):
        if call.kind != "chain":
            break  # conntrack sees it
        back.run(call, back.context(hook, in_device="" if here else device))
    told: dict[str, Any] = {"back_src": to_text(reply.src, family), "back_sport": reply.sport or None}
    if back.state.untracked_by is not None:
        chain, rule = back.state.untracked_by
        told |= {"back_table": chain.table.name, "back_chain": chain.name, "back_number": rule.number, "back_spec": rule.spec}
    return told


def _unreversed(passage: Passage, context: HookContext) -> dict[str, Any]:
    """The reversal of the request's translation, which its answer misses."""
    packet, own = passage.packet, passage.packet.tuple()
    entry = next((e for e in passage.entries if e.reply == own), None)
    destination = context.hook in {"PREROUTING", "OUTPUT"}
    if entry is None or not (entry.snat if destination else entry.dnat):
        return {}
    before, after = (packet.dst, entry.original.src) if destination else (packet.src, entry.original.dst)
    return {"type": "reversal", "before": to_text(before, packet.family), "after": to_text(after, packet.family)}
