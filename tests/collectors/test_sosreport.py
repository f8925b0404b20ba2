"""Reports of sos: one node each."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collectors import sosreport
from collectors.evidence import read
from engine.facts import HOST

if TYPE_CHECKING:
    from collectors.evidence import Evidence

REPORT = next((Path(__file__).parents[1] / "recordings" / "sosreport").iterdir())


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report that a test may change."""
    return shutil.copytree(REPORT, tmp_path / REPORT.name)


def stacks(evidence: Evidence) -> set[tuple[str, str]]:
    """Every stack that a ``netns`` fact states."""
    return {(f.node, f.stack) for f in evidence.facts if f.kind == "netns"}


def kinds(evidence: Evidence, stack: str) -> set[str]:
    """Kinds of facts on one stack."""
    return {fact.kind for fact in evidence.facts if fact.stack == stack}


def test_a_report_is_one_node_with_its_namespaces() -> None:
    """All plug-ins tell of one node, called by its host name; its namespace is a stack of it, and the veth joins them."""
    evidence = read([REPORT])
    assert stacks(evidence) == {("worker-3", HOST), ("worker-3", "shop")}
    listed = {"link", "address", "route", "routing_rule", "netfilter_table", "sysctl"}
    assert listed | {"fdb", "socket", "nft_ruleset", "dns_config"} <= kinds(evidence, HOST)
    assert listed <= kinds(evidence, "shop")
    peers = {(f.stack, f.get("name")): f.get("peer_stack") for f in evidence.facts if f.kind == "link"}
    assert peers[HOST, "veth0"] == "shop"
    tables = {(f.stack, f.get("table")) for f in evidence.facts if f.kind == "netfilter_table"}
    assert tables == {(HOST, "nat"), (HOST, "filter"), ("shop", "filter")}


def test_what_sos_does_not_collect_stays_unknown() -> None:
    """Of the node two tables are listed and no address sets: nothing says that there are no others."""
    scopes = {f.get("scope") for f in read([REPORT]).facts if f.kind == "collected" and f.get("what") == "netfilter" and f.stack == HOST}
    assert scopes == {"nat", "filter", "nft-native"}
    assert not [f for f in read([REPORT]).facts if f.kind == "collected" and f.get("what") == "ipsets"]


def test_other_files_of_a_report_are_left_out_in_silence(report: Path) -> None:
    """Logs, other plug-ins (even with a known word in a name), broken links and binaries are not worth a warning; a line not understood is."""
    before = read([report])
    for path in ("sos_logs/x.log", "sos_commands/process/ps_aux", "sos_commands/ansible/hosts", "etc/passwd", "version.txt", "sos_reports/sos.html"):
        (report / path).parent.mkdir(parents=True, exist_ok=True)
        (report / path).write_text("lorem ipsum\n")
    (report / "var").mkdir()
    (report / "var" / "link").symlink_to("/etc/passwd")
    (report / "var" / "binary").write_bytes(b"\0\1")
    after = read([report])
    assert after.warnings == before.warnings
    assert len(after.facts) == len(before.facts)
    (report / "sos_commands" / "networking" / "ip_addr").symlink_to("/etc/passwd")
    (report / "sos_commands" / "kernel" / "sysctl_-a").write_text("net.ipv4.ip_forward = 1\nlorem ipsum\n")
    new = set(read([report]).warnings) - set(before.warnings)
    assert new == {
        "sos_commands/networking/ip_addr: not read, it is a link to somewhere outside of the folder",
        "sos_commands/kernel/sysctl_-a: 1 line not understood, first: 'lorem ipsum'",
    }


def test_several_reports_are_several_nodes(tmp_path: Path, report: Path) -> None:
    """An archive of archives (sos collect), each with its report: a node each; two reports of one node are told apart, with a warning."""
    inner = tmp_path / "in"
    inner.mkdir()
    for number, name in enumerate(("n1", "n2", "n2")):
        (report / "sos_commands/host/hostname").write_text(f"{name}\n")
        with tarfile.open(inner / f"sosreport-{name}-{number}.tar.xz", "w:xz") as tar:
            tar.add(report, f"sosreport-{name}-{number}")
    with tarfile.open(tmp_path / "sos-collector.tar.gz", "w:gz") as tar:
        tar.add(inner, "sos-collector")
    evidence = read([tmp_path / "sos-collector.tar.gz"])
    assert {node for node, _ in stacks(evidence)} == {"n1", "n2", "n2-2"}
    assert "node n2 is in several bundles: the later one is read as n2-2" in evidence.warnings


@pytest.mark.parametrize(("folder", "archive", "node"), [
    ("sosreport-web-1-2026-11-20-qzkvbhx/", "", "web-1"),
    ("", "sosreport-web-1-2026-11-20-qzkvbhx", "web-1"),
    ("case/sosreport-db/", "x", "db"),
    ("", "whatever", "whatever"),
])
def test_without_a_host_name_the_folder_names_the_node(folder: str, archive: str, node: str) -> None:
    """Prefix, date and random letters of the folder's name are no part of the node's."""
    assert sosreport.node_of(folder, {}, archive) == (node, False)
    assert sosreport.node_of(folder, {"hostname": b"told.example\n"}, archive) == ("told.example", True)
    assert sosreport.node_of(folder, {"etc/hostname": b"not a name\nat all\n"}, archive) == (node, False)


def test_the_user_may_name_the_node() -> None:
    """``stacks`` goes before the report's own host name."""
    assert {node for node, _ in stacks(read([REPORT], {REPORT.name: "gateway"}))} == {"gateway"}


def test_the_reports_manifest_tells_command_lines(report: Path) -> None:
    """Command lines come from it, blanks folded; what was cut off or failed claims no completeness."""
    folder = "sos_commands/networking"
    (report / folder / "odd").write_text("default via 10.0.0.1 dev eth0\n")
    commands = [
        {"exec": "ip  route show table all", "filepath": f"{folder}/odd", "return_code": 0},
        {"exec": "ip -o addr", "filepath": f"{folder}/ip_-o_addr", "return_code": 0, "truncated": True},
        {"exec": "ip -s -s neigh show", "filepath": f"{folder}/ip_-s_-s_neigh_show", "return_code": 1},
    ]
    (report / "sos_reports").mkdir()
    (report / "sos_reports/manifest.json").write_text(json.dumps({"components": {"report": {"plugins": {"networking": {"commands": commands}}}}}))
    evidence = read([report])
    assert [f.source.command for f in evidence.facts if f.source.name == f"{folder}/odd"] == ["ip route show table all"] * 2
    claimed = {f.source.name.rpartition("/")[2] for f in evidence.facts if f.kind == "collected"}
    assert {"odd", "ip_-d_address"} <= claimed
    assert not {"ip_-o_addr", "ip_-s_-s_neigh_show"} & claimed


@pytest.mark.parametrize("text", [
    "", "[]", "{", '{"components": 1}', '{"components": {"report": {"plugins": {"a": {"commands": [1]}}}}}', "[" * 100_000,
])
def test_a_strange_manifest_spoils_nothing(report: Path, text: str) -> None:
    """Names of files do instead."""
    (report / "sos_reports").mkdir()
    (report / "sos_reports/manifest.json").write_text(text)
    assert {f.kind for f in read([report]).facts} == {f.kind for f in read([REPORT]).facts}


def test_a_report_beside_loose_files(report: Path) -> None:
    """What lies beside a report is read as ever."""
    (report.parent / "gateway").mkdir()
    (report.parent / "gateway" / "ip_route").write_text("default via 10.0.0.1 dev eth0\n")
    assert stacks(read([report.parent])) == {("worker-3", HOST), ("worker-3", "shop"), ("gateway", HOST)}


def test_obfuscated_addresses_are_said(report: Path) -> None:
    """``sos clean`` maps addresses one by one, so that no network contains what it did: a warning says so."""
    renamed = report.rename(f"{report}-obfuscated")
    evidence = read([renamed])
    assert any("sos clean" in warning for warning in evidence.warnings)
    assert [(f.node, f.get("by")) for f in evidence.facts if f.kind == "obfuscated"] == [("worker-3", "sos clean")]
    assert any("sosreport, " in note for note in evidence.notes)
