"""Where a flow's packets were seen to come in: what the kernel logged or traced of them tells more than where routes would have them come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.inet import to_text

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.network import Network
    from engine.model.packet import Packet
    from engine.model.stack import NetStack

KINDS: Final = ("kernel_trace", "kernel_message")
"""Facts that name a packet's ends and the device by which it came in."""


def incoming(stack: NetStack) -> list[Fact]:
    """What tells of packets that came in by a device of a stack."""
    told = (fact for kind in KINDS for fact in stack.facts(kind))
    return [fact for fact in told if fact.fields.get("in_device", "") in stack.links and fact.fields["in_device"] != "lo"]


def seen_entering(network: Network, packet: Packet) -> tuple[NetStack, str] | None:
    """The one machine that was seen to take packets of such a source and destination in, and by which device first.

    ``None`` if none was, or if several were: those pass them on to each other, and nobody tells which was the first.
    """
    src, dst = to_text(packet.src, packet.family), to_text(packet.dst, packet.family)
    found: dict[tuple[str, str], tuple[NetStack, str]] = {}
    for stack in network.stacks.values():
        for fact in incoming(stack) if stack.is_host else ():
            if (fact.fields.get("src"), fact.fields.get("dst")) == (src, dst):
                found.setdefault((stack.node, stack.name), (stack, str(fact.fields["in_device"])))
    return next(iter(found.values())) if len(found) == 1 else None
