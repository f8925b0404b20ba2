"""IPsec policies of the kernel: what they block, and what they want wrapped by states that are not there.

Source: Linux ``net/xfrm/xfrm_policy.c`` (xfrm_lookup_with_ifid, __xfrm_policy_check, xfrm_policy_sort by priority), ``net/ipv4/ip_forward.c``,
``net/ipv4/tcp_ipv4.c`` (xfrm4_policy_check).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.inet import family_of, prefix, to_text
from engine.model.packet import ICMP
from engine.phrases import phrase
from engine.walk.recorder import line_of
from engine.walk.trace import Disposition, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact
    from engine.model.packet import Packet
    from engine.model.stack import NetStack
    from engine.walk.place import At, End
    from engine.walk.walker import Walker


LARVAL = "0x00000000"
"""Index of an association that was asked for and does not exist yet."""
IKE = frozenset({("udp", 500), ("udp", 4500)})
"""Where key daemons listen."""


def sent(walker: Walker, at: At, packet: Packet, device: str, *, made_here: bool) -> End | None:
    """What ``out`` policies do with a routed packet: nothing, block it, or lose it for want of a state."""
    policy = _policy(at.stack, "out", packet, device)
    if policy is None:
        return None
    if policy.fields.get("action") == "block":
        errno = "EPERM" if made_here else ""
        return _stop(walker, at, packet, policy, "xfrm-blocks", "block", errno)
    lacking = next((t for t in policy.fields.get("templates", ()) if t.get("level") != "use" and not _state(at.stack, t, packet)), None)
    if lacking is not None and at.stack.collected("xfrm_states") and not _negotiates(at.stack):
        return _stop(walker, at, packet, policy, "xfrm-no-state", "no-state", "", lacking)
    if policy.fields.get("templates"):
        _wrapped(walker, at, packet, policy)
    return None


def checked(walker: Walker, at: At, packet: Packet, side: str) -> End | None:
    """What ``in`` and ``fwd`` policies do with a packet that arrived: nothing, block it, or drop it as it should have come wrapped."""
    policy = _policy(at.stack, side, packet, at.device)
    if policy is None:
        return None
    if policy.fields.get("action") == "block":
        return _stop(walker, at, packet, policy, "xfrm-blocks", "block", "")
    wanted = [t for t in policy.fields.get("templates", ()) if t.get("level") != "use"]
    if not wanted or walker.recorder.direction in walker.wrapped:
        return None
    if _seen_to_the_end(walker, at.stack):
        return _stop(walker, at, packet, policy, "xfrm-plain", "plain", "", wanted[0])
    _wrapped(walker, at, packet, policy)
    return None


def _seen_to_the_end(walker: Walker, here: NetStack) -> bool:
    """Whether the policies of all who had the packet before were listed: another may have wrapped it unseen."""
    before = [hop.stack for hop in walker.recorder.hops if hop.stack is not here]
    return bool(before) and all(stack.collected("xfrm_policies") for stack in before)


def _policy(stack: NetStack, side: str, packet: Packet, device: str) -> Fact | None:
    """The first policy in order of priority whose selector a packet fits; loopback is left alone (``dst_nopolicy``)."""
    if device == "lo":
        return None
    fitting = [f for f in stack.facts("xfrm_policy") if f.fields.get("dir") == side and _fits(f.fields, packet, device)]
    return min(fitting, key=lambda f: int(f.fields.get("priority", 0)), default=None)


def _fits(selector: Mapping[str, Any], packet: Packet, device: str) -> bool:
    ends = (("src", packet.src), ("dst", packet.dst))
    nets = [(prefix(str(selector[name])), value) for name, value in ends if name in selector]
    if any(net.family != packet.family or not net.holds(value) for net, value in nets):
        return False
    if selector.get("device") not in {None, device} or selector.get("protocol", packet.protocol) not in {packet.protocol, "any"}:
        return False
    ports = {"sport": packet.sport, "dport": packet.dport} if packet.protocol not in ICMP else {}
    return all(selector[name] == value for name, value in ports.items() if selector.get(name))


def _state(stack: NetStack, template: Mapping[str, Any], packet: Packet) -> bool:
    """Whether a security association fits a template: of its protocol, mode and ends (of the packet's own in transport mode)."""
    own = {"src": to_text(packet.src, packet.family), "dst": to_text(packet.dst, packet.family)}
    for fact in stack.facts("xfrm_state"):
        get = fact.fields.get
        if get("proto") != template.get("proto") or get("mode") != template.get("mode", get("mode")) or get("spi") == LARVAL:
            continue
        if template.get("reqid") and get("reqid") != template.get("reqid"):
            continue
        ends = {name: own[name] if _any(template.get(name)) else template.get(name) for name in ("src", "dst")}
        if all(_any(get(name)) or get(name) == ends[name] for name in ("src", "dst")):
            return True
    return False


def _negotiates(stack: NetStack) -> bool:
    """Whether a key daemon waits for the first packet to make the association (RFC 7296): IKE's port is open, nothing was asked for in vain."""
    asked = any(fact.fields.get("spi") == LARVAL for fact in stack.facts("xfrm_state"))
    return not asked and any((f.fields.get("protocol"), f.fields.get("port")) in IKE for f in stack.facts("socket"))


def _any(address: object) -> bool:
    """Whether an end is left open."""
    return address in {None, "0.0.0.0", "::"}  # noqa: S104 - how iproute2 prints an open end


def _wrapped(walker: Walker, at: At, packet: Packet, policy: Fact) -> None:
    """The packet goes on inside ESP: what the outer packet meets is not walked, and said."""
    walker.wrapped.add(walker.recorder.direction)
    why = phrase("xfrm-wrapped", src=to_text(packet.src, packet.family), dst=to_text(packet.dst, packet.family))
    command, line = "ip -s xfrm state; cat /proc/net/xfrm_stat", next(iter(line_of(policy)), None)
    walker.recorder.assume(Unknown(at.stack.node, at.stack.name, "IPsec", command, why, line))


def _stop(  # noqa: PLR0917 - private; what one policy did
    walker: Walker, at: At, packet: Packet, policy: Fact, key: str, how: str, errno: str, template: Mapping[str, Any] | None = None
) -> End:
    get, src, dst = policy.fields.get, to_text(packet.src, packet.family), to_text(packet.dst, packet.family)
    ends = f"{template.get('src', '*')} → {template.get('dst', '*')}" if template is not None else ""
    text = phrase(key, src=src, dst=dst, dir=str(get("dir")), ends=ends)
    walker.recorder.fact(
        "transform_lost",
        at.stack,
        line_of(policy),
        policy,
        src=src,
        dst=dst,
        how=how,
        dir=get("dir"),
        policy_src=get("src"),
        policy_dst=get("dst"),
        protocol=get("protocol"),
        sport=get("sport"),
        dport=get("dport"),
        policy_device=get("device"),
        priority=get("priority"),
        family=family_of(src),
        peer_src=template.get("src") if template is not None else None,
        peer_dst=template.get("dst") if template is not None else None,
    )
    return walker.stop(at, "xfrm", Disposition.DROPPED, text, line_of(policy), origin=policy, packet=packet, errno=errno)
