"""Inference: rules against facts, to a fixpoint, in an order that never depends on chance."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import RuleError
from engine.facts import Fact
from engine.inference.guards import all_hold, value_of
from engine.inference.match import join_key
from engine.inference.store import Store
from engine.inference.strata import Stage, stages
from engine.inference.tokens import Link, Matcher, MatchLimitError, Program, Row, Slot, Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from engine.facts import FactBase
    from engine.rulebase.model import Branch, Derivation, Pattern, Rule

MAX_ROWS = 100_000
"""Most combinations of facts that one rule may match."""
MAX_DERIVED = 200_000
"""Most facts that the rules may derive."""


class Match(NamedTuple):
    """A rule that fired on some facts."""

    rule: Rule
    branch: Branch
    """The alternative that matched; nameless if the rule has none."""
    bindings: Mapping[str, Fact]
    """Alias → fact in the order of the patterns; patterns without an alias are bound as ``_1``, ``_2`` …"""
    also: tuple[Match, ...] = ()
    """Later matches of the rule that ``dedupe`` folded into this one."""

    def facts(self) -> Iterator[Fact]:
        """Bound facts of this match and of those folded into it."""
        for match in (self, *self.also):
            yield from match.bindings.values()


@dataclass(slots=True)
class _Plan:
    """A rule under one branch, ready to be joined."""

    rule: Rule
    branch: Branch
    index: int
    """Position of the branch in its rule."""
    patterns: tuple[Pattern, ...]
    names: tuple[str, ...]
    """Alias of every pattern, made up where the rule gave none."""
    program: Program
    needed: tuple[tuple[str, ...], ...]
    """For every pattern the fields that a join names."""


@dataclass(slots=True)
class _Found:
    """A row that held, with what sorts it."""

    plan: _Plan
    row: tuple[int, ...]
    bindings: dict[str, Fact] = field(default_factory=dict)

    def order(self) -> tuple[str, int, tuple[int, ...]]:
        return self.plan.rule.id, self.plan.index, self.row


def infer(rules: Sequence[Rule], facts: FactBase, matcher: str = "auto") -> list[Match]:
    """Matches of all rules, ordered by rule id, branch and facts; rules with ``finding: false`` only derive.

    ``matcher`` is ``durable``, ``reference``, or ``auto`` (durable-rules where it can be imported).
    Raises :class:`RuleError` if a rule matches without bound, and ``NegativeCycleError`` for rules that were not checked.
    """
    store = Store(facts)
    derived: set[tuple[Any, ...]] = set()
    found: list[_Found] = []
    for stage in stages(rules):
        found.extend(_run(stage, store, derived, resolve(matcher)))
    found.sort(key=_Found.order)
    matches = [Match(one.plan.rule, one.plan.branch, one.bindings) for one in found if one.plan.rule.finding]
    return _deduplicated(matches)


def resolve(matcher: str) -> str:
    """``durable`` or ``reference`` for ``auto``; other names are returned as they are."""
    if matcher == "auto":
        from engine.inference.durable_matcher import why_not

        return "reference" if why_not() else "durable"
    return matcher


def matcher_name() -> str:
    """The matcher that ``auto`` means here: ``durable-rules 2.0.28``, or ``reference (why)``."""
    from engine.inference.durable_matcher import why_not

    reason = why_not()
    if reason:
        return f"reference ({reason})"
    from importlib.metadata import version

    return f"durable-rules {version('durable_rules')}"


def _matcher(name: str, programs: Sequence[Program]) -> Matcher:
    if name == "durable":
        from engine.inference.durable_matcher import DurableMatcher

        return DurableMatcher(programs, MAX_ROWS)
    if name == "reference":
        from engine.inference.reference import ReferenceMatcher

        return ReferenceMatcher(programs, MAX_ROWS)
    message = f"no such matcher: {name!r}"
    raise ValueError(message)


def _run(stage: Stage, store: Store, derived: set[tuple[Any, ...]], matcher: str) -> list[_Found]:
    """One stage to its fixpoint."""
    plans, tokens = _prepare(stage, store)
    if not plans:
        return []
    by_number = {plan.program.number: plan for plan in plans}
    joiner = _matcher(matcher, [plan.program for plan in plans])
    found: list[_Found] = []
    try:
        while tokens:
            fresh = _fired(joiner.add(tokens), by_number, store)
            found.extend(fresh)
            new = [number for one in fresh for number in _derive(one, store, derived)]
            tokens = _tokens_of(new, plans, store) if stage.recursive else []
    except MatchLimitError as error:
        rule = by_number[error.program].rule
        message = f"rule {rule.id} matches more than {MAX_ROWS} combinations of facts"
        raise RuleError(message, f"join its patterns more tightly ({rule.origin.file}:{rule.origin.line})") from error
    finally:
        joiner.close()
    return found


def _prepare(stage: Stage, store: Store) -> tuple[list[_Plan], list[Token]]:
    """Plans that can match at all, and their tokens."""
    plans: list[_Plan] = []
    tokens: list[Token] = []
    number = 0
    for rule in stage.rules:
        for index, branch in enumerate(rule.branches):
            plan = _plan(rule, branch, index, len(plans), number)
            selected = _select(plan, store, stage.recursive)
            if selected is None:
                continue
            plans.append(plan)
            number += len(plan.patterns)
            for slot, names, facts in zip(plan.program.slots, plan.needed, selected, strict=True):
                tokens.extend(_tokens(slot.number, names, facts, store))
    return plans, tokens


def _plan(rule: Rule, branch: Branch, index: int, program: int, first: int) -> _Plan:
    patterns = rule.slots(branch)
    names = tuple(pattern.alias or f"_{position + 1}" for position, pattern in enumerate(patterns))
    needed: list[set[str]] = [set() for _ in patterns]
    slots = []
    for position, pattern in enumerate(patterns):
        links = tuple(Link(join.field, names.index(join.ref.alias), join.ref.field) for join in pattern.joins)
        for link in links:
            needed[position].add(link.field)
            needed[link.slot].add(link.other)
        slots.append(Slot(first + position, links))
    return _Plan(rule, branch, index, patterns, names, Program(program, tuple(slots)), tuple(tuple(sorted(fields)) for fields in needed))


def _select(plan: _Plan, store: Store, recursive: frozenset[str]) -> list[list[int]] | None:
    """Facts of every pattern, reduced to those that can join; ``None`` if the rule cannot fire.

    Patterns are asked for in order, so that a rule whose first pattern has no match costs nothing more: that keeps
    the 100,000 rules of a large table unread until a rule truly gets there.
    """
    if any(pattern.kind in recursive for pattern in plan.patterns):
        return [store.select(pattern, {}) for pattern in plan.patterns]
    selected: list[list[int]] = []
    for pattern, slot in zip(plan.patterns, plan.program.slots, strict=True):
        allowed: dict[str, set[str]] = {}
        for link in slot.links:
            keys = _keys(selected[link.slot], link.other, store)
            allowed[link.field] = allowed[link.field] & keys if link.field in allowed else keys
        facts = store.select(pattern, allowed)
        if not facts:
            return None
        selected.append(facts)
    _reduce(plan, selected, store)
    return selected


def _reduce(plan: _Plan, selected: list[list[int]], store: Store) -> None:
    """Drop facts of earlier patterns to which no fact of a later one joins."""
    for position in range(len(selected) - 1, 0, -1):
        for link in plan.program.slots[position].links:
            keys = _keys(selected[position], link.field, store)
            selected[link.slot] = [number for number in selected[link.slot] if join_key(store.facts[number].get(link.other)) in keys]


def _keys(numbers: Iterable[int], name: str, store: Store) -> set[str]:
    return {key for number in numbers if (key := join_key(store.facts[number].get(name))) is not None}


def _tokens(slot: int, names: Iterable[str], numbers: Iterable[int], store: Store) -> Iterator[Token]:
    for number in numbers:
        keys = store.keys(number, names)
        if keys is not None:
            yield Token(slot, number, keys)


def _tokens_of(new: Iterable[int], plans: Iterable[_Plan], store: Store) -> list[Token]:
    """Tokens of newly derived facts."""
    by_kind: dict[str, list[int]] = defaultdict(list)
    for number in new:
        by_kind[store.facts[number].kind].append(number)
    return [
        token
        for plan in plans
        for pattern, slot, names in zip(plan.patterns, plan.program.slots, plan.needed, strict=True)
        for token in _tokens(slot.number, names, (n for n in by_kind.get(pattern.kind, ()) if store.holds(pattern, n)), store)
    ]


def _fired(rows: Iterable[Row], plans: Mapping[int, _Plan], store: Store) -> list[_Found]:
    """Rows whose guards and absences hold, in a fixed order."""
    fired = []
    for number, row in sorted(rows):
        plan = plans[number]
        bindings = {name: store.facts[fact] for name, fact in zip(plan.names, row, strict=True)}
        if all_hold(plan.rule.guards_of(plan.branch), bindings) and all(store.absent(p, bindings) for p in plan.rule.absent(plan.branch)):
            fired.append(_Found(plan, row, bindings))
    return fired


def _derive(found: _Found, store: Store, derived: set[tuple[Any, ...]]) -> Iterator[int]:
    """Numbers of the facts that a match derives and that are new."""
    for derivation in found.plan.rule.derive:
        fact = _derived_fact(derivation, found.bindings)
        identity = (fact.kind, fact.node, fact.stack, *sorted((name, join_key(value)) for name, value in fact.fields.items()))
        if identity in derived:
            continue
        if len(derived) >= MAX_DERIVED:
            message = f"rule {found.plan.rule.id} and those before it derive more than {MAX_DERIVED} facts"
            raise RuleError(message)
        derived.add(identity)
        yield store.add(fact)


def _derived_fact(derivation: Derivation, bound: Mapping[str, Fact]) -> Fact:
    """Derived fact; it takes place, source and line from the first bound fact, and fields that are not known stay absent."""
    values = {name: value for name, operand in derivation.fields if (value := value_of(operand, bound)) is not None}
    first = next(iter(bound.values()))
    return Fact(
        derivation.kind,
        {name: value for name, value in values.items() if name not in ("node", "stack")},
        str(values.get("node", first.node)),
        str(values.get("stack", first.stack)),
        first.source,
        first.line,
        first.shown,
    )


def _deduplicated(matches: Iterable[Match]) -> list[Match]:
    """One match for equal values of ``dedupe``; a rule without it keeps every match."""
    groups: dict[tuple[Any, ...], list[Match]] = defaultdict(list)
    for number, match in enumerate(matches):
        refs = match.rule.dedupe
        key = tuple(join_key(value_of(ref, match.bindings)) for ref in refs) if refs else (number,)
        groups[match.rule.id, bool(refs), key].append(match)
    return [Match(first.rule, first.branch, first.bindings, tuple(rest)) for first, *rest in groups.values()]
