"""Routes of one table that take each other's packets: two devices or bridges that claim one subnet, and a container's device with the default route.

Such a table is wrong by itself, whatever is asked for; nobody needs to name a destination.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.facts import HOST, Fact
from engine.inet import BITS, in_prefix, prefix, prefixes
from engine.suppose.clues import NICS, TUNNELS, runtime_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.facts import FactBase
    from engine.inet import Prefix

DEFAULTS: Final = frozenset({"0.0.0.0/0", "::/0"})
LINK_LOCAL: Final = prefix("fe80::/10")
CONTAINERS_OWN: Final = re.compile(r"veth.*|ve-.*|vb-.*")
"""Ends of wires into containers: nobody's way out."""


def route_clashes(base: FactBase) -> Iterator[Fact]:
    """A ``route_clash`` fact for every such pair of routes of a node's main table."""
    for node in dict.fromkeys(f.node for kind in ("route", "address") for f in base.of_kind(kind) if f.stack == HOST):
        routes = [f for f in base.at("route", node, HOST) if f.get("type", "unicast") == "unicast" and f.get("table", "main") == "main"]
        yield from _subnets(base, node, routes)
        yield from _twins(base, node, routes)
        yield from _defaults(routes)


def _subnets(base: FactBase, node: str, routes: list[Fact]) -> Iterator[Fact]:
    """A runtime's bridge that claims the subnet of a card or a VPN, or a wider one around it."""
    claims = {(device, net): fact for device, net, fact in reversed(list(_connected(base, node, routes)))}
    bridges = {f.get("bridge") for f in base.of_kind("container_network") if f.node == node}
    masters = {f.get("name"): f.get("master") for f in base.at("link", node, HOST)}
    for (device, net), fact in sorted(claims.items(), key=lambda item: item[0][0]):
        if not (device in bridges or runtime_of(device)):
            continue
        for (card, around), other in claims.items():
            if (NICS.fullmatch(card) or TUNNELS.fullmatch(card)) and masters.get(card) != device and _claims(net, around):
                fields = {"what": "subnet" if net == around else "wider", "route": str(net), "device": device}
                if net == around and _is_stray(base, other, fact):
                    yield _clash(other, {"what": "stray", "route": str(net), "device": card}, {"route": str(net), "device": device}, fact)
                else:
                    yield _clash(fact, fields, {"route": str(around), "device": card}, other)


def _is_stray(base: FactBase, route: Fact, bridges: Fact) -> bool:
    """Whether a card has a subnet by no more than a route that somebody wrote, which stands before the bridge's own."""
    if route.kind != "route" or route.get("protocol", "kernel") == "kernel" or route.get("src"):
        return False
    device, net = route.get("device"), str(route.get("dst"))
    held = (f for f in base.at("address", route.node, HOST) if f.get("device") == device and f.get("family") == route.get("family"))
    before = bridges.kind != "route" or (bridges.source is route.source and route.line < bridges.line)
    return before and not any(in_prefix(str(f.get("address")), net) for f in held)


def _twins(base: FactBase, node: str, routes: list[Fact]) -> Iterator[Fact]:
    """Two bridges of runtimes with one subnet, each a part of the node's own stack: all that is for it goes to the first."""
    off = {f.get("name") for f in base.at("link", node, HOST) if f.get("up") is False}
    first: dict[Prefix, tuple[str, Fact]] = {}
    told: set[tuple[str, str]] = set()
    for device, net, fact in _connected(base, node, routes):
        if fact.kind == "container_network" or device in off or not runtime_of(device) or not _claims(net, net):
            continue
        chosen, own = first.setdefault(net, (device, fact))
        if chosen != device and (chosen, device) not in told:
            told.add((chosen, device))
            yield _clash(own, {"what": "twins", "route": str(net), "device": chosen}, {"route": str(net), "device": device}, fact)


def _connected(base: FactBase, node: str, routes: list[Fact]) -> Iterator[tuple[str, Prefix, Fact]]:
    """(device, subnet, fact) of every subnet that a device of the node claims: by a route, an address, or the network that a runtime made."""
    for fact in routes:
        if fact.get("device") and not fact.get("gateway") and fact.get("dst") not in DEFAULTS:
            yield str(fact.get("device")), prefix(str(fact.get("dst"))), fact
    for fact in base.at("address", node, HOST):
        if fact.get("device") and fact.get("prefixlen") and not fact.get("peer"):
            yield str(fact.get("device")), prefix(f"{fact.get('address')}/{fact.get('prefixlen')}"), fact
    for fact in base.of_kind("container_network"):
        if fact.node == node and fact.get("bridge"):
            yield from ((str(fact.get("bridge")), net, fact) for net in prefixes(fact.get("subnets", ())))


def _claims(net: Prefix, other: Prefix) -> bool:
    """Whether a subnet holds all of another one that is more than a machine's own address (every device has a link-local one)."""
    return not net.overlaps(LINK_LOCAL) and net.overlaps(other) and net.length <= other.length < BITS[other.family] - 1


def _defaults(routes: list[Fact]) -> Iterator[Fact]:
    """A default route by a container's wire that comes before the one by a gateway."""
    for family, default in ((4, "0.0.0.0/0"), (6, "::/0")):
        ways = sorted((f for f in routes if f.get("dst") == default and f.get("family", 4) == family), key=lambda f: int(f.get("metric", 0)))
        proper = next((f for f in ways if f.get("gateway")), None)
        first = next(iter(ways), None)
        if first is None or proper is None or first.get("gateway"):
            continue
        device = str(first.get("device", ""))
        if CONTAINERS_OWN.fullmatch(device) or runtime_of(device):
            theirs = {"route": default, "device": str(proper.get("device", ""))}
            yield _clash(first, {"what": "default", "route": default, "device": device}, theirs, proper)


def _clash(fact: Fact, fields: Mapping[str, str], theirs: Mapping[str, str], other: Fact) -> Fact:
    own: dict[str, object] = {"gateway": "", "metric": int(fact.get("metric", 0)), "other_gateway": str(other.get("gateway", ""))}
    own |= {f"other_{name}": value for name, value in theirs.items()}
    return Fact("route_clash", {**fields, **own}, fact.node, HOST, fact.source, fact.line, fact.shown)
