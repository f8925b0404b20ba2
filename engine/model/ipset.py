"""ipset membership.

Source: Linux ``net/netfilter/ipset/``; a dimension or family mismatch is false (then the rule's ``!`` inverts it).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from engine.inet import prefix, to_int
from engine.model.netfilter.rule import protocol_name

if TYPE_CHECKING:
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


class Member:
    """One entry of a set."""

    __slots__ = ("line", "nomatch", "parts", "text")

    def __init__(self, text: str, line: int) -> None:
        words = text.split()
        self.text = text
        self.line = line
        self.parts = words[0].split(",") if words else []
        self.nomatch = "nomatch" in words[1:]


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
        texts = self.fact.fields.get("members")
        if texts is None:
            return None
        lines = self.fact.fields.get("member_lines") or ()
        return [Member(text, lines[i] if i < len(lines) else 0) for i, text in enumerate(texts)]

    @cached_property
    def _exact(self) -> frozenset[int]:
        found = set()
        for member in self.members or ():
            try:
                found.add(to_int(member.parts[0]))
            except (ValueError, IndexError):
                continue
        return frozenset(found)

    def holds(self, directions: tuple[str, ...], packet: Packet, context: HookContext, others: dict[str, IpSet]) -> tuple[bool | None, Member | None]:
        """Whether the packet is in the set, and by which member; ``None`` = cannot be told."""
        if self.members is None or self.type not in MODELLED:
            return None, None
        if self.type == "list:set":
            return self._in_list(directions, packet, context, others)
        if self.type in {"hash:mac", "bitmap:ip,mac"}:
            return None, None
        if self.family != packet.family and self.type != "bitmap:port":
            return False, None
        kinds = self.type.partition(":")[2].split(",")
        if len(directions) < len(kinds):
            return False, None
        if kinds == ["ip"] and self.type.startswith("hash"):
            value = packet.src if directions[0] == "src" else packet.dst
            if value in self._exact:
                return True, next((x for x in self.members if x.parts[0].partition("/")[0] and _covers(x.parts[0], value, "ip")), None)
        return self._best(kinds, directions, packet, context)

    def _best(self, kinds: list[str], directions: tuple[str, ...], packet: Packet, context: HookContext) -> tuple[bool | None, Member | None]:
        """The most specific member that fits decides; ``nomatch`` makes it a miss."""
        best: tuple[int, Member] | None = None
        for member in self.members or ():
            try:
                score = _fits(member, kinds, directions, packet, context)
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
    if len(member.parts) != len(kinds):
        message = f"not a member of this type: {member.text!r}"
        raise ValueError(message)
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


def _port_fits(part: str, side: str, packet: Packet) -> bool:
    protocol, colon, ports = part.rpartition(":")
    if colon:
        if protocol_name(protocol) != packet.protocol:
            return False
        if packet.protocol in {"icmp", "icmpv6"}:
            kind, _, code = ports.partition("/")
            return packet.icmp_type == int(kind) and packet.icmp_code == int(code or 0) if kind.isdigit() else False
    elif packet.protocol not in {"tcp", "udp"}:
        return False
    low, _, high = ports.partition("-")
    value = packet.sport if side == "src" else packet.dport
    return int(low) <= value <= int(high or low)
