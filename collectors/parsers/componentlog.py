"""Logs of a cluster's components, alone or inside a journal's lines.

klog's ``E1120 12:00:00.123456    1 proxier.go:123] …``, containerd's ``time="…" level=error msg="…"``.
Only warnings and errors that tell of networks become facts, equal ones once: a log repeats itself by the thousand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

_LINE = re.compile(
    r"(?P<before>.*?)(?:(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d{1,9} +\d+ (?P<file>[\w.-]+\.go):\d+\] (?P<message>.*)"
    r"|time=\"[^\"]{10,40}\" level=(?P<word>error|warning|fatal) msg=(?P<said>.*))"
)
_PROGRAM = re.compile(r"([\w.-]+)\[\d+\]: *$")
_TELLING = re.compile(
    r"ipvs|ip_vs|conntrack|connection tracking|iptables|no ip addresses available|cni|network plugin|networkplugin|networkready"
    r"|podcidr|pod cidr|cidrnotavailable|bird|bgp"
    r"|failed to find plugin|hostport|host port|nodeport|external ?ip",
    re.IGNORECASE,
)
MAX_MESSAGES = 200
MAX_LENGTH = 800


def parse(source: Source, place: Place) -> list[Fact]:
    """``component_log`` facts; lines of other kinds are passed over, as a log's are."""
    out = Emitter(source, place)
    seen: set[str] = set()
    for number, line in clean_lines(source.text):
        found = _LINE.match(line[:4000])
        if found is None:
            continue
        said = found["message"] or found["said"] or ""
        level = found["level"] or str(found["word"])[0].upper()
        if not _TELLING.search(said) or (level == "I" and not _said_by_information(said)):
            continue
        message = " ".join(said.split())[:MAX_LENGTH]
        key = re.sub(r"[0-9a-f]{8,}|\d+", "#", message)
        if key in seen or len(seen) >= MAX_MESSAGES:
            continue
        seen.add(key)
        program = _PROGRAM.search(found["before"])
        fields = {"level": level, "message": message, "text": message.lower(), **({"program": program[1]} if program else {})}
        out.add("component_log", fields, number)
    return out.done()


def _said_by_information(message: str) -> bool:
    """Whether a line of the lowest level tells of a fault: kube-proxy and flannel say some so."""
    return re.search(r"can't|cannot|fail|not loaded|not found|not assigned|missing", message, re.IGNORECASE) is not None
