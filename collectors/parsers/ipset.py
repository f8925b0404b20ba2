"""``ipset list`` (also terse, names only, or of one set) and ``ipset save``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines, is_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.place import Place
    from engine.facts import Fact, Source

_FAMILIES = {"inet": 4, "inet6": 6}


class _Set:
    """A set while its listing is read."""

    __slots__ = ("count", "fields", "lines", "members", "timeouts")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.members: list[str] = []
        self.lines: list[int] = []
        self.count = -1
        """``Number of entries``; -1 = not printed (before ipset 6.29)."""
        self.timeouts = False
        """Entries expire, so that the count may exceed what is listed."""

    def member(self, text: str, line: int) -> None:
        """One entry, as printed."""
        self.members.append(text)
        self.lines.append(line)

    def close(self) -> None:
        """The listing of the members was seen."""
        self.fields["members"] = tuple(self.members)
        self.fields["member_lines"] = tuple(self.lines)


def parse(source: Source, place: Place) -> list[Fact]:
    """``ipset`` facts; ``members`` is absent where the listing did not show them (``ipset list -t``) or was cut off."""
    emit = Emitter(source, place)
    words = _arguments(source.command)
    refused = False
    kept: list[tuple[int, str]] = []
    for number, row in clean_lines(source.text):
        line = row.strip()
        if not line:
            continue
        # Members begin with a digit, and there may be a hundred thousand of them.
        if not line[0].isdigit() and is_refusal(line):
            refused = True
            emit.add("not_collected", {"what": "ipsets", "command": source.command or "ipset list", "reason": line}, number)
        elif not line.startswith("ipset v"):
            kept.append((number, line))
    if any(line.startswith(("create ", "add ")) for _, line in kept):
        _read_save(emit, iter(kept))
        whole = True
    elif words is not None and {"-n", "-name", "--name"} & set(words):
        for number, line in kept:
            emit.add("ipset", {"name": line}, number)
        whole = True
    else:
        whole = _read_list(emit, kept)
    one = words is not None and any(not word.startswith("-") for word in words)
    sets = sum(fact.kind == "ipset" for fact in emit.facts)
    if whole and not one and not refused and not emit.unparsed.count and (words is not None or sets > 1):
        emit.collected("ipsets")
    return emit.done()


def _arguments(command: str) -> list[str] | None:
    """Words after ``ipset list`` or ``ipset save``; ``None`` if the command is not known; a pipe counts as an argument (it leaves lines out)."""
    found = re.search(r"(?:^|[\s/])ipset\b[ _-]+(?:list|save|-L|-S|--list|--save)\b(.*)", command)
    if found is None:
        return [] if re.search(r"(?:^|[\s/])ipset\s*\Z", command) else None
    return re.sub(r"\d?>\s*\S+", "", found[1]).split()


def _family(kind: str, header: str) -> int:
    """Family of a set by the words of its header; bitmaps of addresses are IPv4; 0 where sets have none (ports, lists)."""
    found = re.search(r"\bfamily (inet6?)\b", header)
    if found:
        return _FAMILIES[found[1]]
    return 4 if kind.startswith("bitmap:ip") else 0


def _read_list(emit: Emitter, lines: list[tuple[int, str]]) -> bool:
    """Read ``ipset list``; returns whether the last set is whole."""
    current: _Set | None = None
    inside = False
    for number, line in lines:
        key, _, value = line.partition(": ")
        if key == "Name":
            if current and inside:
                current.close()
            current, inside = _Set(emit.add("ipset", {"name": value.strip()}, number)), False
        elif current is None:
            emit.unparsed.add(number, line)
        elif inside:
            current.member(line, number)
        elif line == "Members:":
            inside = True
        elif not _property(current, key.strip(), value.strip()):
            emit.unparsed.add(number, line)
    if current is None:
        return not lines
    torn = inside and not current.timeouts and len(current.members) < current.count
    if inside and not torn:
        current.close()
    return not torn


def _property(current: _Set, key: str, value: str) -> bool:
    """One line between the name and the members; whether it is known."""
    if key == "Type":
        current.fields["type"] = value
    elif key == "Header":
        current.timeouts = re.search(r"\btimeout\b", value) is not None
        family = _family(current.fields.get("type", ""), value)
        if family:
            current.fields["family"] = family
    elif key == "Number of entries" and re.fullmatch(r"[0-9]{1,9}", value):
        current.count = int(value)
    else:
        return key in {"Revision", "Size in memory", "References", "Number of entries", "Default binding", "Bindings"}
    return True


def _read_save(emit: Emitter, lines: Iterator[tuple[int, str]]) -> None:
    """Read ``ipset save``: ``create NAME TYPE options``, ``add NAME ENTRY options``."""
    sets: dict[str, _Set] = {}
    for number, line in lines:
        verb, _, rest = line.partition(" ")
        name, _, text = rest.strip().partition(" ")
        if verb == "create" and text:
            kind, _, header = text.partition(" ")
            family = _family(kind, header)
            fields = {"name": name, "type": kind} | ({"family": family} if family else {})
            sets[name] = _Set(emit.add("ipset", fields, number))
        elif verb == "add" and text and name in sets:
            sets[name].member(text.strip(), number)
        else:
            emit.unparsed.add(number, line)
    for found in sets.values():
        found.close()
