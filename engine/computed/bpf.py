"""Whether a capture's filter expression (pcap-filter(7)) lets a packet through, as far as its words are understood."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from engine.inet import is_address, prefix, prefixes

_WORDS: Final = re.compile(r"\(|\)|!|&&|\|\||[^\s()!]+")
_JOINS: Final = {"and": True, "&&": True, "or": False, "||": False}
_PROTOCOLS: Final = {"ip": {"tcp", "udp", "icmp", ""}, "tcp": {"tcp"}, "udp": {"udp"}, "icmp": {"icmp"}, "arp": set[str](), "ip6": set[str]()}
_SIDES: Final = frozenset({"src", "dst"})
_TYPES: Final = frozenset({"host", "net", "port", "portrange"})
_PORT: Final = re.compile(r"[0-9]{1,5}")
_DEEPEST: Final = 20


class Shown(NamedTuple):
    """The header that a filter looks at: of a tunnel's packet the outer one."""

    src: str
    dst: str
    protocol: str
    sport: int
    """0 = not known, or none."""
    dport: int


def shows(expression: str, packet: Shown) -> bool | None:
    """Whether a filter shows an IPv4 packet; ``None`` where its words are not understood."""
    reader = _Reader(_WORDS.findall(expression), packet)
    if not reader.words:
        return True
    value = reader.expression(0)
    return value if reader.at == len(reader.words) else None


class _Reader:
    """Reads an expression: ``and`` and ``or`` bind equally, from the left."""

    def __init__(self, words: list[str], packet: Shown) -> None:
        self.words = words
        self.packet = packet
        self.at = 0
        self.sides: frozenset[str] = _SIDES
        self.type = "host"

    def word(self) -> str:
        """The next word, "" at the end."""
        return self.words[self.at] if self.at < len(self.words) else ""

    def expression(self, depth: int) -> bool | None:
        """Terms and what joins them."""
        value = self.term(depth)
        while self.word() in _JOINS:
            both = _JOINS[self.word()]
            self.at += 1
            value = _joined(value, self.term(depth), both=both)
        return value

    def term(self, depth: int) -> bool | None:
        """A negation, something in brackets, a protocol, or a primitive."""
        word = self.word()
        self.at += 1
        if depth > _DEEPEST:
            return None
        if word in {"not", "!"}:
            value = self.term(depth + 1)
            return None if value is None else not value
        if word == "(":
            value = self.expression(depth + 1)
            self.at += self.word() == ")"
            return value
        if word in _PROTOCOLS:
            mine = self.packet.protocol in _PROTOCOLS[word]
            return _joined(mine, self.term(depth + 1), both=True) if self.word() in _SIDES | _TYPES else mine
        self.at -= 1
        return self.primitive()

    def primitive(self) -> bool | None:
        """``src host ADDRESS``, ``port NUMBER``; a value alone takes the words of the one before."""
        if self.word() in _SIDES | _TYPES:
            self.sides, self.type = _SIDES, "host"
        if self.word() in _SIDES:
            self.sides = frozenset({self.word()})
            self.at += 1
        if self.word() in _TYPES:
            self.type = self.word()
            self.at += 1
        value = self.word()
        self.at += 1
        found = [self.holds(side, value) for side in sorted(self.sides)]
        return True if True in found else None if None in found else False

    def holds(self, side: str, value: str) -> bool | None:
        """Whether one end of the packet is the one that is meant."""
        address, port = (self.packet.src, self.packet.sport) if side == "src" else (self.packet.dst, self.packet.dport)
        if self.type in {"port", "portrange"}:
            first, _, last = value.partition("-")
            known = _PORT.fullmatch(first) and _PORT.fullmatch(last or first) and port
            return int(first) <= port <= int(last or first) if known else None
        if self.type == "net":
            return next((net.covers(prefix(address)) for net in prefixes([value])), None) if "/" in value else None
        return address == value if is_address(value) else None


def _joined(one: bool | None, other: bool | None, *, both: bool) -> bool | None:
    """Three-valued ``and`` (``both``) and ``or``."""
    decisive = not both
    if decisive in {one, other}:
        return decisive
    return None if None in {one, other} else both
