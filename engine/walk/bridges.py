"""Frames that arrive on a bridge port: bridge-nf, then up to the bridge's own stack or out by another port.

Source: Linux ``net/bridge/br_forward.c`` (should_deliver, br_dev_queue_push_xmit), ``br_netfilter_hooks.c``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.model.network import Port
from engine.phrases import phrase
from engine.walk import frames, ports, segment
from engine.walk.hooks import calls_netfilter
from engine.walk.layer2 import resolve
from engine.walk.place import At, End
from engine.walk.recorder import line_of
from engine.walk.routing import find_way, forwarding, validate_source
from engine.walk.trace import Disposition, Unknown

if TYPE_CHECKING:
    from engine.model.links import Link
    from engine.walk.netfilter import Passage
    from engine.walk.routing import Way
    from engine.walk.walker import Walker

BLOCKING = frozenset({"none", "unreachable", "prohibit", "blackhole"})


def arrive(walker: Walker, at: At, port: Link) -> At | End:
    """A frame arrives on a bridge port: netfilter if bridge-nf calls it, then up or out by another port."""
    sender = walker.network.peer(Port(at.stack, port))
    closed = ports.entering(Port(at.stack, port), sender.link.mac if sender is not None else "")
    if closed is not None:
        return _shut(walker, at, closed)
    passed = frames.bridge(walker, at, "prerouting", (port.name, ""), late=False)
    return _handle(walker, passed, port) if isinstance(passed, At) else passed


def _handle(walker: Walker, at: At, port: Link) -> At | End:
    stack, bridge = at.stack, port.master
    passage = walker.passage(at)
    called = calls_netfilter(stack, walker.choices, bridge, passage.packet.family)
    station = at.station
    if called:
        before = passage.packet
        ended = walker.prerouting(replace(at, physin=port.name, device=bridge), passage, bridge, port.name)
        if ended is not None:
            return ended
        if passage.packet.dst != before.dst:
            at = replace(at, packet=passage.packet, state=passage.state, device=bridge)
            found = _readdressed(walker, at, bridge)
            if isinstance(found, End):
                return found
            station = found
    passed = frames.bridge(walker, replace(at, packet=passage.packet), "prerouting", (port.name, ""), late=True)
    if not isinstance(passed, At):
        return passed
    passage.packet = passed.packet
    if station is None or _is_own(station, at, bridge):
        return _up(walker, at, passage, port, called=called)
    return _out(walker, at, passage, bridge, port, station, called=called)


def _is_own(station: Port, at: At, bridge: str) -> bool:
    """Whether a frame is for the bridge itself."""
    return station.stack is at.stack and station.link.name == bridge


def _readdressed(walker: Walker, at: At, bridge: str) -> Port | End | None:
    """Whom a frame is for after DNAT: the neighbour that the bridge's stack finds for it on the bridge; ``None`` = the stack routes it."""
    way = _way(walker, at, bridge)
    if way is None:
        return None
    if way.type != "unicast":
        # IPv6 frames that lead nowhere are dropped without a word (br_nf_pre_routing_finish_ipv6).
        return replace(walker.unroutable(at, way, at.packet, at.state), error="")
    start = Port(at.stack, at.stack.link(bridge))
    found = resolve(walker.network, start, way.next_hop, at.packet.family)
    station = segment.heard_from(walker, start, way.next_hop, found)
    if station is None:
        ended: End | None = segment.unresolved(walker, at, start, way, found.open_ends)
    else:
        ended = segment.unheard_of(walker, at, found.domain.path(station), way.next_hop, at.packet)
    if ended is None:
        return station
    # A stack tells only of frames that were for itself (PACKET_HOST in __icmp_send and icmp6_send).
    return ended if at.station is None or _is_own(at.station, at, bridge) else replace(ended, error="")


def _up(walker: Walker, at: At, passage: Passage, port: Link, *, called: bool) -> At | End:
    """A frame for the bridge's own stack; as far as its chains of netdev it is a frame, of which iptables knows already if bridge-nf called it."""
    passed = frames.bridge(walker, replace(at, packet=passage.packet), "input", (port.name, ""))
    if isinstance(passed, At):
        passed = frames.ingress(walker, replace(passed, device=port.master))
    if not isinstance(passed, At):
        return passed
    if called:
        # What TPROXY assigned is forgotten on the way up (skb_orphan in ip_rcv_core).
        packet = replace(passed.packet, listener=0)
        return replace(at, device=port.master, how="routed", packet=packet, state=passage.state, physin=port.name)
    return walker.received(replace(passed, how="frame"))


def _way(walker: Walker, at: At, bridge: str) -> Way | None:
    """After DNAT of a bridged frame: the way, if the new destination is routed out by the same bridge; else ``None``, and the frame goes up.

    The stack must be willing to forward it (``br_nf_pre_routing_finish``; its fallback for stacks that do not forward is out of use); that of IPv6
    is not asked, but a route that blocks counts (and is returned).
    """
    stack, packet = at.stack, at.packet
    way = find_way(stack, walker.key(packet, bridge), walker.choices)
    if packet.family == 6:
        return way if way.type in BLOCKING or (way.type == "unicast" and way.device == bridge) else None
    if way.type != "unicast" or way.device != bridge or forwarding(stack, bridge, packet.family).on is False:
        return None
    return way if validate_source(stack, packet, bridge, bridge).ok else None


def _out(walker: Walker, at: At, passage: Passage, bridge: str, port: Link, station: Port, *, called: bool) -> At | End:  # noqa: PLR0917 - private, called once
    stack = at.stack
    start = Port(stack, stack.link(bridge))
    family = passage.packet.family
    found = resolve(
        walker.network,
        start,
        station.stack.addresses_of(station.link.name, family)[0].value
        if station.stack.addresses_of(station.link.name, family)
        else passage.packet.dst,
        family,
    )
    path = found.domain.path(station) if station.key in found.domain.reached else []
    if len(path) < 2:
        return walker.stop(
            at,
            "bridge",
            Disposition.DROPPED,
            phrase("no-port", bridge=bridge, stack=station.stack.name, device=station.link.name),
            packet=passage.packet,
        )
    out = path[1].link
    walker.recorder.step("bridge", f"{bridge}: {port.name} to {out.name}")
    walker.recorder.leave(out.name)
    at = replace(at, device=bridge, physin=port.name)
    if out.name == port.name and not _sends_back(walker, at, out):
        return walker.stop(
            at,
            "bridge",
            Disposition.DROPPED,
            phrase("no-hairpin", device=out.name),
            line_of(out.fact),
            origin=out.fact,
            packet=passage.packet,
            out=bridge,
            physout=out.name,
        )
    closed = ports.apart(Port(stack, port), path[1]) or ports.leaving(path[1], station.link.mac)
    if closed is not None:
        return _shut(walker, replace(at, packet=passage.packet), closed, bridge, out.name)
    ended = _hooks(walker, at, passage, bridge, port.name, out.name, called=called)
    if ended is not None:
        return ended
    return segment.cross(walker, replace(at, packet=passage.packet, state=passage.state), path[1:], station, passage.packet, filtered=called)


def _shut(walker: Walker, at: At, closed: ports.Closed, bridge: str = "", physout: str = "") -> End:
    """A port that keeps a frame back drops it without a word."""
    ports.note(walker.recorder, closed, at.packet)
    return walker.stop(at, "bridge", Disposition.DROPPED, closed.summary, line_of(closed.fact), origin=closed.fact, out=bridge, physout=physout)


def _sends_back(walker: Walker, at: At, port: Link) -> bool:
    """Whether a port sends frames back to where they came from; it does not unless somebody told it to."""
    if port.hairpin is not None:
        return port.hairpin
    stack, why = at.stack, phrase("hairpin-unseen", device=port.name)
    unknown = Unknown(stack.node, stack.name, f"hairpin of {port.name}", f"ip -d link show dev {port.name}", why)
    return walker.choices.ask(("hairpin", stack.node, stack.name, port.name), ("off", "on"), unknown) == 1


def _hooks(walker: Walker, at: At, passage: Passage, bridge: str, physin: str, physout: str, *, called: bool) -> End | None:  # noqa: PLR0917 - private, called once
    """Hooks of a frame from port to port: those of family bridge, and where bridge-nf calls them those of IP in their midst."""
    for hook, devices in (("FORWARD", {"in_device": bridge, "out_device": bridge}), ("POSTROUTING", {"out_device": bridge})):
        first = hook == "FORWARD"
        ports = (physin if first else "", physout)
        for late in (False, True):
            passed = frames.bridge(walker, replace(at, packet=passage.packet), hook, ports, late=late)
            if not isinstance(passed, At):
                return passed
            passage.packet = passed.packet
            # On POSTROUTING bridge-nf runs last of all (NF_BR_PRI_LAST).
            if not called or late is first:
                continue
            passage.next_hop = passage.next_hop if first else passage.packet.dst
            ended = walker.hook(at, passage, hook, **devices, physin=physin, physout=physout, bridged=True)
            if ended is not None:
                return ended if isinstance(ended, End) else None
    if called:
        passage.confirm()
    return None
