"""Calico's selector language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cluster.expressions import MAX_DEPTH, SelectorError, holds, keys, parse

LABELS = {"app": "web", "role": "front-end", "projectcalico.org/namespace": "shop"}


@pytest.mark.parametrize(
    ("selector", "answer"),
    [
        ("", True),
        ("all()", True),
        ("global()", False),
        ("app == 'web'", True),
        ('app == "db"', False),
        ("app != 'db'", True),
        ("zone != 'a'", True),
        ("has(app)", True),
        ("!has(app)", False),
        ("!!has(app)", True),
        ("app in { 'db', 'web' }", True),
        ("app in {'db'}", False),
        ("app in {}", False),
        ("app not in {'db'}", True),
        ("zone not in {'a'}", True),
        ("role contains 'nt-e'", True),
        ("role starts with 'front'", True),
        ("role ends with 'end'", True),
        ("zone starts with 'a'", False),
        ("zone ends with 'a'", False),
        ("zone contains 'a'", False),
        ("projectcalico.org/namespace == 'shop' && (app == 'db' || has(role))", True),
        ("app == 'db' || app == 'web' && has(zone)", False),
        ("!(app == 'db') && app == 'web'", True),
    ],
)
def test_holds(selector: str, answer: bool) -> None:
    """As calico's documentation says, && before ||; a key that is absent is unequal to everything."""
    assert holds(selector, LABELS) is answer


BROKEN = ["app", "app ==", "app == web", "(app == 'a'", "has(", "app in {'a'", "&& app", "app = 'a'", "app == 'a' b", "=='a'", "x" * 5000]


@pytest.mark.parametrize("text", BROKEN)
def test_not_in_the_language(text: str) -> None:
    """What is not understood is unknown, and looks at a label that nobody has."""
    with pytest.raises(SelectorError):
        parse(text)
    assert holds(text, LABELS) is None
    assert keys(text) == {""}


def test_bounds() -> None:
    """Nesting is bounded: a hostile selector is unknown."""
    assert holds("(" * (MAX_DEPTH - 1) + "all()" + ")" * (MAX_DEPTH - 1), {}) is True
    assert holds("(" * (MAX_DEPTH + 1) + "all()" + ")" * (MAX_DEPTH + 1), {}) is None


def test_labels_that_nobody_saw() -> None:
    """Unknown, unless the selector looks at none."""
    assert holds("has(app)", None) is None
    assert holds("all()", None) is True
    assert keys("has(a) && b in {'c'}") == {"a", "b"}


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    """Never raises."""
    assert holds(text, LABELS) in (True, False, None)
