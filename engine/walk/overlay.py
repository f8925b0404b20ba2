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


def note(walker: Walker, at: At, link: Link, way: Way, found: Entry, lost: str, there: NetStack | None = None, far: Link | None = None) -> None:  # noqa: PLR0917 - both ends of a tunnel
    """A ``tunnelled`` fact, placed on the stack that encapsulates."""
    walker.recorder.fact(
        "tunnelled",
        at.stack,
        (),
        found.decided or found.neighbor or way.fact,
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
        peer_stack=there.name if there is not None else None,
        peer_device=far.name if far is not None else None,
        peer_mac=far.mac or None if far is not None else None,
    )
