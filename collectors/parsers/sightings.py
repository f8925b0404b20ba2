"""Which packets a capture shows, and what it would have shown: two captures of one packet tell where it was lost.

Equal packets of one device and direction are one fact.  Names are passed over: only addresses can be held against another capture.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.parsers.emit import Emitter

MOST: Final = 200
"""Different packets of one capture that become facts."""
_TIME = re.compile(r"(?:(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d\.\d{6,9})|(?P<epoch>\d{9,10}\.\d{6,9})) ")
_DEVICE = re.compile(r"^\S+ (?:\d\S+ )?(?P<device>[\w.@-]{1,20}) +(?P<way>In|Out|P|B|M) ")
_MACS = re.compile(r"((?:[0-9a-f]{2}:){5}[0-9a-f]{2}) > ((?:[0-9a-f]{2}:){5}[0-9a-f]{2}), ethertype ")
_LISTENING = re.compile(r"listening on (?P<device>[\w.@-]+)")
_NONE = re.compile(r"0 packets captured")
_VALUED: Final = re.compile(r"-[a-zA-Z]*[ickswWrCGBQyzTEFmMVZ]|--(?:interface|snapshot-length|direction|buffer-size|time-stamp-type)")
"""Options of tcpdump that take their value in the next word."""
_FLAGS: Final = {"S": "syn", "S.": "syn-ack", "SE": "syn", "SEW": "syn", "S.E": "syn-ack", "R": "rst", "R.": "rst"}
_TUNNEL = re.compile(r"(?:VXLAN|OTV|Geneve|GENEVE)\b")


class Seen(NamedTuple):
    """One packet, or one inside another, as printed."""

    src: str
    dst: str
    said: str


class Sightings:
    """What one capture shows."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.device = _interface(command)
        self.empty = False
        self.first = self.last = -1.0
        self.line = 0
        self.line_of_packet = ""
        self.found: dict[tuple[tuple[str, Any], ...], list[float]] = {}
        """Fields → line, number, and times of the first and last packet."""

    def head(self, line: str) -> None:
        """A line that begins no packet."""
        if match := _LISTENING.search(line):
            self.device = match["device"]
        self.empty = self.empty or _NONE.match(line) is not None

    def begins(self, line: str) -> None:
        """The line that a packet begins with."""
        self.line_of_packet = line

    def packet(self, packet: Sequence[Seen], number: int) -> None:
        """A whole packet: with what is inside it, where it is a tunnel's."""
        at = _seconds(self.line_of_packet)
        self.first, self.last = at if self.first < 0 else self.first, at
        tunnelled = len(packet) > 1 and _TUNNEL.match(packet[0].said) is not None
        fields = _ends(packet[1] if tunnelled else packet[0])
        if not fields:
            return
        if tunnelled and (outer := _ends(packet[0])):
            fields |= {f"outer_{name}": outer[name] for name in ("src", "dst", "dport") if name in outer}
        if match := _DEVICE.match(self.line_of_packet):
            fields |= {"device": match["device"], "way": match["way"].lower()}
        if match := _MACS.search(self.line_of_packet):
            fields |= {"src_mac": match[1], "dst_mac": match[2]}
        key = tuple(sorted(fields.items()))
        if key in self.found or len(self.found) < MOST:
            seen = self.found.setdefault(key, [number, 0, at, at])
            seen[1], seen[3] = seen[1] + 1, at

    def emit(self, out: Emitter) -> None:
        """A ``capture`` fact, and a ``sighting`` for every packet."""
        if not (self.device or self.found):
            return
        about = {"device": self.device, "empty": self.empty and not self.found, **({"filter": _filter(self.command)} if self.command else {})}
        out.add("capture", about | ({"first": self.first, "last": self.last} if self.first >= 0 else {}), 0, self.command)
        for key, (line, count, first, last) in self.found.items():
            out.add("sighting", {**dict(key), "count": int(count), "first": first, "last": last}, int(line))


def _seconds(line: str) -> float:
    """Time of a packet, in seconds of the day or since 1970; -1 if it has none."""
    match = _TIME.search(line[:40])
    if match is None:
        return -1.0
    return float(match["epoch"]) if match["epoch"] else int(match["hour"]) * 3600 + int(match["minute"]) * 60 + float(match["second"])


def _ends(seen: Seen) -> dict[str, Any]:
    """Addresses, ports, protocol and kind of a packet; {} for one between names."""
    (src, sport), (dst, dport) = _end(seen.src), _end(seen.dst)
    if not src or not dst:
        return {}
    fields: dict[str, Any] = {"src": src, "dst": dst}
    flags = re.match(r"Flags \[([A-Z.]+)\]", seen.said)
    if flags:
        fields |= {"protocol": "tcp", "what": _FLAGS.get(flags[1], "data")}
    elif match := re.match(r"ICMP6?,? echo (request|reply)", seen.said):
        fields |= {"protocol": "icmp", "what": f"echo-{match[1]}"}
    elif seen.said.startswith("ICMP"):
        fields |= {"protocol": "icmp", "what": "error"}
    else:
        fields |= {"protocol": "udp" if sport else "", "what": "data"}
    return fields | ({"sport": sport, "dport": dport} if sport or dport else {})


def _end(text: str) -> tuple[str, int]:
    """Address and port of one end; "" for a name."""
    if is_address(text):
        return text, 0
    host, _, port = text.rpartition(".")
    return (host, int(port)) if is_address(host) and port.isdecimal() else ("", 0)


def _interface(command: str) -> str:
    """The device of ``tcpdump -ni eth0``."""
    match = re.search(r"\btcpdump\b.*?\s(?:-[a-zA-Z]*i\s*|--interface[ =])([\w.@-]+)", command)
    return match[1] if match else ""


def _filter(command: str) -> str:
    """The filter expression of a command line, "" if all packets are shown."""
    words = command.partition("tcpdump")[2].split()
    kept: list[str] = []
    skip = False
    for word in words:
        if word in {"|", ">", "2>&1", "&", ";"} or word.startswith(("2>", ">")):
            break
        if skip or (word.startswith("-") and not kept):
            skip = not skip and _VALUED.fullmatch(word) is not None
            continue
        kept.append(word.strip("'\""))
    return " ".join(kept)
