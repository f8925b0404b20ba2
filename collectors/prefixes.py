"""Several nodes' files side by side in one folder: ``node1-iptables.txt``, ``node2-iptables.txt``, ``node1_ip_route.txt``.

Only a set is believed: the same kind of listing under two names or more, and no listing without a name.  One name alone, a number, an
interface or a table in front of a listing says nothing about machines.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from collectors.classify import CNI_LISTING, IGNORED, PROGRAMS, TABLES, WORDS, from_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BEGINNINGS: Final = frozenset({*PROGRAMS, *WORDS, "ip4", "ip6", "ipv4", "ipv6", "etc", "proc", "run", "sudo", "nsenter"})
"""Words that the name of a listing begins with."""
NO_NODE: Final = re.compile(
    r"(?:v?[46]|inet6?|tcp|udp|legacy|nft|all|main|local|default|table|tables|show|list|output|cmd|eth\d.*|"
    r"en[ops]\w*\d.*|bond\d.*|wlan\d.*|br|br\d+|veth.*|cali.*|cni\d|docker\d|flannel|lo|vxlan.*|tun\d.*|tap\d.*|"
    rf"{'|'.join(TABLES)}|(?!\d+\.\d+\.\d+\.\d+$)[\d._-]+)",
    re.IGNORECASE,
)
"""Prefixes that number, date or narrow down a listing."""
CLUSTER: Final = frozenset({"kubernetes", "cni", CNI_LISTING, IGNORED})
"""Formats of files that may lie beside the nodes' without a name in front."""
COPIED: Final = frozenset({"etc", "ls"})
"""Words that nevertheless make such a file a node's: it was copied or listed there."""


def split(name: str) -> tuple[str, str]:
    """What stands in front of the listing that a file's name tells, and the name without it; "" if nothing does."""
    hint = from_name(name)
    if hint is None:
        return "", name
    for match in re.finditer(r"(?:^|(?<=[-_ .+]))(ip6?tables|[A-Za-z0-9]+)", name):
        if match[1].lower() in BEGINNINGS or match[1].startswith(("iptables", "ip6tables")):
            prefix, rest = name[: match.start()].rstrip("-_ .+"), name[match.start() :]
            whose = hint.format not in CLUSTER or match[1].lower() in COPIED
            return (prefix, rest) if whose and from_name(rest) and not NO_NODE.fullmatch(prefix) else ("", name)
    return "", name


def nodes_of(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """File name → node and name without it, for the files of one folder; empty if they do not prove that they are several nodes'."""
    made: dict[str, tuple[str, str]] = {}
    formats: dict[str, set[str]] = defaultdict(set)
    for name in names:
        node, rest = split(name)
        hint = from_name(name)
        if node:
            made[name] = node, rest
        if hint is None or hint.format in CLUSTER:
            continue
        if not node:
            return {}
        formats[node].add(hint.format)
    if len(formats) < 2 or not _alike(list(formats.values())):
        return {}
    return {name: (node, rest) for name, (node, rest) in made.items() if node in formats}


def alike(groups: Sequence[Sequence[str]]) -> bool:
    """Whether groups of files are several nodes': each has a listing that another one has too."""
    formats = [{hint.format for name in names if (hint := from_name(name)) and hint.format not in CLUSTER} for names in groups]
    return len(formats) > 1 and all(formats) and _alike(formats)


def _alike(formats: Sequence[set[str]]) -> bool:
    """Whether each node has a listing that another one has too."""
    return all(any(own & other for number, other in enumerate(formats) if number != at) for at, own in enumerate(formats))
