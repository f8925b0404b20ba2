"""flannel's subnet.env: the node's lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.files import node_path
from collectors.parsers.text import clean_lines
from engine.inet import prefix

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source


def parse(source: Source, place: Place) -> list[Fact]:
    """The ``flannel_subnet`` of a subnet.env (IPv4; other variables of flannel are passed over)."""
    out = Emitter(source, place)
    fields: dict[str, Any] = {}
    first = 0
    for number, line in clean_lines(source.text):
        key, separator, value = line.strip().partition("=")
        if not key or key.startswith("#"):
            continue
        value = value.strip("\"'")
        if not separator or not key.startswith("FLANNEL_") or not _set(fields, key, value):
            out.unparsed.add(number, line)
        elif not first:
            first = number
    if fields:
        out.add("flannel_subnet", {**fields, "file": node_path(source)}, first)
    return out.done()


def _set(fields: dict[str, Any], key: str, value: str) -> bool:
    """Set the field of one variable; gives whether its value makes sense."""
    try:
        if key == "FLANNEL_NETWORK":
            # Several networks are comma-separated; the first is the one that routes follow.
            fields["network"] = str(prefix(value.partition(",")[0]))
        elif key == "FLANNEL_SUBNET":
            prefix(value)
            fields["subnet"] = value
        elif key == "FLANNEL_MTU":
            fields["mtu"] = int(value)
        elif key == "FLANNEL_IPMASQ":
            fields["ip_masq"] = value == "true"
    except ValueError:
        return False
    return True
