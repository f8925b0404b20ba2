"""Collecting a cluster with the real kubectl, from a small API server; nodes are network namespaces of this kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from collectors.cluster import ClusterOptions, collect_cluster
from collectors.cluster.daemonset import LABEL, NAME
from collectors.evidence import read
from collectors.script import script
from engine.errors import EvidenceError
from tests.collectors.cluster.apiserver import ApiServer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")


def named(name: str, namespace: str = "", **labels: str) -> dict[str, Any]:
    """Metadata of an object."""
    return {"name": name, "labels": labels, **({"namespace": namespace} if namespace else {})}


def collector_pod(node: str) -> dict[str, Any]:
    """A running pod of the DaemonSet."""
    return {"metadata": named(f"{NAME}-{node}", "noroute", **{LABEL: NAME}), "spec": {"nodeName": node, "containers": [{"name": "collect"}]},
            "status": {"phase": "Running"}}


def objects(*nodes: str, collectors: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    """A cluster with one application."""
    secret = [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "REF", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    web = {"metadata": named("web-1", "shop", app="web"), "status": {"podIP": "10.244.1.5", "phase": "Running"},
           "spec": {"nodeName": nodes[0], "containers": [{"name": "web", "image": "web", "env": secret, "args": ["--token=hunter2"]}]}}
    proxy = {"metadata": named("kube-proxy-x", "kube-system"), "status": {"phase": "Running"},
             "spec": {"nodeName": nodes[0], "containers": [{"name": "kube-proxy", "image": "p", "args": ["--proxy-mode=ipvs"]}]}}
    maps = [{"metadata": named("kube-proxy", "kube-system"), "data": {"config.conf": "mode: ipvs\n"}},
            {"metadata": named("somebody-elses", "kube-system"), "data": {"password": "hunter2"}}]
    return {
        "nodes": [{"metadata": named(n), "spec": {"podCIDR": f"10.244.{i}.0/24"}, "status": {}} for i, n in enumerate(nodes, 1)],
        "pods": [web, proxy, *map(collector_pod, collectors)],
        "services": [{"metadata": named("db", "shop"), "spec": {"clusterIP": "10.96.0.7", "ports": [{"port": 5432}]}}],
        "namespaces": [{"metadata": named("kube-system")}, {"metadata": named("shop", team="a")}],
        "configmaps": maps,
        "secrets": [{"metadata": named("s", "shop"), "data": {"k": "aHVudGVyMg=="}}],
        "ippools.crd.projectcalico.org": [{"metadata": named("pool"), "spec": {"cidr": "10.244.0.0/16"}}],
        "networkpolicies.crd.projectcalico.org": [{"metadata": named("c", "shop"), "spec": {"selector": "all()"}}],
        "networkpolicies.networking.k8s.io": [{"metadata": named("k", "shop"), "spec": {"podSelector": {}}}],
    }


def options(address: str, folder: Path, **more: Any) -> ClusterOptions:
    """Options with a kubeconfig for the server."""
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": address}}],
              "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}]}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return ClusterOptions(str(path), **more)


@needs_kubectl
def test_objects_become_facts_and_secrets_stay_behind(tmp_path: Path) -> None:
    """Nodes, pods, Services, pools and both kinds of policies are read back; no secret, foreign ConfigMap or argument is in the bundle."""
    server = ApiServer(objects("node-a", "node-b"))
    with serving(server) as address:
        summary = collect_cluster(options(address, tmp_path), tmp_path / "b")
    evidence = read([tmp_path / "b"])
    assert {f.get("name") for f in evidence.facts if f.kind == "k8s_node"} == {"node-a", "node-b"}
    assert {(f.get("namespace"), f.get("name")) for f in evidence.facts if f.kind == "pod"} == {("shop", "web-1"), ("kube-system", "kube-proxy-x")}
    assert {f.get("cidr") for f in evidence.facts if f.kind == "ippool"} == {"10.244.0.0/16"}
    assert {"networkpolicies.json", "networkpolicies.crd.projectcalico.org.json"} <= {p.name for p in (tmp_path / "b" / "cluster").iterdir()}
    text = "".join(p.read_text(encoding="utf-8") for p in (tmp_path / "b").rglob("*") if p.is_file())
    assert "hunter2" not in text
    assert "aHVudGVyMg" not in text
    assert "--proxy-mode=ipvs" in text
    assert any("only API objects" in note for note in summary.notes)
    assert (server.methods, "secrets" in server.asked) == ({"GET"}, False)


@needs_kubectl
def test_what_is_forbidden_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    """A resource that may not be listed is stated with the server's reason, and claims nothing."""
    with serving(ApiServer(objects("node-a"), frozenset({"services"}))) as address:
        summary = collect_cluster(options(address, tmp_path), tmp_path / "b.tar.gz")
    evidence = read([tmp_path / "b.tar.gz"])
    missing = {f.get("what"): str(f.get("reason")) for f in evidence.facts if f.kind == "not_collected"}
    assert "forbidden" in missing["services"]
    assert [i.what for i in summary.skipped] == ["services"]
    assert not [f for f in evidence.facts if f.kind == "collected" and f.get("what") == "services"]
    assert [f for f in evidence.facts if f.kind == "collected" and f.get("what") == "pods"]


@needs_kubectl
def test_a_cluster_that_does_not_answer_is_one_clear_error(tmp_path: Path) -> None:
    """Without an API server nothing is written."""
    with pytest.raises(EvidenceError, match="kubectl cannot list"):
        collect_cluster(options("http://127.0.0.1:9", tmp_path, timeout=5.0), tmp_path / "b")
    assert not (tmp_path / "b").exists()


# --- nodes ---------------------------------------------------------------------------------------------------------------

WRAPPER = """#!/bin/sh
# exec needs a kubelet: the pod's command is run in the node's namespace instead; everything else is kubectl's own.
for word in "$@"; do
    if [ "$word" = exec ]; then
        node=''
        while [ "$1" != -- ]; do
            case $1 in {name}-*) node=${{1#{name}-}} ;; esac
            shift
        done
        shift 3 # -- sh SCRIPT
        [ "$node" != broken ] || {{ echo "error: unable to upgrade connection: container not found" >&2; exit 1; }}
        exec ip netns exec "$node" dash {script} -s none "$@"
    fi
done
exec {kubectl} "$@"
"""


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Two namespaces that play nodes, and a kubectl whose exec reaches them."""
    names = (f"zc-a{os.getpid()}", f"zc-b{os.getpid()}")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "collect.sh").write_text(script(), encoding="utf-8")
    wrapper = folder / "kubectl"
    wrapper.write_text(WRAPPER.format(name=NAME, script=folder / "collect.sh", kubectl=shutil.which("kubectl")), encoding="utf-8")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    try:
        for number, name in enumerate(names, 1):
            subprocess.run(["ip", "netns", "add", name], check=True)
            subprocess.run(["ip", "-n", name, "addr", "add", f"192.168.9.{number}/24", "dev", "lo"], check=True)
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


@needs_kubectl
@pytest.mark.lab
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2")
def test_nodes_are_read_through_their_collector_pods(nodes: tuple[str, str], tmp_path: Path) -> None:
    """Each node's own state comes under its name; a node that fails is named, and the others are kept."""
    lines: list[str] = []
    with serving(ApiServer(objects(*nodes, "broken", collectors=(*nodes, "broken")))) as address:
        summary = collect_cluster(options(address, tmp_path, say=lines.append), tmp_path / "b.tar.gz")
    assert set(summary.stacks) == set(nodes)
    assert any("broken" in note and "container not found" in note for note in summary.notes)
    evidence = read([tmp_path / "b.tar.gz"])
    held = {(f.node, f.get("address")) for f in evidence.facts if f.kind == "address" and str(f.get("address")).startswith("192.168.9.")}
    assert held == {(nodes[0], "192.168.9.1"), (nodes[1], "192.168.9.2")}
    assert [f.node for f in evidence.facts if f.kind == "not_collected" and "exec" in str(f.get("command"))] == ["broken"]
    assert f"node {nodes[0]}" in lines
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        assert sum(name.endswith("manifest.json") for name in archive.getnames()) == 1
