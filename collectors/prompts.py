"""Hosts that shell prompts name: whose terminal an output was pasted from, where no folder and no manifest tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from collectors.place import Place
from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.evidence import File, Layout

TAG: Final = r"(?:\([\w./ -]{1,30}\)[ \t]*|[A-Za-z]{1,8}(?=\[))?"
"""What people and tools put before a prompt: ``(venv) ``, the letters of a site."""
PROMPT: Final = re.compile(rf"[ \t]*{TAG}[\[(]?[\w.-]{{1,64}}@([A-Za-z0-9][\w.-]{{0,252}}?)[\])]?(?=[:\s#$>~])")
"""``root@n1:~#``, ``[root@n1 ~]#``, ``user@n1 $``."""

PLACED: Final = r"[A-Za-z0-9][\w.-]{0,62} [~/][\w./~-]{0,60} #"
"""``n1 ~ #``, root's prompt on Gentoo and what was made of it (Flatcar)."""

BANNER: Final = (
    r"^(?:[=#*>-]{2,}[ \t]*(?:node |host |server )?\d{1,3}(?:\.\d{1,3}){3}[ \t]*:?[ \t]*[=#*<-]{2,}"
    r"|[\w.-]{1,64} \| (?:SUCCESS|CHANGED|FAILED)(?: \| rc=\d{1,3})? >>)[ \t\r]*$"
)
"""A line with which tools and loops announce whose output follows: ``===== 10.0.0.5 =====``, ansible's ``n1 | CHANGED | rc=0 >>``."""

CONTAINER: Final = re.compile(r"[0-9a-f]{12}")
"""The host name that docker and podman give to a container: its short identity."""


def host_of(line: str) -> str:
    """The host that a line's prompt names; "" if there is none, or one that every machine may bear."""
    match = PROMPT.match(line)
    host = match[1] if match else line.partition(" ")[0] if re.match(PLACED, line) else ""
    return host if short(host) != "localhost" else ""


def announced(line: str) -> str:
    """The machine that a banner names."""
    found = re.search(r"\d{1,3}(?:\.\d{1,3}){3}", line) if line[0] in "=#*>-" else None
    return found[0] if found else line.partition(" ")[0]


def short(name: str) -> str:
    """A host's name without its domain: prompts show no more; an address is whole."""
    return name.lower() if re.fullmatch(r"[\d.]+", name) else name.partition(".")[0].lower()


class Prompted:
    """Places outputs by their prompts, and names the nodes that have no name of their own."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.known = {short(file.place.node): file.place.node for file in layout.files if file.told}
        """Nodes that manifests or people name, by short name."""
        self.seen: dict[str, set[str]] = {}
        """Node that a file was guessed to belong to → hosts that prompts in such files name."""

    def place(self, file: File, host: str) -> Place:
        """Where an output under a prompt of ``host`` belongs."""
        if CONTAINER.fullmatch(host) and file.place.stack == HOST:
            return Place(file.place.node, host)
        if file.told or not host or file.place.stack != HOST:
            return file.place
        node = self.known.get(short(host), host)
        self.seen.setdefault(file.place.node, set()).add(node)
        return Place(node)

    def named(self, facts: Sequence[Fact]) -> list[Fact]:
        """The facts, those of a node without a name given to the one host whose prompts its files show.

        Where they show several hosts, what has no prompt stays by itself.
        """
        made = list(facts)
        for node, hosts in self.seen.items():
            for host in hosts - set(self.known.values()):
                # A prompt may be a container's: placement finds out, as for a folder.
                self.layout.loose.setdefault(host, "")
            if len(hosts) == 1 and node not in self.known.values() and not _contradicted(made, node, *hosts):
                (host,) = hosts
                made = [fact.at(host, fact.stack) if fact.node == node else fact for fact in made]
                self.layout.loose = {host if key == node else key: host if above == node else above for key, above in self.layout.loose.items()}
        return made


def _contradicted(facts: Sequence[Fact], node: str, host: str) -> bool:
    """Whether the outputs without a prompt are another machine's, by what they say themselves."""
    names = {short(str(f.get("hostname"))) for f in facts if f.kind == "host" and f.node == node and f.stack == HOST and f.get("hostname")}
    return bool(names - {short(host)})
