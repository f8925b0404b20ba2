"""Why a wire did not carry a packet: the facts that rules about layer 2 are made of.

The walk says where a packet ended.  Here the wires around that place are looked at once more: a device that is down, a container's port that is in no
bridge, a bridge that lost its gateway address, an address that two stations hold, a neighbour that nobody knows.

Source: Linux ``net/core/link_watch.c`` (carrier), ``net/bridge/br_if.c`` (a bridge has the carrier of its ports), ``net/ipv4/fib_frontend.c``
(fib_disable_ip: routes go with their device).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from engine.facts import Fact
from engine.inet import BITS, family_of, in_prefix, is_address, to_int, to_text
from engine.model.fib import Key
from engine.model.links import TUNNEL_TYPES, UNREAL, is_overlay
from engine.model.network import Network, Port
from engine.walk.layer2 import DEAD_PORT_STATES, Domain, answers, asked_from, explore, ignored, on_link, usable
from engine.walk.misled import TRUSTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.model.stack import NetStack, OwnAddress

ASTRAY = frozenset({"neighbor", "device", "bridge", "no-route", "forwarding", "loop", "rp-filter", "martian"})
"""Ends (``drop.by``) that a fault of a wire may cause."""
LINK_LOCAL = ("169.254.0.0/16", "fe80::/10", "127.0.0.0/8", "::1/128")
"""Addresses that many may hold at once."""
BRIDGES = ("docker", "br-", "cni", "virbr", "podman", "nerdctl", "lxcbr", "lxdbr", "incusbr")
"""Beginnings of names that bridges of containers and guests bear, for listings that do not show the type."""
NO_CARDS = (
    "veth",
    "cali",
    "lxc",
    "tunl",
    "flannel",
    "vxlan",
    "kube-",
    "dummy",
    "tap",
    "vnet",
    "nodelocal",
    "cilium",
    "wg",
    "tun",
    "sit",
    "gre",
    "erspan",
    "ip6",
)
"""Beginnings of names that no network card bears."""
LOOPBACK = {4: "127.0.0.0/8", 6: "::1/128"}


class Cut(NamedTuple):
    """The device that keeps a wire from carrying anything."""

    port: Port
    how: str
    """``down`` (administratively) | ``carrier`` (it has none, and nothing in the evidence says why)"""


def wires(network: Network, facts: Sequence[Fact]) -> list[Fact]:
    """Facts about the wires of a walk, from its derived facts."""
    found: list[Fact] = []
    for end in (f for f in facts if f.kind == "left_evidence" or (f.kind == "drop" and f.fields.get("by") in ASTRAY)):
        stack = network.stack(end.node, end.stack)
        if stack is None or not is_address(str(end.fields.get("dst", ""))):
            continue
        told = [*_dead(network, stack, end, facts), *_loose(network, end), *_bare(network, end)]
        told += [*_shut(network, stack, end), *_ignoring(network, stack, end)]
        found += told
        if end.fields.get("by") == "neighbor" and not _misled(end, facts):
            found.append(_silent(network, stack, end, explained=bool(told)))
    found += _doubles(network, facts)
    flow = next((f for f in facts if f.kind == "flow"), None)
    if not found and flow is not None and flow.fields.get("client_sees") == "depends":
        found += _unwalked(network, flow)
    return _distinct(found)


def _distinct(facts: Iterable[Fact]) -> list[Fact]:
    seen: dict[str, Fact] = {}
    for fact in facts:
        seen.setdefault(f"{fact.kind} {fact.node} {fact.stack} {sorted(fact.fields.items(), key=lambda item: item[0])}", fact)
    return list(seen.values())


def _made(kind: str, about: Fact, port: Port, origin: Fact | None, **fields: Any) -> Fact:
    """A derived fact of the same flow and direction, placed on a device's stack, with the line of its origin."""
    shared = {name: about.fields[name] for name in ("flow", "direction", "src", "dst") if name in about.fields}
    told = {name: value for name, value in fields.items() if value is not None}
    if origin is None:
        return Fact(kind, {**shared, **told}, port.stack.node, port.stack.name)
    return Fact(kind, {**shared, **told}, port.stack.node, port.stack.name, origin.source, origin.line, origin.shown)


def _next_hop(end: Fact) -> str:
    get = end.fields.get
    return str(get("gateway") or get("next_hop") or get("dst"))


def _device(end: Fact, facts: Sequence[Fact]) -> str:
    """The device by which a packet was to leave the stack where it ended."""
    if end.fields.get("out_device"):
        return str(end.fields["out_device"])
    same = (f for f in facts if f.kind == "hop" and (f.node, f.stack) == (end.node, end.stack))
    outs = [str(f.fields.get("out_device", "")) for f in same if f.fields.get("direction") == end.fields.get("direction")]
    return outs[-1] if outs else str(end.fields.get("device", ""))


# --- devices that are down ----------------------------------------------------------------------------------------


def culprit(network: Network, port: Port) -> Cut:
    """The device to bring up so that a device carries frames again."""
    if port.link.up is False:
        return Cut(port, "down")
    peer = network.peer(port)
    if peer is not None and peer.link.up is False:
        return Cut(peer, "down")
    lower = port.stack.links.get(port.link.peer_name)
    if lower is not None and lower.up is False:
        return Cut(Port(port.stack, lower), "down")
    ports = port.stack.ports.get(port.link.name, ()) if port.stack.is_bridge(port.link.name) else ()
    causes = [culprit(network, Port(port.stack, each)) for each in ports if not usable(Port(port.stack, each))]
    return next((cut for cut in causes if cut.how == "down"), causes[0] if causes else Cut(port, "carrier"))


def _dead(network: Network, stack: NetStack, end: Fact, facts: Sequence[Fact]) -> Iterator[Fact]:
    dst = str(end.fields["dst"])
    family, device = family_of(dst), _device(end, facts)
    if end.fields.get("by") == "device":
        start = Port(stack, stack.link(device or str(end.fields.get("in_device", ""))))
        if not usable(start):  # else it lacks what a tunnel needs
            yield from _cut(network, end, start, _beyond(network, start, to_int(_next_hop(end)), family) or culprit(network, start), "out")
        return
    if device and end.fields.get("by") in {"neighbor", "bridge", None}:
        start = Port(stack, stack.link(device))
        cut = _beyond(network, start, to_int(_next_hop(end)), family)
        if cut is not None:
            yield from _cut(network, end, start, cut, "wire")
    for fact in (end, *facts):
        if fact is end or (fact.kind == "hop" and fact.fields.get("direction") == end.fields.get("direction") and fact.fields.get("dst") == dst):
            yield from _without_routes(network, fact, end)


def _shut(network: Network, stack: NetStack, end: Fact) -> Iterator[Fact]:
    """A bridge port that its state (of a spanning tree, or set by hand) keeps from forwarding, on the way to whoever has the next hop."""
    if end.fields.get("by") != "neighbor":
        return
    hop = _next_hop(end)
    start = Port(stack, stack.link(str(end.fields.get("out_device", ""))))
    domain = explore(network, start, to_int(hop), family_of(hop), dead=True)
    for holder in network.holders(to_int(hop), family_of(hop)):
        own = holder.own(to_int(hop), family_of(hop))
        goal = Port(holder, holder.link(own.device)) if own is not None else start
        path = domain.path(goal) if goal.key in domain.reached else []
        for port in (p for p in path if p.link.port_state in DEAD_PORT_STATES and p.link.up is not False and p.link.carrier is not False):
            bridge = port.stack.link(port.link.master)
            told = {"attribute": "state", "value": port.link.port_state, "wanted": "forwarding", "stp": bridge.stp, "other": "", "mac": ""}
            yield _made("closed_port", end, port, port.link.fact, device=port.link.name, bridge=bridge.name, **told)


def _ignoring(network: Network, stack: NetStack, end: Fact) -> Iterator[Fact]:
    """Who has the next hop, is on the wire, and does not answer ARP for it because of ``arp_ignore``."""
    hop = _next_hop(end)
    if end.fields.get("by") != "neighbor" or family_of(hop) != 4:
        return
    value, start = to_int(hop), Port(stack, stack.link(str(end.fields.get("out_device", ""))))
    asker = asked_from(start, value, 4, to_int(str(end.fields["src"])))
    for port in explore(network, start, value, 4).reached.values():
        own = port.stack.own(value, 4)
        if own is None or port.stack is stack or (port.link.master and port.stack.is_bridge(port.link.master)) or answers(port, value, 4, asker):
            continue
        levels = ignored(port)
        if levels:
            key = max(levels, key=levels.__getitem__)
            told = {"key": key, "value": levels[key], "keys": tuple(levels), "device": port.link.name, "holder_device": own.device}
            told |= {"address": own.text, "prefixlen": own.prefixlen, "asker": to_text(asker or 0)}
            yield _made("arp_ignored", end, port, port.stack.sysctls.get(key), **told)


def _unwalked(network: Network, flow: Fact) -> Iterator[Fact]:
    """A flow that could not be walked, for want of routes: the devices that it must leave by are dead whatever the routes are."""
    stack, dst = network.stack(flow.node, flow.stack), str(flow.fields.get("dst", ""))
    if stack is None or not is_address(dst):
        return
    family, value = family_of(dst), to_int(dst)
    own = stack.is_local(value, family) or in_prefix(dst, LOOPBACK[family])
    end = flow.having(direction="request", src=flow.fields.get("src") or None)
    for device in ["lo"] if own else _leaving(network, stack, value, family):
        port = Port(stack, stack.link(device))
        if port.link.up is False or (device != "lo" and not usable(port)):
            yield from _cut(network, end, port, culprit(network, port), "out")


def _leaving(network: Network, stack: NetStack, value: int, family: int) -> list[str]:
    """Devices one of which a packet leaves by: the route's, else the one whose subnet holds the destination, else all that lead outside.

    Of the latter nothing is told if one of them lives.
    """
    route = stack.fib.lookup(Key(family, value)).route
    if route is not None:
        return [route.hops[0].device] if route.type == "unicast" else []
    if not stack.fib.known("main"):
        near = [a.device for a in stack.addresses if a.family == family and 0 < a.prefixlen < BITS[family] and a.network.holds(value)]
        shown = [a.device for a in stack.addresses if a.family == family] if stack.collected("addresses") else [*stack.links]
        cards = [device for device in shown if not bridge_like(stack, device) and not device.startswith(NO_CARDS) and not stack.link(device).master]
        outside = [device for device in cards if network.is_external(Port(stack, stack.link(device)))]
        living = [device for device in outside if usable(Port(stack, stack.link(device)))]
        return near or ([] if living else outside)
    return []


def bridge_like(stack: NetStack, device: str) -> bool:
    """Whether a device is a bridge, by its type or by its name."""
    return stack.is_bridge(device) or (not stack.link(device).type and device.startswith(BRIDGES))


def _beyond(network: Network, start: Port, value: int, family: int) -> Cut | None:
    """What is down between a device and whoever holds an address on its segment."""
    domain = explore(network, start, value, family, dead=True)
    for holder in network.holders(value, family):
        own = holder.own(value, family)
        goal = Port(holder, holder.link(own.device)) if own is not None else None
        if goal is None or holder is start.stack or goal.key not in domain.reached:
            continue
        dead = next((port for port in domain.path(goal) if port.link.up is False or port.link.carrier is False), None)
        if dead is not None:
            return culprit(network, dead)
    return None


def _without_routes(network: Network, decision: Fact, end: Fact) -> Iterator[Fact]:
    """Devices that are down and whose subnet holds the destination: the route to it went with them.

    Where a packet has no route at all, and no default route is left, any device that is down may have taken it.  An overlay's device takes the routes
    to the nodes that have it as well.
    """
    stack = network.stack(decision.node, decision.stack)
    dst = str(end.fields["dst"])
    family, value = family_of(dst), to_int(dst)
    lost = decision is end and end.fields.get("by") == "no-route"
    bare = lost and not any(r.dst.length == 0 and r.dst.family == family and r.type == "unicast" for r in (stack.fib.routes if stack else ()))
    loopback = Port(stack, stack.link("lo")) if stack is not None else None
    if lost and loopback is not None and loopback.link.up is False and in_prefix(dst, LOOPBACK[family]):
        yield from _cut(network, end, loopback, Cut(loopback, "down"), "routes")
    for address in stack.addresses if stack is not None else ():
        link = stack.link(address.device) if stack is not None else None
        if stack is None or link is None or link.up is not False or address.family != family or address.device == "lo":
            continue
        port = Port(stack, link)
        if is_overlay(link) and _carries(network, stack, link.name, dst):
            yield from _cut(network, end, port, Cut(port, "down"), "routes")
        elif address.prefixlen >= BITS[family]:
            continue
        elif address.network.holds(value) and not _also_by(stack, address, value):
            yield from _cut(network, end, port, Cut(port, "down"), "routes")
        elif bare and address.scope == "global":
            yield from _cut(network, end, port, Cut(port, "down"), "default")


def _also_by(stack: NetStack, down: OwnAddress, value: int) -> bool:
    """Whether another device, which lives, is in a subnet that holds an address as closely."""
    near = (a for a in stack.addresses if a.family == down.family and a.device != down.device and a.network.holds(value))
    return any(down.prefixlen <= a.prefixlen < BITS[a.family] and usable(Port(stack, stack.link(a.device))) for a in near)


def _carries(network: Network, stack: NetStack, device: str, dst: str) -> bool:
    """Whether an overlay leads to an address: flannel's network holds it, or a container or bridge of another node that has the same device."""
    if any(in_prefix(dst, str(f.fields.get("network"))) for f in network.facts.of_kind("flannel_subnet") if f.fields.get("network")):
        return True
    value, family = to_int(dst), family_of(dst)
    others = [s for s in network.stacks.values() if s.node != stack.node and s.is_host and device in s.links]
    return any(a.network.holds(value) and s.is_bridge(a.device) for s in others for a in s.addresses if a.family == family) or any(
        not h.is_host and h.node in {s.node for s in others} for h in network.holders(value, family)
    )


def _cut(network: Network, end: Fact, start: Port, cut: Cut, role: str) -> Iterator[Fact]:
    port = cut.port
    family = family_of(str(end.fields["dst"]))
    peer = network.peer(port)
    yield _made(
        "dead_link",
        end,
        port,
        port.link.fact,
        device=port.link.name,
        how=cut.how,
        type="bridge" if bridge_like(port.stack, port.link.name) else port.link.type,
        role=role,
        master=port.link.master,
        address=next((a.text for a in port.stack.addresses_of(port.link.name, family)), ""),
        ports=len(port.stack.ports.get(port.link.name, ())) if bridge_like(port.stack, port.link.name) else None,
        peer_stack=peer.stack.name if peer is not None else None,
        peer_device=peer.link.name if peer is not None else None,
        seen_on=start.link.name,
        gateway=_gateway_of(network, port, family) if role == "default" else None,
    )


def _gateway_of(network: Network, port: Port, family: int) -> str | None:
    """The default gateway that others in the subnets of a device name."""
    for address in port.stack.addresses_of(port.link.name, family):
        for other in network.stacks.values():
            if other is port.stack:
                continue
            for own in other.addresses:
                gateway = _gateway(other, own) if own.family == family and own.network == address.network else ""
                if gateway and to_int(gateway) != address.value:
                    return gateway
    return None


# --- containers whose port is in no bridge ------------------------------------------------------------------------


def _ends(network: Network, end: Fact) -> Iterator[tuple[NetStack, OwnAddress, Port, Port]]:
    """Containers that hold an address of the packet: (stack, its address, its device, the host's end of that)."""
    for name in ("src", "dst"):
        text = str(end.fields.get(name, ""))
        for holder in network.holders(to_int(text), family_of(text)) if is_address(text) else ():
            own = holder.own(to_int(text), family_of(text))
            if holder.is_host or own is None:
                continue
            here = Port(holder, holder.link(own.device))
            there = network.peer(here)
            if there is not None and there.stack is not holder:
                yield holder, own, here, there


def _loose(network: Network, end: Fact) -> Iterator[Fact]:
    for holder, own, here, there in _ends(network, end):
        stack, name = there.stack, there.link.name
        bridge = _home(network, stack, own)
        if not bridge or there.link.master == bridge or not usable(here) or stack.addresses_of(name, own.family) or _routed(stack, name, own):
            continue
        if there.link.master and _answered(network, stack, there.link.master, holder, own):
            continue
        yield _made(
            "loose_port",
            end,
            there,
            there.link.fact,
            device=name,
            bridge=bridge,
            master=there.link.master,
            container=holder.name,
            address=own.text,
            subnet=str(own.network),
        )


def _home(network: Network, stack: NetStack, own: OwnAddress) -> str:
    """The bridge of a stack that holds a container's subnet: by its address, else by the containers of that subnet that hang on it."""
    if own.prefixlen >= BITS[own.family]:
        return ""
    for address in stack.addresses:
        if address.family == own.family and stack.is_bridge(address.device) and address.network == own.network:
            return address.device
    for bridge, ports in stack.ports.items():
        peers = [network.peer(Port(stack, port)) for port in ports] if stack.is_bridge(bridge) else []
        if any(p is not None and any(a.network == own.network for a in p.stack.addresses_of(p.link.name, own.family)) for p in peers):
            return bridge
    return ""


def _routed(stack: NetStack, device: str, own: OwnAddress) -> bool:
    """Whether the host routes the container's address to the device itself, as calico does."""
    return any(
        r.type == "unicast" and r.dst.family == own.family and r.dst.holds(own.value) and r.dst.length > own.prefixlen for r in _by(stack, device)
    )


def _by(stack: NetStack, device: str) -> Iterator[Any]:
    return (r for r in stack.fib.routes if any(h.device == device for h in r.hops))


def _answered(network: Network, stack: NetStack, bridge: str, holder: NetStack, own: OwnAddress) -> bool:
    """Whether the bridge that a container hangs on leads to others of its subnet, or out of the evidence."""
    domain = explore(network, Port(stack, stack.link(bridge)), own.value, own.family)
    others = (p for p in domain.reached.values() if p.stack is not holder)
    return bool(domain.open_ends) or any(a.network == own.network for p in others for a in p.stack.addresses_of(p.link.name, own.family))


# --- bridges without the gateway's address ------------------------------------------------------------------------


def _bare(network: Network, end: Fact) -> Iterator[Fact]:
    for holder, own, here, there in _ends(network, end):
        stack, bridge, gateway = there.stack, there.link.master, _gateway(holder, own)
        if not bridge or not gateway or not usable(here) or network.holders(to_int(gateway), own.family) or not stack.collected("addresses"):
            continue
        if any(a.network.holds(to_int(gateway)) for a in stack.addresses_of(bridge, own.family)):
            continue
        if not _appointed(network, stack.node, bridge, gateway) and explore(network, here, to_int(gateway), own.family).open_ends:
            continue  # the gateway may be out there
        link = stack.link(bridge)
        yield _made(
            "bare_bridge",
            end,
            Port(stack, link),
            link.fact,
            bridge=bridge,
            address=gateway,
            prefixlen=own.prefixlen,
            container=holder.name,
            addresses=len(stack.addresses_of(bridge, own.family)),
        )


def _appointed(network: Network, node: str, bridge: str, gateway: str) -> bool:
    """Whether a bridge must have an address itself: what made its containers says that their gateway is there."""
    facts = network.facts
    leases = (str(f.get("subnet", "")).partition("/")[0] for f in facts.of_kind("flannel_subnet") if f.node == node)
    made = (f for f in facts.of_kind("container_network") if f.node == node and f.get("bridge") == bridge)
    configured = any(f.node == node and f.get("bridge") == bridge and f.get("is_gateway") for f in facts.of_kind("cni_config"))
    return configured or gateway in leases or any(gateway in f.get("gateways", ()) for f in made)


def _gateway(stack: NetStack, own: OwnAddress) -> str:
    """The default gateway of a container in its own subnet."""
    for route in stack.fib.routes:
        gateway = route.hops[0].gateway
        if (
            route.dst.length == 0
            and route.dst.family == own.family
            and gateway
            and family_of(gateway) == own.family
            and own.network.holds(to_int(gateway))
        ):
            return gateway
    return ""


# --- neighbours that do not answer --------------------------------------------------------------------------------


def _misled(end: Fact, facts: Sequence[Fact]) -> bool:
    """Whether a packet was lost although its next hop would answer: the neighbour entry led it elsewhere."""
    here = (end.node, end.stack, end.fields.get("direction"), _next_hop(end), "dropped")
    told = (f for f in facts if f.kind == "misled_neighbor" and f.fields["state"] in TRUSTED)
    return any((f.node, f.stack, f.fields["direction"], f.fields["next_hop"], end.fields.get("effect")) == here for f in told)


def _silent(network: Network, stack: NetStack, end: Fact, *, explained: bool) -> Fact:
    """What the evidence knows of an address that nobody answers for."""
    hop = _next_hop(end)
    value, family, device = to_int(hop), family_of(hop), str(end.fields.get("out_device", ""))
    entry = stack.neighbors.get((device, value))
    holders = [h for h in network.holders(value, family) if h is not stack]
    link = stack.link(device)
    return _made(
        "silent_neighbor",
        end,
        Port(stack, link),
        entry or link.fact,
        device=device,
        next_hop=hop,
        gateway=str(end.fields.get("gateway") or ""),
        state=str(entry.fields["state"]) if entry is not None and "state" in entry.fields else None,
        on_link=on_link(stack, device, value, family),
        holder_node=holders[0].node if holders else None,
        holder_stack=holders[0].name if holders else None,
        open=bool(explore(network, Port(stack, link), value, family).open_ends),
        explained=explained,
    )


# --- addresses that two stations hold -----------------------------------------------------------------------------


def _doubles(network: Network, facts: Sequence[Fact]) -> Iterator[Fact]:
    """Next hops of a walk (and addresses that the walk took for the stack's own) that several stations of the segment hold."""
    flow = next((f for f in facts if f.kind == "flow"), None)
    for hop in facts:
        if hop.kind != "hop" or flow is None:
            continue
        stack, text = network.stack(hop.node, hop.stack), str(hop.fields.get("gateway") or hop.fields.get("dst"))
        if stack is None or not is_address(text) or any(family_of(p.partition("/")[0]) == family_of(text) and in_prefix(text, p) for p in LINK_LOCAL):
            continue
        value, family = to_int(text), family_of(text)
        own = stack.own(value, family)
        device = own.device if own is not None else str(hop.fields.get("out_device", ""))
        start = Port(stack, stack.link(device))
        if device == "lo" or start.link.type in TUNNEL_TYPES | UNREAL or device.startswith("kube-"):
            continue
        stations = _stations(explore(network, start, value, family), start, value, family)
        if len(stations) > 1:
            yield from _rivals(hop, flow, stations, value, family)
    yield from _claimants(network, facts)


def _claimants(network: Network, facts: Sequence[Fact]) -> Iterator[Fact]:
    """Stacks that drop a packet because its source is an address of their own, although another stack sent it.

    Where the sender holds it besides its devices' own (a load balancer's address on ``lo``), both are meant to have it: neither is the wrong one.
    """
    for end in (f for f in facts if f.kind == "drop" and f.fields.get("by") == "martian"):
        stack, text = network.stack(end.node, end.stack), str(end.fields.get("src", ""))
        own = stack.own(to_int(text), family_of(text)) if stack is not None and is_address(text) else None
        sender = next((h for h in network.holders(to_int(text), family_of(text)) if h is not stack), None) if own is not None else None
        theirs = sender.own(to_int(text), family_of(text)) if sender is not None else None
        if stack is None or own is None or sender is None or theirs is None or any(in_prefix(text, net) for net in LINK_LOCAL):
            continue
        here, right = Port(stack, stack.link(own.device)), Port(sender, sender.link(theirs.device))
        yield _double(end, here, right, own, sure=right.link.type not in UNREAL, role="source")


def _stations(domain: Domain, start: Port, value: int, family: int) -> list[Port]:
    """Devices of a segment that hold an address, one a stack; two that bear one MAC are one machine seen twice."""
    found: dict[tuple[str, str], Port] = {}
    macs: set[str] = set()
    for port in (start, *domain.reached.values()):
        if not any(a.value == value for a in port.stack.addresses_of(port.link.name, family)) or (port.stack.node, port.stack.name) in found:
            continue
        if port.link.mac not in macs or not port.link.mac:
            found[port.stack.node, port.stack.name] = port
            macs.add(port.link.mac)
    return list(found.values())


def _rivals(hop: Fact, flow: Fact, stations: list[Port], value: int, family: int) -> Iterator[Fact]:
    """The station that the flow is meant for, against each of the others; several that fit it equally well are told so."""
    ranked = sorted(stations, key=lambda port: _claim(port, flow, value), reverse=True)
    right = ranked[0]
    sure = _claim(right, flow, value) > _claim(ranked[1], flow, value)
    for other in ranked[1:]:
        own = next(a for a in other.stack.addresses_of(other.link.name, family) if a.value == value)
        yield _double(hop, other, right, own, sure=sure, role="target")


def _double(about: Fact, other: Port, right: Port, own: OwnAddress, *, sure: bool, role: str) -> Fact:
    """The fact of an address that two stations hold."""
    return _made(
        "duplicate",
        about,
        other,
        own.fact,
        address=own.text,
        prefixlen=own.prefixlen,
        device=other.link.name,
        mac=other.link.mac,
        right_node=right.stack.node,
        right_stack=right.stack.name,
        right_device=right.link.name,
        right_mac=right.link.mac,
        sure=sure,
        role=role,
        here=(about.node, about.stack) == (other.stack.node, other.stack.name),
    )


def _claim(port: Port, flow: Fact, value: int) -> int:
    """How much speaks for a station being the one that the flow needs."""
    get, stack = flow.fields.get, port.stack
    if to_text(value, 6 if ":" in str(get("dst")) else 4) == get("dst"):
        if any(s.fields.get("port") == get("port") and s.fields.get("protocol") == get("protocol") for s in stack.sockets):
            return 2
        return 0 if stack.sockets or stack.collected("sockets") else 1
    if (stack.node, stack.name) == (flow.node, flow.stack):
        return 2
    return 1 if (stack.sysctl("net.ipv4.ip_forward") or 0) else 0
