"""A small cluster to bend: facts as the parsers give them."""

from __future__ import annotations

from typing import Any

from engine.cluster import Cluster
from engine.computed import EXPANDERS
from engine.facts import HOST, Fact, FactBase

LISTED = ("nodes", "pods", "services", "endpointslices", "networkpolicies", "namespaces")


def node(name: str, address: str, **more: Any) -> Fact:
    """A Node."""
    return Fact("k8s_node", {"name": name, "addresses": (address,), "labels": {"kubernetes.io/hostname": name}, "pod_cidrs": (), **more})


def pod(full: str, ip: str, labels: dict[str, str] | None, at: str = "n1", **more: Any) -> Fact:
    """A running, ready Pod."""
    space, _, name = full.partition("/")
    fields: dict[str, Any] = {"namespace": space, "name": name, "full": full, "ips": (ip,) if ip else (), "node_name": at, "host_network": False}
    fields |= {"phase": "Running", "ready": True, "labels": labels, "ports": ()}
    return Fact("pod", {k: v for k, v in {**fields, **more}.items() if v is not None})


def service(full: str, address: str, selector: dict[str, str] | None, *ports: tuple[int, int | str | None], **more: Any) -> Fact:
    """A Service with TCP ports."""
    space, _, name = full.partition("/")
    made = tuple({"port": port, "protocol": "TCP", **({"target_port": target} if target is not None else {})} for port, target in ports)
    fields: dict[str, Any] = {"namespace": space, "name": name, "type": "ClusterIP", "cluster_ips": (address,) if address else ()}
    fields |= {"ports": made, "selector": selector}
    return Fact("service", {k: v for k, v in {**fields, **more}.items() if v is not None})


def ends(full: str, *ready: str, port: int = 8080, name: str = "", not_ready: tuple[str, ...] = (), **more: Any) -> Fact:
    """An EndpointSlice."""
    space, _, of = full.partition("/")
    ports = ({"port": port, "protocol": "TCP", **({"name": name} if name else {})},) if port else ()
    fields = {"namespace": space, "service": of, "slice": True, "ready": tuple({"address": a} for a in ready),
              "not_ready": tuple({"address": a} for a in not_ready), "ports": ports, **more}
    return Fact("endpoints", fields)


def policy(full: str, spec: dict[str, Any], flavour: str = "kubernetes") -> Fact:
    """A network policy; one of the whole cluster has no namespace."""
    space, _, name = full.rpartition("/")
    return Fact("network_policy", {"flavour": flavour, "name": name, "spec": spec, **({"namespace": space} if space else {})})


def namespace(name: str, **labels: str) -> Fact:
    """A Namespace."""
    return Fact("namespace", {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}})


def seen(*plurals: str) -> list[Fact]:
    """Listings that are whole."""
    return [Fact("collected", {"what": plural, "scope": "all"}) for plural in plurals or LISTED]


def held(host: str, address: str, stack: str = HOST, device: str = "eth0") -> Fact:
    """An address on a collected stack."""
    return Fact("address", {"device": device, "address": address, "prefixlen": 24, "family": 4}, host, stack)


def cluster(*facts: Fact, listed: bool = True) -> Cluster:
    """The cluster of some facts."""
    return Cluster(FactBase([*facts, *(seen() if listed else [])], EXPANDERS))
