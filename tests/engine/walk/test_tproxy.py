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
