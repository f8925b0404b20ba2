"""Evidence is untrusted: nothing in it may steer a terminal or hide text.

Control characters (C0, DEL, C1), bidirectional overrides, line separators and lone surrogates become visible escapes.
"""

from __future__ import annotations

import unicodedata

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
INVISIBLE = frozenset("\u2028\u2029\ufeff")


def is_unsafe(character: str) -> bool:
    """Whether a character may not reach a terminal as it is."""
    return unicodedata.category(character) in {"Cc", "Cs"} or character in BIDI or character in INVISIBLE


def visible(character: str) -> str:
    """The escape that stands for a character."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def line(text: str) -> str:
    """Text on one line, harmless: tabs become a space, line ends and other control characters visible escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c == "\t" else visible(c) if is_unsafe(c) else c for c in text)


def block(text: str) -> str:
    """Text that keeps its lines and tabs (commands with a here-document), harmless otherwise."""
    return "".join(visible(c) if is_unsafe(c) and c not in "\n\t" else c for c in text)
