"""What routing decided on a failed walk, and what else there was: the facts that rules about routes are made of.

The walk says where a packet ended.  Here the decisions behind it are looked at once more: the lookup that found nothing (or a blocking route), the
routes that were passed over although they lead on, and the neighbours that would take the packet to where no route leads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.facts import Fact
from engine.inet import BITS, Prefix, family_of, in_prefix, prefix, to_int
from engine.model.fib import ENDING_TYPES, Found, Key, Route
from engine.model.network import Network, Port
from engine.walk.layer2 import on_link, resolve, source_prefix, usable
from engine.walk.routing import forwarding
from engine.walk.wires import bridge_like

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.model.stack import NetStack

ROUTING = frozenset({"no-route", "blocked-route"})
"""Ends (``drop.by``) that a lookup itself is."""
ASTRAY = ROUTING | {"neighbor", "forwarding", "device", "loop"}
"""Ends that show that a packet is not where it belongs."""
FILTERED = frozenset({"policy", "rule", "rp-filter"})
"""Ends that show so only on a machine that does not hold the destination."""
MAX_WAYS = 4
"""Other ways told of one decision."""
MAX_STACKS = 8
"""Stacks that a way is followed through."""
TUNNELS = frozenset({"vxlan", "ipip", "sit", "gre", "tun", "wireguard", "geneve"})
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10")
"""Ranges that a default route to the internet is not asked for."""


def ways(network: Network, facts: Sequence[Fact]) -> list[Fact]:
    """Facts ``lookup`` and ``other_way`` for the derived facts of a walk that failed."""
    found: list[Fact] = []
    for end in (f for f in facts if f.kind in {"drop", "left_evidence"}):
        stack = network.stack(end.node, end.stack)
        if stack is None or not _is_address(end, "dst"):
            continue
        if end.fields.get("by") in ROUTING or _unheard(end):
            found.append(_lookup(network, stack, end))
        if _astray(network, end):
            found.extend(_others_of(network, end, facts))
    return found


def _unheard(end: Fact) -> bool:
    """Whether the packet was handed to a gateway that does not answer, or that nobody saw."""
    return (end.fields.get("by") == "neighbor" and bool(end.fields.get("gateway"))) or end.kind == "left_evidence"


def _is_address(fact: Fact, name: str) -> bool:
    try:
        return bool(to_int(str(fact.fields.get(name, "")))) or True
    except ValueError:
        return False


def _astray(network: Network, end: Fact) -> bool:
    by, dst = end.fields.get("by"), str(end.fields["dst"])
    if end.kind == "left_evidence" or by in ASTRAY:
        return True
    return by in FILTERED and not any((s.node, s.name) == (end.node, end.stack) for s in network.holders(to_int(dst), family_of(dst)))


def _made(kind: str, about: Fact, stack: NetStack, origin: Fact | None, **fields: Any) -> Fact:
    """A derived fact of the same flow and direction, with the line of its origin."""
    shared = {name: about.fields[name] for name in ("flow", "direction", "src", "dst", "in_device", "source_prefix") if name in about.fields}
    told = {name: value for name, value in fields.items() if value is not None}
    if origin is None:
        return Fact(kind, {**shared, **told}, stack.node, stack.name)
    return Fact(kind, {**shared, **told}, stack.node, stack.name, origin.source, origin.line, origin.shown)


# --- the lookup that failed ---------------------------------------------------------------------------------------


def _key(end: Fact) -> Key:
    get = end.fields.get
    dst, src = str(get("dst")), str(get("src") or "")
    family = family_of(dst)
    source = to_int(src) if src and family_of(src) == family else 0
    protocol, sport, dport = str(get("protocol") or ""), int(get("sport") or 0), int(get("dport") or 0)
    return Key(family, to_int(dst), source or None, str(get("in_device") or ""), "", int(get("mark") or 0), protocol, sport, dport)


def _lookup(network: Network, stack: NetStack, end: Fact) -> Fact:
    key = _key(end)
    found = stack.fib.lookup(key)
    route, rule = found.route, found.rule
    consulted = {rule.table, *found.tried} if rule is not None else set(found.tried)
    there = [r for r in stack.fib.routes if r.table in consulted and r.dst.family == key.family and r.type == "unicast"]
    dst = str(end.fields["dst"])
    gateway_routes = sum(any(h.gateway for h in r.hops) for r in there)
    return _made(
        "lookup",
        end,
        stack,
        route.fact if route is not None else rule.fact if rule is not None else None,
        type=found.type,
        by="route" if route is not None else "rule" if rule is not None else "",
        **_told(route),
        priority=rule.priority if rule is not None else None,
        policy=_policy(found),
        has_default=any(r.dst.length == 0 for r in there),
        gateway_routes=gateway_routes,
        dst_prefix=source_prefix(network, key.dst, key.family, dst),
        down_device=_down(stack, key.family),
        holder_device=_wire_to(network, stack, key),
        gateway_on_link=_on_link(stack, route, key.family),
        **_next_hop(network, stack, dst),
        **_around(network, stack, key, found),
        public=not any(family_of(p.partition("/")[0]) == key.family and in_prefix(dst, p) for p in PRIVATE),
    )


def _down(stack: NetStack, family: int) -> str | None:
    """A device that is down although it has an address: the kernel took its routes away."""
    # Addresses of Services stand on dummy devices that are never up.
    names = (a.device for a in stack.addresses if a.family == family and a.device != "lo" and a.prefixlen < BITS[family])
    return next((name for name in names if stack.link(name).up is False), None)


def _on_link(stack: NetStack, route: Route | None, family: int) -> bool | None:
    """Whether the gateway of a route is in a subnet of its device; ``None`` without a gateway, or where the device has no subnet."""
    hop = route.hops[0] if route is not None else None
    if hop is None or not hop.gateway or family_of(hop.gateway) != family:
        return None
    if not any(a.prefixlen < BITS[family] for a in stack.addresses_of(hop.device, family)):
        return None
    return bool(on_link(stack, hop.device, to_int(hop.gateway), family))


def _wire_to(network: Network, stack: NetStack, key: Key) -> str | None:
    """The device whose other end holds the destination (a routed veth, as calico makes them)."""
    for link in stack.links.values():
        peer = network.peer(Port(stack, link))
        if peer is not None and not link.master and peer.stack.own(key.dst, key.family) is not None:
            return link.name
    return None


def _told(route: Route | None, head: str = "") -> dict[str, Any]:
    """Fields of a route; ``head`` goes in front of their names."""
    if route is None:
        return {}
    hop, get = route.hops[0], route.fact.fields.get
    fields = {"route": str(route.dst), "table": route.table, "device": hop.device, "gateway": hop.gateway, "metric": route.metric}
    more = {"protocol": get("protocol", ""), "scope": get("scope", ""), "preferred": route.src}
    return {head + name: value for name, value in {**fields, **more}.items()}


def _policy(found: Found) -> str | None:
    """The policy rule, in iproute2's words, where it is not one of every kernel's own."""
    fact = found.rule.fact if found.rule is not None else None
    if fact is None or fact.fields.get("priority") in {0, 32766, 32767}:
        return None
    return " ".join(fact.text.split())


# --- next hops that would take the packet -------------------------------------------------------------------------


def _next_hop(network: Network, stack: NetStack, dst: str) -> dict[str, str]:
    """The best next hop for a destination on this stack's segments: one that forwards there, else the one that its neighbours or its runtime name."""
    family = family_of(dst)
    found = [*_forwarders(network, stack, Key(family, to_int(dst))), *_siblings(network, stack, family), *_told_by_runtime(network, stack)]
    return dict(zip(("via", "via_device", "via_how"), found[0], strict=True)) if found else {}


def _forwarders(network: Network, stack: NetStack, key: Key) -> list[tuple[str, str, str]]:
    ranked: list[tuple[bool, str, str, str]] = []
    for other in network.stacks.values():
        if other is stack:
            continue
        for address in other.addresses:
            device = _shared(stack, address.value, key.family) if address.family == key.family else ""
            if not device or address.device == "lo":
                continue
            answering = resolve(network, Port(stack, stack.link(device)), address.value, key.family).stations
            way = other.fib.lookup(key._replace(iif=address.device))
            if answering[:1] and answering[0].stack is other and _takes(network, other, way, key._replace(iif=address.device)):
                near = way.route is not None and not way.route.hops[0].gateway
                ranked.append((not near, address.text, device, "forwards"))
    return [one[1:] for one in sorted(ranked, key=lambda one: (one[0], one[2], one[1]))]


def _takes(network: Network, stack: NetStack, way: Found, key: Key) -> bool:
    """Whether a stack takes packets for an address from a device (``iif``) and brings them nearer."""
    if way.type == "local":
        return True
    if way.type != "unicast" or way.route is None or forwarding(stack, key.iif, key.family).on is False:
        return False
    return way.route.hops[0].device != key.iif and bool(_leads(network, stack, way.route, key))


def _shared(stack: NetStack, value: int, family: int) -> str:
    """Device of the stack whose subnet holds an address, and that can carry frames; its own addresses are no neighbours."""
    if stack.own(value, family) is not None:
        return ""
    names = (a.device for a in stack.addresses if a.family == family and 0 < a.prefixlen < BITS[family] and a.network.holds(value))
    return next((name for name in names if name != "lo" and usable(Port(stack, stack.link(name)))), "")


def _siblings(network: Network, stack: NetStack, family: int) -> list[tuple[str, str, str]]:
    """The default gateway of others in the same subnet."""
    found: list[tuple[str, str, str]] = []
    for other in network.stacks.values():
        for route in other.fib.routes if other is not stack else ():
            gateway = route.hops[0].gateway
            if route.dst.length or route.dst.family != family or not gateway or family_of(gateway) != family or route.table != "main":
                continue
            device = _shared(stack, to_int(gateway), family)
            if device:
                found.append((gateway, device, "sibling"))
    return found


def _told_by_runtime(network: Network, stack: NetStack) -> list[tuple[str, str, str]]:
    """The gateway of a container network or CNI configuration of the node whose subnet this stack is in."""
    named: list[str] = []
    for fact in network.facts.of_kind("container_network"):
        named += [str(g) for g in fact.fields.get("gateways", ()) if fact.node == stack.node]
    for fact in network.facts.of_kind("cni_config"):
        named += [str(fact.fields["gateway"])] if fact.node == stack.node and fact.fields.get("gateway") else []
    found: list[tuple[str, str, str]] = []
    for gateway in named:
        device = _shared(stack, to_int(gateway), family_of(gateway))
        if device:
            found.append((gateway, device, "runtime"))
    return found


# --- a way around a route that blocks ------------------------------------------------------------------------------


def _around(network: Network, stack: NetStack, key: Key, found: Found) -> dict[str, str]:
    """An exception from a blocking route that the kernel takes and that beats it; nothing where no way is left that leads there.

    The way is the one that the packet would take without that route, else a neighbour that is seen to forward there.
    """
    blocking = found.route
    if blocking is None or found.type not in ENDING_TYPES:
        return {}
    rest = stack.fib.lookup(key, skip=lambda route: route is blocking)
    if rest.type == "unicast" and rest.route is not None and _leads(network, stack, rest.route, key):
        hop, within = rest.route.hops[0], rest.route.dst
        ways_ = [(hop.gateway, hop.device)]
    else:
        within = blocking.dst
        # A destination is no gateway to itself.
        ways_ = [(via, device) for via, device, _ in _forwarders(network, stack, key) if to_int(via) != key.dst]
    for gateway, device in ways_:
        narrow = _narrower(network, stack, key, blocking, within)
        if narrow is not None and _takes_gateway(stack, gateway, device, key.family):
            told = {"around": str(narrow), "around_device": device, "around_gateway": gateway}
            return {name: value for name, value in told.items() if value}
    return {}


def _narrower(network: Network, stack: NetStack, key: Key, blocking: Route, within: Prefix) -> Prefix | None:
    """The destination's subnet, else its address alone: inside both routes, more specific than the blocking one, and free in its table."""
    host = Prefix(key.family, key.dst, BITS[key.family])
    taken = {r.dst for r in stack.fib.routes if r.table == blocking.table}
    for net in (prefix(source_prefix(network, key.dst, key.family, str(host))), host):
        if net.holds(key.dst) and net.length > blocking.dst.length and blocking.dst.covers(net) and within.covers(net) and net not in taken:
            return net
    return None


def _takes_gateway(stack: NetStack, gateway: str, device: str, family: int) -> bool:
    """Whether the kernel finds a gateway on-link when it is asked to add the route.

    It looks for routes of scope link: those that block, and those by gateways, are of a wider one (``fib_check_nh_v4_gw``).
    """
    if not gateway:
        return True
    if family_of(gateway) != family:
        return False
    key = Key(family, to_int(gateway), oif=device)
    return stack.fib.lookup(key, skip=lambda route: route.type in ENDING_TYPES or bool(route.hops[0].gateway)).type == "unicast"


# --- routes that were passed over ---------------------------------------------------------------------------------


def _others_of(network: Network, end: Fact, facts: Sequence[Fact]) -> Iterator[Fact]:
    """For every routing decision of that direction: the routes that cover the destination, were not taken, and lead on."""
    decisions = [f for f in facts if f.kind == "hop" and f.fields.get("direction") == end.fields.get("direction")]
    for hop in decisions:
        stack = network.stack(hop.node, hop.stack)
        if stack is not None and hop.fields.get("table") != "local":
            chosen = _chosen(stack, hop)
            if chosen is not None:
                yield from _others(network, stack, hop, chosen, _rule_to(stack, chosen.table, hop), end)
    stack = network.stack(end.node, end.stack)
    if end.fields.get("by") in ROUTING and stack is not None:
        found = stack.fib.lookup(_key(end))
        yield from _others(network, stack, end, found.route, found, end)


def _chosen(stack: NetStack, hop: Fact) -> Route | None:
    """The route that a ``hop`` fact speaks of."""
    get = hop.fields.get
    for route in stack.fib.routes:
        if str(route.dst) == get("route") and route.table == get("table") and any(h.device == get("out_device") for h in route.hops):
            gateways = {h.gateway for h in route.hops}
            if not get("gateway") or get("gateway") in gateways:
                return route
    return None


def _rule_to(stack: NetStack, table: str, hop: Fact) -> Found:
    """The policy rule that sends a packet like this one to a table (whatever its mark)."""
    key = _key(hop)
    for rule in stack.fib.rules[key.family]:
        if rule.table == table and rule.action == "lookup":
            mark = int(rule.fact.fields.get("fwmark") or 0) if rule.fact is not None else 0
            # A rule for all packets but those of a mark ("not fwmark 1") takes this one as it is.
            for each in dict.fromkeys((key.mark, mark)):
                found = stack.fib.lookup(key._replace(mark=each))
                if found.rule is rule:
                    return found
    return Found("unicast")


def _others(  # noqa: PLR0917 - private; all of one decision
    network: Network, stack: NetStack, decision: Fact, chosen: Route | None, found: Found, end: Fact
) -> Iterator[Fact]:
    dst = str(decision.fields["dst"])
    family, value = family_of(dst), to_int(dst)
    tables = [rule.table for rule in stack.fib.rules[family] if rule.action == "lookup" and rule.table != "local"]
    told: set[tuple[str, str, str]] = set()
    for table in dict.fromkeys(tables):
        content = stack.fib.tables.get((family, table))
        for route in content.matches(value, family) if content is not None else ():
            if route is chosen or route.type != "unicast" or _same_way(route, chosen) or len(told) >= MAX_WAYS:
                continue
            leads = _leads(network, stack, route, Key(family, value))
            key = (table, route.hops[0].device, route.hops[0].gateway)
            if leads and key not in told:
                told.add(key)
                yield _other(network, stack, decision, chosen, found, end, route, leads)


def _same_way(route: Route, chosen: Route | None) -> bool:
    return chosen is not None and (route.hops[0].device, route.hops[0].gateway) == (chosen.hops[0].device, chosen.hops[0].gateway)


def _value(decision: Fact) -> tuple[int, int]:
    dst = str(decision.fields["dst"])
    return to_int(dst), family_of(dst)


def _fwmark(stack: NetStack, route: Route) -> int | None:
    """The mark that leads to a route's table, where only marked packets are sent there."""
    rules = [r for r in stack.fib.rules[route.dst.family] if r.table == route.table and r.action == "lookup"]
    marks = [r.fact.fields.get("fwmark") if r.fact is not None else None for r in rules]
    return marks[0] if marks and None not in marks else None


def _other(  # noqa: PLR0917 - private, called once
    network: Network, stack: NetStack, decision: Fact, chosen: Route | None, found: Found, end: Fact, route: Route, leads: str
) -> Fact:
    before = chosen.fact if chosen is not None else found.rule.fact if found.rule is not None else None
    device = chosen.hops[0].device if chosen is not None else ""
    return _made(
        "other_way",
        decision,
        stack,
        before,
        type=chosen.type if chosen is not None else found.type,
        **_told(chosen),
        device_type=("bridge" if bridge_like(stack, device) else stack.link(device).type) if device else None,
        priority=found.rule.priority if found.rule is not None else None,
        policy=_policy(found),
        **_told(route, "other_"),
        other_fwmark=_fwmark(stack, route),
        dst_prefix=source_prefix(network, *_value(decision), str(decision.fields["dst"])),
        same_table=chosen is not None and chosen.table == route.table,
        more_specific=chosen is not None and chosen.dst.length > route.dst.length,
        leads=leads,
        end="left" if end.kind == "left_evidence" else str(end.fields.get("by", "")),
        here=(end.node, end.stack) == (stack.node, stack.name),
    )


def _leads(network: Network, stack: NetStack, route: Route, key: Key, left: int = MAX_STACKS) -> str:
    """Where a route leads: ``target`` (a stack that holds the address), ``outside`` (out of the evidence), or "" (nowhere, or in a circle)."""
    hop, value, family = route.hops[0], key.dst, key.family
    link = stack.link(hop.device)
    if not left or not hop.device or hop.dead or link.up is False:
        return ""
    if link.type in TUNNELS:
        nodes = {s.node for s in network.holders(value, family)}
        return "target" if nodes - {stack.node} else "outside"
    next_hop = to_int(hop.gateway) if hop.gateway and family_of(hop.gateway) == family else value
    port = Port(stack, link)
    if not usable(port):
        return ""
    found = resolve(network, port, next_hop, family)
    if not found.stations:
        return "outside" if found.open_ends and not _failed(stack, hop.device, next_hop) and _near(stack, hop.device, next_hop, family) else ""
    station = found.stations[0]
    there = station.stack
    onward = there.fib.lookup(Key(family, value, iif=station.link.name))
    if onward.type == "local":
        return "target"
    if onward.type != "unicast" or onward.route is None or forwarding(there, station.link.name, family).on is False:
        return ""
    if onward.route.hops[0].device == station.link.name and not onward.route.hops[0].gateway:
        return ""
    return _leads(network, there, onward.route, key, left - 1)


def _failed(stack: NetStack, device: str, value: int) -> bool:
    entry = stack.neighbors.get((device, value))
    return entry is not None and entry.fields.get("state") in {"FAILED", "INCOMPLETE"}


def _near(stack: NetStack, device: str, value: int, family: int) -> bool:
    """Whether an address is of one of the device's subnets, as far as its addresses are known."""
    return bool(on_link(stack, device, value, family)) or not stack.collected("addresses") or not stack.addresses_of(device, family)
