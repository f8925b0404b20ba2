"""Ends of VXLAN tunnels (VTEPs), and what other machines hold of them.

A device that routes (flannel.1, vxlan.calico) has a MAC that its peers must know: frames for another one are dropped, and so are frames that bear the
receiver's own.  A device that is a bridge's port carries the MACs of what hangs on the bridge: it is none of these.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.facts import HOST, Fact
from engine.inet import prefixes
from engine.model.links import Link
from engine.overlays.machines import CALICO, FLANNEL, Machine, data_of, machine_of, machines, note_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.facts import FactBase

ROUTING_DEVICE: Final = re.compile(r"flannel(?:-v6)?\.\d+|vxlan(?:-v6)?\.calico")
"""Devices that overlay programs make for routing, and whose entries they write themselves."""

CALICO_VNI: Final = 4096
NOBODY: Final = "00:00:00:00:00:00"
"""MAC of the entry that floods."""


class Vtep(NamedTuple):
    """One end."""

    owner: str
    """Machine or Node object."""
    device: str
    vni: int
    mac: str
    outers: frozenset[str]
    """Addresses at which it takes tunnel packets, as far as known."""
    inner: frozenset[str]
    """Overlay addresses that lead to it."""
    fact: Fact
    program: str = ""
    """flannel | calico, where the device's name or the annotation tells."""

    @property
    def outer(self) -> str:
        """Its address for tunnel packets, "" if that is not known for sure."""
        return next(iter(self.outers)) if len(self.outers) == 1 else ""


def vni_of(link: Link) -> int | None:
    """VNI of a device that routes into a VXLAN; ``None`` for any other device."""
    if link.master or link.mac == NOBODY or (not link.mac and link.fact is not None):
        return None
    if link.type == "vxlan":
        return link.vxlan_id
    if link.type or not ROUTING_DEVICE.fullmatch(link.name):
        return None
    number = link.name.rpartition(".")[2]  # "ip link" without -d shows no VNI
    return int(number) if number.isdecimal() else CALICO_VNI


def program_of(device: str) -> str:
    """The program that makes devices of this name, "" if it is anybody's."""
    if not ROUTING_DEVICE.fullmatch(device):
        return ""
    return "flannel" if device.startswith("flannel") else "calico"


def own(found: dict[str, Machine]) -> Iterator[Vtep]:
    """VTEPs as their own machines list them."""
    for machine in found.values():
        for link in machine.links.values():
            vni = vni_of(link)
            if vni is None or link.fact is None:
                continue
            outers = {link.vxlan_local} if link.vxlan_local else {each.text for each in machine.uplinks}
            inner = {each.text for each in machine.addresses_of(link.name) if not each.text.startswith("fe80:")}
            if link.name.startswith("flannel."):
                inner |= {first for lease in machine.leases for first in _first(lease.fields.get("subnet"))}
            yield Vtep(machine.node, link.name, vni, link.mac, frozenset(outers), frozenset(inner), link.fact, program_of(link.name))


def announced(base: FactBase) -> Iterator[Vtep]:
    """VTEPs as their programs tell the others, by annotations of Node objects."""
    for node in base.of_kind("k8s_node"):
        name, cidrs = str(node.fields.get("name", "")), node.fields.get("pod_cidrs", ())
        for suffix, version in (("", 4), ("-v6", 6)):
            data = data_of(node, f"{FLANNEL}backend{suffix}-data")
            mac, vni = str(data.get("VtepMAC", "")).lower(), data.get("VNI")
            if mac.count(":") == 5 and isinstance(vni, int):
                outer = note_of(node, f"{FLANNEL}public-ip{'v6' if suffix else ''}")
                inner = frozenset(text for cidr in cidrs for text in _first(cidr) if (":" in text) == (version == 6))
                yield Vtep(name, f"flannel{suffix}.{vni}", vni, mac, frozenset({outer} - {""}), inner, node, "flannel")
        mac = note_of(node, f"{CALICO}VXLANTunnelMACAddr").lower()
        if mac.count(":") == 5:
            outer = note_of(node, f"{CALICO}IPv4Address").partition("/")[0]
            inner = frozenset({note_of(node, f"{CALICO}IPv4VXLANTunnelAddr")} - {""})
            yield Vtep(name, "vxlan.calico", CALICO_VNI, mac, frozenset({outer} - {""}), inner, node, "calico")


def _first(cidr: object) -> list[str]:
    """First address of a prefix: the one that flannel gives its device."""
    return [str(net).partition("/")[0] for net in prefixes([cidr])]


# --- entries that do not fit ------------------------------------------------------------------------------------------


class _Held(NamedTuple):
    """What one device of a machine holds."""

    machine: Machine
    link: Link
    neighbors: list[Fact]
    fdb: list[Fact]

    def leading(self, mac: str) -> list[Fact]:
        """Entries of the forwarding database for a MAC."""
        return [f for f in self.fdb if f.fields.get("mac") == mac]


def stale(base: FactBase) -> Iterator[Fact]:
    """A ``vtep_stale`` fact for each VTEP of which a machine holds another MAC, or another address, than it has; for announcements too."""
    found = machines(base)
    listed = list(own(found))
    told = list(announced(base))
    unlisted = [each for each in told if not _listed(each, found)]
    for machine in found.values():
        for link in _routing(machine):
            vni = vni_of(link)
            if vni is not None:
                peers = [each for each in (*listed, *unlisted) if each.owner != machine.node and each.vni == vni and not _is(each, machine, link)]
                yield from _compared(_held(machine, link), peers, {own.text for m in found.values() for own in m.uplinks})
    yield from _misannounced(found, listed, told)


def _routing(machine: Machine) -> Iterator[Link]:
    """Devices of a machine, and those that only its entries show to be there."""
    yield from machine.links.values()
    named = {str(f.fields.get("device", "")) for f in (*machine.neighbors, *machine.fdb)}
    yield from (Link(name) for name in sorted(named - machine.links.keys()) if ROUTING_DEVICE.fullmatch(name))


def _listed(vtep: Vtep, found: dict[str, Machine]) -> bool:
    """Whether the machine of an announced VTEP shows the device itself."""
    machine = machine_of(found, vtep.fact)
    return machine is not None and any(vni_of(link) == vtep.vni for link in machine.links.values())


def _is(vtep: Vtep, machine: Machine, link: Link) -> bool:
    """Whether a VTEP is this very device under another name: the same MAC and the same address."""
    return vtep.mac == link.mac and bool(vtep.outers & {link.vxlan_local, *(each.text for each in machine.uplinks)})


def _held(machine: Machine, link: Link) -> _Held:
    """Entries of a device; those of a listing that does not name its device are the only routing device's."""
    alone = sum(vni_of(each) is not None for each in machine.links.values()) == 1
    fdb = [f for f in machine.fdb if f.fields.get("dst") and (f.fields.get("device") == link.name or ("device" not in f.fields and alone))]
    neighbors = [f for f in machine.neighbors if f.fields.get("device") == link.name and f.fields.get("mac")]
    return _Held(machine, link, neighbors, fdb)


def _compared(held: _Held, peers: Sequence[Vtep], known: set[str]) -> Iterator[Fact]:
    shared = {outer for each in peers for outer in each.outers if sum(outer in other.outers for other in peers) > 1}
    for peer in peers:
        neighbor = next((f for f in held.neighbors if f.fields.get("address") in peer.inner), None)
        if neighbor is not None and neighbor.fields["mac"] != peer.mac:
            yield _fact(held, peer, neighbor, "neighbor")
            continue
        if any(other.mac == peer.mac for other in peers if other is not peer):
            continue  # one MAC leads to one of them only: a fault of its own
        entry = _entry(held, peer, peer.outers - shared, known)
        if entry is not None:
            yield _fact(held, peer, entry, "fdb", str(neighbor.fields["address"]) if neighbor is not None else "")


def _entry(held: _Held, peer: Vtep, outers: frozenset[str], known: set[str]) -> Fact | None:
    """The entry of the forwarding database that leads astray; ``None`` if one leads to the peer, or none can be told to be meant for it."""
    mine = held.leading(peer.mac)
    if mine:
        # An address that nobody is known to have may be the peer's behind a translation.
        astray = [f for f in mine if f.fields["dst"] in known - peer.outers]
        return astray[0] if len(astray) == len(mine) and peer.outers else None
    if any(f.fields.get("mac") == NOBODY for f in held.fdb):
        return None
    return next((f for f in held.fdb if f.fields["dst"] in outers), None)


def _fact(held: _Held, peer: Vtep, entry: Fact, kind: str, address: str = "") -> Fact:
    mac = str(entry.fields["mac"])
    reached = next((f.fields["dst"] for f in held.leading(mac)), None)
    fields = {
        "device": held.link.name,
        "vni": peer.vni,
        "entry": kind,
        "mac": mac,
        "dst": reached,
        "peer": peer.owner,
        "peer_device": peer.device,
        "peer_mac": peer.mac,
        "peer_outer": peer.outer or reached,
        "address": str(entry.fields.get("address", "")) or address or _one(peer.inner),
        "program": peer.program,
    }
    return _placed("vtep_stale", fields, held.machine.node, entry)


def _one(inner: frozenset[str]) -> str:
    return next(iter(inner)) if len(inner) == 1 else ""


def _misannounced(found: dict[str, Machine], listed: Sequence[Vtep], told: Sequence[Vtep]) -> Iterator[Fact]:
    """Nodes whose annotation tells another MAC than their device has."""
    for each in told:
        machine = machine_of(found, each.fact)
        device = next((v for v in listed if machine is not None and v.owner == machine.node and v.vni == each.vni), None)
        if device is not None and device.mac != each.mac:
            fields = {
                "device": device.device,
                "vni": each.vni,
                "entry": "annotation",
                "mac": each.mac,
                "peer": device.owner,
                "peer_device": device.device,
                "peer_mac": device.mac,
                "peer_outer": device.outer,
                "address": _one(device.inner),
                "program": each.program,
            }
            yield _placed("vtep_stale", fields, device.owner, each.fact)


def _placed(kind: str, fields: dict[str, object], node: str, origin: Fact) -> Fact:
    """A computed fact with the line of the entry that it is about."""
    kept = {name: value for name, value in fields.items() if value not in {None, ""}}
    shown = origin.shown
    if origin.kind == "k8s_node":
        shown = f"node {origin.fields.get('name', '')}: {fields.get('program') or 'overlay'} announces the MAC {fields.get('mac', '')}"
    return Fact(kind, kept, node, HOST, origin.source, origin.line, shown)


# --- one MAC twice ----------------------------------------------------------------------------------------------------


def twins(base: FactBase) -> Iterator[Fact]:
    """A ``vtep_twin`` fact for each pair of different VTEPs of one VNI that have one MAC; placed on the one that peers do not find."""
    found = machines(base)
    listed, told = sorted(own(found), key=_name), sorted(announced(base), key=_name)
    for group, known_by in ((listed, "device"), (told, "annotation")):
        for at, one in enumerate(group):
            for other in group[at + 1 :]:
                if (one.mac, one.vni) == (other.mac, other.vni) and one.owner != other.owner and _apart(one, other):
                    # Peers find one of them: the other is lost, and a MAC of its own mends that.
                    kept, lost = (one, other) if _led(found, one) >= _led(found, other) else (other, one)
                    yield _twin(kept, lost, known_by, found)
    for machine in found.values():
        yield from _seen_from(machine)


def _led(found: dict[str, Machine], vtep: Vtep) -> int:
    """How many entries of other machines lead to a VTEP."""
    mine = (f for m in found.values() if m.node != vtep.owner for f in m.fdb if f.fields.get("mac") == vtep.mac)
    return sum(f.fields.get("dst") in vtep.outers for f in mine)


def _name(vtep: Vtep) -> tuple[str, str]:
    return vtep.owner, vtep.device


def _apart(one: Vtep, other: Vtep) -> bool:
    """Whether two dumps are of two machines: they have addresses, and share none (a machine may have been collected twice)."""
    inner = not one.inner or not other.inner or one.inner != other.inner
    return bool(one.outers and other.outers) and one.outers != other.outers and inner


def _twin(one: Vtep, other: Vtep, known_by: str, found: dict[str, Machine]) -> Fact:
    machine = machine_of(found, other.fact) if known_by == "annotation" else found[other.owner]
    node = machine.node if machine is not None else other.fact.node
    fields = {
        "device": other.device,
        "vni": one.vni,
        "mac": one.mac,
        "known_by": known_by,
        "one": one.owner,
        "one_outer": one.outer,
        "other": other.owner,
        "other_outer": other.outer,
        "address": _one(other.inner),
        "program": other.program,
    }
    return _placed("vtep_twin", fields, node, other.fact)


def _seen_from(machine: Machine) -> Iterator[Fact]:
    """Twins among the entries that an overlay program wrote on one machine: two next hops of one MAC, or one of the machine's own."""
    for link in machine.links.values():
        vni = vni_of(link)
        if vni is None or not ROUTING_DEVICE.fullmatch(link.name):
            continue
        held = [f for f in machine.neighbors if f.fields.get("device") == link.name and f.fields.get("state") == "PERMANENT" and f.fields.get("mac")]
        first: dict[str, Fact] = {}
        for entry in held:
            mac, address = str(entry.fields["mac"]), str(entry.fields.get("address", ""))
            before = first.setdefault(mac, entry)
            mine = mac == link.mac and not any(each.text == address for each in machine.addresses_of(link.name))
            twice = before is not entry and before.fields.get("address") != address
            if mine or (twice and (":" in address) == (":" in str(before.fields.get("address")))):
                one = machine.node if mine else str(before.fields.get("address"))
                fields = {
                    "device": link.name,
                    "vni": vni,
                    "mac": mac,
                    "known_by": "neighbor",
                    "one": one,
                    "other": address,
                    "address": address,
                    "program": program_of(link.name),
                }
                yield _placed("vtep_twin", fields, machine.node, entry)
