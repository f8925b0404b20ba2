"""Ranges and proxy modes, wherever they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cluster.ranges import setting
from engine.facts import ChainText, Fact, RuleLine
from tests.engine.cluster.conftest import cluster, node, pod

if TYPE_CHECKING:
    from engine.cluster import Cluster

KUBEADM = """networking:
  dnsDomain: cluster.local
  podSubnet: "10.244.0.0/16,fd00::/48"  # both
  serviceSubnet: 10.96.0.0/12
"""


def config(name: str, **data: str) -> Fact:
    """A ConfigMap of kube-system."""
    return Fact("kube_config", {"namespace": "kube-system", "name": name, "data": {k.replace("_", "."): v for k, v in data.items()}})


def stated(made: Cluster) -> set[tuple[str, str, str]]:
    """Ranges as (prefix, what, where)."""
    return {(r.cidr, r.what, r.said_by) for r in made.ranges}


def test_ranges() -> None:
    """Nodes, kubeadm, kube-proxy, component options, flannel, calico, cilium and ServiceCIDR objects; what is no prefix is left out."""
    made = cluster(
        node("n1", "10.0.0.1", pod_cidrs=()).having(pod_cidrs=("10.244.1.0/24",)),
        config("kubeadm-config", ClusterConfiguration=KUBEADM),
        config("kube-proxy", config_conf='clusterCIDR: ""\nmode: ipvs\n'),
        config("cilium-config", **{"cluster-pool-ipv4-cidr": "10.3.0.0/16"}),
        Fact("kube_config", {"namespace": "kube-flannel", "name": "kube-flannel-cfg", "data": {"net-conf.json": '{"Network": "10.5.0.0/16"}'}}),
        pod("kube-system/kube-apiserver-n1", "10.0.0.1", {}, args=("kube-apiserver", "--service-cluster-ip-range=10.97.0.0/16", "--v=2")),
        Fact("ippool", {"name": "p", "cidr": "10.4.0.0/16", "disabled": False}),
        Fact("ippool", {"name": "old", "cidr": "10.6.0.0/16", "disabled": True}),
        Fact("service_cidr", {"name": "kubernetes", "cidrs": ("10.98.0.0/16",)}), Fact("flannel_subnet", {"network": "10.7.0.0/16"}, "n1"),
        Fact("ippool", {"name": "odd", "cidr": "everything"}),
    )
    assert stated(made) == {
        ("10.244.1.0/24", "pod", "node n1"),
        ("10.244.0.0/16", "pod", "configmap kubeadm-config podSubnet"),
        ("fd00::/48", "pod", "configmap kubeadm-config podSubnet"),
        ("10.96.0.0/12", "service", "configmap kubeadm-config serviceSubnet"),
        ("10.3.0.0/16", "pod", "configmap cilium-config cluster-pool-ipv4-cidr"),
        ("10.5.0.0/16", "pod", "configmap kube-flannel-cfg net-conf.json"),
        ("10.97.0.0/16", "service", "pod kube-system/kube-apiserver-n1 --service-cluster-ip-range"),
        ("10.4.0.0/16", "pod", "ippool p"),
        ("10.98.0.0/16", "service", "servicecidr kubernetes"),
        ("10.7.0.0/16", "pod", "subnet.env of n1"),
    }


def test_setting() -> None:
    """A plain key of YAML text, quoted or not, with a comment behind it; "" where it is absent."""
    assert setting("a: 1\n  b: 'x'\nc: \"\"\n", "b") == "x"
    assert setting("a: 1\n", "b") == setting('b: ""\n', "b") == ""


def test_mode_as_configured() -> None:
    """The ConfigMap, a component's option, or cilium in kube-proxy's place; an empty mode is iptables; nothing said is nothing known."""
    assert cluster(config("kube-proxy", config_conf="mode: ipvs\n")).proxy_mode().mode == "ipvs"
    assert cluster(config("kube-proxy", config_conf='mode: ""\n')).proxy_mode("n1").mode == "iptables"
    assert cluster(pod("kube-system/kube-proxy-x", "", {}, args=("--proxy-mode=nftables",))).proxy_mode().mode == "nftables"
    assert cluster(config("cilium-config", **{"kube-proxy-replacement": "true"})).proxy_mode().mode == "ebpf"
    assert cluster().proxy_mode().mode == ""


def test_mode_as_seen() -> None:
    """What the node shows beats what is configured."""
    configured = config("kube-proxy", config_conf="mode: ipvs\n")
    rules = (RuleLine(1, "-d 10.96.0.1/32 -j KUBE-SVC-X"),)
    shown = {
        "ipvs": Fact("link", {"name": "kube-ipvs0"}, "n1"),
        "kube-router": Fact("link", {"name": "kube-dummy-if"}, "n1"),
        "nftables": Fact("nft_ruleset", {"text": "table ip kube-proxy {\n}\n"}, "n1"),
        "iptables": Fact("netfilter_table", {"table": "nat", "chains": (ChainText("KUBE-SERVICES", rules=rules),)}, "n1"),
    }
    for mode, fact in shown.items():
        found = cluster(node("n1", "10.0.0.1"), Fact("netns", {"name": "host"}, "n1"), configured, fact).proxy_mode("n1")
        assert (found.mode, found.seen) == (mode, True)
    empty = Fact("netfilter_table", {"table": "nat", "chains": (ChainText("KUBE-SERVICES"),)}, "n1")
    assert cluster(node("n1", "10.0.0.1"), Fact("netns", {"name": "host"}, "n1"), configured, empty).proxy_mode("n1") == ("ipvs", False, configured)
