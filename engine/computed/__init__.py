"""Kinds of facts that are computed from others when somebody asks for them; each is imported only then.

A function takes the evidence, or the cluster that is indexed from it, and yields the facts of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.cluster import Cluster
    from engine.facts import Fact, FactBase

OF_EVIDENCE: Final[Mapping[str, str]] = {
    "netfilter_chain": "computed.netfilter:netfilter_chains",
    "netfilter_rule": "computed.netfilter:netfilter_rules",
    "docker_pool": "computed.runtimes:docker_pools",
    "cni_order": "computed.runtimes:cni_orders",
    "published_port": "computed.runtimes:published_ports",
    "room": "computed.rooms:rooms",
    "icmp_report": "computed.icmp_reports:icmp_reports",
    "mtu_gap": "computed.mtu_gaps:mtu_gaps",
    "route_gap": "computed.route_gaps:route_gaps",
    "route_clash": "computed.route_clashes:route_clashes",
    "contested_address": "computed.contested:contested",
    "lost_between": "computed.passages:lost_between",
    "lost_inside": "computed.passages:lost_inside",
    "untranslated": "computed.untranslated:untranslated",
    "grown": "computed.growth:grown",
    "resolver": "computed.names:resolvers",
    "dns_loop": "computed.names:dns_loops",
    "taken_name": "computed.names:taken_names",
    "own_name": "computed.names:own_names",
    "rollout": "computed.work:rollouts",
    "balance": "computed.work:balances",
    "proxy_state": "proxy.gaps:states",
    "proxy_word": "proxy.words:words",
    "vtep_stale": "overlays.vteps:stale",
    "vtep_twin": "overlays.vteps:twins",
    "tunnel_end": "overlays.ends:wrong",
    "path_mismatch": "overlays.paths:mismatches",
    "lease_mismatch": "overlays.leases:mismatches",
}
"""Kind → module and function of the evidence."""

OF_CLUSTER: Final[Mapping[str, str]] = {
    "service_backends": "cluster.flows:service_backends",
    "dns_closed": "cluster.closed:closed_pods",
    "pool_over_nodes": "cluster.pools:covering_pools",
    "foreign_pod": "cluster.strangers:foreign_pods",
    "stray_pod": "cluster.addressing:stray_pods",
    "config_pod": "cluster.addressing:config_pods",
    "cidr_clash": "cluster.addressing:cidr_clashes",
    "unranged_node": "cluster.addressing:unranged_nodes",
    "ipam_range": "cluster.plugins:ipam_ranges",
    "cni_gap": "cluster.plugins:cni_gaps",
    "host_port": "cluster.plugins:host_ports",
    "captured_address": "cluster.plugins:captured_addresses",
    "node_port": "cluster.plugins:node_ports",
    "ipvs_lack": "cluster.plugins:ipvs_lacks",
    "stale_entry": "cluster.plugins:stale_entries",
    "bgp_gap": "cluster.plugins:bgp_gaps",
    "trouble": "cluster.plugins:troubles",
}
"""Kind → module and function of the Kubernetes objects."""


NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "netfilter_chain": ("netfilter_table",),
    "netfilter_rule": ("netfilter_table",),
    "docker_pool": ("container_network",),
    "cni_order": ("cni_config",),
    "published_port": ("container",),
    "icmp_report": ("captured", "observed"),
    "lost_between": ("sighting",),
    "lost_inside": ("sighting",),
    "untranslated": ("sighting",),
    "resolver": ("dns_config",),
    "dns_loop": ("dns_forwarder", "container"),
    "taken_name": ("observed",),
    "own_name": ("host",),
    "service_backends": ("service", "endpoints"),
    "dns_closed": ("network_policy",),
    "pool_over_nodes": ("ippool",),
    "foreign_pod": ("pod",),
}
"""Kind → kinds without any of which there is nothing to compute it from: then its module is not even imported."""


class Expanders(Mapping[str, "Callable[[FactBase], Iterable[Fact]]"]):
    """Computed kinds for :class:`engine.facts.FactBase`."""

    def __getitem__(self, kind: str) -> Callable[[FactBase], Iterable[Fact]]:
        where = OF_CLUSTER.get(kind) or OF_EVIDENCE[kind]

        def computed(base: FactBase) -> Iterable[Fact]:
            if kind in NEEDED and not any(base.of_kind(needed) for needed in NEEDED[kind]):
                return ()
            return _named(where)(_cluster_of(base) if kind in OF_CLUSTER else base)

        return computed

    def __contains__(self, kind: object) -> bool:
        return kind in OF_EVIDENCE or kind in OF_CLUSTER  # without importing it

    def __iter__(self) -> Iterator[str]:
        return iter((*OF_EVIDENCE, *OF_CLUSTER))

    def __len__(self) -> int:
        return len(OF_EVIDENCE) + len(OF_CLUSTER)


def _named(where: str) -> Callable[..., Iterable[Fact]]:
    module, _, name = where.partition(":")
    found: Callable[..., Iterable[Fact]] = getattr(import_module(f"engine.{module}"), name)
    return found


_LAST: list[tuple[FactBase, Cluster]] = []
"""The last cluster that was indexed: a dozen kinds are computed from one."""


def _cluster_of(base: FactBase) -> Cluster:
    if not _LAST or _LAST[0][0] is not base:
        from engine.cluster import Cluster

        _LAST[:] = [(base, Cluster(base))]
    return _LAST[0][1]


EXPANDERS: Final = Expanders()
"""Computed kinds by name."""
