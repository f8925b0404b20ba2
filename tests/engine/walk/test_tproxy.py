"""TPROXY in the walk; the kernel's side is compared in tests/fuzz/cases/tproxy.yaml."""

from __future__ import annotations

from tests.engine.walk.world import World, found, lan

RULE = "-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j TPROXY --on-port 15001 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1"


def proxied(*, routed: bool = True) -> World:
    """The usual world; the router gives connections to port 80 to its proxy."""
    world = lan()
    router = world.stack("router").iptables(f"*mangle\n:PREROUTING ACCEPT [0:0]\n{RULE}").listens("tcp 0.0.0.0:15001")
    if routed:
        router.rule("100:\tfrom all fwmark 0x1/0x1 lookup 100").route("local default dev lo table 100 scope host")
    return world


def test_proxy_answers_for_the_server() -> None:
    """Mark, policy rule and local route deliver the packet to the proxy, which answers in the name of the address that was asked for."""
    trace = proxied().walk("client", "192.0.2.99")
    assert trace.client_sees == "connected"
    assert trace.request.hops[-1].node == "router"


def test_without_listener_it_is_dropped() -> None:
    """The rule itself drops where nothing listens; where sockets were not collected it depends on them."""
    world = proxied()
    world.stack("router").listens()
    trace = world.walk("client", "10.2.0.2")
    assert (trace.client_sees, found(trace, "drop").get("target")) == ("timeout", "TPROXY")
    world = proxied()
    world.stack("router").unseen("ss -lntup")
    trace = world.walk("client", "10.2.0.2")
    assert (trace.client_sees, [each.what for each in trace.depends]) == ("depends", ["listener on port 15001"])


def test_without_route_it_is_dropped() -> None:
    """A packet that has a socket is not forwarded: without the local route it is lost before FORWARD."""
    trace = proxied(routed=False).walk("client", "10.2.0.2")
    drop = found(trace, "drop")
    assert (trace.client_sees, drop.node, drop.get("by"), drop.get("hook")) == ("timeout", "router", "socket", "")


def test_translated_after_the_proxy() -> None:
    """Measured: what DNAT translates after TPROXY gave it away is connected and reset: TPROXY looks for the connection under the old address."""
    world = proxied()
    world.stack("router").iptables(
        f"*mangle\n:PREROUTING ACCEPT [0:0]\n{RULE}\n*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j DNAT --to-destination 10.99.0.1"
    )
    assert world.sees("client", "10.2.0.2") == "ECONNRESET"


def test_listener_at_the_address() -> None:
    """Without ``--on-ip`` the listener must be at the first address of the device, or at all; one of 127.0.0.1 is found by its address alone."""
    world = proxied()
    world.stack("router").listens("tcp 127.0.0.1:15001")
    assert world.sees("client", "10.2.0.2") == "timeout"
    world.stack("router").iptables(f"*mangle\n:PREROUTING ACCEPT [0:0]\n{RULE.replace('0.0.0.0', '127.0.0.1')}")
    assert world.sees("client", "10.2.0.2") == "connected"


def native(rule: str, *listening: str) -> World:
    """The usual world; the router has a native rule."""
    world = proxied()
    router = world.stack("router").iptables("").listens(*listening)
    head = "\t\ttype filter hook prerouting priority raw; policy accept;\n"
    router.shows("nft list ruleset", f"table ip p {{\n\tchain c {{\n{head}\t\t{rule}\n\t}}\n}}\n")
    return world


def test_native_rule_goes_on() -> None:
    """After native ``tproxy`` the rule goes on, to set the mark that brings the packet here."""
    trace = native("tcp dport 80 tproxy to 127.0.0.1:15001 meta mark set 0x00000001", "tcp 127.0.0.1:15001").walk("client", "192.0.2.99")
    assert trace.client_sees == "connected"
    assert trace.request.hops[-1].node == "router"
    assert not trace.depends


def test_native_rule_without_listener() -> None:
    """Where nothing listens at that address the native rule ends and the packet goes on, so does an ICMP packet, which has no port."""
    rule = "tproxy to 127.0.0.1:15001 meta mark set 0x00000001"
    trace = native(f"tcp dport 80 {rule}", "tcp 10.1.0.1:15001").walk("client", "10.2.0.2")
    assert (trace.client_sees, trace.request.hops[-1].node) == ("connected", "server")
    assert native(rule, "tcp 127.0.0.1:15001").walk("client", "10.2.0.2", 0, "icmp").client_sees == "connected"


def test_answers_to_own_connections() -> None:
    """An answer to a connection that the stack itself opened has its socket: the native rule ends, iptables' drops it."""
    world = native("tcp sport 80 tproxy to 127.0.0.1:15001 meta mark set 0x00000001", "tcp 127.0.0.1:15001")
    assert world.sees("router", "10.2.0.2") == "connected"
    world = proxied()
    world.stack("router").iptables(
        "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --sport 80 -j TPROXY --on-port 15001 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1"
    )
    assert world.sees("router", "10.2.0.2") == "timeout"
