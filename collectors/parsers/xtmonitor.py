"""``xtables-monitor --trace``, ``nft monitor trace``, and the TRACE lines that iptables-legacy writes to the kernel log.

Source: iptables ``xtables-monitor.c``; nftables ``src/netlink.c`` (netlink_events_trace_cb);
Linux ``net/ipv4/netfilter/ip_tables.c`` (trace_packet), ``nf_log_syslog.c``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.place import Place
    from engine.facts import Fact, Source

PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "ICMP": "icmp", "TCP": "tcp", "UDP": "udp", "ICMPv6": "icmpv6"}
FIELDS = {
    "IN": "in_device", "OUT": "out_device", "SRC": "src", "DST": "dst", "SPORT": "sport", "SPT": "sport", "DPORT": "dport", "DPT": "dport",
    "PROTO": "protocol",
}  # fmt: skip
"""Keys of the log formats → fields; xtables-monitor writes SPORT where the kernel log writes SPT."""
_NFT = re.compile(
    r"trace id (?P<packet>[0-9a-f]+) (?P<table>(?:ip6?|inet|bridge|arp|netdev) \S+) (?P<chain>\S+) "
    r"(?:packet: (?P<headers>.*)|(?P<event>rule|policy|verdict) (?P<said>.*))"
)
_HEADERS = {
    "iif": "in_device", "oif": "out_device", "saddr": "src", "daddr": "dst", "sport": "sport", "dport": "dport",
}
"""Last words of what nft prints of a packet → fields."""
FLAGS = frozenset({"SYN", "ACK", "FIN", "RST", "PSH", "URG", "ECE", "CWR"})


def parse(source: Source, place: Place) -> list[Fact]:
    """``kernel_trace`` facts, in the order of the events."""
    emit = Emitter(source, place)
    packet: dict[str, Any] = {}
    packets: dict[str, dict[str, Any]] = {}
    for number, line in clean_lines(source.text):
        words = line.split()
        if not words:
            continue
        if words[0] == "trace" and (told := _NFT.match(line.strip())):
            event = _nft(told, packets)
            if event is not None:
                emit.add("kernel_trace", event, number)
        elif words[0] == "PACKET:" and len(words) > 2:
            packet = {"packet": words[2], "family": 6 if words[1] == "10" else 4, **_packet(words[3:])}
        elif words[0] == "TRACE:" and len(words) > 3:
            event = _monitored(words, line)
            if event is None:
                emit.unparsed.add(number, line)
            else:
                emit.add("kernel_trace", {**packet, **event}, number)
        elif (logged := _logged(line)) is not None:
            emit.add("kernel_trace", logged, number)
        elif words[0] != "EVENT:":
            emit.unparsed.add(number, line)
    return emit.done()


def _nft(told: re.Match[str], packets: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """One line of ``nft monitor trace``; what a packet is (kept in ``packets``) is told in a line of its own, which is no event."""
    if told["headers"] is not None:
        packets.setdefault(told["packet"], {}).update(_headers(told["headers"]))
        return None
    event = {name: told[name] for name in ("packet", "table", "chain", "event")}
    if told["event"] == "verdict":
        event["event"] = "return"
    rule = re.fullmatch(r"(?P<spec>.*) \(verdict (?P<verdict>[^)]*)\)", told["said"])
    verdict = (rule["verdict"] if rule else told["said"]).split()
    if rule:
        event["spec"] = rule["spec"]
    if verdict:
        event["verdict"] = ":".join([verdict[0].upper(), *verdict[1:2]])
    return {**packets.get(told["packet"], {}), **event}


def _headers(text: str) -> dict[str, Any]:
    """``iif "eth0" ip saddr 10.0.0.1 ip daddr … ip protocol tcp … tcp dport 80``."""
    found: dict[str, Any] = {}
    words = text.replace('"', "").split()
    for at, word in enumerate(words[:-1]):
        layer, value = words[at - 1] if at else "", words[at + 1]
        if word in _HEADERS and layer != "ether":
            found[_HEADERS[word]] = int(value) if word in {"sport", "dport"} and value.isdecimal() else value
        elif (word == "protocol" and layer == "ip") or (word == "nexthdr" and layer == "ip6"):
            found["protocol"] = PROTOCOLS.get(value, value)
            found["family"] = 6 if layer == "ip6" else 4
    return found


def _packet(words: list[str]) -> dict[str, Any]:
    """Fields of a ``KEY=VALUE`` list; TCP is told by its flags where no protocol is printed."""
    found: dict[str, Any] = {}
    for key, value in _pairs(words):
        field = FIELDS.get(key)
        if field in {"sport", "dport"}:
            found[field] = int(value) if value.isdigit() else 0
        elif field == "protocol":
            found[field] = PROTOCOLS.get(value, value.lower())
        elif field and value:
            found[field] = value
    if "protocol" not in found:
        found["protocol"] = "tcp" if FLAGS & set(words) else "udp" if "sport" in found else "icmp"
    return found


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            yield key, value


def _monitored(words: list[str], line: str) -> dict[str, Any] | None:
    """``TRACE: 2 ID table:chain:rule:0x5:DROP  -4 -t filter -A chain …``, ``…:policy:DROP``, ``…:return:``."""
    parts = words[3].split(":")
    if len(parts) < 4 or parts[2] not in {"rule", "policy", "return"}:
        return None
    event: dict[str, Any] = {"packet": words[2], "table": parts[0], "chain": parts[1], "event": parts[2]}
    verdict = ":".join(parts[4:]) if parts[2] == "rule" else parts[3]
    if verdict:
        event["verdict"] = verdict
    rule = re.search(r" -A (\S+) ?(.*)\Z", line)
    if parts[2] == "rule" and rule:
        event["spec"] = rule[2].strip()
    return event


def _logged(line: str) -> dict[str, Any] | None:
    """``TRACE: filter:FORWARD:policy:2 IN=eth0 …`` of the kernel log; the identity is the IP header's."""
    found = re.search(r"TRACE: (\w+):(\S+):(rule|policy|return):(\d+) (IN=.*)\Z", line)
    if not found:
        return None
    words = found[5].split()
    event: dict[str, Any] = {"table": found[1], "chain": found[2], "event": found[3], "number": int(found[4]), **_packet(words)}
    identity = dict(_pairs(words)).get("ID", "")
    event["packet"] = f"{event.get('src', '')}-{event.get('dst', '')}-{identity}"
    event["family"] = 6 if ":" in str(event.get("src", "")) else 4
    return event
