"""Asking one rule about one packet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.facts import RuleLine
from engine.inet import to_int
from engine.model.netfilter.rule import Rule, parse_rule
from engine.model.packet import Entry, HookContext, Packet, State, Tuple

SYN = Packet(4, to_int("10.1.0.2"), to_int("10.2.0.2"), "tcp", 40000, 80, frozenset({"SYN"}))
UDP = replace(SYN, protocol="udp", tcp_flags=frozenset())
PING = Packet(4, SYN.src, SYN.dst, "icmp", 7, 0, icmp_type=8)
ENTRY = Entry(SYN.tuple(), SYN.tuple().inverted())
FORWARD = HookContext("FORWARD", "eth0", "eth1", state=State("NEW", ENTRY))


def translated() -> Entry:
    """Entry of 10.1.0.2 → VIP 10.99.0.1:80, sent to 10.2.0.2:8080 from 192.0.2.1."""
    original = Tuple("tcp", to_int("10.1.0.2"), to_int("10.99.0.1"), 40000, 80)
    reply = Tuple("tcp", to_int("10.2.0.2"), to_int("192.0.2.1"), 8080, 50000)
    return Entry(original, reply, mark=0x10, snat=True, dnat=True)


class Around:
    """A stack that answers as it is told."""

    def __init__(self, *, kind: str = "UNICAST", member: bool | None = True, path: bool | None = True) -> None:
        self.kind, self.member, self.path = kind, member, path
        self.kinds: set[str] = set()
        self.asked: list[tuple[Any, ...]] = []

    def address_type(self, family: int, value: int, device: str = "") -> str:
        """Type of any address."""
        self.asked.append((family, value, device))
        return self.kind

    def address_kinds(self, value: int, device: str) -> set[str]:
        """What a look-up says of any IPv6 address."""
        self.asked.append((6, value, device))
        return self.kinds

    def in_set(self, name: str, directions: tuple[str, ...], packet: Packet, context: HookContext) -> bool | None:
        """Membership in any set."""
        del packet, context
        self.asked.append((name, directions))
        return self.member

    def reverse_path(self, packet: Packet, context: HookContext, *, loose: bool, accept_local: bool) -> bool | None:
        """Reverse path of any packet."""
        del packet, context
        self.asked.append((loose, accept_local))
        return self.path


def rule(spec: str, family: int = 4) -> Rule:
    """A rule by its words."""
    return parse_rule(RuleLine(1, spec), 1, family)


def holds(spec: str, packet: Packet = SYN, context: HookContext = FORWARD, around: Around | None = None) -> bool | None:
    """Whether all matches of a rule hold: ``None`` if one is unknown and none is false."""
    answers = [match.holds(packet, context, around or Around()) for match in rule(spec).matches]
    return False if False in answers else None if None in answers else True
