"""The machine: ``uname -a``, ``hostname``, ``hostnamectl``, os-release."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.text import clean_lines

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

_RELEASE = r"\d+\.\d+[\w.+~-]*"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}"
_CTL = {"Static hostname": "hostname", "Operating System": "os", "Kernel": "kernel"}


def parse(source: Source, place: Place) -> list[Fact]:
    """A ``host`` fact with what the output tells of the machine."""
    out = Emitter(source, place)
    fields: dict[str, Any] = {}
    first = 0
    call = invocation(source.command, "uname")
    for number, text in clean_lines(source.text):
        line = text.strip()
        if not line:
            continue
        found = _line(line, kernel_only=call is not None and "r" in call.letters)
        if found is None:
            out.unparsed.add(number, line)
        elif found:
            first = first or number
            fields.update(found)
    if fields:
        out.add("host", fields, first)
    return out.done()


def _line(line: str, kernel_only: bool) -> dict[str, Any] | None:
    """Fields of one line; empty if it is known and tells nothing, ``None`` if it is not understood."""
    uname = re.match(rf"Linux ({_NAME}) ({_RELEASE})\b", line)
    if uname:
        return {"hostname": uname[1], "kernel": uname[2]}
    if kernel_only and re.fullmatch(_RELEASE, line):
        return {"kernel": line}
    key, separator, value = line.partition("=")
    if separator and re.fullmatch(r"[A-Z][A-Z0-9_]*", key):
        return {"os": value.strip("\"'")} if key == "PRETTY_NAME" else {}
    key, separator, value = line.partition(":")
    if separator and value:
        value = value.strip()
        return {_CTL[key]: value.removeprefix("Linux ")} if key in _CTL else {}
    return {"hostname": line} if re.fullmatch(_NAME, line) else None
