"""Addresses at which nodes take tunnel packets and which their peers cannot reach: another card's, a container bridge's, one that every node has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.facts import HOST, Fact
from engine.inet import Prefix, in_prefix, is_address, to_int
from engine.overlays.machines import CALICO, FLANNEL, Machine, machine_of, machines, note_of
from engine.overlays.vteps import program_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.facts import FactBase

RUNTIME_BRIDGE: Final = re.compile(
    r"docker0|docker_gwbridge|br-[0-9a-f]{12}|cni\d*|cni-podman\d+|podman\d+|virbr\d+|cbr0|crio-?\w*|lxcbr\d+|nerdctl\d+|lxdbr\d+"
)
"""Bridges that runtimes make for containers of one machine."""

DOCKER_DEFAULT: Final = "172.17.0.0/16"
PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


class End(NamedTuple):
    """Where a node takes tunnel packets."""

    owner: str
    address: str
    tunnel: str
    """Tunnel device, "" if it is not known."""
    program: str
    known_by: str
    machine: Machine | None
    fact: Fact


def all_ends(base: FactBase, found: dict[str, Machine]) -> Iterator[End]:
    """Ends as tunnel devices and as annotations of Node objects tell them."""
    for machine in found.values():
        for link in machine.links.values():
            if link.type == "vxlan" and link.vxlan_local and link.fact is not None and not link.vxlan_local.startswith("fe80"):
                yield End(machine.node, link.vxlan_local, link.name, program_of(link.name), "device", machine, link.fact)
    for node in base.of_kind("k8s_node"):
        name, known = str(node.fields.get("name", "")), machine_of(found, node)
        for program, key in (("flannel", f"{FLANNEL}public-ip"), ("calico", f"{CALICO}IPv4Address")):
            address = note_of(node, key).partition("/")[0]
            if is_address(address) and not note_of(node, f"{FLANNEL}public-ip-overwrite"):
                yield End(known.node if known is not None else name, address, "", program, "annotation", known, node)


def wrong(base: FactBase) -> Iterator[Fact]:
    """A ``tunnel_end`` fact for each end that its peers cannot reach, or only by a detour."""
    found = machines(base)
    ends = list(all_ends(base, found))
    certain = {at: "bridge" if _on_bridge(end) else "not-unique" for at, end in enumerate(ends) if _on_bridge(end) or _twice(end, ends, found)}
    sound = [end for at, end in enumerate(ends) if at not in certain]
    for at, end in enumerate(ends):
        others = [each for each in sound if each.owner != end.owner]
        why = certain.get(at) or ("not-shared" if _apart(end, others, found) else "")
        if why:
            yield _fact(end, why, others, found)


def _on_bridge(end: End) -> bool:
    """Whether the address is that of a bridge for containers which has no card among its ports."""
    if end.machine is None:
        internal = end.fact.fields.get("addresses", ())
        return in_prefix(end.address, DOCKER_DEFAULT) and bool(internal) and end.address not in internal
    bridge = next((own.device for own in end.machine.addresses if own.text == end.address), "")
    ports = [link for link in end.machine.links.values() if link.master == bridge and bridge]
    return bool(RUNTIME_BRIDGE.fullmatch(bridge)) and all(
        p.type in {"veth", "tun", "vxlan"} or p.name.startswith(("veth", "vnet", "tap")) for p in ports
    )


def _twice(end: End, ends: Sequence[End], found: dict[str, Machine]) -> bool:
    """Whether other machines have the address too: behind translators of hypervisors, each guest has the same (10.0.2.15)."""
    if end.machine is None:
        same = (each for each in ends if each.address == end.address and each.known_by == end.known_by)
        return any(each.owner != end.owner for each in same)
    mine = {own.text for own in end.machine.uplinks}
    if end.address not in mine:
        return False
    for other in found.values():
        theirs = {own.text for own in other.uplinks}
        # Two dumps of one machine have all addresses in common.
        if other is not end.machine and end.address in theirs and mine - theirs and theirs - mine:
            return True
    return False


def _apart(end: End, others: Sequence[End], found: dict[str, Machine]) -> bool:
    """Whether all other ends are in a network in which this node has an address, but its own end is where no other node is."""
    if end.machine is not None:
        network, _, _ = _better(end, others)
        here = [own.network for own in end.machine.uplinks if own.text == end.address]
        near = {o.text for m in found.values() if m is not end.machine for o in m.uplinks} | {each.address for each in others}
        return network is not None and bool(here) and not any(here[0].holds(to_int(text)) for text in near)
    internal = end.fact.fields.get("addresses", ())
    same = [each for each in others if each.known_by == "annotation" and each.program == end.program and each.machine is None]
    usual = bool(same) and all(each.address in each.fact.fields.get("addresses", ()) for each in same)
    return usual and bool(internal) and end.address not in internal and any(in_prefix(end.address, net) for net in PRIVATE)


def _better(end: End, others: Sequence[End]) -> tuple[Prefix | None, str, str]:
    """(network, address, device) of the node in the network that holds all other ends, its own end apart."""
    theirs = [to_int(each.address) for each in others if ":" not in each.address]
    for own in end.machine.uplinks if end.machine is not None and theirs else ():
        net = own.network
        if own.text != end.address and all(net.holds(value) for value in theirs) and not (":" not in end.address and net.holds(to_int(end.address))):
            return net, own.text, own.device
    return None, "", ""


def _shared(end: End, others: Sequence[End], found: dict[str, Machine]) -> tuple[str, str, str]:
    """(network, address, device) that this node should use: where the other ends are, else where other machines have addresses of their own."""
    network, address, device = _better(end, others)
    if network is not None:
        return str(network), address, device
    if end.machine is None:
        return "", next((a for a in end.fact.fields.get("addresses", ()) if a != end.address), ""), ""
    for own in end.machine.uplinks:
        near = [o for m in found.values() if m is not end.machine for o in m.uplinks if o.network == own.network]
        if own.text != end.address and near and all(o.text != own.text for o in near):
            return str(own.network), own.text, own.device
    alone = [own for own in end.machine.uplinks if own.text != end.address]
    return (str(alone[0].network), alone[0].text, alone[0].device) if len(alone) == 1 else ("", "", "")


def _fact(end: End, why: str, others: Sequence[End], found: dict[str, Machine]) -> Fact:
    network, better, device = _shared(end, others, found)
    held = next((own.device for own in end.machine.addresses if own.text == end.address), "") if end.machine is not None else ""
    fields = {
        "owner": end.owner,
        "address": end.address,
        "device": held,
        "tunnel": end.tunnel or ("flannel.1" if end.program == "flannel" else ""),
        "program": end.program,
        "known_by": end.known_by,
        "wrong": why,
        "network": network,
        "better": better,
        "better_device": device,
    }
    kept = {name: value for name, value in fields.items() if value}
    node = end.machine.node if end.machine is not None else end.fact.node
    shown = end.fact.shown
    if end.known_by == "annotation":
        key = f"{CALICO}IPv4Address" if end.program == "calico" else f"{FLANNEL}public-ip"
        shown = f"node {end.fact.fields.get('name', '')}: {key} {note_of(end.fact, key)}"
    return Fact("tunnel_end", kept, node, HOST, end.fact.source, end.fact.line, shown)
