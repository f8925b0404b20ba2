"""``where``: types are strict, prefixes and expressions safe, and no text from evidence raises."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.facts import Fact
from engine.inference import match
from engine.inference.match import join_key, operand_fault, predicate, regex_fault, same
from engine.rulebase.model import Condition

HOLDS = [
    ("eq", "DROP", "DROP"),
    ("eq", 1, 1),
    ("eq", 1, 1.0),
    ("eq", True, True),
    ("eq", ("a", "b"), ("a", "b")),
    ("ne", "a", "b"),
    ("ne", 1, "1"),
    ("in", ("a", 1), 1),
    ("not-in", ("a", 1), "1"),
    ("gt", 1, 2),
    ("ge", 2, "2"),
    ("lt", 10, "9"),
    ("le", 1.5, "1.5"),
    ("lt", 0, "-3"),
    ("exists", True, ""),
    ("prefix", "DOCKER", "DOCKER-USER"),
    ("prefix", ("KUBE-", "DOCKER"), "DOCKER-USER"),
    ("not-prefix", ("KUBE-", "cali"), "DOCKER-USER"),
    ("suffix", "-USER", "DOCKER-USER"),
    ("contains", "conntrack", "-m conntrack --ctstate NEW"),
    ("contains", "portmap", ("bridge", "portmap")),
    ("contains", "app", {"app": "web"}),
    ("not-contains", "state", "-m conntrack"),
    ("not-contains", "portmap", ("bridge",)),
    ("matches", "veth[0-9a-f]+", "veth12ab"),
    ("not-matches", "veth.*", "eth0"),
    ("in-prefix", "10.0.0.0/8", "10.1.2.3"),
    ("in-prefix", "10.0.0.0/8", "10.1.0.0/16"),
    ("in-prefix", ("192.168.0.0/16", "fd00::/8"), "fd00::1"),
    ("in-prefix", "10.0.0.0/8", ("192.168.0.1", "10.0.0.1")),
    ("not-in-prefix", "10.0.0.0/8", "192.168.0.1"),
    ("not-in-prefix", "10.0.0.0/8", "fd00::1"),
    ("overlaps", "10.1.0.0/16", "10.0.0.0/8"),
    ("overlaps", "10.1.0.0/16", ("172.17.0.0/16", "10.1.2.0/24")),
]
FAILS = [
    ("eq", "1", 1),
    ("eq", 1, True),
    ("eq", True, 1),
    ("in", ("1",), 1),
    ("gt", 1, "x"),
    ("gt", 1, "1_000"),
    ("gt", 0, True),
    ("gt", 0, "9" * 50),
    ("prefix", "1", 10),
    ("contains", "a", 7),
    ("contains", 1, "1"),
    ("matches", "veth", "veth1"),
    ("matches", "a*", "a" * (match.MAX_SUBJECT + 1)),
    ("not-contains", "a", 7),
    ("not-matches", "veth.*", "veth1"),
    ("not-matches", "a*", "b" * (match.MAX_SUBJECT + 1)),
    ("not-matches", "a*", 7),
    ("in-prefix", "10.0.0.0/8", "not an address"),
    ("not-in-prefix", "10.0.0.0/8", "not an address"),
    ("not-in-prefix", "10.0.0.0/8", 7),
    ("overlaps", "10.1.0.0/16", "10.2.0.0/16"),
    ("overlaps", "10.1.0.0/16", "fd00::/8"),
]


def holds(op: str, operand: Any, value: Any) -> bool:
    """Whether one condition holds for one value."""
    return predicate([Condition("f", op, operand)])(Fact("k", {"f": value}))


@pytest.mark.parametrize(("op", "operand", "value"), HOLDS)
def test_holds(op: str, operand: Any, value: Any) -> None:
    """The operator holds for the value."""
    assert operand_fault(op, operand) == ""
    assert holds(op, operand, value)


@pytest.mark.parametrize(("op", "operand", "value"), FAILS)
def test_fails(op: str, operand: Any, value: Any) -> None:
    """The operator does not hold, and nothing raises."""
    assert operand_fault(op, operand) == ""
    assert not holds(op, operand, value)


@pytest.mark.parametrize(("op", "operand"), [(op, operand) for op, operand, _ in HOLDS])
def test_a_missing_field_satisfies_nothing(op: str, operand: Any) -> None:
    """What was not observed is neither equal nor different; only ``exists: false`` holds."""
    assert not predicate([Condition("f", op, operand)])(Fact("k", {}))


def test_exists_false() -> None:
    """``exists: false`` holds exactly for a missing field."""
    test = predicate([Condition("f", "exists", operand=False)])
    assert test(Fact("k", {}))
    assert not test(Fact("k", {"f": 0}))


def test_every_operator_has_a_case() -> None:
    """The tables above cover the whole language."""
    assert {op for op, _, _ in HOLDS} == set(match.TESTS)
    assert set(match._COST) == set(match.TESTS)


def test_node_and_stack_are_fields() -> None:
    """The place of a fact can be tested like a field."""
    assert predicate([Condition("node", "eq", "n1"), Condition("stack", "ne", "host")])(Fact("k", {}, "n1", "web"))


@pytest.mark.parametrize(("op", "operand"), [
    ("eq", None), ("in", "a"), ("in", ()), ("in", (None,)), ("gt", "x"), ("gt", True), ("exists", 1), ("prefix", ""), ("prefix", 1),
    ("suffix", ("a", 1)), ("contains", ("a",)), ("contains", None), ("in-prefix", "10.0.0.0/33"), ("in-prefix", 10), ("overlaps", "here"),
    ("matches", "("),
    ("matches", ""), ("matches", 5),
])  # fmt: skip
def test_operands_that_make_no_sense_are_refused(op: str, operand: Any) -> None:
    """An operand with which the operator can never hold is an error in the rule, not a rule that stays silent."""
    assert operand_fault(op, operand)


@pytest.mark.parametrize("pattern", [
    "(a+)+b", "(a|aa)*b", "(a?){64}a", r"(a)\1", "(?=a)b", "a*b*c*d*", "x" * 201, "(a*){4}", "a?" * 30, "((a{1,16}){4}){4}", "(?>a+)+b",
])  # fmt: skip
def test_expressions_that_could_run_for_ages_are_refused(pattern: str) -> None:
    """Text from a bundle cannot make an expression of a rule take exponential time: such expressions are refused."""
    assert regex_fault(pattern)


@pytest.mark.parametrize("pattern", [
    r"veth[0-9a-f]+", r"(cni|docker|br-).*", r"(\d{1,3}\.){3}\d{1,3}", r".*-m set ! --match-set (\S+) src.*", r"(?:abc)*", r"(?i)kube-.*",
    r"(?>ab)c+",
])  # fmt: skip
def test_useful_expressions_are_accepted(pattern: str) -> None:
    """What rules need is allowed."""
    assert regex_fault(pattern) == ""


@pytest.mark.parametrize("pattern", ["a*a*a*b", "(a{1,16}){4}b", "(a|b|ab){8}c"])
def test_the_slowest_accepted_expression_ends(pattern: str) -> None:
    """The worst that passes the check fails on the longest text within seconds."""
    assert regex_fault(pattern) == ""
    started = time.monotonic()
    assert not holds("matches", pattern, "a" * match.MAX_SUBJECT)
    assert time.monotonic() - started < 30


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def equal(left: Any, right: Any) -> bool:
    """Equality by the language's definition."""
    if left is None or right is None:
        return False
    if isinstance(left, bool) or isinstance(right, bool) or not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
        if type(left) is not type(right):
            return False
        if isinstance(left, tuple):
            return len(left) == len(right) and all(equal(a, b) or a is b is None for a, b in zip(left, right, strict=True))
        if isinstance(left, dict):
            return set(left) == set(right) and all(equal(left[key], right[key]) or left[key] is right[key] is None for key in left)
    return bool(left == right)


@given(VALUES, VALUES)
def test_keys_are_equal_exactly_for_equal_values(left: Any, right: Any) -> None:
    """Two values have one join key exactly if they are equal in value and type."""
    assert same(left, right) is equal(left, right)
    assert same(left, left) is (left is not None)


@given(VALUES, st.sampled_from([(op, operand) for op, operand, _ in HOLDS]))
def test_no_value_raises(value: Any, condition: tuple[str, Any]) -> None:
    """Whatever a bundle holds, a predicate answers."""
    assert holds(condition[0], condition[1], value) in (True, False)


def test_unknown_objects_have_a_key() -> None:
    """Values of other classes are equal to themselves alone."""
    assert join_key(Fact("k", {})) != join_key("k")
