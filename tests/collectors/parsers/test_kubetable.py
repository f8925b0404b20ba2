"""Tables of kubectl and calicoctl show a part of what JSON says, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.parsers.kubectl import parse

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded


TABLES = {
    "kubectl get pods -A -o wide": ("pod", "namespace", "name"),
    "kubectl get services -A -o wide": ("service", "namespace", "name"),
    "kubectl get nodes -o wide": ("k8s_node", "name"),
    "calicoctl get ippools -o wide": ("ippool", "name"),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_agrees_with_the_document(recorded: Recorded, table: str) -> None:
    """Column by column (ports lack names and targets, external addresses come in another order)."""
    kind, *key = TABLES[table]
    facts, reference = recorded.parse(parse, table, "kubectl"), recorded.parse(parse, table.replace("wide", "json"), "kubectl")
    assert recorded.disagreements(reference, facts, kind, key, ("ports", "external_ips") if kind == "service" else ()) == []
    assert recorded.covered(facts) == recorded.covered(reference)
    assert recorded.unparsed(facts) == 0


def test_services(recorded: Recorded) -> None:
    """Ports with node ports, external addresses, external names."""
    facts = recorded.parse(parse, "kubectl get services -A -o wide", "kubectl")
    ports = ({"port": 80, "protocol": "TCP", "node_port": 30080}, {"port": 9100, "protocol": "TCP"})
    assert recorded.only(facts, "service", name="web").fields.items() >= {"ports": ports, "external_ips": ("203.0.113.80", "198.51.100.80")}.items()
    assert recorded.only(facts, "service", name="outside").get("external_name") == "db.example.com"


def test_endpoints(recorded: Recorded) -> None:
    """``<none>`` is an empty list; a list that was cut is unknown."""
    facts = recorded.parse(parse, "kubectl get endpoints -A", "kubectl")
    web = {"ready": ({"address": "10.244.1.5"},), "ports": ({"port": 8080},)}
    assert recorded.only(facts, "endpoints", service="web").fields.items() >= web.items()
    assert recorded.only(facts, "endpoints", service="kube-dns").get("ready") == ()
    assert "ready" not in recorded.only(facts, "endpoints", service="many").fields


def test_namespaces_and_unknown_tables(recorded: Recorded) -> None:
    """Without a NAMESPACE column the option tells; tables of other resources are passed over; other text is counted."""
    text = "NAME      READY   STATUS      RESTARTS   AGE\npod/job   0/1     Completed   0          1d\n\nNAME   DATA   AGE\nx      1      1d\n"
    facts = recorded.text(parse, text, "kubectl get all -n batch")
    assert recorded.only(facts, "pod").fields == {"namespace": "batch", "name": "job", "phase": "Succeeded", "ready": False}
    assert recorded.covered(recorded.text(parse, "No resources found\n", "kubectl get pods -A")) == {("pods", "all", 0)}
    facts = recorded.text(parse, "The connection to the server was refused\n", "kubectl get pods -A")
    assert recorded.unparsed(facts) == 1
    assert recorded.covered(facts) == set()
    slices = "NAME    ADDRESSTYPE   PORTS   ENDPOINTS    AGE\nweb-x   IPv4          8080    10.244.1.5   5d\n"
    assert recorded.text(parse, slices) == []
