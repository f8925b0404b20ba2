"""``guard``: comparisons across bound facts.  An unknown operand makes every guard false, the negated ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.inference.match import contains, inside, join_key, mentions, ordered, overlapping
from engine.rulebase.model import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from engine.facts import Fact
    from engine.rulebase.model import Guard, Operand


def _eq(left: Any, right: Any) -> bool | None:
    return join_key(left) == join_key(right)


def _in(left: Any, right: Any) -> bool | None:
    return contains(right, left)


def _not(test: Callable[[Any, Any], bool | None]) -> Callable[[Any, Any], bool | None]:
    def negated(left: Any, right: Any) -> bool | None:
        answer = test(left, right)
        return None if answer is None else not answer

    return negated


OPERATORS: dict[str, Callable[[Any, Any], bool | None]] = {
    "eq": _eq,
    "ne": _not(_eq),
    "lt": lambda left, right: ordered("lt", left, right),
    "le": lambda left, right: ordered("le", left, right),
    "gt": lambda left, right: ordered("gt", left, right),
    "ge": lambda left, right: ordered("ge", left, right),
    "in": _in,
    "not-in": _not(_in),
    "contains": contains,
    "not-contains": _not(contains),
    "mentions": mentions,
    "in-prefix": inside,
    "not-in-prefix": _not(inside),
    "overlaps": overlapping,
    "not-overlaps": _not(overlapping),
}
"""Operator → test of two known values; ``None`` means that the operands do not fit it, which counts as false."""

BEFORE = "before"
"""The one operator on whole facts: same source, smaller line."""
NAMES = (*OPERATORS, BEFORE)


def holds(guard: Guard, bound: Mapping[str, Fact]) -> bool:
    """Whether one guard holds for the bound facts."""
    if guard.op == BEFORE:
        return _before(guard.left, guard.right, bound)
    left, right = value_of(guard.left, bound), value_of(guard.right, bound)
    if left is None or right is None:
        return False
    return OPERATORS[guard.op](left, right) is True


def all_hold(guards: Iterable[Guard], bound: Mapping[str, Fact]) -> bool:
    """Whether every guard holds."""
    return all(holds(guard, bound) for guard in guards)


def value_of(operand: Operand, bound: Mapping[str, Fact]) -> Any:
    """Value of a reference or literal; ``None`` if it was not observed (or the alias belongs to another branch)."""
    if not isinstance(operand, Ref):
        return operand.value
    fact = bound.get(operand.alias)
    return None if fact is None else fact.get(operand.field)


def _before(left: Operand, right: Operand, bound: Mapping[str, Fact]) -> bool:
    if not isinstance(left, Ref) or not isinstance(right, Ref):
        return False
    first, second = bound.get(left.alias), bound.get(right.alias)
    if first is None or second is None or not 0 < first.line < second.line:
        return False
    if first.source is second.source:
        return True
    return bool(first.source.name) and first.source.name == second.source.name and first.node == second.node
