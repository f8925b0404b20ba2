"""Addresses that two stations claim, by what runtimes, captures, arping and neighbour tables say: no walk and no look at the stations is needed."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.facts import HOST, Fact
from engine.suppose.clues import NICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase

WIRES: Final = re.compile(r"(?:cali|veth|lxc|eni|azv|gke|ve-|vb-)[\w.-]*")
"""Host's ends of containers' wires."""
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
    def namespace(self) -> str:
        """What containers of one network namespace have in common."""
        return str(self.container.get("namespace") or self.container.get("pod") or self.container.get("id"))


def contested(base: FactBase) -> Iterator[Fact]:
    """A ``contested_address`` fact for every address that two stations hold or answer for."""
    held = _held(base)
    yield from _twins(held)
    yield from _answers(base)
    yield from _strangers(base, held)
    yield from _given_away(base)


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


def _given_away(base: FactBase) -> Iterator[Fact]:
    """An address of a node's own that a pod there was given as well: what is for the pod ends on the node, whose local table is asked first."""
    own = {(f.node, str(f.get("address"))): str(f.get("device")) for f in base.of_kind("address") if f.stack == HOST}
    told: set[tuple[str, str]] = set()
    for fact in base.of_kind("route"):
        address, _, length = str(fact.get("dst", "")).partition("/")
        device, wire = own.get((fact.node, address), ""), str(fact.get("device", ""))
        if fact.stack == HOST and length in {"32", "128"} and not fact.get("gateway") and device not in {"", wire} and WIRES.fullmatch(wire):
            told.add((fact.node, address))
            yield _fact({"what": "own", "address": address, "one": device, "other": wire}, fact.node, fact)
    for fact in base.of_kind("pod"):
        node = str(fact.get("node_name", ""))
        for address in fact.get("ips", ()) if not fact.get("host_network") else ():
            device = own.get((node, str(address)), "")
            if device and not NICS.fullmatch(device) and (node, str(address)) not in told:
                yield _fact({"what": "own", "address": address, "one": device, "other": str(fact.get("full", ""))}, node, fact)


def _fact(fields: dict[str, Any], node: str, origin: Fact) -> Fact:
    return Fact("contested_address", fields, node, HOST, origin.source, origin.line, origin.shown)
