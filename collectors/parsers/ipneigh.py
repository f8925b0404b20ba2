"""Neighbours: ``ip neigh`` (text, ``-s``, JSON), ``arp -n`` and ``arp -an``.

``arp`` knows fewer states: it prints a failed entry as incomplete, and a usable one without its state.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.jsontext import emit_broken, is_json, read_json, text_of, texts_of
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.place import Place
    from engine.facts import Fact, Source

_STATES = frozenset({"INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "NOARP", "PERMANENT", "NONE"})
_KEYWORDS = frozenset({"dev", "lladdr", "used", "proxy", "router", "ref", "probes", "extern_learn", "managed", "offload", "proto", "vni"})


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of a neighbour table in any of the printed forms."""
    out = Emitter(source, place)
    call = invocation(source.command, "ip")
    arp = None if call else invocation(source.command, "arp")
    filters = list(call.words[1:]) if call else []
    if filters and filters[0] in {"show", "list", "ls", "lst"}:
        del filters[0]
    device = filters[1] if len(filters) == 2 and filters[0] == "dev" else ""
    whole = _parse_json(out, device) if is_json(source.text) else _parse_text(out, device)
    ran = call or arp
    if not whole or not out.whole or (ran and ran.piped):
        return out.done()
    is_arp = arp is not None or _looks_like_arp(source.text)
    if device or not filters:
        out.collected("neighbors", device or "all", 4 if is_arp else call.family if call else 0)
    return out.done()


def _looks_like_arp(text: str) -> bool:
    return "HWaddress" in text or ") at " in text


def _parse_text(out: Emitter, device: str) -> bool:
    """Parse the lines of ``ip neigh`` or ``arp``."""
    for number, line in clean_lines(out.source.text):
        words = line.split()
        if not words or words[0] == "Address":
            continue
        fields = _arp_a(words) if ")" in words[1:2] or (len(words) > 2 and words[2] == "at") else _neigh(words, device) or _arp_n(words)
        if fields:
            out.add("neighbor", fields, number)
        elif not line.startswith(("Entries:", "arp: in ")):
            out.unparsed.add(number, line)
    return True


def _parse_json(out: Emitter, device: str) -> bool:
    """``ip -j neigh``: each object is put back into the words of the text form."""
    read = read_json(out.source.text)
    emit_broken(out, read)
    for number, entry in read.items:
        words = _words(entry) if isinstance(entry, dict) else []
        fields = _neigh(words, device)
        if fields:
            out.add("neighbor", fields, number, " ".join(words))
        elif entry:
            out.unparsed.add(number, str(entry))
    return read.complete


def _words(entry: dict[str, Any]) -> list[str]:
    """The words that ``ip neigh`` would print for a JSON object."""
    words = [text_of(entry, "dst")]
    for word, key in (("dev", "dev"), ("lladdr", "lladdr")):
        value = text_of(entry, key)
        words += [word, value] if value else []
    return [*words, *(word for word in ("router", "proxy") if word in entry), *texts_of(entry, "state")]


def _neigh(words: Sequence[str], device: str) -> dict[str, Any] | None:
    """A line of ``ip neigh``; ``device`` is the one that the listing was restricted to."""
    if not words or not is_address(words[0]) or (_STATES.isdisjoint(words) and _KEYWORDS.isdisjoint(words)):
        return None
    fields = _start(words[0])
    if device:
        fields["device"] = device
    for key, value in pairwise(words):
        if key == "dev":
            fields["device"] = value
        elif key == "lladdr":
            fields["mac"] = value.lower()
    states = [word for word in words[1:] if word in _STATES]
    if states:
        fields["state"] = states[-1]
    fields["proxy"] = "proxy" in words
    return fields


def _arp_n(words: Sequence[str]) -> dict[str, Any] | None:
    """A line of ``arp -n``: Address HWtype HWaddress Flags Mask Iface."""
    if len(words) < 3 or not is_address(words[0]):
        return None
    if words[1] == "(incomplete)":
        return {**_start(words[0]), "device": words[-1], "state": "INCOMPLETE", "proxy": False}
    if len(words) < 5 or not words[3].isalpha():
        return None
    return {**_start(words[0]), **_arp_fields(words[2], "M" in words[3], "P" in words[3]), "device": words[-1]}


def _arp_a(words: Sequence[str]) -> dict[str, Any] | None:
    """A line of ``arp -an``: ``? (10.0.0.2) at 02:…:02 [ether] PERM on eth0``."""
    address = words[1].strip("()") if len(words) > 5 else ""
    if not is_address(address) or words[-2] != "on":
        return None
    if words[3] == "<incomplete>":
        return {**_start(address), "device": words[-1], "state": "INCOMPLETE", "proxy": False}
    return {**_start(address), **_arp_fields(words[3], "PERM" in words, not {"PUB", "PUP"}.isdisjoint(words)), "device": words[-1]}


def _arp_fields(mac: str, permanent: bool, published: bool) -> dict[str, Any]:
    """Fields that ``arp`` tells by its flags; a published entry is one the host answers for, without a state."""
    fields: dict[str, Any] = {"proxy": published}
    if mac.count(":") == 5:
        fields["mac"] = mac.lower()
    if permanent and not published:
        fields["state"] = "PERMANENT"
    return fields


def _start(address: str) -> dict[str, Any]:
    return {"address": address, "family": 6 if ":" in address else 4}
