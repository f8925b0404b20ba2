"""What the question says of itself, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.complaint import complaint
from engine.findings import Question
from engine.model import build
from tests.engine.walk.world import lan

if TYPE_CHECKING:
    from engine.facts import Fact


def said(symptom: str, **more: Any) -> list[Fact]:
    """The facts that a symptom gives beside the usual world."""
    return complaint(Question(symptom, "", ())._replace(**more), build(lan().facts()))


def test_every_node_hears_the_symptom() -> None:
    """Rules join the words with a node's evidence, so each node has them; folded, for they are compared with lower-case words."""
    facts = said("Pod  Cannot\nreach DB")
    assert {fact.node for fact in facts} == {"client", "router", "server"}
    assert {fact.get("text") for fact in facts} == {"pod cannot reach db"}


def test_silence_gives_no_fact() -> None:
    """Who says nothing complains of nothing."""
    assert said("  ") == []


def test_the_name_that_was_looked_up_is_told_with_its_dots() -> None:
    """``ndots`` decides by their number."""
    (fact, *_) = said("db.prod.svc does not resolve", name="db.prod.svc", about_names=True)
    assert (fact.get("name"), fact.get("dots"), fact.get("names")) == ("db.prod.svc", 2, True)


def test_a_packet_size_in_the_words_is_told() -> None:
    """A ping with a size asks about large packets."""
    assert [fact.get("large") for fact in said("ping -s 1472 gets no answer")] == [True, True, True]
    assert [fact.get("large") for fact in said("ping gets no answer")] == [False, False, False]


def test_without_kubernetes_objects_none_are_named() -> None:
    """Absent, not empty: that no pod is named says nothing where none is known."""
    assert "pods" not in said("pod web cannot reach db")[0].fields
