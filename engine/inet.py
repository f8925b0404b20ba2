"""Addresses and prefixes as integers: quick to compare, canonical to print.

Built on ``inet_pton``; :mod:`ipaddress` costs ten times as much per address, which a 100,000-line ruleset feels.
"""

from __future__ import annotations

# The module of the interpreter under ``socket``, which makes enumerations of a thousand constants first: 2 ms at every start.
from _socket import AF_INET, AF_INET6, inet_ntoa, inet_ntop, inet_pton
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

BITS = {4: 32, 6: 128}
"""Address length in bits by family."""


def family_of(text: str) -> int:
    """4 or 6 by the shape of an address or prefix (no validation)."""
    return 6 if ":" in text else 4


@lru_cache(maxsize=65536)
def to_int(text: str) -> int:
    """Value of an address; raises ``ValueError`` if ``text`` is not an address."""
    try:
        packed = inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except OSError as error:
        message = f"not an IP address: {text!r}"
        raise ValueError(message) from error
    return int.from_bytes(packed, "big")


def to_text(value: int, family: int = 4) -> str:
    """Canonical text of an address value."""
    if family == 4:
        return inet_ntoa(value.to_bytes(4, "big"))
    return inet_ntop(AF_INET6, value.to_bytes(16, "big"))


def is_address(text: str) -> bool:
    """Whether ``text`` is an IPv4 or IPv6 address."""
    try:
        to_int(text)
    except (ValueError, TypeError):
        return False
    return True


class Prefix(NamedTuple):
    """An IP prefix; host bits are zero."""

    family: int
    value: int
    length: int

    @property
    def mask(self) -> int:
        """Network mask as an integer."""
        bits = BITS[self.family]
        return ((1 << self.length) - 1) << (bits - self.length)

    def holds(self, value: int) -> bool:
        """Whether an address value of the same family lies inside."""
        return value & self.mask == self.value

    def covers(self, other: Prefix) -> bool:
        """Whether ``other`` lies wholly inside."""
        return self.family == other.family and self.length <= other.length and self.holds(other.value)

    def overlaps(self, other: Prefix) -> bool:
        """Whether the two share an address."""
        return self.covers(other) or other.covers(self)

    @property
    def last(self) -> int:
        """Highest address value (the IPv4 broadcast address)."""
        return self.value | (((1 << BITS[self.family]) - 1) ^ self.mask)

    def __str__(self) -> str:
        return f"{to_text(self.value, self.family)}/{self.length}"


@lru_cache(maxsize=65536)
def prefix(text: str) -> Prefix:
    """Parse ``10.0.0.0/8``, ``10.0.0.0/255.0.0.0`` or a bare address (host prefix); host bits are cleared.

    Raises ``ValueError`` for anything else.
    """
    address, slash, length_text = text.partition("/")
    family = family_of(address)
    bits = BITS[family]
    value = to_int(address)
    if not slash:
        length = bits
    elif length_text.isdigit():
        length = int(length_text)
    else:
        mask = to_int(length_text)
        length = mask.bit_count()
        if mask != ((1 << length) - 1) << (bits - length):
            message = f"not a contiguous mask: {text!r}"
            raise ValueError(message)
    if length > bits:
        message = f"prefix length out of range: {text!r}"
        raise ValueError(message)
    mask = ((1 << length) - 1) << (bits - length)
    return Prefix(family, value & mask, length)


def prefixes(texts: Iterable[object]) -> list[Prefix]:
    """Those of some texts that are prefixes."""
    found = []
    for text in texts:
        try:
            found.append(prefix(str(text)))
        except ValueError:
            continue
    return found


def in_prefix(address: str, network: str) -> bool:
    """Whether an address (or prefix) lies inside a prefix; ``False`` across families; raises ``ValueError`` on bad text."""
    return prefix(network).covers(prefix(address))
