"""Which device unpacks a tunnelled packet.

Source: Linux ``net/ipv4/ip_tunnel.c`` (ip_tunnel_lookup).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import to_text

if TYPE_CHECKING:
    from engine.model.links import Link
    from engine.model.packet import Packet
    from engine.model.stack import NetStack

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
