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


@pytest.mark.parametrize("words", ["TTL --ttl-set x", "DSCP --set-dscp", "TOS --set-tos a/b", "MARK --set-xmark 1/2/3", "CT --zone foo"])
def test_a_target_without_its_number(words: str) -> None:
    """What a rule does whose value is no number is open, as of a target that is not modelled: the walk does not end on it."""
    world = lan()
    world.stack("router").iptables(f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth0 -j {words}")
    assert world.sees("client", "10.2.0.2") == "depends"


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


SERVICE = [
    ("-j DSCP --set-dscp 0x0a", "-m dscp --dscp 0x0a", "timeout"),
    ("-j DSCP --set-dscp 0x0a", "-m dscp --dscp 0x00", "connected"),
    ("-j TOS --set-tos 0x10/0x3f", "-m tos --tos 0x10/0xff", "timeout"),
    ("-p udp -j DSCP --set-dscp 0x0a", "-m dscp --dscp 0x0a", "connected"),
]


@pytest.mark.parametrize(("target", "match", "sees"), SERVICE)
def test_type_of_service(target: str, match: str, sees: str) -> None:
    """What a rule writes into the type of service a later one reads; the answer comes with its own."""
    world = lan()
    rules = f"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth0 {target}\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n"
    world.stack("router").iptables(f"{rules}-A FORWARD -i eth0 {match} -j DROP")
    assert world.sees("client", "10.2.0.2") == sees


def test_native_type_of_service() -> None:
    """``ip dscp set`` leaves the two bits of ECN alone."""
    for rule, sees in (("ip dscp ef ip ecn not-ect drop", "timeout"), ("ip dscp cs0 drop", "connected")):
        world = lan()
        chain = "chain {} {{\n type filter hook {} priority 0; policy accept;\n {}\n }}"
        chains = [chain.format("a", "prerouting", "ip dscp set ef"), chain.format("b", "forward", f'iifname "eth0" {rule}')]
        world.stack("router").shows("nft list ruleset", "table ip f {\n " + "\n ".join(chains) + "\n}")
        assert world.sees("client", "10.2.0.2") == sees


def test_answers_of_the_kernel_bear_the_type_of_service_of_the_question() -> None:
    """An echo reply has that of the request; an ICMP error its low bits, and the precedence of internetwork control (``__icmp_send``)."""
    for protocol, match in (("icmp", "--tos 0x28/0xff"), ("udp", "--tos 0xc8/0xff")):
        world = lan()
        rules = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth0 -j DSCP --set-dscp 0x0a\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n"
        world.stack("router").iptables(rules + f"-A FORWARD -i eth1 -m tos {match} -j DROP")
        assert world.sees("client", "10.2.0.2", protocol=protocol, port=9) == "timeout"
