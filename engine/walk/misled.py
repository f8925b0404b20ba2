"""A frame to a MAC that nobody on the segment has: the neighbour entry is wrong, and whoever holds the address does not take the frame.

Only where the segment is known to its last port, or its wire was seen to show everybody's own MAC; the kernel mends entries that it asks about anew
(STALE, DELAY, PROBE) within seconds: those are told, and the walk goes on.
Source: Linux ``net/core/neighbour.c`` (neigh_event_send), ``net/ethernet/eth.c`` (eth_type_trans), ``net/ipv4/ip_input.c`` (PACKET_OTHERHOST).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import to_text
from engine.phrases import phrase
from engine.walk.hooks import calls_netfilter
from engine.walk.recorder import line_of
from engine.walk.trace import Disposition, Unknown

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.network import Network, Port
    from engine.walk.layer2 import Domain, Resolution
    from engine.walk.place import At, End
    from engine.walk.routing import Way
    from engine.walk.walker import Walker

KEPT = frozenset({"PERMANENT", "NOARP"})
"""States of an entry that the kernel never asks about."""
TRUSTED = KEPT | {"REACHABLE"}
"""States of an entry that the kernel uses as it is; REACHABLE ends within a minute (``base_reachable_time``), later than most clients wait."""
ASKED = frozenset({"STALE", "DELAY", "PROBE"})
"""States of an entry that the kernel uses while it finds out whether it still holds."""
GROUPS = ("00:00:5e:00:01:", "00:00:5e:00:02:", "00:00:0c:07:ac:", "00:00:0c:9f:f")
"""Beginnings of MACs that routers share (VRRP, HSRP): whoever is master answers with them."""
MOMENT = 600
"""Seconds within which two collections tell of one state."""
PLAIN = frozenset({"veth", "bridge"})
"""Types of devices that take frames for their own MAC only, and whose wires the evidence shows."""
SHARERS = frozenset({"macvlan", "macvtap", "ipvlan", "ipvtap"})
"""Types of devices that take frames for a MAC of theirs from the wire of another device, also out of other namespaces."""


def misled(walker: Walker, at: At, port: Port, way: Way, found: Resolution) -> End | None:
    """The end of a frame that goes to a MAC which no device of the segment has, for good; ``None`` if that cannot be said."""
    entry = at.stack.neighbors.get((port.link.name, way.next_hop))
    if entry is None or len(found.stations) != 1 or entry.fields.get("state") not in TRUSTED | ASKED or entry.fields.get("proxy"):
        return None
    mac, station, family = str(entry.fields.get("mac", "")), found.stations[0], at.packet.family
    if not mac or not _holds(station, way.next_hop, family):
        return None
    if not _strange(walker.network, found.domain, station, mac) and not _unshared(walker.network, found.domain, station, mac):
        return None
    if _renamed(walker, found.domain, family):
        return None
    hop = to_text(way.next_hop, family)
    text = phrase("other-mac", hop=hop, mac=mac, node=station.stack.node, stack=station.stack.name, device=station.link.name, real=station.link.mac)
    used, together = entry.fields["state"] in TRUSTED, _together(walker.network, entry, station.link.fact)
    if used and not together:
        command = f"ip neigh show {hop} dev {port.link.name}"
        walker.recorder.assume(Unknown(at.stack.node, at.stack.name, f"MAC of {hop}", command, phrase("other-moment", why=text)))
    walker.recorder.fact(
        "misled_neighbor",
        at.stack,
        (),
        entry,
        src=to_text(at.packet.src, family),
        dst=to_text(at.packet.dst, family),
        device=port.link.name,
        next_hop=hop,
        mac=mac,
        state=str(entry.fields["state"]),
        real_mac=station.link.mac,
        holder_node=station.stack.node,
        holder_stack=station.stack.name,
        holder_device=station.link.name,
    )
    if not used:
        return None
    lines = (*line_of(entry), *line_of(station.link.fact))
    return walker.stop(at, "neighbor", Disposition.DROPPED, text, lines, origin=entry, out=port.link.name, gateway=way.gateway, state=at.state)


def _holds(station: Port, value: int, family: int) -> bool:
    """Whether the device itself has the address: no proxy, nor a stack that answers for another device of its own."""
    return any(a.value == value for a in station.stack.addresses_of(station.link.name, family))


def _strange(network: Network, domain: Domain, station: Port, mac: str) -> bool:
    """Whether the segment ends in the evidence everywhere, and nothing on it takes frames for a MAC."""
    reached = domain.reached.values()
    if domain.open_ends or any(p.link.type not in PLAIN or p.link.mac in {"", mac} for p in reached):
        return False
    if any(p.link.master and not p.stack.is_bridge(p.link.master) for p in reached):
        return False
    stacks = network.stacks_of(station.stack.node)
    # A second MAC of a device (macvlan in a namespace that nobody listed, keepalived) stands in its forwarding database.
    if not station.stack.collected("fdb") or any(str(f.fields.get("mac", "")).lower() == mac for s in stacks for f in s.facts("fdb")):
        return False
    names = {(p.stack.name, p.link.name) for p in reached}
    indexes = {p.link.index for p in reached}
    return not any(
        (s.name, each.name) not in names and ((s.name, each.peer_name) in names or (each.type in SHARERS and each.peer_index in indexes))
        for s in stacks
        for each in s.links.values()
    )


def _unshared(network: Network, domain: Domain, station: Port, mac: str) -> bool:
    """Whether a MAC is nobody's on a wire that leads out of the evidence, although that wire shows everybody's own.

    A cloud's switch answers for all with one MAC, or with each one's: neighbour entries of others tell which.  Routers may share a MAC.
    """
    entries = [f for f in network.facts.of_kind("neighbor") if f.fields.get("mac") and f.fields.get("state") not in {"FAILED", "INCOMPLETE"}]
    address = {a.text for family in (4, 6) for a in station.stack.addresses_of(station.link.name, family)}
    if mac.startswith(GROUPS) or any(f.fields["mac"] == mac and f.fields.get("address") not in address for f in entries):
        return False
    if not station.link.mac or any(link.mac == mac for stack in network.stacks.values() for link in stack.links.values()):
        return False
    if any(str(f.fields.get("mac", "")).lower() == mac for f in network.facts.of_kind("fdb")):
        return False
    return any(_shows_own(domain, f) for f in entries)


def _shows_own(domain: Domain, entry: Fact) -> bool:
    """Whether a neighbour entry on a wire holds the very MAC of the machine that has the address, which is another one."""
    here = [p for p in domain.reached.values() if (p.stack.node, p.stack.name) == (entry.node, entry.stack)]
    if not any((p.link.master or p.link.name) == entry.fields.get("device") or p.link.name == entry.fields.get("device") for p in here):
        return False
    others = (p for p in domain.reached.values() if p.stack.node != entry.node)
    return any(p.link.mac == entry.fields["mac"] and _has(p, str(entry.fields.get("address"))) for p in others)


def _has(port: Port, address: str) -> bool:
    return any(a.text == address for family in (4, 6) for a in port.stack.addresses_of(port.link.name, family))


def _renamed(walker: Walker, domain: Domain, family: int) -> bool:
    """Whether something on the way may give the frame another MAC: its tables, or DNAT on a bridge (``br_nf_pre_routing_finish``)."""
    for port in domain.reached.values():
        stack = port.stack
        if any(table.kind in {"bridge", "netdev"} for table in stack.nftables.tables):
            return True
        nat = any(f.fields.get("table") == "nat" and any(chain.rules for chain in f.fields.get("chains", ())) for f in stack.facts("netfilter_table"))
        nat = nat or any(chain.rules for table in stack.nftables.tables for chain in table.chains.values())
        if port.link.type == "bridge" and nat and calls_netfilter(stack, walker.choices, port.link.name, family):
            return True
    return False


def _together(network: Network, one: Fact, other: Fact | None) -> bool:
    """Whether two facts are of one collection, or of two at nearly one time: what they tell of different times may both have been true."""
    if other is None:
        return False
    first, second = one.source, other.source
    if first.name == first.command or second.name == second.command:
        return first.name == first.command and second.name == second.command
    head, mark, _ = first.name.partition("nodes/")
    if bool(mark) and second.name.startswith(head + mark):
        return True
    times = {f.node: int(f.fields["created"]) for f in network.facts.of_kind("collection") if "created" in f.fields}
    return one.node in times and other.node in times and abs(times[one.node] - times[other.node]) <= MOMENT
