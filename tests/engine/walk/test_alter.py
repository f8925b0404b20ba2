"""Targets that change the packet and go on."""

from __future__ import annotations

import pytest

from tests.engine.walk.world import lan, said


@pytest.mark.parametrize(
    ("words", "sees"), [("--ttl-set 1", "EHOSTUNREACH"), ("--ttl-set 2", "connected"), ("--ttl-dec 63", "EHOSTUNREACH"), ("--ttl-inc 5", "connected")]
)
def test_ttl_before_forwarding(words: str, sees: str) -> None:
    """Measured: a TTL of 1 in mangle PREROUTING ends at the router, and connect() gets EHOSTUNREACH; 2 is enough for the next hop."""
    world = lan()
    world.stack("router").iptables(f"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth0 -j TTL {words}")
    assert world.sees("client", "10.2.0.2") == sees


def test_native_ttl() -> None:
    """``ip ttl set`` of nftables does the same, in the chain's own place."""
    world = lan()
    rules = "type filter hook prerouting priority mangle; policy accept;\n  ip ttl set 1"
    world.stack("router").shows("nft list ruleset", f"table ip f {{\n chain pre {{\n  {rules}\n }}\n}}")
    assert world.sees("client", "10.2.0.2") == "EHOSTUNREACH"


def test_mss_plays_no_part_in_small_walks() -> None:
    """A clamp is not followed where no sizes are walked, even if its own match is unknown: nothing depends on it."""
    world = lan()
    rule = "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -m policy --dir out --pol ipsec -m tcpmss --mss 1361:1536 -j TCPMSS --set-mss 1360"
    world.stack("router").iptables(f"*mangle\n:FORWARD ACCEPT [0:0]\n{rule}")
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == "connected"
    assert not trace.depends
    assert not [line for line in said(trace) if "MSS" in line]
