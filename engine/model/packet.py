"""The packet that the model moves, and what conntrack knows of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from engine.inet import to_text

PROTOCOL_NUMBERS = {
    "icmp": 1,
    "igmp": 2,
    "ipip": 4,
    "ipencap": 4,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "ospf": 89,
    "sctp": 132,
    "udplite": 136,
    "vrrp": 112,
    "all": 0,
}
"""Protocol names as iptables and ``/etc/protocols`` print them."""

ICMP = frozenset({"icmp", "icmpv6"})
"""Protocols without ports."""


@dataclass(frozen=True, slots=True)
class Tuple:
    """A conntrack tuple: one direction of a flow.  For ICMP, ``sport`` is the identifier and ``dport`` 0."""

    protocol: str
    src: int
    dst: int
    sport: int
    dport: int

    def inverted(self) -> Tuple:
        """The tuple of the answer; an ICMP answer bears the identifier of its request."""
        if self.protocol in ICMP:
            return replace(self, src=self.dst, dst=self.src)
        return Tuple(self.protocol, self.dst, self.src, self.dport, self.sport)


@dataclass(slots=True)
class Entry:
    """A conntrack entry that the walk built on one stack."""

    original: Tuple
    reply: Tuple
    mark: int = 0
    snat: bool = False
    dnat: bool = False
    dst_bound: bool = False
    """Destination NAT was decided (perhaps: none)."""
    src_bound: bool = False
    """Source NAT was decided (perhaps: none)."""
    confirmed: bool = False
    seen_reply: bool = False
    zone: int = 0
    """Conntrack zone: packets of other zones do not find the entry."""
    diverted: Tuple | None = None
    """The packet as it was when TPROXY gave it to a listener."""


@dataclass(frozen=True, slots=True)
class Packet:
    """An IP packet at one point of its way (immutable; ``replace`` makes the next)."""

    family: int
    src: int
    dst: int
    protocol: str
    """tcp | udp | icmp | another protocol's name"""
    sport: int = 0
    dport: int = 0
    tcp_flags: frozenset[str] = frozenset()
    icmp_type: int = -1
    icmp_code: int = 0
    mark: int = 0
    size: int = 60
    """Octets of the IP packet."""
    loose: bool = False
    """The size stands for whatever the program sends: nobody said how much that is."""
    df: bool = True
    mss: int = 0
    """Of a SYN on walks about sizes: the largest segment that its sender wants to get; 0 = not followed."""
    ttl: int = 64
    tos: int = 0
    """Type of service (IPv6: traffic class): DSCP in the upper six bits, ECN in the lower two."""
    mac: str = field(default="", compare=False)
    """Source address of the frame that bears it; "" = not known, or it is in no frame."""
    listener: int = 0
    """Port of the local socket that TPROXY gave it to; 0 = the packet's own."""
    operation: int = 0
    """Of ARP: 1 = a question, 2 = an answer."""
    inner: Tuple | None = None
    """Of an ICMP error: the tuple of the packet it speaks of, as it was where the error was made."""
    error: str = ""
    """Of an ICMP error: its iptables name (``icmp-host-prohibited``)."""

    def tuple(self) -> Tuple:
        """Conntrack tuple of the packet."""
        return Tuple(self.protocol, self.src, self.dst, self.sport, self.dport)

    def with_tuple(self, other: Tuple) -> Packet:
        """The packet after translation to ``other``."""
        return replace(self, src=other.src, dst=other.dst, sport=other.sport, dport=other.dport)

    def __str__(self) -> str:
        src, dst = to_text(self.src, self.family) if self.src else "*", to_text(self.dst, self.family)
        if self.protocol in {"tcp", "udp"}:
            left, right = (f"[{src}]", f"[{dst}]") if self.family == 6 else (src, dst)
            return f"{self.protocol} {left}:{self.sport} > {right}:{self.dport}"
        kind = f" {self.error}" if self.error else ""
        return f"{self.protocol}{kind} {src} > {dst}"


@dataclass(slots=True)
class State:
    """What conntrack says of a packet on one stack."""

    name: str
    """NEW | ESTABLISHED | RELATED | INVALID | UNTRACKED; "" before conntrack saw the packet (rules see INVALID then)"""
    entry: Entry | None = None
    reply: bool = False
    """The packet goes in the reply direction of its entry."""
    untracked_by: tuple[Any, Any] | None = None
    """Of an UNTRACKED packet: chain and rule that kept it from conntrack."""

    @property
    def may_be_assured(self) -> bool:
        """Whether the entry may count as assured: never before an answer was seen and the first side has spoken again."""
        return self.entry is not None and self.entry.seen_reply and not self.reply


@dataclass(frozen=True, slots=True)
class HookContext:
    """Where in the stack a packet is when rules are evaluated."""

    hook: str
    """PREROUTING | INPUT | FORWARD | OUTPUT | POSTROUTING | INGRESS | EGRESS | BRIDGE"""
    in_device: str = ""
    out_device: str = ""
    physin: str = ""
    physout: str = ""
    bridged: bool = False
    """A bridged frame that only passes netfilter because of bridge-nf."""
    state: State = field(default_factory=lambda: State("NEW"))
    uid: int | None = None
