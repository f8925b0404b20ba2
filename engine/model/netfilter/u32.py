"""``-m u32``: arithmetic on four octets of the packet at a time.

Source: Linux ``net/netfilter/xt_u32.c``.
The octets that the walk knows (addresses, ports, protocol, flags …) are laid out as on the wire; of the others every bit is open, and so is the
answer wherever it hangs on one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.model.packet import PROTOCOL_NUMBERS

if TYPE_CHECKING:
    from engine.model.netfilter.matches import Surroundings, Tri
    from engine.model.packet import HookContext, Packet

WORD = 0xFFFFFFFF
OPERATORS = ("<<", ">>", "&", "@")
SHIFTS = frozenset({"<<", ">>"})
LARGEST_SHIFT = 31
"""Bits by which four octets can be shifted; what more does C leaves open."""
FLAG_BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ECE": 64, "CWR": 128}
"""Bits of the 14th octet of a TCP header."""


class Test(NamedTuple):
    """One comparison: where to read, what to do with it, and the ranges that it must fall into."""

    start: int
    steps: tuple[tuple[str, int], ...]
    ranges: tuple[tuple[int, int], ...]


class U32(NamedTuple):
    """``--u32 "START OP NUMBER …=RANGE,… && …"``."""

    text: str
    tests: tuple[Test, ...]

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether all comparisons hold; one that is false decides."""
        del context, around
        octets = laid_out(packet)
        answers = [_holds(test, octets, packet.size) for test in self.tests]
        return False if False in answers else None if None in answers else True


def parse(text: str, words: str) -> U32:
    """Read the argument; raises ``ValueError`` for what is no such expression."""
    return U32(text, tuple(_test(part.replace(" ", "")) for part in words.split("&&")))


def _test(words: str) -> Test:
    location, sign, ranges = words.partition("=")
    if not sign:
        raise ValueError(words)
    numbers, operators = [""], []
    at = 0
    while at < len(location):
        operator = next((o for o in OPERATORS if location.startswith(o, at)), "")
        if operator:
            operators.append(operator)
            numbers.append("")
        else:
            numbers[-1] += location[at]
        at += len(operator) or 1
    start, *rest = (int(n, 0) for n in numbers)
    largest = [WORD, *(LARGEST_SHIFT if operator in SHIFTS else WORD for operator in operators)]
    if not all(0 <= number <= most for number, most in zip((start, *rest), largest, strict=True)):
        raise ValueError(words)
    pairs = (one.partition(":") for one in ranges.split(","))
    return Test(start, tuple(zip(operators, rest, strict=True)), tuple((int(low, 0), int(high or low, 0)) for low, _, high in pairs))


Octets = tuple[int, int]
"""Value and mask of the known bits."""


def laid_out(packet: Packet) -> list[Octets]:
    """The headers octet by octet; shorter than the packet, whose other octets are open."""
    number = PROTOCOL_NUMBERS.get(packet.protocol)
    protocol = _known(number, 1) if number is not None else _open(1)
    length = _known(packet.size, 2) if packet.protocol == "tcp" else _open(2)
    if packet.family == 4:
        head = [*_known(0x45, 1), *_known(packet.tos, 1), *length, *_open(2), *_known(0x4000 if packet.df else 0, 2), *_known(packet.ttl, 1)]
        return [*head, *protocol, *_open(2), *_known(packet.src, 4), *_known(packet.dst, 4), *_transport(packet)]
    first = [(0x60 | packet.tos >> 4, 0xFF), ((packet.tos << 4) & 0xF0, 0xF0)]
    payload = _known(packet.size - 40, 2) if packet.protocol == "tcp" else _open(2)
    head = [*first, *_open(2), *payload, *protocol, *_known(packet.ttl, 1)]
    return [*head, *_known(packet.src, 16), *_known(packet.dst, 16), *_transport(packet)]


def _transport(packet: Packet) -> list[Octets]:
    if packet.protocol in {"icmp", "icmpv6"}:
        return [*_known(packet.icmp_type, 1), *_known(packet.icmp_code, 1)]
    if packet.protocol not in {"tcp", "udp"}:
        return []
    ports = [*_known(packet.sport, 2), *_known(packet.dport, 2)]
    if packet.protocol == "udp":
        return ports
    return [*ports, *_open(9), *_known(sum(FLAG_BITS.get(flag, 0) for flag in packet.tcp_flags), 1)]


def _known(value: int, octets: int) -> list[Octets]:
    return [(octet, 0xFF) for octet in (value & (1 << 8 * octets) - 1).to_bytes(octets, "big")]


def _open(octets: int) -> list[Octets]:
    return [(0, 0)] * octets


def _holds(test: Test, octets: list[Octets], size: int) -> Tri:
    base = 0
    read = _word(octets, test.start, size)
    for operator, number in test.steps:
        if read is None:
            return False  # past the end
        value, known = read
        if operator == "&":
            read = value & number, known | ~number & WORD
        elif operator == "<<":
            read = value << number & WORD, (known << number | (1 << number) - 1) & WORD
        elif operator == ">>":
            read = value >> number, known >> number | ~(WORD >> number) & WORD
        elif known != WORD:
            return None  # where to read next is open
        else:
            base += value
            read = _word(octets, base + number, size)
    return _inside(read, test.ranges) if read is not None else False


def _word(octets: list[Octets], at: int, size: int) -> Octets | None:
    """Four octets as a number, ``None`` past the end of the packet."""
    if at + 4 > size:
        return None
    value = known = 0
    for place in range(at, at + 4):
        octet, mask = octets[place] if place < len(octets) else (0, 0)
        value, known = value << 8 | octet & mask, known << 8 | mask
    return value, known


def _inside(read: Octets, ranges: tuple[tuple[int, int], ...]) -> Tri:
    """Whether a number, some of whose bits may be open, falls into one of the ranges."""
    lowest, known = read
    highest = lowest | ~known & WORD
    if any(low <= lowest and highest <= high for low, high in ranges):
        return True
    # A range of one number is met only by its own known bits.
    met = (low & known == lowest if low == high else low <= highest and lowest <= high for low, high in ranges)
    return None if any(met) else False
