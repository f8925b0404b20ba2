"""Addresses that two stations claim, by what runtimes, captures, arping and neighbour tables say: no walk and no look at the stations is needed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase

GONE: Final = frozenset({"FAILED", "INCOMPLETE"})
"""States of neighbours whose MAC is none, or an old one."""


class _Held(NamedTuple):
    """An address that a running container has on a network."""

    container: Fact
    network: str
    mac: str

    @property
    def name(self) -> str:
        """Name of the container, else the beginning of its identity."""
        return str(self.container.get("name") or str(self.container.get("id", ""))[:12])

    @property
    def namespace(self) -> tuple[str, ...]:
        """What containers of one network namespace have in common."""
        shared = (self.container.get("namespace") or self.container.get("pod"), self.container.get("id"))
        return tuple(str(word) for word in shared[:1] if word) or (str(shared[1]),)


def contested(base: FactBase) -> Iterator[Fact]:
    """A ``contested_address`` fact for every address that two stations hold or answer for."""
    held = _held(base)
    yield from _twins(held)
    yield from _answers(base)
    yield from _strangers(base, held)


def _held(base: FactBase) -> dict[tuple[str, str], list[_Held]]:
    """(node, address) → running containers that have it."""
    found: dict[tuple[str, str], list[_Held]] = defaultdict(list)
    for fact in base.of_kind("container"):
        if fact.get("state") != "running" or str(fact.get("network_mode", "")).startswith(("container:", "host")):
            continue
        for end in fact.get("endpoints") or ():
            if end.get("address"):
                found[fact.node, str(end["address"])].append(_Held(fact, str(end.get("network", "")), str(end.get("mac", "")).lower()))
    return found


def _twins(held: dict[tuple[str, str], list[_Held]]) -> Iterator[Fact]:
    """Two running containers of one network with one address (those of a pod share their namespace, and so its address)."""
    for (node, address), holders in held.items():
        first = holders[0]
        rival = next((h for h in holders[1:] if h.network == first.network and h.namespace != first.namespace), None)
        if rival is not None:
            fields = {"what": "containers", "address": address, "one": first.name, "other": rival.name, "network": first.network}
            yield _fact(fields, node, rival.container)


def _answers(base: FactBase) -> Iterator[Fact]:
    """Two stations that answered one ARP question, or that the kernel heard of when it took an address."""
    for fact in base.of_kind("captured"):
        if fact.get("name") == "arp-contested":
            yield _fact({"what": "answers", "address": fact.get("address"), "one": fact.get("mac"), "other": fact.get("rival")}, fact.node, fact)
    for fact in base.of_kind("kernel_message"):
        if fact.get("name") == "address-taken":
            fields = {"what": "taken", "address": fact.get("dst"), "one": fact.get("in_device"), "other": fact.get("mac", "")}
            yield _fact(fields, fact.node, fact)


def _strangers(base: FactBase, held: dict[tuple[str, str], list[_Held]]) -> Iterator[Fact]:
    """A MAC in a machine's neighbour table that is not the one of the container that has the address."""
    for fact in base.of_kind("neighbor"):
        holders = held.get((fact.node, str(fact.get("address"))), []) if fact.stack == HOST else []
        mac = str(fact.get("mac", "")).lower()
        if mac and fact.get("state") not in GONE and len(holders) == 1 and holders[0].mac and holders[0].mac != mac:
            fields = {"what": "stranger", "address": fact.get("address"), "one": holders[0].mac, "other": mac, "network": holders[0].network}
            yield _fact({**fields, "holder": holders[0].name}, fact.node, fact)


def _fact(fields: dict[str, Any], node: str, origin: Fact) -> Fact:
    return Fact("contested_address", fields, node, HOST, origin.source, origin.line, origin.shown)
