"""Narrow places of a way whose far end is not in the evidence: what a client announces there is what comes back.

The other end of a TCP connection sends segments as large as the client's MSS allows.  The MSS follows the client's own MTU, not the way's
(``tcp_advertise_mss``): a container of 1500 behind a card of 1450 asks for packets that its node's network does not carry, and only an ICMP
error of some router out there could tell the server.  The node itself announces the MTU of its card and has no trouble.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.model.links import is_overlay

if TYPE_CHECKING:
    from engine.model.network import Network
    from engine.walk.recorder import Recorder


def note(network: Network, recorder: Recorder, announced: int) -> None:
    """A ``narrow`` fact for the first device by which the request is routed out and that does not carry ``announced`` octets."""
    hops = [f for f in recorder.facts if f.kind == "hop" and f.fields["direction"] == "request" and "tunnel" not in f.fields]
    sender = next((f for f in hops if f.fields["how"] == "output"), None)
    for hop in hops:
        stack = network.stack(hop.node, hop.stack)
        link = stack.links.get(str(hop.fields["out_device"])) if stack is not None else None
        if stack is None or link is None or not link.mtu or link.mtu >= announced:
            continue
        own = network.stack(sender.node, sender.stack) if sender is not None else None
        device = str(sender.fields["out_device"]) if sender is not None else None
        recorder.fact(
            "narrow",
            stack,
            (),
            link.fact,
            device=link.name,
            mtu=link.mtu,
            announced=announced,
            sender_device=device,
            sender_mtu=own.link(device).mtu if own is not None and device else None,
            in_device=hop.fields["in_device"],
            overlay=is_overlay(link),
        )
        return
