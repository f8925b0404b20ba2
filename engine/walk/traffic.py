"""Traffic control: queues that drop what they are given, and filters that drop or police.

Source: Linux ``net/sched/sch_blackhole.c``, ``sch_netem.c``, ``net/core/dev.c`` (sch_handle_ingress before nf_ingress, sch_handle_egress after
nf_egress), ``net/sched/cls_api.c`` (filters in order of preference, the first that has an action decides).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import prefix, to_text
from engine.phrases import phrase
from engine.walk.recorder import line_of
from engine.walk.trace import Disposition, Unknown

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.packet import Packet
    from engine.walk.place import At, End
    from engine.walk.walker import Walker

ALL = 100.0
PASSES = "gact pass"
PIPED = ("gact pipe", "mirred Egress Mirror")
"""Actions that leave the packet to the next one; behind the last it passes."""
PROTOCOLS = {4: frozenset({"ip", "all"}), 6: frozenset({"ipv6", "all"})}


def drops(queue: Fact) -> bool:
    """Whether a queue loses packets by itself, and not for want of room."""
    get = queue.fields.get
    return get("kind") == "blackhole" or bool(get("loss") or get("corrupt"))


def arrived(walker: Walker, at: At, device: str) -> End | None:
    """Filters on what comes in by a device."""
    return _filtered(walker, at, device, "ingress")


def leaving(walker: Walker, at: At, device: str) -> End | None:
    """Filters on what goes out by a device."""
    return _filtered(walker, at, device, "egress")


def queued(walker: Walker, at: At, device: str) -> End | None:
    """The queue at a device's root; its sender does not learn what it drops."""
    for fact in at.stack.facts("qdisc"):
        get = fact.fields.get
        if get("device") != device or get("parent") != "root":
            continue
        loss = ALL if get("kind") == "blackhole" else max(float(get("loss") or 0), float(get("corrupt") or 0))
        if loss >= ALL:
            _note(walker, at, fact, device, "queue", loss=loss)
            text = phrase("queue-drops", device=device, kind=str(get("kind")))
            return walker.stop(at, "tc", Disposition.DROPPED, text, line_of(fact), origin=fact, out=device)
        if loss:
            _note(walker, at, fact, device, "lossy", loss=loss)
    return None


def _filtered(walker: Walker, at: At, device: str, side: str) -> End | None:
    found = [f for f in at.stack.facts("tc_filter") if (f.fields.get("device"), f.fields.get("side")) == (device, side)]
    for fact in sorted(found, key=lambda f: int(f.fields.get("pref", 0))):
        actions, fits = fact.fields.get("actions", ()), _fits(fact, at.packet)
        if not actions or fits is False:
            continue
        if fits is None:
            _unread(walker, at, fact, device, side)
            continue
        verdict = next((str(action) for action in actions if not str(action).startswith(PIPED)), PASSES)
        if verdict == "gact continue":
            continue
        if verdict == "gact drop":
            _note(walker, at, fact, device, "filter", side=side)
            text = phrase("filter-drops", device=device, side=side, pref=str(fact.fields.get("pref")))
            return walker.stop(at, "tc", Disposition.DROPPED, text, line_of(fact), origin=fact, out=device if side == "egress" else "")
        if verdict.startswith("police"):
            _note(walker, at, fact, device, "police", side=side)
        elif verdict != PASSES:
            _unread(walker, at, fact, device, side)
        return None
    return None


def _fits(fact: Fact, packet: Packet) -> bool | None:
    """Whether a filter matches a packet; ``None`` if it matches on what is not read."""
    get = fact.fields.get
    if get("protocol") not in PROTOCOLS[packet.family]:
        return False
    for name, value in (("src_ip", packet.src), ("dst_ip", packet.dst)):
        net = prefix(str(get(name))) if get(name) else None
        if net is not None and (net.family != packet.family or not net.holds(value)):
            return False
    if get("ip_proto") not in {None, packet.protocol}:
        return False
    if any(get(name) not in {None, value} for name, value in (("src_port", packet.sport), ("dst_port", packet.dport))):
        return False
    return True if get("whole") else None


def _unread(walker: Walker, at: At, fact: Fact, device: str, side: str) -> None:
    """A filter that is not walked is said, and taken to let the packet pass."""
    why = phrase("filter-unread", device=device, side=side, kind=str(fact.fields.get("kind")))
    command, line = f"tc -s filter show dev {device} {side}", next(iter(line_of(fact)), None)
    walker.recorder.assume(Unknown(at.stack.node, at.stack.name, f"tc filter of {device}", command, why, line))


def _note(walker: Walker, at: At, fact: Fact, device: str, how: str, **more: object) -> None:
    get = fact.fields.get
    walker.recorder.fact(
        "traffic_controlled",
        at.stack,
        line_of(fact),
        fact,
        src=to_text(at.packet.src, at.packet.family),
        dst=to_text(at.packet.dst, at.packet.family),
        device=device,
        how=how,
        type=get("kind"),
        handle=get("handle"),
        pref=get("pref"),
        protocol=get("protocol"),
        options=get("options"),
        spec=" ".join(fact.text.split()),
        **more,
    )
