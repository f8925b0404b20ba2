"""What a bundle holds."""

from __future__ import annotations

from collectors.evidence import Evidence
from collectors.info import describe
from engine.facts import Fact


def test_nodes_come_with_their_namespaces_and_what_is_missing() -> None:
    """A line a stack, the cluster last, then what was not collected where, notes and warnings."""
    facts = (
        Fact("pod", {"name": "web"}),
        Fact("route", {"dst": "0.0.0.0/0"}, "n1", "web"),
        Fact("link", {"name": "lo"}, "n1"),
        Fact("link", {"name": "eth0"}, "n1"),
        Fact("not_collected", {"what": "ipsets"}, "n1", shown="ipset save: ipset is not installed"),
        Fact("collected", {"what": "routes"}, "n2"),
    )
    assert describe(Evidence(facts, ("odd file",), ("web: joined",))) == [
        "node n1: 2 link",
        "    missing: ipset save: ipset is not installed",
        "  namespace web: 1 route",
        "node n2: nothing but empty listings",
        "cluster: 1 pod",
        "note: web: joined",
        "warning: odd file",
    ]
