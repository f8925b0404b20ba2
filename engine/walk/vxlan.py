"""A packet sent by a VXLAN device: next hop, MAC, forwarding database, remote VTEP, and out again at its device.

Source: Linux ``drivers/net/vxlan/vxlan_core.c`` (vxlan_xmit, encap_bypass_if_local, vxlan_rcv, vxlan_set_mac).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.inet import family_of, to_int, to_text
from engine.model.fib import Found
from engine.model.network import Port
from engine.model.packet import Packet
from engine.phrases import phrase
from engine.walk import overlay, tunnels
from engine.walk.overlay import Entry
from engine.walk.place import At, End, unheard
from engine.walk.recorder import line_of
from engine.walk.routing import Way, find_way
from engine.walk.trace import Disposition, Unknown

if TYPE_CHECKING:
    from engine.model.links import Link
    from engine.model.stack import NetStack
    from engine.walk.walker import Walker


MULTICAST = ("224.", "239.", "ff")
"""Beginnings of groups that a VXLAN device floods to."""


def send(walker: Walker, at: At, link: Link, way: Way) -> At | End:
    """Encapsulate: neighbour entry → MAC → forwarding database → remote VTEP; the outer packet is a local one."""
    stack, packet = at.stack, at.packet
    found = _vtep(stack, link, way)
    if not found.remote:
        peer = _overlay_peer(walker, stack, link, way, packet)
        if peer is None:
            return _unknown(walker, at, link, way, found)
        found = found._replace(**peer._asdict()) if peer.mac else found._replace(remote=peer.remote)
    return _wrapped(walker, at, link, way, found)


def bridged(walker: Walker, at: At, here: Port, there: Port, station: Port) -> At | End:
    """A frame that a bridge sends by its VXLAN port: to where the forwarding database has its MAC, or where unknown ones are flooded."""
    stack, link = here.stack, here.link
    table = [f for f in stack.facts("fdb") if f.fields.get("device") == link.name and f.fields.get("dst")]
    exact = [f for f in table if station.link.mac and f.fields.get("mac") == station.link.mac]
    flood = [f for f in table if f.fields.get("mac") == "00:00:00:00:00:00"]
    entries = [Entry(str(f.fields["dst"]), "", None, f) for f in exact or flood]
    if not entries and link.vxlan_remote and not link.vxlan_remote.startswith(MULTICAST):
        entries = [Entry(link.vxlan_remote, "", None, link.fact)]
    # A flooded frame goes to all of them; the copy counts that gets to the station's machine.
    found = next((e for e in entries if there.stack.own(to_int(e.remote), family_of(e.remote)) is not None), next(iter(entries), None))
    if found is None and there.link.vxlan_local and not stack.collected("fdb", link.name):
        text = phrase("fdb-unseen", device=link.name, node=there.stack.node)
        walker.recorder.assume(Unknown(stack.node, stack.name, "fdb", f"bridge fdb show dev {link.name}", text))
        found = Entry(there.link.vxlan_local, "", None, None)
    way = Way("unicast", link.name, at.packet.dst, "", Found("unicast"))
    sent = replace(at, stack=stack, device=link.name, how="output")
    gone = _unknown(walker, sent, link, way, Entry("", "", None, None)) if found is None else _wrapped(walker, sent, link, way, found)
    return replace(gone, station=station) if isinstance(gone, At) else gone


def _wrapped(walker: Walker, at: At, link: Link, way: Way, found: Entry) -> At | End:
    """The outer packet goes to the remote VTEP, and the inner one comes out of it there."""
    stack, packet = at.stack, at.packet
    walker.recorder.step("encapsulate", phrase("vxlan-to", device=link.name, vni=link.vxlan_id, remote=found.remote), "rewrite", found.lines)
    family = family_of(found.remote)
    outer = Packet(
        family,
        to_int(link.vxlan_local) if link.vxlan_local else 0,
        to_int(found.remote),
        "udp",
        49152,
        link.vxlan_port or 8472,
        mark=packet.mark,
        size=packet.size + (50 if family == 4 else 70),
        df=False,
    )
    # By the mark of the inner packet, too (udp_tunnel_dst_lookup); what leaves by lo is local to the kernel, whatever its route says (RTCF_LOCAL).
    out = find_way(stack, walker.key(outer), walker.choices)
    if out.type == "local" or (out.type == "unicast" and out.device == "lo"):
        return _bypass(walker, at, link, way, found)
    end = tunnels.nested(walker, at, outer, link.name)
    if end.disposition is not Disposition.DELIVERED:
        overlay.note(walker, at, link, way, found, "left" if end.disposition is Disposition.LEFT_EVIDENCE else "outer")
        # Without a neighbour entry the question for it is lost in the same way.
        return tunnels.died(walker, at, end, link.name, "" if found.mac else unheard(packet.family)[1])
    far = _device(end.stack, link, end.packet.dport)
    if far is None:
        return _nobody(walker, at, link, way, found, end)
    return _unpack(walker, at, link, way, found, end, far)


def _nobody(walker: Walker, at: At, link: Link, way: Way, found: Entry, end: End) -> End:  # noqa: PLR0917 - both ends of a tunnel
    """The outer packet arrived where no device takes it: the inner one is lost in silence, and so is the question for a neighbour."""
    meant = _meant(at.stack, end.stack, link)
    overlay.note(walker, at, link, way, found, "no-device", end.stack, meant)
    text = phrase("no-vxlan", vni=link.vxlan_id, port=end.packet.dport)
    lines = line_of(meant.fact) if meant is not None else found.lines
    end = walker.stop(At(end.stack, end.device, at.packet, "frame"), "device", Disposition.DROPPED, text, lines)
    return tunnels.lost(at, end, link.name, "" if found.mac else unheard(at.packet.family)[1])


def _meant(near: NetStack, there: NetStack, link: Link) -> Link | None:
    """The other end of ``link`` where VNI or port disagree: the one of its name, or the only one, whose like the sender does not have itself."""
    mine = {(x.vxlan_id, x.vxlan_port or 8472) for x in near.links.values() if x.type == "vxlan"}
    left = [x for x in there.links.values() if x.type == "vxlan" and x.vxlan_id is not None and (x.vxlan_id, x.vxlan_port or 8472) not in mine]
    fits = [x for x in left if x.name == link.name] or left
    return fits[0] if len(fits) == 1 else None


def _unpack(walker: Walker, at: At, link: Link, way: Way, found: Entry, end: End, far: Link) -> At | End:  # noqa: PLR0917 - both ends of a tunnel
    """The frame comes out: addressed to another station, or from one with the device's own MAC, it is dropped (``vxlan_set_mac``)."""
    lost, text = "", ""
    if found.mac and far.mac and found.mac != far.mac and not far.master:
        lost, text = "other-mac", phrase("vxlan-other-mac", mac=found.mac, device=far.name, own=far.mac)
    if far.mac and far.mac == link.mac and not link.master:
        lost, text = "own-mac", phrase("vxlan-own-mac", mac=link.mac, device=far.name)
    overlay.note(walker, at, link, way, found, lost, end.stack, far)
    if lost:
        return walker.stop(At(end.stack, far.name, at.packet, "frame"), "fdb", Disposition.DROPPED, text, found.lines)
    walker.recorder.enter(end.stack, end.device, end.packet)
    walker.recorder.step("decapsulate", f"{far.name}: VXLAN {link.vxlan_id}", "rewrite")
    return At(end.stack, far.name, replace(at.packet, mark=end.packet.mark), "frame", Port(end.stack, far))


def _bypass(walker: Walker, at: At, link: Link, way: Way, found: Entry) -> At | End:
    """The remote VTEP is an address of this very stack: the packet is not sent, it comes back by the device, whatever MAC it bears."""
    far = _device(at.stack, link, link.vxlan_port or 8472)
    overlay.note(walker, at, link, way, found, "own-address", at.stack, far)
    if far is None:
        text = phrase("vxlan-self-no-device", remote=found.remote)
        return walker.stop(at, "device", Disposition.DROPPED, text, found.lines)
    walker.recorder.step("decapsulate", phrase("vxlan-self", remote=found.remote, device=far.name), "rewrite", found.lines)
    return At(at.stack, far.name, replace(at.packet, mark=0), "frame", Port(at.stack, far), physin=at.physin)


def _device(stack: NetStack, link: Link, port: int) -> Link | None:
    """The device that takes what ``link`` sends: of its VNI, on the port that the packet came to."""
    fits = (x for x in stack.links.values() if x.type == "vxlan" and x.vxlan_id == link.vxlan_id and (x.vxlan_port or 8472) == port)
    return next(fits, None)


def _unknown(walker: Walker, at: At, link: Link, way: Way, found: Entry) -> End:
    """Nobody is known behind the device: with a neighbour entry the frame is made and lost; without one, the question for the address is."""
    errno, error = ("", "") if found.mac else unheard(at.packet.family)
    overlay.note(walker, at, link, way, found, "no-entry")
    return walker.stop(
        at,
        "fdb",
        Disposition.NEIGHBOR_FAILED,
        phrase("no-vtep", device=link.name, hop=to_text(way.next_hop, at.packet.family)),
        found.lines or way.lines,
        out=link.name,
        gateway=way.gateway,
        errno=errno,
        error=error,
    )


def remote_of(stack: NetStack, link: Link, way: Way) -> str:
    """Address of the VTEP behind the next hop of a way; "" if nothing tells."""
    return _vtep(stack, link, way).remote


def _vtep(stack: NetStack, link: Link, way: Way) -> Entry:
    """The remote VTEP by the neighbour entry of the next hop and the forwarding database, else where floods go, else the device's own remote."""
    entry = stack.neighbors.get((link.name, way.next_hop))
    mac = str(entry.fields.get("mac", "")) if entry is not None else ""
    table = [f for f in stack.facts("fdb") if f.fields.get("device") == link.name and f.fields.get("dst")]
    exact = next((f for f in table if mac and f.fields.get("mac") == mac), None)
    if exact is not None:
        return Entry(str(exact.fields["dst"]), mac, entry, exact)
    flood = next((f for f in table if f.fields.get("mac") == "00:00:00:00:00:00"), None)
    if flood is not None:
        return Entry(str(flood.fields["dst"]), mac, entry, flood)
    if link.vxlan_remote and not link.vxlan_remote.startswith(MULTICAST):
        return Entry(link.vxlan_remote, mac, entry, link.fact)
    return Entry("", mac, entry, None)


def _overlay_peer(walker: Walker, stack: NetStack, link: Link, way: Way, packet: Packet) -> Entry | None:
    """Where the entries were not collected: the other node whose VTEP owns the next hop."""
    if stack.collected("fdb", link.name) and stack.collected("neighbors", link.name):
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
                    phrase("fdb-unseen", device=link.name, node=other.node),
                )
            )
            return _held_for(stack, link, outer, far)
    return None


def _held_for(stack: NetStack, link: Link, outer: str, far: Link) -> Entry:
    """What a forwarding database without its neighbours tells of a VTEP: a MAC only if none of those that lead there is the VTEP's own."""
    there = [f for f in stack.facts("fdb") if f.fields.get("device") == link.name and f.fields.get("dst") == outer and f.fields.get("mac")]
    if not there or not far.mac or any(f.fields["mac"] in {far.mac, "00:00:00:00:00:00"} for f in there):
        return Entry(outer, "", None, None)
    return Entry(outer, str(there[0].fields["mac"]), None, there[0])
