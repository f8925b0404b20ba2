"""What a client program sees: errno names for ICMP errors, local failures and resets.

Measured on Linux 6.18 with connect() and a connected UDP socket; source: ``net/ipv4/icmp.c`` (icmp_err_convert), ``tcp_ipv4.c``.
"""

from __future__ import annotations

ICMP_ERRNO = {
    "icmp-net-unreachable": ("ENETUNREACH", ""),
    "icmp-host-unreachable": ("EHOSTUNREACH", ""),
    "icmp-proto-unreachable": ("ENOPROTOOPT", "ENOPROTOOPT"),
    "icmp-port-unreachable": ("ECONNREFUSED", "ECONNREFUSED"),
    "icmp-net-prohibited": ("ENETUNREACH", "ENETUNREACH"),
    "icmp-host-prohibited": ("EHOSTUNREACH", "EHOSTUNREACH"),
    "icmp-admin-prohibited": ("EHOSTUNREACH", "EHOSTUNREACH"),
    "icmp6-no-route": ("ENETUNREACH", ""),
    "icmp6-adm-prohibited": ("EACCES", "EACCES"),
    "icmp6-addr-unreachable": ("EHOSTUNREACH", ""),
    "icmp6-port-unreachable": ("ECONNREFUSED", "ECONNREFUSED"),
    "icmp6-policy-fail": ("EACCES", "EACCES"),
    "icmp6-reject-route": ("EACCES", "EACCES"),
    "icmp-time-exceeded": ("EHOSTUNREACH", ""),
    "icmp6-time-exceeded": ("EHOSTUNREACH", ""),
    "icmp-fragmentation-needed": ("EMSGSIZE", "EMSGSIZE"),
    "icmp6-packet-too-big": ("EMSGSIZE", "EMSGSIZE"),
    "tcp-reset": ("ECONNREFUSED", ""),
}
"""iptables reject type → (TCP connect, connected UDP); "" = the socket ignores it and times out."""

SHORT_NAMES = {
    "net-unreach": "icmp-net-unreachable",
    "host-unreach": "icmp-host-unreachable",
    "proto-unreach": "icmp-proto-unreachable",
    "port-unreach": "icmp-port-unreachable",
    "net-prohib": "icmp-net-prohibited",
    "host-prohib": "icmp-host-prohibited",
    "admin-prohib": "icmp-admin-prohibited",
    "tcp-rst": "tcp-reset",
}
"""Short reject names that iptables accepts."""

LOCAL_ERRNO = {
    "none": "ENETUNREACH",
    "unreachable": "EHOSTUNREACH",
    "prohibit": "EACCES",
    "blackhole": "EINVAL",
    "broadcast": "EACCES",
}
"""Route type of a failed output lookup → errno of the sender (a TCP one to a broadcast address: ENETUNREACH).

A policy rule ``unreachable`` counts as ``none`` (``fib4_rule_action``).
"""

FORWARD_ICMP6 = {
    "none": "icmp6-no-route",
    "reject": "icmp6-no-route",
    "unreachable": "icmp6-no-route",
    "prohibit": "icmp6-adm-prohibited",
    "blackhole": "",
}
"""The same in IPv6 (``ip6_pkt_discard``, ``ip6_pkt_prohibit``); measured on Linux 6.18: for policy rules too."""

FORWARD_ICMP = {"none": "icmp-net-unreachable", "unreachable": "icmp-host-unreachable", "prohibit": "icmp-admin-prohibited", "blackhole": ""}
"""Route type of a failed lookup while forwarding → ICMP error sent back ("" = none)."""


def reject_name(name: str) -> str:
    """Full iptables name of a reject type."""
    return SHORT_NAMES.get(name, name)


def seen_as(error: str, protocol: str) -> str:
    """Errno of the client, or ``timeout``."""
    tcp, udp = ICMP_ERRNO.get(error, ("", ""))
    if protocol in {"icmp", "icmpv6"}:
        # ping prints the error it gets; the class of a TCP client is the nearest name
        return tcp or "timeout"
    return (tcp if protocol == "tcp" else udp) or "timeout"
