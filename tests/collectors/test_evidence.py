"""Reading bundles, loose folders and single files."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from collectors.evidence import Evidence, read
from collectors.live.sinks import MemorySink
from engine.errors import EvidenceError
from engine.facts import HOST, Fact

RECORDINGS = Path(__file__).parents[1] / "recordings" / "loose"
NODE = RECORDINGS / "nodes" / "node1"


def kinds(evidence: Evidence, node: str, stack: str = HOST) -> set[str]:
    """Kinds of facts on one stack."""
    return {fact.kind for fact in evidence.facts if (fact.node, fact.stack) == (node, stack)}


def stacks(evidence: Evidence) -> set[tuple[str, str, str]]:
    """Every stack that a ``netns`` fact states, with its role."""
    return {(f.node, f.stack, f.get("role")) for f in evidence.facts if f.kind == "netns"}


def collected(evidence: Evidence, what: str, node: str = "node1") -> list[Fact]:
    """The ``collected`` facts of one listing."""
    return [f for f in evidence.facts if f.kind == "collected" and f.get("what") == what and f.node == node]


def bundle(root: Path, items: list[dict[str, object]], files: dict[str, str], **head: object) -> Path:
    """A bundle of our own layout."""
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    root.mkdir(exist_ok=True)
    (root / "manifest.json").write_text(json.dumps({"schema_version": 1, "node": "n1", "items": items, **head}))
    return root


ADDRESS = (NODE / "ip-addr.txt").read_text()
ROUTES = (NODE / "ip r.txt").read_text()


def test_loose_folders_are_nodes_and_their_pods() -> None:
    """A folder a node or pod: the pods are joined to the node by their veths, every file is understood, every fact has its source."""
    evidence = read([RECORDINGS / "nodes"])
    assert evidence.warnings == ()
    assert stacks(evidence) == {("node1", HOST, "host"), ("node1", "web", "container"), ("node1", "db", "container")}
    assert evidence.notes == ("db: joined to node1 by veth 4 (vethp2)", "web: joined to node1 by veth 3 (vethp1)")
    told = kinds(evidence, "node1")
    assert {"link", "address", "route", "routing_rule", "netfilter_table", "sysctl", "neighbor", "fdb", "ipset", "nft_ruleset", "cni_config"} <= told
    assert {"link", "address", "route", "dns_config"} <= kinds(evidence, "node1", "web")
    ends = {(f.stack, f.get("name")): f.get("peer_stack") for f in evidence.facts if f.kind == "link"}
    assert ends[HOST, "vethp1"] == "web"
    assert ends["web", "eth0"] == HOST
    assert all((RECORDINGS / "nodes" / f.source.name).exists() for f in evidence.facts)


def test_one_nodes_files_lie_directly_in_a_folder() -> None:
    """A folder of files is one node, called after the folder."""
    evidence = read([NODE])
    assert stacks(evidence) == {("node1", HOST, "host")}
    assert next(f for f in evidence.facts if f.kind == "link").source.name == "ifconfig"


def test_an_archive_and_its_folder_are_the_same_evidence(tmp_path: Path) -> None:
    """Packing loose folders changes nothing."""
    path = tmp_path / "case.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(RECORDINGS / "nodes", "case")
    packed, plain = read([path]), read([RECORDINGS / "nodes"])
    assert [(f.kind, f.node, f.stack, f.line) for f in packed.facts] == [(f.kind, f.node, f.stack, f.line) for f in plain.facts]


def test_the_host_name_names_a_node_that_has_no_name(tmp_path: Path) -> None:
    """Files directly in a folder: the host name in the evidence is better than the folder's name."""
    (tmp_path / "ip_addr").write_text(ADDRESS)
    (tmp_path / "uname_-a").write_text("Linux worker-7 6.1.0-13-amd64 #1 SMP Debian x86_64 GNU/Linux\n")
    evidence = read([tmp_path])
    assert {f.node for f in evidence.facts} == {"worker-7"}


@pytest.mark.parametrize("path", ["node1/netns/web/ip_a", "node1/pods/web/ip_a", "node1/web/ip_a", "nodes/node1/netns/web/ip_a"])
def test_namespaces_inside_a_nodes_folder(tmp_path: Path, path: str) -> None:
    """``netns/<name>``, ``pods/<name>`` and a plain folder inside a node's are its namespaces."""
    node = tmp_path / path.partition("node1")[0] / "node1"
    target = tmp_path / path
    target.parent.mkdir(parents=True)
    shutil.copy(RECORDINGS / "nodes" / "web" / "ip_a", target)
    shutil.copy(NODE / "ip-addr.txt", node)
    assert stacks(read([tmp_path])) == {("node1", HOST, "host"), ("node1", "web", "container")}


def test_a_file_may_name_its_namespace(tmp_path: Path) -> None:
    """``ip_netns_exec_web_ip_addr`` in a node's folder is the namespace's."""
    root = tmp_path / "node1"
    root.mkdir()
    shutil.copy(RECORDINGS / "nodes" / "web" / "ip_a", root / "ip_netns_exec_web_ip_addr")
    shutil.copy(NODE / "ip-addr.txt", root)
    assert stacks(read([root])) == {("node1", HOST, "host"), ("node1", "web", "container")}


@pytest.mark.parametrize("layout", [
    "etc/cni/net.d/10-x.conflist", "etc_cni_net.d_10-x.conflist", "cni/net.d/10-x.conflist", "cni/10-x.conflist", "net.d/10-x.conflist",
    "files/etc/cni/net.d/10-x.conflist", "10-x.conflist",
])
def test_cni_configurations_in_every_place(tmp_path: Path, layout: str) -> None:
    """However the folder was copied, a configuration is the node's, under the path it has there."""
    root = tmp_path / "node1"
    target = root / layout
    target.parent.mkdir(parents=True)
    shutil.copy(NODE / "etc/cni/net.d/87-podman-bridge.conflist", target)
    (root / "ip_addr").write_text(ADDRESS)
    evidence = read([root])
    found = [(f.node, f.get("file"), f.get("bridge")) for f in evidence.facts if f.kind == "cni_config"]
    assert found == [("node1", "/etc/cni/net.d/10-x.conflist", "cni-podman0")]


def test_an_empty_cni_folder_is_evidence(tmp_path: Path) -> None:
    """A copied net.d folder says that there are no other configurations, also when it is empty; without the folder nothing is known."""
    root = tmp_path / "node1"
    (root / "etc/cni/net.d").mkdir(parents=True)
    (root / "ip_addr").write_text(ADDRESS)
    assert len(collected(read([root]), "cni_configs")) == 1
    (root / "etc/cni/net.d").rmdir()
    assert collected(read([root]), "cni_configs") == []


def test_a_pasted_terminal_is_evidence() -> None:
    """One file with several outputs gives the facts of all of them; lines are the file's."""
    evidence = read([RECORDINGS / "flat" / "paste.txt"])
    assert evidence.warnings == ()
    assert {"link", "address", "route", "routing_rule", "netfilter_table", "neighbor", "sysctl"} <= kinds(evidence, "n1")
    lines = (RECORDINGS / "flat" / "paste.txt").read_text().split("\n")
    forward = next(f for f in evidence.facts if f.kind == "sysctl")
    assert lines[forward.line - 1] == "net.ipv4.ip_forward = 0"


def test_single_files_of_one_node_come_together() -> None:
    """Several files given one by one are one node."""
    evidence = read([NODE / "ip-addr.txt", NODE / "ip r.txt"])
    assert stacks(evidence) == {("node", HOST, "host")}
    assert {"link", "route"} <= kinds(evidence, "node")


def test_a_single_file_completes_a_bundle(tmp_path: Path) -> None:
    """A file beside one node's folder is one more output of that node."""
    root = tmp_path / "node1"
    root.mkdir()
    (root / "ip_addr").write_text(ADDRESS)
    (tmp_path / "ip_route").write_text(ROUTES)
    assert "route" in kinds(read([root, tmp_path / "ip_route"]), "node1")


def test_several_inputs_of_one_name_stay_apart(tmp_path: Path) -> None:
    """Two folders of the same name are two nodes, and a warning says how the second is called."""
    for case in ("before", "after"):
        (tmp_path / case / "n1").mkdir(parents=True)
        (tmp_path / case / "n1" / "ip_route").write_text(ROUTES)
    evidence = read([tmp_path / "before" / "n1", tmp_path / "after" / "n1"])
    assert stacks(evidence) == {("n1", HOST, "host"), ("n1-2", HOST, "host")}
    assert any("n1-2" in warning for warning in evidence.warnings)


def test_the_user_may_say_what_a_folder_is() -> None:
    """``stacks`` goes before anything that the files suggest."""
    evidence = read([RECORDINGS / "nodes"], {"web": "node1/frontend", "db": "other"})
    assert stacks(evidence) == {("node1", HOST, "host"), ("node1", "frontend", "container"), ("other", HOST, "host")}


def test_an_unknown_folder_is_an_error() -> None:
    """A folder that does not exist is named, with those that do."""
    with pytest.raises(EvidenceError, match="no folder 'wbe'") as caught:
        read([RECORDINGS / "nodes"], {"wbe": "node1/web"})
    assert "web" in caught.value.hint


def test_empty_output_is_collected_and_empty(tmp_path: Path) -> None:
    """An empty file of a known command's name says that the listing is empty."""
    root = tmp_path / "node1"
    root.mkdir()
    (root / "iptables-legacy-save").write_text("")
    (root / "ip_addr").write_text(ADDRESS)
    evidence = read([root])
    assert [(f.get("scope"), f.get("backend")) for f in collected(evidence, "netfilter")] == [("all", "legacy")]
    assert "netfilter_table" not in kinds(evidence, "node1")


def test_what_nothing_recognises_is_said(tmp_path: Path) -> None:
    """An unknown file gives an ``unparsed`` fact and a warning, never silence."""
    root = tmp_path / "node1"
    root.mkdir()
    (root / "ip_addr").write_text(ADDRESS)
    (root / "lorem").write_text("ipsum dolor\n" * 9)
    evidence = read([root])
    assert [f.get("count") for f in evidence.facts if f.kind == "unparsed"] == [9]
    assert evidence.warnings == ("lorem was not recognised (9 lines, first: 'ipsum dolor')",)


def test_lines_that_are_not_understood_are_one_warning_a_file(tmp_path: Path) -> None:
    """Strange lines inside a known output are counted in one warning."""
    (tmp_path / "ip_route").write_text(ROUTES + "foo\nbar\n")
    assert read([tmp_path]).warnings == ("ip_route: 2 lines not understood, first: 'foo'",)


def test_configured_sysctls_do_not_hide_those_in_force(tmp_path: Path) -> None:
    """``sysctl.conf`` counts only where nothing printed the parameters in force, and never as a whole listing."""
    (tmp_path / "sysctl.conf").write_text("# routing\nnet.ipv4.ip_forward = 1\n")
    evidence = read([tmp_path])
    assert [f.get("value") for f in evidence.facts if f.kind == "sysctl"] == ["1"]
    assert not [f for f in evidence.facts if f.kind == "collected"]
    (tmp_path / "sysctl_-a").write_text("net.ipv4.ip_forward = 0\n")
    assert [f.get("value") for f in read([tmp_path]).facts if f.kind == "sysctl"] == ["0"]


def test_the_clusters_objects_belong_to_no_node(tmp_path: Path) -> None:
    """An answer of kubectl is the cluster's, wherever it was asked."""
    root = tmp_path / "node1"
    root.mkdir()
    (root / "ip_addr").write_text(ADDRESS)
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}, "spec": {"podCIDR": "10.244.1.0/24"}, "status": {}}
    (root / "nodes.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [node]}))
    evidence = read([root])
    assert [f.node for f in evidence.facts if f.kind == "k8s_node"] == [""]


# --- own bundles -------------------------------------------------------------------------------------------------------


def test_a_manifest_places_files_and_names_commands(tmp_path: Path) -> None:
    """Node, stack and command come from the manifest; sources are named by their paths."""
    item: dict[str, object] = {"command": "ip route show table all", "file": "nodes/n1/odd", "node": "n1", "stack": "host", "what": "routes"}
    evidence = read([bundle(tmp_path / "b", [item], {"nodes/n1/odd": ROUTES})])
    routes = [f for f in evidence.facts if f.kind == "route"]
    assert {f.node for f in routes} == {"n1"}
    assert {(f.source.name, f.source.command) for f in routes} == {("nodes/n1/odd", "ip route show table all")}
    assert [f.get("scope") for f in collected(evidence, "routes", "n1")] == ["all"]


def test_what_was_not_collected_is_a_fact(tmp_path: Path) -> None:
    """Skipped and failed items are stated with their reason, and cut or failed ones claim no completeness."""
    items: list[dict[str, object]] = [
        {"command": "ipset save", "file": "", "node": "n1", "stack": "host", "what": "ipsets", "skipped": "ipset is not installed"},
        {"command": "ss -tuanp", "file": "", "node": "n1", "stack": "host", "what": "sockets", "skipped": "ss is not installed"},
        {"command": "ip rule", "file": "nodes/n1/ip_rule", "node": "n1", "stack": "host", "what": "routing_rules", "exit_status": 1,
         "error": "no answer within 5 s"},
        {"command": "ip route show table all", "file": "nodes/n1/ip_route", "node": "n1", "stack": "host", "what": "routes", "truncated": True},
    ]
    evidence = read([bundle(tmp_path / "b", items, {"nodes/n1/ip_rule": "0:\tfrom all lookup local\n", "nodes/n1/ip_route": ROUTES})])
    missing = {f.get("what"): f.get("reason") for f in evidence.facts if f.kind == "not_collected"}
    assert missing == {
        "ipsets": "ipset is not installed",
        "sockets": "ss is not installed",
        "routing_rules": "no answer within 5 s",
        "routes": "the output was cut off",
    }
    assert not [f for f in evidence.facts if f.kind == "collected"]
    assert {"route", "routing_rule"} <= kinds(evidence, "n1")


def test_namespace_files_resolve_the_other_ends(tmp_path: Path) -> None:
    """``netns.json`` gives a stack's true name and entry, and which stack a link-netnsid means."""
    files = {
        "nodes/n1/netns.json": json.dumps({"name": "host", "peers": {"0": "we/b"}, "inode": 1}),
        "nodes/n1/ip_-d_link": "7: veth0@if2: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:07 link-netnsid 0\n",
        "nodes/n1/netns/we_b/netns.json": json.dumps({"name": "we/b", "entry": "nsenter -t 5 -n", "pid": 5, "peers": {}}),
        "nodes/n1/netns/we_b/ip_route": ROUTES,
    }
    evidence = read([bundle(tmp_path / "b", [], files)])
    assert stacks(evidence) == {("n1", HOST, "host"), ("n1", "we/b", "container")}
    assert next(f.get("peer_stack") for f in evidence.facts if f.kind == "link") == "we/b"
    assert next(f.get("entry") for f in evidence.facts if f.kind == "netns" and f.stack == "we/b") == "nsenter -t 5 -n"


def test_a_newer_bundle_is_refused(tmp_path: Path) -> None:
    """A layout that this program does not know is an error with the way out, not a guess."""
    with pytest.raises(EvidenceError, match="schema version 2") as caught:
        read([bundle(tmp_path / "b", [], {}, schema_version=2)])
    assert "update" in caught.value.hint


@pytest.mark.parametrize("manifest", ["{", "[]", '{"schema_version": "x", "items": []}', '{"schema_version": 1, "items": [3, {"file": 7}]}'])
def test_a_strange_manifest_spoils_nothing(tmp_path: Path, manifest: str) -> None:
    """Whatever a manifest holds, the command files beside it are read."""
    root = bundle(tmp_path / "b", [], {"nodes/n1/ip_route": ROUTES})
    (root / "manifest.json").write_text(manifest)
    assert "route" in kinds(read([root]), "n1")


def test_two_bundles_of_one_node_stay_apart(tmp_path: Path) -> None:
    """Two snapshots of a node are not one state."""
    paths = [bundle(tmp_path / name, [], {"nodes/n1/ip_route": ROUTES}) for name in ("a", "b")]
    evidence = read(paths)
    assert {f.node for f in evidence.facts if f.kind == "route"} == {"n1", "n1-2"}
    assert any("n1-2" in warning for warning in evidence.warnings)


# --- errors ------------------------------------------------------------------------------------------------------------


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    """An empty folder, a folder of noise and no path at all are one clear error each, with the way out."""
    with pytest.raises(EvidenceError, match="no evidence was given"):
        read([])
    with pytest.raises(EvidenceError, match="holds no files") as caught:
        read([tmp_path])
    assert "diagnose collect" in caught.value.hint
    (tmp_path / "notes-of-mine").write_text("hello\n" * 10)
    with pytest.raises(EvidenceError, match="recognisable"):
        read([tmp_path])


def test_a_parser_that_fails_spoils_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a parser crash on hostile text, the other files still count, and the failure is shown."""
    def crash(*_: object) -> list[Fact]:
        message = "boom"
        raise RecursionError(message)

    monkeypatch.setattr("collectors.parsers.iproute.parse", crash)
    (tmp_path / "ip_route").write_text(ROUTES)
    (tmp_path / "ip_addr").write_text(ADDRESS)
    evidence = read([tmp_path])
    assert "link" in {f.kind for f in evidence.facts}
    assert any("RecursionError: boom" in warning for warning in evidence.warnings)


def test_a_sink_in_memory_keeps_what_it_is_given() -> None:
    """The bundle of a live diagnosis never touches the disk."""
    sink = MemorySink()
    sink.put("a/b", b"x")
    assert sink.files == {"a/b": b"x"}


def test_listings_that_are_never_empty(tmp_path: Path) -> None:
    """An empty ``ip addr`` is a command that failed, not a machine without devices; an empty ``ip route`` is a machine without routes."""
    (tmp_path / "n1").mkdir()
    for name in ("ip_addr", "sysctl_-a", "ip_route"):
        (tmp_path / "n1" / name).write_text("", encoding="utf-8")
    (tmp_path / "n1" / "hostname").write_text("n1\n", encoding="utf-8")
    facts = read([tmp_path]).facts
    assert {f.fields["what"] for f in facts if f.kind == "not_collected"} == {"links", "sysctls"}
    assert {f.fields["what"] for f in facts if f.kind == "collected"} == {"routes"}
