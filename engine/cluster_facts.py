"""What a cluster's API, and the proxies on its nodes, tell of a walked flow: facts beside those that the walk itself derived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.dns_upstreams import dns_upstream
from engine.inet import family_of, to_int

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.facts import Fact
    from engine.model import Network
    from engine.walk.trace import Flow


def facts_of(network: Network, flow: Flow, number: int, walked: Sequence[Fact]) -> list[Fact]:
    """Facts ``service_flow``, ``policy_denies``, ``service_half``, ``dns_upstream`` and ``proxy_gap`` of one flow."""
    upstream = dns_upstream(network, flow, number, walked) if flow.behalf else []
    objects = bool(network.facts.of_kind("pod") or network.facts.of_kind("service"))
    if not objects and not _nobodys(network, flow):
        return upstream
    from engine.cluster import Cluster
    from engine.cluster.flows import facts_of as of_objects
    from engine.proxy.gaps import Proxies
    from engine.proxy.gaps import facts_of as of_proxies
    from engine.service_halves import service_halves

    cluster = Cluster(network.facts)
    said = of_objects(cluster, flow, number, walked) if objects else []
    return [*upstream, *said, *service_halves(network, flow, number, [*walked, *said]), *of_proxies(Proxies(network, cluster), flow, number)]


def _nobodys(network: Network, flow: Flow) -> bool:
    """Whether an address may be a Service's: nobody has it, and there are machines to compare."""
    if len({stack.node for stack in network.stacks.values()}) < 2:
        return False
    return not network.holders(to_int(flow.dst), family_of(flow.dst))
