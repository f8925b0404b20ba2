"""Who answers ARP for a next hop, and through which bridge ports a frame gets there.

Source: Linux ``net/ipv4/arp.c`` (arp_process, arp_ignore), ``net/bridge/br_forward.c``, ``drivers/net/macvlan.c``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from engine.inet import BITS, prefix
from engine.model.fib import Key
from engine.model.network import Network, Port
from engine.model.packet import Packet
from engine.phrases import phrase
from engine.walk.routing import Checked, find_way, forwarding, validate_source
from engine.walk.trace import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.model.stack import NetStack
    from engine.walk.choices import Choices

FELIX = "cali"
"""Begins the names of calico's workload devices, on which felix switches proxy_arp on."""
TALKING = frozenset({"", "bridge"})
"""Modes of macvlan devices that send to each other without the wire ("" = ipvlan, or not shown)."""
DEAD_PORT_STATES = frozenset({"disabled", "blocking", "listening", "learning"})


@dataclass(slots=True)
class Domain:
    """What a frame sent by one device can reach on layer 2."""

    reached: dict[tuple[str, str, str], Port] = field(default_factory=dict)
    came_from: dict[tuple[str, str, str], tuple[str, str, str]] = field(default_factory=dict)
    open_ends: list[Port] = field(default_factory=list)
    """Devices by which frames leave the evidence."""
    asked: set[tuple[str, str, str]] = field(default_factory=set)
    """Devices (or their bridges) whose outside wire was looked at: the other ports of a bridge lead to the same."""
    shared: set[tuple[str, str, str]] = field(default_factory=set)
    """Lower devices by which macvlan or ipvlan devices sent: no wire gives a frame back to the device that it came by."""

    def path(self, goal: Port) -> list[Port]:
        """Devices from the start to ``goal``, both included."""
        keys = [goal.key]
        while keys[-1] in self.came_from:
            keys.append(self.came_from[keys[-1]])
        return [self.reached[k] for k in reversed(keys)]


def usable(port: Port) -> bool:
    """Whether a device can carry frames, as far as it was observed (unknown counts as yes)."""
    link = port.link
    return link.up is not False and link.carrier is not False and link.port_state not in DEAD_PORT_STATES


def explore(network: Network, start: Port, next_hop: int, family: int, *, dead: bool = False) -> Domain:
    """Breadth-first search over bridges, veth pairs and outside wires; ``next_hop`` limits which outside wires are taken for the same segment.

    ``dead``: also through devices that carry nothing now.
    """
    domain = Domain()
    domain.reached[start.key] = start
    queue = deque([start])
    while queue:
        here = queue.popleft()
        if not dead and not usable(here):
            continue
        for there in _adjacent(network, here, domain, next_hop, family):
            if there.key not in domain.reached and there.key not in domain.shared and (dead or usable(there)):
                domain.reached[there.key] = there
                domain.came_from[there.key] = here.key
                queue.append(there)
    return domain


def _adjacent(network: Network, here: Port, domain: Domain, next_hop: int, family: int) -> Iterator[Port]:
    lower = network.lower(here)
    if lower is not None:
        yield from _sharing(network, here, lower, domain)
        if usable(lower):
            domain.shared.add(lower.key)
            yield from _wired(network, lower, here, domain, next_hop, family)
        return
    if here.key in domain.came_from:
        yield from network.sharers(here)  # what a device itself sends goes to the wire alone
    yield from _wired(network, here, here, domain, next_hop, family)


def _sharing(network: Network, here: Port, lower: Port, domain: Domain) -> Iterator[Port]:
    """Devices on the same lower device to which this one's frames go without the wire: both of mode bridge, as all of ipvlan are.

    The stack of the lower device itself is none of them (``macvlan_queue_xmit``).
    """
    if here.link.macvlan_mode in TALKING and here.key not in domain.came_from:
        yield from (port for port in network.sharers(lower) if port.link.macvlan_mode in TALKING)


def _wired(network: Network, here: Port, asker: Port, domain: Domain, next_hop: int, family: int) -> Iterator[Port]:  # noqa: PLR0917 - private; what is looked for
    """What hangs on a device's wire; ``asker``: who sends by it, itself or a device that shares it."""
    stack, link = here.stack, here.link
    if stack.is_bridge(link.name):
        for port in stack.ports.get(link.name, ()):
            yield Port(stack, port)
        return
    if link.master and stack.is_bridge(link.master):
        yield Port(stack, stack.link(link.master))
    if link.type == "vxlan" and link.master:
        yield from _same_overlay(network, here, domain)
        return
    if link.type in {"vxlan", "loopback"}:
        return
    peer = network.peer(here)
    if peer is not None:
        yield peer
    elif network.is_external(here):
        domain.open_ends.append(asker)
        wire = (stack.node, stack.name, link.master or link.name)
        if wire not in domain.asked:
            domain.asked.add(wire)
            yield from _same_wire(network, here, asker, next_hop, family)


def _same_overlay(network: Network, here: Port, domain: Domain) -> Iterator[Port]:
    """VXLAN devices of the same network on other stacks' bridges: one segment; without any, frames leave the evidence."""
    mates = [
        Port(stack, link)
        for stack in network.stacks.values()
        for link in stack.links.values()
        if stack is not here.stack and link.type == "vxlan" and link.master and link.vxlan_id == here.link.vxlan_id
    ]
    if not mates:
        domain.open_ends.append(here)
    yield from mates


def _same_wire(network: Network, here: Port, asker: Port, next_hop: int, family: int) -> Iterator[Port]:
    """Outside devices of other stacks that may be on the same wire: theirs (or their bridge's) subnet holds the next hop, or their stack owns it.

    Where macvlan or ipvlan devices share a wire, theirs count as well.
    """
    near: dict[tuple[str, str, str], bool] = {}
    for other in network.external_ports():
        if other.stack in {here.stack, asker.stack} or network.lower(other) is not None:
            continue
        if None not in {here.link.vlan_id, other.link.vlan_id} and here.link.vlan_id != other.link.vlan_id:
            continue  # different tags; an untagged end may be an access port of the other's VLAN
        device = other.link.master or other.link.name
        key = (other.stack.node, other.stack.name, device)
        if key not in near:
            near[key] = any(_near(network, asker, each, next_hop, family) for each in (other, *network.sharers(other)))
        if near[key]:
            yield other


def _near(network: Network, here: Port, other: Port, next_hop: int, family: int) -> bool:
    device = other.link.master or other.link.name
    own = other.stack.addresses_of(device, family)
    if _shares_subnet(here, other, device, family):
        return True
    # A container hangs on its own node: the wires of other nodes end there, unless they carry its subnet.
    if any(a.value == next_hop for a in own) and (other.stack.is_host or other.stack.node == here.stack.node):
        return not _apart(here, other.stack, next_hop, family)
    bridged = bool(other.link.master) and not own and other.stack.is_bridge(other.link.master)
    return bridged and _behind(network, other, next_hop, family)


def _apart(here: Port, holder: NetStack, value: int, family: int) -> bool:
    """Whether an address is of a subnet foreign to a device, which never heard of it either: its holder is on another wire."""
    own = None if _known_mac(here, value) else holder.own(value, family)
    mine = [a.network for a in here.stack.addresses_of(here.link.master or here.link.name, family) if a.prefixlen < BITS[family]]
    if own is None or own.prefixlen >= BITS[family] or not mine:
        return False
    return not any(own.network.overlaps(net) for net in mine)


def _mute(here: Port, holder: NetStack, value: int, family: int) -> bool:
    """Whether the holder of an address is on the segment of a device by a device that carries nothing."""
    own = holder.own(value, family)
    mine = here.stack.addresses_of(here.link.master or here.link.name, family)
    return own is not None and any(a.network == own.network for a in mine) and not usable(Port(holder, holder.link(own.device)))


def _on_own_wire(network: Network, here: Port, holder: NetStack, value: int, family: int) -> bool:
    """Whether the holder of an address sends by the very device that this one sends by: only a switch that VEPA asks for sends frames back there."""
    own = holder.own(value, family)
    if own is None:
        return False
    there = Port(holder, holder.link(own.device))
    lower, other = network.lower(here) or here, network.lower(there) or there
    return lower.key == other.key and here.key != there.key and "vepa" not in {here.link.macvlan_mode, there.link.macvlan_mode}


def _shares_subnet(here: Port, other: Port, device: str, family: int) -> bool:
    mine = here.stack.addresses_of(here.link.master or here.link.name, family)
    return any(a.network == b.network for a in mine for b in other.stack.addresses_of(device, family))


def _behind(network: Network, port: Port, next_hop: int, family: int) -> bool:
    """Whether the holder of an address hangs on another port of the bridge that ``port`` is enslaved to."""
    for sibling in port.stack.ports.get(port.link.master, ()):
        peer = network.peer(Port(port.stack, sibling))
        if peer is not None and peer.stack.own(next_hop, family) is not None:
            return True
    return False


def answers(port: Port, value: int, family: int, asker: int | None = None) -> str:
    """How a device would answer ARP/ND for an address, "" if not at all.

    ``own``: the device holds it; ``local``: the stack does; ``proxy``; ``assumed``: as a proxy that felix set up, though the parameter was not seen.
    """
    stack, name = port.stack, port.link.name
    if port.link.master and stack.is_bridge(port.link.master):
        return ""
    here = any(a.value == value for a in stack.addresses_of(name, family))
    if family == 6:
        return "own" if here or stack.address_type(6, value, name) == "ANYCAST" else ""
    own = stack.own(value, family)
    if own is None:
        return _proxies(stack, name, value, asker)
    ignore = max(ignored(port).values(), default=0)
    near = asker is None or own.network.holds(asker)
    replies = {1: here, 2: here and near, 3: own.scope != "host", 8: False}.get(ignore, True) and value >> 24 != 127
    return ("own" if here else "local") if replies and not _filtered(stack, name, value, asker) else ""


def _filtered(stack: NetStack, device: str, value: int, asker: int | None) -> bool:
    """Whether arp_filter keeps an answer back: what is sent to who asks would leave by another device, or not at all (``arp_filter``)."""
    on = stack.sysctl("net.ipv4.conf.all.arp_filter") or stack.device_sysctl(4, device, "arp_filter")[0]
    if not on or not asker:
        return False
    found = stack.fib.lookup(Key(4, asker, value))
    return found.type != "unicast" or found.route is None or all(h.device != device for h in found.route.hops)


def ignored(port: Port) -> dict[str, int]:
    """The parameters ``arp_ignore`` that keep a device from answering for some of its stack's addresses, by key."""
    keys = (f"net.ipv4.conf.{name}.arp_ignore" for name in ("all", port.link.name.replace(".", "/")))
    return {key: value for key in keys if (value := port.stack.sysctl(key))}


def _proxies(stack: NetStack, device: str, value: int, asker: int | None) -> str:
    """Whether a device answers ARP for others: ``proxy``, ``assumed``, or ""; the question is routed as from who asks (``arp_process``)."""
    how = "proxy"
    own = stack.device_sysctl(4, device, "proxy_arp")[0]
    on = stack.sysctl("net.ipv4.conf.all.proxy_arp") or own
    if not on and own is None and not stack.sysctls_complete and device.startswith(FELIX):
        on, how = 1, "assumed"
    if not on or device == "lo" or forwarding(stack, device, 4).on is False:
        return ""
    found = stack.fib.lookup(Key(4, value, asker, iif=device))
    # It answers for what is routed by another device, or is local without being an address; of several next hops one decides (:func:`silent`).
    elsewhere = found.type == "unicast" and found.route is not None and any(h.device != device for h in found.route.hops)
    return how if elsewhere or found.type == "local" else ""


class Resolution(NamedTuple):
    """Outcome of resolving a next hop on a device."""

    stations: tuple[Port, ...]
    """Who answers (several: duplicate address)."""
    open_ends: tuple[Port, ...]
    domain: Domain
    assumed: Unknown | None = None
    """What was taken for granted of the station."""


def resolve(network: Network, start: Port, next_hop: int, family: int, source: int = 0) -> Resolution:
    """Devices that answer for ``next_hop`` on the segment of ``start``; exact owners before stacks that own it elsewhere, before proxies.

    ``source`` is the packet's: the kernel asks in its name if it is its own (``arp_solicit``).
    """
    if start.link.master and start.stack.is_bridge(start.link.master):
        return Resolution((), (), Domain())  # answers that arrive on a port are the bridge's
    domain = explore(network, start, next_hop, family)
    by_rank: dict[str, list[Port]] = {"own": [], "local": [], "proxy": [], "assumed": []}
    asker = asked_from(start, next_hop, family, source)
    for key, port in domain.reached.items():
        if key == start.key or port.stack is start.stack:
            continue
        rank = answers(port, next_hop, family, asker)
        if rank:
            by_rank[rank].append(port)
    found = by_rank["own"] or by_rank["local"] or by_rank["proxy"] or by_rank["assumed"]
    mac = _known_mac(start, next_hop)
    if mac:
        same = [p for p in found if p.link.mac == mac]
        found = same or found or [p for k, p in domain.reached.items() if k != start.key and p.link.mac == mac and p.stack is not start.stack]
    holders = [] if found else network.holders(next_hop, family)
    known = any(
        _apart(start, holder, next_hop, family) or _mute(start, holder, next_hop, family) or _on_own_wire(network, start, holder, next_hop, family)
        for holder in holders
    )
    known = known or any(port.stack in holders and ignored(port) for port in domain.reached.values())
    # Whoever has the address was collected, and is elsewhere: nobody beyond the evidence answers for it.
    stations = tuple(_distinct(found))
    guess = _assumption(stations[0]) if stations and not mac and stations[0] in by_rank["assumed"] else None
    return Resolution(stations, () if known else tuple(domain.open_ends), domain, guess)


def _assumption(port: Port) -> Unknown:
    """That a workload device of calico answers for everybody, as felix wants it."""
    stack, key = port.stack, f"net.ipv4.conf.{port.link.name}.proxy_arp"
    return Unknown(stack.node, stack.name, key, f"sysctl {key}", phrase("proxy-arp-unseen", key=key))


def refusal(start: Port, station: Port, next_hop: int, source: int) -> Checked | None:
    """Why a station that could answer does not: an ARP question is routed like a packet, and source validation may refuse it (``arp_process``)."""
    if (start.link.name, next_hop) in start.stack.neighbors:
        return None  # known already, nobody asks
    asker = asked_from(start, next_hop, 4, source)
    checked = validate_source(station.stack, Packet(4, asker, next_hop, "arp"), station.link.name) if asker is not None else None
    return checked if checked is not None and not checked.ok else None


def silent(start: Port, station: Port, next_hop: int, source: int, choices: Choices) -> bool:
    """Whether a proxy leaves a question alone, as the next hop that its route takes leads back by the device that was asked (``arp_fwd_proxy``).

    Of several next hops a hash decides here as well; it covers parts of the ARP packet, read as an IP header (``ip_multipath_l3_keys``).
    """
    stack, device = station.stack, station.link.name
    if stack.own(next_hop, 4) is not None or (start.link.name, next_hop) in start.stack.neighbors:
        return False
    key = Key(4, next_hop, asked_from(start, next_hop, 4, source), iif=device)
    route = stack.fib.lookup(key).route
    if route is None or all(h.device != device for h in route.hops):
        return False  # whichever is taken
    way = find_way(stack, key, choices)
    return way.type == "unicast" and way.device == device


def asked_from(start: Port, next_hop: int, family: int, source: int) -> int | None:
    """Address that a device asks from: the packet's if it is the stack's own, else the device's first in the next hop's subnet, else its first.

    A device without any borrows the first global one of another (``arp_solicit``, ``inet_select_addr``).
    IPv6: the packet's if the device has it, else the oldest link-local one, which is listed last (``ndisc_solicit``, ``ipv6_get_lladdr``).
    """
    if family == 6:
        mine = start.stack.addresses_of(start.link.name, 6)[::-1]
        return next((a.value for a in sorted(mine, key=lambda a: (a.value != source, a.scope != "link"))), None)
    if family == 4 and source and start.stack.address_type(4, source) == "LOCAL":
        return source
    own = [a for a in start.stack.addresses_of(start.link.name, family) if not a.secondary and a.scope != "host"]
    near = [a for a in own if a.network.holds(next_hop)]
    others = (a for a in start.stack.addresses if a.family == family and not a.secondary and a.scope not in {"host", "link"})
    return next((a.value for a in near or own or others), None)


def _known_mac(start: Port, next_hop: int) -> str:
    entry = start.stack.neighbors.get((start.link.name, next_hop))
    if entry is None or entry.fields.get("state") in {"FAILED", "INCOMPLETE"}:
        return ""
    return str(entry.fields.get("mac", ""))


def _distinct(ports: list[Port]) -> list[Port]:
    """One port a stack: a stack that answers on several devices is one station."""
    seen: dict[tuple[str, str], Port] = {}
    for port in ports:
        seen.setdefault((port.stack.node, port.stack.name), port)
    return list(seen.values())


def on_link(stack: NetStack, device: str, value: int, family: int) -> str:
    """The on-link prefix of a device that holds an address, "" if none does."""
    for address in stack.addresses_of(device, family):
        if address.network.holds(value):
            return str(address.network)
    return ""


def source_prefix(network: Network, value: int, family: int, text: str) -> str:
    """The on-link prefix that a source address belongs to: of its holder, of a bridge that covers it, or the host prefix itself."""
    best = ""
    for stack in network.stacks.values():
        own = stack.own(value, family)
        if own is not None and own.prefixlen < (32 if family == 4 else 128):
            return str(own.network)
    for stack in network.stacks.values():
        for address in stack.addresses:
            net = address.network
            if address.family == family and net.holds(value) and 0 < net.length < (32 if family == 4 else 128):
                best = str(net)
    return best or str(prefix(text))
