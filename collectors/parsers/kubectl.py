"""Kubernetes objects as ``kubectl get … -o json|yaml`` and ``calicoctl get … -o json|yaml`` print them: lists, single objects, several documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers import kubetable
from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.jsontext import dict_of, dicts_of, emit_broken, int_of, is_json, read_json, text_of, texts_of
from collectors.parsers.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors.place import Place
    from engine.facts import Fact, Source

_YAML_START = r"^(?:---|(?:- )?(?:addressType|apiVersion|data|endpoints|items|kind|metadata|spec):)"
PLURALS = {
    "Node": "nodes", "Pod": "pods", "Service": "services", "Endpoints": "endpoints", "EndpointSlice": "endpointslices", "IPPool": "ippools",
    "ConfigMap": "configmaps",
}
"""Kinds that become facts → what their ``collected`` facts say."""
_WORDS = {
    "node": "nodes", "no": "nodes", "po": "pods", "pod": "pods", "svc": "services", "service": "services", "ep": "endpoints",
    "endpointslice": "endpointslices", "ippool": "ippools", "ipp": "ippools", "cm": "configmaps", "configmap": "configmaps",
}
"""Other words for them on a command line."""
_FILTERS = frozenset({"-l", "--selector", "--field-selector", "-w", "--watch"})
_CLUSTER_WIDE = frozenset({"nodes", "ippools"})
_VALUED = frozenset({"-o", "--output", "-n", "--namespace", "-l", "--selector", "--field-selector", "--context", "--kubeconfig", "--sort-by"})


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of the objects in JSON, YAML or a table; kinds of no use here are passed over."""
    out = Emitter(source, place)
    documents, whole = _documents(out)
    if documents is None:
        rows = kubetable.read(out)
        if out.whole and source.text.strip():
            _claim(out, rows, set(rows))
        return out.done()
    seen: dict[str, set[str]] = {}
    listed: set[str] = set()
    for line, document in documents:
        kind, items = _items(document)
        if items is None:
            _object(out, line, document, kind, seen)
            continue
        if text_of(dict_of(document, "metadata"), "continue"):
            whole = False
        if kind in PLURALS:
            listed.add(PLURALS[kind])
        for item in items:
            _object(out, line, item, text_of(item, "kind") or kind, seen)
        listed |= seen.keys()
    if whole:
        _claim(out, seen, listed)
    return out.done()


def _documents(out: Emitter) -> tuple[list[tuple[int, dict[str, Any]]] | None, bool]:
    """The documents with their lines, and whether none broke off; ``None`` if the text is neither JSON nor YAML."""
    text = out.source.text
    if is_json(text):
        read = read_json(text)
        emit_broken(out, read)
        return [(line, item) for line, item in read.items if isinstance(item, dict)], read.complete
    text = clean(text)
    found = re.search(_YAML_START, text, re.MULTILINE)
    if not found:
        return None, False
    from collectors.parsers.plainyaml import mappings, read_yaml

    # Warnings that kubectl printed first would not be YAML; blank lines keep the numbers right.
    before = text[: found.start()].split("\n")
    for number, line in enumerate(before, 1):
        out.unparsed.add(number, line)
    decoded = read_yaml("\n" * (len(before) - 1) + text[found.start() :])
    if decoded.error:
        out.unparsed.add(decoded.error_line, decoded.error)
    flat = [item for document in decoded.documents for item in (document if isinstance(document, list) else [document])]
    decoded.documents = flat
    return list(mappings(decoded)), not decoded.error


def _items(document: dict[str, Any]) -> tuple[str, list[dict[str, Any]] | None]:
    """Kind and items of a list object; ``None`` for the items of any other object."""
    kind = text_of(document, "kind")
    if isinstance(document.get("items"), list) or (kind.endswith("List") and "items" in document):
        return kind.removesuffix("List"), dicts_of(document, "items")
    return kind, None


def _object(out: Emitter, line: int, item: dict[str, Any], kind: str, seen: dict[str, set[str]]) -> None:
    """Emit the facts of one object."""
    metadata = dict_of(item, "metadata")
    name, namespace = text_of(metadata, "name"), text_of(metadata, "namespace")
    if kind not in _READERS or not name:
        return
    seen.setdefault(PLURALS[kind], set()).add(namespace)
    for fact_kind, fields, shown in _READERS[kind](item, metadata):
        kept = {key: value for key, value in fields.items() if value is not None}
        out.add(fact_kind, kept, line, " ".join(shown.split()))


def _claim(out: Emitter, seen: dict[str, set[str]], listed: set[str]) -> None:
    """State which resources were listed whole, and of which namespace."""
    call = invocation(out.source.command, "kubectl", "oc", "calicoctl")
    if not call:
        # Without a command line: objects of one namespace may be all there are, or all that were asked for.
        for plural in sorted(listed):
            namespaces = seen.get(plural, set())
            if plural in _CLUSTER_WIDE or len(namespaces) > 1:
                out.collected(plural)
            elif namespaces:
                out.collected(plural, next(iter(namespaces)))
        return
    words, options = _split([*call.options, *call.words])
    if call.piped or words[:1] != ["get"] or len(words) != 2 or "/" in words[1] or _FILTERS & options.keys():
        return
    every = {"-A", "--all-namespaces", "--all-namespaces=true"} & options.keys() or call.program == "calicoctl"
    scope = "all" if every else options.get("-n") or options.get("--namespace") or "default"
    for word in words[1].split(","):
        resource = word.partition(".")[0].lower()
        plural = _WORDS.get(resource, resource)
        if plural in PLURALS.values():
            out.collected(plural, "all" if plural in _CLUSTER_WIDE else scope)


def _split(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Plain words and options (with their values) of a command line."""
    plain: list[str] = []
    options: dict[str, str] = {}
    at = 0
    while at < len(words):
        word = words[at]
        name, separator, value = word.partition("=")
        if word in _VALUED and at + 1 < len(words):
            options[word] = words[at + 1]
            at += 1
        elif word.startswith("-"):
            options[name if name in _VALUED else word] = value if separator else ""
        else:
            plain.append(word)
        at += 1
    return plain, options


def _node(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    spec, status = dict_of(item, "spec"), dict_of(item, "status")
    addresses = [(text_of(each, "type"), text_of(each, "address")) for each in dicts_of(status, "addresses")]
    ordered = sorted((each for each in addresses if each[0].endswith("IP")), key=lambda each: each[0] != "InternalIP")
    cidrs = texts_of(spec, "podCIDRs") or tuple(filter(None, [text_of(spec, "podCIDR")]))
    fields: dict[str, Any] = {
        "name": text_of(metadata, "name"),
        "addresses": tuple(address for _, address in ordered),
        "pod_cidrs": cidrs,
        "labels": _texts(metadata, "labels"),
        "annotations": _texts(metadata, "annotations"),
        "ready": _condition(status, "Ready"),
    }
    yield "k8s_node", fields, f"node {fields['name']} {' '.join(fields['addresses'])} podCIDR {','.join(cidrs) or '<none>'}"


def _pod(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    spec, status = dict_of(item, "spec"), dict_of(item, "status")
    ips = tuple(dict.fromkeys(filter(None, [text_of(status, "podIP"), *(text_of(each, "ip") for each in dicts_of(status, "podIPs"))])))
    owner = next(iter(dicts_of(metadata, "ownerReferences")), {})
    fields = {
        **_named(metadata),
        "ips": ips,
        "node_name": text_of(spec, "nodeName") or None,
        "host_network": spec.get("hostNetwork") is True,
        "phase": text_of(status, "phase") or None,
        "ready": _condition(status, "Ready"),
        "labels": _texts(metadata, "labels"),
        "ports": tuple(_container_port(port) for container in dicts_of(spec, "containers") for port in dicts_of(container, "ports")),
        "dns_policy": text_of(spec, "dnsPolicy") or None,
        "owner": f"{text_of(owner, 'kind')}/{text_of(owner, 'name')}" if owner else None,
    }
    yield "pod", fields, f"pod {_full_name(metadata)} {' '.join(ips)} on {fields['node_name'] or '<none>'} {fields['phase'] or ''}"


def _container_port(port: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"port": int_of(port, "containerPort") or 0, "protocol": text_of(port, "protocol") or "TCP"}
    if text_of(port, "name"):
        made["name"] = text_of(port, "name")
    if int_of(port, "hostPort"):
        made["host_port"] = int_of(port, "hostPort")
    return made


def _service(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    spec = dict_of(item, "spec")
    single = text_of(spec, "clusterIP")
    ingress = [text_of(each, "ip") for each in dicts_of(dict_of(item, "status", "loadBalancer"), "ingress")]
    ports = tuple(_service_port(port) for port in dicts_of(spec, "ports"))
    fields: dict[str, Any] = {
        **_named(metadata),
        "type": text_of(spec, "type") or "ClusterIP",
        "cluster_ips": texts_of(spec, "clusterIPs") or ((single,) if single else ()),
        "external_ips": tuple(dict.fromkeys(filter(None, [*texts_of(spec, "externalIPs"), *ingress]))),
        "ports": ports,
        "selector": _texts(spec, "selector"),
        "internal_policy": text_of(spec, "internalTrafficPolicy") or None,
        "external_policy": text_of(spec, "externalTrafficPolicy") or None,
        "external_name": text_of(spec, "externalName") or None,
    }
    shown = " ".join(f"{port['port']}->{port['target_port']}/{port['protocol']}" for port in ports)
    yield "service", fields, f"service {_full_name(metadata)} {fields['type']} {','.join(fields['cluster_ips'])} {shown}"


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


def _endpoints(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """One fact a subset; an object without any says that the Service has no address at all."""
    for subset in dicts_of(item, "subsets") or [{}]:
        ready = tuple(_address(each, text_of(each, "ip")) for each in dicts_of(subset, "addresses"))
        not_ready = tuple(_address(each, text_of(each, "ip")) for each in dicts_of(subset, "notReadyAddresses"))
        yield _endpoint_fact(metadata, text_of(metadata, "name"), ready, not_ready, dicts_of(subset, "ports"), is_slice=False)


def _endpoint_slice(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    service = text_of(dict_of(metadata, "labels"), "kubernetes.io/service-name")
    sides: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for endpoint in dicts_of(item, "endpoints"):
        # An unknown condition counts as ready (as the API says).
        is_ready = dict_of(endpoint, "conditions").get("ready") is not False
        sides[is_ready] += [_address(endpoint, address) for address in texts_of(endpoint, "addresses")]
    yield _endpoint_fact(metadata, service, tuple(sides[True]), tuple(sides[False]), dicts_of(item, "ports"), is_slice=True)


def _endpoint_fact(
    metadata: dict[str, Any], service: str, ready: tuple[dict[str, Any], ...], not_ready: tuple[dict[str, Any], ...], ports: list[dict[str, Any]],
    *, is_slice: bool,
) -> tuple[str, dict[str, Any], str]:
    """The fact of a subset or slice."""
    named = tuple(_endpoint_port(port) for port in ports)
    namespace = text_of(metadata, "namespace") or "default"
    fields = {"namespace": namespace, "service": service, "ready": ready, "not_ready": not_ready, "ports": named, "slice": is_slice}
    addresses = f"ready {','.join(each['address'] for each in ready) or '<none>'}"
    if not_ready:
        addresses += f" not ready {','.join(each['address'] for each in not_ready)}"
    numbers = ",".join(str(port.get("port", "*")) for port in named)
    return "endpoints", fields, f"{'endpointslice' if is_slice else 'endpoints'} {_full_name(metadata)} {addresses} ports {numbers}"


def _endpoint_port(port: dict[str, Any]) -> dict[str, Any]:
    values = {"name": text_of(port, "name"), "port": int_of(port, "port"), "protocol": text_of(port, "protocol") or "TCP"}
    return {key: value for key, value in values.items() if value}


def _address(entry: dict[str, Any], address: str) -> dict[str, Any]:
    made: dict[str, Any] = {"address": address}
    if text_of(entry, "nodeName"):
        made["node_name"] = text_of(entry, "nodeName")
    target = dict_of(entry, "targetRef")
    if text_of(target, "kind") == "Pod":
        made["pod"] = text_of(target, "name")
    return made


def _ippool(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    spec = dict_of(item, "spec")
    fields = {
        "name": text_of(metadata, "name"),
        "cidr": text_of(spec, "cidr"),
        "nat_outgoing": spec.get("natOutgoing") is True,
        "disabled": spec.get("disabled") is True,
        "ipip": text_of(spec, "ipipMode") or "Never",
        "vxlan": text_of(spec, "vxlanMode") or "Never",
        "block_size": int_of(spec, "blockSize"),
        "node_selector": text_of(spec, "nodeSelector") or None,
    }
    shown = f"{fields['cidr']} natOutgoing={fields['nat_outgoing']} ipip={fields['ipip']} vxlan={fields['vxlan']}"
    yield "ippool", fields, f"ippool {fields['name']} {shown}"


def _config_map(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    yield "kube_config", {**_named(metadata), "data": _texts(item, "data")}, f"configmap {_full_name(metadata)}"


def _named(metadata: dict[str, Any]) -> dict[str, str]:
    return {"namespace": text_of(metadata, "namespace") or "default", "name": text_of(metadata, "name")}


def _full_name(metadata: dict[str, Any]) -> str:
    return f"{text_of(metadata, 'namespace') or 'default'}/{text_of(metadata, 'name')}"


def _texts(entry: dict[str, Any], key: str) -> dict[str, str]:
    return {name: value for name, value in dict_of(entry, key).items() if isinstance(value, str)}


def _condition(status: dict[str, Any], name: str) -> bool | None:
    """Whether a condition holds; ``None`` if it is not reported."""
    return next((text_of(each, "status") == "True" for each in dicts_of(status, "conditions") if each.get("type") == name), None)


_READERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Iterator[tuple[str, dict[str, Any], str]]]] = {
    "Node": _node, "Pod": _pod, "Service": _service, "Endpoints": _endpoints, "EndpointSlice": _endpoint_slice, "IPPool": _ippool,
    "ConfigMap": _config_map,
}
