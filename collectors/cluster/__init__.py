"""Collecting a cluster: its API objects through kubectl, and its nodes' state from the collector pods that the operator started.

One bundle comes of it: ``cluster/<resource>.json`` and, as from each node itself, ``nodes/<node>/…``.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from collectors.cluster.daemonset import LABEL, NAME, SCRIPT
from collectors.cluster.resources import CONFIG_MAPS, CORE, GROUPED, kept, network_configs
from collectors.live.options import MEBIBYTE, Item, Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from collectors.cluster.kubectl import Kubectl
    from collectors.live.run import Output
    from collectors.live.sinks import Sink

WORKERS = 4
"""Nodes that are read at the same time."""
START = "diagnose collect --daemonset-manifest | kubectl apply -f -"
"""Starts the collector pods."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What to collect of which cluster."""

    kubeconfig: str = ""
    context: str = ""
    timeout: float = 60.0
    """Seconds that one answer of the API server may take."""
    node_timeout: float = 300.0
    """Seconds that one node may take."""
    max_bytes: int = 512 * MEBIBYTE
    """Octets of one answer, or of one node's archive."""
    say: Callable[[str], None] = field(default=lambda _: None)
    """Takes one line of progress."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What came of one question: files and the manifest's items."""

    files: dict[str, bytes] = field(default_factory=dict)
    items: tuple[Item | dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def collect_cluster(options: ClusterOptions, out: Path) -> Summary:
    """Write a cluster's evidence as one bundle; what fails is named and the rest is kept.

    Raises :class:`engine.errors.EvidenceError` if the cluster does not answer at all, or ``out`` cannot be written.
    """
    from collectors.cluster.kubectl import kubectl
    from collectors.live.sinks import open_sink, refuse_overwriting

    began = time.monotonic()
    refuse_overwriting(out)
    with kubectl(options.kubeconfig, options.context, options.timeout, options.max_bytes) as program:
        there = program.resources()
        with open_sink(out, time.time()) as sink:
            items: list[Item | dict[str, Any]] = []
            notes: list[str] = []
            nodes: list[str] = []
            for read in (*_objects(program, there, options), *_nodes(program, options, nodes)):
                for path, data in read.files.items():
                    sink.put(path, data)
                items.extend(read.items)
                notes.extend(read.notes)
            _write_manifest(items, sink)
    told = tuple(item for item in items if isinstance(item, Item))
    return Summary(str(out), "the cluster", tuple(nodes), told, time.monotonic() - began, tuple(notes))


# --- objects -------------------------------------------------------------------------------------------------------------


def _objects(program: Kubectl, there: frozenset[str], options: ClusterOptions) -> Iterator[_Read]:
    """Every resource of interest that the cluster has; the maps that configure the network."""
    for resource in (*CORE, *(name for name in GROUPED if name in there)):
        options.say(f"kubectl get {resource}")
        yield _listed(program, resource, file_name(resource))
    for namespace in _namespaces(program):
        options.say(f"kubectl get configmaps -n {namespace}")
        yield _config_maps(program, namespace)


def file_name(resource: str) -> str:
    """Name of a resource's file: its plural; with the group where two groups have the same plural."""
    plural, _, group = resource.partition(".")
    alone = sum(name.partition(".")[0] == plural for name in (*CORE, *GROUPED)) == 1
    return plural if alone or group == "networking.k8s.io" else resource


def _listed(program: Kubectl, resource: str, name: str) -> _Read:
    command = f"kubectl get {resource} -A -o json"
    output = program.get(resource, "-A")
    if output.exit_status or output.truncated:
        return _failed(command, name, output)
    return _Read({f"cluster/{name}.json": _encoded(kept(json.loads(output.data)))}, (_item(command, name, f"cluster/{name}.json", output),))


def _failed(command: str, what: str, output: Output) -> _Read:
    reason = "the answer is too large" if output.truncated and not output.timed_out else output.error or "kubectl failed"
    return _Read(items=(Item(command, "", "", "host", what, skipped=reason),))


def _item(command: str, what: str, file: str, output: Output) -> Item:
    return Item(command, file, "", "host", what, seconds=round(output.seconds, 3))


def _namespaces(program: Kubectl) -> list[str]:
    """Namespaces that exist and may hold the network's configuration."""
    output = program.ask("get", "namespaces", "-o", "jsonpath={.items[*].metadata.name}")
    names = output.data.decode("utf-8", "replace").split()
    return [name for name in CONFIG_MAPS if name in names]


def _config_maps(program: Kubectl, namespace: str) -> _Read:
    command = f"kubectl get configmaps -n {namespace} -o json"
    output = program.get("configmaps", "-n", namespace)
    if output.exit_status or output.truncated:
        return _failed(command, "", output)
    file = f"cluster/configmaps_{namespace}.json"
    # Only some are kept: the listing says nothing about the others.
    data = _encoded(kept(network_configs(json.loads(output.data), namespace)))
    return _Read({file: data}, (_item(f"{command} (the network's)", "", file, output),))


def _encoded(document: Any) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()


# --- nodes ---------------------------------------------------------------------------------------------------------------


def _nodes(program: Kubectl, options: ClusterOptions, names: list[str]) -> Iterator[_Read]:
    """State of every node that runs a collector pod; ``names`` takes their names."""
    from concurrent.futures import ThreadPoolExecutor

    pods = _collectors(program)
    if not pods:
        yield _Read(notes=(f"only API objects, no node's own state: no collector pod runs ({START})",))
        return
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for (node, _, _), read in zip(pods, pool.map(lambda pod: _node(program, pod, options), pods), strict=True):
            if read.files:
                names.append(node)
            yield read


def _collectors(program: Kubectl) -> list[tuple[str, str, str]]:
    """Node, namespace and name of every collector pod that runs."""
    output = program.get("pods", "-A", "-l", f"{LABEL}={NAME}", "--field-selector=status.phase=Running")
    if output.exit_status:
        return []
    items = json.loads(output.data).get("items", [])
    found = [(str(i["spec"].get("nodeName", "")), str(i["metadata"].get("namespace", "")), str(i["metadata"].get("name", ""))) for i in items]
    return sorted(pod for pod in found if all(pod))


def _node(program: Kubectl, pod: tuple[str, str, str], options: ClusterOptions) -> _Read:
    """One node's archive, unpacked in memory."""
    node, namespace, name = pod
    options.say(f"node {node}")
    output = program.ask("exec", "-n", namespace, name, "-c", "collect", "--", "sh", SCRIPT, "-n", node, "-o", "-", timeout=options.node_timeout)
    command = f"kubectl exec -n {namespace} {name} -- sh {SCRIPT}"
    if output.exit_status or output.truncated or not output.data:
        reason = f"no answer within {options.node_timeout:g} s" if output.timed_out else output.error or "the archive is cut short"
        return _Read(items=(Item(command, "", node, "host", skipped=reason),), notes=(f"node {node}: {reason}",))
    return _unpacked(node, command, output.data)


def _unpacked(node: str, command: str, data: bytes) -> _Read:
    """Files and manifest items of a node's own bundle; the archive comes from another machine, so its bounds are checked."""
    from collectors.members import Limits, load_bytes
    from engine.errors import EvidenceError

    try:
        members = load_bytes(f"{node}.tar.gz", data, Limits())
    except EvidenceError as error:
        return _Read(items=(Item(command, "", node, "host", skipped=str(error)),), notes=(f"node {node}: {error}",))
    files = {path.partition("/")[2]: content for path, content in members.files.items()}
    try:
        items = json.loads(files.pop("manifest.json", b"{}")).get("items", [])
    except (ValueError, AttributeError):
        items = []
    inside = {path: content for path, content in files.items() if path.startswith("nodes/")}
    return _Read(inside, tuple(item for item in items if isinstance(item, dict)))


def _write_manifest(items: Sequence[Item | dict[str, Any]], sink: Sink) -> None:
    from collectors.live import manifest

    sink.put("manifest.json", _encoded(manifest("", items)))
