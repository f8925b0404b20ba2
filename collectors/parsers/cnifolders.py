"""Listings of folders that CNI plug-ins use: host-local's leases, and the programs themselves.

host-local keeps a file for every address that it gave away in ``/var/lib/cni/networks/NETWORK``; only DEL removes it.  Read from ``ls`` in any style
(``-1``, ``-l``, ``-R``), or from copies of the files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines, is_refusal
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.place import Place
    from engine.facts import Fact, Source

LEASES = re.compile(r"var[/_]lib[/_]cni[/_]networks(?:[/_](?P<network>[A-Za-z0-9][\w.-]*?))?/?(?=[\s\"':;|]|$|/[^/\s]+$)")
"""The folder in a command line, a path, or a path written as a name; a network's own folder bears its name."""
PLUGINS = re.compile(r"((?:opt|usr[/_]lib(?:exec)?)[/_]cni(?:[/_]bin)?)(?=[/_\s\"':;|.]|$)")
SUFFIXES = re.compile(r"\.(?:txt|log|out)$")
_LONG = re.compile(r"[-dlbcps][-rwxsStT]{9}[.+@]?\s")


def parse_leases(source: Source, place: Place) -> list[Fact]:
    """A ``cni_leases`` fact for each network; ``collected`` where a whole folder was listed."""
    out = Emitter(source, place)
    copied = re.search(r"var/lib/cni/networks/([^/]+)/([^/]+)$", source.name.removesuffix(".txt"))
    if copied and not source.command.startswith("ls"):
        if is_address(copied[2]):
            out.add("cni_leases", {"network": copied[1], "addresses": (copied[2],)}, 1, source.name)
        return out.done()
    found = LEASES.search(source.command or SUFFIXES.sub("", source.name))
    network = (found["network"] or "") if found else ""
    folders: dict[str, tuple[int, list[str]]] = {}
    refused = False
    for number, name, folder in _names(source.text, network):
        if is_refusal(name):
            refused = True
        elif folder and (is_address(name) or name in {"lock", "last_reserved_ip.0"}):
            folders.setdefault(folder, (number, []))[1].append(name)
    for folder, (number, names) in folders.items():
        addresses = tuple(name for name in names if is_address(name))
        out.add("cni_leases", {"network": folder, "addresses": addresses}, number, f"{folder}: {len(addresses)} leases")
        out.collected("cni_leases", folder)
    if network and not folders and not refused:
        out.add("cni_leases", {"network": network, "addresses": ()}, 0, f"{network}: 0 leases")
        out.collected("cni_leases", network)
    return out.done()


def _names(text: str, network: str) -> Iterator[tuple[int, str, str]]:
    """Line, name and network of every entry of a listing; what ``ls -R`` says of a folder counts for the lines below."""
    folder = network
    for number, line in clean_lines(text):
        if line.endswith(":") and "/" in line:
            folder = line.rstrip(":").rstrip("/").rpartition("/")[2]
            folder = "" if folder == "networks" else folder
        elif is_refusal(line):
            yield number, line, folder
        elif not line.startswith("total "):
            # Long listings end with the name, short ones may put several on a line.
            words = line.split()
            yield from ((number, word, folder) for word in (words[-1:] if _LONG.match(line) else words))


def parse_plugins(source: Source, place: Place) -> list[Fact]:
    """A ``cni_plugins`` fact with the programs of one folder."""
    out = Emitter(source, place)
    found = PLUGINS.search(source.command or SUFFIXES.sub("", source.name))
    folder = "/" + found[1].replace("_", "/") if found else ""
    names = [name for _, name, _ in _names(source.text, "plugins") if name not in {".", ".."}]
    if any(is_refusal(name) for name in names):
        if any("No such file" in name for name in names):
            out.add("cni_plugins", {"folder": folder, "names": ()}, 1)
        return out.done()
    out.add("cni_plugins", {"folder": folder, "names": tuple(names)}, 0, f"{folder}: {' '.join(names) or 'empty'}"[:300])
    return out.done()
