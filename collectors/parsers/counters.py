"""Counters of the kernel: ``/proc/net/{snmp,netstat,softnet_stat,stat/*}``, ``nstat``, ``netstat -s``, ``ss -s``, ``conntrack -S``.

Only the counters in :data:`WANTED` become facts; a node has hundreds in each namespace, and they say what was lost since the start, not when.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines, is_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.place import Place
    from engine.facts import Fact, Source

WANTED: Final = frozenset({
    "TcpActiveOpens", "TcpPassiveOpens", "TcpRetransSegs", "TcpOutSegs", "TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtTCPReqQFullDrop",
    "IpExtInNoRoutes", "TcpExtIPReversePathFilter", "softnet.processed", "softnet.dropped", "conntrack.insert_failed", "conntrack.drop",
    "UdpInCsumErrors", "TcpInCsumErrors",
    "UdpInDatagrams", "TcpInSegs", "conntrack.early_drop",
    "arp_cache.entries", "arp_cache.table_fulls", "ndisc_cache.entries", "ndisc_cache.table_fulls", "ss.estab", "ss.timewait",
})
"""Names as ``nstat`` prints them; those of other files have the file's name in front."""

SENTENCES: Final = {
    "times the listen queue of a socket overflowed": "TcpExtListenOverflows", "SYNs to LISTEN sockets dropped": "TcpExtListenDrops",
    "active connection openings": "TcpActiveOpens", "passive connection openings": "TcpPassiveOpens", "active connections openings": "TcpActiveOpens",
    "passive connections openings": "TcpPassiveOpens", "segments retransmitted": "TcpRetransSegs", "segments retransmited": "TcpRetransSegs",
    "segments sent out": "TcpOutSegs", "segments send out": "TcpOutSegs",
}
"""How ``netstat -s`` puts it (``statistics.c`` of net-tools)."""

_NSTAT = re.compile(r"([A-Z]\w+)\s+(\d{1,20})\s+\d+\.\d+\Z", re.ASCII)
_SENTENCE = re.compile(r"(\d{1,20}) (\S.*)\Z", re.ASCII)
_NAMED = re.compile(r"(\w+): (\d{1,20})\Z", re.ASCII)
_HEX_ROW = re.compile(r"(?:[0-9a-f]{8,16}\s*)+\Z", re.ASCII)
_PER_CPU = re.compile(r"cpu=\d+\s+\w+=\d+", re.ASCII)
_SUMMARY = re.compile(r"TCP:\s+\d+ \(estab (\d{1,20}),.*?\btimewait (\d{1,20})", re.ASCII)
_SOCKSTAT = re.compile(r"TCP: inuse (\d{1,20}) orphan \d+ tw (\d{1,20}) ", re.ASCII)
_SUMMARY_TABLE = re.compile(
    r"Total: \d+|sockets: used \d+|(?:UDP|UDPLITE|RAW|FRAG): inuse \d+"
    r"|Transport\s+Total|(?:\*|RAW|UDP|TCP|INET|FRAG)\s+\d+\s+\d+\s+\d+\Z", re.ASCII
)


_LISTED: Final = r"\b(?P<program>ss|netstat)\b[^|]*"
_COUNTED: Final = re.compile(
    rf"{_LISTED}(?:(?P<header>\bstate\s+time-wait\b[^|]*)|\|\s*grep\s+(?:-\w+\s+)*['\"]?(?P<word>TIME[-_.]WAIT)['\"]?\s*)"
    r"(?:\|\s*wc\s+-l\s*)$", re.IGNORECASE | re.ASCII,
)
"""``ss -tan | grep TIME-WAIT | wc -l``, ``ss -tan state time-wait | wc -l``, ``netstat -ant | grep TIME_WAIT | wc -l``."""


def _waiting(command: str, lines: list[str]) -> int | None:
    """Connections in TIME-WAIT that a pipe counted; ``None`` if it did not, or looked for a word that the program does not print."""
    found = _COUNTED.search(command)
    if found is None or len(lines) != 1 or not lines[0].strip().isdecimal():
        return None
    if found["word"] and found["word"][4] not in {".", "-" if found["program"] == "ss" else "_"}:
        return None
    return max(int(lines[0]) - bool(found["header"] and " -H" not in command), 0)


def parse(source: Source, place: Place) -> list[Fact]:
    """``counter`` facts; a counter that several processors keep is their sum."""
    emit = Emitter(source, place)
    lines = [(number, line.rstrip()) for number, line in clean_lines(source.text) if line.strip()]
    if lines and is_refusal(lines[0][1]):
        emit.add("not_collected", {"what": "counters", "command": source.command or source.name, "reason": lines[0][1].strip()}, lines[0][0])
        return emit.done()
    if (waiting := _waiting(source.command, [line for _, line in lines])) is not None:
        emit.add("counter", {"name": "ss.timewait", "value": waiting}, lines[0][0], f"ss.timewait = {waiting}")
        return emit.done()
    totals: dict[str, tuple[int, int]] = {}
    for number, name, value in _read(emit, lines):
        line, before = totals.get(name, (number, 0))
        totals[name] = line, before + value
    for name, (number, value) in totals.items():
        if name in WANTED:
            emit.add("counter", {"name": name, "value": value}, number, f"{name} = {value}")
    return emit.done()


def _read(emit: Emitter, lines: list[tuple[int, str]]) -> Iterator[tuple[int, str, int]]:
    """(line, name, value) of every counter."""
    if not lines:
        return
    first = lines[0][1]
    if first.startswith("entries "):
        yield from _columns(emit, lines)
    elif _PER_CPU.match(first):
        # conntrack -S
        for number, line in lines:
            if not _PER_CPU.match(line):
                emit.unparsed.add(number, line)
                continue
            yield from ((number, f"conntrack.{name}", int(value)) for name, value in re.findall(r"(\w+)=(\d{1,20})", line) if name != "cpu")
    elif _HEX_ROW.match(first):
        for number, line in lines:
            words = line.split()
            if not _HEX_ROW.match(line) or len(words) < 2:
                emit.unparsed.add(number, line)
                continue
            yield number, "softnet.processed", int(words[0], 16)
            yield number, "softnet.dropped", int(words[1], 16)
    else:
        yield from _text(emit, lines)


def _columns(emit: Emitter, lines: list[tuple[int, str]]) -> Iterator[tuple[int, str, int]]:
    """``/proc/net/stat/FILE``: a heading, then one row in hexadecimal a processor; every row has the table's own size."""
    names = lines[0][1].split()
    file = "conntrack" if "insert_failed" in names else "ndisc_cache" if "ndisc" in f"{emit.source.name} {emit.source.command}" else "arp_cache"
    for place, (number, line) in enumerate(lines[1:]):
        if not _HEX_ROW.match(line.replace("  ", " ").strip()):
            emit.unparsed.add(number, line)
            continue
        for name, word in zip(names, line.split(), strict=False):
            if name != "entries" or not place:
                yield number, f"{file}.{name}", int(word, 16)


def _text(emit: Emitter, lines: list[tuple[int, str]]) -> Iterator[tuple[int, str, int]]:
    """``nstat``, ``netstat -s``, ``ss -s``, and the pairs of lines of ``/proc/net/{snmp,netstat}``."""
    section = ""
    heading: tuple[str, list[str]] = "", []
    for number, raw in lines:
        line = raw.strip()
        if found := _NSTAT.match(line):
            yield number, found[1], int(found[2])
        elif found := re.match(r"([A-Z]\w*): ([A-Z]\w*(?: \w+)*)\Z", line, re.ASCII):
            heading = found[1], found[2].split()
        elif heading[0] and line.startswith(f"{heading[0]}: "):
            values = line.split()[1:]
            yield from ((number, heading[0] + name, int(word)) for name, word in zip(heading[1], values, strict=False) if word.isdecimal())
            heading = "", []
        elif found := _SOCKSTAT.match(line) or _SUMMARY.match(line):
            # "inuse" of sockstat holds the listeners as well, which are few where this matters.
            yield number, "ss.estab", int(found[1])
            yield number, "ss.timewait", int(found[2])
        elif found := re.fullmatch(r"(\w+):", line, re.ASCII):
            section = found[1] if raw[:1] != " " else section
        elif found := _NAMED.match(line):
            yield number, section + found[1], int(found[2])
        elif found := _SENTENCE.match(line):
            yield number, SENTENCES.get(found[2], ""), int(found[1])
        elif not (raw[:1] == " " or line.startswith("#") or line.endswith(":") or _SUMMARY_TABLE.match(line)):
            emit.unparsed.add(number, line)
