"""Pods in a runtime's own network."""

from __future__ import annotations

import pytest

from engine.cluster import Cluster
from engine.cluster.strangers import foreign_pods
from engine.facts import Fact, FactBase


def pod(name: str, *ips: str, node: str = "n1") -> Fact:
    """A running pod."""
    fields = {"namespace": "default", "name": name, "full": f"default/{name}", "ips": ips, "node_name": node, "phase": "Running", "ready": True}
    return Fact("pod", fields)


LEASE = Fact("flannel_subnet", {"network": "10.31.0.0/16", "subnet": "10.31.4.1/24"}, "n1")

KUBEADM = Fact("kube_config", {"namespace": "kube-system", "name": "kubeadm-config", "data": {"podSubnet": "10.244.0.0/16"}})


@pytest.mark.parametrize(("facts", "found"), [
    ((pod("a", "10.88.0.4"), LEASE), [("a", "podman", "10.31.0.0/16")]),
    ((pod("a", "10.85.0.4"), pod("b", "10.31.4.9", node="n2")), [("a", "CRI-O", "10.31.4.0/24")]),
    ((pod("a", "10.88.0.4"), KUBEADM), [("a", "podman", "10.244.0.0/16")]),
    ((pod("a", "10.88.0.4"), KUBEADM.having(data={"podSubnet": "10.88.0.0/16"})), []),
    ((pod("a", "10.85.0.4"), pod("kube-proxy-x1", "192.0.2.7")), []),
    ((pod("a", "10.88.0.4"), pod("b", "10.88.3.9", node="n2")), []),
    ((pod("a", "10.88.0.4"), Fact("k8s_node", {"name": "n1", "addresses": ("192.0.2.7",), "pod_cidrs": ("10.88.0.0/24",)}, "")), []),
])  # fmt: skip
def test_foreign(facts: tuple[Fact, ...], found: list[tuple[str, str, str]]) -> None:
    """Only where the cluster's own network was seen to be another one; a cluster may well use 10.88.0.0/16 itself."""
    told = foreign_pods(Cluster(FactBase(facts)))
    assert [(f.get("name"), f.get("runtime"), f.get("proper")) for f in told] == found
