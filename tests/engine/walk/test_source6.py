"""Source selection of IPv6; compared with the kernel in tests/fuzz/cases/ipv6-source-selection.yaml."""

from __future__ import annotations

import pytest

from engine.inet import to_int, to_text
from engine.walk.source6 import select
from tests.engine.walk.world import World

ADDRESSES = ("2001:db8:1::2/64", "2001:db8:2:1::5/64", "fd00:1::5/64", "fe80::5/64 scope link")


@pytest.mark.parametrize(
    ("dst", "source"),
    [
        ("2001:db8:1::9", "2001:db8:1::2"),
        ("2001:db8:2::2", "2001:db8:2:1::5"),
        ("fd00:2::2", "fd00:1::5"),
        ("fe80::9", "fe80::5"),
        ("fd00:1::5", "fd00:1::5"),
        ("2001:db8:7::1", "2001:db8:7::7"),
    ],
)
def test_rules_in_their_order(dst: str, source: str) -> None:
    """The destination itself, fitting scope, the outgoing device, the same label, the longest common prefix (RFC 6724).

    An address of another device is taken only where the outgoing one has none of that scope.
    """
    world = World()
    stack = world.host("n1", *ADDRESSES)
    device = "eth0"
    if dst.startswith("2001:db8:7:"):
        stack.device("eth1", "fe80::6/64 scope link").device("eth2", "2001:db8:7::7/64")
        stack.devices["eth0"].addresses = ()
        device = "eth1"
    model = world.network().stack("n1", "host")
    assert model is not None
    value = select(model, to_int(dst), device)
    assert value is not None
    assert to_text(value, 6) == source


def test_no_address() -> None:
    """Without any address there is no source."""
    world = World()
    world.stack("n1").device("eth0")
    model = world.network().stack("n1", "host")
    assert model is not None
    assert select(model, to_int("fe80::1"), "eth0") is None
