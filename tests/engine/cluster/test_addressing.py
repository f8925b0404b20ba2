"""Addresses of pods against the ranges that they should be from."""

from __future__ import annotations

from typing import Any

from engine.cluster.addressing import by_node, cidr_clashes, config_pods, stray_pods, unranged_nodes
from engine.facts import HOST, Fact
from tests.engine.cluster.conftest import cluster, held, node, pod, service

FLANNEL = {"flannel.alpha.coreos.com/backend-type": "vxlan"}


def ranged(name: str, address: str, cidr: str, **more: Any) -> Fact:
    """A node with a pod range."""
    return node(name, address, pod_cidrs=(cidr,) if cidr else (), annotations={}, **more)


TWO = (ranged("n1", "10.0.0.1", "10.244.1.0/24"), ranged("n2", "10.0.0.2", "10.244.2.0/24"))
POOL = Fact("ippool", {"name": "default", "cidr": "192.168.0.0/16"})


def test_why_addresses_go_by_node() -> None:
    """The annotations of flannel say it, or that nearly all pods are inside; calico's pools and agents say that nothing can be told."""
    four = [pod(f"shop/p{i}", f"10.244.1.{i}", {}) for i in range(2, 6)]
    assert by_node(cluster(TWO[0].having(annotations=FLANNEL))) == "flannel"
    assert by_node(cluster(*TWO, *four)) == "others"
    assert by_node(cluster(*TWO, *four[:3])) == ""
    assert by_node(cluster(*TWO, *four, POOL)) == ""
    assert by_node(cluster(*TWO, *four, pod("kube-system/calico-node-x", "10.0.0.1", {}, host_network=True))) == ""


def test_stray_pod() -> None:
    """A pod outside its node's range is one, in another node's range too; what has ended, or lives in the node's network, is none."""
    nodes = [each.having(annotations=FLANNEL) for each in TWO]
    made = cluster(
        *nodes, pod("shop/right", "10.244.1.5", {}), pod("shop/nowhere", "10.9.9.9", {}), pod("shop/other", "10.244.2.9", {}),
        pod("shop/done", "10.9.9.8", {}, phase="Succeeded"), pod("shop/hosted", "10.0.0.1", {}, host_network=True),
    )  # fmt: skip
    assert [(f.get("full"), f.get("other_node"), f.get("bridge")) for f in stray_pods(made)] == [("shop/nowhere", "", ""), ("shop/other", "n2", "")]


def test_docker_bridge() -> None:
    """An address of docker0 is no pod's, unless flannel leased that subnet, a route of another machine leads to it, or it is the node's range."""
    web = pod("shop/web", "172.17.0.3", {})
    bridge = Fact("address", {"device": "docker0", "address": "172.17.0.1", "prefixlen": 16, "family": 4}, "n1")
    seen = Fact("netns", {"name": "host"}, "n1")
    found = list(stray_pods(cluster(*TWO, web, bridge, seen)))
    assert [(f.get("bridge"), f.get("known_by")) for f in found] == [("docker0", "bridge")]
    lease = Fact("flannel_subnet", {"network": "172.17.0.0/12", "subnet": "172.17.0.1/16"}, "n1")
    assert list(stray_pods(cluster(*TWO, web, bridge, seen, lease))) == []
    route = Fact("route", {"table": "main", "dst": "172.17.0.0/16", "gateway": "10.0.0.1", "device": "eth0"}, "n2")
    assert [f.get("bridge") for f in stray_pods(cluster(web, bridge, seen, route))] == []
    own = ranged("n1", "10.0.0.1", "172.17.0.0/16")
    assert list(stray_pods(cluster(own, web, bridge, seen))) == []


def test_docker_bridge_of_a_table() -> None:
    """Without ranges, docker's usual subnet on two nodes tells; on one machine alone it may be the whole cluster."""
    one, two = pod("shop/a", "172.17.0.2", {}, "n1"), pod("shop/b", "172.17.0.2", {}, "n2")
    assert len(list(stray_pods(cluster(one, two)))) == 2
    assert list(stray_pods(cluster(one))) == []


def test_blocks_of_a_plug_in_in_dockers_subnet() -> None:
    """Nodes whose pods share no block, or that live in that subnet themselves, have a plug-in that chose it."""
    one, two = pod("shop/a", "172.17.0.2", {}, "n1"), pod("shop/b", "172.17.1.2", {}, "n2")
    assert list(stray_pods(cluster(one, two))) == []
    near = pod("shop/b", "172.17.0.3", {}, "n2")
    assert len(list(stray_pods(cluster(one, near)))) == 2
    assert list(stray_pods(cluster(one, near, node("n1", "172.17.0.10")))) == []


def test_a_route_past_docker0() -> None:
    """The narrowest route within docker's subnet tells who holds the address; one that is wider tells nothing."""
    web, bridge = pod("shop/web", "172.17.1.3", {}), held("n1", "172.17.0.1", device="docker0").having(prefixlen=16)
    docker = Fact("route", {"dst": "172.17.0.0/16", "device": "docker0"}, "n1", HOST)
    facts = (*TWO, web, bridge, docker, Fact("netns", {"name": "host"}, "n1", HOST))
    plug_in = docker.having(dst="172.17.1.0/24", device="cilium_host")
    assert list(stray_pods(cluster(*facts, plug_in))) == []
    for other in (
        docker.having(dst="172.16.0.0/12", device="tun0"),
        docker.having(dst="172.17.2.0/24", device="cilium_host"),
        plug_in.at("n2", HOST),
    ):
        assert [f.get("known_by") for f in stray_pods(cluster(*facts, other))] == ["bridge"]
    unseen = (*TWO, web, plug_in.at("n2", HOST))
    assert list(stray_pods(cluster(*unseen))) == []


def test_docker_sandbox() -> None:
    """The kubelet's containers on docker's network tell without the API; a container of somebody else's does not."""
    bridge = Fact("address", {"device": "docker0", "address": "172.17.0.1", "prefixlen": 16, "family": 4}, "n1")
    end = {"endpoints": ({"network": "bridge", "address": "172.17.0.2"},)}
    pause = Fact("container", {"name": "k8s_POD_web-1_shop_0a1b_0", **end}, "n1")
    found = list(stray_pods(cluster(bridge, pause)))
    assert [(f.get("full"), f.get("known_by")) for f in found] == [("shop/web-1", "container")]
    assert list(stray_pods(cluster(bridge, pause.having(name="web")))) == []


def test_duplicate_ranges() -> None:
    """Two nodes with one range clash, by their objects, else by their bridges; podman's subnet is everywhere."""
    twins = [*TWO[:1], ranged("n2", "10.0.0.2", "10.244.1.128/25")]
    assert [(f.get("what"), f.get("node_name"), f.get("other_node")) for f in cidr_clashes(cluster(*twins))] == [("duplicate", "n2", "n1")]
    route = Fact("route", {"dst": "10.244.1.0/24", "gateway": "10.0.0.1"}, "n3")
    bridges = [held(n, "10.244.1.1", device="cni0") for n in ("n1", "n2")]
    assert [f.get("known_by") for f in cidr_clashes(cluster(*bridges, route))] == ["bridge"]
    assert list(cidr_clashes(cluster(*bridges))) == []
    podman = [held(n, "10.88.0.1", device="cni0").having(prefixlen=16) for n in ("n1", "n2")]
    assert list(cidr_clashes(cluster(*podman, route.having(dst="10.88.0.0/16")))) == []
    assert list(cidr_clashes(cluster(*TWO))) == []


def test_ranges_that_meet() -> None:
    """Pods' and Services' ranges, and nodes' addresses in either; a range of nodes inside the cluster's is as it should be."""
    services = Fact("service_cidr", {"name": "k", "cidrs": ("10.244.0.0/20",)})
    assert [f.get("what") for f in cidr_clashes(cluster(*TWO, services))] == ["pod-service", "pod-service"]
    inside = ranged("n1", "10.96.0.7", "10.244.1.0/24")
    assert [f.get("what") for f in cidr_clashes(cluster(inside, services.having(cidrs=("10.96.0.0/12",))))] == ["node-service"]
    config = Fact("kube_config", {"namespace": "kube-system", "name": "kube-proxy", "data": {"config.conf": "clusterCIDR: 10.244.0.0/16\n"}})
    assert list(cidr_clashes(cluster(*TWO, config, services.having(cidrs=("10.96.0.0/12",))))) == []


def test_services_inside_the_range_of_pods() -> None:
    """Where nobody printed the Services' range, one address of a Service inside the pods' tells; a printed range tells itself."""
    config = Fact("kube_config", {"namespace": "kube-system", "name": "options", "data": {"--pod-network-cidr": "10.96.0.0/16"}})
    dns = service("kube-system/kube-dns", "10.96.0.10", {}, (53, 53))
    (found,) = cidr_clashes(cluster(config, dns))
    assert (found.get("what"), found.get("both")) == ("pod-service", "10.96.0.0/16")
    assert "kube-system/kube-dns" in str(found.get("other_said_by"))
    assert list(cidr_clashes(cluster(config, dns.having(cluster_ips=("10.97.0.10",))))) == []


def test_unaligned() -> None:
    """A range is what its length keeps of it."""
    services = Fact("service_cidr", {"name": "k", "cidrs": ("10.95.0.0/12",)})
    assert [(f.get("what"), f.get("cidr")) for f in cidr_clashes(cluster(services))] == [("unaligned", "10.80.0.0/12")]


def test_nonsense_is_passed_over() -> None:
    """What is no prefix clashes with nothing."""
    assert list(cidr_clashes(cluster(ranged("n1", "10.0.0.1", "nonsense"), ranged("n2", "10.0.0.2", "nonsense")))) == []


def test_unranged() -> None:
    """A node without a range, where others have one; the cluster's range tells whether one is left."""
    config = Fact("kube_config", {"namespace": "kube-system", "name": "kube-proxy", "data": {"config.conf": "clusterCIDR: 10.244.0.0/22\n"}})
    found = list(unranged_nodes(cluster(*TWO, ranged("n3", "10.0.0.3", ""), config)))
    told = [(f.get("node_name"), f.get("others"), f.get("capacity"), f.get("full"), f.get("free")) for f in found]
    assert told == [("n3", 2, 4, False, "10.244.0.0/24")]
    full = list(unranged_nodes(cluster(*TWO, ranged("n3", "10.0.0.3", ""), config.having(data={"config.conf": "clusterCIDR: 10.244.1.0/24\n"}))))
    assert [f.get("full") for f in full] == [True]


def test_ranged_enough() -> None:
    """Nobody has one, calico is there, or a table does not show it: nothing is missing."""
    assert list(unranged_nodes(cluster(ranged("n1", "10.0.0.1", ""), ranged("n2", "10.0.0.2", "")))) == []
    assert list(unranged_nodes(cluster(*TWO, ranged("n3", "10.0.0.3", ""), POOL))) == []
    table = Fact("k8s_node", {"name": "n3", "addresses": ("10.0.0.3",), "ready": True})
    assert list(unranged_nodes(cluster(*TWO, table))) == []


def test_twin_pods() -> None:
    """One address on two nodes tells that their ranges meet; addresses of nodes, and networks that are the same everywhere, do not."""
    twins = {"10.31.1.5": ["n2"], "10.0.2.15": [], "172.17.0.2": []}
    for address, expected in twins.items():
        made = cluster(pod("shop/a", address, None, "n1"), pod("shop/b", address, None, "n2"))
        assert [f.get("node_name") for f in cidr_clashes(made)] == expected
    host = cluster(*(pod(f"shop/{name}", "192.0.2.7", None, name[0:2]) for name in ("n1-a", "n1-b", "n2-a")))
    assert list(cidr_clashes(host)) == []


def test_docker0_beside_the_clusters_bridge() -> None:
    """Where both bridges have one subnet, a pod of it hangs on the cluster's."""
    docker, cni = (Fact("address", {"device": d, "address": "10.9.0.1", "prefixlen": 24, "family": 4}, "n1") for d in ("docker0", "cni0"))
    facts = (node("n1", "10.0.0.1"), pod("shop/web", "10.9.0.2", {}), Fact("netns", {"name": "host"}, "n1", HOST))
    assert [f.get("bridge") for f in stray_pods(cluster(*facts, docker))] == ["docker0"]
    assert not list(stray_pods(cluster(*facts, docker, cni)))


def test_a_pod_that_another_configuration_made() -> None:
    """Its address is of a configuration's subnets and not of its node's range; with one configuration, or inside it, all is well."""
    second = Fact("cni_config", {"file": "10-containerd-net.conflist", "name": "containerd-net", "subnets": ("10.244.0.0/16",)}, "n2", HOST)
    flannel = Fact("cni_config", {"file": "10-flannel.conflist", "name": "cbr0", "types": ("flannel",)}, "n2", HOST)
    own = node("n2", "10.0.0.2").having(pod_cidrs=("10.244.1.0/24",))
    stack = Fact("netns", {"name": "host"}, "n2", HOST)
    strange, proper = pod("shop/web", "10.244.0.2", {}, "n2"), pod("shop/web", "10.244.1.2", {}, "n2")
    (found,) = config_pods(cluster(own, stack, second, flannel, strange))
    assert [found.get(name) for name in ("full", "file", "rightful", "cidrs")] == [
        "shop/web",
        "10-containerd-net.conflist",
        "10-flannel.conflist",
        ("10.244.1.0/24",),
    ]
    for other in ((own, stack, flannel, strange), (own, stack, second, flannel, proper), (stack, second, flannel, strange)):
        assert not list(config_pods(cluster(*other)))
    twin = pod("shop/db", "10.244.0.2", {}, "n1")
    assert not [f for f in cidr_clashes(cluster(own, stack, second, flannel, strange, twin)) if f.get("known_by") == "pods"]
