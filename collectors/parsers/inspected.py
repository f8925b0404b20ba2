"""What people cut out of ``docker inspect``: the lines that a template makes (``-f '{{.Name}} {{.IPAddress}}'``), or those that grep leaves.

Of ``-f '{{.State.Pid}}'`` the number is kept: it tells which container's namespace ``nsenter -t`` enters.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collectors.parsers.emit import Emitter

_OPTIONS = ("-f", "--format", "--type")
_SHELL = re.compile(r"\$\(|`")
_KEY = re.compile(r'^\s*"(IPAddress|MacAddress|Gateway|IPPrefixLen)": "?([^",]*)"?,?\s*$')
_FIELDS = {"IPAddress": "address", "MacAddress": "mac", "Gateway": "gateway", "IPPrefixLen": "prefixlen"}
_PID = re.compile(r"\{\{\s*\.State\.Pid\s*\}\}")
_WORD = re.compile(r"[^\s,;|=>'\"\[\]{}()]+")


class Asked(NamedTuple):
    """An ``inspect`` whose output is no whole document."""

    runtime: str
    network: bool
    """Networks were inspected, not containers."""
    template: str
    """"" where grep cut lines out."""
    names: tuple[str, ...]
    """Whose; () if the shell filled them in."""


def asked(command: str) -> Asked | None:
    """What a command line asks ``inspect`` for; ``None`` for any other, and for one that prints everything."""
    piped = "|" in re.sub(r"'[^']*'|\"[^\"]*\"", "", command)
    try:
        words = shlex.split(command.partition(" | ")[0] if piped else command)
    except ValueError:
        return None
    runtime = next((word for word in words if word in {"docker", "podman", "nerdctl"}), "")
    if not runtime or "inspect" not in words:
        return None
    at = words.index("inspect")
    template, names = "", []
    rest = iter(words[at + 1 :])
    for word in rest:
        option, _, value = word.partition("=")
        if option in _OPTIONS:
            value = value or next(rest, "")
            template = value if option != "--type" else template
        elif not word.startswith("-"):
            names.append(word)
    if not template and not re.search(r"\|\s*(?:e?grep|jq)\b", command):
        return None
    return Asked(runtime, "network" in words[:at], template, () if _SHELL.search(command) else tuple(names))


def read(out: Emitter, call: Asked) -> None:
    """Emit ``container`` facts with the addresses that the lines tell."""
    lines = [(number, line) for number, line in clean_lines(out.source.text) if line.strip()]
    if not call.template:
        _grepped(out, call, lines)
        return
    if _PID.fullmatch(call.template.strip()):
        _processes(out, call, lines)
        return
    made = [(number, line, _told(line, call)) for number, line in lines]
    unnamed = [row for row in made if row[2] is not None and not row[2][0]]
    # Containers print one line each, in the order in which they were named.
    by_place = dict(zip((number for number, _, _ in made), call.names, strict=False)) if unnamed and len(call.names) == len(made) else {}
    for number, line, told in made:
        name = told[0] or by_place.get(number, "") if told is not None else ""
        if told is not None and name and not (call.network and not told[0]):
            _emit(out, number, call, name, told[1])
        elif told is None or told[1]:
            out.unparsed.add(number, line)


def _processes(out: Emitter, call: Asked, lines: list[tuple[int, str]]) -> None:
    """First processes of the containers that were named, in that order; 0 = it does not run."""
    for (number, line), name in zip(lines, call.names if len(call.names) == len(lines) else (), strict=False):
        pid = line.strip()
        if pid.isdecimal() and int(pid):
            out.add("container", {"id": "", "name": name, "runtime": call.runtime, "state": "running", "pid": int(pid)}, number)


def _told(line: str, call: Asked) -> tuple[str, list[dict[str, Any]]] | None:
    """Name ("" if the template prints none) and endpoints of one line; ``None`` for a line without an address."""
    endpoints: list[dict[str, Any]] = []
    names: list[str] = []
    before = ""
    for word in _WORD.findall(line):
        address, _, length = word.rstrip(":").partition("/")
        if is_address(address) and "." in address:
            ended = {"network": call.names[0] if call.network and len(call.names) == 1 else before, "address": address}
            endpoints.append({**ended, "prefixlen": int(length)} if length.isdecimal() else ended)
        elif re.search(r"\w", word):
            plain = word.strip(":-/")
            printed = ".Name" in call.template and not names
            names += [plain] if printed else []
            before = "" if printed else plain
    return (names[0] if names else "", endpoints) if endpoints else None


def _grepped(out: Emitter, call: Asked, lines: list[tuple[int, str]]) -> None:
    """Lines of the document itself, of one container: each key is told several times, and the last value is a network's."""
    found: dict[str, Any] = {}
    first = 0
    for number, line in lines:
        match = _KEY.match(line)
        if match is None and "SecondaryIP" not in line:
            out.unparsed.add(number, line)
        elif match is not None and match[2]:
            first = first or number
            found[_FIELDS[match[1]]] = int(match[2]) if match[1] == "IPPrefixLen" and match[2].isdecimal() else match[2]
    if len(call.names) == 1 and not call.network and is_address(str(found.get("address", ""))):
        _emit(out, first, call, call.names[0], [{"network": "", **found}])


def _emit(out: Emitter, number: int, call: Asked, name: str, endpoints: list[dict[str, Any]]) -> None:
    fields = {"id": "", "name": name.removeprefix("/"), "runtime": call.runtime, "state": "running", "endpoints": tuple(endpoints)}
    out.add("container", fields, number)
