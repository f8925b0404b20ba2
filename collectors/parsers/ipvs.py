"""IPVS: ``ipvsadm -Ln``, ``ipvsadm -Sn`` (and ``ipvsadm-save -n``), ``/proc/net/ip_vs``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines, is_refusal
from engine.inet import family_of, to_int, to_text

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

PROTOCOLS: Final = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}
FORWARDS: Final = {"masq": "masq", "route": "route", "tunnel": "tunnel", "local": "local", "-m": "masq", "-g": "route", "-i": "tunnel"}
"""Forwarding method: as listed, as an option; ``local`` is how /proc shows a server that is an address of the machine itself."""
PERSISTENT: Final = 300
"""Seconds of ``-p`` without a number (``ipvsadm.c``)."""

_ENDPOINT = r"\[?(?P<address>[0-9A-Fa-f:.]+?)\]?:(?P<port>[0-9A-Fa-f]+)"
_SERVICE = re.compile(rf"(?P<protocol>TCP|UDP|SCTP)\s+{_ENDPOINT}\s+(?P<rest>[a-z].*)\Z")
_FWMARK = re.compile(r"FWM\s+(?P<mark>[0-9A-Fa-f]+)\s+(?P<rest>(?:IPv6\s+)?[a-z].*)\Z")
_SERVER = re.compile(rf"->\s+{_ENDPOINT}\s+(?P<forward>Masq|Route|Tunnel|Local)\s+(?P<weight>\d+)\s+(?P<active>\d+)\s+(?P<inactive>\d+)\Z")
_TIMEOUTS = re.compile(r"Timeout \(tcp tcpfin udp\):\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\Z", re.ASCII)
_HEADING = re.compile(r"IP Virtual Server version|Prot\s+LocalAddress:Port|->\s+RemoteAddress:Port")
_REFUSED = re.compile(r"Can't initialize ipvs|Are you sure that IP Virtual Server|Permission denied")


def parse(source: Source, place: Place) -> list[Fact]:
    """``ipvs_service`` and ``ipvs_server`` facts; a server names its service by the service's own fields."""
    emit = Emitter(source, place)
    reader = _Reader(emit, hexadecimal=False)
    refused = False
    for number, raw in clean_lines(source.text):
        line = raw.strip()
        if not line:
            continue
        if is_refusal(line) or _REFUSED.search(line):
            refused = True
            emit.add("not_collected", {"what": "ipvs", "command": source.command or "ipvsadm -Ln", "reason": line}, number)
        elif found := _TIMEOUTS.match(line):
            emit.add("ipvs_timeouts", {"tcp": int(found[1]), "tcpfin": int(found[2]), "udp": int(found[3])}, number)
        elif _HEADING.match(line):
            # The kernel's own file prints in hexadecimal; its heading has no blanks between the words of the columns.
            reader.hexadecimal = reader.hexadecimal or re.match(r"->\s+RemoteAddress:Port Forward", line) is not None
        elif not reader.line(number, line):
            emit.unparsed.add(number, line)
    if not refused and not emit.unparsed.count and not any(fact.kind == "ipvs_timeouts" for fact in emit.facts):
        emit.collected("ipvs")
    return emit.done()


class _Reader:
    """The service whose servers follow."""

    def __init__(self, emit: Emitter, *, hexadecimal: bool) -> None:
        self.emit = emit
        self.hexadecimal = hexadecimal
        self.service: dict[str, Any] = {}

    def line(self, number: int, line: str) -> bool:
        """Read one line; whether it was understood."""
        if line.startswith(("-A ", "-a ")):
            return self._saved(number, line.split())
        if found := _SERVICE.match(line) or _FWMARK.match(line):
            return self._service(number, found)
        found = _SERVER.match(line)
        if found is None or not self.service:
            return False
        try:
            address, port = self._endpoint(found)
        except ValueError:
            return False
        self._server(number, {"address": address, "port": port, "forward": FORWARDS[found["forward"].lower()], "weight": int(found["weight"]),
                              "active": int(found["active"]), "inactive": int(found["inactive"])})
        return True

    def _endpoint(self, found: re.Match[str]) -> tuple[str, int]:
        text, port = found["address"], found["port"]
        if not self.hexadecimal:
            return _canonical(text), int(port)
        return (_canonical(text) if ":" in text else to_text(int(text, 16))), int(port, 16)

    def _service(self, number: int, found: re.Match[str]) -> bool:
        words = found["rest"].split()
        fields: dict[str, Any] = {"family": 4}
        try:
            if "mark" in found.groupdict():
                fields["fwmark"] = int(found["mark"], 16 if self.hexadecimal else 10)
                if words[0] == "IPv6":
                    fields["family"], words = 6, words[1:]
            else:
                fields["protocol"] = PROTOCOLS[found["protocol"]]
                fields["address"], fields["port"] = self._endpoint(found)
                fields["family"] = family_of(fields["address"])
        except ValueError:
            return False
        fields["scheduler"] = words[0]
        if "persistent" in words:
            seconds = words[words.index("persistent") + 1 : words.index("persistent") + 2]
            fields["persistent"] = int(seconds[0]) // (1000 if self.hexadecimal else 1) if seconds and seconds[0].isdigit() else PERSISTENT
        self._open(number, fields)
        return True

    def _open(self, number: int, fields: dict[str, Any]) -> None:
        self.emit.add("ipvs_service", fields, number)
        self.service = {f"service_{name}" if name in {"address", "port"} else name: fields[name]
                        for name in ("protocol", "address", "port", "fwmark", "family") if name in fields}

    def _server(self, number: int, fields: dict[str, Any]) -> None:
        self.emit.add("ipvs_server", {**self.service, **fields}, number)

    def _saved(self, number: int, words: list[str]) -> bool:
        """``-A -t 10.96.0.1:443 -s rr`` and ``-a -t 10.96.0.1:443 -r 192.0.2.1:6443 -m -w 1``."""
        options = _options(words[1:])
        try:
            service = _named(options)
            if words[0] == "-A":
                persistent = {"persistent": int(options["-p"] or PERSISTENT)} if "-p" in options else {}
                self._open(number, {**service, "scheduler": options.get("-s", "wlc"), **persistent})
                return True
            self.service = {f"service_{name}" if name in {"address", "port"} else name: value for name, value in service.items()}
            address, port = _split(options["-r"])
        except (KeyError, ValueError):
            return False
        forward = next((FORWARDS[word] for word in ("-m", "-i", "-g") if word in options), "route")
        self._server(number, {"address": address, "port": port, "forward": forward, "weight": int(options.get("-w", "1"))})
        return True


def _options(words: list[str]) -> dict[str, str]:
    """Option → its word, "" if it has none."""
    found: dict[str, str] = {}
    for at, word in enumerate(words):
        if word.startswith("-"):
            value = words[at + 1] if at + 1 < len(words) else ""
            found[word] = "" if value.startswith("-") else value
    return found


def _named(options: dict[str, str]) -> dict[str, Any]:
    """The service that the options name; raises ``KeyError`` or ``ValueError`` if they do not."""
    if "-f" in options:
        return {"fwmark": int(options["-f"], 0), "family": 6 if "-6" in options else 4}
    option, protocol = next((option, name) for option, name in (("-t", "tcp"), ("-u", "udp"), ("--sctp-service", "sctp")) if option in options)
    address, port = _split(options[option])
    return {"protocol": protocol, "address": address, "port": port, "family": family_of(address)}


def _split(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return _canonical(address.strip("[]")), int(port)


def _canonical(text: str) -> str:
    return to_text(to_int(text), family_of(text))
