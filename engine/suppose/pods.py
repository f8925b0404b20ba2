"""Pods that must be on a node of a cluster of which a part was shown: a filter, a parameter, routes.

Their bridge is flannel's, for pods behind a bridge pass all that any pod passes on its node.  Nothing is supposed where the evidence shows
how the node's pods hang (devices of calico, cilium, weave; a bridge).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.facts import HOST, Fact
from engine.inet import is_address, prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase

BRIDGE: Final = "cni0"
LENGTH: Final = 24
"""Of a node's part of the pods' network."""
SUBNET: Final = "10.244.0.0/24"
"""Flannel's usual network, where nobody showed an address of a pod."""
WORDS: Final = re.compile(
    r"\bpods?\b|\bkubernetes\b|\bk8s\b|\bk3s\b|\bcoredns\b|\bkubeadm\b|\bkubelet\b|\bkube-\w+|\bcluster ?ips?\b|\bnode ?(?:ports?|ip)\b"
)
"""Words of a symptom that tell that it is about a cluster."""
DEVICES: Final = re.compile(r"(?:cali|cilium|lxc|weave|vethwe|kube-bridge|cni|cbr|antrea|ovn|azure|eni|tunl)[\w.@-]*")
"""Devices that show how a node's pods hang; flannel's own tunnel leads to a bridge like the supposed one."""
CHAINS: Final = ("cali-", "CILIUM_", "WEAVE-", "KUBE-ROUTER", "ANTREA-", "AWS-")
"""Beginnings of chains of network plug-ins whose pods hang on no bridge."""
NODE_PORTS: Final = range(30000, 32768)
SERVER: Final = 80
"""Number of the host in the pods' subnet that a node port leads to, where nobody showed one."""
MAX_CHAINS: Final = 2000


def is_told(facts: FactBase, node: str, symptom: str) -> bool:
    """Whether a node is one of a cluster, with pods that the symptom may be about and that nobody showed on a device."""
    if not (WORDS.search(symptom) or pods_of(facts, node)):
        return False
    devices = (str(f.get("name") or f.get("device")) for kind in ("link", "address", "route") for f in facts.at(kind, node, HOST))
    if any(DEVICES.fullmatch(name) for name in devices):
        return False
    tables = facts.at("netfilter_table", node, HOST)
    return not any(str(chain.name).startswith(CHAINS) for table in tables for chain in table.get("chains", ()))


def pods_of(facts: FactBase, node: str) -> list[Fact]:
    """Running pods of the API on an evidence node that have an IPv4 address of their own."""
    name = node.partition(".")[0].lower()
    pods = (f for f in facts.of_kind("pod") if str(f.get("node_name", "")).partition(".")[0].lower() == name)
    return [f for f in pods if f.get("phase", "Running") == "Running" and _address(facts, f)]


def _address(facts: FactBase, pod: Fact) -> str:
    """IPv4 address of a pod; "" if it is its node's."""
    address = next((str(ip) for ip in pod.get("ips", ()) if is_address(str(ip)) and ":" not in str(ip)), "")
    own = pod.get("host_network") or pod.get("host_ip") == address or any(address in f.get("addresses", ()) for f in facts.of_kind("k8s_node"))
    return "" if own else address


def subnet_of(facts: FactBase, node: str) -> str:
    """The network of a node's pods: of the API's pods there, or of what the rules of its flannel or kube-proxy name; else flannel's usual one."""
    addresses = (_address(facts, pod) for pod in pods_of(facts, node))
    found = next((f"{address}/{LENGTH}" for address in addresses), "") or next(_ranges(facts, node), "")
    net = prefix(found or SUBNET)
    return str(net) if net.length >= LENGTH else str(prefix(f"{str(net).partition('/')[0]}/{LENGTH}"))


def _ranges(facts: FactBase, node: str) -> Iterator[str]:
    """Private networks that rules without a device take as a source: of all pods."""
    tables = facts.at("netfilter_table", node, HOST)
    for spec in (rule.spec for table in tables for chain in table.get("chains", ())[:MAX_CHAINS] for rule in chain.rules):
        found = re.match(r"(?:! )?-s (10\.\d{1,3}\.\d{1,3}\.\d{1,3}/(?:1[2-9]|2[0-4])) ", spec)
        if found and "docker" not in spec and " -o " not in spec:
            yield found[1]


def containers(facts: FactBase, node: str, gateway: str) -> list[Fact]:
    """The API's pods of a node, as a runtime would list them."""
    made = []
    for pod in pods_of(facts, node):
        end = {"network": BRIDGE, "address": _address(facts, pod), "prefixlen": LENGTH, "gateway": gateway}
        fields = {"id": "", "name": str(pod.get("name")), "state": "running", "runtime": "containerd", "pod": str(pod.get("full"))}
        made.append(Fact("container", {**fields, "endpoints": (end,), "ports": ()}, node, HOST))
    return made
