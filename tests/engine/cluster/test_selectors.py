"""Label selectors: the API's own semantics, with unknown as a third answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cluster.selectors import both, either, matches, selects, shown

LABELS = {"app": "web", "tier": "front"}
ANSWERS = st.lists(st.sampled_from([True, False, None]), max_size=6)


@pytest.mark.parametrize(
    ("selector", "answer"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "Near"}]}, None),
        ({"matchExpressions": ["tier"]}, None),
        ({"matchLabels": ["app"]}, None),
        (None, None),
    ],
)
def test_selects(selector: dict[str, Any] | None, answer: bool | None) -> None:
    """All parts must hold; NotIn holds for a key that is absent; what is not understood is unknown."""
    assert selects(selector, LABELS) is answer


def test_labels_that_nobody_saw() -> None:
    """Only an empty selector can be answered without labels."""
    assert selects({}, None) is True
    assert selects({"matchLabels": {"app": "web"}}, None) is None
    assert matches({"app": "web"}, None) is None


def test_matches() -> None:
    """A Service without a selector selects nothing, unlike a policy."""
    assert matches({"app": "web"}, LABELS) is True
    assert matches({"app": "db"}, LABELS) is False
    assert matches({}, LABELS) is False
    assert matches(None, LABELS) is None


@given(ANSWERS)
def test_three_values(answers: list[bool | None]) -> None:
    """An unknown never changes an answer that is decided without it."""
    known = [answer for answer in answers if answer is not None]
    assert both(answers) is (False if False in known else None if None in answers else True)
    assert either(answers) is (True if True in known else None if None in answers else False)


def test_shown() -> None:
    """As ``kubectl -l`` takes it; everything is an empty text."""
    selector = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "a", "operator": "In", "values": ["1", "2"]}, {"key": "b", "operator": "NotIn", "values": ["3"]},
            {"key": "c", "operator": "Exists"}, {"key": "d", "operator": "DoesNotExist"},
        ],
    }
    assert shown(selector) == "app=web,a in (1,2),b notin (3),c,!d"
    assert shown({}) == shown(None) == ""
