"""Neighbour discovery of IPv6: its packets pass ip6tables like any other, and a firewall that drops them cuts the wire.

Source: Linux ``net/ipv6/ndisc.c`` (ndisc_solicit, ndisc_recv_ns), ``nf_conntrack_proto_icmpv6.c`` (never tracked), ``br_netfilter_hooks.c``.
Measured on Linux 6.18: with a policy of DROP on INPUT and no rule for ICMPv6 types 135 and 136 nobody gets through the router;
its neighbours see EHOSTUNREACH.  An answer that a rule of mangle OUTPUT marks is routed anew, and lost if it leaves by another device.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from engine.inet import to_text
from engine.model.fib import Found
from engine.model.packet import Packet, State
from engine.phrases import phrase
from engine.walk.hooks import calls_netfilter
from engine.walk.layer2 import asked_from
from engine.walk.place import At, End
from engine.walk.routing import Way
from engine.walk.trace import Disposition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.model.network import Port
    from engine.model.stack import NetStack
    from engine.walk.walker import Walker

SOLICIT, ADVERTISE = 135, 136
OCTETS = 72
"""Octets of a solicitation or advertisement with the link-layer address."""
_GROUP = 0xFF0200000000000000000001FF000000


class Passed(NamedTuple):
    """A hook that a packet of neighbour discovery passes."""

    stack: NetStack
    hook: str
    devices: dict[str, str | bool]


def unanswered(walker: Walker, at: At, path: list[Port], next_hop: int) -> End | None:
    """What stops the question for a neighbour or its answer; ``path``: devices from the one that asks to the one that is asked."""
    start, station = path[0], path[-1]
    asker = asked_from(start, next_hop, 6, at.packet.src)
    if asker is None or (start.link.name, next_hop) in start.stack.neighbors:
        return None
    asked = passes(walker, at, question(asker, next_hop), _hooks(walker, path), station)
    if isinstance(asked, End):
        return asked
    told = passes(walker, replace(at, station=station), answer(asker, next_hop), _hooks(walker, path[::-1]), start)
    return told if isinstance(told, End) else None


def question(asker: int, next_hop: int) -> Packet:
    """A solicitation, as it is sent to all who may have an address."""
    return Packet(6, asker, _GROUP | (next_hop & 0xFFFFFF), "icmpv6", icmp_type=SOLICIT, size=OCTETS, ttl=255)


def answer(asker: int, next_hop: int) -> Packet:
    """The advertisement of who has it."""
    return Packet(6, next_hop, asker, "icmpv6", icmp_type=ADVERTISE, size=OCTETS, ttl=255)


def passes(walker: Walker, at: At, packet: Packet, places: Iterable[Passed], station: Port) -> Packet | End:
    """A packet of neighbour discovery as it leaves the last of some hooks, or where it ends."""
    recorder = walker.recorder
    before: NetStack | None = None
    for place in places:
        mark = recorder.mark()
        if recorder.hops and recorder.hops[-1].stack is not place.stack:
            recorder.enter(place.stack, str(place.devices.get("in_device", "")), packet)
        # Marks stay with the packet as long as it stays in a stack.
        packet, before = packet if before in {None, place.stack} else replace(packet, mark=0), place.stack
        passed = _pass(walker, at, packet, place, station)
        if isinstance(passed, End):
            return passed
        packet = passed
        recorder.rewind(mark)
    return packet


def _pass(walker: Walker, at: At, packet: Packet, place: Passed, station: Port) -> Packet | End:
    """The packet as it leaves a hook, or where it ends; it is sent without asking the routes, but what marks it in OUTPUT has them asked."""
    # Conntrack passes it by, which it knows only once it has got there.
    state = None if place.hook in {"OUTPUT", "PREROUTING"} else State("UNTRACKED")
    here = replace(at, stack=place.stack, device=str(place.devices.get("in_device", "")), packet=packet, state=state, how="frame")
    passage = walker.passage(here)
    out = str(place.devices.get("out_device", ""))
    passage.way = Way("unicast", out, packet.dst, "", Found("unicast"))
    ended = walker.hook(here, passage, place.hook, **place.devices)
    if isinstance(ended, End):
        return ended
    way = passage.way
    # Wherever else it comes in, nobody asked there; what a router passes on counts for nothing (ndisc_recv_na).
    if (way.type, way.device) == ("unicast", out) and (way.next_hop == packet.dst or station.stack.own(way.next_hop, 6) is not None):
        return passage.packet
    text = phrase("ndp-astray", dst=to_text(packet.dst, 6), device="lo" if way.type == "local" else way.device)
    return walker.stop(here, "neighbor", Disposition.NEIGHBOR_FAILED, text, way.lines, origin=way.fact)


def _hooks(walker: Walker, path: list[Port]) -> list[Passed]:
    """Hooks on the way, in order; only stacks that have rules count."""
    start, station = path[0], path[-1]
    found = leaving(start)
    for here, bridge, there in zip(path, path[1:], path[2:], strict=False):
        name = bridge.link.name
        if here.link.master == name == there.link.master and calls_netfilter(here.stack, walker.choices, name, 6):
            ports: dict[str, str | bool] = {"physin": here.link.name, "physout": there.link.name, "bridged": True}
            found += [
                Passed(here.stack, "PREROUTING", {"in_device": name, "physin": here.link.name, "bridged": True}),
                Passed(here.stack, "FORWARD", {"in_device": name, "out_device": name, **ports}),
                Passed(here.stack, "POSTROUTING", {"out_device": name, **ports}),
            ]
    before = path[-2] if len(path) > 1 else start
    by_port = before.link.master == station.link.name and calls_netfilter(station.stack, walker.choices, station.link.name, 6)
    return found + arriving(station, before.link.name if by_port else "")


def leaving(port: Port) -> list[Passed]:
    """Hooks of what a device sends."""
    return [Passed(port.stack, hook, {"out_device": port.link.name}) for hook in ("OUTPUT", "POSTROUTING")]


def arriving(port: Port, physin: str = "") -> list[Passed]:
    """Hooks of what a device receives; ``physin``: the port of a bridge that bridge-nf tells iptables of."""
    devices: dict[str, str | bool] = {"in_device": port.link.name, **({"physin": physin} if physin else {})}
    return [Passed(port.stack, hook, devices) for hook in ("PREROUTING", "INPUT")]
