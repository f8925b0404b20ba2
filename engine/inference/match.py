"""``where`` operators: a condition becomes a predicate on one fact.

Types are strict (``1`` is not ``"1"``, ``true`` is not ``1``), with one exception: ``gt ge lt le`` read decimal text as a number, for kernel
parameters are text.  A missing field satisfies nothing but ``exists: false``.  Text from evidence never raises: what is no address is in no prefix.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from engine import inet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.facts import Fact
    from engine.rulebase.model import Condition

Test = "Callable[[Any], bool]"
"""Predicate on a field value that is there."""

MAX_REGEX = 200
"""Longest regular expression, in characters."""
MAX_SUBJECT = 1024
"""Longest text that a regular expression is tried on; longer text does not match."""
MAX_UNBOUNDED = 3
"""Unbounded repeats in one regular expression: the time to fail grows with length to this power."""
MAX_NUMBER = 40
"""Longest decimal text that is read as a number."""


def join_key(value: Any) -> str | None:
    """Text that is equal exactly for equal values of equal type (1 and 1.0 are equal); ``None`` for a missing value."""
    if value is None:
        return None
    if isinstance(value, str):
        return "s" + value
    if isinstance(value, bool):
        return "b1" if value else "b0"
    if isinstance(value, int):
        return f"n{value}"
    if isinstance(value, float):
        return f"n{int(value)}" if value.is_integer() else f"n{value!r}"
    if isinstance(value, (tuple, list)):
        return "t" + "".join(_framed(item) for item in value)
    if isinstance(value, dict):
        return "d" + "".join(sorted(_framed(k) + _framed(v) for k, v in value.items()))
    return f"o{type(value).__name__}:{value!r}"


def _framed(value: Any) -> str:
    """Key with its length in front, so that neighbours cannot run together."""
    key = join_key(value) or ""
    return f"{len(key)}:{key}"


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal by :func:`join_key`; a missing value equals nothing."""
    key = join_key(left)
    return key is not None and key == join_key(right)


def number(value: Any) -> float | int | None:
    """Value as a number: numbers and decimal text; ``None`` otherwise."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and 0 < len(value) <= MAX_NUMBER and value.isascii():
        digits = value[1:] if value[0] == "-" else value
        if digits.isdigit():
            return int(value)
        whole, _, part = digits.partition(".")
        if whole.isdigit() and part.isdigit():
            return float(value)
    return None


ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}


def ordered(op: str, left: Any, right: Any) -> bool:
    """``left op right`` as numbers; false if either is no number."""
    a, b = number(left), number(right)
    return a is not None and b is not None and ORDER[op](a, b)


def prefixes(value: Any) -> list[inet.Prefix]:
    """Prefixes in a value (one, or a tuple of them); what does not parse is left out."""
    found = []
    for item in value if isinstance(value, (tuple, list)) else (value,):
        try:
            found.append(inet.prefix(item))
        except (ValueError, TypeError, AttributeError):
            continue
    return found


def inside(value: Any, network: Any) -> bool | None:
    """Whether an address or prefix (or any of several) lies inside one of some prefixes; ``None`` if either side is none."""
    inner, outer = prefixes(value), prefixes(network)
    if not inner or not outer:
        return None
    return any(o.covers(i) for o in outer for i in inner)


def overlapping(left: Any, right: Any) -> bool | None:
    """Whether two prefixes (or any of several) share an address; ``None`` if either side is none."""
    a, b = prefixes(left), prefixes(right)
    if not a or not b:
        return None
    return any(x.overlaps(y) for x in a for y in b)


def contains(value: Any, part: Any) -> bool | None:
    """Whether text holds a text, a tuple an element, a mapping a key; ``None`` for other types."""
    if isinstance(value, str):
        return part in value if isinstance(part, str) else None
    if isinstance(value, (tuple, list, dict)):
        key = join_key(part)
        return any(join_key(item) == key for item in value)
    return None


def mentions(value: Any, part: Any) -> bool | None:
    """Whether text holds a name or an address as a whole, not within a longer one; ``None`` for other types, and for an empty name."""
    if not isinstance(value, str) or not isinstance(part, str) or not part:
        return None
    return re.search(rf"(?<![a-z0-9_.-]){re.escape(part)}(?![a-z0-9_-]|\.[a-z0-9])", value, re.IGNORECASE | re.ASCII) is not None


def _eq(operand: Any) -> Callable[[Any], bool]:
    if isinstance(operand, str):
        return lambda value: value.__class__ is str and value == operand
    key = join_key(operand)
    return lambda value: join_key(value) == key


def _in(operand: Any) -> Callable[[Any], bool]:
    keys = {join_key(item) for item in operand}
    return lambda value: join_key(value) in keys


def _starts(operand: Any) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value.startswith(operand)


def _ends(operand: Any) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value.endswith(operand)


def _matches(operand: str) -> Callable[[Any], bool]:
    full = re.compile(operand).fullmatch
    return lambda value: isinstance(value, str) and len(value) <= MAX_SUBJECT and full(value) is not None


def _not_matching(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Text that could be compared and does not match; what is too long to compare is unknown."""
    return lambda value: isinstance(value, str) and len(value) <= MAX_SUBJECT and not test(value)


def _negated(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: not test(value)


TESTS: dict[str, Callable[[Any], Callable[[Any], bool]]] = {
    "eq": _eq,
    "ne": lambda operand: _negated(_eq(operand)),
    "in": _in,
    "not-in": lambda operand: _negated(_in(operand)),
    "gt": lambda operand: lambda value: ordered("gt", value, operand),
    "ge": lambda operand: lambda value: ordered("ge", value, operand),
    "lt": lambda operand: lambda value: ordered("lt", value, operand),
    "le": lambda operand: lambda value: ordered("le", value, operand),
    "exists": lambda operand: lambda _value: bool(operand),
    "prefix": _starts,
    "not-prefix": lambda operand: _negated(_starts(operand)),
    "suffix": _ends,
    "contains": lambda operand: lambda value: contains(value, operand) is True,
    "not-contains": lambda operand: lambda value: contains(value, operand) is False,
    "matches": _matches,
    "not-matches": lambda operand: _not_matching(_matches(operand)),
    "in-prefix": lambda operand: lambda value: inside(value, operand) is True,
    "not-in-prefix": lambda operand: lambda value: inside(value, operand) is False,
    "overlaps": lambda operand: lambda value: overlapping(value, operand) is True,
}
"""Operator → maker of the predicate from the (checked) operand."""

_COST = ("exists", "eq", "in", "ne", "not-in", "prefix", "not-prefix", "suffix", "gt", "ge", "lt", "le", "contains", "not-contains", "in-prefix",
         "not-in-prefix", "overlaps", "matches", "not-matches")  # fmt: skip


def predicate(conditions: Sequence[Condition]) -> Callable[[Fact], bool]:
    """All conditions of a pattern as one function, the cheap ones first."""
    if not conditions:
        return lambda _fact: True
    tests = [(c.field, TESTS[c.op](c.operand), c.op == "exists" and not c.operand)
             for c in sorted(conditions, key=lambda c: _COST.index(c.op))]  # fmt: skip

    def holds(fact: Fact) -> bool:
        get = fact.get
        for name, test, absent in tests:
            value = get(name)
            if absent:
                if value is not None:
                    return False
            elif value is None or not test(value):
                return False
        return True

    return holds


def operand_fault(op: str, operand: Any) -> str:
    """Why ``operand`` cannot stand with ``op``; "" if it can."""
    if op in ("eq", "ne"):
        return "write `exists: false` for a missing field" if operand is None else ""
    if op in ("in", "not-in"):
        return "" if isinstance(operand, tuple) and operand and None not in operand else f"{op} takes a list of values"
    if op in ORDER:
        return "" if number(operand) is not None else f"{op} takes a number"
    if op == "exists":
        return "" if isinstance(operand, bool) else "exists takes true or false"
    if op in ("contains", "not-contains"):
        return f"{op} takes one value" if operand is None or isinstance(operand, (tuple, dict)) else ""
    if op in ("prefix", "not-prefix", "suffix"):
        return "" if _all_text(operand) else f"{op} takes text or a list of texts"
    if op in ("matches", "not-matches"):
        return regex_fault(operand)
    return _prefix_fault(op, operand)


def _all_text(operand: Any) -> bool:
    items = operand if isinstance(operand, tuple) else (operand,)
    return bool(items) and all(isinstance(item, str) and item for item in items)


def _prefix_fault(op: str, operand: Any) -> str:
    if not _all_text(operand):
        return f"{op} takes a prefix (10.0.0.0/8) or a list of prefixes"
    for item in operand if isinstance(operand, tuple) else (operand,):
        try:
            inet.prefix(item)
        except ValueError as error:
            return f"{op} takes a prefix: {error}"
    return ""


def regex_fault(pattern: Any) -> str:
    """Why a regular expression is refused: it is wrong, or some text could keep it busy for ages; "" if it is fine."""
    if not isinstance(pattern, str) or not pattern:
        return "matches takes a regular expression"
    if len(pattern) > MAX_REGEX:
        return f"regular expression longer than {MAX_REGEX} characters"
    # The standard parser is the only one that reads exactly what re accepts.
    from re import _parser  # type: ignore[attr-defined]  # private, and absent from typeshed

    try:
        re.compile(pattern)
        unbounded, choices = _effort(_parser.parse(pattern), looped=False)
    except (re.error, RecursionError, OverflowError) as error:
        return f"bad regular expression: {error}"
    except _SlowRegexError as error:
        return f"regular expression refused: {error}"
    if unbounded > MAX_UNBOUNDED:
        return f"regular expression refused: more than {MAX_UNBOUNDED} unbounded repeats"
    return "" if choices <= MAX_CHOICES else "regular expression refused: too many optional parts"


class _SlowRegexError(Exception):
    """A construct that can take exponential time."""


MAX_COUNTED = 16
"""A repeat that may vary by more than this counts as unbounded."""
MAX_CHOICES = 100_000
"""Ways in which the bounded repeats and alternatives can be taken."""


def _effort(parsed: Any, *, looped: bool) -> tuple[int, int]:
    """Unbounded repeats in a parsed expression, and the product of its bounded choices."""
    unbounded, choices = 0, 1
    for code, argument in parsed:
        name = str(code)
        if name in ("GROUPREF", "GROUPREF_EXISTS", "ASSERT", "ASSERT_NOT"):
            message = "back references and look-around"
            raise _SlowRegexError(message)
        more, ways = _effort_of(name, argument, looped=looped)
        unbounded += more
        choices = min(choices * ways, MAX_CHOICES + 1)
    return unbounded, choices


def _effort_of(name: str, argument: Any, *, looped: bool) -> tuple[int, int]:
    if name.endswith("_REPEAT"):
        return _effort_of_repeat(*argument, looped=looped)
    if name == "BRANCH":
        if looped:
            message = "alternatives inside an unbounded repeat"
            raise _SlowRegexError(message)
        parts = [_effort(branch, looped=False) for branch in argument[1]]
        return max(part[0] for part in parts), sum(part[1] for part in parts)
    if name == "SUBPATTERN":
        return _effort(argument[-1], looped=looped)
    if name == "ATOMIC_GROUP":
        return _effort(argument, looped=looped)
    return 0, 1


def _effort_of_repeat(low: Any, high: Any, body: Any, *, looped: bool) -> tuple[int, int]:
    if looped and low != high:
        message = "a repeat inside an unbounded repeat"
        raise _SlowRegexError(message)
    varies = int(high) - int(low)
    if varies > MAX_COUNTED:
        inner, _ = _effort(body, looped=True)
        return inner + 1, 1
    inner, ways = _effort(body, looped=looped)
    times = min(int(high), 64)
    return inner * times, min(MAX_CHOICES + 1, (varies + 1) * ways**times)
