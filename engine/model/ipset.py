"""ipset membership.

Source: Linux ``net/netfilter/ipset/``; a dimension or family mismatch is false (then the rule's ``!`` inverts it).
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from engine.inet import BITS, is_address, prefix, to_int, to_text
from engine.model.netfilter.rule import protocol_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.facts import Fact
    from engine.model.packet import HookContext, Packet

MODELLED = frozenset(
    {
        "hash:ip",
        "hash:net",
        "hash:ip,port",
        "hash:net,port",
        "hash:ip,port,ip",
        "hash:ip,port,net",
        "hash:net,iface",
        "hash:net,net",
        "bitmap:ip",
        "bitmap:port",
        "list:set",
        "hash:ip,mark",
        "hash:mac",
        "bitmap:ip,mac",
        "hash:net,port,net",
    }
)

ICMP_NAMES = {
    "echo-reply": (0, 0),
    "network-unreachable": (3, 0),
    "host-unreachable": (3, 1),
    "protocol-unreachable": (3, 2),
    "port-unreachable": (3, 3),
    "fragmentation-needed": (3, 4),
    "network-prohibited": (3, 9),
    "host-prohibited": (3, 10),
    "communication-prohibited": (3, 13),
    "echo-request": (8, 0),
    "ttl-zero-during-transit": (11, 0),
}
"""ICMP types and codes that the walk sends, as ``ipset`` prints them."""

ICMPV6_NAMES = {
    "no-route": (1, 0),
    "communication-prohibited": (1, 1),
    "address-unreachable": (1, 3),
    "port-unreachable": (1, 4),
    "packet-too-big": (2, 0),
    "ttl-zero-during-transit": (3, 0),
    "echo-request": (128, 0),
    "echo-reply": (129, 0),
    "neighbour-solicitation": (135, 0),
    "neighbour-advertisement": (136, 0),
}
"""The same of ICMPv6."""


class Member:
    """One entry of a set."""

    __slots__ = ("line", "nomatch", "parts", "text")

    def __init__(self, text: str, line: int) -> None:
        words = text.split()
        self.text = text
        self.line = line
        self.parts = words[0].split(",") if words else []
        self.nomatch = "nomatch" in words[1:]


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_FIRST = {
    4: rf"({_OCTET}(?:\.{_OCTET}){{3}})(?:/([12]?[0-9]|3[0-2]))?",
    6: r"([0-9a-f:]+:[0-9a-f:.]*)(?:/(1[01][0-9]|12[0-8]|[1-9]?[0-9]))?",
}
"""An address or a prefix, by family; other ways to write one are left to the evaluation."""


class _Index:
    """Places of a set's entries by their first part: sets of a cluster hold an entry for each Service or pod."""

    __slots__ = ("_family", "_nets", "_others", "hosts")

    def __init__(self, texts: Sequence[str], family: int, parts: int) -> None:
        """Entries that do not have so many parts, or begin with something else, are always looked at."""
        self._family = family
        self.hosts: dict[str, list[int]] = defaultdict(list)
        self._nets: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        """Length → value → places."""
        self._others: list[int] = []
        first = re.compile(_FIRST.get(family, _FIRST[4]) + rf"(?:,[^,\s]*+){{{parts - 1}}}(?=\s|\Z)")
        for place, text in enumerate(texts):
            found = first.match(text)
            if found is None or (family == 6 and not is_address(found[1])):
                self._others.append(place)
            elif found[2]:
                self._nets[int(found[2])][prefix(f"{found[1]}/{found[2]}").value].append(place)
            elif family == 6:
                self.hosts[to_text(to_int(found[1]), 6)].append(place)
            else:
                self.hosts[found[1]].append(place)

    def near(self, value: int) -> list[int]:
        """Entries whose first part may hold an address, in order."""
        bits = BITS.get(self._family, 32)
        found = [*self._others, *self.hosts.get(to_text(value, 6 if bits == 128 else 4), ())]
        for length, nets in self._nets.items():
            found += nets.get(value >> (bits - length) << (bits - length), ())
        return sorted(found)


class IpSet:
    """A set of one stack; ``members`` is ``None`` if only the header was listed."""

    def __init__(self, fact: Fact) -> None:
        self.fact = fact
        self.name: str = fact.fields["name"]
        self.type: str = fact.fields.get("type", "")
        self.family: int = fact.fields.get("family", 4)

    @cached_property
    def members(self) -> list[Member] | None:
        """Entries in the order they were printed."""
        return None if self._texts is None else [self._member(place) for place in range(len(self._texts))]

    @property
    def _texts(self) -> Sequence[str] | None:
        return self.fact.fields.get("members")

    def _member(self, place: int) -> Member:
        lines = self.fact.fields.get("member_lines") or ()
        return Member((self._texts or ())[place], lines[place] if place < len(lines) else 0)

    @cached_property
    def _kinds(self) -> list[str]:
        return self.type.partition(":")[2].split(",")

    @cached_property
    def _index(self) -> _Index:
        return _Index(self._texts or (), self.family, len(self._kinds))

    def holds(self, directions: tuple[str, ...], packet: Packet, context: HookContext, others: dict[str, IpSet]) -> tuple[bool | None, Member | None]:
        """Whether the packet is in the set, and by which member; ``None`` = cannot be told."""
        if self._texts is None or self.type not in MODELLED:
            return None, None
        if self.type == "list:set":
            return self._in_list(directions, packet, context, others)
        if self.type in {"hash:mac", "bitmap:ip,mac"}:
            return None, None
        if self.family != packet.family and self.type != "bitmap:port":
            return False, None
        if len(directions) < len(self._kinds):
            return False, None
        value = packet.src if directions[0] == "src" else packet.dst
        if self.type == "hash:ip" and (same := self._index.hosts.get(to_text(value, packet.family))):
            return True, self._member(same[0])
        places = self._index.near(value) if self._kinds[0] in {"ip", "net"} else range(len(self._texts))
        if self.type == "hash:net,iface":
            places = self._closest(places, value)
        return self._best(places, directions, packet, context)

    def _closest(self, places: Iterable[int], value: int) -> list[int]:
        """Places of the most specific prefix that holds an address: with another device there, shorter ones are not tried (``mtype_test_cidrs``)."""
        lengths: dict[int, list[int]] = defaultdict(list)
        for place in places:
            parts = self._member(place).parts
            try:
                net = prefix(parts[0]) if parts else None
            except ValueError:
                return list(places)  # a damaged entry: the evaluation says so
            if net is not None and net.holds(value):
                lengths[net.length].append(place)
        return lengths[max(lengths)] if lengths else []

    def entry(self, directions: tuple[str, ...], packet: Packet, context: HookContext) -> str | None:
        """The entry that would hold exactly this packet; ``None`` for types whose entries the packet does not tell."""
        if self.family != packet.family or not self.type.startswith(("hash:", "bitmap:")):
            return None
        made = [_part(kind, side, packet, context) for kind, side in zip(self._kinds, directions, strict=False)]
        return ",".join(made) if len(made) == len(self._kinds) and all(made) else None

    def _best(self, places: Iterable[int], directions: tuple[str, ...], packet: Packet, context: HookContext) -> tuple[bool | None, Member | None]:
        """The most specific member that fits decides; ``nomatch`` makes it a miss."""
        best: tuple[int, Member] | None = None
        for member in map(self._member, places):
            if len(member.parts) != len(self._kinds):
                return None, member
            try:
                score = _fits(member, self._kinds, directions, packet, context)
            except (ValueError, IndexError):
                return None, member  # an entry that is not of the set's type: the dump is damaged
            if score is not None and (best is None or score > best[0]):
                best = (score, member)
        if best is None:
            return False, None
        return not best[1].nomatch, best[1]

    def _in_list(
        self, directions: tuple[str, ...], packet: Packet, context: HookContext, others: dict[str, IpSet]
    ) -> tuple[bool | None, Member | None]:
        unknown = False
        for member in self.members or ():
            inner = others.get(member.parts[0]) if member.parts else None
            answer = inner.holds(directions, packet, context, others)[0] if inner is not None and inner.type != "list:set" else None
            if answer:
                return True, member
            unknown = unknown or answer is None
        return (None if unknown else False), None


def _covers(text: str, value: int, kind: str) -> bool:
    if "-" in text and kind == "ip":
        low, _, high = text.partition("-")
        return to_int(low) <= value <= to_int(high)
    return prefix(text).holds(value)


def _fits(member: Member, kinds: list[str], directions: tuple[str, ...], packet: Packet, context: HookContext) -> int | None:
    """Sum of the prefix lengths of a member that fits, ``None`` if it does not."""
    score = 0
    for kind, part, side in zip(kinds, member.parts, directions, strict=False):
        value = packet.src if side == "src" else packet.dst
        if kind in {"ip", "net"}:
            if not _covers(part, value, kind):
                return None
            score += prefix(part).length if "-" not in part else 32
        elif kind == "port":
            if not _port_fits(part, side, packet):
                return None
        elif kind == "iface":
            device = context.in_device if side == "src" else context.out_device
            wanted = part.removeprefix("physdev:")
            if part.startswith("physdev:"):
                device = context.physin if side == "src" else context.physout
            if device != wanted:
                return None
        elif kind == "mark" and int(part, 0) != packet.mark:
            return None
    return score


def _part(kind: str, side: str, packet: Packet, context: HookContext) -> str:
    """One dimension of a packet as an entry writes it; "" for what entries cannot be made of here."""
    if kind in {"ip", "net"}:
        return to_text(packet.src if side == "src" else packet.dst, packet.family)
    if kind == "port" and packet.protocol in {"tcp", "udp"}:
        return f"{packet.protocol}:{packet.sport if side == 'src' else packet.dport}"
    if kind == "iface":
        return context.in_device if side == "src" else context.out_device
    return ""


def _port_fits(part: str, side: str, packet: Packet) -> bool:
    protocol, colon, ports = part.rpartition(":")
    if colon:
        if protocol_name(protocol) != packet.protocol:
            return False
        if packet.protocol in {"icmp", "icmpv6"}:
            names = ICMP_NAMES if packet.protocol == "icmp" else ICMPV6_NAMES
            if ports in names:
                return (packet.icmp_type, packet.icmp_code) == names[ports]
            kind, _, code = ports.partition("/")
            return kind.isdigit() and (packet.icmp_type, packet.icmp_code) == (int(kind), int(code or 0))
    elif packet.protocol not in {"tcp", "udp"}:
        return False
    low, _, high = ports.partition("-")
    value = packet.sport if side == "src" else packet.dport
    return int(low) <= value <= int(high or low)
