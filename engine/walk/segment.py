"""A packet on a layer 2 segment: the next hop is asked for, and the frame crosses wires and bridges as far as its size allows.

Source: Linux ``net/ipv4/arp.c``, ``net/core/neighbour.c``, ``net/bridge/br_forward.c``.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from engine.inet import to_text
from engine.model.links import is_overlay
from engine.model.packet import ICMP
from engine.phrases import phrase
from engine.walk import arp, frames, mtu, ndp, ports, traffic, vxlan
from engine.walk.layer2 import asked_from, on_link, refusal, resolve, silent, source_prefix, usable
from engine.walk.misled import misled
from engine.walk.place import At, End, unheard
from engine.walk.recorder import line_of
from engine.walk.routing import Checked
from engine.walk.trace import Disposition, Unknown

if TYPE_CHECKING:
    from engine.model.network import Port
    from engine.model.packet import Packet
    from engine.walk.layer2 import Resolution
    from engine.walk.routing import Way
    from engine.walk.walker import Walker


def send(walker: Walker, at: At, port: Port, way: Way) -> At | End:
    """Resolve the next hop and put the frame on the wire."""
    stack, packet = at.stack, at.packet
    if not usable(port):
        errno, error = unheard(packet.family)
        return walker.stop(
            at,
            "device",
            Disposition.DROPPED,
            phrase("no-carrier", device=port.link.name),
            line_of(port.link.fact),
            origin=port.link.fact,
            out=port.link.name,
            errno=errno,
            error=error,
        )
    found = resolve(walker.network, port, way.next_hop, packet.family, packet.src)
    hop = to_text(way.next_hop, packet.family)
    asker = walker.met.get((port.key, way.next_hop))
    station = heard_from(walker, port, way.next_hop, found)
    if station is None:
        return unresolved(walker, at, port, way, found.open_ends)
    if len(found.stations) > 1:
        names = [phrase("answered-by", hop=hop, node=p.stack.node, stack=p.stack.name, device=p.link.name) for p in found.stations]
        unknown = Unknown(stack.node, stack.name, f"ARP for {hop}", f"arping -c 3 -I {port.link.name} {hop}", phrase("several-hold", hop=hop))
        station = found.stations[walker.choices.ask(("arp", stack.node, stack.name, hop), names, unknown)]
    if packet.family == 4 and asker is None and silent(port, station, way.next_hop, packet.src, walker.choices):
        return unresolved(walker, at, port, way, ())
    if found.assumed is not None:
        walker.recorder.assume(found.assumed)
    ended = misled(walker, at, port, way, found)
    if ended is not None:
        return ended
    walker.recorder.step("neighbor", phrase("neighbour-is", hop=hop, node=station.stack.node, stack=station.stack.name, device=station.link.name))
    path = found.domain.path(station)
    ended = unheard_of(walker, at, path, way.next_hop, packet)
    if ended is not None:
        return ended
    return cross(walker, at, path, station, packet)


def heard_from(walker: Walker, port: Port, next_hop: int, found: Resolution) -> Port | None:
    """Who has the next hop: whoever answers for it, or else who asked this very device for an address, and told its own by that."""
    asker = walker.met.get((port.key, next_hop))
    return found.stations[0] if found.stations else asker if asker is not None and asker.key in found.domain.reached else None


def unheard_of(walker: Walker, at: At, path: list[Port], next_hop: int, packet: Packet) -> End | None:
    """What keeps a station's answer to ARP or neighbour discovery away; ``path``: devices from the one that asks to the one that is asked."""
    port, station = path[0], path[-1]
    if (port.key, next_hop) in walker.met:
        return None
    refused = refusal(port, station, next_hop, packet.src) if packet.family == 4 else None
    if refused is not None:
        return unanswered(walker, at, station, refused)
    asked_as = asked_from(port, next_hop, packet.family, packet.src)
    if asked_as is not None:
        walker.met[station.key, asked_as] = port
    closed = ports.unheard(path, packet.family) if (port.link.name, next_hop) not in port.stack.neighbors else None
    if closed is not None:
        ports.note(walker.recorder, closed, packet)
        return unanswered(walker, at, closed.port, Checked(ok=False, by="bridge", summary=closed.summary, lines=line_of(closed.fact)))
    ended = (ndp if packet.family == 6 else arp).unanswered(walker, at, path, next_hop)
    if ended is None:
        return None
    return told_of(at, replace(ended, packet=packet, errno="", error=unheard(packet.family)[1]))


def unanswered(walker: Walker, at: At, station: Port, refused: Checked) -> End:
    """ARP gets no answer, for the same reason for which the packet would be dropped there; the sender's stack tells that nobody is there."""
    there = At(station.stack, station.link.name, at.packet, "frame")
    walker.recorder.enter(station.stack, station.link.name, at.packet)
    disposition = Disposition.DROPPED if refused.by == "bridge" else Disposition.SOURCE_INVALID
    text = phrase("arp-refused", why=refused.summary)
    end = walker.stop(there, refused.by, disposition, text, refused.lines, parameter=refused.parameter, back=refused.back)
    return told_of(at, replace(end, error=unheard(at.packet.family)[1]))


def told_of(at: At, end: End) -> End:
    """The end of a packet whose neighbour was not found, for whatever reason elsewhere: told of by the stack that has the packet."""
    made_here = at.how == "output"
    return replace(end, stack=at.stack, state=at.state, at_sender=made_here, local=False, physin=at.physin, in_device=at.came_by)


def unresolved(walker: Walker, at: At, port: Port, way: Way, open_ends: tuple[Port, ...]) -> End:
    """Nobody in the evidence answers: the neighbour is missing, or the packet leaves the evidence."""
    stack, packet = at.stack, at.packet
    hop = to_text(way.next_hop, packet.family)
    entry = stack.neighbors.get((port.link.name, way.next_hop))
    if not open_ends and entry is None and not port.link.type and is_overlay(port.link):
        # On a tunnel of a type that nobody showed (wg0 of "ip -br addr") no MAC is asked for: what it leads to is elsewhere.
        open_ends = (port,)
    failed = entry is not None and entry.fields.get("state") in {"FAILED", "INCOMPLETE"}
    if failed or not open_ends:
        errno, error = unheard(packet.family)
        text = phrase("nobody-answers", hop=hop, device=port.link.name)
        return walker.stop(
            at,
            "neighbor",
            Disposition.NEIGHBOR_FAILED,
            text,
            line_of(entry) or way.lines,
            origin=entry,
            out=port.link.name,
            gateway=way.gateway,
            errno=errno,
            error=error,
            state=at.state,
        )
    passed = _gone(walker, at, port, open_ends[0])
    if not isinstance(passed, At):
        return passed
    packet = passed.packet
    family = packet.family
    src = to_text(packet.src, family)
    walker.recorder.step(
        "neighbor", phrase("leaves", node=open_ends[0].stack.node, device=open_ends[0].link.name, hop=hop), "unknown", line_of(entry)
    )
    walker.recorder.fact(
        "left_evidence",
        stack,
        (),
        entry or way.fact,
        device=open_ends[0].link.name,
        in_device=at.device if at.how != "output" else "",
        next_hop=hop,
        dst=to_text(packet.dst, family),
        src=src,
        source_prefix=source_prefix(walker.network, packet.src, family, src),
        on_link=on_link(stack, port.link.name, packet.dst, family),
        return_via=walker.came_via.get((stack.node, stack.name)) if walker.recorder.direction != "request" else None,
    )
    return End(Disposition.LEFT_EVIDENCE, stack, packet, port.link.name, left_by=open_ends[0], state=at.state)


def cross(walker: Walker, at: At, path: list[Port], station: Port, packet: Packet, *, filtered: bool = False) -> At | End:
    """The first device across a wire: inside one stack a bridge and its ports are one step.

    ``filtered``: the frame passed iptables on a bridge.
    """
    for here, there in pairwise(path):
        closed = ports.leaving(there, station.link.mac) if there.link.master == here.link.name and there.stack is here.stack else None
        if closed is not None:
            ports.note(walker.recorder, closed, packet)
            lines, out = line_of(closed.fact), here.link.name
            return walker.stop(at, "bridge", Disposition.DROPPED, closed.summary, lines, origin=closed.fact, packet=packet, out=out)
        passed = _leaves(walker, replace(at, packet=packet), here, there, made_here=at.how == "output" and here is path[0])
        if not isinstance(passed, At):
            return passed
        packet = passed.packet
        inside = here.stack is there.stack and (here.link.master == there.link.name or there.link.master == here.link.name)
        if not inside and here.link.type == there.link.type == "vxlan":
            limit = mtu.port_limit(here.link, filtered=filtered)
            if limit is not None and packet.size > limit.octets:
                return _lost(walker, at, limit, packet, here.link.master, here.link.name)
            return vxlan.bridged(walker, replace(at, packet=packet), here, there, station)
        if not inside:
            sent = _cut(here, packet) if filtered else packet
            lost = _frame_fits(walker, at, here, there, sent, filtered=filtered)
            marked = sent if here.stack is there.stack else replace(sent, mark=0, listener=0)
            return lost or At(there.stack, there.link.name, marked, "frame", station)
    return At(station.stack, station.link.name, packet, "frame", station)


def _leaves(walker: Walker, at: At, here: Port, there: Port, *, made_here: bool) -> At | End:
    """Chains of netdev on a device that sends, and of family bridge if it is a bridge whose stack sends by a port of it."""
    passed = frames.egress(walker, at, here.link.name)
    if not isinstance(passed, At):
        raw = made_here and at.packet.protocol in ICMP and not at.packet.error
        return replace(passed, at_sender=True, errno="ENOBUFS") if raw else passed  # as where the frame is too big
    lost = traffic.queued(walker, passed, here.link.name)
    if lost is not None:
        return lost
    for hook in ("output", "postrouting") if there.link.master == here.link.name and there.stack is here.stack else ():
        passed = frames.bridge(walker, passed, hook, ("", there.link.name))
        if not isinstance(passed, At):
            return passed
    return passed


def _gone(walker: Walker, at: At, port: Port, end: Port) -> At | End:
    """The same for what leaves the evidence by a device of this stack."""
    passed = _leaves(walker, at, port, end, made_here=at.how == "output")
    if not isinstance(passed, At) or end.key == port.key or end.stack is not at.stack:
        return passed
    out = frames.egress(walker, passed, end.link.name)
    return (traffic.queued(walker, out, end.link.name) or out) if isinstance(out, At) else out


def _cut(port: Port, packet: Packet) -> Packet:
    """The first fragment where a bridge port is too narrow: bridge-nf cuts IPv4 packets that may be cut (``br_nf_ip_fragment``)."""
    limit = mtu.port_limit(port.link, filtered=True) if port.link.master else None
    if limit is None or packet.size <= limit.octets or packet.df or packet.family == 6:
        return packet
    return replace(packet, size=limit.octets)


def _frame_fits(walker: Walker, at: At, here: Port, there: Port, packet: Packet, *, filtered: bool) -> End | None:
    """Whether a frame is as small as the bridge port that sends it and the device that receives it ask for."""
    limit = mtu.port_limit(here.link, filtered=filtered) if here.link.master else None
    if limit is not None and packet.size > limit.octets:
        told = _told(walker, at, here, packet) if filtered and packet.family == 6 else None
        return told or _lost(walker, at, limit, packet, here.link.master, here.link.name)
    limit = mtu.port_limit(there.link)
    if limit is None or packet.size <= limit.octets:
        return None
    if walker.network.peer(here) is None:
        why = phrase("card-mtu", device=there.link.name, mtu=there.link.mtu)
        unknown = Unknown(there.stack.node, there.stack.name, f"MTU of {there.link.name}", f"ip -s link show {there.link.name}", why)
        if walker.large:
            walker.recorder.assume(unknown._replace(command="", why=phrase("card-drops", why=why)))
        elif walker.choices.ask(("card", *there.key), ("drops", phrase("takes-them")), unknown):
            return None
    lost = _lost(walker, At(there.stack, there.link.name, packet, "frame"), limit, packet)
    # A raw socket learns that its own device refused the frame, UDP does not ask (ip_send_skb, IP_RECVERR).
    direct = at.how == "output" and not here.link.master and packet.protocol in {"icmp", "icmpv6"} and not packet.error
    return replace(lost, stack=at.stack, at_sender=True, errno="ENOBUFS") if direct else lost


def _told(walker: Walker, at: At, here: Port, packet: Packet) -> End | None:
    """The bridge's stack tells the sender as a router would where the frame passed ip6tables and exceeds the bridge's own MTU (``ip6_fragment``)."""
    bridge = here.stack.link(here.link.master)
    if not bridge.mtu or packet.size <= bridge.mtu:
        return None
    limit = mtu.Limit(bridge.mtu, here.link.name, here.link.fact)
    text = phrase("too-big", size=packet.size, octets=limit.octets, device=limit.device)
    end = walker.stop(
        at,
        "too-big",
        Disposition.TOO_BIG,
        text,
        line_of(limit.fact),
        error=mtu.TOO_BIG[6],
        origin=limit.fact,
        packet=packet,
        state=at.state,
        out=bridge.name,
        physout=here.link.name,
        limit=limit,
    )
    return replace(end, in_device="")  # the error's source is the route's: br_validate_ipv6 clears by what the packet came in


def _lost(walker: Walker, at: At, limit: mtu.Limit, packet: Packet, out: str = "", physout: str = "") -> End:  # noqa: PLR0917 - private; what a drop tells
    """A frame larger than the device takes is dropped without a word."""
    text = phrase("frame-too-big", size=packet.size, device=limit.device)
    lines = line_of(limit.fact)
    return walker.stop(at, "too-big", Disposition.TOO_BIG, text, lines, origin=limit.fact, packet=packet, out=out, physout=physout, limit=limit)
