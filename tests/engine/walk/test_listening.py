"""What waits on a port that took nothing: where the walk ended there, and where a lone listing tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.facts import Fact, FactBase
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.walk.world import SOCKETS, World, found, parsed

if TYPE_CHECKING:
    from engine.walk.trace import Trace

SERVER = "10.0.0.2"
PS = """\
CONTAINER ID   IMAGE     COMMAND     CREATED       STATUS       PORTS                                             NAMES
3f2a1b4c5d6e   nginx     "/run"      2 hours ago   Up 2 hours   80/tcp                                            web
9a8b7c6d5e4f   db        "/run"      2 hours ago   Up 2 hours   127.0.0.1:5432->5432/tcp                          db
1a2b3c4d5e6f   grafana   "/run"      2 hours ago   Up 2 hours   0.0.0.0:8080->3000/tcp, [::]:8080->3000/tcp       grafana
5d6e1a2b3c4f   old       "/run"      2 hours ago   Exited (0)                                                     old
"""


def pair(*ends: str) -> World:
    """A client, and a server with these listening sockets and a second card."""
    world = World()
    world.host("c", "10.0.0.1/24")
    world.host("s", f"{SERVER}/24").device("eth1", "192.168.7.2/24").listens(*ends)
    return world


def lone(command: str, text: str, dst: str = SERVER, port: int = 80, protocol: str = "tcp") -> Trace:
    """The walk where one output of the server is all there is."""
    return walk(build(FactBase(parsed(command, text))), Flow("n1", "host", "", dst, port, protocol))


def bound(trace: Trace) -> list[Fact]:
    """What was found to wait."""
    return [fact for fact in trace.facts if fact.kind == "bound"]


class TestArrived:
    """The walk ended at a closed port."""

    @pytest.mark.parametrize(("ends", "how", "address"), [
        (["tcp 127.0.0.1:80"], "loopback", "127.0.0.1"),
        (["tcp 127.0.0.1:80", "tcp 192.168.7.2:80"], "other-address", "192.168.7.2"),
        (["tcp [::]:80"], "other-family", "::"),
        (["tcp 0.0.0.0%eth1:80"], "other-device", "0.0.0.0"),
        (["udp 0.0.0.0:80"], "other-protocol", None),
        (["tcp 0.0.0.0:8080"], "none", None),
    ])
    def test_how(self, ends: list[str], how: str, address: str | None) -> None:
        """The listener that misses the packet least tells how it does."""
        fact = found(pair(*ends).walk("c", SERVER), "bound", sure=True)
        assert (fact.node, fact.get("how"), fact.get("address"), fact.get("dst"), fact.get("wanted")) == ("s", how, address, SERVER, SERVER)

    def test_others(self) -> None:
        """Where nothing waits, the ports that others can reach are named, and the service that usually has the one asked for."""
        fact = found(pair("tcp 0.0.0.0:6380", "tcp 127.0.0.1:9000").walk("c", SERVER, 6379), "bound")
        assert (fact.get("others"), fact.get("unit")) == ((6380,), "redis-server")

    def test_container(self) -> None:
        """A container's program is to take any address: the container's own changes."""
        world = World()
        world.stack("n").device("cni0", "10.1.0.1/24", kind="bridge")
        world.pod("n", "web", "10.1.0.5/24").listens("tcp 127.0.0.1:6379")
        fact = found(world.walk("n", "10.1.0.5", 6379), "bound")
        assert (fact.stack, fact.get("how"), fact.get("wanted"), fact.get("unit")) == ("web", "loopback", "0.0.0.0", None)

    def test_alive(self) -> None:
        """Where something takes the connection, nothing is said; nor of what has no ports."""
        assert not bound(pair("tcp 0.0.0.0:80", "tcp 127.0.0.1:81").walk("c", SERVER))
        assert not bound(pair().walk("c", "10.0.0.99", protocol="icmp"))


class TestListed:
    """A listing of the server without a walk."""

    @pytest.mark.parametrize(("line", "how"), [
        ("tcp LISTEN 0 128 127.0.0.1:80 0.0.0.0:*", "loopback"),
        ("tcp LISTEN 0 128 [::1]:80 [::]:*", "loopback"),
        ("tcp LISTEN 0 128 192.168.7.2:80 0.0.0.0:*", "other-address"),
        ("tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*", "none"),
    ])
    def test_missed(self, line: str, how: str) -> None:
        """The only machine whose addresses nobody saw may be the target."""
        fact = found(lone("ss -lntp", f"{SOCKETS}\n{line}"), "bound")
        assert (fact.get("how"), fact.get("sure"), fact.get("held")) == (how, False, False)

    @pytest.mark.parametrize("line", [
        "tcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:*",
        "tcp LISTEN 0 128 *:80 *:*",
        f"tcp LISTEN 0 128 {SERVER}:80 0.0.0.0:*",
    ])
    def test_taken(self, line: str) -> None:
        """What takes the address, IPv6 sockets that take IPv4 included, is no fault."""
        assert not bound(lone("ss -lntp", f"{SOCKETS}\n{line}"))

    def test_incomplete(self) -> None:
        """A listing of connections says nothing of what listens."""
        assert not bound(lone("ss -tn", "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nESTAB 0 0 10.0.0.2:22 10.0.0.9:4000"))

    def test_own_loopback(self) -> None:
        """A machine's loopback is its own."""
        fact = found(lone("ss -lntp", SOCKETS, "127.0.0.1"), "bound")
        assert (fact.get("how"), fact.get("held")) == ("none", True)

    def test_no_target_named(self) -> None:
        """The address that stands for the rest of the world is not repeated as one that a program should have."""
        fact = found(lone("ss -lntp", f"{SOCKETS}\ntcp LISTEN 0 128 127.0.0.1:80 0.0.0.0:*", "8.8.8.8"), "bound")
        assert (fact.get("dst"), fact.get("wanted")) == (None, "0.0.0.0")

    def test_two_machines(self) -> None:
        """Of two that it may be, none is named."""
        facts = [*parsed("ss -lntp", SOCKETS, "a"), *parsed("ss -lntp", SOCKETS, "b")]
        assert not bound(walk(build(FactBase(facts)), Flow("a", "host", "", SERVER, 80, "tcp")))


class TestBehindProxy:
    """docker-proxy takes connections for a container."""

    @staticmethod
    def walked(*ends: str, process: str = "docker-proxy") -> Trace:
        """A connection to a published port of the node's own loopback, where the container's sockets are these."""
        world = World()
        line = "tcp LISTEN 0 128 0.0.0.0:8080 0.0.0.0:*" + (f' users:(("{process}",pid=7,fd=4))' if process else "")
        world.stack("n").device("docker0", "172.17.0.1/16", kind="bridge").shows("ss -lntup", f"{SOCKETS}\n{line}")
        world.pod("n", "web", "172.17.0.2/16", bridge="docker0", gateway="172.17.0.1").listens(*ends)
        end = {"network": "bridge", "address": "172.17.0.2", "gateway": "172.17.0.1"}
        one = {"name": "web", "runtime": "docker", "state": "running", "endpoints": (end,)}
        ports = ({"host_ip": "0.0.0.0", "host_port": 8080, "container_port": 80, "protocol": "tcp"},)
        network = build(world.facts().plus([Fact("container", {**one, "ports": ports}, "n")]))
        return walk(network, Flow("n", "host", "", "127.0.0.1", 8080, "tcp"))

    @pytest.mark.parametrize(("ends", "how"), [([], "none"), (["tcp 127.0.0.1:80"], "loopback")])
    def test_nothing_behind(self, ends: list[str], how: str) -> None:
        """The handshake is done, and the container takes nothing."""
        trace = self.walked(*ends)
        fact = found(trace, "bound", relayed=True)
        assert (trace.client_sees, fact.stack, fact.get("how"), fact.get("port"), fact.get("container")) == ("connected", "web", how, 80, "web")

    def test_served(self) -> None:
        """A container that listens, and a program of the node's own on that port."""
        assert not bound(self.walked("tcp 0.0.0.0:80"))
        assert not bound(self.walked(process="nginx"))

    def test_nobody_told_whose_socket_it_is(self) -> None:
        """A listing without process names does not hide docker-proxy: docker publishes that port."""
        assert found(self.walked("tcp 127.0.0.1:80", process=""), "bound", relayed=True).get("how") == "loopback"


class TestPublished:
    """A lone ``docker ps``."""

    @pytest.mark.parametrize(("port", "how", "container"), [
        (80, "unpublished", "web"), (5432, "loopback", "db"), (3000, "other-port", "grafana"),
    ])
    def test_elsewhere(self, port: int, how: str, container: str) -> None:
        """What is published elsewhere, or only exposed."""
        fact = found(lone("docker ps", PS, port=port), "bound")
        assert (fact.get("how"), fact.get("container"), fact.get("by")) == (how, container, "published")

    def test_published(self) -> None:
        """A port that is published takes connections; of others docker ps says nothing."""
        assert not bound(lone("docker ps", PS, port=8080))
        assert not bound(lone("docker ps", PS, port=9999))
