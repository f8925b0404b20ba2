"""Where servers of names send what they do not know: CoreDNS' Corefile, dnsmasq.conf (and files in dnsmasq.d)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.files import node_path
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from collectors.place import Place
    from engine.facts import Fact, Source

RESOLV: str = "/etc/resolv.conf"


def parse_corefile(source: Source, place: Place) -> list[Fact]:
    """A ``dns_forwarder`` fact for every ``forward`` (or ``proxy``, before 1.5) of a Corefile."""
    out = Emitter(source, place)
    for fields, number in read_corefile(clean_lines(source.text)):
        out.add("dns_forwarder", {**fields, "file": node_path(source)}, number)
    return out.done()


def read_corefile(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[dict[str, Any], int]]:
    """Fields and line of every forwarding plug-in: the zone, and the addresses or files that it forwards to."""
    zones: tuple[str, ...] = ()
    depth = 0
    for number, raw in lines:
        line = raw.partition("#")[0].strip()
        words = line.replace("{", " ").replace("}", " ").split()
        if not depth and line.endswith("{"):
            zones = tuple(words)
        elif depth == 1 and len(words) > 2 and words[0] in {"forward", "proxy"}:
            port = next((int(z.rpartition(":")[2]) for z in zones if z.rpartition(":")[2].isdecimal()), 53)
            yield {"program": "coredns", "zone": words[1], "port": port, "upstreams": tuple(map(_upstream, words[2:]))}, number
        depth += line.count("{") - line.count("}")


def _upstream(word: str) -> str:
    """``dns://10.0.0.1:53`` → ``10.0.0.1``; with its port if that is another one; a file as it is."""
    bare = re.sub(r"^(?:dns|tls|grpc|https)://", "", word)
    host, separator, port = bare.rpartition(":")
    host = host.strip("[]")
    if separator and port.isdecimal() and is_address(host):
        return host if port == "53" else f"{host}#{port}"
    return bare


def parse_dnsmasq(source: Source, place: Place) -> list[Fact]:
    """The ``dns_forwarder`` of a dnsmasq.conf: its upstream servers (of resolv.conf, unless told otherwise) and where it listens."""
    out = Emitter(source, place)
    given: dict[str, list[str]] = {}
    first = 0
    for number, raw in clean_lines(source.text):
        line = raw.partition("#")[0].strip() if not re.search(r"\S#\d", raw) else raw.strip()
        if not line or line.startswith("#"):
            continue
        key, _, value = line.partition("=")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", key.strip()):
            out.unparsed.add(number, raw)
            continue
        first = first or number
        given.setdefault(key.strip(), []).append(value.strip())
    if given:
        out.add("dns_forwarder", {**_dnsmasq(given), "file": node_path(source)}, first)
    return out.done()


def _dnsmasq(given: dict[str, list[str]]) -> dict[str, Any]:
    """Fields of a dnsmasq.conf by its keys."""
    # server=/zone/address is for one zone only.
    upstreams = [value for value in given.get("server", ()) if value and not value.startswith("/")]
    if "no-resolv" not in given:
        upstreams += [value for value in given.get("resolv-file", ()) if value] or [RESOLV]
    port = next((int(value) for value in given.get("port", ()) if value.isdecimal()), 53)
    fields: dict[str, Any] = {"program": "dnsmasq", "zone": ".", "port": port, "upstreams": tuple(map(_at, upstreams))}
    listen = tuple(part.strip() for value in given.get("listen-address", ()) for part in value.split(",") if is_address(part.strip()))
    if listen:
        fields["listen"] = listen
    wildcards = tuple(f"{part}" for value in given.get("address", ()) for part in value.split("/")[1:-1] if part)
    if wildcards:
        fields["wildcards"] = wildcards
    return fields


def _at(value: str) -> str:
    """``10.0.0.1@eth0`` → ``10.0.0.1``; ``#53`` is what everybody has."""
    return value.partition("@")[0].removesuffix("#53")
