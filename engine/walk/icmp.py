"""The packet by which a stack tells a sender that its packet did not arrive: an ICMP error or a TCP reset.

Source: Linux ``net/ipv4/icmp.c`` (__icmp_send), ``net/ipv6/icmp.c``, ``nf_reject_ipv4.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.model.packet import ICMP, Packet, State
from engine.walk.trace import Disposition

if TYPE_CHECKING:
    from engine.model.stack import NetStack
    from engine.walk.place import End

RESET_SIZE = 40
"""Octets of a TCP reset: it bears no options."""
ERROR_HEADERS = {4: 28, 6: 48}
"""Octets of an ICMP error besides what it quotes."""
QUOTED = {4: 548, 6: 1232}
"""Octets that an ICMP error quotes at most (576 altogether in IPv4, RFC 1812; 1280 in IPv6, RFC 4443)."""

RT_TOS, INTERNETWORK_CONTROL = 0x1E, 0xC0
"""Bits that an IPv4 error takes from the type of service of what it answers, and the precedence that it has besides (``__icmp_send``)."""

CODES = {
    "icmp-net-unreachable": (3, 0),
    "icmp-host-unreachable": (3, 1),
    "icmp-proto-unreachable": (3, 2),
    "icmp-port-unreachable": (3, 3),
    "icmp-fragmentation-needed": (3, 4),
    "icmp-net-prohibited": (3, 9),
    "icmp-host-prohibited": (3, 10),
    "icmp-admin-prohibited": (3, 13),
    "icmp-time-exceeded": (11, 0),
    "icmp6-no-route": (1, 0),
    "icmp6-adm-prohibited": (1, 1),
    "icmp6-addr-unreachable": (1, 3),
    "icmp6-port-unreachable": (1, 4),
    "icmp6-policy-fail": (1, 5),
    "icmp6-reject-route": (1, 6),
    "icmp6-packet-too-big": (2, 0),
    "icmp6-time-exceeded": (3, 0),
}
"""Name of an error → ICMP type and code."""


def answer_mark(stack: NetStack, packet: Packet, *, kernel: bool) -> int:
    """Mark of an answer: that of the question where a parameter says so; ``kernel``: no program's socket answers (``IP4_REPLY_MARK``)."""
    if kernel or packet.protocol in ICMP:
        return packet.mark if stack.sysctl(f"net.ipv{packet.family}.fwmark_reflect") else 0
    return packet.mark if packet.protocol == "tcp" and stack.sysctl("net.ipv4.tcp_fwmark_accept") else 0


def error_packet(end: End) -> Packet:
    """The answer to a packet that ended with an error."""
    packet, stack = end.packet, end.stack
    # What came in as local is answered from the address that it was sent to, whether that is one of the stack's or not (RTCF_LOCAL).
    taken = end.local or bool(end.turned) or end.disposition is Disposition.DELIVERED
    source = packet.dst if taken or stack.address_type(packet.family, packet.dst) in {"LOCAL", "ANYCAST"} else 0
    if end.error == "tcp-reset":
        flags, size = frozenset({"RST", "ACK"}), RESET_SIZE + 20 * (packet.family == 6)
        mark = answer_mark(stack, packet, kernel=True)
        return Packet(packet.family, packet.dst, packet.src, "tcp", packet.dport, packet.sport, flags, mark=mark, size=size)
    kind, code = CODES.get(end.error, (3, 0) if packet.family == 4 else (1, 0))
    return Packet(
        packet.family,
        source,
        packet.src,
        "icmp" if packet.family == 4 else "icmpv6",
        icmp_type=kind,
        icmp_code=code,
        size=ERROR_HEADERS[packet.family] + min(packet.size, QUOTED[packet.family]),
        mark=answer_mark(stack, packet, kernel=True),
        loose=packet.loose,
        inner=packet.tuple(),
        error=end.error,
        tos=packet.tos & RT_TOS | INTERNETWORK_CONTROL if packet.family == 4 else 0,
    )


def attached(end: End) -> State | None:
    """Conntrack state of such an answer: the entry of what it answers, the other way round (``nf_conntrack_attach``)."""
    if end.disposition is Disposition.DELIVERED:
        return None  # UDP lets go of the entry before it finds that nobody listens (nf_reset_ct in __udp4_lib_rcv)
    state = end.state
    if state is not None and state.name == "UNTRACKED":
        return State(
            "INVALID"
        )  # there is no entry to take, yet the answer counts as seen: notrack leaves it alone (nf_ct_attach looks at _nfct only)
    return State("RELATED", state.entry, reply=not state.reply) if state is not None and state.entry is not None else None
