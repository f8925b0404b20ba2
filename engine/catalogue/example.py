"""A worked example of a rule: the facts of one of its own tests, with the title, the explanation and the remedies that they give."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from engine import templates
from engine.diagnosis import main_of, rendered
from engine.errors import RuleError
from engine.facts import FactBase
from engine.inference.engine import infer
from engine.remedies import OPERATIONS, Site
from engine.rulebase.selftest import with_sources
from engine.schema import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from engine.facts import Fact
    from engine.inference.engine import Match
    from engine.rulebase.model import RemedySpec, Rule, RuleTest

T = TypeVar("T")

LACKING = re.compile(r"(\w+) has no (\w+) here")
"""What a template says of a field that a test did without."""
FIELDS = 30
"""Fields that a test may lack before the example is given up."""


class Mend(NamedTuple):
    """A remedy as it would be printed."""

    op: str
    title: Mapping[str, str]
    commands: tuple[str, ...]
    persist: tuple[str, ...]
    undo: tuple[str, ...]
    risk: str


class Example(NamedTuple):
    """What the rule says of one case."""

    branch: str
    title: Mapping[str, str]
    cause: Mapping[str, str]
    """What happens to the packet."""
    extra: Mapping[str, str]
    """What would undo the remedy, how it lasts."""
    mends: tuple[Mend, ...]


def examples(rule: Rule, rules: Sequence[Rule], languages: Sequence[str]) -> list[Example]:
    """One example for each branch that a test of the rule makes fire, in the order of the tests; ``rules`` may derive what it needs."""
    found: dict[str, Example] = {}
    for test in rule.tests:
        for match in _matches(rule, rules, test):
            if match.branch.name not in found:
                found[match.branch.name] = _example(match, test, languages)
    return list(found.values())


def _matches(rule: Rule, rules: Sequence[Rule], test: RuleTest) -> list[Match]:
    if rule.id not in {expected.id for expected in test.expect}:
        return []
    return [match for match in infer(with_sources([rule], rules), FactBase(test.facts)) if match.rule.id == rule.id]


def _example(match: Match, test: RuleTest, languages: Sequence[str]) -> Example:
    rule, extra = match.rule, {"branch": match.branch.name}
    title = {lang: _filled(match, partial(_title, lang)) for lang in languages}
    told = {lang: _filled(match, partial(_explanation, lang, extra)) for lang in languages}
    mends = [mend for spec in rule.remedies for mend in _mends(spec, match, test, languages)]
    causes = {lang: parts["cause"] for lang, parts in told.items()}
    return Example(match.branch.name, title, causes, {lang: parts["extra"] for lang, parts in told.items()}, tuple(mends))


def _title(lang: str, match: Match) -> str:
    return templates.title(match.rule, match.branch, lang, match.bindings)


def _explanation(lang: str, extra: Mapping[str, str], match: Match) -> dict[str, str]:
    return templates.explain(match.rule, lang, match.bindings, extra)


def _rendered(value: Any, extra: Mapping[str, str], match: Match) -> Any:
    return rendered(value, match, extra)


def _filled(match: Match, action: Callable[[Match], T]) -> T:
    """What a template makes of a match; a field that the test did without is printed by its name.  Raises :class:`RuleError` for other errors."""
    for _ in range(FIELDS):
        try:
            return action(match)
        except RuleError as error:
            lacking = LACKING.search(str(error))
            if lacking is None:
                raise
            match = match._replace(bindings={name: _with(fact, lacking[1], lacking[2]) for name, fact in match.bindings.items()})
    return action(match)


def _with(fact: Fact, kind: str, field: str) -> Fact:
    if fact.kind != kind or fact.get(field) is not None:
        return fact
    declared = KINDS[kind].fields.get(field, "str") if kind in KINDS else "str"
    return fact.having(**{field: 1 if declared.startswith("int") else f"<{field.replace('_', ' ')}>"})


def _mends(spec: RemedySpec, match: Match, test: RuleTest, languages: Sequence[str]) -> Iterator[Mend]:
    """The remedy, unless it does not apply to this case or needs more than the test says."""
    extra = {"branch": match.branch.name}
    try:
        if spec.when and str(_filled(match, partial(_rendered, spec.when, extra))).strip().lower() != "true":
            return
        given = {name: _filled(match, partial(_rendered, value, extra)) for name, value in spec.parameters.items()}
        place = match.bindings.get(str(given.pop("on", ""))) or main_of(match)
        operation = OPERATIONS[spec.op](given, Site(FactBase(test.facts), place.node, place.stack))
        title = {lang: _filled(match, partial(_rendered, spec.title.get(lang) or spec.title.get("en", ""), extra)) for lang in languages}
        yield Mend(spec.op, title, operation.commands(), operation.persist(), operation.undo(), operation.RISK)
    except (RuleError, ValueError):
        return
