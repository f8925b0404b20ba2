"""What a matcher joins: programs (a rule under one branch) and tokens (a fact that satisfies one pattern).

Patterns are matched in Python, where types, prefixes and expressions are safe; a matcher only joins tokens by equality of keys.  Both
matchers share these types, so that they differ in nothing but how they join.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Link(NamedTuple):
    """Equality of this slot's field and a field of an earlier slot."""

    field: str
    slot: int
    """Index of the earlier slot in its program."""
    other: str
    """Field of the earlier slot's fact."""


class Slot(NamedTuple):
    """One pattern of a program."""

    number: int
    """Unique over all programs of a matcher."""
    links: tuple[Link, ...] = ()


class Program(NamedTuple):
    """Patterns to join."""

    number: int
    slots: tuple[Slot, ...]


class Token(NamedTuple):
    """One fact that satisfies one pattern."""

    slot: int
    """:attr:`Slot.number`"""
    fact: int
    """Number of the fact."""
    keys: Mapping[str, str]
    """Field → join key, for the fields that links name on either side."""


Row = tuple[int, tuple[int, ...]]
"""Program number, and the fact of every slot."""


class Matcher(Protocol):
    """Joins tokens; each row is told once."""

    def add(self, tokens: Sequence[Token]) -> list[Row]:
        """Rows that the new tokens complete, in any order."""

    def close(self) -> None:
        """Give back what the matcher holds."""


class MatchLimitError(Exception):
    """A program has more rows than anybody would read."""

    def __init__(self, program: int) -> None:
        super().__init__(f"program {program} has too many rows")
        self.program = program


FNV_BASIS = 0x811C9DC5
FNV_PRIME = 16777619
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def fnv1a(text: str) -> int:
    """32-bit FNV-1a of ASCII text: how durable-rules tells ids and join keys apart."""
    value = FNV_BASIS
    for char in text:
        value = ((value ^ ord(char)) * FNV_PRIME) & 0xFFFFFFFF
    return value


def identifiers() -> Iterator[str]:
    """Short texts without end, no two of which collide under :func:`fnv1a`."""
    seen: set[int] = set()
    level = [("", FNV_BASIS)]
    while True:
        longer = []
        for prefix, basis in level:
            for char in _ALPHABET:
                value = ((basis ^ ord(char)) * FNV_PRIME) & 0xFFFFFFFF
                longer.append((prefix + char, value))
                if value not in seen:
                    seen.add(value)
                    yield prefix + char
        level = longer
