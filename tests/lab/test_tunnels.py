"""Devices that only Debian's kernel has: each law holds on Linux 6.1 and in the walk.

Two nodes on one wire, a pod on each; what joins the pods' networks is the test's.
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
node1:
  links: {eth0: {wire: lan, address: 10.20.0.11/24}}
  bridges: {cni0: 10.244.1.1/24}
  sysctls: {net.ipv4.ip_forward: 1}
  pods: {a: {address: 10.244.1.10/24, bridge: cni0, gateway: 10.244.1.1}}
node2:
  links: {eth0: {wire: lan, address: 10.20.0.12/24}}
  bridges: {cni0: 10.244.2.1/24}
  sysctls: {net.ipv4.ip_forward: 1}
  pods: {b: {address: 10.244.2.10/24, bridge: cni0, gateway: 10.244.2.1}}
  listen: [{port: 80, pod: b}, {port: 80, pod: b, protocol: udp}, {port: 81}]
"""
POD = "10.244.2.10"
FRESH = """
for device in tun0 wg0 eth0.7 gre1 dum0 ipv0; do ip link del $device 2>/dev/null || true; done
ip link set tunl0 down 2>/dev/null || true
ip addr flush dev tunl0 2>/dev/null || true
iptables -F; iptables -t nat -F; iptables -t raw -F
ip -4 route flush proto static
conntrack -F 2>/dev/null
"""


@pytest.fixture(scope="module")
def machines() -> Iterator[Table]:
    """The machines, once for all tests."""
    with laid(NODES, DEBIAN) as table:
        yield table


@pytest.fixture
def net(machines: Table) -> Table:
    """The machines with nothing between the pods' networks."""
    for node in ("node1", "node2"):
        machines.run(node, FRESH)
    return machines


def both(net: Table, lines: str) -> None:
    """Run lines on both nodes; ``{me}`` and ``{you}`` are their numbers."""
    for me, you in ((1, 2), (2, 1)):
        net.run(f"node{me}", lines.format(me=me, you=you))


class TestIpip:
    """IP in IP."""

    # The first tunnel loads the module, which makes tunl0.
    CALICO = """ip link add tun0 type ipip local 10.20.0.1{me}; ip link del tun0; ip link set tunl0 up; ip addr add 10.244.{me}.0/32 dev tunl0
ip route add 10.244.{you}.0/24 via 10.20.0.1{you} dev tunl0 onlink proto static"""

    FIXED = """ip link add tun0 type ipip local 10.20.0.1{me} remote 10.20.0.1{you}; ip link set tun0 up
ip route add 10.244.{you}.0/24 dev tun0 proto static"""

    def test_remote_of_the_next_hop(self, net: Table) -> None:
        """A tunnel without a remote end sends to the next hop of the route: calico's and flannel's tunl0."""
        both(net, self.CALICO)
        net.check("node1/a", POD, "connected", "10.244.1.10")
        net.check("node1/a", POD, "connected", "10.244.1.10", protocol="udp")
        # The node's own source is tunl0's address.
        net.check("node1", POD, "connected", "10.244.1.0")

    def test_protocol_filtered(self, net: Table) -> None:
        """The outer packet passes INPUT as protocol 4; a filter that drops it makes the pods' packets vanish while the nodes see each other."""
        both(net, self.CALICO)
        net.run("node2", "iptables -A INPUT -p 4 -j DROP")
        net.check("node1/a", POD, "timeout")
        net.check("node1", "10.20.0.12", "connected", "10.20.0.11", port=81)

    def test_rejected(self, net: Table) -> None:
        """A tunnel without a remote end ignores ICMP errors about its packets: REJECT is as silent as DROP."""
        both(net, self.CALICO)
        net.run("node2", "iptables -A INPUT -p 4 -j REJECT")
        net.check("node1/a", POD, "timeout")
        net.check("node1", POD, "timeout", protocol="udp")

    def test_output_filtered(self, net: Table) -> None:
        """The outer packet is the node's own: it passes OUTPUT, not FORWARD."""
        both(net, self.CALICO)
        net.run("node1", "iptables -A FORWARD -p 4 -j DROP")
        net.check("node1/a", POD, "connected", "10.244.1.10")
        net.run("node1", "iptables -A OUTPUT -p 4 -j DROP")
        net.check("node1/a", POD, "timeout")

    def test_inner_packet(self, net: Table) -> None:
        """The inner packet passes FORWARD, with the tunnel as its device, on both nodes."""
        both(net, self.CALICO)
        net.run("node2", "iptables -A FORWARD -i tunl0 -p tcp --dport 80 -j REJECT --reject-with icmp-host-prohibited")
        net.check("node1/a", POD, "EHOSTUNREACH")
        net.run("node2", "iptables -F FORWARD; ip link set tunl0 down")
        net.check("node1/a", POD, "timeout")

    def test_fixed_ends(self, net: Table) -> None:
        """A tunnel with both ends takes only packets between them."""
        both(net, self.FIXED)
        net.check("node1/a", POD, "connected", "10.244.1.10")
        net.run("node2", "ip link del tun0; ip link add tun0 type ipip local 10.20.0.12 remote 10.20.0.13; ip link set tun0 up")
        net.run("node2", "ip route add 10.244.1.0/24 dev tun0 proto static")
        net.check("node1/a", POD, "timeout", protocol="udp")

    def test_masqueraded_outer_packet(self, net: Table) -> None:
        """MASQUERADE of the outer packet changes nothing where the address is the same; SNAT to another breaks a tunnel with fixed ends."""
        both(net, self.FIXED)
        net.run("node1", "iptables -t nat -A POSTROUTING -p 4 -j MASQUERADE")
        net.check("node1/a", POD, "connected", "10.244.1.10")
        net.run("node1", "iptables -t nat -F; iptables -t nat -A POSTROUTING -p 4 -j SNAT --to-source 10.20.0.99; conntrack -F")
        net.check("node1/a", POD, "timeout", protocol="udp")


class TestGre:
    """GRE."""

    def test_gre(self, net: Table) -> None:
        """GRE is protocol 47 and else as IPIP."""
        both(net, """ip link add gre1 type gre local 10.20.0.1{me} remote 10.20.0.1{you}; ip link set gre1 up
ip route add 10.244.{you}.0/24 dev gre1 proto static""")
        net.check("node1/a", POD, "connected", "10.244.1.10")
        net.run("node2", "iptables -A INPUT -p 4 -j DROP")
        net.check("node1/a", POD, "connected", "10.244.1.10")
        net.run("node2", "iptables -A INPUT -p 47 -j DROP")
        net.check("node1/a", POD, "timeout")


class TestWireguard:
    """WireGuard."""

    def set_up(self, net: Table, allowed: str = "10.244.{you}.0/24") -> None:
        """A device on each node that knows the other."""
        keys = {me: net.run(f"node{me}", "wg genkey > /run/key; wg pubkey < /run/key").strip() for me in (1, 2)}
        for me, you in ((1, 2), (2, 1)):
            net.run(f"node{me}", f"""ip link add wg0 type wireguard
wg set wg0 private-key /run/key listen-port 51820 peer {keys[you]} endpoint 10.20.0.1{you}:51820 allowed-ips {allowed.format(you=you)}
ip link set wg0 up
ip route add 10.244.{you}.0/24 dev wg0 proto static""")

    def test_pods(self, net: Table) -> None:
        """Packets for an allowed prefix are carried over UDP to the peer's endpoint."""
        self.set_up(net)
        net.check("node1/a", POD, "connected", "10.244.1.10")
        net.check("node1/a", POD, "connected", "10.244.1.10", protocol="udp")

    def test_port_filtered(self, net: Table) -> None:
        """A filter of the UDP port makes everything vanish."""
        self.set_up(net)
        net.run("node2", "iptables -A INPUT -p udp --dport 51820 -j DROP")
        net.check("node1/a", POD, "timeout")

    def test_source_not_allowed(self, net: Table) -> None:
        """The other end drops packets whose source is not among the sender's allowed IPs: a node's own address, say."""
        self.set_up(net)
        net.check("node1", POD, "timeout")

    def test_destination_not_allowed(self, net: Table) -> None:
        """A destination that no peer has: the pod is told host unreachable, a local UDP sender ENOKEY."""
        self.set_up(net)
        net.run("node1", "ip route add 10.244.3.0/24 dev wg0 proto static")
        net.check("node1/a", "10.244.3.3", "EHOSTUNREACH")
        net.check("node1", "10.244.3.3", "ENOKEY", protocol="udp")
        net.check("node1", "10.244.3.3", "EHOSTUNREACH")

    def test_no_endpoint(self, net: Table) -> None:
        """A peer without an endpoint (none set, none learned): host unreachable, EDESTADDRREQ to a local UDP sender."""
        self.set_up(net)
        net.run("node1", "wg set wg0 peer $(wg show wg0 peers) remove; wg set wg0 peer $(wg genkey | wg pubkey) allowed-ips 10.244.2.0/24")
        net.check("node1/a", POD, "EHOSTUNREACH")
        net.check("node1", POD, "EDESTADDRREQ", protocol="udp")


class TestDummy:
    """Dummy devices."""

    def test_swallows(self, net: Table) -> None:
        """What is routed out by a dummy device is gone without a word; its own address is local, even while it is down."""
        net.run("node2", "ip link add dum0 type dummy; ip addr add 10.9.0.1/24 dev dum0; ip link set dum0 up")
        net.run("node2", "ip route add 10.244.9.0/24 dev dum0 proto static")
        net.run("node1", "ip route add 10.9.0.0/24 via 10.20.0.12 proto static; ip route add 10.244.9.0/24 via 10.20.0.12 proto static")
        net.check("node1", "10.244.9.1", "timeout")
        net.check("node2", "10.244.9.1", "timeout")
        net.check("node1", "10.9.0.1", "connected", "10.20.0.11", port=81)
        net.run("node2", "ip link set dum0 down")
        net.check("node1", "10.9.0.1", "connected", "10.20.0.11", port=81)


class TestVlan:
    """802.1Q."""

    VLAN = "ip link add link eth0 name eth0.7 type vlan id 7; ip addr add 10.7.0.{me}/24 dev eth0.7; ip link set eth0.7 up"

    def test_same_tag(self, net: Table) -> None:
        """Two devices with one tag on one wire are a segment."""
        both(net, self.VLAN)
        net.check("node1", "10.7.0.2", "connected", "10.7.0.1", port=81)

    def test_other_tag(self, net: Table) -> None:
        """With different tags they are not: nobody answers ARP, which the walk takes for certain once the neighbour table says so."""
        both(net, self.VLAN)
        net.run("node2", "ip link del eth0.7; ip link add link eth0 name eth0.7 type vlan id 8")
        net.run("node2", "ip addr add 10.7.0.2/24 dev eth0.7; ip link set eth0.7 up")
        assert net.walk("node1", "10.7.0.2", 81, "tcp").client_sees == "depends"
        assert net.send("node1", "10.7.0.2", 81, "tcp", 8.0) == ("EHOSTUNREACH", "")
        net.run("node1", "ip neigh show to 10.7.0.2")
        net.check("node1", "10.7.0.2", "EHOSTUNREACH", port=81)
