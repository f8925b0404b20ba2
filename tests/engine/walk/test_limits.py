"""Bounds: ports that ran out end a walk, full tables and queues become facts beside it."""

from __future__ import annotations

import pytest

from tests.engine.walk.world import SOCKETS, World, found

SERVER = "10.0.0.2"


def pair() -> World:
    """A client and a server on one wire."""
    world = World()
    world.host("c", "10.0.0.1/24")
    world.host("s", f"{SERVER}/24").listens("tcp 0.0.0.0:80")
    return world


def client(lines: list[str], ports: str = "40000 40003", reuse: int = 2) -> World:
    """The client with these sockets."""
    world = pair()
    stack = world.stack("c").unseen("ss -lntup").shows("ss -tuanp", "\n".join([SOCKETS, *lines]))
    stack.sysctl(ip_local_port_range=ports, tcp_tw_reuse=reuse)
    return world


def to(port: int, peer: str = f"{SERVER}:80", state: str = "ESTAB") -> str:
    """A connection of the client."""
    return f"tcp {state} 0 0 10.0.0.1:{port} {peer}"


FOUR = range(40000, 40004)


class TestPorts:
    """connect() needs a local port that no connection with the same ends has."""

    def test_none_left(self) -> None:
        """All ports hold connections to the same server: EADDRNOTAVAIL, at the client, by the range's own line."""
        trace = client([to(port) for port in FOUR]).walk("c", SERVER)
        drop = found(trace, "drop", by="ports")
        assert (trace.client_sees, drop.node, drop.text) == ("EADDRNOTAVAIL", "c", "net.ipv4.ip_local_port_range = 40000 40003")

    @pytest.mark.parametrize("lines", [
        [to(port) for port in list(FOUR)[:3]],
        [to(port, "10.0.0.3:80") for port in FOUR],
        [to(port, f"{SERVER}:81") for port in FOUR],
        [*[to(port) for port in list(FOUR)[:3]], to(50000)],
    ])
    def test_one_left(self, lines: list[str]) -> None:
        """A port is free if its connections have other ends."""
        assert client(lines).sees("c", SERVER) == "connected"

    def test_listener_keeps_its_port(self) -> None:
        """A port that a server bound is given to no connection."""
        lines = [*[to(port) for port in list(FOUR)[:3]], "tcp LISTEN 0 128 0.0.0.0:40003 0.0.0.0:*"]
        assert client(lines).sees("c", SERVER) == "EADDRNOTAVAIL"

    @pytest.mark.parametrize(("reuse", "sees"), [(0, "EADDRNOTAVAIL"), (1, "connected"), (2, "EADDRNOTAVAIL")])
    def test_time_wait(self, reuse: int, sees: str) -> None:
        """Closed connections keep their port, unless tcp_tw_reuse gives it away (2: on loopback only)."""
        assert client([to(port, state="TIME-WAIT") for port in FOUR], reuse=reuse).sees("c", SERVER) == sees

    def test_mapped_addresses(self) -> None:
        """A dual-stack socket's IPv4 connection counts like any other."""
        lines = [f"tcp ESTAB 0 0 [::ffff:10.0.0.1]:{port} [::ffff:{SERVER}]:80" for port in FOUR]
        assert client(lines).sees("c", SERVER) == "EADDRNOTAVAIL"

    def test_not_for_others(self) -> None:
        """UDP, a client that chose its port, and an unseen range are not bound by it."""
        world = client([to(port) for port in FOUR])
        assert world.sees("c", SERVER, sport=50000) == "connected"
        assert world.sees("c", SERVER, protocol="icmp") == "connected"
        assert client([to(port) for port in FOUR], ports="unknown").sees("c", SERVER) == "connected"


class TestQueue:
    """A SYN needs room in the accept queue."""

    @pytest.mark.parametrize(("waiting", "backlog", "sees"), [(129, 128, "timeout"), (128, 128, "connected"), (3, 0, "connected")])
    def test_full(self, waiting: int, backlog: int, sees: str) -> None:
        """More waiting than the backlog: dropped.  A backlog of 0 is how netstat says that it does not know."""
        world = pair()
        world.stack("s").shows("ss -lntup", f"{SOCKETS}\ntcp LISTEN {waiting} {backlog} 0.0.0.0:80 0.0.0.0:*")
        trace = world.walk("c", SERVER)
        assert trace.client_sees == sees
        assert [f.node for f in trace.facts if f.kind == "drop" and f.get("by") == "queue"] == ["s"] * (sees == "timeout")

    def test_another_listener(self) -> None:
        """With SO_REUSEPORT one full queue leaves the others."""
        world = pair()
        world.stack("s").shows("ss -lntup", f"{SOCKETS}\ntcp LISTEN 129 128 0.0.0.0:80 0.0.0.0:*\ntcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:*")
        assert world.sees("c", SERVER) == "connected"


def limits(world: World) -> list[tuple[str, str, bool]]:
    """Node, resource and whether it is full, of every bound that the walk met."""
    trace = world.walk("c", SERVER)
    assert trace.client_sees == "connected"
    return [(f.node, f.get("resource"), f.get("full")) for f in trace.facts if f.kind == "limit"]


TABLE = "entries clashres insert_failed drop early_drop\n{:08x} 00000000 00000000 {:08x} 00000000"
ARP = "entries allocs table_fulls\n{:08x} 00000000 {:08x}"


class TestTables:
    """Tables and queues strike now one packet, now another: they are told beside a flow that lives."""

    @pytest.mark.parametrize(("count", "lost", "wanted"), [(100, 0, [True]), (101, 9, [True]), (95, 9, [False]), (95, 0, []), (40, 9, [])])
    def test_conntrack(self, count: int, lost: int, wanted: list[bool]) -> None:
        """Full; or nearly so, and packets were dropped before."""
        world = pair()
        stack = world.stack("s").shows("sysctl net.netfilter", f"net.netfilter.nf_conntrack_count = {count}\nnet.netfilter.nf_conntrack_max = 100")
        stack.shows("cat /proc/net/stat/nf_conntrack", TABLE.format(count, lost))
        assert limits(world) == [("s", "conntrack", full) for full in wanted]

    @pytest.mark.parametrize(("used", "lost", "wanted"), [(1024, 0, [True]), (600, 3, [False]), (600, 0, []), (300, 3, [])])
    def test_neighbors(self, used: int, lost: int, wanted: list[bool]) -> None:
        """At gc_thresh3; or above gc_thresh2, and it overflowed before."""
        world = pair()
        stack = world.stack("c").sysctl(neigh__default__gc_thresh2=512, neigh__default__gc_thresh3=1024)
        stack.shows("cat /proc/net/stat/arp_cache", ARP.format(used, lost))
        assert limits(world) == [("c", "neighbors", full) for full in wanted]

    def test_neighbors_of_all_namespaces(self) -> None:
        """A kernel's namespaces share one table: what all of them list counts, save permanent entries."""
        world = pair()
        world.stack("c").device("cni0", "10.1.0.1/24", kind="bridge").sysctl(neigh__default__gc_thresh3=4)
        listing = "\n".join(f"10.0.0.{n} dev eth0 lladdr 52:54:00:00:00:0{n} STALE" for n in (3, 4))
        world.stack("c").shows("ip neigh", f"{listing}\n10.0.0.9 dev eth0 lladdr 52:54:00:00:00:09 PERMANENT")
        world.pod("c", "web", "10.1.0.5/24").shows("ip neigh", listing)
        assert limits(world) == [("c", "neighbors", True)]

    @pytest.mark.parametrize(("lost", "taken", "wanted"), [(10, 500, 1), (1, 500, 0), (0, 0, 0)])
    def test_listeners(self, lost: int, taken: int, wanted: int) -> None:
        """Accept queues that turned away one connection in a hundred since the start."""
        world = pair()
        world.stack("s").shows("nstat -az", f"TcpPassiveOpens {taken} 0.0\nTcpExtListenOverflows {lost} 0.0")
        assert limits(world) == [("s", "listen-queue", False)] * wanted

    @pytest.mark.parametrize(("lost", "wanted"), [(0x64, 1), (0x63, 0)])
    def test_backlog(self, lost: int, wanted: int) -> None:
        """Processors that dropped a hundred packets, and one in a thousand."""
        world = pair()
        world.stack("c").shows("cat /proc/net/softnet_stat", f"000003e8 {lost:08x} 00000000")
        assert limits(world) == [("c", "softnet", False)] * wanted

    def test_ring(self) -> None:
        """A card on the path whose ring had no room; another card does not matter."""
        counted = "    RX:  bytes packets errors dropped  missed   mcast\n    9 1000 0 0 500 0"
        for name, wanted in (("eth0", 1), ("eth1", 0)):
            world = pair()
            world.stack("c").device("eth1").shows("ip -s link", f"9: {name}: <UP> mtu 1500\n    link/ether 52:54:00:00:00:07\n{counted}")
            trace = world.walk("c", SERVER)
            assert len([f for f in trace.facts if f.kind == "limit"]) == wanted

    def test_not_on_a_dead_flow(self) -> None:
        """What stops a flow for sure is told alone."""
        world = pair()
        world.stack("s").filter("-A INPUT -j DROP").shows("cat /proc/net/softnet_stat", "000003e8 00000064 00000000")
        world.stack("c").shows("cat /proc/net/softnet_stat", "000003e8 00000064 00000000")
        assert not [f for f in world.walk("c", SERVER).facts if f.kind == "limit"]
