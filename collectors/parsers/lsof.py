"""``lsof -i``: who listens.  It shows what its options ask for, and others' sockets to root alone, so that nothing follows from what it lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

_HEAD = re.compile(r"COMMAND\s+PID\s+(?:TID\s+)?(?:TASKCMD\s+)?USER\s+FD\s+TYPE\s+DEVICE\s")
_ROW = re.compile(
    r"(?P<process>\S+)\s+(?P<pid>\d+)\s.*?\s\d+\w*\s+IPv(?P<family>[46])\s+\S+\s+\S+\s+(?P<protocol>TCP|UDP)\s+"
    r"(?P<address>\*|\[[0-9a-f:.%\w]+\]|[\w.-]+):(?P<port>\d+|[\w-]+)(?:\s+\((?P<state>\w+)\))?\s*$"
)
_ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104  how a socket for every address is told; nothing listens here
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}
_PORTS = {"http": 80, "https": 443, "ssh": 22, "domain": 53, "mysql": 3306, "postgresql": 5432, "http-alt": 8080, "redis": 6379}
"""Names that lsof prints for ports without -P."""


def parse(source: Source, place: Place) -> list[Fact]:
    """``socket`` facts of listeners; connections are no concern."""
    out = Emitter(source, place)
    for number, line in clean_lines(source.text):
        row = _ROW.match(line.strip())
        if row is None:
            if line.strip() and not _HEAD.match(line.strip()) and "->" not in line:
                out.unparsed.add(number, line)
        elif row["protocol"] == "UDP" or row["state"] == "LISTEN":
            fields = _socket(row)
            if fields:
                out.add("socket", fields, number)
    return out.done()


def _socket(row: re.Match[str]) -> dict[str, Any]:
    """Fields of one listener; empty for an address or port that was printed by an unknown name."""
    family = int(row["family"])
    address = {"*": _ANY[family], "localhost": _LOOPBACK[family]}.get(row["address"], row["address"].strip("[]"))
    port = int(row["port"]) if row["port"].isdecimal() else _PORTS.get(row["port"], 0)
    if not port or not is_address(address):
        return {}
    protocol = row["protocol"].lower()
    who = {"process": row["process"], "pid": int(row["pid"])}
    return {"protocol": protocol, "state": "LISTEN" if protocol == "tcp" else "UNCONN", "address": address, "port": port, "family": family, **who}
