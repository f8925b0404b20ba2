"""Facts that are computed from others when somebody asks: the chains and rules of iptables tables, and docker's address pools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from engine.facts import HOST, Fact
from engine.icmp_reports import icmp_reports
from engine.inet import prefix
from engine.namefacts import dns_loops, own_names, resolvers, taken_names
from engine.workfacts import balances, rollouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from engine.cluster import Cluster
    from engine.facts import ChainText, FactBase
    from engine.inet import Prefix

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"?')
_TARGET = re.compile(r"(?<!\S)(?:-j|-g|--jump|--goto)\s+(\S+)")


def target_of(spec: str) -> str:
    """Jump target of a rule in ``iptables-save`` words, "" if it has none."""
    if '"' in spec:  # a comment may hold anything
        spec = _QUOTED.sub('""', spec)
    found = _TARGET.search(spec)
    return found[1] if found else ""


def netfilter_chains(base: FactBase) -> Iterator[Fact]:
    """A ``netfilter_chain`` fact for every chain of every iptables table."""
    for table, common, chain in _chains(base):
        fields = {**common, "name": chain.name, "rule_count": len(chain.rules)}
        if chain.policy:
            fields["policy"] = chain.policy
        if chain.packets is not None:
            fields["packets"] = chain.packets
        yield Fact("netfilter_chain", fields, table.node, table.stack, table.source, chain.line)


def netfilter_rules(base: FactBase) -> Iterator[Fact]:
    """A ``netfilter_rule`` fact for every rule of every iptables table."""
    for table, common, chain in _chains(base):
        for number, rule in enumerate(chain.rules, 1):
            fields = {**common, "chain": chain.name, "number": number, "spec": rule.spec, "target": target_of(rule.spec)}
            if rule.packets is not None:
                fields["packets"] = rule.packets
            yield Fact("netfilter_rule", fields, table.node, table.stack, table.source, rule.line)


def _chains(base: FactBase) -> Iterator[tuple[Fact, dict[str, object], ChainText]]:
    for table in base.of_kind("netfilter_table"):
        # "" for a backend that the output does not tell, so that rules can join chains of one table by it.
        common = {"backend": "", **{name: table.fields[name] for name in ("backend", "family", "table") if name in table.fields}}
        for chain in table.fields.get("chains", ()):
            yield table, common, chain


DOCKER_POOLS: Final = (
    *(f"172.{n}.0.0/16" for n in range(17, 32)),
    *(f"192.168.{n}.0/20" for n in range(0, 256, 16)),
)
"""Subnets that docker gives to networks if daemon.json names no pools (``libnetwork/ipamutils``)."""


BLOCKING: Final = frozenset({"unreachable", "blackhole", "prohibit"})
"""Types of routes that lead nowhere."""


def docker_pools(base: FactBase) -> Iterator[Fact]:
    """A ``docker_pool`` fact for each of docker's default subnets, on nodes that show docker's networks and their routes.

    Docker passes over what a network of its own or a route without a gateway overlaps (measured on 20.10); older releases over what any
    route does (``netutils.CheckRouteOverlaps``): such a subnet is ``routed``.
    """
    nodes = {f.node for f in base.of_kind("container_network") if f.fields.get("runtime") == "docker"}
    for node in sorted(nodes):
        takers = list(_takers(base, node))
        if any(kind != "network" for kind, _, _ in takers):
            yield from (_pool(node, cidr, takers) for cidr in DOCKER_POOLS)


def _takers(base: FactBase, node: str) -> Iterator[tuple[str, Prefix, Fact]]:
    """(network, route or routed, prefix, fact) of what docker's subnets must not overlap; a default route and what is no prefix take nothing."""
    for kind, text, fact in _said(base, node):
        try:
            net = prefix(text)
        except ValueError:
            continue
        if net.length:
            yield kind, net, fact


def _said(base: FactBase, node: str) -> Iterator[tuple[str, str, Fact]]:
    bridges = set()
    for fact in base.of_kind("container_network"):
        if fact.node == node and fact.fields.get("runtime") == "docker":
            bridges.add(fact.fields.get("bridge"))
            yield from (("network", str(subnet), fact) for subnet in fact.fields.get("subnets", ()))
    for fact in base.at("route", node, HOST):
        get = fact.fields.get
        if get("nexthops") or get("type", "unicast") not in {"unicast", *BLOCKING} or get("device") in bridges or get("family", 4) != 4:
            continue
        routed = bool(get("gateway")) or get("type") in BLOCKING
        if routed and {"dead", "linkdown"} & set(get("flags", ())):
            continue
        yield "routed" if routed else "route", str(get("dst")), fact


def _pool(node: str, cidr: str, takers: list[tuple[str, Prefix, Fact]]) -> Fact:
    net = prefix(cidr)
    for kind, other, fact in takers:
        if net.overlaps(other):
            name = fact.fields.get("name") if kind == "network" else fact.fields.get("device")
            fields = {"cidr": cidr, "taken": kind, "by": str(other), "name": str(name or "")}
            return Fact("docker_pool", fields, node, HOST, fact.source, fact.line, fact.shown)
    return Fact("docker_pool", {"cidr": cidr}, node, HOST)


def cni_orders(base: FactBase) -> Iterator[Fact]:
    """A ``cni_order`` fact for every CNI configuration that a runtime reads (``libcni`` ``ConfFiles``: sorted by name)."""
    by_node: dict[tuple[str, str], list[Fact]] = {}
    for fact in base.of_kind("cni_config"):
        if not fact.fields.get("disabled") and not fact.fields.get("error"):
            by_node.setdefault((fact.node, fact.stack), []).append(fact)
    for (node, stack), files in by_node.items():
        files.sort(key=lambda fact: str(fact.fields.get("file", "")).rpartition("/")[2])
        for place, fact in enumerate(files, 1):
            yield Fact("cni_order", {"file": fact.fields.get("file", ""), "place": place}, node, stack, fact.source, fact.line, fact.shown)


def published_ports(base: FactBase) -> Iterator[Fact]:
    """A ``published_port`` fact for every port of an IPv4 address that a running container publishes."""
    networks = {(f.node, f.fields.get("name")): f for f in base.of_kind("container_network")}
    for one in base.of_kind("container"):
        endpoints = [e for e in one.fields.get("endpoints") or () if e.get("address") and ":" not in e["address"]]
        # A listing of containers alone (docker ps) tells ports and no addresses.
        if one.fields.get("state") != "running" or (not endpoints and "endpoints" in one.fields):
            continue
        # The runtime publishes on the network that has the container's default gateway: the first by name of those that are no internal ones.
        end: Mapping[str, Any] = min(endpoints, key=lambda e: (not e.get("gateway"), e.get("network", "")), default={})
        network = networks.get((one.node, end.get("network")))
        common = {name: one.fields[field] for name, field in (("runtime", "runtime"), ("container", "name")) if field in one.fields}
        if end:
            common |= {"address": end["address"], "network": end.get("network", "")}
        if network is not None and network.fields.get("bridge"):
            common["bridge"] = network.fields["bridge"]
        for port in one.fields.get("ports") or ():
            host = str(port.get("host_ip") or "")
            if ":" not in host:
                fields = {
                    **common,
                    **{name: port[name] for name in ("host_port", "container_port", "protocol")},
                    "host_ip": "" if host == "0.0.0.0" else host,  # noqa: S104 - read, not bound
                }
                yield Fact("published_port", fields, one.node, one.stack, one.source, one.line, one.shown)


def vtep_stale(base: FactBase) -> Iterator[Fact]:
    """See :func:`engine.overlays.vteps.stale`; imported only where a rule asks."""
    from engine.overlays import vteps

    return vteps.stale(base)


def vtep_twins(base: FactBase) -> Iterator[Fact]:
    """See :func:`engine.overlays.vteps.twins`."""
    from engine.overlays import vteps

    return vteps.twins(base)


def service_backends(base: FactBase) -> Iterable[Fact]:
    """A ``service_backends`` fact for every port of every Kubernetes Service, and for Services that only empty endpoints tell of."""
    if not (base.of_kind("service") or base.of_kind("endpoints")):
        return ()
    from engine.cluster.flows import service_backends as backends_of
    from engine.cluster.inventory import Cluster

    return backends_of(Cluster(base))


def tunnel_ends(base: FactBase) -> Iterator[Fact]:
    """See :func:`engine.overlays.ends.wrong`."""
    from engine.overlays import ends

    return ends.wrong(base)


def mtu_gaps(base: FactBase) -> Iterable[Fact]:
    """A ``mtu_gap`` fact for every network that is wider than the card of its node."""
    from engine.mtu_gaps import mtu_gaps as gaps_of

    return gaps_of(base)


def route_gaps(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.route_gaps.route_gaps`."""
    from engine.route_gaps import route_gaps as found

    return found(base)


def route_clashes(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.route_clashes.route_clashes`."""
    from engine.route_clashes import route_clashes as found

    return found(base)


def contested_addresses(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.contested.contested`."""
    from engine.contested import contested

    return contested(base)


def lost_between(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.passages.lost_between`."""
    if not base.of_kind("sighting"):
        return ()
    from engine.passages import lost_between as found

    return found(base)


def lost_inside(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.passages.lost_inside`."""
    if not base.of_kind("sighting"):
        return ()
    from engine.passages import lost_inside as found

    return found(base)


def untranslated(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.untranslated.untranslated`."""
    if not base.of_kind("sighting"):
        return ()
    from engine.untranslated import untranslated as found

    return found(base)


def grown(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.growth.grown`."""
    from engine.growth import grown as found

    return found(base)


def proxy_states(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.proxy.gaps.states`."""
    from engine.proxy import gaps

    return gaps.states(base)


def foreign_pods(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.cluster.strangers.foreign_pods`."""
    if not base.of_kind("pod"):
        return ()
    from engine.cluster.inventory import Cluster
    from engine.cluster.strangers import foreign_pods as foreign

    return foreign(Cluster(base))


def pools_over_nodes(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.cluster.pools.covering_pools`."""
    if not base.of_kind("ippool"):
        return ()
    from engine.cluster.inventory import Cluster
    from engine.cluster.pools import covering_pools

    return covering_pools(Cluster(base))


def closed_pods(base: FactBase) -> Iterable[Fact]:
    """See :func:`engine.cluster.closed.closed_pods`."""
    if not base.of_kind("network_policy"):
        return ()
    from engine.cluster.closed import closed_pods as closed
    from engine.cluster.inventory import Cluster

    return closed(Cluster(base))


def proxy_words(base: FactBase) -> Iterator[Fact]:
    """See :func:`engine.proxy.words.words`."""
    from engine.proxy import words

    return words.words(base)


def path_mismatches(base: FactBase) -> Iterator[Fact]:
    """See :func:`engine.overlays.paths.mismatches`."""
    from engine.overlays import paths

    return paths.mismatches(base)


def lease_mismatches(base: FactBase) -> Iterator[Fact]:
    """See :func:`engine.overlays.leases.mismatches`."""
    from engine.overlays import leases

    return leases.mismatches(base)


def rooms(base: FactBase) -> Iterator[Fact]:
    """A ``room`` fact for every stack whose connection tracking table or local ports were seen: full, or far from that (less than four fifths)."""
    from engine.local_ports import rooms as ports

    yield from ports(base)
    values: dict[tuple[str, str], dict[str, Fact]] = {}
    for fact in base.of_kind("sysctl"):
        if str(fact.fields.get("key", "")).endswith(("nf_conntrack_count", "nf_conntrack_max")):
            values.setdefault((fact.node, fact.stack), {})[str(fact.fields["key"]).rpartition("_")[2]] = fact
    for (node, stack), found in values.items():
        count, most = (str(found[name].fields.get("value", "")) if name in found else "" for name in ("count", "max"))
        if count.isdecimal() and most.isdecimal() and int(most):
            used, bound = int(count), int(most)
            key = str(found["max"].fields["key"])
            fields = {"resource": "conntrack", "free": used * 5 < bound * 4, "full": used >= bound, "used": used, "max": bound, "key": key, "lost": 0}
            yield Fact("room", fields, node, stack, found["count"].source, found["count"].line)


_LAST: list[tuple[FactBase, Cluster]] = []
"""The last cluster that was indexed: a dozen kinds are computed from one."""


def _cluster_of(base: FactBase) -> Cluster:
    if not _LAST or _LAST[0][0] is not base:
        from engine.cluster import Cluster

        _LAST[:] = [(base, Cluster(base))]
    return _LAST[0][1]


def _of_cluster(name: str) -> Callable[[FactBase], Iterable[Fact]]:
    """A computed kind of the cluster's addresses and plug-ins; imported only where a rule asks."""

    def expanded(base: FactBase) -> Iterable[Fact]:
        from engine.cluster import addressing, plugins

        found: Callable[[Cluster], Iterable[Fact]] = getattr(plugins, name, None) or getattr(addressing, name)
        return found(_cluster_of(base))

    return expanded


EXPANDERS: Final[Mapping[str, Callable[[FactBase], Iterable[Fact]]]] = {
    "netfilter_chain": netfilter_chains,
    "netfilter_rule": netfilter_rules,
    "docker_pool": docker_pools,
    "cni_order": cni_orders,
    "proxy_state": proxy_states,
    "proxy_word": proxy_words,
    "dns_closed": closed_pods,
    "pool_over_nodes": pools_over_nodes,
    "foreign_pod": foreign_pods,
    "stray_pod": _of_cluster("stray_pods"),
    "config_pod": _of_cluster("config_pods"),
    "cidr_clash": _of_cluster("cidr_clashes"),
    "unranged_node": _of_cluster("unranged_nodes"),
    "ipam_range": _of_cluster("ipam_ranges"),
    "cni_gap": _of_cluster("cni_gaps"),
    "host_port": _of_cluster("host_ports"),
    "captured_address": _of_cluster("captured_addresses"),
    "node_port": _of_cluster("node_ports"),
    "ipvs_lack": _of_cluster("ipvs_lacks"),
    "stale_entry": _of_cluster("stale_entries"),
    "bgp_gap": _of_cluster("bgp_gaps"),
    "trouble": _of_cluster("troubles"),
    "icmp_report": icmp_reports,
    "published_port": published_ports,
    "room": rooms,
    "service_backends": service_backends,
    "mtu_gap": mtu_gaps,
    "route_gap": route_gaps,
    "route_clash": route_clashes,
    "contested_address": contested_addresses,
    "lost_between": lost_between,
    "lost_inside": lost_inside,
    "untranslated": untranslated,
    "grown": grown,
    "resolver": resolvers,
    "dns_loop": dns_loops,
    "taken_name": taken_names,
    "own_name": own_names,
    "rollout": rollouts,
    "balance": balances,
    "vtep_stale": vtep_stale,
    "vtep_twin": vtep_twins,
    "tunnel_end": tunnel_ends,
    "path_mismatch": path_mismatches,
    "lease_mismatch": lease_mismatches,
}
"""Computed kinds for :class:`engine.facts.FactBase`."""
