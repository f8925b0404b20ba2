"""Services that only their Endpoints tell of: ``kubectl get endpoints`` with ``<none>``, and nobody printed the Service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.cluster.inventory import Cluster

RESOLVERS = ("kube-system/kube-dns", "kube-system/coredns", "kube-system/rke2-coredns-rke2-coredns", "openshift-dns/dns-default")
"""Services that clusters' DNS servers stand behind."""


def silent_resolver(cluster: Cluster) -> str:
    """The cluster's DNS Service, ``namespace/name``, if only empty endpoints were seen of it; "" if not."""
    return next((full for full in empty_endpoints(cluster) if full in RESOLVERS), "")


def empty_endpoints(cluster: Cluster) -> dict[str, Fact]:
    """``namespace/name`` of Services that were not seen themselves, and of which no listing shows a ready address."""
    found: dict[str, Fact] = {}
    held = set()
    for fact in cluster.facts.of_kind("endpoints"):
        full = f"{fact.get('namespace', 'default')}/{fact.get('service', '')}"
        if fact.get("ready"):
            held.add(full)
        elif "ready" in fact.fields and (fact.get("namespace", "default"), fact.get("service", "")) not in cluster.services:
            found.setdefault(full, fact)
    return {full: fact for full, fact in found.items() if full not in held}


def backends(cluster: Cluster) -> Iterator[Fact]:
    """A ``service_backends`` fact for each of them, with the pod that bears its name."""
    for full, fact in empty_endpoints(cluster).items():
        space, _, name = full.partition("/")
        pods = [p for p in cluster.pods_in(space) if p.name == name or p.name.startswith(f"{name}-")]
        waiting = [p for p in pods if p.ready is False]
        fields: dict[str, Any] = {"namespace": space, "service": name, "full": full, "known": True, "ready": 0, "lack": "unknown"}
        fields |= {"not_ready": len(fact.get("not_ready", ()))} if "not_ready" in fact.fields else {}
        if waiting:
            reason, message = cluster.trouble(waiting[0])
            fields |= {"pods": tuple(p.full for p in waiting), "pod": waiting[0].full}
            fields |= {key: text for key, text in (("pod_reason", reason), ("pod_message", message)) if text}
        yield Fact("service_backends", fields, "", HOST, fact.source, fact.line, fact.text)
