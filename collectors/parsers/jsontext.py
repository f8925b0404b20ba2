"""JSON as tools print it: with warnings in front, cut off at the end, several documents in a row."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from collectors.parsers.text import SAMPLE_LENGTH, clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collectors.parsers.emit import Emitter

_START = r"^[ \t]*(?=\[\s*(?:[\[{\]]|$)|\{\s*(?:[\"}]|$))"
"""A line that begins a JSON array of containers or a JSON object (a shell prompt such as ``[root@node ~]#`` does not)."""

ATTEMPTS = 16
"""Lines that look like the beginning of JSON and are not: after so many the text is given up, lest it cost quadratic time."""


@dataclass(slots=True)
class JsonText:
    """What was decoded from a text."""

    items: list[tuple[int, Any]] = field(default_factory=list)
    """Decoded values with their 1-based lines; the elements of a top-level array count one by one."""
    broken: list[tuple[int, str]] = field(default_factory=list)
    """Lines that are not JSON: text around the documents, or where a document breaks off."""
    complete: bool = False
    """At least one document was there, and none broke off."""


def is_json(text: str) -> bool:
    """Whether a line of ``text`` begins like a JSON document."""
    return re.search(_START, clean(text), re.MULTILINE) is not None


def read_json(text: str) -> JsonText:
    """Decode every document in ``text``; never raises.  Of a document that breaks off, the whole elements before the break are kept."""
    return _Reader(clean(text)).read()


def emit_broken(out: Emitter, read: JsonText) -> None:
    """Account for the lines of a text that are not JSON."""
    for number, line in read.broken:
        out.unparsed.add(number, line or "(truncated JSON)")


class _Reader:
    """Decodes one text from front to back; line numbers are counted on the way, so that the cost stays linear."""

    def __init__(self, text: str) -> None:
        from json import JSONDecoder

        self._text = text
        self._decode = JSONDecoder().raw_decode
        self._result = JsonText()
        self._counted_to = 0
        self._line = 1

    def read(self) -> JsonText:
        """Decode all."""
        start = re.compile(_START, re.MULTILINE)
        at = failures = 0
        while failures < ATTEMPTS and (found := start.search(self._text, at)):
            self._note_text(at, found.start())
            at, whole = self._document(found.end())
            if not whole:
                failures += 1
                newline = self._text.find("\n", at)
                end = len(self._text) if newline < 0 else newline
                self._result.broken.append((self._number(at), self._text[at : min(end, at + SAMPLE_LENGTH)].strip()))
                at = min(end + 1, len(self._text))
        self._note_text(at, len(self._text))
        self._result.complete = bool(self._result.items or at) and not failures
        return self._result

    def _document(self, at: int) -> tuple[int, bool]:
        """Decode the document at ``at``; gives where it ends or breaks, and whether it is whole."""
        if self._text[at] == "{":
            return self._value(at)
        at = self._skip(at + 1)
        while at < len(self._text) and self._text[at] != "]":
            at, whole = self._value(at)
            if not whole:
                return at, False
            at = self._skip(at)
        return min(at + 1, len(self._text)), at < len(self._text)

    def _value(self, at: int) -> tuple[int, bool]:
        """Decode one value; one that is nested deeper than Python's stack counts as broken."""
        try:
            value, end = self._decode(self._text, at)
        except (ValueError, RecursionError):
            return at, False
        self._result.items.append((self._number(at), value))
        return end, True

    def _skip(self, at: int) -> int:
        """The next place that is neither white space nor a comma."""
        while at < len(self._text) and self._text[at] in " \t\r\n,":
            at += 1
        return at

    def _number(self, at: int) -> int:
        """Line number of a place not before the last one asked for."""
        self._line += self._text.count("\n", self._counted_to, at)
        self._counted_to = max(self._counted_to, at)
        return self._line

    def _note_text(self, start: int, end: int) -> None:
        """Note the lines between documents."""
        for line in self._text[start:end].split("\n"):
            if line.strip():
                self._result.broken.append((self._number(start), line.strip()[:SAMPLE_LENGTH]))
            start += len(line) + 1


def text_of(entry: Mapping[str, Any], *keys: str) -> str:
    """The first of ``keys`` that holds text (or a number, as text), else ""."""
    for key in keys:
        value = entry.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""


def int_of(entry: Mapping[str, Any], key: str) -> int | None:
    """An integer value, also if it is written as text; ``None`` for anything else."""
    value = entry.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return None


def dict_of(entry: Any, *path: str) -> dict[str, Any]:
    """The object at ``path``, or an empty one."""
    for key in path:
        entry = entry.get(key) if isinstance(entry, dict) else None
    return entry if isinstance(entry, dict) else {}


def list_of(entry: Mapping[str, Any], key: str) -> list[Any]:
    """The array under ``key``, or an empty one."""
    value = entry.get(key)
    return value if isinstance(value, list) else []


def dicts_of(entry: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects in the array under ``key``."""
    return [value for value in list_of(entry, key) if isinstance(value, dict)]


def texts_of(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The strings in the array under ``key``."""
    return tuple(value for value in list_of(entry, key) if isinstance(value, str))
