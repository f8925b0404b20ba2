"""The API objects of a cluster of the lab, as ``kubectl get -A -o json`` prints them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.lab.scenario import KubeService, Node, Scenario

KINDS = {"configmaps": "ConfigMap", "nodes": "Node", "pods": "Pod", "services": "Service", "endpointslices": "EndpointSlice",
    "namespaces": "Namespace", "networkpolicies": "NetworkPolicy"}


def members(scenario: Scenario) -> list[Node]:
    """Machines that are nodes of the cluster."""
    return [node for node in scenario.nodes.values() if node.member]


def bare(address: str) -> str:
    """An address without its length."""
    return address.partition("/")[0]


def _node(node: Node) -> dict[str, Any]:
    addresses = [bare(link.address) for link in node.links.values() if link.address]
    status = {
        "addresses": [{"type": "InternalIP", "address": a} for a in addresses[:1]] + [{"type": "Hostname", "address": node.name}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    spec = {"podCIDR": node.pod_cidr, "podCIDRs": [node.pod_cidr]} if node.pod_cidr else {}
    return {"metadata": {"name": node.name, "labels": {"kubernetes.io/hostname": node.name}}, "spec": spec, "status": status}


def _pod(space: str, name: str, node: Node, address: str, **more: Any) -> dict[str, Any]:
    labels = more.pop("labels", {"app": name})
    spec = {"nodeName": node.name, "containers": [{"name": "main", "image": "registry.example/main:1", "ports": more.pop("ports", [])}], **more}
    status = {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": bare(next(iter(node.links.values())).address),
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return {"metadata": {"name": name, "namespace": space, "labels": labels}, "spec": spec, "status": status}


def _pods(scenario: Scenario) -> Iterable[dict[str, Any]]:
    for node in members(scenario):
        own = bare(next(iter(node.links.values())).address)
        for name, pod in node.pods.items():
            if pod.address:
                ports = [{"containerPort": each.port, "protocol": each.protocol.upper()} for each in node.listen if each.pod == name]
                yield _pod(scenario.namespace, name, node, bare(pod.address), ports=ports)
        if scenario.proxy:
            owner = {"labels": {"k8s-app": "kube-proxy"}, "hostNetwork": True, "priorityClassName": "system-node-critical"}
            yield _pod("kube-system", f"kube-proxy-{node.name}", node, own, **owner)


def _service(service: KubeService) -> dict[str, Any]:
    space, _, rest = service.name.partition("/")
    name, _, port_name = rest.partition(":")
    port: dict[str, Any] = {"port": service.port, "protocol": service.protocol.upper(), "targetPort": service.target}
    port |= ({"name": port_name} if port_name else {}) | ({"nodePort": service.node_port} if service.node_port else {})
    spec = {
        "type": "NodePort" if service.node_port else "ClusterIP",
        "clusterIP": service.address,
        "clusterIPs": [service.address],
        "ports": [port],
        "selector": {"app": service.selector} if service.selector else {},
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
    }
    return {"metadata": {"name": name, "namespace": space}, "spec": spec}


def _slice(scenario: Scenario, service: KubeService) -> dict[str, Any]:
    space, _, rest = service.name.partition("/")
    name, _, port_name = rest.partition(":")
    where = {bare(pod.address): (pod_name, node.name) for node in members(scenario) for pod_name, pod in node.pods.items() if pod.address}
    endpoints = []
    for endpoint in service.endpoints:
        address = endpoint.partition(":")[0]
        entry: dict[str, Any] = {"addresses": [address], "conditions": {"ready": True, "serving": True, "terminating": False}}
        if address in where:
            pod, node = where[address]
            entry |= {"nodeName": node, "targetRef": {"kind": "Pod", "name": pod, "namespace": space}}
        endpoints.append(entry)
    metadata = {"name": f"{name}-x7k2p", "namespace": space, "labels": {"kubernetes.io/service-name": name}}
    port = {"name": port_name, "port": service.target, "protocol": service.protocol.upper()}
    return {"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": [port]}


def _proxy_config(mode: str) -> dict[str, Any]:
    config = f"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclusterCIDR: 10.244.0.0/16\nmode: {mode}\n"
    return {"metadata": {"name": "kube-proxy", "namespace": "kube-system"}, "data": {"config.conf": config}}


def of(scenario: Scenario) -> dict[str, list[dict[str, Any]]]:
    """All objects, by plural."""
    spaces = {scenario.namespace, "kube-system", *(s.name.partition("/")[0] for s in scenario.services)}
    return {
        "nodes": [_node(node) for node in members(scenario)],
        "pods": list(_pods(scenario)),
        "services": [_service(service) for service in scenario.services],
        "endpointslices": [_slice(scenario, service) for service in scenario.services],
        "configmaps": [_proxy_config(scenario.proxy)] if scenario.proxy == "ipvs" else [],
        "namespaces": [{"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}} for name in sorted(spaces)],
    }


def write(objects: Mapping[str, list[dict[str, Any]]], folder: Path) -> Path:
    """A bundle with these objects, as ``diagnose collect --cluster`` writes it."""
    (folder / "cluster").mkdir(parents=True)
    items = []
    for plural, listed in objects.items():
        version = {"EndpointSlice": "discovery.k8s.io/v1", "NetworkPolicy": "networking.k8s.io/v1"}.get(KINDS[plural], "v1")
        made = [{"apiVersion": version, "kind": KINDS[plural], **each} for each in listed]
        document = {"apiVersion": "v1", "kind": "List", "items": made}
        (folder / "cluster" / f"{plural}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
        items.append({"command": f"kubectl get {plural} -A -o json", "file": f"cluster/{plural}.json", "node": "", "stack": "host", "what": plural})
    manifest = {"schema_version": 1, "tool": "noroute", "tool_version": "0", "created": "1970-01-01T00:00:00Z", "node": "", "items": items}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder
