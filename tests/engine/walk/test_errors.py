"""What client programs see (measured with connect() and a connected UDP socket on Linux 6.18)."""

from __future__ import annotations

import pytest

from engine.walk.errors import FORWARD_ICMP, ICMP_ERRNO, LOCAL_ERRNO, SHORT_NAMES, reject_name, seen_as


@pytest.mark.parametrize(
    ("error", "tcp", "udp"),
    [
        ("icmp-net-unreachable", "ENETUNREACH", "timeout"),
        ("icmp-host-unreachable", "EHOSTUNREACH", "timeout"),
        ("icmp-proto-unreachable", "ENOPROTOOPT", "ENOPROTOOPT"),
        ("icmp-port-unreachable", "ECONNREFUSED", "ECONNREFUSED"),
        ("icmp-net-prohibited", "ENETUNREACH", "ENETUNREACH"),
        ("icmp-host-prohibited", "EHOSTUNREACH", "EHOSTUNREACH"),
        ("icmp-admin-prohibited", "EHOSTUNREACH", "EHOSTUNREACH"),
        ("tcp-reset", "ECONNREFUSED", "timeout"),
    ],
)
def test_reject_types(error: str, tcp: str, udp: str) -> None:
    """The errno that each reject type becomes; "No route to host" of a firewall is a prohibited host."""
    assert (seen_as(error, "tcp"), seen_as(error, "udp")) == (tcp, udp)


def test_ping_sees_the_class() -> None:
    """Ping prints the error that came, whatever UDP makes of it; silence is a timeout."""
    assert (seen_as("icmp-net-unreachable", "icmp"), seen_as("neverheard", "icmp"), seen_as("neverheard", "tcp")) == (
        "ENETUNREACH",
        "timeout",
        "timeout",
    )


def test_short_names() -> None:
    """Iptables takes short names of reject types; each stands for a known one."""
    assert reject_name("host-prohib") == reject_name("icmp-host-prohibited") == "icmp-host-prohibited"
    assert all(reject_name(name) in ICMP_ERRNO for name in SHORT_NAMES)


@pytest.mark.parametrize(
    ("kind", "errno", "icmp"),
    [
        ("unreachable", "EHOSTUNREACH", "icmp-host-unreachable"),
        ("prohibit", "EACCES", "icmp-admin-prohibited"),
        ("blackhole", "EINVAL", ""),
        ("none", "ENETUNREACH", "icmp-net-unreachable"),
    ],
)
def test_blocked_routes(kind: str, errno: str, icmp: str) -> None:
    """Local senders get an errno by the type of the route, others an ICMP error; a blackhole is silent."""
    assert (LOCAL_ERRNO[kind], FORWARD_ICMP[kind]) == (errno, icmp)
