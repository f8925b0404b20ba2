"""A machine of an overlay as its own listings show it, and as its Node object describes it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.facts import HOST
from engine.inet import Prefix, family_of, prefix
from engine.model.links import link_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.facts import Fact, FactBase
    from engine.model.links import Link

CONTAINER_BRIDGES: Final = ("docker", "br-", "cni", "cbr", "podman", "virbr", "lxdbr", "lxcbr", "crio", "nerdctl", "weave", "kube-bridge")
"""Beginnings of the names of bridges that container and virtual machine runtimes make."""

INNER_DEVICES: Final = ("lo", "flannel", "cali", "tunl", "vxlan", "cilium", "kube-", "dummy", "nodelocal", "tun", "wg", "veth")
INNER_TYPES: Final = frozenset({"vxlan", "ipip", "tun", "dummy", "loopback", "wireguard", "geneve", "gre"})
"""Devices by which no other machine is reached directly, by the beginnings of their names and by type."""

FLANNEL: Final = "flannel.alpha.coreos.com/"
CALICO: Final = "projectcalico.org/"


class Own(NamedTuple):
    """An address of a machine."""

    device: str
    text: str
    network: Prefix
    """Prefix that is on link by it."""
    fact: Fact


@dataclass
class Machine:
    """What a machine's own stack shows; "" and empty where nothing was collected."""

    node: str
    links: dict[str, Link] = field(default_factory=dict)
    addresses: list[Own] = field(default_factory=list)
    neighbors: list[Fact] = field(default_factory=list)
    fdb: list[Fact] = field(default_factory=list)
    routes: list[Fact] = field(default_factory=list)
    leases: list[Fact] = field(default_factory=list)
    hostname: str = ""

    def addresses_of(self, device: str) -> list[Own]:
        """Addresses of one device."""
        return [own for own in self.addresses if own.device == device]

    @property
    def uplinks(self) -> list[Own]:
        """IPv4 addresses by which other machines may reach this one: of cards, not of bridges for containers, tunnels and lo."""
        return [own for own in self.addresses if family_of(own.text) == 4 and own.network.length < 32 and not self.inner(own.device)]

    def inner(self, device: str) -> bool:
        """Whether a device serves this machine alone: lo, bridges of runtimes, tunnels, ends of containers."""
        link = self.links.get(device)
        kind = link.type if link is not None else ""
        return device.startswith((*CONTAINER_BRIDGES, *INNER_DEVICES)) or kind in INNER_TYPES


def machines(base: FactBase) -> dict[str, Machine]:
    """Machines by node name, from the facts of their own stacks."""
    found: dict[str, Machine] = {}
    links: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    ports = {(f.node, f.fields.get("device")): f for f in base.of_kind("bridge_port") if f.stack == HOST}
    for fact in base.of_kind("link"):
        if fact.stack == HOST and fact.fields.get("name"):
            links[fact.node, fact.fields["name"]].append(fact)
    for (node, name), facts in links.items():
        found.setdefault(node, Machine(node)).links[name] = link_of(facts, ports.get((node, name)))
    for fact in _here(base, "address"):
        own = _own(fact)
        if own is not None:
            found.setdefault(fact.node, Machine(fact.node)).addresses.append(own)
    for kind, name in (("neighbor", "neighbors"), ("fdb", "fdb"), ("route", "routes"), ("flannel_subnet", "leases")):
        for fact in _here(base, kind):
            getattr(found.setdefault(fact.node, Machine(fact.node)), name).append(fact)
    for fact in _here(base, "host"):
        if fact.node in found and fact.fields.get("hostname"):
            found[fact.node].hostname = fact.fields["hostname"]
    return found


def _here(base: FactBase, kind: str) -> Iterable[Fact]:
    return (fact for fact in base.of_kind(kind) if fact.stack == HOST)


def _own(fact: Fact) -> Own | None:
    try:
        text = str(fact.fields["address"])
        return Own(str(fact.fields.get("device", "")), text, prefix(f"{text}/{fact.fields.get('prefixlen', 128 if ':' in text else 32)}"), fact)
    except (KeyError, ValueError):
        return None


def object_of(base: FactBase, machine: Machine) -> Fact | None:
    """The Node object of a machine: of its name, or with its address."""
    nodes = base.of_kind("k8s_node")
    names = {machine.node, machine.hostname} - {""}
    own = {each.text for each in machine.uplinks}
    named = next((n for n in nodes if n.fields.get("name") in names), None)
    return named or next((n for n in nodes if own & set(n.fields.get("addresses", ()))), None)


def machine_of(found: Mapping[str, Machine], node: Fact) -> Machine | None:
    """The machine of a Node object, if its listings are there: of its name, or with its address."""
    name = str(node.fields.get("name", ""))
    addresses = set(node.fields.get("addresses", ()))
    named = next((m for m in found.values() if name in {m.node, m.hostname}), None)
    return named or next((m for m in found.values() if addresses & {own.text for own in m.uplinks}), None)


def note_of(node: Fact, key: str) -> str:
    """An annotation of a Node object, "" if it has none."""
    notes = node.fields.get("annotations") or {}
    return str(notes.get(key, ""))


def data_of(node: Fact, key: str) -> dict[str, object]:
    """An annotation that holds JSON; empty if it has none or does not parse."""
    import json

    try:
        read = json.loads(note_of(node, key) or "{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
