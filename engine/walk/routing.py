"""Routing decisions of a packet on a stack.

Source: Linux ``net/ipv4/route.c`` (ip_route_input_slow, ip_route_output_key_hash), ``fib_frontend.c``
(fib_validate_source), ``devinet.c`` (inet_select_addr).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.inet import to_int, to_text
from engine.model.fib import Found, Key, NextHop
from engine.phrases import phrase
from engine.walk.recorder import line_of
from engine.walk.trace import Line, Unknown

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.fib import PolicyRule
    from engine.model.packet import Packet
    from engine.model.stack import NetStack
    from engine.walk.choices import Choices


class Way(NamedTuple):
    """Where a packet goes from here."""

    type: str
    """A route type; ``none`` = no route."""
    device: str
    next_hop: int
    """Address to resolve on the device: the gateway, or the destination itself."""
    gateway: str
    found: Found
    mtu: int | None = None
    near: int | None = None
    """The gateway as the route names it: a packet without a source gets one of its subnet (``fib_info_update_nhc_saddr``)."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """The route (or rule) that decided."""
        if self.found.route is not None:
            return line_of(self.found.route.fact)
        return line_of(self.found.rule.fact) if self.found.rule is not None else ()

    @property
    def fact(self) -> Fact | None:
        """The fact of the deciding route, or of the deciding rule."""
        if self.found.route is not None:
            return self.found.route.fact
        return self.found.rule.fact if self.found.rule is not None else None


def _pick(found: Found, choices: Choices, stack: NetStack, oif: str, ends: tuple[int | None, int]) -> NextHop:
    """One of several next hops: the kernel's seeded hash of both ends decides (``fib_multipath_hash``)."""
    route = found.route
    if route is None:
        return NextHop("", "")
    alive = [h for h in route.hops if not h.dead and (not oif or h.device == oif)] or list(route.hops)
    if len(alive) == 1:
        return alive[0]
    total = sum(h.weight for h in alive)
    shares = [f"{h.weight}/{total}" for h in alive]
    names = [f"nexthop {h.gateway or 'on-link'} dev {h.device}" for h in alive]
    return alive[choices.ask(("ecmp", stack.node, stack.name, str(route.dst), route.table, ends), names, None, shares)]


def find_way(stack: NetStack, key: Key, choices: Choices) -> Way:
    """Look a destination up; several next hops are a choice."""
    down = {name for name, link in stack.links.items() if link.up is False}

    def dead(route: object) -> bool:
        hops = getattr(route, "hops", ())
        return getattr(route, "type", "") == "unicast" and bool(hops) and all(h.device in down for h in hops)

    def sender(rule: PolicyRule) -> bool:
        users = str(rule.fact.fields.get("uidrange", "")) if rule.fact is not None else ""
        where = stack.node if stack.is_host else stack.name
        why = phrase("uid-unseen", priority=rule.priority, where=where, users=users)
        unknown = Unknown(stack.node, stack.name, f"ip rule uidrange {users}", "ss -tunape", why)
        return choices.ask(("uid", stack.node, stack.name, users), (phrase("other-user"), phrase("such-user")), unknown) == 1

    found = stack.fib.lookup(key, skip=dead if down else None, sender=sender)
    hop = _pick(found, choices, stack, key.oif, (key.src, key.dst))
    gateway = hop.gateway
    next_hop = to_int(gateway) if gateway and (":" in gateway) == (key.family == 6) else key.dst
    near = next_hop if gateway else None
    if key.family == 4 and gateway and stack.address_type(4, next_hop) == "LOCAL":
        # A gateway of one's own has scope host: the kernel takes the destination for on-link (rt_set_nexthop).
        gateway, next_hop = "", key.dst
    # Whoever has an anycast address takes what is sent to it (ip6_rt_init_dst).
    kind = "local" if found.type == "anycast" else found.type
    if key.family == 6 and kind == "unicast" and hop.device == "lo":
        kind = "reject"  # IPv6 takes routes out by lo for blocking ones (fib6_is_reject)
    return Way(kind, hop.device, next_hop, gateway, found, found.route.mtu if found.route else None, near)


def source_for(stack: NetStack, way: Way, family: int, dst: int) -> int | None:
    """Source address of a local packet without one: the route's ``src``, else ``inet_select_addr`` on the output device (IPv6: RFC 6724)."""
    route = way.found.route
    if route is not None and route.src:
        return to_int(route.src)
    if family == 6:
        from engine.walk.source6 import select

        return select(stack, dst, way.device)
    own = [a for a in stack.addresses_of(way.device, family) if not a.secondary]
    if way.type == "local" and route is not None:
        return route.dst.value if route.dst.length in {32, 128} else way.next_hop
    # IPv4 asks for the subnet of a gateway only; on-link destinations get the first address whatever its subnet.
    for address in own:
        if way.near is not None and address.network.holds(way.near):
            return address.value
    good = [a for a in own if a.scope == "global"] or [a for a in stack.addresses if a.family == family and a.scope == "global"] or own
    return good[0].value if good else None


class Parameter(NamedTuple):
    """A kernel parameter as it decided."""

    key: str
    value: int


class Checked(NamedTuple):
    """Outcome of source validation."""

    ok: bool
    by: str = ""
    """rp-filter | martian"""
    summary: str = ""
    lines: tuple[Line, ...] = ()
    unknown: Unknown | None = None
    """Set if the answer is open: strict or loose was not observed and it matters."""
    parameter: Parameter | None = None
    """The kernel parameter that decided."""
    back: str | None = None
    """Device by which the route back to the source leaves, "" = no route; set for ``rp-filter``."""


def validate_source(stack: NetStack, packet: Packet, device: str, out_device: str = "") -> Checked:
    """``fib_validate_source``: rp_filter, local and martian sources (IPv4 only); the way back is looked up as if it came in by ``out_device``."""
    if packet.family != 4 or device == "lo":
        return Checked(ok=True)
    invalid = martian(stack, packet, device)
    if invalid is not None:
        return invalid
    mark = packet.mark if _or_key(stack, device, "src_valid_mark") else 0
    # Rules by protocol and port are asked as for an answer (fib4_rules_early_flow_dissect).
    found = stack.fib.lookup(Key(4, packet.src, packet.dst, out_device or "lo", "", mark, packet.protocol, packet.dport, packet.sport))
    if found.type == "local":
        if _or_key(stack, device, "accept_local"):
            return Checked(ok=True)
        return Checked(
            ok=False,
            by="martian",
            summary=phrase("source-own", src=to_text(packet.src)),
            lines=line_of(found.route.fact if found.route else None),
        )
    matches = found.type == "unicast" and found.route is not None and any(h.device == device for h in found.route.hops)
    if matches or found.unknown:
        return Checked(ok=True)
    mode, line, known = rp_mode(stack, device)
    route_line = line_of(found.route.fact) if found.route is not None else ()
    if found.type == "broadcast":
        if known and not mode and not stack.fib.custom_rules:
            return Checked(ok=True)
        return Checked(ok=False, by="martian", summary=phrase("source-broadcast", src=to_text(packet.src)), lines=route_line)
    unnumbered = stack.collected("addresses") and not stack.addresses_of(device)
    fails_loose = found.type != "unicast" or unnumbered
    back = (
        phrase("back-leaves", src=to_text(packet.src), device=found.route.hops[0].device)
        if found.route is not None and found.route.hops
        else phrase("no-way-back", src=to_text(packet.src))
    )
    if not known:
        why = phrase("rp-would", back=back, device=device)
        return Checked(
            ok=True, unknown=Unknown(stack.node, stack.name, f"net.ipv4.conf.{device}.rp_filter", "sysctl -a 2>/dev/null | grep '\\.rp_filter'", why)
        )
    if mode == 1 or (mode == 2 and fails_loose):
        leaves = found.route.hops[0].device if found.type == "unicast" and found.route is not None and found.route.hops else ""
        text = phrase("rp-drops", mode=mode, device=device, back=back)
        parameter = Parameter(rp_key(stack, device), mode)
        return Checked(ok=False, by="rp-filter", summary=text, lines=(*line, *route_line), parameter=parameter, back=leaves)
    return Checked(ok=True)


def rp_mode(stack: NetStack, device: str) -> tuple[int, tuple[Line, ...], bool]:
    """Effective rp_filter: the maximum of ``all`` and the device; known only if both were observed (or the result is already 2)."""
    own, _ = stack.device_sysctl(4, device, "rp_filter")
    general = stack.sysctl("net.ipv4.conf.all.rp_filter")
    mode = max(own or 0, general or 0)
    known = (own is not None and general is not None) or mode == 2
    return mode, line_of(stack.sysctls.get(rp_key(stack, device))), known


def rp_key(stack: NetStack, device: str) -> str:
    """Which of the two parameters the effective rp_filter is."""
    own, own_key = stack.device_sysctl(4, device, "rp_filter")
    return own_key if (own or 0) >= (stack.sysctl("net.ipv4.conf.all.rp_filter") or 0) else "net.ipv4.conf.all.rp_filter"


def _or_key(stack: NetStack, device: str, key: str) -> bool:
    return bool((stack.sysctl(f"net.ipv4.conf.all.{key}") or 0) or (stack.device_sysctl(4, device, key)[0] or 0))


def localnet_key(device: str) -> str:
    """The device's ``route_localnet``."""
    return f"net.ipv4.conf.{device.replace('.', '/')}.route_localnet"


def localnet_routed(stack: NetStack, device: str) -> bool:
    """Whether 127.0.0.0/8 may cross a device (``route_localnet`` of ``all`` or of the device)."""
    return _or_key(stack, device, "route_localnet")


def martian(stack: NetStack, packet: Packet, device: str) -> Checked | None:
    """Addresses that no packet may arrive with; checked before the routing decision (``ip_route_input_slow``)."""
    if packet.family != 4 or device == "lo":
        return None
    src, dst = packet.src, packet.dst
    if src >> 28 == 0xE or src == 0xFFFFFFFF or (src >> 24 == 0 and src != 0) or (dst >> 24 == 0):
        return Checked(ok=False, by="martian", summary=phrase("not-unicast", src=to_text(src), dst=to_text(dst)))
    if (src >> 24 == 127 or dst >> 24 == 127) and not localnet_routed(stack, device):
        key = localnet_key(device)
        text = phrase("loopback-arrives", device=device)
        return Checked(ok=False, by="martian", summary=text, lines=line_of(stack.sysctls.get(key)), parameter=Parameter(key, 0))
    return None


class Forwarding(NamedTuple):
    """Whether a stack forwards what arrives on a device."""

    on: bool | None
    lines: tuple[Line, ...]
    fact: Fact | None
    key: str


def forwarding(stack: NetStack, device: str, family: int) -> Forwarding:
    """IPv4: the ingress device's ``forwarding``, for which ``ip_forward`` stands in where only that was observed.

    IPv6: that of ``all``, or the ingress device's ``force_forwarding`` (``ip6_forward``); the device's own ``forwarding`` only
    says whether it is a router's.
    """
    forced, key = stack.device_sysctl(6, device, "force_forwarding")
    if family == 6 and forced:
        return Forwarding(on=True, lines=line_of(stack.sysctls.get(key)), fact=stack.sysctls.get(key), key=key)
    value, key = stack.device_sysctl(4, device, "forwarding") if family == 4 else (None, "")
    if value is None:
        key = "net.ipv4.ip_forward" if family == 4 else "net.ipv6.conf.all.forwarding"
        value = stack.sysctl(key)
        if value is None and family == 4:
            # Another name of the same switch (devinet_conf_table).
            key = "net.ipv4.conf.all.forwarding"
            value = stack.sysctl(key)
            key = key if value is not None else "net.ipv4.ip_forward"
    fact = stack.sysctls.get(key)
    return Forwarding(None if value is None else bool(value), line_of(fact), fact, key)
