"""Who answered an ARP question: ``arping`` of iputils, and the other one of that name by Thomas Habets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collectors.place import Place
    from engine.facts import Fact, Source

_MAC = r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){5}"
_REPLY = re.compile(
    rf"(?:Unicast|Broadcast) reply from (?P<address>\S+) \[(?P<mac>{_MAC})\]|\d+ bytes from (?P<mac2>{_MAC}) \((?P<address2>\S+)\): index="
)
_KNOWN = re.compile(r"ARPING |Sent \d+ probes|Received \d+ response|--- \S+ statistics ---|\d+ packets transmitted|rtt |Timeout\Z|\^C")


def parse(source: Source, place: Place) -> list[Fact]:
    """A ``captured`` fact for every address that two MACs answered for."""
    emit = Emitter(source, place)
    answers: list[tuple[int, str, str]] = []
    for number, line in clean_lines(source.text):
        if match := _REPLY.search(line):
            answers.append((number, match["address"] or match["address2"], (match["mac"] or match["mac2"]).lower()))
        elif line.strip() and not _KNOWN.match(line.removeprefix("^C")):
            emit.unparsed.add(number, line)
    rivals(emit, answers)
    emit.collected("capture")
    return emit.done()


def rivals(emit: Emitter, answers: Iterable[tuple[int, str, str]]) -> None:
    """Emit each address for which two MACs stand among (line, address, MAC) of the answers."""
    first: dict[str, str] = {}
    told: set[str] = set()
    for number, address, mac in answers:
        if first.setdefault(address, mac) != mac and address not in told and is_address(address):
            told.add(address)
            emit.add("captured", {"name": "arp-contested", "address": address, "mac": first[address], "rival": mac, "count": 1}, number)
