"""What container runtimes would do: docker's free subnets, the order of CNI configurations, published ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.facts import HOST, Fact
from engine.inet import prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.facts import FactBase
    from engine.inet import Prefix


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
