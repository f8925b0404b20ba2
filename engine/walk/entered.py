"""Where a flow's packets were seen to come in: what the kernel logged or traced, or a capture shows, tells more than where routes lead back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.inet import family_of, to_int, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.model.network import Network
    from engine.model.packet import Packet
    from engine.model.stack import NetStack

KINDS: Final = ("kernel_trace", "kernel_message")
"""Facts of the kernel that name a packet's ends and the device by which it came in."""


class Incoming(NamedTuple):
    """A packet that a stack took in."""

    src: str
    dst: str
    device: str


def incoming(network: Network, stack: NetStack) -> list[Incoming]:
    """Packets that were seen to come in by devices of a stack, in the order in which they were told of."""
    told = (fact.fields for kind in KINDS for fact in stack.facts(kind))
    found = [Incoming(str(f.get("src", "")), str(f.get("dst", "")), str(f.get("in_device", ""))) for f in told]
    return [one for one in (*found, *_captured(network, stack)) if one.device in stack.links and one.device != "lo"]


def _captured(network: Network, stack: NetStack) -> Iterator[Incoming]:
    """What captures show to come in: by their own word, else because it is for the very machine where they were made.

    What is inside a tunnel's packet has yet to be taken out of it.
    """
    sightings = [f for f in network.facts.at("sighting", stack.node, stack.name) if "outer_dst" not in f.fields]
    devices = {id(f.source): str(f.get("device", "")) for f in network.facts.at("capture", stack.node, stack.name)} if sightings else {}
    for fact in sightings:
        dst = str(fact.get("dst", ""))
        if fact.get("way") == "in" or ("way" not in fact.fields and stack.own(to_int(dst), family_of(dst)) is not None):
            yield Incoming(str(fact.get("src", "")), dst, str(fact.get("device") or devices.get(id(fact.source), "")))


def seen_entering(network: Network, packet: Packet) -> tuple[NetStack, str] | None:
    """The one machine that was seen to take packets of such a source and destination in, and by which device first.

    ``None`` if none was, or if several were: those pass them on to each other, and nobody tells which was the first.
    """
    ends = to_text(packet.src, packet.family), to_text(packet.dst, packet.family)
    found: list[tuple[NetStack, str]] = []
    for stack in network.stacks.values():
        device = next((one.device for one in incoming(network, stack) if (one.src, one.dst) == ends), "") if stack.is_host else ""
        if device:
            found.append((stack, device))
    return found[0] if len(found) == 1 else None
