"""ICMP errors that somebody saw."""

from __future__ import annotations

from typing import Any

from collectors.parsers import attempts, tcpdump
from collectors.place import Place
from engine.computed import EXPANDERS
from engine.facts import HOST, Fact, FactBase, Source

PINGED = """\
PING 10.20.0.5 (10.20.0.5) 56(84) bytes of data.
From 10.20.0.11 icmp_seq=1 Destination Host Unreachable
From 10.20.0.11 icmp_seq=2 Destination Host Unreachable

--- 10.20.0.5 ping statistics ---
2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 1012ms
"""
CAUGHT = """\
10:00:00.000001 IP 10.20.0.11.40000 > 10.20.0.12.8472: OTV, flags [I] (0x08), overlay 0, instance 1
10:00:00.000301 IP 10.20.0.12 > 10.20.0.11: ICMP 10.20.0.12 udp port 8472 unreachable, length 142
"""


def reports(*facts: Fact) -> list[dict[str, Any]]:
    """Fields of the reports."""
    return [dict(f.fields) for f in FactBase(facts, EXPANDERS).of_kind("icmp_report")]


def test_one_kind_for_all_who_saw_an_error() -> None:
    """What ping was told and what a capture shows are reports alike; whether the machine reports of itself is told by its addresses."""
    own = Fact("address", {"device": "eth0", "address": "10.20.0.11", "prefixlen": 24, "family": 4}, "n1", HOST)
    pinged = attempts.parse(Source("ping", PINGED, "ping 10.20.0.5"), Place("n1"))
    caught = [f for f in tcpdump.parse(Source("tcpdump", CAUGHT), Place("n1")) if f.kind == "captured"]
    assert reports(own, *caught, *pinged) == [
        {"why": "port", "by": "10.20.0.12", "own": False, "address": "10.20.0.12", "dst": "10.20.0.11", "protocol": "udp", "dport": 8472,
         "count": 1, "seen_by": "capture"},
        {"why": "host", "by": "10.20.0.11", "own": True, "address": "10.20.0.5", "protocol": "icmp", "count": 2, "seen_by": "ping"},
    ]  # fmt: skip


def test_a_ping_that_got_through_reports_nothing() -> None:
    """An error that the next answer made good is none."""
    lives = PINGED.replace("From 10.20.0.11 icmp_seq=2 Destination Host Unreachable", "64 bytes from 10.20.0.5: icmp_seq=2 ttl=64 time=0.1 ms")
    lives = lives.replace("0 received, +2 errors, 100%", "1 received, +1 errors, 50%")
    assert reports(*attempts.parse(Source("ping", lives, "ping 10.20.0.5"), Place("n1"))) == []
