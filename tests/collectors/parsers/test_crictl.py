"""Sandboxes and containers as crictl prints them (written by the shape of the CRI's messages: no kubelet runs here)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from collectors.parsers.crictl import parse

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

SANDBOX: dict[str, Any] = {
    "status": {
        "id": "5f0a",
        "metadata": {"attempt": 0, "name": "web-7d4b9", "namespace": "default", "uid": "u"},
        "state": "SANDBOX_READY",
        "network": {"additionalIps": [{"ip": "fd00::5"}], "ip": "10.244.1.5"},
        "linux": {"namespaces": {"options": {"network": "POD", "pid": "CONTAINER"}}},
        "labels": {"app": "web", "io.kubernetes.pod.name": "web-7d4b9", "io.kubernetes.pod.namespace": "default"},
    },
    "info": {
        "pid": 4711,
        "runtimeType": "io.containerd.runc.v2",
        "config": {"hostname": "web-7d4b9"},
        "runtimeSpec": {"linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/var/run/netns/cni-1234"}]}},
    },
}
CONTAINER: dict[str, Any] = {
    "status": {
        "id": "77bb",
        "metadata": {"name": "nginx"},
        "state": "CONTAINER_RUNNING",
        "image": {"image": "docker.io/library/nginx:1"},
        "labels": {"io.kubernetes.pod.name": "web-7d4b9", "io.kubernetes.pod.namespace": "default"},
    },
    "info": {"pid": 4712, "runtimeSpec": {"annotations": {"io.kubernetes.cri-o.Name": "x"}}},
}


def test_a_sandbox(recorded: Recorded) -> None:
    """Its pod, namespace path, process and addresses."""
    fact = recorded.only(recorded.text(parse, json.dumps(SANDBOX)), "container")
    assert fact.fields.items() >= {"id": "5f0a", "pid": 4711, "state": "running", "runtime": "containerd"}.items()
    assert fact.fields.items() >= {"pod": "default/web-7d4b9", "namespace": "/var/run/netns/cni-1234"}.items()
    assert [each["address"] for each in fact.fields["endpoints"]] == ["10.244.1.5", "fd00::5"]
    assert fact.text == "sandbox web-7d4b9 10.244.1.5 fd00::5"


def test_a_container(recorded: Recorded) -> None:
    """It belongs to the pod of its labels and has no addresses of its own."""
    fact = recorded.only(recorded.text(parse, json.dumps(CONTAINER)), "container")
    assert fact.fields.items() >= {"name": "nginx", "pod": "default/web-7d4b9", "runtime": "crio", "image": "docker.io/library/nginx:1"}.items()
    assert "endpoints" not in fact.fields


def test_host_network(recorded: Recorded) -> None:
    """A sandbox of the node's own network says so."""
    sandbox = {**SANDBOX, "status": {**SANDBOX["status"], "linux": {"namespaces": {"options": {"network": "NODE"}}}}}
    assert recorded.only(recorded.text(parse, json.dumps(sandbox)), "container").get("network_mode") == "host"


def test_listings(recorded: Recorded) -> None:
    """``crictl pods`` covers the sandboxes, unless it was filtered or cut."""
    text = json.dumps({"items": [SANDBOX["status"]]})
    facts = recorded.text(parse, text, "crictl pods -o json")
    assert recorded.only(facts, "container", pod="default/web-7d4b9")
    assert recorded.covered(facts) == {("containers", "sandboxes", 0)}
    assert recorded.covered(recorded.text(parse, text, "crictl pods --name web -o json")) == set()
    assert recorded.covered(recorded.text(parse, text[:-9], "crictl pods -o json")) == set()
    facts = recorded.text(parse, json.dumps({"containers": [CONTAINER["status"]]}), "crictl ps -o json")
    assert recorded.only(facts, "container", name="nginx")
    assert recorded.covered(facts) == set()


def test_other_objects_are_counted(recorded: Recorded) -> None:
    """An object of another shape is not dropped in silence."""
    assert recorded.unparsed(recorded.text(parse, 'E0101 error\n{"something": 1}')) == 2
