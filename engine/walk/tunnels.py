"""Which device unpacks a tunnelled packet, and what a tunnel tells of packets that do not fit into it.

Source: Linux ``net/ipv4/ip_tunnel.c`` (ip_tunnel_lookup, tnl_update_pmtu), ``ipip.c`` (ipip_err).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import to_text
from engine.walk import mtu
from engine.walk.icmp import attached, error_packet
from engine.walk.recorder import line_of
from engine.walk.trace import Disposition

if TYPE_CHECKING:
    from engine.model.links import Link
    from engine.model.packet import Packet
    from engine.model.stack import NetStack
    from engine.walk.walker import At, End, Walker

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
    return walker._stop(
        at,
        "too-big",
        Disposition.TOO_BIG,
        f"{packet.size} octets do not fit into {name}: {limit.octets} would",
        line_of(limit.fact),
        error="" if local else mtu.TOO_BIG[packet.family],
        errno="EMSGSIZE" if local else "",
        origin=limit.fact,
        out=name,
        state=at.state,
        limit=limit,
    )


def _heard(walker: Walker, at: At, end: End) -> bool:
    """Whether the near end of the tunnel learns that its packet was too big."""
    if not end.error:
        return end.at_sender and bool(end.errno)
    from engine.walk.walker import At as Place

    before, walker.recorder.direction = walker.recorder.direction, "error"
    walker.depth += 1
    back = walker.carry(Place(end.stack, "", error_packet(end), "output", state=attached(end)))
    walker.depth -= 1
    walker.recorder.direction = before
    return back.disposition is Disposition.DELIVERED and back.stack is at.stack
