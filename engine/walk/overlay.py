"""What the walk writes down of a packet that is put into a VXLAN tunnel: what the sender holds of the other end, and what that end really is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.inet import to_text
from engine.walk.recorder import line_of

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.links import Link
    from engine.model.stack import NetStack
    from engine.walk.place import At
    from engine.walk.routing import Way
    from engine.walk.trace import Line
    from engine.walk.walker import Walker


class Entry(NamedTuple):
    """What a VXLAN device holds of the way to a next hop."""

    remote: str
    """Address of the remote VTEP, "" = none is known."""
    mac: str
    """MAC that the frame is for, "" = not resolved."""
    neighbor: Fact | None
    decided: Fact | None
    """The forwarding database entry, or the device, that names the remote VTEP."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """Evidence of both."""
        return (*line_of(self.neighbor), *line_of(self.decided))


class Owner(NamedTuple):
    """The VTEP that a next hop is an address of."""

    stack: NetStack
    link: Link
    outer: str
    """Its own address for tunnel packets."""


def owner_of(walker: Walker, at: At, link: Link, way: Way) -> Owner | None:
    """The other stack whose device of the same VNI has the next hop's address (or, where routes say so, the packet's destination)."""
    family = at.packet.family
    for other in walker.network.stacks.values():
        if other is at.stack:
            continue
        for far in other.links.values():
            if far.type == "vxlan" and far.vxlan_id == link.vxlan_id and any(a.value == way.next_hop for a in other.addresses_of(far.name, family)):
                return Owner(other, far, far.vxlan_local or _outer(other, far))
    return None


def _outer(stack: NetStack, link: Link) -> str:
    """The address that a device without one of its own most likely uses: the first of its underlay device, or of any other."""
    fits = [a for a in stack.addresses if a.family == 4 and a.scope == "global" and a.device not in {link.name, "lo"}]
    return next((a.text for a in fits if a.device == link.vxlan_device), fits[0].text if fits else "")


def note(walker: Walker, at: At, link: Link, way: Way, found: Entry, lost: str, there: NetStack | None = None, far: Link | None = None) -> None:  # noqa: PLR0917 - both ends of a tunnel
    """A ``tunnelled`` fact, placed on the stack that encapsulates."""
    owner = owner_of(walker, at, link, way)
    held = found.neighbor if owner is not None and found.mac and found.mac != owner.link.mac else found.decided
    walker.recorder.fact(
        "tunnelled",
        at.stack,
        (),
        held or found.neighbor or found.decided or way.fact,
        device=link.name,
        vni=link.vxlan_id,
        port=link.vxlan_port,
        local=link.vxlan_local or None,
        next_hop=to_text(way.next_hop, at.packet.family),
        mac=found.mac or None,
        source_mac=link.mac or None,
        remote=found.remote or None,
        lost=lost,
        peer=there.node if there is not None else None,
        peer_device=far.name if far is not None else None,
        peer_mac=far.mac or None if far is not None else None,
        owner=owner.stack.node if owner is not None else None,
        owner_device=owner.link.name if owner is not None else None,
        owner_mac=owner.link.mac or None if owner is not None else None,
        owner_outer=owner.outer or None if owner is not None else None,
    )
