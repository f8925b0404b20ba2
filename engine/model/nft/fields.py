"""Values of fields: what nftables expressions read of the packet, its conntrack entry and the stack.

Source: Linux ``net/netfilter/nft_meta.c``, ``nft_ct.c``, ``nft_payload.c``, ``nft_fib.c``, ``net/ipv4/netfilter/nft_fib_ipv4.c``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.inet import to_text
from engine.model.fib import Key, anycast
from engine.model.nft.values import NAMES, ROUTE_TYPES
from engine.model.packet import PROTOCOL_NUMBERS
from engine.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.model.nft import ast
    from engine.model.packet import Entry, HookContext, Packet
    from engine.model.stack import NetStack


@dataclass(frozen=True, slots=True)
class Absent:
    """The packet has no such field: the kernel ends the rule (NFT_BREAK), whatever the comparison."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """The evidence does not tell."""

    why: str


@dataclass(frozen=True, slots=True)
class Bits:
    """A bit mask of which some bits are open."""

    value: int
    open: int


@dataclass(frozen=True, slots=True)
class Chance:
    """One of ``modulus`` numbers from ``offset`` on, each as likely."""

    modulus: int
    offset: int = 0


ABSENT = Absent()
Single = int | str | Absent | Doubt | Bits | Chance

PORTS = frozenset({"tcp", "udp", "udplite", "sctp", "dccp"})
LINK_LOCAL = 0x3FA
"""First ten bits of link-local addresses (fe80::/10)."""
STATES = {"INVALID": 1, "ESTABLISHED": 2, "RELATED": 4, "NEW": 8, "UNTRACKED": 64}


@dataclass(frozen=True, slots=True)
class Scene:
    """A packet at a hook of a stack, and the sets of the table whose rules are asked."""

    packet: Packet
    context: HookContext
    stack: NetStack
    sets: Mapping[str, ast.NamedSet]
    memo: dict[Any, Any] = field(default_factory=dict)
    """Compiled sets; lives as long as the table."""

    @property
    def entry(self) -> Entry | None:
        """The packet's conntrack entry."""
        return self.context.state.entry


def read(wanted: ast.Field, scene: Scene) -> Single:
    """Value of a field."""
    reader = _READERS.get(wanted.base)
    if reader is None:
        return Doubt(phrase("field-not-modelled", base=wanted.base, name=wanted.name))
    return reader(wanted, scene)


# --- headers ------------------------------------------------------------------------------------------------------


def _ip(wanted: ast.Field, scene: Scene) -> Single:
    packet = scene.packet
    if packet.family != 4 or packet.operation:
        return ABSENT
    found: Single | None = {
        "saddr": packet.src,
        "daddr": packet.dst,
        "protocol": _protocol(packet),
        "version": 4,
        "hdrlength": 5,
        "length": _length(packet),
        "ttl": packet.ttl,
        "dscp": packet.tos >> 2,
        "ecn": packet.tos & 3,
        "frag-off": 0x4000 if packet.df else 0,
    }.get(wanted.name)
    return Doubt(phrase("ip-field-not-modelled", name=wanted.name)) if found is None else found


def _length(packet: Packet, header: int = 0) -> Single:
    """Octets without those of ``header``; of a packet whose size nobody told they are in doubt."""
    return Doubt(phrase("size-open")) if packet.loose else packet.size - header


def _ip6(wanted: ast.Field, scene: Scene) -> Single:
    packet = scene.packet
    if packet.family != 6:
        return ABSENT
    found: Single | None = {
        "saddr": packet.src,
        "daddr": packet.dst,
        "nexthdr": _protocol(packet),
        "version": 6,
        "length": _length(packet, 40),
        "hoplimit": packet.ttl,
        "dscp": packet.tos >> 2,
        "ecn": packet.tos & 3,
    }.get(wanted.name)
    return Doubt(phrase("ip6-field-not-modelled", name=wanted.name)) if found is None else found


def _arp(wanted: ast.Field, scene: Scene) -> Single:
    """Fields of a question or an answer for an IPv4 address on Ethernet; whom an answer is for on layer 2 is not followed."""
    packet = scene.packet
    if not packet.operation:
        return ABSENT
    mac = int(packet.mac.replace(":", ""), 16) if packet.mac else None
    found: Single | None = {
        "operation": packet.operation,
        "htype": 1,
        "ptype": 0x0800,
        "hlen": 6,
        "plen": 4,
        "saddr ip": packet.src,
        "daddr ip": packet.dst,
        "saddr ether": mac,
        "daddr ether": 0 if packet.operation == 1 else None,
    }.get(wanted.name)
    return Doubt(phrase("field-not-modelled", base=wanted.base, name=wanted.name)) if found is None else found


def _ethertype(packet: Packet) -> int:
    return 0x0806 if packet.operation else 0x0800 if packet.family == 4 else 0x86DD


def _protocol(packet: Packet) -> Single:
    if packet.operation:
        return ABSENT
    known = PROTOCOL_NUMBERS.get(packet.protocol)
    if known is not None:
        return known
    return int(packet.protocol) if packet.protocol.isdecimal() else Doubt(phrase("protocol-number"))


def _transport(wanted: ast.Field, scene: Scene) -> Single:
    """A header that only packets of its protocol have; the listing hides the check for the protocol."""
    packet = scene.packet
    if packet.protocol != wanted.base:
        return ABSENT
    if wanted.name in {"sport", "dport"}:
        return packet.sport if wanted.name == "sport" else packet.dport
    if wanted.base == "tcp" and wanted.name == "flags":
        return sum(NAMES["tcp-flag"].get(f.lower(), 0) for f in packet.tcp_flags)
    return Doubt(phrase("field-not-modelled", base=wanted.base, name=wanted.name))


def _any_transport(wanted: ast.Field, scene: Scene) -> Single:
    """``th``: bits at the place where TCP and UDP have their ports, whatever the protocol."""
    packet = scene.packet
    if packet.protocol in PORTS and wanted.name in {"sport", "dport"}:
        return packet.sport if wanted.name == "sport" else packet.dport
    return ABSENT if packet.operation else Doubt(phrase("th-not-modelled", name=wanted.name, protocol=packet.protocol))


def _icmp(wanted: ast.Field, scene: Scene) -> Single:
    packet = scene.packet
    if packet.protocol != wanted.base:
        return ABSENT
    if wanted.name == "type":
        return packet.icmp_type
    if wanted.name == "code":
        return packet.icmp_code
    return packet.sport if wanted.name == "id" and not packet.error else Doubt(phrase("field-not-modelled", base=wanted.base, name=wanted.name))


def _ether(wanted: ast.Field, scene: Scene) -> Single:
    """Type of a frame without tags, the address that it came from, and of ARP's questions whom they are for."""
    if wanted.name == "type" and scene.context.hook in {"INGRESS", "EGRESS", "BRIDGE"}:
        return _ethertype(scene.packet)
    if not scene.context.in_device:
        return ABSENT
    if wanted.name == "daddr" and scene.packet.operation == 1:
        return 0xFFFFFFFFFFFF
    if wanted.name == "saddr" and scene.packet.mac:
        return int(scene.packet.mac.replace(":", ""), 16)
    return Doubt(phrase("field-not-modelled", base=wanted.base, name=wanted.name))


# --- meta ---------------------------------------------------------------------------------------------------------


def _meta(wanted: ast.Field, scene: Scene) -> Single:
    packet, context = scene.packet, scene.context
    name = wanted.name
    if name in {"iif", "iifname"}:
        return context.in_device
    if name in {"oif", "oifname"}:
        return context.out_device
    simple: Single | None = {
        "mark": packet.mark,
        "nfproto": 2 if packet.family == 4 else 10,
        "protocol": _ethertype(packet),
        "length": _length(packet),
        "l4proto": _protocol(packet),
    }.get(name)
    if simple is not None:
        return simple
    if name == "random":
        return Chance(1 << 32)
    reader = _META.get(name)
    return reader(name, scene) if reader is not None else Doubt(phrase("meta-not-modelled", name=name))


def _pkttype(name: str, scene: Scene) -> Single:
    """What the frame was addressed to; packets made here count as ``host``."""
    del name
    packet = scene.packet
    if packet.operation == 1 and scene.context.in_device:
        return 1  # questions of ARP are for everybody
    if scene.context.hook == "BRIDGE":
        return Doubt(phrase("meta-not-modelled", name="pkttype"))
    if not scene.context.in_device:
        return 0
    kind = scene.stack.address_type(packet.family, packet.dst)
    return {"MULTICAST": 2, "BROADCAST": 1}.get(kind, 0)


def _owner(name: str, scene: Scene) -> Single:
    """``skuid``, ``skgid``: only packets with a local socket have them."""
    context = scene.context
    if context.hook in {"PREROUTING", "FORWARD", "INGRESS"}:
        return ABSENT
    if name == "skuid" and context.uid is not None:
        return context.uid
    return Doubt(phrase("meta-user", name=name))


def _device(name: str, scene: Scene) -> str:
    return scene.context.in_device if name.startswith("i") else scene.context.out_device


def _device_kind(name: str, scene: Scene) -> Single:
    device = _device(name, scene)
    if not device:
        return ABSENT
    return scene.stack.link(device).type or Doubt(phrase("device-type", device=device))


def _bridge_name(name: str, scene: Scene) -> Single:
    """Bridge that the device is a port of, or is."""
    link = scene.stack.link(_device(name, scene)) if _device(name, scene) else None
    return ABSENT if link is None else link.master or (link.name if link.type == "bridge" else ABSENT)


def _device_other(name: str, scene: Scene) -> Single:
    return Doubt(phrase("meta-not-modelled", name=name)) if _device(name, scene) else ABSENT


_META: dict[str, Callable[[str, Scene], Single]] = {
    "pkttype": _pkttype,
    "skuid": _owner,
    "skgid": _owner,
    "iifkind": _device_kind,
    "oifkind": _device_kind,
    **dict.fromkeys(("ibrname", "obrname"), _bridge_name),
    **dict.fromkeys(("iifgroup", "oifgroup", "iiftype", "oiftype"), _device_other),
}

# --- conntrack ----------------------------------------------------------------------------------------------------


def _ct(wanted: ast.Field, scene: Scene) -> Single:
    state, entry = scene.context.state, scene.entry
    name = wanted.name
    if scene.context.hook == "BRIDGE":
        return Doubt(phrase("ct-not-modelled", name=name))  # conntrack of bridges is another one (nf_conntrack_bridge.c)
    if name == "state":
        return STATES.get(state.name, 1)
    if entry is None:
        return ABSENT
    if name == "direction":
        return int(state.reply)
    if name == "mark":
        return entry.mark
    if name == "status":
        return Bits(
            (2 if entry.seen_reply else 0) | (8 if entry.confirmed else 0) | (16 if entry.snat else 0) | (32 if entry.dnat else 0),
            4 if state.may_be_assured else 0,
        )
    if name == "helper":
        return ABSENT  # what the walk sends was expected by no helper: it has no master
    if name == "l3proto":
        return 2 if scene.packet.family == 4 else 10
    side = wanted.also[0] if wanted.also else ("reply" if state.reply else "original")
    flow = entry.reply if side == "reply" else entry.original
    if name == "protocol":
        return PROTOCOL_NUMBERS.get(flow.protocol, 0)
    found = {"saddr": flow.src, "daddr": flow.dst, "proto-src": flow.sport, "proto-dst": flow.dport}.get(name)
    return Doubt(phrase("ct-not-modelled", name=name)) if found is None else found


# --- routes -------------------------------------------------------------------------------------------------------


def _fib(wanted: ast.Field, scene: Scene) -> Single:
    packet, context = scene.packet, scene.context
    if packet.operation:
        return ABSENT
    value = packet.dst if "daddr" in wanted.also else packet.src
    device = context.in_device if "iif" in wanted.also else context.out_device if "oif" in wanted.also else ""
    if wanted.name == "type":
        kind = _kind6(wanted, scene, value, device) if packet.family == 6 else scene.stack.address_type(4, value, device).lower()
        return ROUTE_TYPES.get(kind, 0)
    return _fib_device(wanted, scene, value, device)


def _asked(wanted: ast.Field, scene: Scene, value: int) -> Key:
    """What the routes are asked: policy rules see the other address, the protocol without its ports, and the mark only if the expression names it."""
    packet = scene.packet
    other = packet.src if "daddr" in wanted.also else packet.dst
    source = other if scene.stack.address_type(packet.family, other) != "MULTICAST" else None
    mark = packet.mark if "mark" in wanted.also else 0
    return Key(packet.family, value, source, mark=mark, protocol=packet.protocol, kernel=True)


def _kind6(wanted: ast.Field, scene: Scene, value: int, device: str) -> str:
    """Type of an IPv6 address by the routes of all tables (``__nft_fib6_eval_type``)."""
    if value >> 120 == 0xFF:
        return "multicast"
    # The device is looked for among the addresses; which way the route goes does not matter, but for link-local ones.
    found = scene.stack.fib.lookup(_asked(wanted, scene, value)._replace(oif=device if value >> 118 == LINK_LOCAL else ""))
    if found.type not in {"local", "unicast", "anycast"}:
        return found.type if found.type in {"blackhole", "prohibit", "throw"} else "unreachable"
    if anycast(found, value):
        return "anycast"
    own = scene.stack.address_type(6, value, device) == "LOCAL" if device else found.type == "local"
    return "local" if own else "unicast"


def _fib_device(wanted: ast.Field, scene: Scene, value: int, device: str) -> Single:
    """Device of the route to an address, "" if there is none or it is not the wanted device; routes of other types than unicast count as none."""
    packet, context = scene.packet, scene.context
    if context.hook in {"INGRESS", "PREROUTING", "INPUT"} and context.in_device == "lo":
        return "lo"  # nft_fib_can_skip
    found = scene.stack.fib.lookup(_asked(wanted, scene, value)._replace(iif="lo"))
    if found.type == "none" and found.unknown:
        return Doubt(phrase("route-to", dst=to_text(value, packet.family)))
    if found.type != "unicast" or found.route is None:
        return ""
    if not device:
        return found.route.hops[0].device
    return device if any(h.device == device for h in found.route.hops) else ""


def _extension(wanted: ast.Field, scene: Scene) -> Single:
    """Extension headers and options: the model sends none, but for TCP's, which a SYN has."""
    if wanted.base == "tcp option":
        return Doubt(phrase("tcp-options")) if scene.packet.protocol == "tcp" else ABSENT
    return ABSENT if wanted.also or wanted.base not in {"exthdr", "ip option"} else 0


_READERS: dict[str, Callable[[ast.Field, Scene], Single]] = {
    "ip": _ip,
    "ip6": _ip6,
    "ether": _ether,
    "arp": _arp,
    **dict.fromkeys(("tcp", "udp", "udplite", "sctp", "dccp", "esp", "ah", "gre"), _transport),
    "th": _any_transport,
    "icmp": _icmp,
    "icmpv6": _icmp,
    "meta": _meta,
    "ct": _ct,
    "fib": _fib,
    **dict.fromkeys(("exthdr", "frag", "hbh", "dst", "mh", "rt0", "rt2", "rt4", "srh", "ip option", "tcp option"), _extension),
}
