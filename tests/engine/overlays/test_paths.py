"""Pairs of nodes that go different ways to each other's pods: from routes and Node objects as strangers give them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.computed import EXPANDERS
from engine.facts import Fact, FactBase
from tests.engine.walk.world import World, parsed

HEAD = "Kernel IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface\n"
ROUTE_N = {
    "direct": "{net}      {via}   255.255.255.0   UG    0      0        0 eth0\n",
    "vxlan": "{net}      {net}      255.255.255.0   UG    0      0        0 flannel.1\n",
    "ipip": "{net}      {via}   255.255.255.0   UG    0      0        0 tunl0\n",
    "own": "{net}      0.0.0.0         255.255.255.0   U     0      0        0 cni0\n",
    "udp": "10.244.0.0      0.0.0.0         255.255.0.0     U     0      0        0 flannel0\n",
}


def table(number: int, ways: dict[int, str]) -> list[Fact]:
    """What ``route -n`` prints on node n<number>: its own pods, and the way to each other node's."""
    lines = ROUTE_N["own"].format(net=f"10.244.{number}.0")
    lines += "".join(ROUTE_N[way].format(net=f"10.244.{other}.0", via=f"192.0.2.{other}") for other, way in ways.items())
    return parsed("route -n", HEAD + lines, f"n{number}")


def computed(*groups: list[Fact]) -> list[dict[str, Any]]:
    """Fields of the ``path_mismatch`` facts."""
    return [{"node": f.node, **f.fields} for f in FactBase([f for group in groups for f in group], EXPANDERS).of_kind("path_mismatch")]


def test_two_tables() -> None:
    """One goes by the wire, the other through its tunnel: nothing else need be known."""
    (found,) = computed(table(1, {2: "direct"}), table(2, {1: "vxlan"}))
    told = {k: found[k] for k in ("node", "peer", "prefix", "how", "gateway", "back_prefix", "back_how", "back_device", "known_by")}
    assert told == {
        "node": "n1",
        "peer": "n2",
        "prefix": "10.244.2.0/24",
        "how": "direct",
        "gateway": "192.0.2.2",
        "back_prefix": "10.244.1.0/24",
        "back_how": "vxlan",
        "back_device": "flannel.1",
        "known_by": "routes",
    }
    assert "right_gateway" not in found


@pytest.mark.parametrize("ways", [("direct", "direct"), ("vxlan", "vxlan"), ("ipip", "ipip"), ("udp", "udp")])
def test_one_way(ways: tuple[str, str]) -> None:
    """Both go the same way, whichever it is."""
    assert not computed(table(1, {2: ways[0]}), table(2, {1: ways[1]}))


def test_ways_by_neighbourhood() -> None:
    """The wire within a subnet, the tunnel beyond it (DirectRouting, CrossSubnet): each pair agrees."""
    assert not computed(table(1, {2: "direct", 3: "vxlan"}), table(2, {1: "direct", 3: "vxlan"}), table(3, {1: "vxlan", 2: "vxlan"}))


def test_what_cannot_be_compared() -> None:
    """Only a default route, docker's own network on both, and devices of which the way cannot be told."""
    default = parsed("route -n", HEAD + "0.0.0.0         192.0.2.254     0.0.0.0         UG    0      0        0 eth0\n", "n1")
    assert not computed(default, table(2, {1: "vxlan"}))
    docker = HEAD + "172.17.0.0      0.0.0.0         255.255.0.0     U     0      0        0 docker0\n"
    assert not computed(parsed("route -n", docker, "n1"), parsed("route -n", docker, "n2"))
    cilium = HEAD + ROUTE_N["own"].format(net="10.244.1.0") + "10.244.2.0      10.244.1.1      255.255.255.0   UG    0      0        0 cilium_host\n"
    assert not computed(parsed("route -n", cilium, "n1"), table(2, {1: "vxlan"}))


def test_most_nodes_count() -> None:
    """Of three nodes the one that differs from the others is to be changed."""
    found = computed(table(1, {2: "vxlan", 3: "vxlan"}), table(2, {1: "vxlan", 3: "vxlan"}), table(3, {1: "direct", 2: "direct"}))
    assert {(f["node"], f["peer"]) for f in found} == {("n3", "n1"), ("n3", "n2")}
    other = computed(table(1, {2: "direct", 3: "direct"}), table(2, {1: "direct", 3: "direct"}), table(3, {1: "vxlan", 2: "vxlan"}))
    assert {(f["node"], f.get("right_gateway", "")) for f in other} == {("n3", "")}


def test_the_configuration_counts_first() -> None:
    """net-conf.json names the way; with DirectRouting it names none."""
    tables = (table(1, {2: "direct"}), table(2, {1: "vxlan"}))
    conf = '{"Network": "10.244.0.0/16", "Backend": {"Type": "host-gw"}}'
    (found,) = computed(*tables, [Fact("kube_config", {"namespace": "kube-flannel", "name": "kube-flannel-cfg", "data": {"net-conf.json": conf}})])
    assert (found["node"], found["how"]) == ("n2", "vxlan")
    for text in ('{"Backend": {"Type": "host-gw", "DirectRouting": true}}', "{", "[]", '{"Backend": []}'):
        (found,) = computed(*tables, [Fact("kube_config", {"data": {"net-conf.json": text}})])
        assert found["node"] == "n1"


def cluster() -> World:
    """Two nodes of one subnet, both with flannel.1; n1 goes by the wire, n2 through the tunnel."""
    world = World()
    for number, other, way in ((1, 2, "via 192.0.2.2 dev eth0"), (2, 1, "via 10.244.1.0 dev flannel.1 onlink")):
        stack = world.host(f"n{number}", f"192.0.2.{number}/24").device("cni0", f"10.244.{number}.1/24", kind="bridge")
        stack.device("flannel.1", f"10.244.{number}.0/32", kind=f"vxlan id 1 local 192.0.2.{number} dstport 8472 nolearning")
        stack.route(f"10.244.{other}.0/24 {way}")
    return world


def test_the_way_to_go() -> None:
    """Through the tunnel by the peer's overlay address, where this node has the tunnel."""
    (found,) = computed(list(cluster().facts().facts))
    assert [found[k] for k in ("node", "right_device", "right_gateway", "doubled")] == ["n1", "flannel.1", "10.244.2.0", False]
    left_over = cluster()
    left_over.stack("n1").route("10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink metric 100")
    (found,) = computed(list(left_over.facts().facts))
    assert [found[k] for k in ("device", "doubled")] == ["eth0", True]


def test_a_tunnel_that_the_peer_has_not() -> None:
    """Who tunnels to a node without the tunnel goes by the wire: by the peer's address in the network that both share."""
    world = cluster()
    del world.stack("n1").devices["flannel.1"]
    (found,) = computed(list(world.facts().facts))
    assert [found[k] for k in ("node", "how", "right_device", "right_gateway")] == ["n2", "vxlan", "eth0", "192.0.2.1"]


def kube(name: str, backend: str) -> Fact:
    """A Node object with flannel's backend."""
    return Fact("k8s_node", {"name": name, "addresses": (), "annotations": {"flannel.alpha.coreos.com/backend-type": backend}}, "master")


def test_backends_of_node_objects() -> None:
    """The Node whose backend is not that of most; one backend on all, and backends that are not known, say nothing."""
    (found,) = computed([kube("a", "vxlan"), kube("b", "host-gw"), kube("c", "vxlan")])
    assert (found["owner"], found["how"], found["back_how"], found["known_by"]) == ("b", "direct", "vxlan", "annotation")
    assert not computed([kube("a", "vxlan"), kube("b", "vxlan")])
    assert not computed([kube("a", "vxlan"), kube("b", "alivpc")])
