"""How many local ports are taken."""

from __future__ import annotations

from typing import Any

import pytest

from engine.computed.local_ports import rooms
from engine.facts import Fact, FactBase

NARROW = Fact("sysctl", {"key": "net.ipv4.ip_local_port_range", "value": "40000 40009"}, "n1")


def counted(name: str, value: int) -> Fact:
    """A number of connections."""
    return Fact("counter", {"name": name, "value": value}, "n1")


def connection(number: int, peer: str = "10.0.0.9", state: str = "TIME-WAIT", **more: Any) -> Fact:
    """A connection of a listing."""
    fields = {"protocol": "tcp", "state": state, "port": number, "peer_address": peer, "peer_port": 6379, **more}
    return Fact("socket", fields, "n1")


@pytest.mark.parametrize(("facts", "told"), [
    ((counted("ss.timewait", 28116), counted("ss.estab", 812)), [(28928, 28232, True, False, 28116)]),
    ((counted("ss.timewait", 116), counted("ss.estab", 812)), [(928, 28232, False, True, 116)]),
    ((counted("ss.timewait", 9), NARROW), [(9, 10, True, False, 9)]),
    ((NARROW, *(connection(n) for n in range(9))), [(9, 10, True, False, 9)]),
    ((NARROW, *(connection(n, state="ESTAB") for n in range(9))), [(9, 10, True, False, 0)]),
    # Another destination gives the same ports away again.
    ((NARROW, *(connection(n, f"10.0.0.{n % 3}") for n in range(9))), [(3, 10, False, True, 3)]),
    ((NARROW, connection(1, state="LISTEN"), connection(1, protocol="udp")), []),
    ((NARROW,), []),
])  # fmt: skip
def test_rooms(facts: tuple[Fact, ...], told: list[tuple[object, ...]]) -> None:
    """What is counted, or listed towards one destination, against the range that was shown, else the kernel's own."""
    assert [tuple(f.get(n) for n in ("used", "max", "full", "free", "waiting")) for f in rooms(FactBase(facts))] == told


@pytest.mark.parametrize("value", ["0 0", "60000 1000", "many"])
def test_no_range(value: str) -> None:
    """What is no range of ports is passed over for the kernel's own."""
    fact = Fact("sysctl", {"key": "net.ipv4.ip_local_port_range", "value": value}, "n1")
    assert [room.get("max") for room in rooms(FactBase([fact, connection(1)]))] == [28232]


def test_where_listed_connections_lead() -> None:
    """To another address or port the same local ports are free: a listing tells to which all of them lead, a count does not."""
    (listed,) = rooms(FactBase([NARROW, *(connection(n) for n in range(9))]))
    assert (listed.get("peer_address"), listed.get("peer_port")) == ("10.0.0.9", 6379)
    (total,) = rooms(FactBase([NARROW, counted("ss.timewait", 9)]))
    assert "peer_address" not in total.fields
