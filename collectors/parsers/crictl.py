"""Pod sandboxes and containers of containerd and CRI-O: ``crictl inspectp``, ``inspect``, ``pods -o json``, ``ps -o json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.jsontext import dict_of, dicts_of, emit_broken, int_of, read_json, text_of

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

_STATES = {"SANDBOX_READY": "running", "SANDBOX_NOTREADY": "exited", "CONTAINER_RUNNING": "running", "CONTAINER_EXITED": "exited",
           "CONTAINER_CREATED": "created", "CONTAINER_UNKNOWN": "unknown"}
_POD_LABELS = ("io.kubernetes.pod.namespace", "io.kubernetes.pod.name")


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of ``crictl`` in JSON; a sandbox counts as the container that holds the pod's network namespace."""
    out = Emitter(source, place)
    read = read_json(source.text)
    emit_broken(out, read)
    for number, document in read.items:
        entries = [document] if isinstance(document, dict) else []
        for entry in entries:
            listed = [*dicts_of(entry, "items"), *dicts_of(entry, "containers")]
            if "status" in entry:
                _add(out, number, dict_of(entry, "status"), dict_of(entry, "info"))
            for each in listed:
                _add(out, number, each, {})
            if not listed and "status" not in entry and entry.keys().isdisjoint({"items", "containers"}):
                out.unparsed.add(number, str(entry))
    call = invocation(source.command, "crictl")
    if read.complete and call and not call.piped and call.words[:1] == ("pods",) and set(call.words[1:]) <= {"-o", "json", "--output", "-o=json"}:
        out.collected("containers", "sandboxes")
    return out.done()


def _add(out: Emitter, number: int, status: dict[str, Any], info: dict[str, Any]) -> None:
    """Emit a sandbox or container."""
    metadata, labels = dict_of(status, "metadata"), dict_of(status, "labels")
    values = {
        "id": text_of(status, "id"),
        "name": text_of(metadata, "name"),
        "runtime": _runtime(status, info),
        "state": _STATES.get(text_of(status, "state")),
        "pid": int_of(info, "pid"),
        "image": text_of(dict_of(status, "image"), "image"),
        "hostname": text_of(dict_of(info, "config"), "hostname") or text_of(dict_of(info, "runtimeSpec"), "hostname"),
        "network_mode": {"NODE": "host"}.get(text_of(dict_of(status, "linux", "namespaces", "options"), "network")),
        "namespace": _namespace(info),
        "pod": "/".join(filter(None, (text_of(metadata, "namespace"), text_of(metadata, "name")))) if "namespace" in metadata else "",
    }
    fields: dict[str, Any] = {key: value for key, value in values.items() if value}
    if "pod" not in fields and all(text_of(labels, key) for key in _POD_LABELS):
        fields["pod"] = "/".join(text_of(labels, key) for key in _POD_LABELS)
    fields["labels"] = {key: value for key, value in labels.items() if isinstance(value, str)}
    network = dict_of(status, "network")
    addresses = [text_of(network, "ip"), *(text_of(each, "ip") for each in dicts_of(network, "additionalIps"))]
    if network:
        fields["endpoints"] = tuple({"network": "", "address": address} for address in addresses if address)
    shown = f"{'sandbox' if network or 'namespace' in metadata else 'container'} {fields.get('name', '')} {' '.join(filter(None, addresses))}"
    out.add("container", fields, number, shown.strip())


def _runtime(status: dict[str, Any], info: dict[str, Any]) -> str:
    """Which runtime answers, if it tells."""
    annotations = " ".join(dict_of(status, "annotations")) + " ".join(dict_of(dict_of(info, "runtimeSpec"), "annotations"))
    if "io.kubernetes.cri-o" in annotations:
        return "crio"
    return "containerd" if "containerd" in text_of(info, "runtimeType") or "io.kubernetes.cri." in annotations else ""


def _namespace(info: dict[str, Any]) -> str:
    """Path of the sandbox's network namespace."""
    namespaces = dicts_of(dict_of(info, "runtimeSpec", "linux"), "namespaces")
    return next((text_of(each, "path") for each in namespaces if each.get("type") == "network"), "")
