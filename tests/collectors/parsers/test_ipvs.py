"""Listings of IPVS, printed by one kernel (Linux 6.1, ipvsadm 1.31)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.classify import sections
from collectors.parsers.ipvs import parse
from collectors.place import Place
from engine.facts import Fact, Source

RECORDINGS = Path(__file__).parents[2] / "recordings" / "ipvs"


def facts(text: str, command: str = "ipvsadm -Ln") -> list[Fact]:
    """Facts of a text."""
    return parse(Source("pasted", text, command), Place("n1", "host"))


@pytest.mark.parametrize("name", ["ipvsadm_-Ln", "ipvsadm_-Sn", "proc_net_ip_vs"])
def test_three_forms_agree(name: str) -> None:
    """``ipvsadm -Ln``, ``ipvsadm -Sn`` and the kernel's own file give the same service and server; all are recognised by their look."""
    text = (RECORDINGS / name).read_text()
    service, server, whole = facts(text)
    assert [section.format for section in sections("pasted", text)] == ["ipvs"]
    assert dict(service.fields) == {"protocol": "tcp", "address": "10.96.0.10", "port": 80, "scheduler": "rr", "family": 4}
    told = {name: server.get(name) for name in ("protocol", "service_address", "service_port", "address", "port", "forward", "weight")}
    assert told == {
        "protocol": "tcp", "service_address": "10.96.0.10", "service_port": 80, "address": "10.244.1.10", "port": 8080,
        "forward": "masq", "weight": 1,
    }
    assert (whole.kind, whole.get("what")) == ("collected", "ipvs")


def test_forwarding_and_counts() -> None:
    """The forwarding method and the numbers of connections are read."""
    server = facts((RECORDINGS / "ipvsadm_-Ln-tunnel").read_text())[1]
    assert (server.get("forward"), server.get("active"), server.get("inactive")) == ("tunnel", 1, 3)


def test_marks_persistence_and_ipv6() -> None:
    """Services by mark, persistent ones and IPv6 in brackets are read."""
    saved = "-A -f 7 -s wrr -p 60\n-a -f 7 -r 10.0.0.1:0 -g -w 3\n-A -u [fd00::1]:53 -s rr\n-a -u [fd00::1]:53 -r [fd00::5]:53 -i -w 0\n"
    mark, routed, six, tunnelled, _ = facts(saved, "ipvsadm -Sn")
    assert (mark.get("fwmark"), mark.get("persistent"), routed.get("fwmark"), routed.get("forward")) == (7, 60, 7, "route")
    assert (six.get("address"), six.get("family"), tunnelled.get("address"), tunnelled.get("weight")) == ("fd00::1", 6, "fd00::5", 0)


def test_nothing_and_refusal() -> None:
    """An empty listing is whole; a refusal is none."""
    assert [f.kind for f in facts("")] == ["collected"]
    assert [f.kind for f in facts("Can't initialize ipvs: Permission denied (you must be root)\n")] == ["not_collected"]


@given(st.text(alphabet="-AaTCPUDFWM>[]:. 0123456789fmrsw\n\t", max_size=200))
def test_any_text(text: str) -> None:
    """No text makes the parser raise, and every fact is of a declared kind."""
    assert {f.kind for f in facts(text)} <= {"ipvs_service", "ipvs_server", "collected", "not_collected", "unparsed"}


def test_timeouts() -> None:
    """``ipvsadm -L --timeout`` tells times only; that no service is listed there says nothing about services."""
    facts = parse(Source("ipvsadm_-L_--timeout", "Timeout (tcp tcpfin udp): 900 120 300\n", "ipvsadm -L --timeout"), Place("n1"))
    assert [(f.kind, dict(f.fields)) for f in facts] == [("ipvs_timeouts", {"tcp": 900, "tcpfin": 120, "udp": 300})]
