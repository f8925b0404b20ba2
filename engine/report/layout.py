"""Columns and wrapping for text that mixes Latin and Chinese."""

from __future__ import annotations

import re
import unicodedata
from functools import cache


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in {"W", "F"} else 0 if unicodedata.combining(c) else 1 for c in text)


FIRST_WIDE = "\u2e80"
"""First character of the Chinese, Japanese and Korean scripts."""


def _pieces(text: str) -> list[str]:
    """Pieces of a text between which a line may break."""
    # The pattern of the mixed case takes longer to compile than an English report to print; without wide characters it comes to this.
    return re.findall(r"\S+\s*|\s+", text) if max(text) < FIRST_WIDE else _mixed().findall(text)


@cache
def _mixed() -> re.Pattern[str]:
    # A wide character with the punctuation that may not begin a line, or a run of other characters; each with the spaces after it.
    wide = r"[\u2e80-\u9fff\uac00-\ud7a3\uff00-\uffef\u3000-\u303f]"
    closing = r"[,;:!?)\u3001\u3002\u300b\u300d\u300f\u3011\u3015\u2019\u201d\u2026\uff01\uff09\uff0c\uff1a\uff1b\uff1f]"
    return re.compile(rf"{wide}{closing}*\s*|(?:(?!{wide})\S)+{closing}*\s*|\s+")


def wrap(text: str, columns: int, indent: str = "") -> list[str]:
    """Text in lines of at most ``columns`` (0 = no limit), each after ``indent``; words longer than a line stay whole."""
    if not columns or width(indent + text) <= columns:
        return [indent + text]
    lines: list[str] = []
    current = ""
    for piece in _pieces(text):
        if current and width(indent + current + piece.rstrip()) > columns:
            lines.append(indent + current.rstrip())
            current = ""
        current += piece if current else piece.lstrip()
    return [*lines, indent + current.rstrip()] if current.strip() else lines


def pad(text: str, columns: int) -> str:
    """Text filled with spaces to a number of columns."""
    return text + " " * max(0, columns - width(text))
