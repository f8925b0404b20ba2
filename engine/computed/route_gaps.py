"""Routes that a node ought to have by what else it has: seen from its whole table, without a walk.

The kernel writes a route for the subnet of every address, and a plug-in one for the pods of every other node.  Where one of them is gone its packets
leave by the default route, and nothing on the node refuses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.facts import HOST, Fact
from engine.inet import BITS, Prefix, prefix
from engine.model.links import is_overlay, link_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase

ALIKE: Final = 2
"""Routes to other nodes' pods that make a pattern."""
SHORTEST: Final = 20
"""Length of the widest prefix that a node's pods have."""
WIDER: Final = 8
"""Bits by which the cluster's range is taken to be wider than a node's."""


def route_gaps(base: FactBase) -> Iterator[Fact]:
    """A ``route_gap`` fact for every range that a route leads to on its like, on nodes whose main table was listed whole."""
    for claim in base.of_kind("collected"):
        if claim.get("what") == "routes" and claim.get("scope") in {"main", "all"} and claim.get("family", 4) == 4 and claim.stack == HOST:
            routes = [f for f in base.at("route", claim.node, HOST) if f.get("family", 4) == 4 and f.get("type", "unicast") == "unicast"]
            yield from _subnets(base, claim.node, routes)
            yield from _siblings(base, claim.node, routes)


def _subnets(base: FactBase, node: str, routes: list[Fact]) -> Iterator[Fact]:
    """Subnets of addresses without the route that the kernel gave them."""
    links = {str(f.get("name")): f for f in base.at("link", node, HOST)}
    routed = {str(f.get("dst")) for f in routes}
    for fact in base.at("address", node, HOST):
        length, link = fact.get("prefixlen", 32), links.get(str(fact.get("device")))
        usable = link is not None and link.get("up") and link.get("carrier") is not False and not link.get("master") and link.get("name") != "lo"
        if fact.get("family") != 4 or length >= BITS[4] - 1 or not usable or fact.get("peer"):
            continue
        net = str(prefix(f"{fact.get('address')}/{length}"))
        if net not in routed:
            fields = {"what": "subnet", "device": str(fact.get("device")), "cover": net, "alike": net, "count": 1}
            yield Fact("route_gap", fields, node, HOST, fact.source, fact.line, fact.shown)


def _siblings(base: FactBase, node: str, routes: list[Fact]) -> Iterator[Fact]:
    """The range around routes of one length that lead to other nodes' pods by one tunnel."""
    tunnels = {str(f.get("name")) for f in base.at("link", node, HOST) if is_overlay(link_of([f]))}
    found: dict[tuple[str, Prefix], list[Fact]] = {}
    for fact in routes:
        device, net = str(fact.get("device", "")), prefix(str(fact.get("dst")))
        if SHORTEST <= net.length < BITS[4] and fact.get("gateway") and (device in tunnels or is_overlay(link_of([_named(fact, device)]))):
            found.setdefault((device, prefix(f"{str(net).partition('/')[0]}/{net.length - WIDER}")), []).append(fact)
    for (device, cover), alike in found.items():
        if len({f.get("dst") for f in alike}) >= ALIKE:
            fields = {"what": "sibling", "device": device, "cover": str(cover), "alike": str(alike[0].get("dst")), "count": len(alike)}
            yield Fact("route_gap", fields, node, HOST, alike[0].source, alike[0].line, alike[0].shown)


def _named(fact: Fact, device: str) -> Fact:
    """A device of which nothing but its name is known."""
    return Fact("link", {"name": device}, fact.node, HOST)
