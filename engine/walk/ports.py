"""Bridge ports that keep a frame back: by attributes of the port, and by what the bridge has learned.

Source: Linux ``net/bridge/br_forward.c`` (should_deliver, br_flood), ``br_input.c`` (br_handle_frame_finish), ``br_device.c`` (br_dev_xmit).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from engine.inet import to_text
from engine.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.facts import Fact
    from engine.model.network import Port
    from engine.model.packet import Packet
    from engine.walk.recorder import Recorder


class Closed(NamedTuple):
    """A port that keeps a frame back."""

    port: Port
    attribute: str
    value: str
    wanted: str
    summary: str
    mac: str = ""
    other: str = ""

    @property
    def fact(self) -> Fact | None:
        """Where the evidence shows the port."""
        return self.port.link.fact


def note(recorder: Recorder, closed: Closed, packet: Packet) -> None:
    """Write down which attribute of which port decided."""
    link, stack = closed.port.link, closed.port.stack
    recorder.fact(
        "closed_port",
        stack,
        (),
        link.fact,
        src=to_text(packet.src, packet.family),
        dst=to_text(packet.dst, packet.family),
        device=link.name,
        bridge=link.master,
        attribute=closed.attribute,
        value=closed.value,
        wanted=closed.wanted,
        other=closed.other,
        mac=closed.mac,
        stp=stack.link(link.master).stp,
    )


def leaving(port: Port, mac: str) -> Closed | None:
    """Why a unicast frame for a MAC does not leave by a port: nobody told the bridge that it is there, nor may it find out or flood."""
    link = port.link
    if link.flood is not False or link.learning is not False or not mac or _knows(port, mac) is not False:
        return None
    text = phrase("port-unflooded", device=link.name, bridge=link.master, mac=mac)
    return Closed(port, "flood", "off", "on", text, mac)


def entering(port: Port, mac: str) -> Closed | None:
    """Why a frame from a MAC does not pass a locked port."""
    link = port.link
    if not link.locked or not mac or _knows(port, mac) is not False:
        return None
    return Closed(port, "locked", "on", "off", phrase("port-locked", device=link.name, bridge=link.master, mac=mac), mac)


def apart(one: Port, other: Port) -> Closed | None:
    """Why a frame does not pass from one port of a bridge to another: both are isolated."""
    if not (one.link.isolated and other.link.isolated):
        return None
    return Closed(other, "isolated", "on", "off", phrase("isolated", one=one.link.name, other=other.link.name), other=one.link.name)


def unheard(path: Sequence[Port], family: int) -> Closed | None:
    """What on a path keeps a question for a neighbour, or its answer, from coming through; the path leads from who asks to who is asked."""
    asker, asked = path[0], path[-1]
    attribute = "bcast_flood" if family != 6 else "mcast_flood"  # ARP is broadcast, neighbour discovery multicast
    for before, here, there in zip(path, path[1:], path[2:], strict=False):
        if before.link.master == here.link.name == there.link.master and (closed := apart(before, there)) is not None:
            return closed
    for here, there in pairwise(path):
        if here.stack is not there.stack:
            continue
        if there.link.master == here.link.name and getattr(there.link, attribute) is False:
            text = phrase("port-deaf", device=there.link.name, bridge=here.link.name, attribute=attribute)
            return Closed(there, attribute, "off", "on", text)
        if there.link.master == here.link.name and (closed := entering(there, asked.link.mac)) is not None:
            return closed  # the answer comes in by it
        if here.link.master == there.link.name and (closed := entering(here, asker.link.mac) or leaving(here, asker.link.mac)) is not None:
            return closed
    return None


def _knows(port: Port, mac: str) -> bool | None:
    """Whether the bridge has a MAC on a port; ``None`` if its entries were not listed."""
    if not port.stack.collected("fdb"):
        return None
    return any(f.fields.get("device") == port.link.name and str(f.fields.get("mac", "")).lower() == mac for f in port.stack.facts("fdb"))
