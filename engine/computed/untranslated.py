"""Packets that left a card as they should not: for the internet, with the address of a container, to which nobody out there knows the way."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.facts import HOST, Fact
from engine.inet import in_prefix, prefix, prefixes
from engine.suppose.clues import NICS, default_address, runtime_of, usual_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.facts import FactBase

PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
NOT_OUTSIDE: Final = (*PRIVATE, "169.254.0.0/16", "127.0.0.0/8", "224.0.0.0/4")


class _Sent(NamedTuple):
    """A packet that a capture shows on a device."""

    fact: Fact
    device: str

    @property
    def src(self) -> str:
        """Source address."""
        return str(self.fact.get("src"))

    @property
    def dst(self) -> str:
        """Destination address."""
        return str(self.fact.get("dst"))

    def leaves(self) -> bool:
        """Whether it is on a card, not on its way in, with a private source and for the internet."""
        bare = NICS.fullmatch(self.device) and self.fact.get("way", "out") == "out" and "outer_dst" not in self.fact.fields
        return bool(bare) and ":" not in self.src and _within(self.src, PRIVATE) and not _within(self.dst, NOT_OUTSIDE)


def untranslated(base: FactBase) -> Iterator[Fact]:
    """An ``untranslated`` fact for every network of containers one of whose packets left a card so, and was not answered."""
    shown: dict[tuple[str, int], list[_Sent]] = defaultdict(list)
    devices = {(f.node, id(f.source)): str(f.get("device", "")) for f in base.of_kind("capture") if f.stack == HOST}
    for fact in base.of_kind("sighting"):
        if (key := (fact.node, id(fact.source))) in devices:
            shown[key].append(_Sent(fact, str(fact.get("device") or devices[key])))
    told: set[tuple[str, str, str]] = set()
    for packets in shown.values():
        answered = {(p.dst, p.src) for p in packets}
        for packet in (p for p in packets if p.leaves() and (p.src, p.dst) not in answered):
            bridge, net = _home(base, packet, packets)
            if bridge and (packet.fact.node, packet.device, net) not in told:
                told.add((packet.fact.node, packet.device, net))
                yield _fact(packet, bridge, net)


def _fact(packet: _Sent, bridge: str, net: str) -> Fact:
    fields = {"src": packet.src, "dst": packet.dst, "in_device": bridge, "out_device": packet.device, "network": net}
    fields["protocol"] = str(packet.fact.get("protocol", ""))
    return Fact("untranslated", fields, packet.fact.node, HOST, packet.fact.source, packet.fact.line)


def _within(address: str, ranges: Sequence[str]) -> bool:
    return any(in_prefix(address, net) for net in ranges)


def _home(base: FactBase, packet: _Sent, packets: Sequence[_Sent]) -> tuple[str, str]:
    """The runtime's bridge that a packet's sender is behind, and its subnet; "" for any other sender."""
    known = (found for found in _subnets(base, packet.fact.node) if runtime_of(found[0]) and in_prefix(packet.src, found[1]))
    if (found := next(known, None)) is not None:
        return found
    came = (p.device for p in packets if p.fact.get("way") == "in" and (p.src, p.dst) == (packet.src, packet.dst))
    bridge = next((device for device in came if runtime_of(device)), "")
    if not bridge:
        return "", ""
    usual = default_address(bridge)
    return bridge, str(prefix(usual if usual and in_prefix(packet.src, usual) else f"{packet.src}/{usual_length(packet.src)}"))


def _subnets(base: FactBase, node: str) -> Iterator[tuple[str, str]]:
    """(device, IPv4 subnet) of what a node's routes, addresses and runtime networks tell."""
    for fact in base.at("route", node, HOST):
        if not fact.get("gateway") and "/" in str(fact.get("dst")) and ":" not in str(fact.get("dst")):
            yield str(fact.get("device")), str(fact.get("dst"))
    for fact in base.at("address", node, HOST):
        if fact.get("prefixlen") and ":" not in str(fact.get("address")):
            yield str(fact.get("device")), str(prefix(f"{fact.get('address')}/{fact.get('prefixlen')}"))
    for fact in base.of_kind("container_network"):
        if fact.node == node and fact.get("bridge"):
            yield from ((str(fact.get("bridge")), str(net)) for net in prefixes(fact.get("subnets", ())) if net.family == 4)
