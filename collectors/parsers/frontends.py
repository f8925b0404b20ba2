"""Front ends of the packet filter, ``ufw status`` and ``firewall-cmd --list-all``, turned back into the INPUT chain that they make.

Both tell what they accept from outside; what neither lists is refused.  Forwarded packets are another matter (docker's own chains come
first there), so no FORWARD chain is told.  A service whose ports are not known here leaves the end of the chain open.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines
from engine.facts import ChainText, RuleLine
from engine.inet import is_address, prefix

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

SERVICES: Final = {
    "ssh": "22/tcp", "openssh": "22/tcp", "http": "80/tcp", "https": "443/tcp", "dhcpv6-client": "546/udp", "cockpit": "9090/tcp", "mdns": "5353/udp",
    "mysql": "3306/tcp", "postgresql": "5432/tcp", "redis": "6379/tcp", "dns": "53", "nfs": "2049/tcp", "samba-client": "137/udp", "ntp": "123/udp",
    "nginx full": "80,443/tcp", "nginx http": "80/tcp", "nginx https": "443/tcp", "apache full": "80,443/tcp", "apache": "80/tcp",
    "apache secure": "443/tcp",
    "kube-apiserver": "6443/tcp", "kubelet": "10250/tcp", "vnc-server": "5900:5903/tcp", "ftp": "21/tcp", "smtp": "25/tcp", "ipp-client": "631/udp",
}  # fmt: skip
"""Ports of services that distributions allow by name."""
ALWAYS: Final = ("-i lo -j ACCEPT", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-p icmp -j ACCEPT")
"""What both let in before anything else."""
ACTIONS: Final = {"ALLOW": "ACCEPT", "DENY": "DROP", "REJECT": "REJECT --reject-with icmp-port-unreachable", "LIMIT": "ACCEPT"}

_ROW = re.compile(r"(?P<to>\S.*?)\s{2,}(?P<action>ALLOW|DENY|REJECT|LIMIT)(?: (?P<way>IN|OUT|FWD))?\s{2,}(?P<source>\S.*?)(?:\s+#.*)?$")
_ZONE = re.compile(r"(\S+)(?: \(([^)]*)\))?$")
_PORT = re.compile(r"(\d{1,5}(?:[:,-]\d{1,5})*)(?:/(tcp|udp))?$")


def parse_ufw(source: Source, place: Place) -> list[Fact]:
    """The INPUT chain of an active ufw."""
    emit = Emitter(source, place)
    lines = [(number, line.rstrip()) for number, line in clean_lines(source.text)]
    if not any(line.strip() == "Status: active" for _, line in lines):
        return emit.done()
    rules = [RuleLine(0, spec) for spec in ALWAYS]
    policy, at, whole = "DROP", next((n for n, line in lines if line.startswith("Status:")), 0), True
    for number, line in lines:
        if line.startswith("Default:"):
            policy, at = "ACCEPT" if "allow (incoming)" in line else "DROP", number
        match = _ROW.match(line)
        if match is None or match["way"] in {"OUT", "FWD"} or "(v6)" in line:
            continue
        specs = _of_row(match["to"], match["source"])
        if specs is None:
            whole = False
            continue
        rules += [RuleLine(number, f"{spec} -j {ACTIONS[match['action']]}".strip()) for spec in specs]
    _emit(emit, ChainText("INPUT", policy, at, tuple(rules)), whole=whole)
    return emit.done()


def _of_row(to: str, source: str) -> list[str] | None:
    """Matches of a row of ``ufw status``; ``None`` for a name whose ports are not known."""
    words = ""
    for text, option in ((to, "-i"), (source, "")):
        if found := re.search(r" on (\S+)$", text):
            words += f" -i {found[1]}" if option else ""
    to, source = re.sub(r" on \S+$", "", to), re.sub(r" on \S+$", "", source)
    address = source.split()[0]
    if address != "Anywhere":
        if not _is_prefix(address):
            return None
        words += f" -s {address}"
    target = to.split()
    if _is_prefix(target[0]):
        words += f" -d {target[0]}"
        to = " ".join(target[1:])
    if not to or to == "Anywhere":
        return [words.strip()]
    ports = _ports(to)
    return None if ports is None else [f"{words} {port}".strip() for port in ports]


def _is_prefix(text: str) -> bool:
    try:
        prefix(text)
    except ValueError:
        return False
    return is_address(text.partition("/")[0])


def _ports(text: str) -> list[str] | None:
    """Matches of ``80,443/tcp`` or of a service's name; ``None`` if it is not known."""
    match = _PORT.match(SERVICES.get(text.lower(), text))
    if match is None:
        return None
    numbers = match[1].replace("-", ":")
    which = f"-m multiport --dports {numbers}" if "," in numbers else f"--dport {numbers}"
    return [f"-p {protocol} {which}" for protocol in ([match[2]] if match[2] else ["tcp", "udp"])]


def parse_firewalld(source: Source, place: Place) -> list[Fact]:
    """The INPUT chain of firewalld's zones; interfaces that no zone lists belong to the default one."""
    emit = Emitter(source, place)
    zones = _zones(source)
    rules = [RuleLine(0, spec) for spec in ALWAYS]
    whole = True
    for zone in sorted(zones, key=lambda z: not z["interfaces"] or len(zones) == 1 or "default" in z["flags"]):
        devices = [f"-i {name} " for name in zone["interfaces"].split()] if len(zones) > 1 and "default" not in zone["flags"] else [""]
        for device in devices:
            for item in (*zone["services"].split(), *zone["ports"].split()):
                ports = _ports(item)
                whole = whole and ports is not None
                rules += [RuleLine(int(zone["line"]), f"{device}{port} -j ACCEPT") for port in ports or ()]
            rules.append(RuleLine(int(zone["target_line"]), f"{device}-j {_target(zone['target'])}"))
        whole = whole and not zone["rich rules"]
    if zones:
        _emit(emit, ChainText("INPUT", "ACCEPT", 0, tuple(rules)), whole=whole)
    return emit.done()


def _target(name: str) -> str:
    return {"ACCEPT": "ACCEPT", "DROP": "DROP"}.get(name, "REJECT --reject-with icmp-host-prohibited")


def _zones(source: Source) -> list[dict[str, str]]:
    """Zones that are in use, each with its settings as text."""
    found: list[dict[str, str]] = []
    key = ""
    for number, line in clean_lines(source.text):
        if line and not line[0].isspace():
            match = _ZONE.match(line.strip())
            if match:
                empty = dict.fromkeys(("interfaces", "sources", "services", "ports", "target", "rich rules"), "")
                found.append({**empty, "flags": match[2] or "", "line": str(number), "target_line": str(number)})
        elif found and (setting := re.match(r"\s+([a-z][a-z -]*): ?(.*)$", line)):
            key = setting[1]
            found[-1][key] = setting[2].strip()
            found[-1].update({"target_line": str(number)} if key == "target" else {})
        elif found and line.strip() and key:
            found[-1][key] = f"{found[-1].get(key, '')} {line.strip()}".strip()
    shown = [z for z in found if z["target"]]
    return [z for z in shown if "active" in z["flags"] or z["interfaces"] or z["sources"] or len(shown) == 1]


def _emit(emit: Emitter, chain: ChainText, *, whole: bool) -> None:
    fields = {"family": 4, "table": "filter", "chains": (chain,), "told": True}
    emit.add("netfilter_table", fields if whole else {**fields, "partial": True}, chain.line)
