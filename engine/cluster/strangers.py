"""Pods with addresses of a runtime's own network: they were made while a second CNI configuration came first.

podman, CRI-O and containerd ship configurations whose networks are the same on every machine and reached from none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.facts import HOST, Fact
from engine.inet import in_prefix, is_address, prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Pod

NETWORKS: Final = (("10.88.0.0/16", "podman", "87-podman-bridge.conflist"), ("10.85.0.0/16", "CRI-O", "100-crio-bridge.conflist"))
"""Network, whose it is, and the file in ``/etc/cni/net.d`` that says so (containerd's sample takes podman's)."""

AGENTS: Final = ("kube-flannel", "calico-node", "cilium", "weave-net")
"""Beginnings of names of network plug-ins' pods."""


def foreign_pods(cluster: Cluster) -> Iterator[Fact]:
    """A ``foreign_pod`` fact for every pod in a runtime's own network, in a cluster whose pods are elsewhere."""
    for pod in cluster.pods.values():
        address = next((str(ip) for ip in pod.ips if is_address(str(ip)) and ":" not in str(ip)), "")
        found = next((each for each in NETWORKS if address and in_prefix(address, each[0])), None)
        if found is None or not pod.active or cluster.on_host(pod):
            continue
        proper = _proper(cluster, pod, found[0])
        if proper:
            fields = {"namespace": pod.namespace, "name": pod.name, "full": pod.full, "address": address, "node_name": pod.node}
            fields |= {"network": found[0], "runtime": found[1], "file": found[2], "proper": proper}
            yield Fact("foreign_pod", fields, cluster.host_of(pod.node) or pod.node, HOST, pod.fact.source, pod.fact.line, pod.fact.text)


def _proper(cluster: Cluster, pod: Pod, foreign: str) -> str:
    """Where the cluster takes addresses from: the node's range, flannel's network, what is configured, or what others have; "" if nothing tells."""
    node = cluster.nodes.get(pod.node)
    leases = [str(f.get("network")) for f in cluster.facts.of_kind("flannel_subnet") if f.get("network")]
    stated = [r.cidr for r in cluster.ranges if r.what == "pod" and r.fact.kind != "k8s_node"]
    for text in (*(node.pod_cidrs if node is not None else ()), *leases, *stated):
        if ":" not in text:
            return "" if prefix(text).overlaps(prefix(foreign)) else text
    others = (p for p in cluster.pods.values() if p.active and not cluster.on_host(p) and p.ips)
    nodes = {a for n in cluster.nodes.values() for a in n.addresses}
    held = (str(p.ips[0]) for p in others if is_address(str(p.ips[0])) and ":" not in str(p.ips[0]) and str(p.ips[0]) not in nodes and not _system(p))
    other = next((a for a in held if not any(in_prefix(a, net) for net, _, _ in NETWORKS)), "")
    return str(prefix(f"{other}/24")) if other else ""


def _system(pod: Pod) -> bool:
    """Whether a pod is one of those that live in their node's network, which a table does not tell."""
    return pod.name.startswith(("kube-proxy", "kube-apiserver", "kube-scheduler", "kube-controller", "etcd", *AGENTS))
