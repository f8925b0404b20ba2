"""Which device unpacks a tunnelled packet.

Source: Linux ``net/ipv4/ip_tunnel.c`` (ip_tunnel_lookup), ``drivers/net/wireguard/allowedips.c``, ``receive.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import prefix, to_text

if TYPE_CHECKING:
    from engine.facts import Fact
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


def peer_for(stack: NetStack, device: str, value: int, family: int) -> Fact | None:
    """The WireGuard peer whose allowed prefixes hold an address, the longest first."""
    best: tuple[int, Fact] | None = None
    for peer in stack.facts("wireguard_peer"):
        if peer.fields.get("device") != device:
            continue
        for text in peer.fields.get("allowed", ()):
            network = prefix(text)
            if network.family == family and network.holds(value) and (best is None or network.length > best[0]):
                best = network.length, peer
    return best[1] if best else None
