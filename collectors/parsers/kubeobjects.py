"""Kubernetes' own objects, as the API has them, become facts: nodes, pods, Services, endpoints, namespaces, workloads, events, configuration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers.dnsserver import read_corefile
from collectors.parsers.jsontext import dict_of, dicts_of, int_of, text_of, texts_of
from collectors.parsers.kubelife import life

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Made = tuple[str, dict[str, Any], str]
"""Kind, fields (``None`` = not said) and the line that a person recognises."""

SYSTEM = re.compile(r"(?:kube-|calico-|tigera-|cilium|flannel|kube$|openshift-)[a-z0-9-]*|canal|weave|antrea")
"""Namespaces of cluster components: only there are arguments and configuration read, lest anybody's secrets be kept."""
_SECRET = re.compile(r"token|passw|secret|credential|private[-_]?key|api[-_]?key|BEGIN [A-Z ]*PRIVATE", re.IGNORECASE)
_SETTINGS = re.compile(r"(?:IP|IP6|CALICO|FELIX|CLUSTER_TYPE|FLANNEL|KUBE_ROUTER|IPALLOC|WEAVE|NO_DEFAULT_POOLS|USE_POD_CIDR)(?:_[A-Z0-9_]*)?")
"""Environment variables of network plug-ins that are settings."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def node(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A Node."""
    spec, status = dict_of(item, "spec"), dict_of(item, "status")
    addresses = [(text_of(each, "type"), text_of(each, "address")) for each in dicts_of(status, "addresses")]
    ordered = sorted((each for each in addresses if each[0].endswith("IP")), key=lambda each: each[0] != "InternalIP")
    cidrs = texts_of(spec, "podCIDRs") or tuple(filter(None, [text_of(spec, "podCIDR")]))
    fields: dict[str, Any] = {
        "name": text_of(metadata, "name"),
        "addresses": tuple(address for _, address in ordered),
        "pod_cidrs": cidrs,
        "labels": texts(metadata, "labels"),
        "annotations": notes_of(metadata),
        "ready": condition(status, "Ready"),
        "unschedulable": True if spec.get("unschedulable") is True else None,
        "conditions": _conditions(status) or None,
        "taints": tuple(_taint(each) for each in dicts_of(spec, "taints")) or None,
        "version": text_of(dict_of(status, "nodeInfo"), "kubeletVersion") or None,
        "provider": text_of(spec, "providerID") or None,
        "trouble": _not_ready(status) or None,
    }
    yield "k8s_node", fields, f"node {fields['name']} {' '.join(fields['addresses'])} podCIDR {','.join(cidrs) or '<none>'}"


def _not_ready(status: dict[str, Any]) -> str:
    """Message of the condition Ready, unless that is True."""
    said = (each for each in dicts_of(status, "conditions") if each.get("type") == "Ready" and each.get("status") != "True")
    return next((text_of(each, "message")[:500] for each in said), "")


def _conditions(status: dict[str, Any]) -> dict[str, str]:
    said = ((text_of(each, "type"), text_of(each, "status"), text_of(each, "reason")) for each in dicts_of(status, "conditions"))
    return {name: value if value == "True" or not reason else f"{value}: {reason}" for name, value, reason in said if name}


def _taint(taint: dict[str, Any]) -> str:
    value = text_of(taint, "value")
    return f"{text_of(taint, 'key')}{'=' if value else ''}{value}:{text_of(taint, 'effect')}"


def pod(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A Pod."""
    spec, status = dict_of(item, "spec"), dict_of(item, "status")
    ips = tuple(dict.fromkeys(filter(None, [text_of(status, "podIP"), *(text_of(each, "ip") for each in dicts_of(status, "podIPs"))])))
    owner = next(iter(dicts_of(metadata, "ownerReferences")), {})
    containers = dicts_of(spec, "containers")
    reason, message = _trouble(status)
    fields = {
        **named(metadata),
        "full": full_name(metadata),
        "ips": ips,
        "node_name": text_of(spec, "nodeName") or None,
        "host_network": spec.get("hostNetwork") is True,
        "phase": text_of(status, "phase") or None,
        "ready": condition(status, "Ready"),
        "labels": texts(metadata, "labels"),
        "annotations": notes_of(metadata) or None,
        "ports": tuple(_container_port(port) for container in containers for port in dicts_of(container, "ports")),
        "dns_policy": text_of(spec, "dnsPolicy") or None,
        "dns": dict_of(spec, "dnsConfig") or None,
        "owner": f"{text_of(owner, 'kind')}/{text_of(owner, 'name')}" if owner else None,
        "host_ip": text_of(status, "hostIP") or None,
        "service_account": text_of(spec, "serviceAccountName") or None,
        "priority_class": text_of(spec, "priorityClassName") or None,
        "images": tuple(text_of(each, "image") for each in containers) or None,
        "args": arguments(metadata, containers) or None,
        "probes": probes(containers) or None,
        "host_aliases": tuple(text_of(each, "ip") for each in dicts_of(spec, "hostAliases")) or None,
        "reason": reason or None,
        "message": message or None,
        "restarts": sum(int_of(each, "restartCount") or 0 for each in dicts_of(status, "containerStatuses")) or None,
        "terminating": True if metadata.get("deletionTimestamp") else None,
        **life(spec, metadata),
    }
    yield "pod", fields, f"pod {full_name(metadata)} {' '.join(ips)} on {fields['node_name'] or '<none>'} {fields['phase'] or ''}"


def _trouble(status: dict[str, Any]) -> tuple[str, str]:
    """Why a pod is not ready: a container that waits or ended, else the condition that is False."""
    for each in [*dicts_of(status, "initContainerStatuses"), *dicts_of(status, "containerStatuses")]:
        waiting = dict_of(each, "state", "waiting")
        if text_of(waiting, "reason"):
            return text_of(waiting, "reason"), text_of(waiting, "message")
    failed = [each for each in dicts_of(status, "conditions") if each.get("status") == "False" and text_of(each, "reason")]
    failed.sort(key=lambda each: each.get("type") not in {"PodScheduled", "Initialized"})
    if failed and text_of(failed[0], "reason") != "PodCompleted":
        return text_of(failed[0], "reason"), text_of(failed[0], "message")
    return text_of(status, "reason"), text_of(status, "message")


def _container_port(port: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"port": int_of(port, "containerPort") or 0, "protocol": text_of(port, "protocol") or "TCP"}
    if text_of(port, "name"):
        made["name"] = text_of(port, "name")
    if int_of(port, "hostPort"):
        made["host_port"] = int_of(port, "hostPort")
    return made


def probes(containers: list[dict[str, Any]]) -> tuple[str, ...]:
    """Readiness probes, written as ``kubectl describe`` does."""
    return tuple(_probe(probe) for each in containers if (probe := dict_of(each, "readinessProbe")))


def _probe(probe: dict[str, Any]) -> str:
    http, tcp, grpc = dict_of(probe, "httpGet"), dict_of(probe, "tcpSocket"), dict_of(probe, "grpc")
    if http:
        scheme = (text_of(http, "scheme") or "HTTP").lower()
        what = f"http-get {scheme}://{text_of(http, 'host')}:{text_of(http, 'port')}{text_of(http, 'path')}"
    elif tcp:
        what = f"tcp-socket {text_of(tcp, 'host')}:{text_of(tcp, 'port')}"
    else:
        what = f"grpc <pod>:{text_of(grpc, 'port')}" if grpc else "exec"
    delay, period = text_of(probe, "initialDelaySeconds") or 0, text_of(probe, "periodSeconds") or 10
    counts = f"#success={text_of(probe, 'successThreshold') or 1} #failure={text_of(probe, 'failureThreshold') or 3}"
    return f"{what} delay={delay}s timeout={text_of(probe, 'timeoutSeconds') or 1}s period={period}s {counts}"


def arguments(metadata: dict[str, Any], containers: list[dict[str, Any]]) -> tuple[str, ...]:
    """Command lines of a cluster component; what may be a secret is left out."""
    if not SYSTEM.fullmatch(text_of(metadata, "namespace")):
        return ()
    words = (word for each in containers for word in (*texts_of(each, "command"), *texts_of(each, "args")))
    return tuple(word.partition("=")[0] if _SECRET.search(word) else word[:500] for word in words)


def service(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A Service."""
    spec = dict_of(item, "spec")
    single = text_of(spec, "clusterIP")
    balancer = dicts_of(dict_of(item, "status", "loadBalancer"), "ingress")
    ingress = tuple(filter(None, (text_of(each, "ip") for each in balancer)))
    ports = tuple(_service_port(port) for port in dicts_of(spec, "ports"))
    fields: dict[str, Any] = {
        **named(metadata),
        "type": text_of(spec, "type") or "ClusterIP",
        "cluster_ips": texts_of(spec, "clusterIPs") or ((single,) if single else ()),
        "external_ips": tuple(dict.fromkeys(filter(None, texts_of(spec, "externalIPs")))),
        "ingress_ips": ingress or None,
        "proxied_ips": tuple(filter(None, (text_of(each, "ip") for each in balancer if each.get("ipMode") == "Proxy"))) or None,
        "ingress_names": tuple(filter(None, (text_of(each, "hostname") for each in balancer))) or None,
        "ports": ports,
        "selector": texts(spec, "selector"),
        "internal_policy": text_of(spec, "internalTrafficPolicy") or None,
        "external_policy": text_of(spec, "externalTrafficPolicy") or None,
        "external_name": text_of(spec, "externalName") or None,
        "affinity": text_of(spec, "sessionAffinity") or None,
        "publish_not_ready": True if spec.get("publishNotReadyAddresses") is True else None,
        "annotations": notes_of(metadata) or None,
        "labels": texts(metadata, "labels") or None,
        "health_check_port": int_of(spec, "healthCheckNodePort"),
        "source_ranges": texts_of(spec, "loadBalancerSourceRanges") or None,
    }
    shown = " ".join(f"{port['port']}->{port['target_port']}/{port['protocol']}" for port in ports)
    said = f"{fields['type']} {','.join(fields['cluster_ips'])} {shown}{selector_text(fields['selector'])}"
    yield "service", fields, f"service {full_name(metadata)} {said}"


def selector_text(selector: dict[str, str]) -> str:
    """`` selector app=web`` for the line of evidence."""
    return f" selector {','.join(f'{key}={value}' for key, value in selector.items())}" if selector else ""


def _service_port(port: dict[str, Any]) -> dict[str, Any]:
    """One port; without a target port the port itself is the target."""
    number = int_of(port, "port") or 0
    target = port.get("targetPort")
    made: dict[str, Any] = {"port": number, "target_port": target if isinstance(target, int | str) and target != "" else number,
                            "protocol": text_of(port, "protocol") or "TCP"}
    if text_of(port, "name"):
        made["name"] = text_of(port, "name")
    if int_of(port, "nodePort"):
        made["node_port"] = int_of(port, "nodePort")
    return made


def endpoints(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """One fact a subset; an object without any says that the Service has no address at all."""
    for subset in dicts_of(item, "subsets") or [{}]:
        ready = tuple(_address(each, text_of(each, "ip")) for each in dicts_of(subset, "addresses"))
        not_ready = tuple(_address(each, text_of(each, "ip")) for each in dicts_of(subset, "notReadyAddresses"))
        yield _endpoint_fact(metadata, text_of(metadata, "name"), ready, not_ready, dicts_of(subset, "ports"), is_slice=False)


def endpoint_slice(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """An EndpointSlice."""
    of = text_of(dict_of(metadata, "labels"), "kubernetes.io/service-name")
    sides: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for endpoint in dicts_of(item, "endpoints"):
        # An unknown condition counts as ready (as the API says).
        is_ready = dict_of(endpoint, "conditions").get("ready") is not False
        sides[is_ready] += [_address(endpoint, address) for address in texts_of(endpoint, "addresses")]
    yield _endpoint_fact(metadata, of, tuple(sides[True]), tuple(sides[False]), dicts_of(item, "ports"), is_slice=True)


def _endpoint_fact(
    metadata: dict[str, Any], of: str, ready: tuple[dict[str, Any], ...], not_ready: tuple[dict[str, Any], ...], ports: list[dict[str, Any]],
    *, is_slice: bool,
) -> Made:
    """The fact of a subset or slice."""
    numbered = tuple(_endpoint_port(port) for port in ports)
    namespace = text_of(metadata, "namespace") or "default"
    fields = {"namespace": namespace, "service": of, "name": text_of(metadata, "name"), "ready": ready, "not_ready": not_ready, "ports": numbered,
              "slice": is_slice}
    return "endpoints", fields, endpoints_text("endpointslice" if is_slice else "endpoints", full_name(metadata), fields)


def endpoints_text(word: str, name: str, fields: dict[str, Any]) -> str:
    """The line of evidence of endpoints."""
    addresses = f"ready {','.join(each['address'] for each in fields['ready']) or '<none>'}"
    if fields.get("not_ready"):
        addresses += f" not ready {','.join(each['address'] for each in fields['not_ready'])}"
    numbers = ",".join(str(port.get("port", "*")) for port in fields["ports"])
    return f"{word} {name} {addresses} ports {numbers}"


def _endpoint_port(port: dict[str, Any]) -> dict[str, Any]:
    values = {"name": text_of(port, "name"), "port": int_of(port, "port"), "protocol": text_of(port, "protocol") or "TCP"}
    return {key: value for key, value in values.items() if value}


def _address(entry: dict[str, Any], address: str) -> dict[str, Any]:
    made: dict[str, Any] = {"address": address}
    for field, key in (("node_name", "nodeName"), ("zone", "zone"), ("hostname", "hostname")):
        if text_of(entry, key):
            made[field] = text_of(entry, key)
    conditions = dict_of(entry, "conditions")
    made |= {name: conditions[name] for name in ("serving", "terminating") if isinstance(conditions.get(name), bool)}
    target = dict_of(entry, "targetRef")
    if text_of(target, "kind") == "Pod":
        made["pod"] = text_of(target, "name")
    return made


def namespace(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A Namespace."""
    labels = texts(metadata, "labels")
    fields = {
        "name": text_of(metadata, "name"),
        "labels": labels,
        "annotations": notes_of(metadata) or None,
        "phase": text_of(dict_of(item, "status"), "phase") or None,
    }
    yield "namespace", fields, f"namespace {fields['name']} labels {selector_text(labels).removeprefix(' selector ') or '<none>'}"


def workload(item: dict[str, Any], metadata: dict[str, Any], kind: str) -> Iterator[Made]:
    """A DaemonSet, Deployment, StatefulSet or ReplicaSet."""
    spec, status = dict_of(item, "spec"), dict_of(item, "status")
    template = dict_of(spec, "template")
    inner = dict_of(template, "spec")
    containers = dicts_of(inner, "containers")
    daemon = kind == "DaemonSet"
    ready, available = ("numberReady", "numberAvailable") if daemon else ("readyReplicas", "availableReplicas")
    desired = int_of(status, "desiredNumberScheduled") if daemon else int_of(spec, "replicas")
    fields = {
        "type": kind,
        **named(metadata),
        "desired": desired if desired is not None else (1 if spec and not daemon else None),
        "ready": int_of(status, ready) or (0 if status else None),
        "available": int_of(status, available) or (0 if status else None),
        "misscheduled": int_of(status, "numberMisscheduled"),
        "labels": texts(metadata, "labels"),
        "selector": dict_of(spec, "selector"),
        "template_labels": texts(dict_of(template, "metadata"), "labels"),
        "images": tuple(text_of(each, "image") for each in containers),
        "ports": tuple(_container_port(port) for container in containers for port in dicts_of(container, "ports")) or None,
        "args": arguments(metadata, containers) or None,
        "env": _settings(metadata, containers) or None,
        "host_network": inner.get("hostNetwork") is True if inner else None,
        "node_selector": dict_of(inner, "nodeSelector") or None,
        "tolerations": tuple(_toleration(each) for each in dicts_of(inner, "tolerations")) or None,
        "dns_policy": text_of(inner, "dnsPolicy") or None,
        "priority_class": text_of(inner, "priorityClassName") or None,
        "probes": probes(containers) or None,
        **life(inner, dict_of(template, "metadata")),
    }
    yield "workload", fields, f"{kind.lower()} {full_name(metadata)} desired {fields['desired']} ready {fields['ready']}"


def _toleration(each: dict[str, Any]) -> str:
    return f"{text_of(each, 'key')}{'=' if text_of(each, 'value') else ''}{text_of(each, 'value')}:{text_of(each, 'effect')}"


def _settings(metadata: dict[str, Any], containers: list[dict[str, Any]]) -> dict[str, str]:
    """Plain settings of a network plug-in's environment."""
    if not SYSTEM.fullmatch(text_of(metadata, "namespace")):
        return {}
    pairs = ((text_of(each, "name"), text_of(each, "value")) for container in containers for each in dicts_of(container, "env"))
    return {name: value for name, value in pairs if _SETTINGS.fullmatch(name) and not _SECRET.search(name)}


def event(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """An Event, of the old group or the new one."""
    about = dict_of(item, "involvedObject") or dict_of(item, "regarding")
    fields = {
        "namespace": text_of(about, "namespace") or text_of(metadata, "namespace") or "default",
        "object": f"{text_of(about, 'kind')}/{text_of(about, 'name')}",
        "type": text_of(item, "type"),
        "reason": text_of(item, "reason"),
        "message": text_of(item, "message", "note")[:1000],
        "count": int_of(item, "count") or int_of(dict_of(item, "series"), "count"),
        "last": text_of(item, "lastTimestamp", "eventTime", "deprecatedLastTimestamp") or None,
    }
    yield "k8s_event", fields, f"{fields['type']} {fields['reason']} {fields['object']} {fields['message']}"


def config_map(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A ConfigMap of a cluster component; others are nobody's business, and values that may be secrets are left out."""
    if SYSTEM.fullmatch(text_of(metadata, "namespace")):
        secret = re.compile(r"BEGIN [A-Z ]*PRIVATE|^\s*token:|password", re.MULTILINE)
        data = {name: value for name, value in texts(item, "data").items() if not secret.search(value)}
        yield "kube_config", {**named(metadata), "data": data}, f"configmap {full_name(metadata)}"
        yield from _forwards(f"configmap {full_name(metadata)}", data.get("Corefile", ""))


def _forwards(file: str, text: str) -> Iterator[Made]:
    """Where the Corefile of a ConfigMap forwards to."""
    for fields, _ in read_corefile(enumerate(text.split("\n"), 1)):
        yield "dns_forwarder", {**fields, "file": file}, f"{file}: forward {fields['zone']} {' '.join(fields['upstreams'])}"


def service_cidr(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A ServiceCIDR."""
    cidrs = texts_of(dict_of(item, "spec"), "cidrs")
    yield "service_cidr", {"name": text_of(metadata, "name"), "cidrs": cidrs}, f"servicecidr {text_of(metadata, 'name')} {','.join(cidrs)}"


# --- pieces --------------------------------------------------------------------------------------------------------------


def named(metadata: dict[str, Any]) -> dict[str, str]:
    """Namespace and name."""
    return {"namespace": text_of(metadata, "namespace") or "default", "name": text_of(metadata, "name")}


def full_name(metadata: dict[str, Any]) -> str:
    """``namespace/name``."""
    return f"{text_of(metadata, 'namespace') or 'default'}/{text_of(metadata, 'name')}"


def texts(entry: dict[str, Any], key: str) -> dict[str, str]:
    """A mapping of texts."""
    return {name: value for name, value in dict_of(entry, key).items() if isinstance(value, str)}


def notes_of(metadata: dict[str, Any]) -> dict[str, str]:
    """Annotations without kubectl's copy of the whole object."""
    return {name: value for name, value in texts(metadata, "annotations").items() if name != LAST_APPLIED}


def condition(status: dict[str, Any], name: str) -> bool | None:
    """Whether a condition holds; ``None`` if it is not reported."""
    return next((text_of(each, "status") == "True" for each in dicts_of(status, "conditions") if each.get("type") == name), None)


def of_kind(kind: str) -> Callable[[dict[str, Any], dict[str, Any]], Iterator[Made]]:
    """Reader of a kind of workload."""
    return lambda item, metadata: workload(item, metadata, kind)


READERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Iterator[Made]]] = {
    "Node": node, "Pod": pod, "Service": service, "Endpoints": endpoints, "EndpointSlice": endpoint_slice, "ConfigMap": config_map,
    "Namespace": namespace, "Event": event, "ServiceCIDR": service_cidr,
    **{kind: of_kind(kind) for kind in ("DaemonSet", "Deployment", "StatefulSet", "ReplicaSet")},
}
