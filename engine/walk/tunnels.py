"""Which device unpacks a tunnelled packet, and what a tunnel tells of packets that do not fit into it.

Source: Linux ``net/ipv4/ip_tunnel.c`` (ip_tunnel_lookup, tnl_update_pmtu), ``ipip.c`` (ipip_err).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.inet import to_int, to_text
from engine.model.fib import Key
from engine.model.network import Port
from engine.model.packet import Packet
from engine.phrases import phrase
from engine.walk import mtu
from engine.walk.errors import seen_as
from engine.walk.icmp import attached, error_packet
from engine.walk.layer2 import source_prefix
from engine.walk.place import At, End
from engine.walk.recorder import line_of
from engine.walk.routing import find_way
from engine.walk.trace import Disposition, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.model.links import Link
    from engine.model.stack import NetStack
    from engine.walk.routing import Way
    from engine.walk.walker import Walker

UNSET = frozenset({"", "any", "0.0.0.0"})  # noqa: S104 - how tunnels print an end that is not set
"""Tunnel ends that are chosen per packet."""


def unpacking(stack: NetStack, outer: Packet, kind: str) -> Link | None:
    """The device that takes an IP-in-IP or GRE packet: of the very ends, of the remote end, of the local one, or of none."""
    src, dst = to_text(outer.src, outer.family), to_text(outer.dst, outer.family)
    best: tuple[int, Link] | None = None
    for link in stack.links.values():
        if link.type != kind or link.up is False:
            continue
        if (link.tunnel_remote not in UNSET and link.tunnel_remote != src) or (link.tunnel_local not in UNSET and link.tunnel_local != dst):
            continue
        rank = 2 * (link.tunnel_remote not in UNSET) + (link.tunnel_local not in UNSET)
        if best is None or rank > best[0]:
            best = rank, link
    return best[1] if best else None


def refusal(stack: NetStack, kind: str) -> str:
    """ICMP error where no device takes a packet: of the module if it is there (its fallback device shows it; ``tunnel4_rcv``), else of IP."""
    if any(link.type == kind for link in stack.links.values()):
        return "icmp-port-unreachable"
    return "icmp-proto-unreachable"


def learned(walker: Walker, at: At, outer: Packet, end: End, name: str) -> End | None:
    """IP tunnels set DF outside and pass on what they learn: the sender of an inner packet with DF is told what would fit."""
    packet = at.packet
    if end.disposition is not Disposition.TOO_BIG or not end.mtu or (packet.family == 4 and not packet.df) or not _heard(walker, at, end):
        return None
    limit = mtu.Limit(end.mtu - (outer.size - packet.size), name, at.stack.link(name).fact)
    local = at.how == "output"
    return walker.stop(
        at,
        "too-big",
        Disposition.TOO_BIG,
        phrase("tunnel-too-big", size=packet.size, device=name, octets=limit.octets),
        line_of(limit.fact),
        error="" if local else mtu.TOO_BIG[packet.family],
        errno="EMSGSIZE" if local else "",
        origin=limit.fact,
        out=name,
        state=at.state,
        limit=limit,
    )


def _heard(walker: Walker, at: At, end: End) -> bool:
    """Whether the near end of the tunnel learns what became of its packet."""
    if not end.error:
        return end.at_sender and bool(end.errno)
    before, walker.recorder.direction = walker.recorder.direction, "error"
    walker.depth += 1
    back = walker.carry(At(end.stack, "", error_packet(end), "output", state=attached(end)))
    walker.depth -= 1
    walker.recorder.direction = before
    return back.disposition is Disposition.DELIVERED and back.stack is at.stack


def nested(walker: Walker, at: At, outer: Packet, name: str) -> End:
    """Walk the outer packet of what device ``name`` sends, from the stack that makes it."""
    recorder = walker.recorder
    before, recorder.outer = recorder.outer, {"tunnel": name, "overhead": outer.size - at.packet.size}
    walker.depth += 1
    try:
        if walker.depth > 4:
            return End(Disposition.LOOPED, at.stack, outer)
        start = At(at.stack, "", outer, "output")
        way = find_way(at.stack, walker.key(outer), walker.choices)
        if (way.type, way.device) == ("unicast", name):
            # Asked before the packet is made (udp_tunnel_dst_lookup, ip_tunnel_xmit).
            text = phrase("tunnel-into-itself", device=name, remote=to_text(outer.dst, outer.family))
            return walker.stop(start, "loop", Disposition.LOOPED, text, way.lines, origin=way.fact, out=name)
        return walker.carry(start)
    finally:
        walker.depth -= 1
        recorder.outer = before


def died(walker: Walker, at: At, end: End, name: str, error: str = "") -> End:
    """The outer packet did not arrive (its drop fact stands): the inner one is lost, mostly without a word."""
    walker.recorder.step("encapsulate", phrase("outer-lost", device=name), "drop")
    return lost(at, end, name, error)


def lost(at: At, end: End, name: str, error: str = "") -> End:
    """The inner packet ends as its tunnel packet did; ``error``: ICMP error that its sender is told."""
    local = at.how == "output"
    errno = seen_as(error, at.packet.protocol) if local and error else ""
    return End(
        end.disposition,
        at.stack,
        at.packet,
        name,
        "" if errno == "timeout" else errno,
        "" if local else error,
        left_by=end.left_by,
        at_sender=local,
    )


def send(walker: Walker, at: At, link: Link, way: Way) -> At | End:
    """A packet sent by an IP-in-IP, SIT or GRE device."""
    packet = at.packet
    remote = link.tunnel_remote if link.tunnel_remote not in UNSET else to_text(way.next_hop, packet.family)
    local = link.tunnel_local if link.tunnel_local not in UNSET else ""
    walker.recorder.step("encapsulate", phrase("tunnel-to", device=link.name, type=link.type, remote=remote), "rewrite")
    outer = Packet(
        4, to_int(local) if local else 0, to_int(remote), "ipip" if link.type == "ipip" else link.type, size=packet.size + 20, mark=packet.mark
    )
    # A tunnel with a fixed remote end turns errors about its packets into this one, any other ignores them (ipip_err).
    told = "icmp-host-unreachable" if link.tunnel_remote not in UNSET else ""
    return carried(walker, at, outer, link.type, link.name, lambda _: told)


def carried(walker: Walker, at: At, outer: Packet, kind: str, name: str, told: Callable[[str], str]) -> At | End:  # noqa: PLR0917 - two packets and what is between them
    """Send the outer packet of an IP tunnel (a device's, or IPVS's); the inner one goes on where it is unpacked.

    ``told``: ICMP error about the outer packet → what the inner packet's sender is told.
    """
    end = nested(walker, at, outer, name)
    if end.disposition is not Disposition.DELIVERED:
        return learned(walker, at, outer, end, name) or died(walker, at, end, name, _passed_on(walker, at, end, told))
    far = unpacking(end.stack, end.packet, kind)
    if far is None:
        error = refusal(end.stack, kind)
        end = walker.stop(
            At(end.stack, end.device, end.packet, "frame"), "device", Disposition.DROPPED, phrase("no-tunnel-device", kind=kind), error=error
        )
        return died(walker, at, end, name, _passed_on(walker, at, end, told))
    walker.recorder.enter(end.stack, end.device, end.packet)
    walker.recorder.step("decapsulate", f"{far.name}: {kind}", "rewrite")
    return At(end.stack, far.name, replace(at.packet, mark=end.packet.mark), "frame", Port(end.stack, far))


def _passed_on(walker: Walker, at: At, end: End, told: Callable[[str], str]) -> str:
    """ICMP error that the inner packet's sender gets; "" for one that the near end of the tunnel itself never hears of."""
    error = told(end.error) if end.error else ""
    return error if error and _heard(walker, at, end) else ""


def to_program(walker: Walker, at: At, link: Link, way: Way) -> At | End:
    """A tunnel run by a program (flannel's UDP backend): it comes out on the same-named device of the node whose subnet holds the destination."""
    packet = at.packet
    for other in walker.network.stacks.values():
        if other is at.stack or link.name not in other.links:
            continue
        found = other.fib.lookup(Key(packet.family, packet.dst, iif=link.name))
        inside = found.type == "local" or (
            found.type == "unicast"
            and found.route is not None
            and found.route.dst.length > 0
            and all(h.device != link.name and not h.gateway for h in found.route.hops)
        )
        if inside:
            walker.recorder.assume(Unknown(at.stack.node, at.stack.name, link.name, "", phrase("program-carries", device=link.name, node=other.node)))
            return At(other, link.name, packet, "frame", Port(other, other.link(link.name)))
    family = packet.family
    src = to_text(packet.src, family)
    walker.recorder.step("encapsulate", phrase("program-takes", device=link.name), "unknown")
    walker.recorder.fact(
        "left_evidence",
        at.stack,
        (),
        way.fact,
        device=link.name,
        next_hop=to_text(way.next_hop, family),
        dst=to_text(packet.dst, family),
        src=src,
        source_prefix=source_prefix(walker.network, packet.src, family, src),
    )
    return End(Disposition.LEFT_EVIDENCE, at.stack, packet, link.name, state=at.state)
