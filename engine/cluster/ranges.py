"""Address ranges and the kind of proxy, as configuration and nodes state them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.cluster.objects import ProxyMode, Range
from engine.facts import HOST
from engine.inet import prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Pod
    from engine.facts import Fact

_KEYS = {
    "kubeadm-config": (("podSubnet", "pod"), ("serviceSubnet", "service")),
    "kube-proxy": (("clusterCIDR", "pod"),),
    "cilium-config": (("cluster-pool-ipv4-cidr", "pod"), ("cluster-pool-ipv6-cidr", "pod")),
}
"""ConfigMap → its keys that hold ranges."""
_ARGUMENTS = {"--cluster-cidr": "pod", "--service-cluster-ip-range": "service", "--service-cidr": "service", "--pod-network-cidr": "pod"}
"""Options of control-plane components."""


def read(cluster: Cluster) -> Iterator[Range]:
    """Every range that is stated somewhere; what is no prefix is passed over."""
    for text, what, said_by, fact in _stated(cluster):
        for each in re.split(r"[,\s]+", text):
            try:
                # The text is kept as it is written: a range that is not on its own boundary is a fault to be seen.
                prefix(each)
            except ValueError:
                continue
            if "/" in each:
                yield Range(each, what, said_by, fact)


def _stated(cluster: Cluster) -> Iterator[tuple[str, str, str, Fact]]:
    for node in cluster.nodes.values():
        if node.fact is not None:
            yield ",".join(node.pod_cidrs), "pod", f"node {node.name}", node.fact
    for fact in cluster.facts.of_kind("kube_config"):
        yield from _configured(fact)
    for pod in cluster.pods.values():
        yield from _given(pod)
    for fact in cluster.pools:
        if not fact.get("disabled"):
            yield str(fact.get("cidr", "")), "pod", f"ippool {fact.get('name')}", fact
    for fact in cluster.facts.of_kind("service_cidr"):
        yield ",".join(fact.get("cidrs", ())), "service", f"servicecidr {fact.get('name')}", fact
    for fact in cluster.facts.of_kind("flannel_subnet"):
        yield str(fact.get("network", "")), "pod", f"subnet.env of {fact.node}", fact


def _given(pod: Pod) -> Iterator[tuple[str, str, str, Fact]]:
    """Ranges among a component's options."""
    for argument in pod.fact.get("args", ()):
        name, _, value = str(argument).partition("=")
        if name in _ARGUMENTS:
            yield value, _ARGUMENTS[name], f"pod {pod.full} {name}", pod.fact


def _configured(fact: Fact) -> Iterator[tuple[str, str, str, Fact]]:
    name, data = str(fact.get("name", "")), fact.get("data", {})
    text = "\n".join(f"{key}: {value}" if "\n" not in str(value) else str(value) for key, value in data.items())
    for key, what in _KEYS.get(name, ()):
        value = setting(text, key)
        if value:
            yield value, what, f"configmap {name} {key}", fact
    for option in _ARGUMENTS.keys() & data.keys():
        yield str(data[option]), _ARGUMENTS[option], option, fact
    if "net-conf.json" in data:
        for network in re.findall(r'"(?:IPv6)?Network"\s*:\s*"([^"]+)"', str(data["net-conf.json"])):
            yield network, "pod", f"configmap {name} net-conf.json", fact


def setting(text: str, key: str) -> str:
    """Value of a plain key in YAML text; "" if it is not there or empty."""
    found = re.search(rf"^[ \t]*{re.escape(key)}:[ \t]*[\"']?([^\"'\n#]*?)[\"']?[ \t]*(?:#.*)?$", text, re.MULTILINE)
    return found[1].strip() if found else ""


# --- the proxy -----------------------------------------------------------------------------------------------------------


def proxy_mode(cluster: Cluster, node: str) -> ProxyMode:
    """The proxy's mode on a node: what the node shows, else what is configured."""
    host = cluster.host_of(node) if node else ""
    return (_shown(cluster, host) if host else None) or _configured_mode(cluster) or ProxyMode("", seen=False)


def _shown(cluster: Cluster, host: str) -> ProxyMode | None:
    """What a node's own state tells of its proxy."""
    facts = cluster.facts
    for link in facts.at("link", host, HOST):
        if link.get("name") == "kube-ipvs0":
            return ProxyMode("ipvs", seen=True, fact=link)
        if link.get("name") == "kube-dummy-if":
            return ProxyMode("kube-router", seen=True, fact=link)
    for ruleset in facts.at("nft_ruleset", host, HOST):
        if re.search(r"table ip6? kube-proxy\b", str(ruleset.get("text", ""))):
            return ProxyMode("nftables", seen=True, fact=ruleset)
    for table in facts.at("netfilter_table", host, HOST):
        chain = next((c for c in table.get("chains", ()) if c.name == "KUBE-SERVICES"), None) if table.get("table") == "nat" else None
        if chain is not None and len(chain.rules):
            return ProxyMode("iptables", seen=True, fact=table)
    return None


def _configured_mode(cluster: Cluster) -> ProxyMode | None:
    cilium = cluster.config("kube-system", "cilium-config")
    if cilium is not None and str(cilium.get("data", {}).get("kube-proxy-replacement", "")) in {"true", "strict"}:
        return ProxyMode("ebpf", seen=False, fact=cilium)
    for pod in cluster.pods.values():
        argument = next((a for a in pod.fact.get("args", ()) if str(a).startswith("--proxy-mode=")), "")
        if argument and "kube-proxy" in pod.name:
            return ProxyMode(str(argument).partition("=")[2] or "iptables", seen=False, fact=pod.fact)
    config = cluster.config("kube-system", "kube-proxy")
    text = str(config.get("data", {}).get("config.conf", "")) if config is not None else ""
    # An empty mode is the platform's usual one: iptables.
    return ProxyMode(setting(text, "mode") or "iptables", seen=False, fact=config) if text else None
