"""Folders that people make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.evidence import read
from collectors.loose import Located, apart, locate
from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from pathlib import Path

    from collectors.evidence import Evidence

ROUTE = "default via 10.0.0.1 dev eth0\n"


def folder(root: Path, *paths: str) -> Path:
    """A folder with a routing table at each path."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(ROUTE)
    return root


def routes(evidence: Evidence) -> list[Fact]:
    """The routes that were read."""
    return [fact for fact in evidence.facts if fact.kind == "route"]


def places(evidence: Evidence) -> set[tuple[str, str]]:
    """Where the routes are."""
    return {(fact.node, fact.stack) for fact in routes(evidence)}


@pytest.mark.parametrize(("path", "key", "inner"), [
    ("ip_route", (), "ip_route"),
    ("n1/ip_route", ("n1",), "ip_route"),
    ("nodes/n1/ip_route", ("n1",), "ip_route"),
    ("n1/netns/web/ip_route", ("n1", "netns", "web"), "ip_route"),
    ("n1/etc/resolv.conf", ("n1",), "/etc/resolv.conf"),
    ("n1/files/etc/resolv.conf", ("n1",), "/etc/resolv.conf"),
    ("n1/files/x", ("n1",), "/x"),
    ("n1/proc/net/nf_conntrack", ("n1",), "/proc/net/nf_conntrack"),
    ("n1/net.d/10-x.conflist", ("n1",), "/etc/cni/net.d/10-x.conflist"),
    ("n1/cni/net.d/10-x.conflist", ("n1",), "/etc/cni/net.d/10-x.conflist"),
    ("n1/flannel/subnet.env", ("n1",), "/run/flannel/subnet.env"),
    ("n1/cni/deeper/x", ("n1", "cni", "deeper"), "x"),
    ("etc", (), "etc"),
])
def test_a_path_is_a_node_and_a_file_on_it(path: str, key: tuple[str, ...], inner: str) -> None:
    """Folders that only sort are no nodes, copied folders give the path on the node, also where their parents were not copied."""
    assert locate(path) == Located(key, inner, path)


def test_files_of_several_nodes_are_put_apart() -> None:
    """A prefixed file is as good as one in a folder; each folder is judged by itself, and copied files stay with theirs."""
    paths = ["a/n1-ip_route", "a/n2-ip_route", "a/etc/hosts", "b/n1-ip_route"]
    assert [(item.key, item.inner) for item in apart([locate(path) for path in paths])] == [
        (("a", "n1"), "ip_route"), (("a", "n2"), "ip_route"), (("a",), "/etc/hosts"), (("b",), "n1-ip_route"),
    ]


def test_prefixes_below_a_folder_of_namespaces(tmp_path: Path) -> None:
    """``pods/web-ip_route`` is a namespace like ``pods/web/ip_route``."""
    folder(tmp_path, "n1/ip_route", "n1/pods/web-ip_route", "n1/pods/db-ip_route", "n2/ip_route")
    assert places(read([tmp_path])) == {("n1", HOST), ("n1", "web"), ("n1", "db"), ("n2", HOST)}


def test_wrappers_are_no_nodes(tmp_path: Path) -> None:
    """Folders around all of the evidence name nothing where there are several nodes, and the only node where there is one."""
    assert places(read([folder(tmp_path / "x", "case/7/a/ip_route", "case/7/b/ip_route")])) == {("a", HOST), ("b", HOST)}
    assert places(read([folder(tmp_path / "y", "case/7/ip_route")])) == {("7", HOST)}


def test_equal_folder_names_are_told_apart_by_what_is_above(tmp_path: Path) -> None:
    """``east/n1`` and ``west/n1`` are two nodes, named by their paths."""
    assert places(read([folder(tmp_path, "east/n1/ip_route", "west/n1/ip_route", "west/n2/ip_route")])) == {
        ("east-n1", HOST), ("west-n1", HOST), ("n2", HOST),
    }


@pytest.mark.parametrize("path", ["netns/web/ip_route", "nodes/netns/web/ip_route"])
def test_namespaces_without_their_node(tmp_path: Path, path: str) -> None:
    """A folder of namespaces alone belongs to the node that the folder around it is."""
    assert places(read([folder(tmp_path / "n1", path)])) == {("n1", "web")}


def test_a_node_name_of_another_input_is_not_taken_again(tmp_path: Path) -> None:
    """A number is added, and a warning names the folder."""
    evidence = read([folder(tmp_path / "a", "n1/ip_route", "n2/ip_route"), folder(tmp_path / "b", "n1/ip_route", "n3/ip_route")])
    assert places(evidence) == {("n1", HOST), ("n2", HOST), ("n1-2", HOST), ("n3", HOST)}
    assert evidence.warnings == ("n1: there is a node n1 already, this folder is read as n1-2",)


def test_names_with_blanks_can_be_typed(tmp_path: Path) -> None:
    """A node called after a folder with blanks in its name gets hyphens."""
    assert places(read([folder(tmp_path / "my case", "ip_route")])) == {("my-case", HOST)}


def test_a_folder_may_be_stated_with_its_path(tmp_path: Path) -> None:
    """Where the last part alone says too little, the path says which."""
    evidence = read([folder(tmp_path, "east/n1/ip_route", "west/n1/ip_route")], {"east/n1/": "gw"})
    assert places(evidence) == {("gw", HOST), ("west-n1", HOST)}
