"""Devices and addresses as ``ifconfig`` prints them: net-tools 1 (``inet addr:10.0.0.1``, busybox too) and 2 (``inet 10.0.0.1  netmask …``).

It shows one IPv4 address a device (others only if they have a label), so it never proves that an address does not exist.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.text import clean, clean_lines
from engine.inet import family_of, is_address, prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.place import Place
    from engine.facts import Fact, Source

_UNUSED = frozenset({"unspec", "collisions", "collisions:", "device", "Interrupt", "Base", "Memory", "compressed", "loop", "tunnel", "infiniband"})
_FLAGS = frozenset({
    "UP", "BROADCAST", "DEBUG", "LOOPBACK", "POINTOPOINT", "NOTRAILERS", "RUNNING", "NOARP", "PROMISC", "ALLMULTI", "SLAVE", "MASTER",
    "MULTICAST", "DYNAMIC",
})


def is_ifconfig(text: str) -> bool:
    """Whether ``text`` is an output of ``ifconfig``."""
    return re.search(r"^\S+(?:: flags=\d+<|\s+Link encap:)", clean(text), re.MULTILINE) is not None


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of ``ifconfig``, old or new style."""
    out = Emitter(source, place)
    reader = _Reader(out)
    for number, line in clean_lines(source.text):
        words = line.split()
        if words and not (reader.detail(number, words) if line[0].isspace() else reader.open(number, line, words)):
            out.unparsed.add(number, line)
    call = invocation(source.command, "ifconfig")
    # Without -a, devices that are down are left out.
    if out.facts and call and "a" in call.letters and not call.words and not call.piped:
        out.collected("links")
    return out.done()


class _Reader:
    """Reads lines: a device's line opens it, indented lines belong to it."""

    def __init__(self, out: Emitter) -> None:
        self._out = out
        self._fields: dict[str, Any] | None = None
        self._label = ""

    def open(self, number: int, line: str, words: Sequence[str]) -> bool:
        """``eth0: flags=4163<UP,…>  mtu 1500`` or ``eth0      Link encap:Ethernet  HWaddr 02:…``."""
        new = re.match(r"(\S+): flags=\d+<([^>]*)>(?:\s+mtu (\d+))?", line)
        if not new and words[1:2] != ["Link"]:
            self._fields = None
            return False
        name = new[1] if new else words[0]
        self._label = name
        self._fields = {"name": name.partition(":")[0]}
        # eth0:1 is not a device but the label of an address.
        if ":" not in name:
            self._out.add("link", self._fields, number)
        if new:
            _set_flags(self._fields, tuple(filter(None, new[2].split(","))))
            if new[3]:
                self._fields["mtu"] = int(new[3])
        elif "HWaddr" in words[:-1] and words[words.index("HWaddr") + 1].count(":") == 5:
            self._fields["mac"] = words[words.index("HWaddr") + 1].lower()
        return True

    def detail(self, number: int, words: Sequence[str]) -> bool:
        """An indented line; gives whether it was understood."""
        fields = self._fields
        if fields is None:
            return False
        if words[0] in {"inet", "inet6"}:
            address = _address(words, fields["name"], self._label)
            if address:
                self._out.add("address", address, number)
            return address is not None
        if words[0] == "ether" and len(words) > 1:
            fields["mac"] = words[1].lower()
        elif words[0] in {"RX", "TX"}:
            _set_counters(fields, words)
        elif words[0] in _FLAGS:
            _set_flags(fields, tuple(word for word in words if word in _FLAGS))
            mtu = next((word[4:] for word in words if word.startswith("MTU:")), "")
            if mtu.isdecimal():
                fields["mtu"] = int(mtu)
        else:
            return words[0].partition(":")[0] in _UNUSED or words[0].startswith(("collisions", "Interrupt"))
        return True


def _set_flags(fields: dict[str, Any], flags: tuple[str, ...]) -> None:
    """Set what the flags tell; of a device that is down the carrier is not known."""
    fields["flags"] = flags
    fields["up"] = "UP" in flags
    if fields["up"]:
        fields["carrier"] = "RUNNING" in flags
    if "LOOPBACK" in flags:
        fields["type"] = "loopback"


def _set_counters(fields: dict[str, Any], words: Sequence[str]) -> None:
    """``RX packets 3  bytes 224`` and ``RX errors 0  dropped 2``, or ``RX packets:3 errors:0 dropped:2``."""
    split = " ".join(words[1:]).replace(":", " ").split()
    for key, value in pairwise(split):
        if key in {"packets", "dropped"} and value.isdecimal():
            fields[f"{words[0].lower()}_{key}"] = int(value)


def _address(words: Sequence[str], device: str, label: str) -> dict[str, Any] | None:
    """Fields of an address line of either style, or ``None``."""
    # Old style writes "inet addr:10.0.0.1  Bcast:10.0.0.255  Mask:…", but "inet6 addr: fe80::1/64 Scope:Link" with a space.
    flat = [part for word in words for part in (word.split(":", 1) if words[0] == "inet" else [word]) if part and part != "addr:"]
    if flat[1:2] == ["addr"]:
        del flat[1]
    values = dict(pairwise(flat[2:]))
    text = flat[1] if len(flat) > 1 else ""
    address, _, length = text.partition("/")
    if not is_address(address):
        return None
    fields: dict[str, Any] = {"device": device, "address": address, "family": family_of(address)}
    if fields["family"] == 4:
        fields["label"] = label
        _set_ipv4(fields, values)
    else:
        length = length or values.get("prefixlen", "")
        fields["prefixlen"] = int(length) if length.isdecimal() else 128
        scope = re.search(r"Scope:(\w+)|<(\w+)>", " ".join(words))
        if scope:
            fields["scope"] = (scope[1] or scope[2]).lower()
    return fields


def _set_ipv4(fields: dict[str, Any], values: dict[str, str]) -> None:
    """Set prefix length, broadcast address and peer."""
    try:
        fields["prefixlen"] = prefix(f"{fields['address']}/{values.get('netmask') or values.get('Mask') or '255.255.255.255'}").length
    except ValueError:
        fields["prefixlen"] = 32
    for field, names in (("broadcast", ("broadcast", "Bcast")), ("peer", ("destination", "P-t-P"))):
        value = values.get(names[0]) or values.get(names[1]) or ""
        if is_address(value) and value not in {"0.0.0.0", fields["address"]}:  # noqa: S104  compared with, never listened on
            fields[field] = value
