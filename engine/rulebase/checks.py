"""What must hold across the rules before they can run: names that exist, aliases that are bound, values that can be equal, order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.inference.guards import BEFORE
from engine.inference.strata import NegativeCycleError, stages
from engine.rulebase.issues import Issue, did_you_mean
from engine.rulebase.model import Literal, Mark, Ref
from engine.schema import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from engine.facts import Fact
    from engine.rulebase.loader import Rulebase
    from engine.rulebase.model import Branch, Condition, Guard, Operand, Pattern, Rule, RuleTest

TYPES = {"str": str, "int": int, "bool": bool, "float": float, "tuple": tuple, "dict": dict}
"""Types by the word in front of a field's meaning in the schema."""
TEXT_ONLY = ("prefix", "not-prefix", "suffix", "matches", "not-matches")
ADDRESS = ("in-prefix", "not-in-prefix", "overlaps")
ORDERED = ("gt", "ge", "lt", "le")
RESERVED = ("branch", "remedies", "lang", "part", "range", "self", "super", "loop", "caller", "true", "false", "none",
            "and", "or", "not", "in", "is", "if", "else", "elif", "for", "set", "block", "extends")  # fmt: skip
"""Names with a meaning of their own in templates."""


@dataclass(slots=True)
class Vocabulary:
    """Kinds that exist, with the types of their fields."""

    kinds: Mapping[str, Mapping[str, type | None]]
    """Kind → field → type (``None`` = not declared)."""

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> Vocabulary:
        """The schema, and what the rules derive."""
        kinds: dict[str, dict[str, type | None]] = {
            name: {**{field: TYPES[_word(about)] for field, about in kind.fields.items()}, "node": str, "stack": str} for name, kind in KINDS.items()
        }
        for rule in rules:
            for derivation in rule.derive:
                if derivation.kind not in KINDS:
                    known = kinds.setdefault(derivation.kind, {"node": str, "stack": str})
                    known.update((name, None) for name, _ in derivation.fields if name not in known)
        return cls(kinds)

    def type_of(self, kind: str, name: str) -> type | None:
        """Declared type of a field, ``None`` if there is none."""
        return self.kinds.get(kind, {}).get(name)


def _word(about: str) -> str:
    return about.partition(":")[0].partition("[")[0].strip()


@dataclass(slots=True)
class _Scope:
    """Checks of one rule (under one branch)."""

    vocabulary: Vocabulary
    issues: list[Issue] = field(default_factory=list)
    bound: dict[str, str] = field(default_factory=dict)
    """Alias → kind, as far as they are bound."""

    def issue(self, at: Mark, code: str, message: str) -> None:
        self.issues.append(Issue(at, code, message))

    def kind(self, name: str, at: Mark) -> None:
        if name not in self.vocabulary.kinds:
            self.issue(at, "unknown-kind", f"there is no kind of fact {name!r}{did_you_mean(name, self.vocabulary.kinds)}")

    def field(self, kind: str, name: str, at: Mark) -> None:
        known = self.vocabulary.kinds.get(kind)
        if known is not None and name not in known:
            self.issue(at, "unknown-field", f"{kind} has no field {name!r}{did_you_mean(name, known)}")

    def ref(self, ref: Ref, hint: str = "") -> type | None:
        """Check a reference; its declared type."""
        kind = self.bound.get(ref.alias)
        if kind is None:
            self.issue(ref.at, "unbound-alias", f"{ref.alias!r} is not bound{hint}{did_you_mean(ref.alias, self.bound)}")
            return None
        if ref.field:
            self.field(kind, ref.field, ref.at)
        return self.vocabulary.type_of(kind, ref.field)


def check(rulebase: Rulebase) -> list[Issue]:
    """Issues of the rules in force, and of the originals of overridden ones."""
    rules = rulebase.rules
    every = (*rules, *rulebase.originals)
    vocabulary = Vocabulary.of(every)
    issues = [issue for rule in every for issue in check_rule(rule, vocabulary)]
    ids = {rule.id for rule in (*rules, *rulebase.disabled)}
    issues.extend(_suppression_issues(rules, ids))
    issues.extend(issue for rule in every for test in rule.tests for issue in _test_issues(rule, test, vocabulary, ids))
    try:
        stages(rules)
    except NegativeCycleError as error:
        issues.append(Issue(error.pattern.at, "negative-cycle", str(error)))
    return issues


def check_rule(rule: Rule, vocabulary: Vocabulary) -> list[Issue]:
    """Issues of one rule against a vocabulary."""
    found: set[Issue] = set()
    every: dict[str, str] = {}
    names: set[str] = set()
    for branch in rule.branches:
        scope = _Scope(vocabulary)
        _check_branch(scope, rule, branch)
        if rule.on and rule.on not in scope.bound:
            near = did_you_mean(rule.on, scope.bound)
            scope.issue(rule.marks.get("on", rule.origin), "unbound-alias", f"{rule.on!r} is not bound under every branch{near}")
        every.update(scope.bound)
        found.update(scope.issues)
        if branch.name and branch.name in names:
            found.add(Issue(branch.at, "duplicate-branch", f"two branches are named {branch.name!r}"))
        names.add(branch.name)
    whole = _Scope(vocabulary, bound=every)
    for ref in rule.dedupe:
        whole.ref(ref)
    for derivation in rule.derive:
        known = vocabulary.kinds[derivation.kind]
        for name, operand in derivation.fields:
            if name not in known:
                whole.issue(derivation.at, "unknown-field", f"{derivation.kind} has no field {name!r}{did_you_mean(name, known)}")
            if isinstance(operand, Ref):
                whole.ref(operand)
    return [*found, *whole.issues]


def _check_branch(scope: _Scope, rule: Rule, branch: Branch) -> None:
    patterns = rule.slots(branch)
    if not patterns:
        scope.issue(branch.at if branch.at.line else rule.origin, "no-pattern", f"rule {rule.id!r} has no pattern to match")
    for pattern in patterns:
        _check_pattern(scope, pattern, "; a join refers to an earlier pattern")
        if pattern.alias:
            _bind(scope, pattern)
    for guard in rule.guards_of(branch):
        _check_guard(scope, guard)
    for pattern in rule.absent(branch):
        _check_pattern(scope, pattern, "")
        _check_absent(scope, pattern)


def _bind(scope: _Scope, pattern: Pattern) -> None:
    if pattern.alias in scope.bound:
        scope.issue(pattern.at, "duplicate-alias", f"alias {pattern.alias!r} is already bound")
    elif pattern.alias in RESERVED or pattern.alias.startswith("_"):
        scope.issue(pattern.at, "bad-alias", f"alias {pattern.alias!r} has a meaning of its own in templates; choose another")
    scope.bound[pattern.alias] = pattern.kind


def _check_pattern(scope: _Scope, pattern: Pattern, hint: str) -> None:
    scope.kind(pattern.kind, pattern.at)
    for condition in pattern.where:
        scope.field(pattern.kind, condition.field, condition.at)
        fault = _type_fault(condition, scope.vocabulary.type_of(pattern.kind, condition.field))
        if fault:
            scope.issue(condition.at, "bad-type", f"{pattern.kind}.{condition.field} {fault}")
    for join in pattern.joins:
        scope.field(pattern.kind, join.field, join.at)
        other = scope.ref(join.ref, hint)
        own = scope.vocabulary.type_of(pattern.kind, join.field)
        if own and other and own is not other:
            scope.issue(join.at, "bad-type", f"{pattern.kind}.{join.field} is {own.__name__} and {join.ref} {other.__name__}: never equal")


def _check_absent(scope: _Scope, pattern: Pattern) -> None:
    if pattern.alias and not pattern.guards:
        scope.issue(pattern.at, "useless-alias", f"alias {pattern.alias!r} of a fact that must not exist is of use in its own guard only")
    if pattern.guards:
        inner = _Scope(scope.vocabulary, scope.issues, {**scope.bound, **({pattern.alias: pattern.kind} if pattern.alias else {})})
        for guard in pattern.guards:
            _check_guard(inner, guard)
        if not any(ref.alias == pattern.alias for guard in pattern.guards for ref in guard.refs()):
            scope.issue(pattern.at, "useless-guard", "a guard of a `none` pattern must refer to that pattern's alias")


def _check_guard(scope: _Scope, guard: Guard) -> None:
    sides = [(side, _operand_type(scope, side)) for side in (guard.left, guard.right)]
    if guard.op == BEFORE:
        return
    (left, left_type), (right, right_type) = sides
    if guard.op in ("eq", "ne") and left_type and right_type and left_type is not right_type:
        scope.issue(guard.at, "bad-type", f"{_shown(left)} is {left_type.__name__} and {_shown(right)} {right_type.__name__}: never equal")


def _operand_type(scope: _Scope, operand: Operand) -> type | None:
    if isinstance(operand, Ref):
        return scope.ref(operand)
    return type(operand.value) if type(operand.value) in TYPES.values() else None


def _shown(operand: Operand) -> str:
    return repr(operand.value) if isinstance(operand, Literal) else str(operand)


def _type_fault(condition: Condition, declared: type | None) -> str:
    """Why a condition can never hold for a field of the declared type; "" if it can."""
    if declared is None:
        return ""
    op, name = condition.op, declared.__name__
    if op in ("eq", "ne", "in", "not-in"):
        values = condition.operand if op in ("in", "not-in") else (condition.operand,)
        wrong = next((value for value in values if not _fits(value, declared)), None)
        return "" if wrong is None else f"is {name}, so it never equals {_short(wrong)}{_quoting(wrong, declared)}"
    allowed: Sequence[type] = TYPES_OF.get(op, tuple(TYPES.values()))
    return "" if declared in allowed else f"is {name}, which {op} does not fit"


TYPES_OF: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(TEXT_ONLY, (str,)),
    **dict.fromkeys(ADDRESS, (str, tuple)),
    **dict.fromkeys(ORDERED, (int, str)),
    "contains": (str, tuple, dict),
    "not-contains": (str, tuple, dict),
    "mentions": (str,),
}
"""Field types that an operator can be true for."""


def _fits(value: Any, declared: type) -> bool:
    return type(value) is declared or (declared is int and type(value) is float)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"


def _quoting(value: Any, declared: type) -> str:
    if declared is str:
        if not isinstance(value, (bool, int, float)):
            return ""
        shown = str(value).lower() if isinstance(value, bool) else value
        return f'; write "{shown}" in quotes'
    return "; write it without quotes" if isinstance(value, str) and declared in (int, bool) else ""


def _suppression_issues(rules: Sequence[Rule], ids: set[str]) -> Iterator[Issue]:
    after = {rule.id: rule.suppresses for rule in rules}
    for rule in rules:
        for name in rule.suppresses:
            at = rule.marks.get(f"suppresses.{name}", rule.origin)
            if name not in ids:
                yield Issue(at, "unknown-suppressed", f"there is no rule {name!r}{did_you_mean(name, ids)}")
            elif _reaches(after, name, rule.id):
                yield Issue(at, "suppress-cycle", f"{rule.id!r} and {name!r} suppress each other")


def _reaches(after: Mapping[str, Sequence[str]], start: str, goal: str) -> bool:
    seen, open_ = set(), [start]
    while open_:
        name = open_.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            open_.extend(after.get(name, ()))
    return False


def _test_issues(rule: Rule, test: RuleTest, vocabulary: Vocabulary, ids: set[str]) -> list[Issue]:
    scope = _Scope(vocabulary, bound={name: kind for branch in rule.branches for name, kind in rule.aliases(branch).items()})
    for fact, at in zip(test.facts, test.marks, strict=True):
        scope.kind(fact.kind, at)
        _check_fact(scope, fact, at)
    for expectation in test.expect:
        if expectation.id not in ids:
            scope.issue(expectation.at, "unknown-expected", f"there is no rule {expectation.id!r}{did_you_mean(expectation.id, ids)}")
        elif expectation.id == rule.id:
            for ref, _ in expectation.bind:
                scope.ref(ref)
    return scope.issues


def _check_fact(scope: _Scope, fact: Fact, at: Mark) -> None:
    for name, value in fact.fields.items():
        scope.field(fact.kind, name, at)
        declared = scope.vocabulary.type_of(fact.kind, name)
        if declared and not _fits(value, declared):
            scope.issue(at, "bad-type", f"{fact.kind}.{name} is {declared.__name__}, not {_short(value)}{_quoting(value, declared)}")
