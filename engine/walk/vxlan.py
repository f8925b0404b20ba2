"""A packet sent by a VXLAN device: next hop, MAC, forwarding database, remote VTEP, and out again at its device.

Source: Linux ``drivers/net/vxlan/vxlan_core.c`` (vxlan_xmit, vxlan_rcv).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.inet import to_int, to_text
from engine.model.network import Port
from engine.model.packet import Packet
from engine.walk import tunnels
from engine.walk.place import At, End, unheard
from engine.walk.recorder import line_of
from engine.walk.trace import Disposition, Line, Unknown

if TYPE_CHECKING:
    from engine.model.links import Link
    from engine.model.stack import NetStack
    from engine.walk.routing import Way
    from engine.walk.walker import Walker


def send(walker: Walker, at: At, link: Link, way: Way) -> At | End:
    """Encapsulate: neighbour entry → MAC → forwarding database → remote VTEP; the outer packet is a local one."""
    stack, packet = at.stack, at.packet
    remote, mac, lines = _vtep(stack, link, way)
    if remote is None:
        unknown = _overlay_peer(walker, stack, link, way, packet)
        if unknown is None:
            # With a neighbour entry the frame is made and lost; without one, the question for the address is.
            errno, error = ("", "") if mac else unheard(packet.family)
            hop = to_text(way.next_hop, packet.family)
            return walker.stop(
                at,
                "fdb",
                Disposition.NEIGHBOR_FAILED,
                f"{link.name} knows no VTEP for {hop}",
                lines or way.lines,
                out=link.name,
                gateway=way.gateway,
                errno=errno,
                error=error,
            )
        remote, mac = unknown
    walker.recorder.step("encapsulate", f"{link.name}: VXLAN {link.vxlan_id} to {remote}", "rewrite", lines)
    outer = Packet(
        4 if ":" not in remote else 6,
        to_int(link.vxlan_local) if link.vxlan_local else 0,
        to_int(remote),
        "udp",
        49152,
        link.vxlan_port or 8472,
        mark=packet.mark,
        size=packet.size + (50 if ":" not in remote else 70),
        df=False,
    )
    end = tunnels.nested(walker, at, outer, link.name)
    if end.disposition is not Disposition.DELIVERED:
        return tunnels.died(walker, at, end, link.name)
    far = next(
        (x for x in end.stack.links.values() if x.type == "vxlan" and x.vxlan_id == link.vxlan_id and (x.vxlan_port or 8472) == end.packet.dport),
        None,
    )
    if far is None:
        return walker.stop(
            At(end.stack, end.device, packet, "frame"),
            "device",
            Disposition.DROPPED,
            f"no VXLAN device with VNI {link.vxlan_id} and port {end.packet.dport} here",
        )
    if mac and far.mac and mac != far.mac and not far.master:
        return walker.stop(
            At(end.stack, far.name, packet, "frame"), "fdb", Disposition.DROPPED, f"the frame is for {mac}, {far.name} is {far.mac}", lines
        )
    walker.recorder.enter(end.stack, end.device, end.packet)
    walker.recorder.step("decapsulate", f"{far.name}: VXLAN {link.vxlan_id}", "rewrite")
    return At(end.stack, far.name, replace(packet, mark=end.packet.mark), "frame", Port(end.stack, far))


def _vtep(stack: NetStack, link: Link, way: Way) -> tuple[str | None, str, tuple[Line, ...]]:
    entry = stack.neighbors.get((link.name, way.next_hop))
    mac = str(entry.fields.get("mac", "")) if entry is not None else ""
    table = [f for f in stack.facts("fdb") if f.fields.get("device") == link.name and f.fields.get("dst")]
    exact = next((f for f in table if mac and f.fields.get("mac") == mac), None)
    if exact is not None:
        return str(exact.fields["dst"]), mac, (*line_of(entry), *line_of(exact))
    flood = next((f for f in table if f.fields.get("mac") == "00:00:00:00:00:00"), None)
    if flood is not None:
        return str(flood.fields["dst"]), mac, line_of(flood)
    if link.vxlan_remote and not link.vxlan_remote.startswith(("224.", "239.", "ff")):
        return link.vxlan_remote, mac, line_of(link.fact)
    return None, mac, line_of(entry)


def _overlay_peer(walker: Walker, stack: NetStack, link: Link, way: Way, packet: Packet) -> tuple[str, str] | None:
    """Where no forwarding database was collected: the other node whose VTEP owns the next hop."""
    if stack.collected("fdb") and stack.collected("neighbors"):
        return None
    for other in walker.network.stacks.values():
        if other is stack:
            continue
        far = next((x for x in other.links.values() if x.type == "vxlan" and x.vxlan_id == link.vxlan_id), None)
        if far is None or not (other.own(way.next_hop, packet.family) or other.address_type(packet.family, packet.dst) == "LOCAL"):
            continue
        outer = far.vxlan_local or next(
            (a.text for a in other.addresses if a.family == 4 and a.scope == "global" and a.device not in {far.name, "lo"}), ""
        )
        if outer:
            walker.recorder.assume(
                Unknown(
                    stack.node,
                    stack.name,
                    "fdb",
                    f"bridge fdb show dev {link.name}",
                    f"the forwarding database of {link.name} was not collected: {other.node} is taken for the VTEP",
                )
            )
            return outer, ""
    return None
