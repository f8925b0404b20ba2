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
from engine.walk import arp, ndp, overlay, segment, tunnels
from engine.walk.layer2 import answers, asked_from, refusal, silent
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
FLOW, ASKING = 49152, 49154
"""Source ports of outer packets: a hash of the inner frame, so that the question for a neighbour and the packet itself are two flows."""
OPEN = frozenset({Disposition.LEFT_EVIDENCE, Disposition.DEPENDS})
"""Ends of which the evidence does not tell what comes after."""


def send(walker: Walker, at: At, link: Link, way: Way) -> At | End:
    """Encapsulate: neighbour entry → MAC → forwarding database → remote VTEP; the outer packet is a local one."""
    stack, packet = at.stack, at.packet
    found = _vtep(stack, link, way)
    if not found.remote:
        peer = _overlay_peer(walker, stack, link, way, packet)
        if peer is None:
            return _unknown(walker, at, link, way, found)
        found = found._replace(**peer._asdict()) if peer.mac else found._replace(remote=peer.remote)
    if not found.mac and stack.collected("neighbors", link.name):
        asked = _asked(walker, at, Port(stack, link), way, found)
        if isinstance(asked, End):
            return asked
        found = asked
    return _wrapped(walker, at, link, way, found)


def _asked(walker: Walker, at: At, start: Port, way: Way, found: Entry) -> Entry | End:
    """The entry once the device has asked for the next hop, or the end of the packet where nobody answers.

    The question is flooded, the answer is for the asker's MAC, and each crosses the tunnel in an outer packet of its own.
    """
    station = walker.met.get((start.key, way.next_hop)) or _answerer(walker, at, start, way, _flooded(start) or [found])
    if isinstance(station, End):
        if station.disposition in OPEN:
            return replace(station, packet=at.packet)
        return segment.told_of(at, replace(station, packet=at.packet, errno="", error=unheard(at.packet.family)[1]))
    towards = _towards(start.stack, start.link, station.link.mac, station.stack)
    return towards if towards.remote else found._replace(mac=station.link.mac)


def _answerer(walker: Walker, at: At, start: Port, way: Way, copies: list[Entry]) -> Port | End:
    """Who answers one of the copies of a question; if nobody does, what becomes of the first, or of one that leaves the evidence."""
    mark = walker.recorder.mark()
    ends: list[End] = []
    for copy in copies:
        station = _exchange(walker, at, start, way, copy)
        if isinstance(station, End) and len(copies) == 1:
            return station
        walker.recorder.rewind(mark)
        if isinstance(station, Port):
            return station
        ends.append(station)
    told = next((copy for copy, end in zip(copies, ends, strict=True) if end.disposition in OPEN), copies[0])
    return _exchange(walker, at, start, way, told)


def _exchange(walker: Walker, at: At, start: Port, way: Way, found: Entry) -> Port | End:
    """Who answers for the next hop, or what stops the question or the answer (``arp_process``, ``ndisc_recv_ns``)."""
    family, hop = at.packet.family, way.next_hop
    asker = asked_from(start, hop, family, at.packet.src)
    if asker is None:
        return segment.unresolved(walker, at, start, way, ())
    asks = (ndp if family == 6 else arp).question(asker, hop)
    station = _frame(walker, at, start, way, found, asks)
    if isinstance(station, End) or station.link.master:
        return station  # behind a bridge whoever is asked there answers
    refused = refusal(start, station, hop, at.packet.src) if family == 4 else None
    if refused is not None:
        return segment.unanswered(walker, at, station, refused)
    if not answers(station, hop, family, asker) or (family == 4 and silent(start, station, hop, at.packet.src, walker.choices)):
        return segment.unresolved(walker, at, start, way, ())
    walker.met[station.key, asker] = start
    back = _towards(station.stack, station.link, start.link.mac, start.stack)
    if not back.remote and not station.stack.collected("fdb", station.link.name):
        return station
    tells = (ndp if family == 6 else arp).answer(asker, hop)
    returned = _frame(walker, at, station, Way("unicast", station.link.name, asker, "", Found("unicast")), back, tells)
    if isinstance(returned, End):
        # Whether it comes back from beyond the evidence is asked of the answer to the packet itself.
        return station if returned.disposition in OPEN else returned
    return station if returned.key == start.key else segment.unresolved(walker, at, start, way, ())


def _frame(walker: Walker, at: At, port: Port, way: Way, found: Entry, packet: Packet) -> Port | End:  # noqa: PLR0917 - private; both ends and what is sent
    """The device that gets a question or an answer which a device sends; that of IPv6 passes ip6tables on both sides, ARP passes no chain of IP."""
    at = replace(at, stack=port.stack)
    if packet.family == 6:
        left = ndp.passes(walker, at, packet, ndp.leaving(port), port)
        if isinstance(left, End):
            return left
        packet = left
    inside = replace(at, packet=replace(at.packet, size=packet.size, mark=packet.mark))
    if not found.remote:
        return _unknown(walker, inside, port.link, way, found)
    there = _wrapped(walker, inside, port.link, way, found, ASKING)
    if isinstance(there, End):
        return there
    station = Port(there.stack, there.stack.link(there.device))
    if packet.family == 6 and not station.link.master:
        came = ndp.passes(walker, at, replace(packet, mark=there.packet.mark), ndp.arriving(station), station)
        if isinstance(came, End):
            return came
    return station


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


def _wrapped(walker: Walker, at: At, link: Link, way: Way, found: Entry, sport: int = FLOW) -> At | End:  # noqa: PLR0917 - both ends of a tunnel
    """The outer packet goes to the remote VTEP, and the inner one comes out of it there."""
    stack, packet = at.stack, at.packet
    walker.recorder.step("encapsulate", phrase("vxlan-to", device=link.name, vni=link.vxlan_id, remote=found.remote), "rewrite", found.lines)
    family = family_of(found.remote)
    outer = Packet(
        family,
        to_int(link.vxlan_local) if link.vxlan_local else 0,
        to_int(found.remote),
        "udp",
        sport,
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
    """The remote VTEP by the neighbour entry of the next hop and the forwarding database."""
    entry = stack.neighbors.get((link.name, way.next_hop))
    return _towards(stack, link, str(entry.fields.get("mac", "")) if entry is not None else "")._replace(neighbor=entry)


def _towards(stack: NetStack, link: Link, mac: str, there: NetStack | None = None) -> Entry:
    """Where a frame for a MAC ("" = for all) is sent: as the forwarding database says, else where floods go, else the device's own remote.

    ``there``: the stack whose copy of a flooded frame counts.
    """
    table = [f for f in stack.facts("fdb") if f.fields.get("device") == link.name and f.fields.get("dst")]
    exact = next((f for f in table if mac and f.fields.get("mac") == mac), None)
    if exact is not None:
        return Entry(str(exact.fields["dst"]), mac, None, exact)
    copies = _flooded(Port(stack, link))
    meant = (e for e in copies if there is not None and there.own(to_int(e.remote), family_of(e.remote)) is not None)
    if copies:
        return next(meant, copies[0])._replace(mac=mac)
    if link.vxlan_remote and not link.vxlan_remote.startswith(MULTICAST):
        return Entry(link.vxlan_remote, mac, None, link.fact)
    return Entry("", mac, None, None)


def _flooded(port: Port) -> list[Entry]:
    """Where frames for all are sent, by the forwarding database: a copy to each."""
    table = (f for f in port.stack.facts("fdb") if f.fields.get("device") == port.link.name and f.fields.get("dst"))
    return [Entry(str(f.fields["dst"]), "", None, f) for f in table if f.fields.get("mac") == "00:00:00:00:00:00"]


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
