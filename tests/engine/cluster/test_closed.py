"""Pods whose policies let no look-up of a name out."""

from __future__ import annotations

from typing import Any

import pytest

from engine.cluster.closed import closed_pods
from tests.engine.cluster.conftest import cluster, node, pod, policy

OWN = {"to": [{"podSelector": {"matchLabels": {"run": "backend"}}}]}


@pytest.mark.parametrize(("egress", "found"), [
    ([], ["shop/client"]),
    ([OWN], ["shop/client"]),
    ([{"ports": [{"port": 8080}]}], ["shop/client"]),
    ([OWN, {"ports": [{"protocol": "UDP", "port": 53}]}], []),
    ([{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}], []),
    ([{"to": [{"namespaceSelector": {}}], "ports": [{"port": 53}]}], []),
    ([{}], []),
])  # fmt: skip
def test_closed(egress: list[dict[str, Any]], found: list[str]) -> None:
    """Only where no rule may let port 53 out to another namespace, or to an address."""
    spec = {"podSelector": {"matchLabels": {"run": "client"}}, "policyTypes": ["Egress"], "egress": egress}
    made = cluster(pod("shop/client", "10.1.1.5", {"run": "client"}), pod("shop/other", "10.1.1.6", {"run": "x"}), policy("shop/egress", spec))
    assert [fact.get("full") for fact in closed_pods(made)] == found


def test_a_pod_in_its_nodes_network_is_not_closed() -> None:
    """Policies select it by its labels all the same, and count for nothing: its packets are the node's."""
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": []}
    facts = (node("n1", "10.0.0.1"), pod("shop/agent", "10.0.0.1", {"run": "agent"}, host_network=None), pod("shop/web", "10.1.1.5", {}))
    assert [fact.get("full") for fact in closed_pods(cluster(*facts, policy("shop/all", spec)))] == ["shop/web"]
