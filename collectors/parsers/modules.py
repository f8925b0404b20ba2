"""``lsmod`` and ``/proc/modules``: loaded kernel modules (what is built into the kernel is in neither)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines, is_refusal

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

BRIDGE_SWITCHES = ("net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables")
"""Parameters of br_netfilter."""

_ROW = re.compile(
    r"([\w-]+)\s+[0-9]+\s+-?[0-9]+(?:\s+(?:-|[\w,\[\]-]+)(?:\s+(?:Live|Loading|Unloading)\s+0x[0-9a-fA-F]+(?:\s+\(\w+\))?)?)?\s*\Z", re.ASCII)
"""Name, size, use count, users; in ``/proc/modules`` also state, address and taint."""


def parse(source: Source, place: Place) -> list[Fact]:
    """``kernel_module`` facts, ``collected`` for the whole list, and the switches that nothing in it can have brought.

    What needs a module cannot be built into the kernel: where ``bridge`` is a module and ``br_netfilter`` is not listed, the latter is not there
    (since Linux 3.18 it is one of its own).
    """
    emit = Emitter(source, place)
    refused = False
    names: set[str] = set()
    for number, line in clean_lines(source.text):
        row = _ROW.match(line)
        if row:
            names.add(row[1].replace("-", "_"))
            emit.add("kernel_module", {"name": row[1].replace("-", "_")}, number)
        elif is_refusal(line):
            refused = True
            emit.add("not_collected", {"what": "modules", "command": source.command or "lsmod", "reason": line.strip()}, number)
        elif line.split() != ["Module", "Size", "Used", "by"]:
            emit.unparsed.add(number, line)
    if not refused and not emit.unparsed.count and "|" not in source.command and source.text.strip():
        emit.collected("modules")
        if "bridge" in names and "br_netfilter" not in names:
            for key in BRIDGE_SWITCHES:
                emit.collected("sysctls", key)
    return emit.done()
