"""``guard``: comparisons across bound facts; the unknown is never true."""

from __future__ import annotations

from typing import Any

import pytest

from engine.facts import Fact, Source
from engine.inference.guards import NAMES, all_hold, holds
from engine.rulebase.model import Guard, Literal, Ref

TRUE = [
    ("eq", 1, 1.0),
    ("ne", "a", "b"),
    ("ne", 1, "1"),
    ("lt", "9", 10),
    ("le", 2, 2),
    ("gt", 3, "2.5"),
    ("ge", "3", "3"),
    ("in", "a", ("a", "b")),
    ("in", "a", "cat"),
    ("not-in", "x", ("a", "b")),
    ("contains", ("a", "b"), "a"),
    ("not-contains", "cat", "dog"),
    ("mentions", "容器web cannot reach it", "web"),
    ("mentions", "pod/web:80 and 10.0.0.1.", "10.0.0.1"),
    ("mentions", "ping Web", "web"),
    ("in-prefix", "10.0.0.1", "10.0.0.0/8"),
    ("in-prefix", "10.0.0.1", ("172.16.0.0/12", "10.0.0.0/8")),
    ("not-in-prefix", "11.0.0.1", "10.0.0.0/8"),
    ("overlaps", "10.0.0.0/8", "10.3.0.0/16"),
    ("not-overlaps", ("10.0.0.0/8",), "11.3.0.0/16"),
]
FALSE = [
    ("eq", 1, "1"),
    ("lt", "x", 10),
    ("not-in", "x", 5),
    ("contains", 5, 5),
    ("mentions", "the webhook of web-1 and my-web", "web"),
    ("mentions", "10.0.0.10 and 110.0.0.1", "10.0.0.1"),
    ("mentions", "anything", ""),
    ("mentions", ("web",), "web"),
    ("not-contains", 5, 5),
    ("in-prefix", "nonsense", "10.0.0.0/8"),
    ("not-in-prefix", "nonsense", "10.0.0.0/8"),
    ("not-overlaps", "10.0.0.0/8", ()),
]


def guard(op: str) -> Guard:
    """Compare field x of two facts."""
    return Guard(Ref("a", "x"), op, Ref("b", "x"))


def bound(left: Any, right: Any) -> dict[str, Fact]:
    """Two bound facts; ``None`` leaves the field out."""
    return {"a": Fact("k", {} if left is None else {"x": left}), "b": Fact("k", {} if right is None else {"x": right})}


@pytest.mark.parametrize(("op", "left", "right"), TRUE)
def test_true(op: str, left: Any, right: Any) -> None:
    """The comparison holds, and no longer if either side is unknown."""
    assert holds(guard(op), bound(left, right))
    assert not holds(guard(op), bound(None, right))
    assert not holds(guard(op), bound(left, None))


@pytest.mark.parametrize(("op", "left", "right"), FALSE)
def test_false(op: str, left: Any, right: Any) -> None:
    """Operands that do not fit the operator make it false, negated or not."""
    assert not holds(guard(op), bound(left, right))


def test_literals() -> None:
    """A side may be a literal."""
    assert all_hold([Guard(Ref("a", "x"), "in", Literal((1, 2)))], bound(1, None))


def test_an_alias_of_another_branch_is_unknown() -> None:
    """A reference to what is not bound makes the guard false."""
    assert not holds(Guard(Ref("c", "x"), "ne", Literal(1)), bound(1, 2))


def line(source: Source, number: int, node: str = "n") -> Fact:
    """A fact read from a line."""
    return Fact("k", {}, node, "host", source, number)


def before(first: Fact, second: Fact) -> bool:
    """``a before b``."""
    return holds(Guard(Ref("a", ""), "before", Ref("b", "")), {"a": first, "b": second})


def test_before_is_by_line_in_one_source() -> None:
    """``before`` holds for a smaller line of the same output of the same node only."""
    text, other = Source("iptables-save"), Source("ip_route")
    assert before(line(text, 3), line(text, 9))
    assert before(line(text, 3), line(Source("iptables-save"), 9))
    assert not before(line(text, 9), line(text, 3))
    assert not before(line(text, 0), line(text, 3))
    assert not before(line(text, 3), line(other, 9))
    assert not before(line(text, 3), line(Source("iptables-save"), 9, "m"))
    assert not before(line(Source(""), 3), line(Source(""), 9))
    assert not holds(Guard(Ref("a", ""), "before", Literal(1)), {"a": line(text, 1)})
    assert not holds(Guard(Ref("a", ""), "before", Ref("b", "")), {"a": line(text, 1)})


def test_every_operator_has_a_case() -> None:
    """The tables above cover the whole language."""
    assert {op for op, _, _ in TRUE} | {"before"} == set(NAMES)
