"""Lines that somebody searched out of a description: ``kubectl describe pod web-1 | grep IP``.

The command line names the object, or the lines do (``describe nodes | grep -E 'Name:|PodCIDR'``); only what the lines tell becomes a fact.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from collectors.parsers.kubecustom import KINDS, addresses, prefixes
from collectors.parsers.kubetable import namespace_in
from collectors.parsers.text import clean_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.parsers.emit import Emitter

_DESCRIBE: Final = re.compile(r"\bdescribe\s+(?P<words>[^|]*)\|")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_LINE: Final = re.compile(r"\s*(?P<key>[A-Z][A-Za-z ]*?):\s+(?P<value>\S.*?)\s*")
NOTHING: Final = frozenset({"<none>", "<unset>", "None"})


def _word(value: str) -> str:
    return value.split(maxsplit=1)[0]


_FIELDS: Final[dict[str, dict[str, tuple[str, Callable[[str], Any]]]]] = {
    "pod": {"IP": ("ips", addresses), "Node": ("node_name", lambda value: value.partition("/")[0]), "Status": ("phase", _word)},
    "k8s_node": {"PodCIDR": ("pod_cidrs", prefixes), "PodCIDRs": ("pod_cidrs", prefixes), "InternalIP": ("addresses", addresses)},
    "service": {
        "IP": ("cluster_ips", addresses), "Type": ("type", _word), "External Traffic Policy": ("external_policy", _word),
        "Internal Traffic Policy": ("internal_policy", _word),
    },
}  # fmt: skip
"""Kind of fact → key of a line → field."""


def read(out: Emitter) -> bool:
    """Emit the facts of such lines; gives whether the command line asks for them."""
    asked = _DESCRIBE.search(out.source.command)
    words = [word for word in (asked["words"].split() if asked else []) if not word.startswith("-")]
    kind, _, named = words[0].partition("/") if words else ("", "", "")
    kind = KINDS.get(kind.lower(), "")
    if asked is None or not kind:
        return False
    space = namespace_in(out.source.command.split())
    plain = [word for word in words[1:] if word != space]
    name = named or (plain[0] if plain else "")
    objects: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, line in clean_lines(out.source.text):
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        if found["key"] == "Name":
            name = found["value"]
        place = _FIELDS[kind].get(found["key"])
        value = place[1](found["value"]) if place is not None and found["value"] not in NOTHING else None
        if place is not None and value and _NAME.fullmatch(name):
            objects.setdefault(name, (number, {}))[1].setdefault(place[0], value)
    for known, (number, fields) in objects.items():
        spaced = {"namespace": space, "full": f"{space}/{known}"} if space and kind == "pod" else {"namespace": space} if space else {}
        out.add(kind, {"name": known, **(spaced if kind != "k8s_node" else {}), **fields}, number)
    return bool(objects)
