"""Calico's pools against the addresses of the cluster's nodes, by the API alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.facts import Fact
from engine.inet import in_prefix, is_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.cluster.inventory import Cluster


def covering_pools(cluster: Cluster) -> Iterator[Fact]:
    """A ``pool_over_nodes`` fact for every pool in use that holds addresses of nodes."""
    for pool in cluster.pools:
        cidr = str(pool.get("cidr", ""))
        if pool.get("disabled") or not cidr or ":" in cidr:
            continue
        held = [(n.name, a) for n in cluster.nodes.values() for a in n.addresses if is_address(a) and ":" not in a and in_prefix(a, cidr)]
        if held:
            fields = {"name": str(pool.get("name", "")), "cidr": cidr, "node_name": held[0][0], "address": held[0][1], "nodes": len(held)}
            yield Fact("pool_over_nodes", fields, pool.node, pool.stack, pool.source, pool.line, pool.text)
