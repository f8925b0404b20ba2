"""How pods come and go, and how connections spread."""

from __future__ import annotations

from typing import Any

import pytest

from engine.computed.work import balances, rollouts
from engine.facts import Fact, FactBase

SERVICE = Fact("service", {
    "namespace": "default", "name": "web", "cluster_ips": ("10.96.0.7",), "selector": {"app": "web"}, "ports": ({"port": 80, "name": "grpc"},),
})
LIFE = {"readiness": True, "pre_stop": False, "grace": 30, "sidecar": False}


def pod(owner: str, **more: Any) -> Fact:
    """A pod of an owner."""
    fields = {"namespace": "default", "name": "p", "owner": owner, "labels": {"app": "web"}, "phase": "Running", **LIFE, **more}
    return Fact("pod", fields)


def rolled(*facts: Fact) -> list[tuple[Any, ...]]:
    """(type, name, service) of each."""
    return [(f.get("type"), f.get("name"), f.get("service")) for f in rollouts(FactBase(list(facts)))]


def test_pods_of_a_deployment() -> None:
    """Its pods' ReplicaSet bears its name; one fact for all of them."""
    assert rolled(pod("ReplicaSet/web-7d9f"), pod("ReplicaSet/web-8c1a"), SERVICE) == [("Deployment", "web", "web")]


def test_workload_first() -> None:
    """The workload's own words, with the labels of its pods; a node for the complaint."""
    work = Fact("workload", {"namespace": "default", "name": "web", "type": "Deployment", "template_labels": {"app": "web", "v": "2"}, **LIFE})
    assert rolled(work, pod("ReplicaSet/web-7d9f"), SERVICE) == [("Deployment", "web", "web")]
    (made,) = rollouts(FactBase([work, Fact("netns", {"name": "host"}, "n1")]))
    assert (made.node, made.get("service"), made.get("grace")) == ("n1", None, 30)


@pytest.mark.parametrize("other", [
    pod("Job/import"), pod("Node/n1"), pod("ReplicaSet/web-7d9f", phase="Succeeded"), Fact("pod", {"namespace": "default", "name": "p"}),
    Fact("workload", {"namespace": "default", "name": "w", "type": "ReplicaSet", **LIFE}),
])
def test_not_rolled(other: Fact) -> None:
    """Jobs, static pods, pods that ended, tables that show no specification."""
    assert rolled(other) == []


def test_another_service() -> None:
    """A Service of other labels or of another namespace sends them nothing."""
    assert rolled(pod("StatefulSet/db", labels={"app": "db"}), SERVICE) == [("StatefulSet", "db", None)]
    assert rolled(pod("DaemonSet/web", namespace="prod"), SERVICE) == [("DaemonSet", "web", None)]


def spread(*shares: int, ready: int = 3, **more: Any) -> list[Fact]:
    """Connections to the Service, as many to each endpoint."""
    ends = tuple({"address": f"10.1.0.{n}"} for n in range(ready))
    facts = [SERVICE, Fact("endpoints", {"namespace": "default", "service": "web", "ready": ends})]
    entry = {"protocol": "tcp", "state": "ESTABLISHED", "dst": "10.96.0.7", "dport": 80, **more}
    facts += [Fact("conntrack", {**entry, "reply_src": f"10.1.0.{n}"}, "n1") for n, count in enumerate(shares) for _ in range(count)]
    return list(balances(FactBase(facts)))


@pytest.mark.parametrize(("shares", "one_sided"), [
    ((1,), True), ((4,), True), ((3, 1), False), ((9, 1), True), ((8, 1, 1), True), ((7, 2, 1), False),
])
def test_balance(shares: tuple[int, ...], one_sided: bool) -> None:
    """All of few connections, or most of many, with one endpoint."""
    (fact,) = spread(*shares)
    assert (fact.node, fact.get("busiest"), fact.get("most"), fact.get("connections")) == ("n1", "10.1.0.0", shares[0], sum(shares))
    assert (fact.get("one_sided"), fact.get("port_name"), fact.get("endpoints")) == (one_sided, "grpc", 3)


def test_nothing_to_balance() -> None:
    """One endpoint, other connections, or none."""
    assert spread(4, ready=1) == []
    assert spread(4, dport=81) == []
    assert spread(4, state="TIME_WAIT") == []
    assert spread() == []
