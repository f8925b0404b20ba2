"""Whether a socket takes a packet (``inet_hashtables.c``, ``udp.c``)."""

from __future__ import annotations

import pytest

from engine.facts import Fact
from engine.inet import to_int
from engine.model.packet import Packet
from engine.model.stack import NetStack
from engine.walk.sockets import embedded, keeps_free, known, listeners, takes
from tests.engine.walk.world import lan

V4 = Packet(4, to_int("10.1.0.2"), to_int("10.2.0.2"), "tcp", 40000, 80)
V6 = Packet(6, to_int("fd00::1"), to_int("fd00::2"), "tcp", 40000, 80)


@pytest.mark.parametrize(
    ("fields", "packet", "right"),
    [
        ({"address": "0.0.0.0"}, V4, True),
        ({"address": "*"}, V4, True),
        ({}, V4, True),
        ({"address": "0.0.0.0"}, V6, False),
        ({"address": "*"}, V6, True),
        ({"address": "::"}, V4, True),
        ({"address": "::", "v6only": True}, V4, False),
        ({"address": "::", "v6only": True}, V6, True),
        ({"address": "[::]"}, V6, True),
        ({"address": "10.2.0.2"}, V4, True),
        ({"address": "127.0.0.1"}, V4, False),
        ({"address": "::ffff:10.2.0.2"}, V4, True),
        ({"address": "fd00::2"}, V6, True),
        ({"address": "fe80::1%eth0"}, V6, False),
        ({"address": "0.0.0.0", "device": "eth0"}, V4, True),
        ({"address": "0.0.0.0", "device": "eth1"}, V4, False),
        ({"address": "10.2.0.2%eth0"}, V4, True),
        ({"address": "odd"}, V4, False),
    ],
)
def test_takes(fields: dict[str, object], packet: Packet, right: bool) -> None:
    """A listener takes packets to its address, to any if it has none; ``::`` takes IPv4 unless it is v6only; a device binds."""
    assert takes(Fact("socket", fields), packet, "eth0") is right


def test_listeners() -> None:
    """TCP waits in LISTEN only; UDP sockets have no such state."""
    sockets = [
        Fact("socket", {"protocol": "tcp", "port": 80, "state": "LISTEN"}),
        Fact("socket", {"protocol": "tcp", "port": 80, "state": "ESTAB"}),
        Fact("socket", {"protocol": "tcp", "port": 81, "state": "LISTEN"}),
        Fact("socket", {"protocol": "udp", "port": 80, "state": "UNCONN"}),
        Fact("socket", {"protocol": "udp", "port": 80, "state": "ESTAB"}),
    ]
    stack = NetStack("n1", "host", {"socket": sockets})
    assert listeners(stack, "tcp", 80) == [sockets[0]]
    assert listeners(stack, "udp", 80) == [sockets[3]]


@pytest.mark.parametrize(
    ("fields", "stack", "right"),
    [
        ({"process": "dockerd"}, "host", True),
        ({"process": "conmon"}, "host", True),
        ({"process": "docker-proxy"}, "host", False),
        ({"process": "dockerd", "port": 2375}, "host", False),
        ({"process": "dockerd", "protocol": "udp"}, "host", False),
        ({}, "host", False),
        ({"process": "dockerd"}, "web", False),
    ],
)
def test_sockets_that_only_keep_a_port(fields: dict[str, object], stack: str, right: bool) -> None:
    """Docker without its proxy, and podman, listen on published ports and answer nobody; the daemon's own port is another."""
    socket = Fact("socket", {"protocol": "tcp", "port": 8080, "state": "LISTEN", **fields})
    ports = ({"host_port": 8080, "container_port": 80, "protocol": "tcp"},)
    running, gone = (Fact("container", {"name": "web", "state": state, "ports": ports}, "n1") for state in ("running", "exited"))
    assert keeps_free(NetStack("n1", stack, {}), socket, [running]) is right
    assert not keeps_free(NetStack("n1", stack, {}), socket, [gone])


def test_known() -> None:
    """A port that a whole listing does not show is closed; without one nothing is known."""
    stack = NetStack("n1", "host", {"collected": [Fact("collected", {"what": "sockets", "scope": "tcp-listen"})]})
    assert (known(stack, "tcp"), known(stack, "udp")) == (True, False)


@pytest.mark.parametrize(("protocol", "sees"), [("tcp", "ECONNREFUSED"), ("udp", "ECONNREFUSED")])
def test_closed_port(protocol: str, sees: str) -> None:
    """Nothing listens: a reset or a port-unreachable, on the walk a drop by the socket with nobody's line."""
    trace = lan().walk("client", "10.2.0.2", 81, protocol)
    assert trace.client_sees == sees
    (drop,) = [fact for fact in trace.facts if fact.kind == "drop"]
    assert (drop.node, drop.get("by"), drop.get("effect"), drop.get("direction"), drop.text) == ("server", "socket", "rejected", "request", "")


def test_listening_elsewhere_only() -> None:
    """A listener on loopback does not take what comes from the wire, and its line is the evidence."""
    world = lan()
    world.stack("server").listens("tcp 127.0.0.1:80")
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == "ECONNREFUSED"
    (drop,) = [fact for fact in trace.facts if fact.kind == "drop"]
    assert "127.0.0.1:80" in drop.text


def test_sockets_that_nobody_listed() -> None:
    """Without a listing it depends; the command that would settle it is named."""
    world = lan()
    world.stack("server").unseen("ss -lntup")
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == "depends"
    assert [(unknown.node, unknown.command) for unknown in trace.depends] == [("server", "ss -lntp")]
    assert ("closed", "", "ECONNREFUSED") in trace.branches


@pytest.mark.parametrize(("address", "port", "sockets", "netfilter", "right"), [
    ("127.0.0.11", 53, ["127.0.0.11"], False, True),
    ("127.0.0.11", 53, [], False, False),
    ("127.0.0.11", 53, ["127.0.0.11"], True, False),
    ("127.0.0.11", 80, ["127.0.0.11"], False, False),
    ("127.0.0.53", 53, ["127.0.0.11"], False, False),
])
def test_embedded(address: str, port: int, sockets: list[str], netfilter: bool, right: bool) -> None:
    """Docker's resolver is reached by rules of the container: where those were not collected, its socket alone tells that it answers."""
    facts = [Fact("socket", {"protocol": "udp", "state": "UNCONN", "address": a, "port": 39265}, "n", "web") for a in sockets]
    seen = [Fact("collected", {"what": "netfilter", "scope": "all"}, "n", "web")] if netfilter else []
    stack = NetStack("n", "web", {"socket": facts, "collected": seen})
    assert embedded(stack, Packet(4, to_int("127.0.0.1"), to_int(address), "udp", 40000, port)) is right
