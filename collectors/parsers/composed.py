"""Containers as other commands than ``docker ps`` list them: ``docker compose ps`` of either version, ``docker port``, ``docker ps --format``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from collectors.parsers.text import clean_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.parsers.emit import Emitter

_HEADING = re.compile(r"\s*Name\s+Command\s+State\s+Ports\s*\Z")
_RULE = re.compile(r"-{20,}\s*\Z")
_STATES = {"Up": "running", "Exit": "exited", "Restarting": "restarting", "Paused": "paused", "Created": "created"}
_STATE = re.compile(r"\s(Up|Exit|Restarting|Paused|Created)(?: -?\d+| \([^)]*\))*(?=\s|\Z)")
_PORT = re.compile(r"(?P<inner>\d{1,5})/(?P<protocol>tcp|udp|sctp) -> (?P<address>\S+):(?P<outer>\d{1,5})\Z")
_PUBLISHED = re.compile(
    r"(?P<address>\[?[0-9A-Fa-f.:]*\]?):(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?->(?P<inner>\d{1,5})(?:-\d{1,5})?/(?P<protocol>\w+)"
)
_EXPOSED = re.compile(r"(?<![\d:>-])(\d{1,5}/(?:tcp|udp|sctp))\b")
_RANGE = re.compile(r":(\d{1,5})-(\d{1,5})->")
MOST: Final = 1 << 18
"""Ports that the ranges of one listing may hold: a few characters of it stand for thousands."""
_FIELD = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")


def parse(out: Emitter, command: str, runtime: str) -> bool:
    """Emit ``container`` facts; whether the output was one of these, or one that nobody should read."""
    if _is_too_much(out.source.text):
        out.unparsed.add(1, out.source.line(1))
        return True
    lines = [(number, line.rstrip()) for number, line in clean_lines(out.source.text) if line.strip()]
    if lines and _HEADING.match(lines[0][1]):
        _table(out, lines, runtime)
        return True
    if lines and (called := re.search(r"\bport\s+([\w.-]+)", command)) and all(_PORT.match(line.strip()) for _, line in lines):
        told = [_PORT.match(line.strip()) for _, line in lines]
        ports = tuple(port(m["address"], int(m["outer"]), int(m["inner"]), m["protocol"]) for m in told if m is not None)
        out.add("container", {"id": "", "name": called[1], "runtime": runtime, "state": "running", "ports": ports}, lines[0][0])
        return True
    fields = _FIELD.findall(command) if re.search(r"\bps\b.*--format\b", command) and "table" not in command else []
    if "Names" in fields and "Ports" in fields and fields.index("Names") <= 1 and fields[0] in {"Names", "ID"}:
        for number, line in lines:
            _formatted(out, number, line, fields, runtime)
        return True
    return False


def _is_too_much(text: str) -> bool:
    """Whether the ranges of a listing hold more ports than machines publish."""
    return sum(max(int(last) - int(first), 0) for first, last in _RANGE.findall(text)) > MOST


def port(address: str, outer: int, inner: int, protocol: str) -> dict[str, Any]:
    """A published port."""
    return {"host_ip": address.strip("[]") or "0.0.0.0", "host_port": outer, "container_port": inner, "protocol": protocol}  # noqa: S104


def published(text: str) -> Iterator[dict[str, Any]]:
    """Published ports in any text, ranges one by one."""
    for found in _PUBLISHED.finditer(text):
        first, inner = int(found["first"]), int(found["inner"])
        for offset in range(min(int(found["last"] or first) - first, 65535) + 1):
            yield port(found["address"], first + offset, inner + offset, found["protocol"])


def _ports(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"ports": tuple(published(text))}
    exposed = tuple(_EXPOSED.findall(_PUBLISHED.sub("", text)))
    return {**fields, "exposed": exposed} if exposed else fields


def _table(out: Emitter, lines: list[tuple[int, str]], runtime: str) -> None:
    """``docker-compose ps``: its headings are centred, so that no column begins below them; what does not fit goes on in the next line."""
    rows: list[tuple[int, str]] = []
    for number, line in lines[1:]:
        if line[0].isspace() and rows:
            rows[-1] = rows[-1][0], f"{rows[-1][1]} {line.strip()}"
        elif not _RULE.match(line):
            rows.append((number, line))
    for number, line in rows:
        state = _STATE.search(line)
        if state is None:
            out.unparsed.add(number, line)
            continue
        fields = {"id": "", "name": line.split(maxsplit=1)[0], "runtime": runtime, "state": _STATES[state[1]]}
        out.add("container", {**fields, **_ports(line[state.end() :])}, number)


def _formatted(out: Emitter, number: int, line: str, fields: list[str], runtime: str) -> None:
    """A line of a template that begins with the name, or with the identity and the name."""
    words = re.findall(r"[\w./-]+", line)
    at = fields.index("Names")
    if len(words) <= at or not re.fullmatch(r"[\w.-]+", words[at]):
        out.unparsed.add(number, line)
        return
    identity = words[0] if at and re.fullmatch(r"[0-9a-f]{12,64}", words[0]) else ""
    rest = line[line.index(words[at]) + len(words[at]) :]
    out.add("container", {"id": identity, "name": words[at], "runtime": runtime, "state": "running", **_ports(rest)}, number)
