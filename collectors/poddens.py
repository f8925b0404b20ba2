"""Pods that somebody entered (``kubectl exec``) and no listing shows: on the node whose own state speaks of their addresses.

The bridge of a node's pods has the address that they call their gateway; flannel's lease holds them; calico has a route to each of them.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from engine.facts import HOST
from engine.inet import in_prefix, is_address, prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.facts import Fact

SILENT: Final = frozenset({"unparsed", "not_collected", "collected", "observed"})
"""Facts that show nothing of a machine."""
BRIDGES: Final = ("cni", "cbr", "kube-bridge", "weave")
"""Beginnings of the names of bridges that pods hang on."""


def denned(facts: Sequence[Fact]) -> list[Fact]:
    """The facts, stacks of machines of which nothing else is known on the only node that holds their addresses."""
    known = {f.node for f in facts if f.stack == HOST and f.kind not in SILENT}
    lost: dict[tuple[str, str], set[str]] = defaultdict(set)
    for fact in facts:
        if fact.node and fact.stack != HOST and fact.node not in known:
            lost[fact.node, fact.stack] |= set(_own(fact))
    if not any(lost.values()):
        return list(facts)
    dens = list(_dens(facts))
    moved: dict[tuple[str, str], str] = {}
    for place, addresses in lost.items():
        nodes = {node for node, net in dens if any(in_prefix(address, net) for address in addresses)}
        if len(nodes) == 1:
            moved[place] = nodes.pop()
    return [f.at(moved[f.node, f.stack], f.stack) if (f.node, f.stack) in moved else f for f in facts]


def _own(fact: Fact) -> Iterable[str]:
    """IPv4 addresses that a fact of a pod's stack shows to be its own, or its gateway's."""
    named = {"address": ("address",), "route": ("src", "gateway")}.get(fact.kind, ())
    for name in named:
        text = str(fact.get(name, ""))
        if is_address(text) and ":" not in text and not in_prefix(text, "127.0.0.0/8") and not in_prefix(text, "169.254.0.0/16"):
            yield text


def _dens(facts: Iterable[Fact]) -> Iterable[tuple[str, str]]:
    """(node, prefix) of the pods that a node's own state speaks of; what is printed as a prefix and is none, is passed over."""
    for fact in facts:
        if fact.stack != HOST or not fact.node:
            continue
        text = ""
        if fact.kind == "flannel_subnet":
            text = str(fact.get("subnet", ""))
        elif fact.kind == "address" and str(fact.get("device")).startswith(BRIDGES) and fact.get("family") == 4:
            text = f"{fact.get('address')}/{fact.get('prefixlen', 32)}"
        elif fact.kind == "route" and str(fact.get("device")).startswith("cali") and fact.get("family") == 4:
            text = str(fact.get("dst", ""))
        with suppress(ValueError):
            yield fact.node, str(prefix(text))
