"""Calico's pools against nodes' addresses."""

from __future__ import annotations

import pytest

from engine.cluster import Cluster
from engine.cluster.pools import covering_pools
from engine.facts import Fact, FactBase


@pytest.mark.parametrize(("cidr", "disabled", "nodes"), [("192.168.0.0/16", False, [1]), ("192.168.0.0/16", True, []), ("10.48.0.0/16", False, [])])
def test_covering(cidr: str, disabled: bool, nodes: list[int]) -> None:
    """A pool that is in use and holds a node's address; one that was retired harms nobody."""
    pool = Fact("ippool", {"name": "a", "cidr": cidr, "disabled": disabled, "nat_outgoing": True})
    members = [Fact("k8s_node", {"name": address, "addresses": (address,), "pod_cidrs": ()}) for address in ("192.168.0.21", "192.0.2.9")]
    assert [f.get("nodes") for f in covering_pools(Cluster(FactBase((pool, *members))))] == nodes
