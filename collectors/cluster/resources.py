"""Which objects of a cluster are read, and what of them is kept."""

from __future__ import annotations

from typing import Any, Final

REDACTED: Final = "<redacted>"
CORE: Final = ("nodes", "pods", "services", "endpoints", "namespaces", "events")
"""Resources of the core group, by plural."""
GROUPED: Final = (
    "endpointslices.discovery.k8s.io", "networkpolicies.networking.k8s.io", "daemonsets.apps", "deployments.apps", "ingresses.networking.k8s.io",
    "servicecidrs.networking.k8s.io",
    "adminnetworkpolicies.policy.networking.k8s.io", "baselineadminnetworkpolicies.policy.networking.k8s.io",
    "clusternetworkpolicies.policy.networking.k8s.io",
    "ippools.crd.projectcalico.org", "felixconfigurations.crd.projectcalico.org", "globalnetworkpolicies.crd.projectcalico.org",
    "networkpolicies.crd.projectcalico.org", "globalnetworksets.crd.projectcalico.org", "networksets.crd.projectcalico.org",
    "tiers.crd.projectcalico.org",
    "hostendpoints.crd.projectcalico.org", "bgppeers.crd.projectcalico.org", "bgpconfigurations.crd.projectcalico.org",
    "blockaffinities.crd.projectcalico.org", "ciliumnetworkpolicies.cilium.io", "ciliumclusterwidenetworkpolicies.cilium.io", "ciliumnodes.cilium.io",
)
"""Resources of other groups, by plural and group; those that the cluster does not have are no gap."""
BRIEF: Final = (
    "nodes", "pods", "services", "endpoints", "endpointslices.discovery.k8s.io", "networkpolicies.networking.k8s.io", "ippools.crd.projectcalico.org",
)
"""What a single node's collection asks the cluster for."""
CONFIG_MAPS: Final = {
    "kube-system": frozenset({
        "kube-proxy", "coredns", "kubeadm-config", "kubelet-config", "kube-flannel-cfg", "calico-config", "canal-config", "cilium-config",
        "nodelocaldns", "node-local-dns", "kube-router-cfg", "weave-net", "kube-dns",
    }),
    "kube-flannel": frozenset({"kube-flannel-cfg"}),
    "calico-system": frozenset({"cni-config"}),
    "cilium": frozenset({"cilium-config"}),
    "k3s": frozenset({"coredns"}),
}
"""ConfigMaps that configure the network, by namespace; no other one is kept."""
SYSTEM: Final = frozenset({
    "kube-system", "kube-flannel", "calico-system", "calico-apiserver", "tigera-operator", "cilium", "weave", "antrea", "kube-router",
    "openshift-sdn",
    "openshift-ovn-kubernetes", "openshift-multus", "metallb-system",
})
"""Namespaces of the network's own programs: only their arguments are kept, for arguments of others may be secrets."""
DROPPED: Final = frozenset({"managedFields", "kubectl.kubernetes.io/last-applied-configuration"})
"""Fields that repeat whole objects."""


def redact(value: Any) -> Any:
    """``value`` with every ``env``'s values replaced and without the fields that repeat whole objects."""
    if isinstance(value, list):
        return [redact(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept_fields = ((key, item) for key, item in value.items() if key not in DROPPED)
    return {key: _environment(item) if key.lower() == "env" and isinstance(item, list) else redact(item) for key, item in kept_fields}


def _environment(items: list[Any]) -> list[Any]:
    """Names without values, of docker's ``["KEY=value"]`` and Kubernetes' ``[{name, value}]``."""
    made: list[Any] = []
    for item in items:
        if isinstance(item, str):
            made.append(f"{item.partition('=')[0]}={REDACTED}")
        else:
            made.append({**item, "value": REDACTED} if isinstance(item, dict) and "value" in item else item)
    return made


def kept(document: Any) -> Any:
    """A list of objects as it is kept: redacted, without Secrets, and without the arguments of programs that are not the network's own."""
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        return redact(document)
    items = [_object(item) for item in document["items"] if not (isinstance(item, dict) and item.get("kind") == "Secret")]
    return {**document, "items": items}


def _object(item: Any) -> Any:
    made = redact(item)
    if not isinstance(made, dict) or _space(made) in SYSTEM:
        return made
    for spec in _pod_specs(made):
        for name in ("containers", "initContainers", "ephemeralContainers"):
            for container in spec.get(name) or ():
                for words in ("command", "args"):
                    if isinstance(container, dict) and container.get(words):
                        container[words] = [REDACTED]
    return made


def _space(item: dict[str, Any]) -> str:
    metadata = item.get("metadata")
    return str(metadata.get("namespace", "")) if isinstance(metadata, dict) else ""


def _pod_specs(item: dict[str, Any]) -> list[dict[str, Any]]:
    """The pod's own specification, or the one in its template."""
    spec = item.get("spec")
    if not isinstance(spec, dict):
        return []
    template = spec.get("template")
    inner = template.get("spec") if isinstance(template, dict) else None
    return [each for each in (spec, inner) if isinstance(each, dict)]


def network_configs(document: Any, namespace: str) -> Any:
    """A list of ConfigMaps with those alone that configure the network."""
    wanted = CONFIG_MAPS.get(namespace, frozenset())
    items = document.get("items", []) if isinstance(document, dict) else []
    chosen = [item for item in items if isinstance(item, dict) and item.get("metadata", {}).get("name") in wanted]
    return {**document, "items": chosen} if isinstance(document, dict) else document
