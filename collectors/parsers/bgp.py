"""BGP sessions as ``calicoctl node status`` and BIRD's ``show protocols`` print them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines, is_refusal
from engine.inet import is_address

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

_BIRD = re.compile(
    r"(?P<name>\S+)\s+BGP\s+(?P<table>\S+)\s+(?P<state>up|start|down|stop)\s+(?P<since>\S+(?:\s\d\d:\d\d:\d\d)?)\s*(?P<info>.*)", re.IGNORECASE
)
_PROTOCOL = re.compile(r"\S+\s+(?:Static|Kernel|Device|Direct|Pipe|BFD|OSPF|RIP)\s+\S+\s+(?:up|start|down|stop)\b", re.IGNORECASE)
_HEADINGS = (
    "calico process is running", "ipv4 bgp status", "ipv6 bgp status", "no ipv", "the bgp backend process", "bird", "name ", "access restricted",
)


def parse(source: Source, place: Place) -> list[Fact]:
    """A ``bgp_peer`` fact for each session, and one without a peer if calico's process does not run."""
    out = Emitter(source, place)
    for number, line in clean_lines(source.text):
        bare = line.strip()
        if not bare or bare.startswith("+-"):
            continue
        if bare.startswith("|"):
            cells = [cell.strip() for cell in bare.strip("|").split("|")]
            if len(cells) == 5 and cells[0] != "PEER ADDRESS":
                _row(out, number, cells)
        elif row := _BIRD.match(bare):
            _session(out, number, _peer(row["name"]), _type(row["name"]), row["state"], row["since"], row["info"])
        elif re.match(r"calico process is not running", bare, re.IGNORECASE):
            out.add("bgp_peer", {"peer": "", "type": "", "state": "down", "info": "calico process is not running", "established": False}, number)
        elif is_refusal(bare):
            out.add("not_collected", {"what": "bgp", "command": source.command or "calicoctl node status", "reason": bare}, number)
        elif not _PROTOCOL.match(bare) and not bare.lower().startswith(_HEADINGS):
            out.unparsed.add(number, line)
    if out.facts and not out.unparsed.count:
        out.collected("bgp")
    return out.done()


def _row(out: Emitter, number: int, cells: list[str]) -> None:
    """A row of calicoctl's table; one without a peer goes on with the cell above."""
    sessions = [fact for fact in out.facts if fact.kind == "bgp_peer"]
    if cells[0] or not sessions:
        _session(out, number, *cells)
        return
    out.facts[out.facts.index(sessions[-1])] = sessions[-1].having(info=f"{sessions[-1].get('info')} {cells[4]}".strip())


def _session(out: Emitter, number: int, *cells: str) -> None:
    peer, kind, state, since, info = (" ".join(cell.split()) for cell in cells)
    fields: dict[str, Any] = {"peer": peer, "type": kind, "state": state.lower(), "since": since, "info": info}
    fields["established"] = info.startswith("Established")
    out.add("bgp_peer", fields, number)


def _peer(name: str) -> str:
    """The address in the name that calico gives to a session: ``Mesh_192_168_1_5``, ``Node_fd00__5``."""
    text = name.partition("_")[2]
    dotted, coloned = text.replace("_", "."), text.replace("_", ":")
    return dotted if is_address(dotted) else coloned if is_address(coloned) else name


def _type(name: str) -> str:
    return {"Mesh": "node-to-node mesh", "Global": "global", "Node": "node specific"}.get(name.partition("_")[0], "")
