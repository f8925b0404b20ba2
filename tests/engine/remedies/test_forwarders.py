"""Whom servers of names ask: what the commands write is what the model says."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from collectors.parsers.dnsserver import parse_corefile, parse_dnsmasq
from collectors.place import Place
from engine.errors import RuleError
from engine.facts import Fact, FactBase, Source
from tests.engine.remedies.conftest import operation

if TYPE_CHECKING:
    from pathlib import Path

COREFILE = ".:53 {\n    errors\n    forward . 10.0.0.1 10.0.0.10 {\n        max_concurrent 1000\n    }\n    cache 30\n}\n"
FILED = ".:53 {\n    forward . /etc/resolv.conf\n}\n"
DNSMASQ = "no-resolv\nserver=10.0.0.1\nserver=/corp/10.0.0.1\nserver=10.0.0.10\n"
OBJECT = "configmap kube-system/coredns"


def servers(facts: FactBase | None) -> tuple[str, ...]:
    """Upstream servers of the only forwarder."""
    assert facts is not None
    (found,) = facts.of_kind("dns_forwarder")
    upstreams: tuple[str, ...] = found.get("upstreams")
    return upstreams


@pytest.mark.parametrize(
    ("name", "text", "program", "old"),
    [
        ("Corefile", COREFILE, "coredns", "10.0.0.1"), ("Corefile", FILED, "coredns", "/etc/resolv.conf"),
        ("dnsmasq.conf", DNSMASQ, "dnsmasq", "10.0.0.1"),
    ],
    ids=["corefile", "resolv.conf", "dnsmasq"],
)
def test_of_a_machine(tmp_path: Path, name: str, text: str, program: str, old: str) -> None:
    """The edited file parses to what the model has, no other address is touched, and the undo writes the file of before."""
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    parse = parse_corefile if program == "coredns" else parse_dnsmasq
    before = FactBase([f for f in parse(Source(str(file), text), Place("n1", "host")) if f.kind == "dns_forwarder"])
    (forwarder,) = before.of_kind("dns_forwarder")
    before = FactBase([forwarder.having(file=str(file))])
    change = operation("dns.forward", before, program=program, file=str(file), old=old, new="10.0.0.53")
    edit, restart = change.commands()
    subprocess.run(["sh", "-c", edit], check=True)
    written = [f for f in parse(Source(str(file), file.read_text(encoding="utf-8")), Place("n1", "host")) if f.kind == "dns_forwarder"]
    assert servers(FactBase(written)) == servers(change.apply(before)) == tuple("10.0.0.53" if s == old else s for s in forwarder.get("upstreams"))
    assert restart == f"systemctl restart {program}"
    subprocess.run(["sh", "-c", change.undo()[0]], check=True)
    assert servers(FactBase(parse(Source(str(file), file.read_text(encoding="utf-8")), Place("n1", "host")))) == forwarder.get("upstreams")


def test_of_the_cluster() -> None:
    """The object is read, edited and applied, on every node's behalf; CoreDNS is started anew."""
    facts = FactBase([Fact("dns_forwarder", {"program": "coredns", "file": OBJECT, "zone": ".", "upstreams": ("10.0.0.1",)})])
    change = operation("dns.forward", facts, program="coredns", file=OBJECT, old="10.0.0.1", new="10.0.0.53")
    edit, restart = change.commands()
    assert edit.startswith("kubectl -n kube-system get configmap coredns -o yaml | sed -e ")
    assert edit.endswith(" | kubectl apply -f -")
    assert restart == "kubectl -n kube-system rollout restart deployment coredns"
    assert servers(change.apply(facts)) == ("10.0.0.53",)
    assert change.apply(FactBase([])) is None


@pytest.mark.parametrize(
    "given",
    [
        {"program": "dnsmasq", "file": "/etc/dnsmasq.conf", "old": "/etc/resolv.conf"},
        {"program": "coredns", "file": "configmap kube-system/coredns; reboot", "old": "10.0.0.1"},
        {"program": "coredns", "file": OBJECT, "old": "10.0.0.1|e reboot"},
    ],
    ids=["file", "object", "word"],
)
def test_what_no_command_is_made_of(given: dict[str, str]) -> None:
    """A file of dnsmasq's servers is another file's matter; what is no plain word becomes no part of a command."""
    with pytest.raises(RuleError):
        operation("dns.forward", FactBase([]), new="10.0.0.53", **given)
