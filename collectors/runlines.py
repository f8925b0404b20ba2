"""Containers that pasted command lines start (``docker run -d -p 8080:80 --name web nginx``), where no listing of containers stands beside them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collectors.place import Place
    from engine.facts import Source

LONGEST: Final = 1 << 20
"""Characters of a text that a person may have pasted."""
MOST: Final = 20
"""Command lines of one text that are read."""
ANSWER: Final = 4000
"""Characters after a command line in which the runtime's complaint is looked for."""

_RUN: Final = re.compile(
    r"^(?P<before>[^\n`]{0,80}?(?:[#$>%]|\b\d{1,2}[.)]|[-*])[ \t]+|[ \t]*)(?P<root>sudo[ \t]+)?"
    r"(?P<runtime>docker|podman)[ \t]+(?:container[ \t]+)?run[ \t]+(?P<words>(?:[^\n\\]|\\(?!\n)|\\\n){1,2000})",
    re.MULTILINE,
)
_PUBLISH: Final = re.compile(
    r"(?<!\S)(?:-p|--publish)[= \t]*[\"']?(?:(?P<ip>\d{1,3}(?:\.\d{1,3}){3}):)?"
    r"(?P<host>\d{1,5}):(?P<inner>\d{1,5})(?:/(?P<protocol>tcp|udp|sctp))?[\"']?(?!\S)"
)
_NAME: Final = re.compile(r"(?<!\S)--name[= \t]+[\"']?([\w.-]{1,128})")
_OTHER_NETWORK: Final = re.compile(r"(?<!\S)--net(?:work)?[= \t]+[\"']?(?:host|none|container:|macvlan|ipvlan)")
_FAILED: Final = re.compile(r"Error response from daemon|^(?:Error|ERRO\[)|^docker: ", re.MULTILINE)
_NEXT: Final = re.compile(r"^[^\n]{0,80}?[#$][ \t]+\S|^`{3}", re.MULTILINE)


def started(text: str, source: Source, place: Place) -> list[Fact]:
    """``container`` facts of the command lines that publish ports and were not answered by an error.

    A user's own podman forwards by a program of his: such containers are no concern of the kernel.
    """
    if place.stack != HOST or len(text) > LONGEST or " run" not in text:
        return []
    found: dict[tuple[Any, ...], Fact] = {}
    for match in re.finditer(_RUN, text):
        ports = tuple(_ports(match["words"]))
        rootless = match["runtime"] == "podman" and not match["root"] and not match["before"].rstrip().endswith("#")
        if not ports or rootless or _OTHER_NETWORK.search(match["words"]) or _failed(text, match.end()):
            continue
        name = _NAME.search(match["words"])
        fields = {"runtime": match["runtime"], "name": name[1] if name else "", "state": "running", "ports": ports, "told": True}
        line = text.count("\n", 0, match.start()) + 1
        found[tuple((port["host_port"], port["protocol"]) for port in ports)] = Fact("container", fields, place.node, place.stack, source, line)
        if len(found) >= MOST:
            break
    return list(found.values())


def without_listed(facts: Sequence[Fact]) -> list[Fact]:
    """The facts, command lines only where no listing shows the containers of their node."""
    shown = {fact.node for fact in facts if fact.kind == "container" and not fact.get("told")}
    shown |= {fact.node for fact in facts if fact.kind == "collected" and fact.get("what") == "containers"}
    return [fact for fact in facts if not (fact.kind == "container" and fact.get("told") and fact.node in shown)]


def _ports(words: str) -> Iterator[dict[str, Any]]:
    for match in re.finditer(_PUBLISH, words):
        host, inner = int(match["host"]), int(match["inner"])
        if 0 < host < 1 << 16 and 0 < inner < 1 << 16:
            yield {"host_ip": match["ip"] or "", "host_port": host, "container_port": inner, "protocol": match["protocol"] or "tcp"}


def _failed(text: str, at: int) -> bool:
    """Whether the runtime answered a command line with an error: what is printed until the next prompt."""
    after = text[at : at + ANSWER]
    end = _NEXT.search(after)
    return _FAILED.search(after[: end.start()] if end else after) is not None
