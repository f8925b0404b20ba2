"""What the kernel's log, docker and firewalls say of packets that were lost: ``dmesg``, ``journalctl -k``, ``/var/log/syslog``, ``docker info``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.place import Place
    from engine.facts import Fact, Source

MOST: Final = 200
"""Kinds of messages that one log may tell."""

_MARTIAN = re.compile(r"martian source (\S+) from (\S+), on dev (\S+)")
_LOGGED = re.compile(
    r"(?:^|\s)IN=(?P<in>\S*) OUT=(?P<out>\S*) .*?SRC=(?P<src>\S+) DST=(?P<dst>\S+) .*?PROTO=(?P<protocol>\w+)(?:.*? DPT=(?P<dport>\d+))?"
)
_PREFIX = re.compile(r"(?:^|kernel: |\] )(?:\[ *[\d.]+\] )?\[?(?P<prefix>[A-Za-z][\w :,/.-]{0,40}?)\]?:? *IN=")
_CHECKSUM = re.compile(r"UDP: bad checksum\. From (?P<src>[\d.]+):\d+ to (?P<dst>[\d.]+):(?P<dport>\d{1,5})")
_NO_DESTINATION = re.compile(r"IPVS: \w+: (?P<protocol>TCP|UDP|SCTP) (?P<dst>[\d.]+):(?P<dport>\d{1,5}) - no destination available")
_TAKEN = re.compile(r"IPv6: (?P<device>[\w.@-]+): IPv6 duplicate address (?P<address>[0-9a-f:]+) used by (?P<mac>[0-9a-f:]{17}) detected!")
_PLAIN: Final = (
    ("conntrack-full", re.compile(r"nf_conntrack: table full|ip_conntrack: table full")),
    ("neighbors-full", re.compile(r"neighbou?r table overflow", re.IGNORECASE)),
    ("syn-flood", re.compile(r"[Pp]ossible SYN flooding on port")),
)
_OFF: Final = (
    (re.compile(r"IPv4 forwarding is disabled"), "net.ipv4.ip_forward"),
    (re.compile(r"bridge-nf-call-iptables is disabled"), "net.bridge.bridge-nf-call-iptables"),
    (re.compile(r"/proc/sys/net/ipv4/ip_forward contents are not set to 1"), "net.ipv4.ip_forward"),
    (re.compile(r"/proc/sys/net/bridge/bridge-nf-call-iptables contents are not set to 1"), "net.bridge.bridge-nf-call-iptables"),
)
"""What docker and kubeadm say of parameters that they found switched off."""


def parse(source: Source, place: Place) -> list[Fact]:
    """``kernel_message`` facts, one for each kind of message, and ``sysctl`` facts for what docker says of parameters.

    The rest of a log is no concern.
    """
    from collectors.parsers.cards import parse_log

    emit = Emitter(source, place)
    found: dict[tuple[object, ...], tuple[int, int, dict[str, Any]]] = {}
    for number, line in clean_lines(source.text):
        fields = next((told for read in _READERS if (told := read(line)) is not None), None)
        if fields is not None and len(found) < MOST:
            key = tuple(sorted((name, str(value)) for name, value in fields.items()))
            first, count, _ = found.get(key, (number, 0, fields))
            found[key] = first, count + 1, fields
    for number, count, fields in found.values():
        if "key" in fields:
            emit.add("sysctl", fields, number)
        else:
            emit.add("kernel_message", {**fields, "count": count}, number)
    lost = [*parse_log(source, place), *emit.facts]
    if not lost:
        # A log that has nothing to complain of is evidence too.
        emit.collected("kernel_log")
    return lost or emit.done()


def _plain(line: str) -> dict[str, Any] | None:
    return next(({"name": name} for name, pattern in _PLAIN if pattern.search(line)), None)


def _off(line: str) -> dict[str, Any] | None:
    return next(({"key": key, "value": "0"} for pattern, key in _OFF if pattern.search(line)), None)


def _martian(line: str) -> dict[str, Any] | None:
    """The log names the destination first: "martian source DST from SRC"."""
    match = _MARTIAN.search(line)
    if match is None or not is_address(match[1]) or not is_address(match[2]):
        return None
    return {"name": "martian", "dst": match[1], "src": match[2], "in_device": match[3]}


def _checksum(line: str) -> dict[str, Any] | None:
    match = _CHECKSUM.search(line)
    if match is None or not is_address(match["src"]) or not is_address(match["dst"]):
        return None
    return {"name": "bad-checksum", "src": match["src"], "dst": match["dst"], "dport": int(match["dport"]), "protocol": "udp"}


def _nobody(line: str) -> dict[str, Any] | None:
    """IPVS has a virtual server for a packet, and no real one."""
    match = _NO_DESTINATION.search(line)
    if match is None or not is_address(match["dst"]):
        return None
    return {"name": "no-destination", "dst": match["dst"], "dport": int(match["dport"]), "protocol": match["protocol"].lower()}


def _taken(line: str) -> dict[str, Any] | None:
    """An address that the kernel did not take, for another station answered for it."""
    match = _TAKEN.search(line)
    if match is None or not is_address(match["address"]):
        return None
    return {"name": "address-taken", "dst": match["address"], "in_device": match["device"], "mac": match["mac"]}


def _logged(line: str) -> dict[str, Any] | None:
    """A packet that a LOG rule wrote down; what its prefix says tells what became of it."""
    match = _LOGGED.search(line)
    if match is None or not is_address(match["src"]) or not is_address(match["dst"]):
        return None
    prefix = _PREFIX.search(line)
    fields = {"name": "logged", "prefix": (prefix["prefix"] if prefix else "").strip(" :-"), "in_device": match["in"], "out_device": match["out"]}
    fields |= {"src": match["src"], "dst": match["dst"], "protocol": match["protocol"].lower()}
    return {**fields, "dport": int(match["dport"])} if match["dport"] else fields


_READERS: Final[tuple[Callable[[str], dict[str, Any] | None], ...]] = (_plain, _off, _martian, _checksum, _nobody, _taken, _logged)
