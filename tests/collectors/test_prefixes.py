"""Several nodes' files in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.evidence import read
from collectors.prefixes import nodes_of, split
from engine.facts import HOST

LABS = Path(__file__).parents[1] / "recordings" / "labs"
ROUTE = "default via 10.0.0.1 dev eth0\n"


@pytest.mark.parametrize(("name", "node", "rest"), [
    ("node1-iptables.txt", "node1", "iptables.txt"),
    ("node1_ip_route.txt", "node1", "ip_route.txt"),
    ("node1 ip r.txt", "node1", "ip r.txt"),
    ("k8s-node-1.ip-addr.log", "k8s-node-1", "ip-addr.log"),
    ("n1-ip6tables-save", "n1", "ip6tables-save"),
    ("gw-etc_resolv.conf", "gw", "etc_resolv.conf"),
    ("10.0.0.1-ss_-lntup", "10.0.0.1", "ss_-lntup"),
    ("n1-etc_cni_net.d_10-x.conflist", "n1", "etc_cni_net.d_10-x.conflist"),
    ("n1-run_flannel_subnet.env", "n1", "run_flannel_subnet.env"),
    ("n1-ip_netns_exec_web_ip_a", "n1", "ip_netns_exec_web_ip_a"),
])
def test_a_node_in_front_of_a_listing(name: str, node: str, rest: str) -> None:
    """What precedes the command line is the node, however the two are glued."""
    assert split(name) == (node, rest)


@pytest.mark.parametrize("name", [
    "ip_-d_-j_link", "iptables-save", "ip_netns_exec_web_ip_a", "docker_exec_web_ip_a", "nsenter_-t_8_-n_ip_a", "conntrack-L.txt", "route-n.txt",
    "etc_hosts", "01-ip-route", "2026-11-20_ip_route", "eth0-ip-addr", "nat-rules.txt", "ipv6_route", "v6-routes", "tcp-sockets", "main-route",
    "87-podman-bridge.conflist", "nodes.json", "readme.md", "n1.txt",
])
def test_other_names_have_no_node_in_front(name: str) -> None:
    """Numbers, dates, interfaces, tables and families in front of a listing are no machines; neither are parts of the command line."""
    assert split(name) == ("", name)


def test_a_set_of_names_is_several_nodes() -> None:
    """The same kind of listing under two names makes a set, whatever its spelling; the cluster's files and notes may lie beside."""
    names = ["n1-iptables.txt", "n2_iptables-save", "n1_ip_route.txt", "nodes.json", "readme.md", "87-podman-bridge.conflist", "lorem",
             "n2-etc_cni_net.d_10-x.conflist", "n3-etc_cni_net.d_10-x.conflist"]
    assert nodes_of(names) == {
        "n2-etc_cni_net.d_10-x.conflist": ("n2", "etc_cni_net.d_10-x.conflist"),
        "n1-iptables.txt": ("n1", "iptables.txt"), "n2_iptables-save": ("n2", "iptables-save"), "n1_ip_route.txt": ("n1", "ip_route.txt"),
    }


@pytest.mark.parametrize("names", [
    [],
    ["n1-iptables.txt", "n1-ip_route"],
    ["n1-iptables.txt", "n2-ip_route"],
    ["n1-ip_route", "n2-ip_route", "ip_addr"],
    ["n1-ip_route", "n2-ip_route", "x-ss_-lntup"],
    ["01-ip_route", "02-ip_route"],
])
def test_what_could_mean_something_else_is_left_alone(names: list[str]) -> None:
    """One name, names without a listing in common, a listing without a name, a name that no other matches: no set."""
    assert nodes_of(names) == {}


@pytest.mark.parametrize("lab", ["calico-ippool-overlap", "no-return-route", "masquerade-on-overlay"])
def test_a_flat_folder_tells_what_folders_tell(tmp_path: Path, lab: str) -> None:
    """Real listings of several nodes, side by side under prefixed names, give the very facts that they give in a folder each."""
    for path in (LABS / lab / "broken").glob("*/*"):
        if path.is_file():
            target = tmp_path / "folders" / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            (tmp_path / "flat").mkdir(exist_ok=True)
            (tmp_path / "flat" / f"{path.parent.name}-{path.name}").write_bytes(path.read_bytes())
    folders, flat = read([tmp_path / "folders"]), read([tmp_path / "flat"])
    assert len({f.node for f in folders.facts}) > 1
    assert sorted((f.kind, f.node, f.stack, f.line, repr(f.fields)) for f in flat.facts) == sorted(
        (f.kind, f.node, f.stack, f.line, repr(f.fields)) for f in folders.facts)
    assert {f.source.name for f in flat.facts if f.source.name} <= {path.name for path in (tmp_path / "flat").iterdir()}


def test_the_user_may_name_what_a_prefix_stands_for(tmp_path: Path) -> None:
    """A prefix can be stated like a folder."""
    for name in ("a_ip_route", "b_ip_route"):
        (tmp_path / name).write_text(ROUTE)
    evidence = read([tmp_path], {"a": "gw", "b": "gw/web"})
    assert {(f.node, f.stack) for f in evidence.facts} == {("gw", HOST), ("gw", "web")}


def given(root: Path, *names: str) -> list[Path]:
    """Files with a routing table each."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(ROUTE)
    return [root / name for name in names]


def nodes(paths: list[Path]) -> set[str]:
    """Nodes that have a route."""
    return {fact.node for fact in read(paths).facts if fact.kind == "route"}


def test_files_given_one_by_one_are_several_nodes_where_their_names_say_so(tmp_path: Path) -> None:
    """Node names in front of the files' names count as in one folder; ``n1/ip_route`` and ``n2/ip_route`` are of the folders' nodes."""
    assert nodes(given(tmp_path, "node1-ip_route.txt", "node2-ip_route.txt")) == {"node1", "node2"}
    assert nodes(given(tmp_path, "n1/ip_route", "n2/ip_route")) == {"n1", "n2"}
    assert nodes([*given(tmp_path, "n1/ip_route", "n2/ip_route"), *given(tmp_path, "gw-1/ip_route")[0].parents[:1]]) == {"n1", "n2", "gw-1"}


def test_files_given_one_by_one_are_one_node_otherwise(tmp_path: Path) -> None:
    """Different listings in different folders, or one listing alone, are no two machines."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "ip_addr").write_text("1: lo: <LOOPBACK,UP> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n")
    assert {fact.node for fact in read([*given(tmp_path, "a/ip_route"), tmp_path / "b" / "ip_addr"]).facts} == {"node"}
    assert nodes(given(tmp_path, "n1/ip_route")) == {"node"}
