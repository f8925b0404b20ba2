"""Kubernetes' own objects: what is kept, what is left out, and where it stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from collectors.parsers.kubectl import parse

if TYPE_CHECKING:
    from engine.facts import Fact
    from tests.collectors.parsers.conftest import Recorded


def listing(*items: dict[str, Any]) -> dict[str, Any]:
    """A list as kubectl prints it."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def item(kind: str, name: str, namespace: str = "shop", **more: Any) -> dict[str, Any]:
    """An object."""
    metadata = {"name": name, "namespace": namespace, **more.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}


def one(recorded: Recorded, made: dict[str, Any]) -> Fact:
    """The fact of one object."""
    (fact,) = [f for f in recorded.text(parse, json.dumps(made)) if f.kind != "collected"]
    return fact


def test_lines(recorded: Recorded) -> None:
    """Each object of a list has its own line, in kubectl's JSON and in YAML; JSON that is laid out otherwise has the list's."""
    made = listing(item("Namespace", "a"), item("Namespace", "b"))
    written = json.dumps(made, indent=4)
    lines = [f.line for f in recorded.text(parse, written) if f.kind == "namespace"]
    assert [written.split("\n")[line - 1] for line in lines] == ["        {", "        {"]
    assert len(set(lines)) == 2
    document = yaml.safe_dump(made)
    lines = [f.line for f in recorded.text(parse, document) if f.kind == "namespace"]
    assert [document.split("\n")[line - 1] for line in lines] == ["- apiVersion: v1", "- apiVersion: v1"]
    assert [f.line for f in recorded.text(parse, json.dumps(made, indent=2)) if f.kind == "namespace"] == [1, 1]


def test_secrets(recorded: Recorded) -> None:
    """Nobody's secrets are kept: no Secret, no ConfigMap of users, no private keys, no environment, no copy of the applied manifest."""
    word = "hunter2"
    pod = item(
        "Pod", "kube-x", "kube-system", metadata={"annotations": {"kubectl.kubernetes.io/last-applied-configuration": word}},
        spec={"containers": [{"name": "c", "command": ["x", f"--token={word}", "--v=2"], "env": [{"name": "PASSWORD", "value": word}]}]},
    )
    config = item("ConfigMap", "kube-proxy", "kube-system", data={"a": f"password: {word}", "b": "mode: ipvs",
        "c": f"-----BEGIN RSA PRIVATE KEY----- {word}"})
    daemon = item(
        "DaemonSet", "calico-node", "kube-system",
        spec={"template": {"spec": {"containers": [{"env": [{"name": "CALICO_IPV4POOL_CIDR", "value": "10.1.0.0/16"},
            {"name": "DATASTORE_KEY", "value": word}]}]}}},
    )
    made = listing(item("Secret", "s", data={"a": word}), item("ConfigMap", "mine", data={"a": word}), pod, config, daemon)
    facts = recorded.text(parse, json.dumps(made))
    assert word not in "".join(f"{f.fields} {f.shown}" for f in facts)
    assert recorded.only(facts, "kube_config").get("data") == {"b": "mode: ipvs"}
    assert recorded.only(facts, "pod").get("args") == ("x", "--token", "--v=2")
    assert recorded.only(facts, "workload").get("env") == {"CALICO_IPV4POOL_CIDR": "10.1.0.0/16"}


def test_pod_in_trouble(recorded: Recorded) -> None:
    """A container that waits says why, else the condition that fails; a completed pod has no trouble."""
    waiting = {"containerStatuses": [{"name": "c", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}]}
    fact = one(recorded, item("Pod", "p", status=waiting))
    assert (fact.get("reason"), fact.get("message"), fact.get("restarts")) == ("CrashLoopBackOff", "back-off", 3)
    unscheduled = {"conditions": [{"type": "Ready", "status": "False", "reason": "X"},
                                  {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]}
    assert one(recorded, item("Pod", "p", status=unscheduled)).get("reason") == "Unschedulable"
    done = {"conditions": [{"type": "Ready", "status": "False", "reason": "PodCompleted"}]}
    assert one(recorded, item("Pod", "p", status=done)).get("reason") is None
    assert one(recorded, item("Pod", "p", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})).get("terminating") is True


def test_probes(recorded: Recorded) -> None:
    """As ``kubectl describe`` writes them."""
    kinds = [{"httpGet": {"path": "/ok", "port": "http", "scheme": "HTTPS"}, "timeoutSeconds": 5}, {"tcpSocket": {"port": 80}},
        {"grpc": {"port": 9}}, {"exec": {}}]
    found = one(recorded, item("Pod", "p", spec={"containers": [{"readinessProbe": kind} for kind in kinds]})).get("probes")
    assert found[0] == "http-get https://:http/ok delay=0s timeout=5s period=10s #success=1 #failure=3"
    assert [text.split(" delay")[0] for text in found[1:]] == ["tcp-socket :80", "grpc <pod>:9", "exec"]


def test_service(recorded: Recorded) -> None:
    """Affinity, unready addresses, health check port and what the load balancer gave."""
    spec = {"type": "LoadBalancer", "sessionAffinity": "ClientIP", "publishNotReadyAddresses": True, "healthCheckNodePort": 31000,
            "loadBalancerSourceRanges": ["10.0.0.0/8"], "ports": [{"port": 80}]}
    fact = one(recorded, item("Service", "s", spec=spec, status={"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}, {"ip": "192.0.2.1"}]}}))
    wanted = {"affinity": "ClientIP", "publish_not_ready": True, "health_check_port": 31000, "source_ranges": ("10.0.0.0/8",),
        "ingress_ips": ("192.0.2.1",)}
    assert fact.fields.items() >= {**wanted, "ingress_names": ("lb.example.com",)}.items()


def test_slice_conditions(recorded: Recorded) -> None:
    """An absent condition stays absent, and counts as ready."""
    ends = [{"addresses": ["10.1.1.5"]}, {"addresses": ["10.1.1.6"], "conditions": {"ready": False, "serving": True, "terminating": True},
        "zone": "a"}]
    fact = one(recorded, item("EndpointSlice", "s-1", metadata={"labels": {"kubernetes.io/service-name": "s"}}, endpoints=ends, ports=None))
    assert fact.get("ready") == ({"address": "10.1.1.5"},)
    assert fact.get("not_ready") == ({"address": "10.1.1.6", "zone": "a", "serving": True, "terminating": True},)


def test_workloads_events_and_the_rest(recorded: Recorded) -> None:
    """Desired and ready pods, events of both groups, ServiceCIDRs, conditions and taints of nodes."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"hostNetwork": True, "containers": [{"image": "x"}],
        "tolerations": [{"key": "k", "effect": "NoSchedule"}]}}
    daemon = one(recorded, item("DaemonSet", "d", spec={"template": template}, status={"desiredNumberScheduled": 3, "numberReady": 2}))
    assert daemon.fields.items() >= {"desired": 3, "ready": 2, "available": 0, "host_network": True, "template_labels": {"a": "b"}}.items()
    assert daemon.get("tolerations") == ("k:NoSchedule",)
    assert one(recorded, item("Deployment", "d", spec={"template": template}, status={})).get("desired") == 1
    old = one(recorded, item("Event", "e", involvedObject={"kind": "Pod", "name": "p", "namespace": "shop"}, type="Warning", reason="R",
        message="m", count=4))
    assert (old.get("object"), old.get("count"), old.text) == ("Pod/p", 4, "Warning R Pod/p m")
    new = one(recorded, item("Event", "e", regarding={"kind": "Node", "name": "n"}, type="Normal", reason="R", note="m", series={"count": 2}))
    assert (new.get("object"), new.get("count"), new.get("message")) == ("Node/n", 2, "m")
    assert one(recorded, item("ServiceCIDR", "kubernetes", spec={"cidrs": ["10.96.0.0/12"]})).get("cidrs") == ("10.96.0.0/12",)
    node = one(recorded, item(
        "Node", "n", spec={"unschedulable": True, "taints": [{"key": "k", "value": "v", "effect": "NoExecute"},
            {"key": "j", "effect": "NoSchedule"}]},
        status={"conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}], "nodeInfo": {"kubeletVersion": "v1.29.4"}},
    ))
    assert node.get("taints") == ("k=v:NoExecute", "j:NoSchedule")
    assert (node.get("conditions"), node.get("unschedulable"), node.get("version")) == ({"Ready": "False: KubeletNotReady"}, True, "v1.29.4")
