"""Attributes of bridge ports as people print them from ``/sys``: ``…/brif/veth1/hairpin_mode = 0``, or the value on the next line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

_PORT: Final = re.compile(
    r"^/sys/\S*?/net/(?P<net>[\w.@-]+)/(?:brif/(?P<port>[\w.@-]+)(?:/hairpin_mode)?|brport/hairpin_mode)"
    r"(?:[ \t]*[=:][ \t]*(?P<value>[01]))?[ \t]*$"
)


def parse(source: Source, place: Place) -> list[Fact]:
    """``bridge_port`` facts of the ports whose hairpin mode is shown."""
    out = Emitter(source, place)
    port: tuple[int, dict[str, str]] | None = None
    for number, line in clean_lines(source.text):
        if found := _PORT.match(line):
            port = number, {"device": found["port"] or found["net"], **({"master": found["net"]} if found["port"] else {})}
            if found["value"]:
                out.add("bridge_port", {**port[1], "hairpin": found["value"] == "1"}, number)
                port = None
        elif port is not None and line.strip() in {"0", "1"}:
            out.add("bridge_port", {**port[1], "hairpin": line.strip() == "1"}, port[0])
            port = None
        elif line.strip():
            port = None
    return out.done()
