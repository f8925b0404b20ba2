"""Matches of iptables rules, three-valued: ``True``, ``False``, or ``None`` where the evidence does not tell.

They are named tuples, for there are many classes of them and a class of that kind is made in a sixth of the time of a frozen dataclass.
Each match is built from the words of a rule and asked with a packet and its place.  A match that is not modelled is an
:class:`Unmodelled`, whose answer is always ``None``: never a guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from engine.phrases import phrase

if TYPE_CHECKING:
    from engine.inet import Prefix
    from engine.model.packet import HookContext, Packet

Tri = bool | None

BARE = {4: 28, 6: 48}
"""Octets of the headers of an IPv4 and IPv6 packet of UDP or ICMP."""
MOST = 65535
"""Octets of the largest packet."""


class Surroundings(Protocol):
    """What matches ask of the stack they are evaluated on."""

    def address_type(self, family: int, value: int, device: str = "") -> str:
        """RTN type by the local table only: LOCAL, BROADCAST, UNICAST, MULTICAST …; with a device: as seen on it."""
        ...

    def address_kinds(self, value: int, device: str) -> set[str]:
        """LOCAL, ANYCAST, UNREACHABLE, as far as they hold for an IPv6 address; with a device: as seen on it."""
        ...

    def in_set(self, name: str, directions: tuple[str, ...], packet: Packet, context: HookContext) -> Tri:
        """Membership of the packet in an ipset."""
        ...

    def reverse_path(self, packet: Packet, context: HookContext, *, loose: bool, accept_local: bool) -> Tri:
        """Whether the best route back to the source uses the input device."""
        ...


class Match(Protocol):
    """One condition of a rule."""

    @property
    def text(self) -> str:
        """The words it was made of, for reports."""
        ...

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the packet fits."""
        ...


class Negated(NamedTuple):
    """``!`` in front of a match; unknown stays unknown, and some are false either way."""

    match: Match
    text: str

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Inverse of the match."""
        if _unasked(self.match, context):
            return False
        answer = self.match.holds(packet, context, around)
        return None if answer is None else not answer


def _unasked(match: Match, context: HookContext) -> bool:
    """Whether a match has nothing to look at, which makes it false, inverted or not.

    That is so of the conntrack entry (``conntrack_mt``), and of the port that a packet from a bridge leaves by, if it is routed (``physdev_mt``).
    """
    if isinstance(match, PhysDev):
        return match.option == "out" and context.physin != "" and not context.physout
    return context.state.entry is None and isinstance(match, (CtDirection, CtAddress, CtPort, CtProto, CtStatus))


class Unmodelled(NamedTuple):
    """A match whose answer the evidence cannot give (or that the model does not know)."""

    text: str
    reason: str = phrase("unmodelled")

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Unknown."""
        del packet, context, around
        return None


class Address(NamedTuple):
    """``-s`` or ``-d``."""

    text: str
    side: str
    network: Prefix

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the address of that side is in the prefix."""
        del context, around
        return self.network.family == packet.family and self.network.holds(packet.src if self.side == "src" else packet.dst)


class Masked(NamedTuple):
    """``-s`` or ``-d`` with a mask whose ones are not all in front (``10.0.0.1/255.0.0.255``)."""

    text: str
    side: str
    family: int
    value: int
    mask: int

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the masked bits of that side's address are the wanted ones."""
        del context, around
        return self.family == packet.family and (packet.src if self.side == "src" else packet.dst) & self.mask == self.value


class Device(NamedTuple):
    """``-i`` or ``-o``; a trailing ``+`` is a prefix match."""

    text: str
    side: str
    name: str

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the device of that side is the named one; a hook without such a device matches only the empty name."""
        del packet, around
        device = context.in_device if self.side == "in" else context.out_device
        if self.name.endswith("+"):
            return device.startswith(self.name[:-1]) and device != ""
        return device == self.name


class Proto(NamedTuple):
    """``-p``; number 0 is any."""

    text: str
    protocol: str

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the packet is of that protocol."""
        del context, around
        return self.protocol in ("all", packet.protocol)


class Fragment(NamedTuple):
    """``-f``: second and later fragments; the model sends none."""

    text: str

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """No: the model sends whole packets."""
        del packet, context, around
        return False


class Ports(NamedTuple):
    """``--sport``, ``--dport``, multiport."""

    text: str
    side: str
    """src | dst | either"""
    ranges: tuple[tuple[int, int], ...]

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether a port of that side is in a range."""
        del context, around
        if packet.protocol not in {"tcp", "udp", "sctp", "dccp", "udplite"}:
            return False
        ports = {"src": (packet.sport,), "dst": (packet.dport,), "either": (packet.sport, packet.dport)}[self.side]
        return any(low <= port <= high for port in ports for low, high in self.ranges)


class TcpFlags(NamedTuple):
    """``--tcp-flags MASK COMP`` and ``--syn``."""

    text: str
    mask: frozenset[str]
    wanted: frozenset[str]

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether of the masked flags exactly the wanted ones are set."""
        del context, around
        return packet.protocol == "tcp" and packet.tcp_flags & self.mask == self.wanted


class Icmp(NamedTuple):
    """``--icmp-type TYPE[/CODE]``; 255 is any."""

    text: str
    type: int
    codes: tuple[int, int]

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether an ICMP packet has the type and code."""
        del context, around
        if packet.protocol not in {"icmp", "icmpv6"}:
            return False
        return self.type == 255 or (packet.icmp_type == self.type and self.codes[0] <= packet.icmp_code <= self.codes[1])


class CtState(NamedTuple):
    """``--ctstate`` and ``--state``; SNAT and DNAT are virtual states of the entry."""

    text: str
    states: frozenset[str]

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the packet's state is one of those."""
        del packet, around
        state = context.state
        if (state.name or "INVALID") in self.states:
            return True
        entry = state.entry
        return entry is not None and (("SNAT" in self.states and entry.snat) or ("DNAT" in self.states and entry.dnat))


class CtDirection(NamedTuple):
    """``--ctdir``."""

    text: str
    reply: bool

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the packet goes that way of its entry."""
        del packet, around
        return context.state.entry is not None and context.state.reply == self.reply


class CtAddress(NamedTuple):
    """``--ctorigsrc``, ``--ctorigdst``, ``--ctreplsrc``, ``--ctrepldst``."""

    text: str
    which: str
    network: Prefix

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether that address of the entry is in the prefix."""
        del packet, around
        entry = context.state.entry
        if entry is None:
            return False
        value = {"origsrc": entry.original.src, "origdst": entry.original.dst, "replsrc": entry.reply.src, "repldst": entry.reply.dst}[self.which]
        return self.network.holds(value)


class CtPort(NamedTuple):
    """``--ctorigsrcport``, ``--ctorigdstport`` and their reply forms."""

    text: str
    which: str
    low: int
    high: int

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether that port of the entry is in the range."""
        del packet, around
        entry = context.state.entry
        if entry is None:
            return False
        value = {"origsrc": entry.original.sport, "origdst": entry.original.dport, "replsrc": entry.reply.sport, "repldst": entry.reply.dport}[
            self.which
        ]
        return self.low <= value <= self.high


class CtProto(NamedTuple):
    """``--ctproto``."""

    text: str
    protocol: str

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the entry is of the protocol."""
        del packet, around
        return context.state.entry is not None and context.state.entry.original.protocol == self.protocol


class CtStatus(NamedTuple):
    """``--ctstatus`` (NONE, EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED)."""

    text: str
    statuses: frozenset[str]

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the entry has one of the statuses; nobody expected what the walk sends (it would be RELATED), and NONE is an empty mask."""
        del packet, around
        entry = context.state.entry
        if entry is None:
            return False
        has = {"SEEN_REPLY": entry.seen_reply, "CONFIRMED": entry.confirmed}
        if any(has.get(s, False) for s in self.statuses):
            return True
        return None if "ASSURED" in self.statuses and context.state.may_be_assured else False


class Helper(NamedTuple):
    """``-m helper``: holds for connections that a helper expected (their entry has a master), of which the walk sends none."""

    text: str

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """No."""
        del packet, context, around
        return False


class Mark(NamedTuple):
    """``-m mark --mark VALUE/MASK``."""

    text: str
    value: int
    mask: int

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """(mark & mask) == value."""
        del context, around
        return packet.mark & self.mask == self.value


class ConnMark(NamedTuple):
    """``-m connmark``; false without an entry, even when inverted (so it inverts itself)."""

    text: str
    value: int
    mask: int
    inverted: bool

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the entry's mark fits."""
        del packet, around
        entry = context.state.entry
        return entry is not None and ((entry.mark & self.mask == self.value) != self.inverted)


class AddressType(NamedTuple):
    """``-m addrtype``: IPv4 by the local table only; inversion is inside (limit-iface applies to both sides)."""

    text: str
    side: str
    types: frozenset[str]
    inverted: bool
    limit: str
    """In, out, or "" (the address alone)."""

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the address of that side is of one of the types."""
        device = {"in": context.in_device, "out": context.out_device}.get(self.limit, "")
        value = packet.src if self.side == "src" else packet.dst
        fits = self._six(value, device, around) if packet.family == 6 else around.address_type(4, value, device) in self.types
        return fits != self.inverted

    def _six(self, value: int, device: str, around: Surroundings) -> bool:
        """IPv6: the kind of the address by its value, *and* what a look-up says of it (``match_type6``)."""
        multicast = value >> 120 == 0xFF
        if (
            ("MULTICAST" in self.types and not multicast)
            or ("UNICAST" in self.types and (multicast or not value))
            or ("UNSPEC" in self.types and value)
        ):
            return False
        asked = self.types & {"LOCAL", "ANYCAST", "UNREACHABLE"}
        return not asked or not asked.isdisjoint(around.address_kinds(value, device))


class InSet(NamedTuple):
    """``-m set --match-set NAME DIRECTIONS``; a mismatch of dimensions or family is false, then inverted."""

    text: str
    name: str
    directions: tuple[str, ...]

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the packet is in the set."""
        return around.in_set(self.name, self.directions, packet, context)


class PhysDev(NamedTuple):
    """``-m physdev``: every option false without bridge information (so an inverted one is true)."""

    text: str
    option: str
    """in | out | is-in | is-out | is-bridged"""
    name: str

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the bridge port of that side fits."""
        del packet, around
        if self.option == "is-bridged":
            return context.physout != ""  # not known yet in PREROUTING, whatever becomes of the frame (physdev_mt)
        port = context.physin if self.option in {"in", "is-in"} else context.physout
        if self.option.startswith("is-"):
            return port != ""
        return port.startswith(self.name[:-1]) and port != "" if self.name.endswith("+") else port == self.name


class AddressRange(NamedTuple):
    """``-m iprange``."""

    text: str
    side: str
    low: int
    high: int

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the address of that side is in the range."""
        del context, around
        return self.low <= (packet.src if self.side == "src" else packet.dst) <= self.high


class Length(NamedTuple):
    """``-m length``."""

    text: str
    low: int
    high: int

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the packet's size is in the range; where nobody said how much is sent, anything from the bare headers on may be."""
        del context, around
        if not packet.loose:
            return self.low <= packet.size <= self.high
        least = BARE[packet.family]
        return False if self.high < least else True if self.low <= least and self.high >= MOST else None


class HopLimit(NamedTuple):
    """``-m ttl``, ``-m hl``."""

    text: str
    low: int
    high: int

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the packet may still pass so many routers."""
        del context, around
        return self.low <= packet.ttl <= self.high


class Service(NamedTuple):
    """``-m dscp``, ``-m tos``, ``-m ecn --ecn-ip-ect``: bits of the type of service."""

    text: str
    value: int
    mask: int

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """(tos & mask) == value."""
        del context, around
        return packet.tos & self.mask == self.value


class Mac(NamedTuple):
    """``-m mac --mac-source``; false on devices without such addresses, even when inverted (so it inverts itself)."""

    text: str
    address: str
    inverted: bool

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the frame came from that address."""
        del around
        if not context.in_device or context.in_device == "lo":
            return False
        return (packet.mac == self.address) != self.inverted if packet.mac else None


class PacketType(NamedTuple):
    """``-m pkttype``: whom the frame was addressed to."""

    text: str
    kind: str
    """unicast | broadcast | multicast"""

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Frames are addressed as their packets are; what this stack makes counts as unicast (``PACKET_HOST``)."""
        kind = around.address_type(packet.family, packet.dst) if context.in_device else "UNICAST"
        return self.kind == (kind.lower() if kind in {"BROADCAST", "MULTICAST"} else "unicast")


class Mss(NamedTuple):
    """``-m tcpmss --mss``: the MSS that a TCP packet asks for."""

    text: str
    low: int
    high: int

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether it is in the range; a packet without the option never is, and where sizes are not walked it is unknown."""
        del context, around
        if packet.protocol != "tcp" or "SYN" not in packet.tcp_flags:
            return False
        return self.low <= packet.mss <= self.high if packet.mss else None


class ReversePath(NamedTuple):
    """``-m rpfilter``."""

    text: str
    loose: bool
    accept_local: bool
    inverted: bool

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Whether the route back to the source leaves by the input device."""
        answer = around.reverse_path(packet, context, loose=self.loose, accept_local=self.accept_local)
        return None if answer is None else answer != self.inverted


class Share(NamedTuple):
    """``-m statistic``: true for a share of the packets; the walk follows both branches."""

    text: str
    share: str

    def holds(self, packet: Packet, context: HookContext, around: Surroundings) -> Tri:
        """Unknown by nature."""
        del packet, context, around
        return None
