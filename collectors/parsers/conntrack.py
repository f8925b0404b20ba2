"""``conntrack -L`` (plain and ``-o extended``) and ``/proc/net/nf_conntrack``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines, is_refusal
from engine.inet import to_int, to_text

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

_ENTRY = re.compile(
    r"(?:(ipv4|ipv6)\s+[0-9]+\s+)?([a-z][\w-]*|unknown)\s+([0-9]{1,3})\s+(?:([0-9]{1,10})\s+)?(?:([A-Z][A-Z_0-9]*)\s+)?(.*)\Z", re.ASCII)
"""Family and its number (extended), protocol and its number, seconds left (absent for offloaded flows), state, the rest."""
_PAIR = re.compile(r"(\w[\w-]*)=(\S+)|(\[[A-Z_]+\])", re.ASCII)
_SUMMARY = re.compile(r"conntrack v[\d.]+ \(conntrack-tools\): [0-9]+ flow entries have been shown\.")

_PORTS = ("sport", "dport")


def parse(source: Source, place: Place) -> list[Fact]:
    """``conntrack`` facts, and ``collected`` for the part of the table that the command covers."""
    emit = Emitter(source, place)
    refused = False
    for number, raw in clean_lines(source.text):
        line = raw.strip()
        if not line or _SUMMARY.match(line):
            continue
        fields = _entry(line)
        if fields is not None:
            emit.add("conntrack", fields, number)
        elif is_refusal(line):
            refused = True
            emit.add("not_collected", {"what": "conntrack", "command": source.command or "conntrack -L", "reason": line}, number)
        else:
            emit.unparsed.add(number, line)
    if not refused and emit.whole:
        _scope(source, emit)
    return emit.done()


def _scope(source: Source, emit: Emitter) -> None:
    """State what was covered; ``conntrack -L`` before 1.4.6 shows IPv4 alone unless told otherwise, so IPv6 counts only if it is seen."""
    origin = source.command or source.name
    if "nf_conntrack" in origin:
        emit.collected("conntrack")
        return
    listing = re.search(r"(?:^|[\s/])conntrack[ _]+(?:-L|--dump)\b(.*)", origin)
    if not listing and (source.text.strip() == "" or source.command):
        return
    arguments = re.sub(r"\s-o\s*\S+|\d?>\s*\S+", "", listing[1] if listing else "")
    protocol = re.fullmatch(r"\s*(?:-p|--proto)\s*(\w+)\s*", arguments)
    family = re.fullmatch(r"\s*(?:-f|--family)\s*(ipv4|ipv6)\s*", arguments)
    sixth = any(fact.kind == "conntrack" and fact.fields["family"] == 6 for fact in emit.facts)
    if family:
        emit.collected("conntrack", family[1][-1], int(family[1][-1]))
    elif protocol:
        emit.collected("conntrack", protocol[1])
    elif not arguments.strip():
        emit.collected("conntrack", "all" if sixth else "4", 0 if sixth else 4)


def _entry(line: str) -> dict[str, Any] | None:
    """Fields of one entry; ``None`` if the line is not one."""
    found = _ENTRY.match(line)
    if not found:
        return None
    try:
        fields = _tuples(found[6])
    except ValueError:
        return None
    if not fields:
        return None
    fields["protocol"] = found[2]
    fields["family"] = 6 if ":" in fields["src"] else 4
    if found[4]:
        fields["timeout"] = int(found[4])
    if found[5]:
        fields["state"] = found[5]
    return fields


def _tuples(text: str) -> dict[str, Any]:
    """The two tuples, flags and marks; {} if there are not two tuples; raises ``ValueError`` on values that cannot be."""
    fields: dict[str, Any] = {}
    prefix = ""
    for name, value, flag in _PAIR.findall(text):
        if flag:
            fields |= {"[UNREPLIED]": {"unreplied": True}, "[ASSURED]": {"assured": True}}.get(flag, {})
        elif name in {"src", "dst"}:
            if name == "src" and "src" in fields:
                prefix = "reply_"
            fields[prefix + name] = _address(value)
        elif name in _PORTS:
            fields[prefix + name] = _number(value)
        elif name in {"mark", "zone"}:
            fields[name] = _number(value)
    if not {"src", "dst", "reply_src", "reply_dst"} <= fields.keys():
        return {}
    return {"unreplied": False, "assured": False, **fields}


def _address(text: str) -> str:
    """Canonical text of an address (``/proc`` writes all digits of IPv6)."""
    return to_text(to_int(text), 6 if ":" in text else 4)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text):
        message = f"not a number: {text!r}"
        raise ValueError(message)
    return int(text)
