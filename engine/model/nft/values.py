"""Constants of nftables as numbers and names, by the type of what they are compared with.

Source: nftables ``src/datatype.c``, ``src/proto.c``, ``src/ct.c``, ``src/meta.c``, ``src/fib.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import is_address, prefix, to_int
from engine.model.nft import ast
from engine.model.packet import PROTOCOL_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping

Span = tuple[int, int] | str
"""Lowest and highest number, or a device name (a trailing ``*`` is a prefix match)."""

EVERYTHING: Span = (0, (1 << 128) - 1)

TYPE_OF: Mapping[tuple[str, str], str] = {
    **{(base, name): "address" for base in ("ip", "ip6", "ct") for name in ("saddr", "daddr")},
    **{(base, name): "port" for base in ("tcp", "udp", "udplite", "sctp", "dccp", "th") for name in ("sport", "dport")},
    ("ct", "proto-src"): "port",
    ("ct", "proto-dst"): "port",
    ("meta", "l4proto"): "protocol",
    ("ip", "protocol"): "protocol",
    ("ip6", "nexthdr"): "protocol",
    ("ct", "protocol"): "protocol",
    ("meta", "nfproto"): "family",
    ("ct", "l3proto"): "family",
    ("meta", "protocol"): "ethertype",
    ("ether", "type"): "ethertype",
    ("ether", "saddr"): "mac",
    ("ether", "daddr"): "mac",
    **{("arp", f"{side} ether"): "mac" for side in ("saddr", "daddr")},
    **{("arp", f"{side} ip"): "address" for side in ("saddr", "daddr")},
    ("arp", "operation"): "operation",
    ("arp", "ptype"): "ethertype",
    ("meta", "pkttype"): "pkttype",
    ("ct", "state"): "state",
    ("ct", "status"): "status",
    ("ct", "direction"): "direction",
    ("tcp", "flags"): "tcp-flag",
    ("icmp", "type"): "icmp-type",
    ("icmp", "code"): "icmp-code",
    ("icmpv6", "type"): "icmpv6-type",
    ("icmpv6", "code"): "icmpv6-code",
    ("fib", "type"): "route-type",
    ("ip", "dscp"): "dscp",
    ("ip6", "dscp"): "dscp",
    ("ip", "ecn"): "ecn",
    ("ip6", "ecn"): "ecn",
    **{("meta", name): "device" for name in ("iif", "oif", "iifname", "oifname", "ibrname", "obrname")},
    ("fib", "oif"): "device",
    ("fib", "oifname"): "device",
    ("fib", "check"): "device",
}
"""Types of fields; all others hold plain numbers."""

ICMP_CODES = {
    "net-unreachable": 0,
    "host-unreachable": 1,
    "prot-unreachable": 2,
    "port-unreachable": 3,
    "frag-needed": 4,
    "net-prohibited": 9,
    "host-prohibited": 10,
    "admin-prohibited": 13,
}
ICMPV6_CODES = {"no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4, "policy-fail": 5, "reject-route": 6}
ROUTE_TYPES = {
    "unspec": 0,
    "unicast": 1,
    "local": 2,
    "broadcast": 3,
    "anycast": 4,
    "multicast": 5,
    "blackhole": 6,
    "unreachable": 7,
    "prohibit": 8,
    "throw": 9,
    "nat": 10,
}

NAMES: Mapping[str, Mapping[str, int]] = {
    "protocol": {**PROTOCOL_NUMBERS, "ip": 0, "ipv6-icmp": 58},
    "family": {"ipv4": 2, "ipv6": 10, "inet": 1},
    "ethertype": {"ip": 0x0800, "ip6": 0x86DD, "arp": 0x0806, "vlan": 0x8100},
    "pkttype": {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3},
    "state": {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64},
    "status": {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512},
    "direction": {"original": 0, "reply": 1},
    "tcp-flag": {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128},
    "icmp-type": {
        "echo-reply": 0,
        "destination-unreachable": 3,
        "source-quench": 4,
        "redirect": 5,
        "echo-request": 8,
        "router-advertisement": 9,
        "router-solicitation": 10,
        "time-exceeded": 11,
        "parameter-problem": 12,
        "timestamp-request": 13,
        "timestamp-reply": 14,
        "info-request": 15,
        "info-reply": 16,
        "address-mask-request": 17,
        "address-mask-reply": 18,
    },
    "icmp-code": ICMP_CODES,
    "icmpv6-type": {
        "destination-unreachable": 1,
        "packet-too-big": 2,
        "time-exceeded": 3,
        "parameter-problem": 4,
        "echo-request": 128,
        "echo-reply": 129,
        "mld-listener-query": 130,
        "mld-listener-report": 131,
        "mld-listener-done": 132,
        "mld-listener-reduction": 132,
        "nd-router-solicit": 133,
        "nd-router-advert": 134,
        "nd-neighbor-solicit": 135,
        "nd-neighbor-advert": 136,
        "nd-redirect": 137,
        "router-renumbering": 138,
        "ind-neighbor-solicit": 141,
        "ind-neighbor-advert": 142,
        "mld2-listener-report": 143,
    },
    "icmpv6-code": ICMPV6_CODES,
    "route-type": ROUTE_TYPES,
    "dscp": {
        **{f"cs{number}": 8 * number for number in range(8)},
        **{f"af{number}{precedence}": 8 * number + 2 * precedence for number in range(1, 5) for precedence in range(1, 4)},
        "df": 0,
        "be": 0,
        "lephb": 1,
        "va": 44,
        "ef": 46,
    },
    "operation": {"request": 1, "reply": 2, "rrequest": 3, "rreply": 4, "inrequest": 8, "inreply": 9, "nak": 10},
    "ecn": {"not-ect": 0, "ect1": 1, "ect0": 2, "ce": 3},
}
"""Names of constants by type, as nft prints them without ``-n``."""


def type_of(expr: ast.Expression) -> str:
    """Type of a key's constants; ``number`` if there is no special one."""
    match expr:
        case ast.Field(base, name):
            return TYPE_OF.get((base, name), "number")
        case ast.Operation(_, left, _):
            return type_of(left)
        case _:
            return "number"


def types_of(expr: ast.Expression) -> tuple[str, ...]:
    """Types of the parts of a key."""
    return tuple(type_of(p) for p in expr.parts) if isinstance(expr, ast.Concat) else (type_of(expr),)


def value_of(text: str, kind: str) -> int | str:
    """A constant; raises ``ValueError`` if it means nothing for the type."""
    if kind == "device":
        return text
    known = NAMES.get(kind, {}).get(text)
    if known is not None:
        return known
    if is_address(text):
        return to_int(text)
    if kind == "mac":
        return int(text.replace(":", ""), 16)
    if kind == "port":
        from engine.model.netfilter.rule import port_number

        try:
            return port_number(text)
        except KeyError as error:
            raise ValueError(text) from error
    return {"exists": 1, "missing": 0}[text] if text in {"exists", "missing"} else int(text, 0)


def span(expr: ast.Expression, kind: str) -> Span:
    """What a constant covers in one dimension; raises ``ValueError`` if it means nothing for the type."""
    match expr:
        case ast.Literal(text):
            value = value_of(text, kind)
            return value if isinstance(value, str) else (value, value)
        case ast.Prefix(address, length):
            net = prefix(f"{address}/{length}")
            return net.value, net.last
        case ast.Range(low, high):
            first, last = value_of(low, kind), value_of(high, kind)
            if isinstance(first, int) and isinstance(last, int):
                return first, last
        case ast.Flags():
            bits = mask(expr, kind)
            return bits, bits
        case ast.Wildcard():
            return EVERYTHING
    message = f"no constant: {expr}"
    raise ValueError(message)


def spans(expr: ast.Expression, kinds: tuple[str, ...]) -> tuple[Span, ...]:
    """What a constant covers in each dimension; raises ``ValueError`` if their numbers differ."""
    parts = expr.parts if isinstance(expr, ast.Concat) else (expr,)
    if len(parts) != len(kinds):
        message = "dimensions differ"
        raise ValueError(message)
    return tuple(span(p, k) for p, k in zip(parts, kinds, strict=True))


def mask(expr: ast.Expression, kind: str) -> int:
    """All bits of flags together; raises ``ValueError`` if one means nothing for the type."""
    names = expr.names if isinstance(expr, ast.Flags) else (expr.text,) if isinstance(expr, ast.Literal) else ()
    bits = 0
    for name in names:
        value = value_of(name, kind)
        bits |= value if isinstance(value, int) else int(name)
    if not names:
        message = f"no flags: {expr}"
        raise ValueError(message)
    return bits


def covers(inside: Span, value: int | str) -> bool:
    """Whether a value lies in a span."""
    if isinstance(inside, str):
        if not isinstance(value, str):
            return False
        if inside.endswith("*") and not inside.endswith("\\*"):
            return value.startswith(inside[:-1])
        return value == inside.replace("\\*", "*")
    return inside == EVERYTHING if isinstance(value, str) else inside[0] <= value <= inside[1]
