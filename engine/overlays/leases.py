"""Machines whose docker0 is not in flannel's lease, where docker0 is the bridge of the overlay's containers.

Beside a CNI plug-in docker0 may be whatever it likes: cni0 holds the lease there.  That docker0 is meant shows where its subnet is flannel's (an
older lease), or where another machine's docker0 holds that machine's lease.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.facts import HOST, Fact
from engine.inet import Prefix, prefix, prefixes, to_int, to_text
from engine.overlays.machines import Machine, machines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.facts import FactBase

DOCKER0 = "docker0"


class Lease(NamedTuple):
    """What flannel gave a machine."""

    subnet: Prefix
    gateway: str
    """The address that the bridge should have."""
    network: Prefix | None
    fact: Fact


class Bridge(NamedTuple):
    """What docker0 is."""

    subnet: Prefix
    address: str
    fact: Fact


def mismatches(base: FactBase) -> Iterator[Fact]:
    """A ``lease_mismatch`` fact for each machine whose docker0 is not in its lease."""
    found = machines(base)
    networks = {f.node: f for f in base.of_kind("container_network") if f.fields.get("bridge") == DOCKER0}
    for node in networks:
        found.setdefault(node, Machine(node))
    used = {node: bridge for node, machine in found.items() for bridge in [_bridge(machine, networks)] if bridge is not None}
    leases = {node: lease for node, machine in found.items() for lease in [_lease(machine, used.get(node))] if lease is not None}
    for node, bridge in used.items():
        lease = leases.get(node)
        if lease is None or lease.subnet.overlaps(bridge.subnet) or _by_plugin(base, found[node], lease):
            continue
        yield _fact(node, lease, bridge, _meant(node, lease, bridge, used, leases))


def _bridge(machine: Machine, networks: Mapping[str, Fact]) -> Bridge | None:
    for own in machine.addresses_of(DOCKER0):
        if own.network.family == 4:
            return Bridge(own.network, own.text, own.fact)
    network = networks.get(machine.node)
    if network is None or machine.addresses:
        return None
    for net in prefixes(network.fields.get("subnets", ())):
        gateway = next(iter(network.fields.get("gateways", ())), "") or to_text(net.value + 1)
        if net.family == 4:
            return Bridge(net, gateway, network)
    return None


def _lease(machine: Machine, bridge: Bridge | None) -> Lease | None:
    """The lease by subnet.env, else by the address of flannel's device, the first of the lease (then as wide as docker0's subnet)."""
    for fact in machine.leases:
        gateway = str(fact.fields.get("subnet", "")).partition("/")[0]
        for subnet in prefixes([fact.fields.get("subnet", "")]):
            return Lease(subnet, gateway, next(iter(prefixes([fact.fields.get("network", "")])), None), fact)
    for own in machine.addresses:
        if bridge is not None and own.device.startswith("flannel") and own.network.family == 4:
            subnet = prefix(f"{own.text}/{max(bridge.subnet.length, 24)}")
            # The device of the UDP backend tells the whole network; else it is taken for as wide as flannel's usual one.
            wide = own.network if own.network.length < subnet.length else prefix(f"{own.text}/16")
            return Lease(subnet, to_text(subnet.value + 1), wide, own.fact)
    return None


def _by_plugin(base: FactBase, machine: Machine, lease: Lease) -> bool:
    """Whether another bridge serves the lease, or a CNI configuration says that one will."""
    elsewhere = (own for own in machine.addresses if own.device != DOCKER0 and not own.device.startswith("flannel") and own.network.family == 4)
    others = any(lease.subnet.holds(to_int(own.text)) for own in elsewhere)
    configured = any(f.node == machine.node and not f.fields.get("disabled") and f.fields.get("types") for f in base.of_kind("cni_config"))
    bridges = any(name in machine.links for name in ("cni0", "cbr0"))
    return others or configured or bridges


def _meant(node: str, lease: Lease, bridge: Bridge, used: Mapping[str, Bridge], leases: Mapping[str, Lease]) -> str:
    """Why docker0 is taken for the overlay's bridge; "" if nothing says so."""
    if lease.network is not None and lease.network.covers(bridge.subnet):
        return "inside"
    siblings = (other for other in used if other != node and other in leases and leases[other].subnet.overlaps(used[other].subnet))
    return "sibling" if next(siblings, "") else ""


def _fact(node: str, lease: Lease, bridge: Bridge, meant: str) -> Fact:
    fields = {
        "subnet": str(bridge.subnet),
        "address": bridge.address,
        "lease": str(lease.subnet),
        "gateway": f"{lease.gateway}/{lease.subnet.length}",
        "old_bip": f"{bridge.address}/{bridge.subnet.length}",
        "meant": meant,
        "told_by": "subnet.env" if lease.fact.kind == "flannel_subnet" else str(lease.fact.fields.get("device", "")),
    }
    return Fact("lease_mismatch", fields, node, HOST, bridge.fact.source, bridge.fact.line, bridge.fact.shown)
