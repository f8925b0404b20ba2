"""ARP's questions and answers pass the chains below IP: of a device (netdev), of bridges, and of family arp on either end.

Source: Linux ``net/ipv4/arp.c`` (arp_xmit, arp_rcv), ``net/bridge/br_forward.c``, ``net/netfilter/nft_chain_filter.c`` (ingress of inet leaves
ARP alone).
Measured on Linux 6.18: with a chain that drops everything on the way of ARP, connect() gets EHOSTUNREACH, whatever the chain does to IP.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from engine.model.packet import Packet
from engine.walk import frames
from engine.walk.layer2 import asked_from
from engine.walk.place import At, End

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.model.network import Port
    from engine.model.stack import NetStack
    from engine.walk.walker import Walker

REQUEST, REPLY = 1, 2
OCTETS = 28
"""Octets of a question or an answer, without the frame's header."""


class Place(NamedTuple):
    """A hook that a frame passes: ``output`` and ``input`` of family arp, ``ingress`` and ``egress`` of a device, or a bridge's hook."""

    stack: NetStack
    hook: str
    in_device: str = ""
    out_device: str = ""


def question(asker: int, next_hop: int, mac: str = "") -> Packet:
    """Who has an address, asked of everybody."""
    return Packet(4, asker, next_hop, "arp", size=OCTETS, operation=REQUEST, mac=mac)


def answer(asker: int, next_hop: int, mac: str = "") -> Packet:
    """What the station that has it tells the asker."""
    return Packet(4, next_hop, asker, "arp", size=OCTETS, operation=REPLY, mac=mac)


def unanswered(walker: Walker, at: At, path: list[Port], next_hop: int) -> End | None:
    """What stops the question for a neighbour or its answer; ``path``: devices from the one that asks to the one that is asked."""
    start, station = path[0], path[-1]
    asker = asked_from(start, next_hop, 4, at.packet.src)
    if asker is None or (start.link.name, next_hop) in start.stack.neighbors:
        return None
    ended = _carried(walker, at, question(asker, next_hop, start.link.frame_address), path)
    return ended or _carried(walker, at, answer(asker, next_hop, station.link.frame_address), path[::-1])


def _carried(walker: Walker, at: At, packet: Packet, path: list[Port]) -> End | None:
    recorder = walker.recorder
    for place in _places(path):
        mark = recorder.mark()
        if recorder.hops and recorder.hops[-1].stack is not place.stack:
            recorder.enter(place.stack, place.in_device, packet)
        here = At(place.stack, place.in_device, packet, "frame")
        passed = frames.bare(walker, here, place.hook, place.in_device, place.out_device)
        if isinstance(passed, End):
            return replace(passed, in_device=at.came_by)
        packet = passed.packet
        recorder.rewind(mark)
    return None


def _places(path: list[Port]) -> Iterator[Place]:
    """Hooks on the way in order."""
    start, station = path[0], path[-1]
    yield Place(start.stack, "arp output", out_device=start.link.name)
    came_by = ""
    """Port by which the frame came to the bridge that it is on."""
    for here, there in pairwise(path):
        stack = here.stack
        if stack is there.stack and here.link.master == there.link.name:
            yield Place(stack, "bridge prerouting", in_device=here.link.name)
            came_by = here.link.name
        elif stack is there.stack and there.link.master == here.link.name:
            yield from () if came_by else (Place(stack, "egress", out_device=here.link.name),)
            yield Place(stack, "bridge forward" if came_by else "bridge output", came_by, there.link.name)
            yield Place(stack, "bridge postrouting", came_by, there.link.name)
            came_by = ""
        elif here.link.type == there.link.type == "vxlan":
            continue  # the tunnel's own packets
        else:
            yield Place(stack, "egress", out_device=here.link.name)
            yield Place(there.stack, "ingress", in_device=there.link.name)
    if came_by:
        yield Place(station.stack, "bridge input", in_device=came_by)
        yield Place(station.stack, "ingress", in_device=station.link.name)
    yield Place(station.stack, "arp input", in_device=station.link.name)
