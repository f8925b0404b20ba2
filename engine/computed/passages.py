"""Where packets were last seen, by two captures of them, or by one of all devices of a machine.

Two laws.  What one machine's capture shows, and another's does not that sees the other packets of the same two ends, ran at that time and would
have shown it, was lost between them.  What came in by one device and left by none, while the packets that it belongs with pass, was lost inside.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.computed.bpf import Shown, shows
from engine.facts import HOST, Fact
from engine.inet import in_prefix, is_address, prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.facts import FactBase

SLACK: Final = 0.05
"""Seconds by which clocks may differ, and a packet may be under way."""
ALL_DEVICES: Final = "any"
MOST: Final = 40
"""Captures that are held against each other; a person pastes fewer."""
_Key = tuple[Any, ...]


class _Capture(NamedTuple):
    """One capture on a machine's own devices."""

    fact: Fact
    packets: Sequence[Fact]
    keys: frozenset[_Key]
    """What tells one of its packets from another."""
    pairs: frozenset[frozenset[str]]
    """Ends between which it shows packets, on the wire."""

    @property
    def device(self) -> str:
        """Where it was made."""
        return str(self.fact.get("device", ""))

    def ran(self, packet: Fact) -> bool:
        """Whether it ran when a packet of another capture was seen; one that says that it saw none was made for that very try."""
        if "first" not in self.fact.fields:
            return bool(self.fact.get("empty"))
        begin, end = float(self.fact.get("first")) - SLACK, float(self.fact.get("last")) + SLACK
        return any(begin <= float(packet.get(at, -1.0)) <= end for at in ("first", "last"))

    def would_show(self, packet: Fact) -> bool:
        """Whether its filter surely lets a packet through."""
        return "filter" in self.fact.fields and shows(str(self.fact.get("filter")), _header(packet)) is True


def lost_between(base: FactBase) -> Iterator[Fact]:
    """A ``lost_between`` fact for every packet that left one machine and did not arrive at the other."""
    captures = _captures(base)
    for one in captures:
        for other in captures:
            if one.fact.node != other.fact.node:
                lost = (p for p in one.packets if _missed(base, p, other) and not _answered(base, p))
                yield from (_lost(base, one, other, packet) for packet in lost)


def _captures(base: FactBase) -> list[_Capture]:
    """Captures on machines, with what each shows."""
    shown: dict[tuple[str, int], list[Fact]] = defaultdict(list)
    for fact in base.of_kind("sighting"):
        shown[fact.node, id(fact.source)].append(fact)
    return [_capture(f, shown[f.node, id(f.source)]) for f in base.of_kind("capture") if f.stack == HOST][:MOST]


def _capture(fact: Fact, packets: Sequence[Fact]) -> _Capture:
    pairs = frozenset(frozenset({header.src, header.dst}) for header in map(_header, packets))
    return _Capture(fact, packets, frozenset(map(_key, packets)), pairs)


def _header(packet: Fact) -> Shown:
    """The header that is on the wire."""
    if packet.get("outer_dst"):
        return Shown(str(packet.get("outer_src")), str(packet.get("outer_dst")), "udp", 0, int(packet.get("outer_dport", 0)))
    ends = str(packet.get("src")), str(packet.get("dst")), str(packet.get("protocol", ""))
    return Shown(*ends, int(packet.get("sport", 0)), int(packet.get("dport", 0)))


def _key(packet: Fact) -> _Key:
    return tuple(packet.get(name) for name in ("src", "dst", "sport", "dport", "protocol", "what"))


def _missed(base: FactBase, packet: Fact, other: _Capture) -> bool:
    """Whether another machine's capture lacks a packet that it would show, had it arrived."""
    header = _header(packet)
    near = {header.src, header.dst} in other.pairs
    if not near and not (other.fact.get("empty") and _holds(base, other, header.dst)):
        return False
    return _key(packet) not in other.keys and other.ran(packet) and other.would_show(packet)


def _answered(base: FactBase, packet: Fact) -> bool:
    """Whether client programs tell that the packet's ends reach each other, and none that they do not: a capture may be cut short."""
    ends = {packet.get("src"), packet.get("dst")}
    tried = [f for f in base.of_kind("observed") if f.get("address") in ends and f.get("protocol") == packet.get("protocol")]
    return bool(tried) and all(f.get("outcome") == "connected" for f in tried)


def _holds(base: FactBase, capture: _Capture, address: str) -> bool:
    """Whether what is for an address comes by where a capture was made: the device has it, or somebody behind that machine."""
    node = capture.fact.node
    own = [f for f in base.of_kind("address") if f.node == node and f.get("address") == address]
    if any(f.stack == HOST for f in own):
        return any(capture.device in {ALL_DEVICES, f.get("device")} for f in own if f.stack == HOST)
    single = f"{address}/{128 if ':' in address else 32}"
    return bool(own) or any(r.get("dst") == single and not r.get("gateway") for r in base.at("route", node, HOST))


def _lost(base: FactBase, one: _Capture, other: _Capture, packet: Fact) -> Fact:
    names = ("src", "dst", "sport", "dport", "protocol", "what", "outer_src", "outer_dst", "outer_dport", "src_mac", "dst_mac", "count")
    fields = {name: packet.get(name) for name in names if name in packet.fields}
    fields |= {"device": one.device, "to_node": other.fact.node, "to_device": other.device, "tunnelled": "outer_dst" in packet.fields}
    fields |= {"behind": _behind(base, one, str(packet.get("src"))), "toward": _toward(base, one, other, str(packet.get("dst")))}
    macs = {"mac": _mac(base, one), "to_mac": _mac(base, other)}
    return Fact("lost_between", fields | {name: mac for name, mac in macs.items() if mac}, packet.node, packet.stack, packet.source, packet.line)


def _way(base: FactBase, node: str, address: str) -> Fact | None:
    """A machine's most specific route to an address, of its main table; ``None`` if none was seen."""
    shown = (r for r in base.at("route", node, HOST) if r.get("table", "main") == "main" and r.get("dst"))
    return max((r for r in shown if in_prefix(address, str(r.get("dst")))), key=lambda r: prefix(str(r.get("dst"))).length, default=None)


def _behind(base: FactBase, one: _Capture, src: str) -> bool:
    """Whether a source is no address of the machine that sent it on, but of somebody on a wire of its own there: a container."""
    if not is_address(src) or any(f.get("address") == src for f in base.at("address", one.fact.node, HOST)):
        return False
    way = _way(base, one.fact.node, src)
    return way is not None and not way.get("gateway") and way.get("type", "unicast") == "unicast" and way.get("device") not in {None, one.device}


def _toward(base: FactBase, one: _Capture, other: _Capture, dst: str) -> bool:
    """Whether the machine where a packet did not arrive is the one that the sender's route gave it to."""
    way = _way(base, one.fact.node, dst) if is_address(dst) else None
    if way is None or way.get("device") != one.device:
        return False
    hop = str(way.get("gateway") or dst)
    return any(hop in {f.get("address"), f.get("src")} for kind in ("address", "route") for f in base.at(kind, other.fact.node, HOST))


def _mac(base: FactBase, capture: _Capture) -> str:
    """The MAC of the device that a capture was made on; "" if it was not seen."""
    links = base.at("link", capture.fact.node, HOST)
    return next((str(f.get("mac")) for f in links if f.get("name") == capture.device and f.get("mac")), "")


def lost_inside(base: FactBase) -> Iterator[Fact]:
    """A ``lost_inside`` fact for every packet that a machine took by one device and sent by none, though it passes those of the other direction on.

    Only a packet that was sent again counts, or one for which the other side asked again: the last one of a capture is seen half.
    """
    for capture in _captures(base):
        if capture.device != ALL_DEVICES:
            continue
        came = [p for p in capture.packets if p.get("way") in {"in", "p"}]
        left = {_key(p) for p in capture.packets if p.get("way") == "out"}
        passed = {(src, dst) for src, dst, *_ in {_key(p) for p in came} & left}
        again = {(p.get("src"), p.get("dst")) for p in came if int(p.get("count", 1)) > 1}
        for packet in came:
            there, back = (packet.get("src"), packet.get("dst")), (packet.get("dst"), packet.get("src"))
            if _key(packet) not in left and back in passed and {there, back} & again and not _answered(base, packet):
                names = ("src", "dst", "sport", "dport", "protocol", "what", "device", "count")
                fields = {name: packet.get(name) for name in names if name in packet.fields}
                yield Fact("lost_inside", fields, packet.node, packet.stack, packet.source, packet.line)
