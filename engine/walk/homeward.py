"""Through a tunnel out of the evidence and back: the answer of an end that nobody collected, as its tunnel brings it.

The tunnel's packets of the other node are new to this one's conntrack and addressed to the tunnel's own port: whatever filters INPUT decides on
them, not on what is inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import family_of, to_int
from engine.model.network import Port
from engine.model.packet import Packet
from engine.walk.place import At, End
from engine.walk.trace import Disposition

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.links import Link
    from engine.walk.walker import Walker

PEER_PORT = 49153
"""Source port of the other node's packets: of its own choice, so that conntrack does not take them for answers."""


def back(walker: Walker, end: End, answer: Packet) -> End | None:
    """Where the answer ends; ``None`` if it does not come through a tunnel of which enough is known."""
    facts = (f for f in reversed(walker.recorder.facts) if f.kind == "left_evidence")
    left = next(facts, None)
    if left is None or end.left_by is None or not left.fields.get("tunnel") or (left.node, left.stack) != (end.stack.node, end.stack.name):
        return None
    stack, port = end.stack, end.left_by
    link = stack.links.get(str(left.fields["tunnel"]))
    outer = _outer(link, left, answer) if link is not None else None
    if link is None or outer is None or port.stack is not stack:
        return None
    device = port.link.master if port.link.master and stack.is_bridge(port.link.master) else port.link.name
    recorder = walker.recorder
    before, recorder.outer = recorder.outer, {"tunnel": link.name, "overhead": outer.size - answer.size}
    walker.depth += 1
    try:
        arrived = walker.carry(At(stack, port.link.name, outer, "frame", Port(stack, stack.link(device))))
    finally:
        walker.depth -= 1
        recorder.outer = before
    if arrived.disposition is not Disposition.DELIVERED or arrived.stack is not stack:
        return arrived
    return walker.carry(At(stack, link.name, answer, "frame", Port(stack, link)))


def _outer(link: Link, left: Fact, answer: Packet) -> Packet | None:
    """The packet that the other node sends: the other way round, to the tunnel's port."""
    src, dst = str(left.fields.get("dst", "")), str(left.fields.get("src", ""))
    if not src or not dst:
        return None
    size = answer.size + int(left.fields["overhead"])
    if link.type == "vxlan":
        return Packet(family_of(dst), to_int(src), to_int(dst), "udp", PEER_PORT, link.vxlan_port or 8472, size=size, df=False)
    return Packet(4, to_int(src), to_int(dst), "ipip", size=size) if link.type == "ipip" else None
