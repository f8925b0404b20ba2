"""A packet sent by a WireGuard device: the peer that its destination belongs to, the outer packet, and whether the other end accepts it.

Source: Linux ``drivers/net/wireguard/device.c`` (wg_xmit), ``allowedips.c``, ``receive.c``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.inet import family_of, prefix, to_int, to_text
from engine.model.network import Port
from engine.model.packet import Packet
from engine.phrases import phrase
from engine.walk import tunnels
from engine.walk.place import At, End
from engine.walk.recorder import line_of
from engine.walk.trace import Disposition, Unknown

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.links import Link
    from engine.model.stack import NetStack
    from engine.walk.walker import Walker

OVERHEAD = {4: 60, 6: 80}
"""Octets around the inner packet, by the family of the outer one."""


def peer_for(stack: NetStack, device: str, value: int, family: int) -> Fact | None:
    """The peer whose allowed prefixes hold an address, the longest first."""
    best: tuple[int, Fact] | None = None
    for peer in stack.facts("wireguard_peer"):
        if peer.fields.get("device") != device:
            continue
        for network in map(prefix, peer.fields.get("allowed", ())):
            if network.family == family and network.holds(value) and (best is None or network.length > best[0]):
                best = network.length, peer
    return best[1] if best else None


def send(walker: Walker, at: At, link: Link) -> At | End:
    """Choose the peer and send; a packet without one is refused, to a local sender by an errno."""
    stack, packet = at.stack, at.packet
    if not stack.collected("wireguard"):
        unknown = Unknown(stack.node, stack.name, "wireguard", f"wg show {link.name}", phrase("peers-unseen", device=link.name))
        walker.choices.ask(("wireguard", stack.node, stack.name), ("unknown",), unknown)
        walker.recorder.step("encapsulate", unknown.why, "unknown")
        return End(Disposition.DEPENDS, stack, packet, link.name)
    peer = peer_for(stack, link.name, packet.dst, packet.family)
    dst = to_text(packet.dst, packet.family)
    if peer is None:
        return _refuse(walker, at, link, phrase("no-peer", device=link.name, dst=dst), "ENOKEY", link.fact)
    if "endpoint" not in peer.fields:
        return _refuse(walker, at, link, phrase("no-endpoint", device=link.name, dst=dst), "EDESTADDRREQ", peer)
    return _carry(walker, at, link, peer)


def _refuse(walker: Walker, at: At, link: Link, text: str, errno: str, origin: Fact | None) -> End:  # noqa: PLR0917 - one way out of all
    """The device answers with ICMP host unreachable; a local UDP sender gets the errno, for TCP the SYN is only lost until the error is in."""
    local = at.how == "output" and at.packet.protocol != "tcp"
    error = "icmp-host-unreachable" if at.packet.family == 4 else "icmp6-addr-unreachable"
    place = at if local else replace(at, how="frame")
    lines = line_of(origin)
    if local:
        return walker.stop(place, "device", Disposition.DROPPED, text, lines, origin=origin, out=link.name, errno=errno)
    return walker.stop(place, "device", Disposition.DROPPED, text, lines, origin=origin, out=link.name, error=error)


def _carry(walker: Walker, at: At, link: Link, peer: Fact) -> At | End:
    packet, stack = at.packet, at.stack
    remote = str(peer.fields["endpoint"])
    own = _device(stack, link.name)
    walker.recorder.step("encapsulate", phrase("wireguard-to", device=link.name, remote=remote), "rewrite", line_of(peer))
    family = family_of(remote)
    ports = own.fields.get("port", 0) if own else 0, peer.fields.get("endpoint_port", 0)
    mark = own.fields.get("fwmark", 0) if own else 0
    outer = Packet(family, 0, to_int(remote), "udp", *ports, mark=mark, size=packet.size + OVERHEAD[family], df=False)
    end = tunnels.nested(walker, at, outer, link.name)
    if end.disposition is not Disposition.DELIVERED:
        return tunnels.died(walker, at, end, link.name)
    far = next((f for f in end.stack.facts("wireguard_device") if f.fields.get("port") == end.packet.dport), None)
    text = phrase("no-wireguard") if far is None else _unwanted(end.stack, far, own, packet)
    if far is None or text:
        place = replace(at, stack=end.stack, device=end.device, packet=end.packet, how="frame")
        walker.stop(place, "device", Disposition.DROPPED, text, line_of(far), origin=far)
        return tunnels.died(walker, at, end, link.name)
    device = end.stack.link(str(far.fields["device"]))
    walker.recorder.enter(end.stack, end.device, end.packet)
    walker.recorder.step("decapsulate", f"{device.name}: WireGuard", "rewrite")
    inner = replace(packet, mark=0)
    return replace(at, stack=end.stack, device=device.name, packet=inner, how="frame", station=Port(end.stack, device), state=None, physin="")


def _device(stack: NetStack, name: str) -> Fact | None:
    return next((f for f in stack.facts("wireguard_device") if f.fields.get("device") == name), None)


def _unwanted(stack: NetStack, far: Fact, sender: Fact | None, packet: Packet) -> str:
    """Why the other end does not take the packet; "" if it does: its source must belong to the peer that sent it."""
    key = sender.fields.get("public_key") if sender else None
    device = str(far.fields["device"])
    if not any(p.fields.get("public_key") == key for p in stack.facts("wireguard_peer") if p.fields.get("device") == device):
        return phrase("no-key", device=device)
    allowed = peer_for(stack, device, packet.src, packet.family)
    if allowed is None or allowed.fields.get("public_key") != key:
        return phrase("not-allowed", src=to_text(packet.src, packet.family), device=device)
    return ""
