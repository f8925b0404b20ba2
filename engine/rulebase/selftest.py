"""Inline tests of rules: their facts go through the inference, and exactly the expected rules must fire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.facts import FactBase
from engine.inference.engine import Match, infer
from engine.inference.guards import value_of
from engine.inference.match import join_key
from engine.inference.strata import negates, reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.rulebase.loader import Rulebase
    from engine.rulebase.model import Expectation, Rule, RuleTest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one inline test."""

    rule: Rule
    test: RuleTest | None
    """``None`` if the rule has no tests, which counts as a failure."""
    faults: tuple[str, ...]
    """Why it failed; empty = passed."""


def run(rulebase: Rulebase, names: Iterable[str] | None = None, matcher: str = "auto") -> list[Outcome]:
    """Run the tests of the rules in force (or only of those named).

    A rule that an override changed is tested as it was written; as it is now only if the override brings tests.
    """
    wanted = None if names is None else set(names)
    originals = {rule.id: rule for rule in rulebase.originals}
    pairs = [(rule, rulebase.rules) for rule in rulebase.rules if rule.tests or rule.id not in originals]
    written = tuple(originals.get(rule.id, rule) for rule in (*rulebase.rules, *rulebase.disabled))
    pairs.extend((rule, written) for rule in originals.values())
    return [outcome for rule, others in pairs if wanted is None or rule.id in wanted for outcome in outcomes_of(rule, others, matcher)]


def outcomes_of(rule: Rule, others: Sequence[Rule], matcher: str = "auto") -> list[Outcome]:
    """Run the tests of one rule; ``others`` are the rules that may derive what it needs."""
    if not rule.tests:
        return [Outcome(rule, None, ("has no tests",))]
    return [Outcome(rule, test, tuple(_faults(rule, test, others, matcher))) for test in rule.tests]


def _faults(rule: Rule, test: RuleTest, others: Sequence[Rule], matcher: str) -> list[str]:
    expected = {expectation.id: expectation for expectation in test.expect}
    known = {other.id: other for other in others} | {rule.id: rule}
    watched = {rule.id, *expected}
    active = with_sources([known[name] for name in sorted(watched) if name in known], list(known.values()))
    # A rule that only derives fires like any other here: the test is about its patterns.
    fired: dict[str, list[Match]] = {}
    for match in infer([_as_finding(one) for one in active], FactBase(test.facts), matcher):
        fired.setdefault(match.rule.id, []).append(match)
    faults = [f"{name} did not fire" for name in expected if name not in fired]
    faults += [f"{name} fired: {_bound(fired[name][0])}" for name in sorted(watched & set(fired)) if name not in expected]
    return [*faults, *(fault for name, one in expected.items() for fault in _bind_faults(one, fired.get(name, [])))]


def _as_finding(rule: Rule) -> Rule:
    from dataclasses import replace

    return rule if rule.finding else replace(rule, finding=True)


def with_sources(rules: Sequence[Rule], known: Sequence[Rule]) -> list[Rule]:
    """Rules with all that derive a kind that one of them reads."""
    chosen = {rule.id: rule for rule in rules}
    open_ = list(rules)
    while open_:
        rule = open_.pop()
        needed = reads(rule) | negates(rule)
        for other in known:
            if other.id not in chosen and needed & {derivation.kind for derivation in other.derive}:
                chosen[other.id] = other
                open_.append(other)
    return [chosen[name] for name in sorted(chosen)]


def _bind_faults(expectation: Expectation, matches: Sequence[Match]) -> list[str]:
    """Why no match binds what is expected, told of the first match."""
    if not expectation.bind or not matches:
        return []
    bound = [match.bindings for first in matches for match in (first, *first.also)]
    if any(all(join_key(value_of(ref, one)) == join_key(value) for ref, value in expectation.bind) for one in bound):
        return []
    wrong = [(ref, value, value_of(ref, bound[0])) for ref, value in expectation.bind]
    return [f"{expectation.id}: {ref} is {have!r}, not {want!r}" for ref, want, have in wrong if join_key(have) != join_key(want)]


def _bound(match: Match) -> str:
    facts: Mapping[str, object] = {name: dict(fact.fields) for name, fact in match.bindings.items()}
    return ", ".join(f"{name}={fields}" for name, fields in facts.items())[:300]
