"""What nodes' plug-ins, kube-proxy and calico lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from collectors.evidence import read
from engine.cluster import Cluster
from engine.cluster.plugins import (
    bgp_gaps,
    captured_addresses,
    cni_gaps,
    host_ports,
    ipam_ranges,
    ipvs_lacks,
    node_ports,
    stale_entries,
    troubles,
)
from engine.facts import ChainText, Fact, RuleLine
from engine.pipeline import fact_base
from tests.engine.cluster.conftest import cluster, ends, held, node, pod, service

if TYPE_CHECKING:
    from pathlib import Path

HOST = Fact("netns", {"name": "host"}, "n1")
LEASES = Fact("cni_leases", {"network": "podnet", "addresses": tuple(f"10.30.0.{i}" for i in range(2, 7))}, "n1")
CONFIG = Fact("cni_config", {"file": "10-x.conflist", "name": "podnet", "types": ("bridge",), "subnets": ("10.30.0.0/29",), "disabled": False}, "n1")
IPVS = Fact("kube_config", {"namespace": "kube-system", "name": "kube-proxy", "data": {"config.conf": "mode: ipvs\n"}})


def nat(*specs: str, chain: str = "CNI-HOSTPORT-DNAT") -> Fact:
    """The node's nat table."""
    rules = tuple(RuleLine(number, spec) for number, spec in enumerate(specs, 1))
    return Fact("netfilter_table", {"table": "nat", "family": 4, "chains": (ChainText(chain, "", 1, rules),)}, "n1")


def test_leases_fill_the_range() -> None:
    """All addresses but the network's, the gateway's and the broadcast one are for pods; those that no pod holds are leaked."""
    web = pod("shop/web", "10.30.0.2", {})
    found = list(ipam_ranges(cluster(node("n1", "10.0.0.1"), HOST, LEASES, CONFIG, web)))
    assert [(f.get("size"), f.get("leases"), f.get("live"), f.get("leaked_count")) for f in found] == [(5, 5, 1, 4)]
    room = LEASES.having(addresses=LEASES.get("addresses")[1:])
    assert list(ipam_ranges(cluster(node("n1", "10.0.0.1"), HOST, room, CONFIG, web))) == []


def test_subnet_is_not_known() -> None:
    """Leases of a network whose size nobody tells are no shortage; the bridge tells it as well as the configuration."""
    assert list(ipam_ranges(cluster(LEASES))) == []
    bridge = held("n1", "10.30.0.1", device="cni0").having(prefixlen=29)
    assert len(list(ipam_ranges(cluster(LEASES, bridge)))) == 1


def test_pods_fill_the_range() -> None:
    """Without the leases, the pods themselves tell; calico's blocks are no ranges of nodes."""
    one = node("n1", "10.0.0.1", pod_cidrs=("10.30.0.0/29",))
    pods = [pod(f"shop/p{i}", f"10.30.0.{i}", {}) for i in range(2, 7)]
    assert [f.get("known_by") for f in ipam_ranges(cluster(one, *pods))] == ["pods"]
    assert list(ipam_ranges(cluster(one, *pods[1:]))) == []
    assert list(ipam_ranges(cluster(one, *pods, Fact("ippool", {"name": "d", "cidr": "10.30.0.0/16"})))) == []


LISTED = Fact("collected", {"what": "cni_configs", "scope": "all"}, "n1")
NOT_READY = node("n1", "10.0.0.1", ready=False)


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ([NOT_READY, LISTED], "no-config"),
        ([NOT_READY, LISTED, CONFIG.having(disabled=True)], "disabled"),
        ([NOT_READY, LISTED, CONFIG.having(error="not JSON")], "broken"),
        ([NOT_READY, LISTED, CONFIG, Fact("cni_plugins", {"folder": "/opt/cni/bin", "names": ("host-local",)}, "n1")], "no-plugin"),
        ([NOT_READY, LISTED, CONFIG, Fact("cni_plugins", {"folder": "/opt/cni/bin", "names": ("bridge", "host-local")}, "n1")], ""),
        ([NOT_READY, LISTED, CONFIG], ""),
        ([NOT_READY], ""),
        ([node("n1", "10.0.0.1", ready=True), LISTED], ""),
        ([LISTED], ""),
        ([LISTED, Fact("kubelet", {}, "n1")], "no-config"),
        ([LISTED, Fact("kubelet", {}, "n1"), Fact("link", {"name": "cali1a2b"}, "n1")], ""),
    ],
)
def test_cni_gap(facts: list[Fact], what: str) -> None:
    """Only a node that runs pods and does not work lacks what is not there."""
    assert [f.get("what") for f in cni_gaps(cluster(HOST, *facts))] == ([what] if what else [])


def published(*more: Fact) -> list[dict[str, Any]]:
    """Host ports of one pod that nothing serves."""
    web = pod("shop/web", "10.30.0.2", {}, ports=({"port": 80, "protocol": "TCP", "host_port": 8080},))
    return [dict(f.fields) for f in host_ports(cluster(node("n1", "10.0.0.1"), HOST, web, *more))]


def test_host_ports() -> None:
    """A rule that leads to the pod publishes its port; without one, the chain of plug-ins tells why."""
    assert [f["what"] for f in published(nat(), CONFIG)] == ["no-portmap"]
    assert [f["what"] for f in published(nat(), CONFIG.having(types=("bridge", "portmap")))] == ["no-rule"]
    assert published(nat("-p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.30.0.2:80"), CONFIG) == []
    assert published(nat(), CONFIG.having(types=("cilium-cni",))) == []
    assert [f["known_by"] for f in published(nat(), CONFIG)] == ["rules"]
    assert [(f["what"], f["known_by"]) for f in published(CONFIG)] == [("no-portmap", "configuration")]
    assert published(CONFIG.having(types=("bridge", "portmap"))) == []
    assert published() == []


def test_addresses_of_a_host_port() -> None:
    """The node's, by its object, else by what the pod says of it."""
    web = pod("shop/web", "10.30.0.2", {}, ports=({"port": 80, "protocol": "TCP", "host_port": 8080},), host_ip="10.0.0.9")
    assert [f.get("addresses") for f in host_ports(cluster(HOST, web, CONFIG))] == [("10.0.0.9",)]


def test_captured() -> None:
    """An address of a node on kube-ipvs0 is captured; a virtual one that moves between nodes, or nobody's, is not."""
    dummy = held("n2", "10.0.0.1", device="kube-ipvs0").having(prefixlen=32)
    assert [(f.node, f.get("owner")) for f in captured_addresses(cluster(held("n1", "10.0.0.1"), dummy))] == [("n2", "n1")]
    assert list(captured_addresses(cluster(held("n1", "10.0.0.1").having(prefixlen=32), dummy))) == []
    web = service("shop/web", "10.96.0.9", {}, (80, 8080), external_ips=("10.0.0.1",))
    assert [f.get("known_by") for f in captured_addresses(cluster(node("n1", "10.0.0.1"), web, IPVS))] == ["service"]
    assert list(captured_addresses(cluster(node("n1", "10.0.0.1"), web))) == []


def test_node_ports() -> None:
    """By the API, else by kube-proxy's chain; each port once."""
    api = service("shop/web", "10.96.0.9", {}).having(ports=({"port": 80, "protocol": "TCP", "node_port": 30080},))
    rule = nat('-p tcp -m comment --comment "shop/web:http" -m tcp --dport 30080 -j KUBE-EXT-A', chain="KUBE-NODEPORTS")
    assert [(f.get("port"), f.get("service")) for f in node_ports(cluster(api, rule))] == [(30080, "shop/web")]
    assert [(f.get("port"), f.get("service")) for f in node_ports(cluster(rule))] == [(30080, "shop/web:http")]


def test_ipvs_lack() -> None:
    """Configured for ipvs, and neither module nor device is there."""
    facts = [node("n1", "10.0.0.1"), HOST, IPVS, Fact("collected", {"what": "modules", "scope": "all"}, "n1"), Fact("link", {"name": "eth0"}, "n1")]
    assert [f.get("modules")[0] for f in ipvs_lacks(cluster(*facts))] == ["ip_vs"]
    assert list(ipvs_lacks(cluster(*facts, Fact("kernel_module", {"name": "ip_vs"}, "n1")))) == []
    assert list(ipvs_lacks(cluster(*facts, Fact("link", {"name": "kube-ipvs0"}, "n1")))) == []
    assert list(ipvs_lacks(cluster(*[f for f in facts if f is not IPVS]))) == []


def test_stale_entry() -> None:
    """A UDP entry that leads to no backend of its Service is stale."""
    dns = service("kube-system/kube-dns", "10.96.0.10", {}, (53, 53))
    entry = Fact("conntrack", {"protocol": "udp", "src": "10.1.1.5", "dst": "10.96.0.10", "dport": 53, "reply_src": "10.1.2.7"}, "n1")
    behind = ends("kube-system/kube-dns", "10.1.2.9", port=53)
    assert [f.get("backend") for f in stale_entries(cluster(dns, behind, entry))] == ["10.1.2.7"]
    assert list(stale_entries(cluster(dns, behind, entry.having(reply_src="10.1.2.9")))) == []
    assert list(stale_entries(cluster(dns, behind, entry.having(protocol="tcp")))) == []


def test_bgp_gap() -> None:
    """A session that is not established, told with the nodes at both ends; also where it was asked inside a pod."""
    nodes = [node("n1", "10.0.0.1"), node("n2", "10.0.0.2"), HOST]
    down = Fact("bgp_peer", {"peer": "10.0.0.2", "type": "node-to-node mesh", "state": "start", "info": "Connect Socket: Connection refused",
        "established": False}, "n1")
    found = list(bgp_gaps(cluster(*nodes, down)))
    assert [(f.node, f.get("other_node"), f.get("how"), f.get("strange")) for f in found] == [("n1", "n2", "refused", False)]
    assert list(bgp_gaps(cluster(*nodes, down.having(established=True)))) == []
    inside = down.at("", "calico-node-x")
    agent = pod("kube-system/calico-node-x", "10.0.0.1", {}, host_network=True)
    assert [f.node for f in bgp_gaps(cluster(*nodes, agent, inside))] == ["n1"]
    assert [f.get("strange") for f in bgp_gaps(cluster(*nodes, down.having(peer="172.17.0.1")))] == [True]


def test_troubles() -> None:
    """Events, pods, nodes and logs tell, each of its pod and node, once."""
    words = "no IP addresses available in range set"
    event = Fact("k8s_event", {"namespace": "shop", "object": "Pod/web", "reason": "FailedCreatePodSandBox", "message": words})
    log = Fact("component_log", {"level": "E", "message": words, "text": words.lower(), "program": "kubelet"}, "n2")
    sick = node("n3", "10.0.0.3", ready=False, trouble="cni plugin not initialized")
    made = cluster(node("n1", "10.0.0.1"), pod("shop/web", "", {}, phase="Pending"), event, event, log, sick)
    assert [(f.get("name"), f.node, f.get("full"), f.get("said_by")) for f in troubles(made)] == [
        ("ipam-exhausted", "n2", None, "kubelet"), ("ipam-exhausted", "n1", "shop/web", "event"), ("no-config", "n3", None, "node")]


def test_a_listing_of_names(tmp_path: Path) -> None:
    """Files that were listed are there, whatever is in them; a folder without a configuration's name has none."""
    for names, gaps in (("10-flannel.conflist\ncalico-kubeconfig\n", []), ("10-flannel.conflist.bak\n", ["no-config"]), ("", ["no-config"])):
        text = "[root@n1 ~]# kubectl get nodes\nNAME   STATUS     ROLES    AGE   VERSION\nn1     NotReady   <none>   9d    v1.20.4\n"
        (tmp_path / "post.txt").write_text(f"{text}[root@n1 ~]# ls /etc/cni/net.d\n{names}", encoding="utf-8")
        assert [f.get("what") for f in cni_gaps(Cluster(fact_base(read([tmp_path]))))] == gaps
