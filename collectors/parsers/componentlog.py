"""Logs of a cluster's components, alone or inside a journal's lines.

klog's ``E1120 12:00:00.123456    1 proxier.go:123] …``, containerd's and dockerd's ``time="…" level=error msg="…"`` (on a terminal
``ERRO[…] …``), CoreDNS' ``[ERROR] plugin/errors: …``, calico's ``2026-11-20 12:00:00.123 [FATAL][62] int_dataplane.go 1035: …``, cilium's
``level=warning msg="…"``, weave's ``WARN: 2026/11/20 12:00:00.123 …``, what docker answers when iptables fails it, what runtimes say of a
range that is taken, and what kubectl says when it reaches no API server.
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

DOCKERS = r"(?:iptables failed: |[Pp]ool overlaps with other one|networks have overlapping IPv[46])"
"""What docker answers that tells of networks."""

_LINE = re.compile(
    r"(?P<before>.*?)(?:(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d{1,9} +\d+ (?P<file>[\w.-]+\.go):\d+\] (?P<message>.*)"
    r"|(?:time=\"[^\"]{10,40}\" )?\blevel=(?P<word>debug|info|error|warning|fatal) msg=(?P<said>.*)"
    r"|(?P<logrus>DEBU|INFO|WARN|ERRO|FATA)\[\d[^\]]{3,40}\] (?P<plain>.*)"
    r"|(?P<weaves>INFO|WARN|ERRO|FATA): \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+ (?P<weave>.*)"
    r"|\[(?P<coredns>INFO|WARNING|ERROR|FATAL)\] (?P<plugin>(?:plugin/|CoreDNS).*)"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \[(?P<felix>INFO|WARNING|ERROR|FATAL|PANIC)\]\[\d+\] (?P<calico>.*)"
    rf"|(?P<docker>Error response from daemon: .*?{DOCKERS}.*|Cannot start service \S{{1,80}}: .*?iptables failed: .*)"
    r"|(?P<launch>Network \S{1,50} overlaps with existing route \S{1,50} .*)"
    r"|(?P<podman>Error: .*?(?:subnet \S{1,50} is already used on the host|netavark:) .*)"
    r"|(?P<kubectl>(?:The connection to the server \S+ was refused|Unable to connect to the server:).*))"
)
_ALWAYS = {
    "plugin": "coredns", "calico": "calico-node", "weave": "weave", "docker": "dockerd", "launch": "weave", "podman": "podman", "kubectl": "kubectl",
}
"""Group of a line's text → the program that alone writes so."""
_LEVELS = ("level", "word", "coredns", "felix", "weaves", "logrus")
_PROGRAM = re.compile(r"([\w.-]+)\[\d+\]: *$")
_TELLING = re.compile(
    r"ipvs|ip_vs|conntrack|connection tracking|iptables|no ip addresses available|cni|network plugin|networkplugin|networkready"
    r"|podcidr|pod cidr|cidrnotavailable|bird|bgp"
    r"|failed to find plugin|hostport|host port|nodeport|external ?ip"
    # What failed on the way, and to whom.
    r"|plugin/loop|i/o timeout|no route to host|connection refused|network is unreachable|server misbehaving|rpf check|nameserver limits"
    r"|error adding route|direct node route|was refused|no such host|using interface with name|external address|no buffer space available"
    r"|autodetected ip|already using the ip|overlap|already used on the host"
    # Agents' own words for packets that they turned away by policy.
    r"|blocked by weave npc",
    re.IGNORECASE,
)
_FAULT = re.compile(
    r"can't|cannot|fail|not loaded|not found|not assigned|missing|using interface with name|external address|autodetected ip", re.IGNORECASE
)
"""Also the address that flannel or calico takes for its tunnels: whether that is a fault, others tell."""
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
        writer = next((name for name in _ALWAYS if found[name]), "")
        said = found[writer] if writer else found["message"] or found["said"] or found["plain"] or ""
        level = str(next((found[group] for group in _LEVELS if found[group]), "E"))[0].upper()
        if not _TELLING.search(said) or (level in {"D", "I"} and not _said_by_information(said)):
            continue
        message = " ".join(said.split())[:MAX_LENGTH]
        key = re.sub(r"[0-9a-f]{8,}|\d+", "#", message)
        if key in seen or len(seen) >= MAX_MESSAGES:
            continue
        seen.add(key)
        program = _PROGRAM.search(found["before"])
        name = _ALWAYS.get(writer) or ("dockerd" if "[resolver]" in said else program[1] if program else "")
        fields = {"level": level, "message": message, "text": message.lower(), **({"program": name} if name else {})}
        out.add("component_log", fields, number)
    if not out.facts:
        # A log that has nothing to complain of is evidence too.
        out.collected("component_log")
    return out.done()


def _said_by_information(message: str) -> bool:
    """Whether a line of the lowest level tells of a fault: kube-proxy and flannel say some so."""
    return _FAULT.search(message) is not None
