"""What a question names of a cluster."""

from __future__ import annotations

from engine.cluster.asked import asked
from engine.facts import FactBase
from engine.walk.trace import Flow
from tests.engine.cluster.conftest import node, pod

FACTS = FactBase([node("n1", "10.0.0.1"), pod("shop/web-1", "10.1.1.5", {}), pod("shop/db-0", "10.1.1.6", {})])


def test_names_and_ends() -> None:
    """Whole names in the text, words that were understood, and the ends of flows count; a part of a name does not."""
    assert [f.get("full") for f in asked(FACTS, "pod web-1 on n1: stuck", (), ())] == ["shop/web-1", "n1"]
    assert [f.get("full") for f in asked(FACTS, "web is stuck", (), ())] == []
    assert [f.get("full") for f in asked(FACTS, "web is stuck", ("web",), ())] == ["shop/web-1"]
    flow = Flow("n1", "web", "10.1.1.5", "10.1.1.6", 80, "tcp")
    assert [f.get("full") for f in asked(FACTS, "", (), [flow])] == ["shop/web-1", "shop/db-0"]


def test_nodes_that_only_pods_tell_of() -> None:
    """A listing of pods names nodes too."""
    facts = FactBase([pod("shop/web-1", "10.1.1.5", {}, "n7")])
    assert [(f.get("what"), f.get("full")) for f in asked(facts, "services time out on n7", (), ())] == [("node", "n7")]
