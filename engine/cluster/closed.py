"""Pods whose policies let no look-up of a name out, wherever the cluster's DNS is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.cluster.policies import EGRESS, enforcer, types_of
from engine.cluster.selectors import selects, shown
from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Pod

DNS: Final = 53


def closed_pods(cluster: Cluster) -> Iterator[Fact]:
    """A ``dns_closed`` fact for every pod that Kubernetes' policies isolate for egress, none of them to port 53 of another namespace or address.

    Rules for pods of the own namespace alone do not count: the cluster's DNS is in kube-system.  Pods in their node's network are beyond policies.
    """
    if enforcer(cluster) == "none" or any(fact.get("flavour") != "kubernetes" for fact in cluster.policies):
        return
    for pod in cluster.pods.values():
        applying = [fact for fact in cluster.policies_in(pod.namespace) if _isolates(fact, pod)]
        rules = [rule for fact in applying for rule in (fact.get("spec") or {}).get("egress") or ()]
        if applying and pod.namespace != "kube-system" and not cluster.on_host(pod) and not any(_lets_out(rule) for rule in rules):
            names = tuple(f"{pod.namespace}/{fact.get('name')}" for fact in applying)
            fields = {"namespace": pod.namespace, "name": pod.name, "full": pod.full, "policies": names, "policy": names[0]}
            fields |= {"pod_labels": shown({"matchLabels": pod.labels or {}})}
            yield Fact("dns_closed", fields, "", HOST, applying[0].source, applying[0].line, applying[0].text)


def _isolates(fact: Fact, pod: Pod) -> bool:
    spec = fact.get("spec")
    return spec is not None and EGRESS in types_of(spec) and selects(spec.get("podSelector") or {}, pod.labels) is True


def _lets_out(rule: Mapping[str, Any]) -> bool:
    """Whether a rule may allow a look-up: unless it names other ports alone, or pods of its own namespace alone."""
    ports = [port.get("port", DNS) for port in rule.get("ports") or () if isinstance(port, dict)]
    ends = [port.get("endPort") for port in rule.get("ports") or () if isinstance(port, dict)]
    peers = [peer for peer in rule.get("to") or () if isinstance(peer, dict)]
    by_port = not ports or any(not isinstance(port, int) or port == DNS for port in ports) or any(ends)
    return by_port and (not peers or any(peer.get("namespaceSelector") is not None or peer.get("ipBlock") for peer in peers))
