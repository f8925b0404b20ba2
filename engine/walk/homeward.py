"""Through a tunnel that ends in the evidence at one end only: the packets of the other end come by it.

The tunnel's packets of the other node are new to this one's conntrack and addressed to the tunnel's own port: whatever filters INPUT decides on
them, not on what is inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import family_of, to_int, to_text
from engine.model.fib import Key
from engine.model.network import Port
from engine.model.packet import Packet
from engine.walk import vxlan
from engine.walk.place import At, End
from engine.walk.routing import find_way
from engine.walk.trace import Disposition
from engine.walk.tunnels import UNSET

if TYPE_CHECKING:
    from engine.model.links import Link
    from engine.model.stack import NetStack
    from engine.walk.walker import Walker

PEER_PORT = 49153
"""Source port of the other node's packets: of its own choice, so that conntrack does not take them for answers."""
OVERHEADS = {"vxlan": 50, "ipip": 20}
"""Tunnels whose packets can be made up, and the octets that they add over IPv4."""


def back(walker: Walker, end: End, answer: Packet) -> End | None:
    """Where the answer ends; ``None`` if it does not come through a tunnel of which enough is known."""
    facts = (f for f in reversed(walker.recorder.facts) if f.kind == "left_evidence")
    left = next(facts, None)
    if left is None or end.left_by is None or not left.fields.get("tunnel") or (left.node, left.stack) != (end.stack.node, end.stack.name):
        return None
    stack, port = end.stack, end.left_by
    link = stack.links.get(str(left.fields["tunnel"]))
    outer = _outer(link, str(left.fields.get("dst", "")), str(left.fields.get("src", "")), answer.size) if link is not None else None
    if link is None or outer is None or port.stack is not stack:
        return None
    device = port.link.master if port.link.master and stack.is_bridge(port.link.master) else port.link.name
    return _unpacked(walker, At(stack, port.link.name, outer, "frame", Port(stack, stack.link(device))), link, answer)


def carry_in(walker: Walker, at: At) -> End:
    """Carry a packet of a sender that nobody collected; one that comes by a tunnel is first carried to it inside the tunnel's own."""
    stack, packet = at.stack, at.packet
    link = stack.link(at.device)
    if at.how == "frame" and link.type in OVERHEADS:
        way = find_way(stack, Key(packet.family, packet.src), walker.choices)
        remote = vxlan.remote_of(stack, link, way) if link.type == "vxlan" else link.tunnel_remote
        remote = to_text(way.next_hop, packet.family) if link.type == "ipip" and remote in UNSET and way.gateway else remote
        device, local = _underlay(stack, link, remote)
        outer = _outer(link, remote, local, packet.size) if device else None
        if outer is not None:
            return _unpacked(walker, At(stack, device, outer, "frame", Port(stack, stack.link(device))), link, packet)
    return walker.carry(at)


def _underlay(stack: NetStack, link: Link, remote: str) -> tuple[str, str]:
    """(device, own address) by which the other end is reached; ("", "") if that is not known."""
    if not remote or remote in UNSET:
        return "", ""
    route = stack.fib.lookup(Key(family_of(remote), to_int(remote))).route
    device = route.hops[0].device if route is not None else ""
    own = next((a.text for a in stack.addresses_of(device, family_of(remote))), "") if device else ""
    local = link.vxlan_local or (link.tunnel_local if link.tunnel_local not in UNSET else "") or own
    return (device, local) if device and device != link.name else ("", "")


def _unpacked(walker: Walker, at: At, link: Link, inner: Packet) -> End:
    """The outer packet as it arrives; if it is delivered, the inner one as it comes out of the tunnel."""
    recorder = walker.recorder
    before, recorder.outer = recorder.outer, {"tunnel": link.name, "overhead": at.packet.size - inner.size}
    walker.depth += 1
    try:
        arrived = walker.carry(at)
    finally:
        walker.depth -= 1
        recorder.outer = before
    if arrived.disposition is not Disposition.DELIVERED or arrived.stack is not at.stack:
        return arrived
    return walker.carry(At(at.stack, link.name, inner, "frame", Port(at.stack, link)))


def _outer(link: Link, src: str, dst: str, size: int) -> Packet | None:
    """The packet that the other node sends, to the tunnel's own port."""
    if not src or not dst or link.type not in OVERHEADS:
        return None
    size += OVERHEADS[link.type] + 20 * (":" in dst)
    if link.type == "vxlan":
        return Packet(family_of(dst), to_int(src), to_int(dst), "udp", PEER_PORT, link.vxlan_port or 8472, size=size, df=False)
    return Packet(4, to_int(src), to_int(dst), "ipip", size=size)
