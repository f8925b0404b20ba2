"""WireGuard: ``wg show`` (keys hidden) and ``wg show all dump`` (private and preshared keys are passed over)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines, is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.place import Place
    from engine.facts import Fact, Source

UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "year": 31_536_000}
_NONE: Final = frozenset({"(none)", "off", ""})


def parse(source: Source, place: Place) -> list[Fact]:
    """``wireguard_device`` and ``wireguard_peer`` facts."""
    emit = Emitter(source, place)
    reader = _Shown(emit)
    refused = False
    for number, raw in clean_lines(source.text):
        line = raw.strip()
        if not line:
            continue
        words = raw.split("\t")
        if is_refusal(line) or line.startswith("Unable to access interface"):
            refused = True
            emit.add("not_collected", {"what": "wireguard", "command": source.command or "wg show", "reason": line}, number)
        elif not (_dumped(emit, number, words) if len(words) in {5, 9} else reader.line(number, line)):
            emit.unparsed.add(number, line)
    if not refused and not emit.unparsed.count:
        emit.collected("wireguard")
    return emit.done()


def _dumped(emit: Emitter, number: int, words: list[str]) -> bool:
    """One line of a dump: a device has five columns, a peer nine."""
    try:
        if len(words) == 5:
            device, _, public, port, mark = words
            fields: dict[str, Any] = {"device": device, "public_key": public, "port": int(port)}
            # What evidence shows of the line must hold no key.
            marked = fields if mark == "off" else {**fields, "fwmark": int(mark, 0)}
            emit.add("wireguard_device", marked, number, f"interface: {device} listening port: {port}")
            return True
        device, public, _, endpoint, allowed = words[:5]
    except ValueError:
        return False
    fields = {"device": device, "public_key": public, "allowed": _networks(allowed)}
    _endpoint(fields, endpoint)
    emit.add("wireguard_peer", fields, number, f"peer: {device} endpoint: {endpoint} allowed ips: {allowed}")
    return True


def _networks(text: str) -> tuple[str, ...]:
    return () if text in _NONE else tuple(word.strip() for word in text.split(","))


def _endpoint(fields: dict[str, Any], text: str) -> None:
    if text not in _NONE:
        address, _, port = text.rpartition(":")
        fields["endpoint"], fields["endpoint_port"] = address.strip("[]"), int(port)


class _Shown:
    """``wg show``: blocks of properties."""

    def __init__(self, emit: Emitter) -> None:
        self.emit = emit
        self.device = ""
        self.fields: dict[str, Any] = {}
        self.setters: dict[str, Callable[[str], None]] = {
            "public key": lambda text: self.fields.update(public_key=text),
            "listening port": lambda text: self.fields.update(port=int(text)),
            "fwmark": lambda text: self.fields.update(fwmark=int(text, 0)),
            "endpoint": lambda text: _endpoint(self.fields, text),
            "allowed ips": lambda text: self.fields.update(allowed=_networks(text)),
            "latest handshake": lambda text: self.fields.update(handshake=_seconds(text)),
        }

    def line(self, number: int, line: str) -> bool:
        """Read one line; whether it was understood."""
        key, colon, text = line.partition(": ")
        if not colon:
            return False
        if key == "interface":
            self.device = text
            self.fields = self.emit.add("wireguard_device", {"device": text}, number)
        elif key == "peer" and self.device:
            self.fields = self.emit.add("wireguard_peer", {"device": self.device, "public_key": text, "allowed": ()}, number)
        elif key in self.setters:
            try:
                self.setters[key](text)
            except ValueError:
                return False
        return key in {"interface", "peer", "private key", "preshared key", "transfer", "persistent keepalive", *self.setters}


def _seconds(text: str) -> int:
    """``1 minute, 3 seconds ago`` → 63; ``Now`` → 0."""
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+) (second|minute|hour|day|year)s?", text))
