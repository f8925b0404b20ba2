"""Bundles of other tools, laid out as those tools do, with outputs of real programs."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from collectors.evidence import read
from collectors.info import describe
from collectors.tools import unfenced, unfolded
from engine.facts import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.evidence import Evidence
    from engine.facts import Fact

    Files = dict[str, str | dict[str, Any] | list[Any]]

RECORDINGS = Path(__file__).parents[1] / "recordings"
NODE = RECORDINGS / "bundles" / "pmtu-blackhole" / "broken-one-node" / "node1"
KUBECTL = RECORDINGS / "kubectl"
STAMP = "20261120-101500"


def output(name: str) -> str:
    """What a node's command printed."""
    return (NODE / f"{name}.txt").read_text(encoding="utf-8")


def objects(resource: str, namespace: str = "") -> dict[str, Any]:
    """A recorded list of objects, of one namespace if one is named."""
    found: dict[str, Any] = json.loads(next(KUBECTL.glob(f"*_get_{resource}*_-o_json")).read_text(encoding="utf-8"))
    items = [item for item in found["items"] if namespace in {"", item["metadata"].get("namespace")}]
    return {"kind": f"{items[0]['kind']}List", **found, "items": items}


def laid(root: Path, files: Files) -> Path:
    """A folder of files; objects are written as the suffix asks."""
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            target.write_text(content, encoding="utf-8")
        elif target.suffix == ".json":
            target.write_text(json.dumps(content, indent=4), encoding="utf-8")
        else:
            target.write_text(yaml.safe_dump(content), encoding="utf-8")
    return root


def troubleshoot(root: Path) -> Path:
    """A support bundle of Troubleshoot."""
    return laid(root / "support-bundle-2026-11-20T10_15_00", {
        "version.yaml": "apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\nspec:\n  versionNumber: v0.100.0\n",
        "cluster-resources/nodes.json": objects("nodes"),
        "cluster-resources/pods/kube-system.json": objects("pods", "kube-system"),
        "cluster-resources/services/default.json": objects("services", "default"),
        "cluster-resources/network-policy-errors.json": ["networkpolicies.networking.k8s.io is forbidden"],
        "cluster-resources/services-errors.json": "null\n",
        "custom-resources/ippools.crd.projectcalico.org.json": objects("ippools")["items"],
        "host-collectors/run-host/firewall.txt": output("iptables-save"),
        "host-collectors/run-host/firewall-info.json": {"command": "iptables-save", "exitCode": "0"},
        "host-collectors/run-host/rules.txt": output("ip_rule"),
        "host-collectors/run-host/rules-info.json": {"command": "ip rule", "exitCode": "1"},
        "host-collectors/run-host/uptime.txt": "10:15:00 up 3 days",
        "host-collectors/run-host/uptime-info.json": {"command": "uptime", "exitCode": "0"},
        "host-collectors/system/node2/sysctl.json": {"net.ipv4.ip_forward": "1", "kernel.hostname": "node2"},
        "host-collectors/system/node2/kernel_modules.json": {"br_netfilter": {"status": "loaded"}, "ip_vs": {"status": "loadable"}},
        "host-collectors/node2/system/ipv4Interfaces.json": [{"Index": 1, "MTU": 65536, "Name": "lo"}],
        "sysctl/node3": "net.ipv4.ip_forward = 0\n",
        "logs/app.log": "lorem ipsum\n",
    })


def dumped(root: Path) -> Path:
    """What ``kubectl cluster-info dump --all-namespaces --output-directory`` writes."""
    return laid(root / "dump", {
        "nodes.json": objects("nodes"),
        "kube-system/pods.json": objects("pods", "kube-system"),
        "kube-system/services.json": objects("services", "kube-system"),
        "default/pods.json": objects("pods", "default"),
        "default/web-1/logs.txt": "lorem ipsum\n",
    })


def gathered(root: Path) -> Path:
    """A must-gather."""
    node, other = objects("nodes")["items"][:2]
    return laid(root / "must-gather.local.42", {
        "quay-io-image-sha256-1/namespaces/kube-system/core/pods.yaml": objects("pods", "kube-system"),
        "quay-io-image-sha256-1/namespaces/default/core/services.yaml": objects("services", "default"),
        "quay-io-image-sha256-1/namespaces/default/discovery.k8s.io/endpointslices.yaml": objects("endpointslices", "default"),
        "quay-io-image-sha256-1/namespaces/default/pods/web/web/logs/current.log": "lorem ipsum\n",
        "quay-io-image-sha256-1/cluster-scoped-resources/core/nodes/node1.yaml": {"apiVersion": "v1", "kind": "Node"} | node,
        "quay-io-image-sha256-1/cluster-scoped-resources/core/nodes/node2.yaml": {"apiVersion": "v1", "kind": "Node"} | other,
        "quay-io-image-sha256-1/network_logs/node1_iptables": output("iptables-save"),
        "quay-io-image-sha256-1/version": "4.16\n",
    })


def calico(root: Path) -> Path:
    """Diagnostics of calicoctl."""
    node: dict[str, str] = {
        "iptables-legacy-save": "iptables-save", "ip-route": "ip_route", "ip-rule": "ip_rule", "ip-addr": "ip_addr", "ip-link": "ip_-d_link",
    }
    return laid(root / "calico-diagnostics-20261120_101500", {
        **{f"nodes/node1/{file}.txt": output(name) for file, name in node.items()},
        "nodes/node1/ip-route-v6.txt": "",
        "nodes/node1/ipset-list.txt": (RECORDINGS / "netfilter" / "ipset-list").read_text(encoding="utf-8"),
        "nodes/node1/felix-stats.txt": "lorem ipsum\n",
        "cluster/kubernetes/pods.yaml": objects("pods"),
        "cluster/crd/ippools.yaml": objects("ippools"),
        "cluster/crd/clusterinformations.yaml": {"kind": "ClusterInformationList", "apiVersion": "v1", "items": []},
    })


def markdown(command: str, text: str) -> str:
    """An output as bugtool writes it."""
    return f"# {command}\n\n```\n{text}\n```\n"


def cilium(root: Path) -> Path:
    """A sysdump of cilium with what an agent's bugtool collected."""
    pods = objects("pods")
    first = pods["items"][0]
    metadata = {**first["metadata"], "name": "cilium-x2k4p", "namespace": "kube-system"}
    agent = {**first, "metadata": metadata, "spec": {**first["spec"], "nodeName": "node1"}}
    top = f"cilium-sysdump-{STAMP}"
    bugtool = f"{top}/bugtool-cilium-x2k4p-{STAMP}/cilium-bugtool-{STAMP}"
    commands = {"ip rule": "ip_rule", "iptables-save -c": "iptables-save", "sysctl -a": "sysctl", "ip -4 route": "ip_route"}
    commands["ip -d link"] = "ip_-d_link"
    laid(root, {
        f"{top}/k8s-pods-{STAMP}.yaml": {**pods, "items": [*pods["items"], agent]},
        f"{top}/k8s-nodes-{STAMP}.yaml": objects("nodes"),
        f"{top}/cniconf-cilium-x2k4p-{STAMP}.txt": (RECORDINGS / "cni" / "backend.conflist").read_text(encoding="utf-8"),
        f"{top}/cilium-endpoint-{STAMP}.yaml": "lorem ipsum\n",
        **{f"{bugtool}/cmd/{command.replace(' ', '-').replace('/', '-')}.md": markdown(command, output(name)) for command, name in commands.items()},
        f"{bugtool}/cmd/cilium-bpf-nat-list.md": markdown("cilium bpf nat list", "TCP OUT 10.0.0.1:1 -> 10.0.0.2:2 XLATE_SRC"),
        f"{bugtool}/cmd/ip--4-n.md": "10.0.0.9 dev eth0 lladdr 02:00:00:00:00:09 REACHABLE\n",
    })
    return root / top


MAKERS: dict[str, Callable[[Path], Path]] = {
    "Troubleshoot support bundle": troubleshoot, "kubectl cluster-info dump": dumped, "OpenShift must-gather": gathered,
    "calicoctl cluster diags": calico, "cilium sysdump": cilium,
}


def nodes(evidence: Evidence) -> set[str]:
    """Nodes of which anything but their Kubernetes object was read."""
    return {f.node for f in evidence.facts if f.node}


def kinds(evidence: Evidence, node: str) -> set[str]:
    """Kinds of facts on one node's own stack."""
    return {f.kind for f in evidence.facts if (f.node, f.stack) == (node, HOST)}


def listed(evidence: Evidence, what: str) -> set[Any]:
    """Scopes in which a listing is whole."""
    return {f.get("scope") for f in evidence.facts if f.kind == "collected" and f.get("what") == what}


def named(evidence: Evidence, kind: str) -> set[str]:
    """Names of objects of the cluster."""
    return {str(f.get("name")) for f in evidence.facts if f.kind == kind}


@pytest.mark.parametrize("tool", sorted(MAKERS))
def test_the_tool_is_told_and_its_other_files_are_no_concern(tool: str, tmp_path: Path) -> None:
    """What was recognised is said; files that tell of nothing are left out in silence, and no folder is taken for a node."""
    evidence = read([MAKERS[tool](tmp_path)])
    assert any(f"{tool}, " in line for line in describe(evidence)), describe(evidence)
    assert evidence.warnings == ()
    assert nodes(evidence) <= {"node1", "node2", "node3", "support-bundle-2026-11-20T10_15_00"}


def test_troubleshoot(tmp_path: Path) -> None:
    """Objects by namespace, host collectors by node, commands by the file beside; errors and failed commands are no evidence of absence."""
    evidence = read([troubleshoot(tmp_path)])
    assert named(evidence, "k8s_node") == {"node1", "node2"}
    assert named(evidence, "ippool")
    assert (listed(evidence, "pods"), listed(evidence, "services"), listed(evidence, "nodes")) == ({"kube-system"}, {"default"}, {"all"})
    missing = [(f.get("what"), f.get("reason"), f.node) for f in evidence.facts if f.kind == "not_collected"]
    assert missing == [("networkpolicies", "networkpolicies.networking.k8s.io is forbidden", "")]
    host = "support-bundle-2026-11-20T10_15_00"
    assert {"netfilter_table", "routing_rule"} <= kinds(evidence, host)
    whole = {f.get("what") for f in evidence.facts if f.kind == "collected" and f.node == host}
    assert "netfilter" in whole
    assert "routing_rules" not in whole
    parameters = {(f.node, f.get("key")): f.get("value") for f in evidence.facts if f.kind == "sysctl"}
    assert (parameters["node2", "net.ipv4.ip_forward"], parameters["node3", "net.ipv4.ip_forward"]) == ("1", "0")
    assert {f.get("name") for f in evidence.facts if f.kind == "kernel_module"} == {"br_netfilter"}


def test_remote_collectors_of_troubleshoot(tmp_path: Path) -> None:
    """The folder of a remote node may lie above the kind's folder as well as below it."""
    files: Files = {"version.yaml": "", "host-collectors/node7/system/sysctl.json": {"net.ipv4.ip_forward": "1"}}
    run: Files = {"host-collectors/run-host/node8/r.txt": output("ip_rule")}
    run["host-collectors/run-host/node8/r-info.json"] = {"command": "ip rule", "exitCode": 0}
    evidence = read([laid(tmp_path / "sb", {**files, **run})])
    assert nodes(evidence) == {"node7", "node8"}


def test_cluster_info_dump(tmp_path: Path) -> None:
    """Every namespace's lists are whole for that namespace."""
    evidence = read([dumped(tmp_path)])
    assert named(evidence, "k8s_node") == {"node1", "node2"}
    assert (listed(evidence, "pods"), listed(evidence, "services")) == ({"kube-system", "default"}, {"kube-system"})
    assert not listed(evidence, "networkpolicies")


def test_must_gather(tmp_path: Path) -> None:
    """Lists by namespace, single nodes, and the netfilter dumps of the node in their names."""
    evidence = read([gathered(tmp_path)])
    assert named(evidence, "k8s_node") == {"node1", "node2"}
    assert (listed(evidence, "pods"), listed(evidence, "endpointslices"), listed(evidence, "nodes")) == ({"kube-system"}, {"default"}, set())
    assert {f.node for f in evidence.facts if f.kind == "netfilter_table"} == {"node1"}


def test_calico_diagnostics(tmp_path: Path) -> None:
    """Each node's folder is that node; the cluster's objects are whole."""
    evidence = read([calico(tmp_path)])
    assert {"link", "address", "route", "routing_rule", "netfilter_table", "ipset"} <= kinds(evidence, "node1")
    assert (listed(evidence, "pods"), listed(evidence, "ippools")) == ({"all"}, {"all"})


def lines(evidence: Evidence, kind: str) -> list[Fact]:
    """Facts of one kind."""
    return [f for f in evidence.facts if f.kind == kind]


def test_cilium_sysdump(tmp_path: Path) -> None:
    """What an agent collected belongs to the agent's node; fences are no output, and line numbers hold; maps are no netfilter tables."""
    folder = cilium(tmp_path)
    evidence = read([folder])
    assert {"link", "route", "routing_rule", "netfilter_table", "sysctl", "neighbor"} <= kinds(evidence, "node1")
    assert nodes(evidence) == {"node1"}
    assert {f.source.name.rpartition("/")[2] for f in lines(evidence, "netfilter_table")} == {"iptables-save--c.md"}
    rule = lines(evidence, "routing_rule")[0]
    assert rule.source.line(rule.line) == output("ip_rule").splitlines()[0]


def test_an_agent_whose_pod_is_not_listed(tmp_path: Path) -> None:
    """Without the list of pods the folder names the node, and the host name is better."""
    bugtool = laid(tmp_path / "cilium-bugtool-1", {"cmd/ip-rule.md": markdown("ip rule", output("ip_rule"))})
    assert nodes(read([bugtool])) == {"cilium-bugtool-1"}
    laid(bugtool, {"cmd/hostname.md": markdown("hostname", "worker-9")})
    assert nodes(read([bugtool])) == {"worker-9"}


@pytest.mark.parametrize("tool", sorted(MAKERS))
def test_archives_read_like_folders(tool: str, tmp_path: Path) -> None:
    """A zip and a tarball of a bundle, also one inside another, tell the same."""
    folder = MAKERS[tool](tmp_path / "f")
    plain = read([folder])
    packed = tmp_path / "p.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for path in sorted(folder.rglob("*")):
            made.write(path, f"{folder.name}/{path.relative_to(folder)}")
    with tarfile.open(tmp_path / "outer.tar.gz", "w:gz") as tar:
        tar.add(packed, "collected/p.zip")
    for archive in (packed, tmp_path / "outer.tar.gz"):
        again = read([archive])
        assert sorted((f.kind, f.node, f.stack, f.text) for f in again.facts) == sorted((f.kind, f.node, f.stack, f.text) for f in plain.facts)


def test_two_bundles_of_one_cluster(tmp_path: Path) -> None:
    """A node that two bundles tell of is read as two, and that is said; objects of the cluster are nobody's."""
    first = calico(tmp_path / "a")
    second = calico(tmp_path / "b")
    evidence = read([first, second])
    assert nodes(evidence) == {"node1", "node1-2"}
    assert any("node1 is in several bundles" in warning for warning in evidence.warnings)


HOSTILE: dict[str, str] = {
    "cluster-resources/pods-errors.json": "[" * 100_000,
    "cluster-resources/nodes.json": '{"kind": 5, "items": [null, 7, {"metadata": []}]}',
    "cluster-resources/pods/..json": "{}",
    "host-collectors/run-host/x-info.json": "[]",
    "host-collectors/run-host/x.txt": "lorem ipsum",
    "host-collectors/run-host/y-info.json": '{"command": ["ip", "rule"], "exitCode": {}}',
    "host-collectors/run-host/y.txt": "0:\tfrom all lookup local\n",
    "host-collectors/system/sysctl.json": '{"net.ipv4.ip_forward": [1], "a\\nb": "c", "kernel.x": "1\\nnet.ipv4.ip_forward = 0"}',
    "host-collectors/system/kernel_modules.json": '["br_netfilter"]',
    "sysctl/n1": "net.ipv4.ip_forward = 1\n",
    "version.yaml": "",
}


def test_hostile_bundles(tmp_path: Path) -> None:
    """Files that are nothing like what their names promise break nothing, and no value makes a line of its own."""
    evidence = read([laid(tmp_path / "sb", dict(HOSTILE))])
    assert {(f.node, f.get("value")) for f in evidence.facts if f.get("key") == "net.ipv4.ip_forward"} == {("n1", "1")}


def test_marks_alone_are_no_bundle(tmp_path: Path) -> None:
    """A loose folder that has a file of a tool's name is read as the loose folder that it is."""
    folder = laid(tmp_path / "n1", {"nodes.json": objects("nodes"), "ip_rule": output("ip_rule"), "cluster/pods.json": objects("pods")})
    evidence = read([folder])
    assert not any("files tell of the network" in note for note in evidence.notes)
    assert {f.node for f in lines(evidence, "routing_rule")} == {"n1"}


def test_transformed_texts_keep_their_lines() -> None:
    """Headings, fences and braces become empty lines."""
    assert unfenced(b"# ip rule\n\n```\n0: x\n```\n") == ("ip rule", b"\n\n\n0: x\n\n")
    assert unfenced(b"0: x\n") == ("", b"0: x\n")
    assert unfolded(b'{\n  "a.b": "1",\n  "m": {"status": "loaded"}\n}') == b"\na.b = 1\nm 0 0\n"
    assert unfolded(b'{"a.b": 1, "c.d": 2}') == b"\na.b = 1\nc.d = 2"
    assert unfolded(b"nonsense") == b"nonsense"
