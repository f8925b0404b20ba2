"""IPVS as kube-proxy sets it up: the laws were read from netfilter logs on Linux 6.1, and kernel and walk must agree on each.

``client`` reaches the service address 10.96.0.10 through ``node1``, which holds it on the dummy device ``kube-ipvs0``.
Pod ``a`` on node1 and pod ``b`` on node2 serve it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.scenario import DEBIAN
from tests.lab.table import laid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.table import Table

pytestmark = [pytest.mark.lab, pytest.mark.vm, pytest.mark.xdist_group("vm")]

NODES = """
client:
  links: {eth0: {wire: lan, address: 10.20.0.9/24}}
  routes: [10.96.0.0/12 via 10.20.0.11, 10.244.1.0/24 via 10.20.0.11, 10.244.2.0/24 via 10.20.0.12]
node1:
  links: {eth0: {wire: lan, address: 10.20.0.11/24}}
  bridges: {cni0: 10.244.1.1/24}
  sysctls: {net.ipv4.ip_forward: 1}
  pods: {a: {address: 10.244.1.10/24, bridge: cni0, gateway: 10.244.1.1}, c: {address: 10.244.1.11/24, bridge: cni0, gateway: 10.244.1.1}}
  routes: [10.244.2.0/24 via 10.20.0.12]
  run: [ip link add kube-ipvs0 type dummy, ip addr add 10.96.0.10/32 dev kube-ipvs0]
  listen: [{port: 8080, pod: a}, {port: 8080, pod: a, protocol: udp}, {port: 81}]
node2:
  links: {eth0: {wire: lan, address: 10.20.0.12/24}}
  bridges: {cni0: 10.244.2.1/24}
  sysctls: {net.ipv4.ip_forward: 1}
  pods: {b: {address: 10.244.2.10/24, bridge: cni0, gateway: 10.244.2.1}}
  routes: [10.244.1.0/24 via 10.20.0.11]
  listen: [{port: 8080, pod: b}, {port: 80}]
"""
VIP = "10.96.0.10"
TCP = f"ipvsadm -A -t {VIP}:80 -s rr"
LOCAL = f"{TCP}\nipvsadm -a -t {VIP}:80 -r 10.244.1.10:8080 -m"
REMOTE = f"{TCP}\nipvsadm -a -t {VIP}:80 -r 10.244.2.10:8080 -m"
MASQUERADE = "iptables -t nat -A POSTROUTING -d 10.244.0.0/16 -j MASQUERADE"
ESTABLISHED = "iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -P FORWARD DROP"
EMPTY = """iptables-restore << END
*raw
COMMIT
*mangle
COMMIT
*nat
COMMIT
*filter
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
COMMIT
END"""
FRESH = f"""
ipvsadm -C
{EMPTY}
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.vs.conntrack=1
conntrack -F 2>/dev/null
"""


@pytest.fixture(scope="module")
def machines() -> Iterator[Table]:
    """The machines, once for all tests."""
    with laid(NODES, DEBIAN) as table:
        yield table


@pytest.fixture
def net(machines: Table) -> Table:
    """The machines without any service or rule."""
    machines.run("node1", FRESH)
    machines.run("node2", EMPTY)
    return machines


class TestRequest:
    """Where a request to a virtual address goes."""

    def test_local_server(self, net: Table) -> None:
        """A server on the node sees the client's own address: IPVS changes the destination only."""
        net.run("node1", LOCAL)
        net.check("client", VIP, "connected", "10.20.0.9")
        net.check("node1/c", VIP, "connected", "10.244.1.11")

    def test_untracked_local_server(self, net: Table) -> None:
        """Without vs.conntrack the same holds; a MASQUERADE rule changes nothing, for what netfilter does not track it does not translate."""
        net.run("node1", f"{LOCAL}\nsysctl -qw net.ipv4.vs.conntrack=0\n{MASQUERADE}")
        net.check("client", VIP, "connected", "10.20.0.9")

    def test_the_nodes_own_client(self, net: Table) -> None:
        """A client on the node connects from the virtual address itself: that is the source of the local route."""
        net.run("node1", LOCAL)
        net.check("node1", VIP, "connected", VIP)

    def test_remote_server_needs_masquerade(self, net: Table) -> None:
        """A server on another node answers the client directly, from its own address; only a masqueraded request brings the answer back to IPVS."""
        net.run("node1", REMOTE)
        net.check("client", VIP, "timeout")
        net.run("node1", MASQUERADE)
        net.check("client", VIP, "connected", "10.20.0.11")
        net.check("node1", VIP, "connected", "10.20.0.11")

    def test_untracked_is_not_masqueraded(self, net: Table) -> None:
        """With vs.conntrack=0 MASQUERADE is never asked: remote servers answer past the node."""
        net.run("node1", f"{REMOTE}\n{MASQUERADE}\nsysctl -qw net.ipv4.vs.conntrack=0")
        net.check("client", VIP, "timeout")
        net.check("node1", VIP, "timeout")

    def test_untracked_pod(self, net: Table) -> None:
        """A pod of the node needs no masquerade: the answer is routed back through the node, and IPVS turns it round on FORWARD."""
        net.run("node1", f"{REMOTE}\nsysctl -qw net.ipv4.vs.conntrack=0")
        net.check("node1/c", VIP, "connected", "10.244.1.11")

    def test_server_on_the_node_itself(self, net: Table) -> None:
        """A server that is an address of the node gets the packet without a second OUTPUT."""
        net.run("node1", f"{TCP}\nipvsadm -a -t {VIP}:80 -r 10.20.0.11:81 -m")
        net.check("client", VIP, "connected", "10.20.0.9")
        net.check("node1", VIP, "connected", VIP)

    def test_node_port(self, net: Table) -> None:
        """A virtual service may have an address of the node itself: a node port."""
        net.run("node1", "ipvsadm -A -t 10.20.0.11:30080 -s rr; ipvsadm -a -t 10.20.0.11:30080 -r 10.244.1.10:8080 -m")
        net.check("client", "10.20.0.11", "connected", "10.20.0.9", port=30080)

    def test_udp(self, net: Table) -> None:
        """UDP is scheduled alike; a closed port behind it is told to the client by ICMP from the virtual address."""
        net.run("node1", f"ipvsadm -A -u {VIP}:80 -s rr; ipvsadm -a -u {VIP}:80 -r 10.244.1.10:8080 -m")
        net.check("client", VIP, "connected", "10.20.0.9", protocol="udp")
        net.run("node1", f"ipvsadm -e -u {VIP}:80 -r 10.244.1.10:8080 -m -w 0; ipvsadm -a -u {VIP}:80 -r 10.244.1.10:9999 -m; conntrack -F")
        net.check("client", VIP, "ECONNREFUSED", protocol="udp")

    def test_firewall_mark(self, net: Table) -> None:
        """A service by mark takes whatever port, and keeps it where the server has none."""
        net.run("node1", "ipvsadm -A -f 1 -s rr; ipvsadm -a -f 1 -r 10.244.1.10:0 -m")
        net.run("node1", f"iptables -t mangle -A PREROUTING -d {VIP} -j MARK --set-mark 1")
        net.check("client", VIP, "connected", "10.20.0.9", port=8080)
        net.check("client", VIP, "ECONNREFUSED", port=8081)

    def test_direct_routing(self, net: Table) -> None:
        """With ``-g`` the packet keeps its destination; the server, which holds the virtual address too, answers by itself."""
        net.run("node2", f"ip addr replace {VIP}/32 dev lo")
        net.run("node1", f"{TCP}\nipvsadm -a -t {VIP}:80 -r 10.20.0.12:80 -g")
        net.check("client", VIP, "connected", "10.20.0.9")
        net.run("node1", "sysctl -qw net.ipv4.vs.conntrack=0")
        net.check("client", VIP, "connected", "10.20.0.9")
        # The source is the virtual address, which is the server's own: a martian there.
        net.check("node1", VIP, "timeout")
        net.run("node2", f"ip addr del {VIP}/32 dev lo")

    def test_tunnel(self, net: Table) -> None:
        """With ``-i`` the packet travels inside IPIP to a server that unpacks it; its ICMP error, if no device does, is handed to the client."""
        net.run("node2", f"ip addr replace {VIP}/32 dev lo; ip link add tunl1 type ipip local 10.20.0.12; ip link set tunl1 up")
        net.run("node1", f"{TCP}\nipvsadm -a -t {VIP}:80 -r 10.20.0.12:80 -i")
        net.check("client", VIP, "connected", "10.20.0.9")
        net.run("node2", f"ip link del tunl1; ip addr del {VIP}/32 dev lo")
        net.check("client", VIP, "ECONNREFUSED")


class TestNoServer:
    """What the client sees where no server takes the request."""

    def test_none(self, net: Table) -> None:
        """A service without servers, or with servers of weight 0 only, answers with ICMP port unreachable, TCP too."""
        net.run("node1", TCP)
        net.check("client", VIP, "ECONNREFUSED")
        net.check("node1", VIP, "ECONNREFUSED")
        net.run("node1", f"ipvsadm -a -t {VIP}:80 -r 10.244.1.10:8080 -m -w 0")
        net.check("client", VIP, "ECONNREFUSED")

    def test_port_without_service(self, net: Table) -> None:
        """The virtual address is an address of the node: other ports reach the node's own sockets, and ping is answered."""
        net.run("node1", LOCAL)
        net.check("client", VIP, "connected", "10.20.0.9", port=81)
        net.check("client", VIP, "ECONNREFUSED", port=82)
        net.check("client", VIP, "connected", port=0, protocol="icmp")

    def test_closed_port(self, net: Table) -> None:
        """A reset of the server reaches the client from the virtual address."""
        net.run("node1", f"{TCP}\nipvsadm -a -t {VIP}:80 -r 10.244.1.10:9999 -m")
        net.check("client", VIP, "ECONNREFUSED")

    def test_no_route(self, net: Table) -> None:
        """A server without a route, and one that nobody answers ARP for, are told to the client by ICMP host unreachable, to a local client too."""
        net.run("node1", f"{TCP}\nipvsadm -a -t {VIP}:80 -r 10.99.0.1:8080 -m")
        net.check("client", VIP, "EHOSTUNREACH")
        net.check("node1", VIP, "EHOSTUNREACH")
        net.run("node1", f"ipvsadm -d -t {VIP}:80 -r 10.99.0.1:8080; ipvsadm -a -t {VIP}:80 -r 10.244.1.99:8080 -m")
        net.check("client", VIP, "EHOSTUNREACH")

    def test_address_not_on_the_node(self, net: Table) -> None:
        """IPVS takes what is delivered locally: a virtual address that the node does not hold is routed like any other."""
        net.run("node1", f"{LOCAL}\nip addr del {VIP}/32 dev kube-ipvs0")
        net.check("client", VIP, "ENETUNREACH")
        net.check("node1", VIP, "ENETUNREACH")
        # A local sender's packet meets IPVS on OUTPUT wherever it is routed to.
        net.run("node1", f"ip route add {VIP} via 10.20.0.12")
        net.check("node1", VIP, "connected", "10.20.0.11")
        net.run("node1", f"ip route del {VIP}; ip addr add {VIP}/32 dev kube-ipvs0")


class TestHooks:
    """Which chains see which packet."""

    def test_input(self, net: Table) -> None:
        """INPUT sees the request with the virtual address before IPVS does."""
        net.run("node1", f"{LOCAL}\niptables -A INPUT -d {VIP} -p tcp --dport 80 -j DROP")
        net.check("client", VIP, "timeout")
        net.run("node1", f"iptables -F INPUT; iptables -A INPUT -d {VIP} -j REJECT --reject-with icmp-host-prohibited")
        net.check("client", VIP, "EHOSTUNREACH")

    def test_forward_sees_only_answers(self, net: Table) -> None:
        """The request never passes FORWARD; the answer does: ESTABLISHED if vs.conntrack is on, else INVALID."""
        net.run("node1", f"{LOCAL}\n{ESTABLISHED}")
        net.check("client", VIP, "connected", "10.20.0.9")
        net.run("node1", "sysctl -qw net.ipv4.vs.conntrack=0; conntrack -F")
        net.check("client", VIP, "timeout")
        net.run("node1", "iptables -F FORWARD; sysctl -qw net.ipv4.vs.conntrack=1; conntrack -F")
        net.check("client", VIP, "timeout")

    def test_output_sees_the_server(self, net: Table) -> None:
        """OUTPUT sees the request a second time, with the server's address; a local client's first time ends before the filter table."""
        net.run("node1", f"{LOCAL}\niptables -A OUTPUT -d {VIP} -j DROP")
        net.check("node1", VIP, "connected", VIP)
        net.run("node1", "iptables -A OUTPUT -d 10.244.1.10 -j DROP")
        net.check("client", VIP, "timeout")
        net.check("node1", VIP, "timeout")
        net.run("node1", "iptables -F OUTPUT; iptables -A OUTPUT -d 10.244.1.10 -j REJECT")
        net.check("client", VIP, "ECONNREFUSED")
        net.check("node1", VIP, "ECONNREFUSED")

    def test_output_drop_of_udp(self, net: Table) -> None:
        """send() of a local client has succeeded when OUTPUT drops the rewritten packet: no EPERM."""
        net.run("node1", f"ipvsadm -A -u {VIP}:80 -s rr; ipvsadm -a -u {VIP}:80 -r 10.244.1.10:8080 -m; iptables -A OUTPUT -d 10.244.1.10 -j DROP")
        net.check("node1", VIP, "timeout", protocol="udp")

    def test_forwarding_off(self, net: Table) -> None:
        """The request needs no ip_forward, the answer to another machine does."""
        net.run("node1", f"{LOCAL}\nsysctl -qw net.ipv4.ip_forward=0")
        net.check("client", VIP, "timeout")
        net.check("node1", VIP, "connected", VIP)

    def test_errors_are_turned_round(self, net: Table) -> None:
        """A REJECT on the server's node reaches the client through IPVS; past it, it speaks of a connection that the client does not know."""
        net.run("node2", "iptables -I FORWARD -d 10.244.2.10 -j REJECT --reject-with icmp-host-prohibited")
        net.run("node1", REMOTE)
        net.check("client", VIP, "timeout")
        net.check("node1/c", VIP, "EHOSTUNREACH")
        net.run("node1", MASQUERADE)
        net.check("client", VIP, "EHOSTUNREACH")
        net.run("node2", "iptables -F FORWARD")


class TestSchedulers:
    """Several servers."""

    def test_round_robin(self, net: Table) -> None:
        """Of two servers one of which is closed, every other connection fails; the walk names both outcomes with their shares."""
        net.run("node1", f"{LOCAL}\nipvsadm -a -t {VIP}:80 -r 10.244.1.10:9999 -m")
        seen = sorted(net.send("client", VIP, 80, "tcp", 1.5)[0] for _ in range(2))
        trace = net.walk("client", VIP, 80, "tcp")
        assert (seen, trace.client_sees) == (["ECONNREFUSED", "connected"], "depends")
        ((_, share, other),) = trace.branches
        assert (share, other in seen) == ("1/2", True)

    def test_persistence(self, net: Table) -> None:
        """A persistent service gives a client's next connections to the server of its first; the walk, knowing no past, names what each would do."""
        net.run("node1", f"{TCP} -p 300\nipvsadm -a -t {VIP}:80 -r 10.244.1.10:8080 -m\nipvsadm -a -t {VIP}:80 -r 10.244.1.10:9999 -m")
        seen = {net.send("client", VIP, 80, "tcp", 8.0)[0] for _ in range(3)}
        trace = net.walk("client", VIP, 80, "tcp")
        assert (len(seen), trace.client_sees) == (1, "depends")
        assert seen <= {"connected", "ECONNREFUSED"}

    def test_kube_proxy(self, net: Table) -> None:
        """kube-proxy's own chains and sets: what does not come from a pod is marked on its way in and masqueraded on its way out."""
        net.run("node1", f"""{REMOTE}
ipset -exist create KUBE-CLUSTER-IP hash:ip,port
ipset -exist add KUBE-CLUSTER-IP {VIP},tcp:80
iptables-restore <<'END'
*nat
:KUBE-SERVICES - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
-A KUBE-SERVICES ! -s 10.244.0.0/16 -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE
COMMIT
END""")
        net.check("client", VIP, "connected", "10.20.0.11")
        net.check("node1", VIP, "connected", "10.20.0.11")
        net.check("node1/c", VIP, "connected", "10.244.1.11")
        net.run("node1", "sysctl -qw net.ipv4.vs.conntrack=0; conntrack -F")
        net.check("client", VIP, "timeout")
        net.check("node1", VIP, "timeout")
        net.check("node1/c", VIP, "connected", "10.244.1.11")
