"""Layer 2: ``bridge fdb``, ``bridge link`` (text and JSON) and ``brctl show``."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.iplink import PORT_FLAGS
from collectors.parsers.jsontext import emit_broken, is_json, read_json, text_of, texts_of
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.place import Place
    from engine.facts import Fact, Source

_FDB_INTEGERS = {"port": "port", "vni": "vni", "vlan": "vlan"}
_FDB_FLAGS = frozenset({"static", "stale", "offload", "offloaded", "extern_learn", "sticky", "router", "locked"})
_PORT_STATES = frozenset({"disabled", "listening", "learning", "forwarding", "blocking"})


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of any of the outputs of this module, told apart by their content, or by the command line if there is none."""
    for _, line in clean_lines(source.text):
        words = line.split()
        if words[:2] == ["bridge", "name"]:
            return parse_brctl(source, place)
        if (words and words[0].count(":") == 5) or '"mac":' in line:
            return parse_fdb(source, place)
        if (words and words[0][:-1].isdecimal() and words[0].endswith(":")) or '"ifindex":' in line:
            return parse_link(source, place)
    if invocation(source.command, "brctl"):
        return parse_brctl(source, place)
    call = invocation(source.command, "bridge")
    return (parse_link if call and call.words and "link".startswith(call.words[0]) else parse_fdb)(source, place)


def parse_fdb(source: Source, place: Place) -> list[Fact]:
    """Facts of ``bridge fdb show``."""
    out = Emitter(source, place)
    whole = True
    call = invocation(source.command, "bridge")
    filters = [word for word in call.words[1:] if word not in {"show", "list", "lst", "ls"}] if call else []
    # What the listing was restricted to is not said again on its lines.
    device = next((name for word, name in pairwise(filters) if word == "dev"), "")
    if is_json(source.text):
        read = read_json(source.text)
        emit_broken(out, read)
        whole = read.complete
        entries = [(number, _fdb_words(entry) if isinstance(entry, dict) else [], entry) for number, entry in read.items]
        for number, words, entry in entries:
            _add_fdb(out, number, words, device, " ".join(words), str(entry))
    else:
        for number, line in clean_lines(source.text):
            if line.strip():
                _add_fdb(out, number, line.split(), device, "", line)
    if whole and out.whole and not (call and call.piped) and (not filters or (device and len(filters) == 2)):
        out.collected("fdb", device or "all")
    return out.done()


def _add_fdb(out: Emitter, number: int, words: Sequence[str], device: str, shown: str, text: str) -> None:  # noqa: PLR0917 - what a line and its listing say
    """Emit one entry, or count it as not understood."""
    fields = _fdb(words, device)
    if fields:
        out.add("fdb", fields, number, shown)
    else:
        out.unparsed.add(number, text)


def _fdb(words: Sequence[str], device: str) -> dict[str, Any] | None:
    """Fields of ``MAC dev X [dst Y] [vlan N] [port N] [vni N] [master B] [self] [permanent]``; ``device``: what the listing was restricted to.

    An entry of a tunnel whose device neither the line nor the command line tells has none.
    """
    if len(words) < 3 or words[0].count(":") != 5 or not (device or {"dev", "dst"} & set(words)):
        return None
    fields: dict[str, Any] = {"mac": words[0].lower()}
    if device:
        fields["device"] = device
    for key, value in pairwise(words[1:]):
        if key == "dev":
            fields["device"] = value
        elif key == "master":
            fields["master"] = value
        elif key == "dst" and is_address(value):
            fields["dst"] = value
        elif key in _FDB_INTEGERS and value.isdecimal():
            fields[_FDB_INTEGERS[key]] = int(value)
    fields.update(self="self" in words, permanent="permanent" in words, flags=tuple(word for word in words if word in _FDB_FLAGS))
    return fields


def _fdb_words(entry: dict[str, Any]) -> list[str]:
    """The words that ``bridge fdb`` would print for a JSON object."""
    words = [text_of(entry, "mac")]
    device = text_of(entry, "ifname")
    words += ["dev", device] if device else []
    for key in ("dst", "vlan", "port", "vni", "master"):
        value = text_of(entry, key)
        words += [key, value] if value else []
    state = text_of(entry, "state")
    return [*words, *texts_of(entry, "flags"), *([state] if state else [])]


def parse_link(source: Source, place: Place) -> list[Fact]:
    """Facts of ``bridge link`` (port attributes need ``-d``)."""
    out = Emitter(source, place)
    whole = True
    if is_json(source.text):
        read = read_json(source.text)
        emit_broken(out, read)
        whole = read.complete
        for number, entry in read.items:
            if isinstance(entry, dict) and text_of(entry, "ifname"):
                _add_json_port(out, number, entry)
            elif entry:
                out.unparsed.add(number, str(entry))
    else:
        _read_ports(out)
    call = invocation(source.command, "bridge")
    filters = [word for word in call.words[1:] if word not in {"show", "list", "lst", "ls"}] if call else []
    if whole and out.whole and not filters and not (call and call.piped):
        out.collected("bridge_ports")
    return out.done()


def _read_ports(out: Emitter) -> None:
    """The lines of ``bridge link``; attributes follow on indented lines."""
    port: dict[str, Any] | None = None
    for number, line in clean_lines(out.source.text):
        words = line.replace("\\", " ").split()
        if not words:
            continue
        if line[0].isspace() and port is not None:
            _port_flags(port, words)
            continue
        # Ports of VLAN devices and the like are listed without a master too (self): they are no bridge's ports.
        if words[0][:-1].isdecimal() and len(words) > 2 and words[1].endswith(":"):
            port = {"device": words[1][:-1].partition("@")[0]}
        elif words[0][:-1].isdecimal() and "state" in words[2:3]:
            # Before iproute2 4.10 the operational state stood before the colon: "2: eth0 state UP : <…>".
            port = {"device": words[1].partition("@")[0]}
        else:
            port = None
            out.unparsed.add(number, line)
            continue
        if "master" in words[:-1]:
            at = words.index("master")
            port["master"] = words[at + 1]
            if words[at + 2 : at + 3] == ["state"] and set(words[at + 3 : at + 4]) <= _PORT_STATES:
                port["state"] = words[at + 3]
            _port_flags(port, words[at + 3 :])
            out.add("bridge_port", port, number)


def _port_flags(port: dict[str, Any], words: Sequence[str]) -> None:
    """Read ``hairpin on isolated off …``."""
    for key, value in pairwise(words):
        if key in PORT_FLAGS and value in {"on", "off"}:
            port[key] = value == "on"


def _add_json_port(out: Emitter, number: int, entry: dict[str, Any]) -> None:
    """Emit the port of a ``bridge -j link`` object."""
    port: dict[str, Any] = {"device": text_of(entry, "ifname")}
    master, state = text_of(entry, "master"), text_of(entry, "state")
    if not master:
        return
    port["master"] = master
    shown = f"{text_of(entry, 'ifindex')}: {port['device']}: master {master}"
    if state in _PORT_STATES:
        port["state"] = state
        shown += f" state {state}"
    for key in PORT_FLAGS:
        if isinstance(entry.get(key), bool):
            port[key] = entry[key]
            shown += f" {key} {'on' if entry[key] else 'off'}"
    out.add("bridge_port", port, number, shown)


def parse_brctl(source: Source, place: Place) -> list[Fact]:
    """Facts of ``brctl show``: which devices are ports of which bridge."""
    out = Emitter(source, place)
    bridge = ""
    for number, line in clean_lines(source.text):
        words = line.split()
        if not words or words[:2] == ["bridge", "name"]:
            continue
        if line[0].isspace():
            device = words[0] if len(words) == 1 and bridge else ""
        elif len(words) >= 3 and words[2] in {"yes", "no"}:
            bridge = words[0]
            device = words[3] if len(words) > 3 else ""
            if not device:
                continue
        else:
            device = ""
        if device:
            out.add("bridge_port", {"device": device, "master": bridge}, number)
        else:
            out.unparsed.add(number, line)
    call = invocation(source.command, "brctl")
    if out.whole and not (call and (call.piped or len(call.words) > 1)):
        out.collected("bridge_ports")
    return out.done()
