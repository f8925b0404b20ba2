"""What tcpdump printed of packets: which ones passed, wrong checksums, ICMP errors, and ARP requests that nobody answered.

All its forms are read (``-n`` or not, ``-v``, ``-e``, ``-i any``, ``-t…``).  Equal packets are one fact with their number.
A sender's own capture shows checksums that its card has yet to write, so that a fact tells on which side it was seen, if anything does.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from collectors.parsers.arping import rivals
from collectors.parsers.emit import Emitter
from collectors.parsers.sightings import Seen as _Seen
from collectors.parsers.sightings import Sightings
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

MOST: Final = 200
"""Facts that one capture may give."""
LONGEST: Final = 600
"""Characters of a line that are looked at."""
_PACKET = re.compile(r"^(?:\d{4}-\d\d-\d\d |[ ])?(?:\d\d:\d\d:\d\d|\d{9,10})\.\d{6,9} ")
"""A line that begins a packet: its time."""
_ENDS = re.compile(r"(?P<src>[\w.:%-]+) > (?P<dst>[\w.:%-]+): (?P<said>.*)")
_DIRECTION = re.compile(r"^\S+ (?:\S+ )?(?P<device>[\w.@-]{1,20}) +(?P<way>In|Out) ")
_ARP = re.compile(r"(?P<what>Request who-has|Reply) (?P<address>\S+?)(?: \([^)]*\))? (?:tell|is-at) (?P<by>[\w.:-]+)")
_BAD_UDP = re.compile(r"\[bad udp cksum 0x[0-9a-f]+ -> 0x[0-9a-f]+!\]")
_BAD_TCP = re.compile(r"Flags \[[A-Z.]+\], cksum 0x[0-9a-f]+ \(incorrect -> 0x[0-9a-f]+\)")
_ICMP = re.compile(
    r"ICMP (?:(?P<what>host|net) )?(?P<about>[\w.:-]+) (?:(?P<protocol>tcp|udp) port (?P<port>[\w-]+) |protocol (?P<number>\d+) )?unreachable"
    r"(?: - (?P<why>[a-z ]*[a-z]))?(?: \(mtu (?P<mtu>\d+)\))?"
)
_PORTS: Final = {"otv": 8472, "vxlan": 4789, "domain": 53, "http": 80, "https": 443, "http-alt": 8080, "bgp": 179, "ssh": 22, "mysql": 3306}
"""Names that tcpdump prints for the ports that matter here."""


class _End(NamedTuple):
    """Host and port of one end, as printed."""

    host: str
    port: int


def parse(source: Source, place: Place) -> list[Fact]:
    """``captured`` facts; a capture that shows no fault gives a ``collected`` one alone."""
    reader = _Reader(Emitter(source, place))
    for number, line in clean_lines(source.text):
        reader.line(line[:LONGEST], number)
    return reader.done()


class _Reader:
    """Reads a capture packet by packet."""

    def __init__(self, out: Emitter) -> None:
        self.out = out
        self.here = out.place.node.partition(".")[0].lower()
        """Short name of the machine, "" if unknown."""
        self.incoming = re.search(r"(?:^|\s)-[QP] ?in\b", out.source.command) is not None
        self.at = 0
        self.way = ""
        self.packet: list[_Seen] = []
        self.found: dict[tuple[tuple[str, Any], ...], list[int]] = {}
        """Fields of a fact → line and number of its packets."""
        self.spoiled: dict[tuple[tuple[str, Any], ...], set[tuple[str, str]]] = {}
        """Fields of a wrong checksum → ends of what was inside."""
        self.flows: set[tuple[str, str]] = set()
        """Ends of every packet, and of what was inside it."""
        self.device = ""
        self.seen: dict[tuple[str, str], dict[str, int]] = {}
        """(In, source) or (Out, destination) → devices, each with the first line: of captures on all devices."""
        self.asked: dict[tuple[str, str], list[int]] = {}
        self.answered: set[str] = set()
        self.replies: list[tuple[int, str, str]] = []
        """Line, address and MAC of every answer to ARP."""
        self.sightings = Sightings(out.source.command)

    def line(self, line: str, number: int) -> None:
        """One line: of a packet, or what else stands in the file."""
        begins = _PACKET.match(line) is not None
        if begins:
            self.end()
            self.at = number
            self.sightings.begins(line)
            way = _DIRECTION.match(line)
            self.way = way["way"] if way else ""
            self.device = way["device"] if way else ""
            line = line.partition("ethertype ")[2].partition(": ")[2] if " ethertype " in line and " > " in line.partition(" ethertype ")[0] else line
            if arp := _ARP.search(line):
                self.arp(arp, number)
                return
        else:
            self.sightings.head(line)
        # What an ICMP error quotes is indented by a tab; the packet inside a tunnel's begins a line.
        if self.at and not line.startswith("\t") and (begins or line.startswith(("    ", "IP"))) and (ends := _ENDS.search(line)):
            self.packet.append(_Seen(ends["src"], ends["dst"], ends["said"]))

    def arp(self, match: re.Match[str], number: int) -> None:
        """A request, or an answer."""
        if match["what"] == "Reply":
            self.answered.add(match["address"])
            self.replies.append((number, match["address"], match["by"].lower()))
        else:
            self.asked.setdefault((match["address"], match["by"]), [number, 0])[1] += 1

    def end(self) -> None:
        """The packet is whole."""
        if self.packet:
            outer, inner = self.packet[0], self.packet[1:2]
            self.sightings.packet(self.packet, self.at)
            self.flows |= {(seen.src, seen.dst) for seen in self.packet[:2]}
            if self.way:
                end = _end(outer.src if self.way == "In" else outer.dst).host
                self.seen.setdefault((self.way, end), {}).setdefault(self.device, self.at)
            if _BAD_UDP.search(outer.said):
                self.checksum(outer, inner)
            elif match := _ICMP.search(outer.said):
                self.error(match, outer)
            elif inner and _BAD_TCP.match(inner[0].said):
                ends = {"inner_src": _end(inner[0].src).host, "inner_dst": _end(inner[0].dst).host}
                self.checksum(outer, inner, {"name": "bad-inner-checksum", **ends})
        self.packet, self.at = [], 0

    def checksum(self, outer: _Seen, inner: list[_Seen], within: dict[str, str] | None = None) -> None:
        """A UDP packet whose checksum is wrong, or that of the TCP segment ``within`` it."""
        src, dst = _end(outer.src), _end(outer.dst)
        fields = {"name": "bad-checksum", "src": src.host, "dst": dst.host, "dport": dst.port, "protocol": "udp", "side": self.side(src, dst)}
        fields |= within or {}
        key = self.note(fields)
        self.spoiled.setdefault(key, set()).add((inner[0].src, inner[0].dst) if inner else (outer.src, outer.dst))

    def error(self, match: re.Match[str], seen: _Seen) -> None:
        """An ICMP error: who reports it to whom, and of what."""
        why = _meaning(match)
        if not why:
            return
        fields: dict[str, Any] = {"name": "icmp-error", "why": why, "by": seen.src, "dst": seen.dst, "address": match["about"]}
        if match["port"] and (port := _port(match["port"])):
            fields |= {"protocol": match["protocol"], "dport": port}
        fields |= {name: int(match[group]) for name, group in (("mtu", "mtu"), ("number", "number")) if match[group]}
        self.note(fields)

    def side(self, src: _End, dst: _End) -> str:
        """Whose machine this is, by what the capture says itself; "" if it says nothing."""
        if self.way or self.incoming:
            return "sent" if self.way == "Out" else "received"
        names = {end.host.partition(".")[0].lower(): side for end, side in ((src, "sent"), (dst, "received")) if not is_address(end.host)}
        return names.get(self.here, "") if self.here else ""

    def note(self, fields: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        """Count a packet."""
        key = tuple((name, value) for name, value in fields.items() if value not in ("", 0))
        if key in self.found or len(self.found) < MOST:
            self.found.setdefault(key, [self.at, 0])[1] += 1
        return key

    def done(self) -> list[Fact]:
        """The facts of the capture."""
        self.end()
        for key, (number, count) in self.found.items():
            more = {"answered": any((dst, src) in self.flows for src, dst in self.spoiled[key])} if key in self.spoiled else {}
            self.out.add("captured", {**dict(key), **more, "count": count}, number)
        spoke = {_end(src).host for src, _ in self.flows}
        for (address, by), (number, count) in self.asked.items():
            if address not in self.answered | spoke and len(self.out.facts) < MOST:
                self.out.add("captured", {"name": "arp-unanswered", "address": address, "by": by, "count": count}, number)
        self.strays()
        self.contested()
        self.sightings.emit(self.out)
        self.out.collected("capture")
        return self.out.done()

    def contested(self) -> None:
        """Addresses for which two MACs answer in turn; an address that moved once, as those of a pair of routers do, is none."""
        answers: dict[str, list[tuple[int, str, str]]] = {}
        for answer in self.replies:
            answers.setdefault(answer[1], []).append(answer)
        for said in answers.values():
            if sum(one[2] != other[2] for one, other in pairwise(said)) > 1 and len(self.out.facts) < MOST:
                rivals(self.out, said)

    def strays(self) -> None:
        """Machines that ask by one device, while what is for them leaves by others alone."""
        for (way, host), devices in self.seen.items():
            back = self.seen.get(("Out", host), {}) if way == "In" and is_address(host) else {}
            if back and not back.keys() & devices.keys() and len(self.out.facts) < MOST:
                (asked, _), (answered, at) = min(devices.items(), key=lambda d: d[1]), min(back.items(), key=lambda d: d[1])
                fields = {"name": "stray-answer", "address": host, "in_device": asked, "out_device": answered, "count": len(back)}
                self.out.add("captured", fields, at)


def _end(text: str) -> _End:
    """``10.0.0.1.8472``, ``node1.corp.otv``, ``10.0.0.1``: host and port (0 if there is none)."""
    host, _, last = text.rpartition(".")
    if host and not is_address(text) and (port := _port(last)):
        return _End(host, port)
    return _End(text, 0)


def _port(text: str) -> int:
    """Number of a port, or of one of the names that matter; 0 for any other word."""
    return int(text) if text.isdecimal() else _PORTS.get(text, 0)


def _meaning(match: re.Match[str]) -> str:
    """What an ICMP error says: prohibited | too-big | port | protocol | net | host; "" for what none of them is."""
    why = match["why"] or ""
    if "prohibited" in why:
        return "prohibited"
    if "need to frag" in why:
        return "too-big"
    return "port" if match["port"] else "protocol" if match["number"] else match["what"] or ""
