"""What to look at where nobody is ready behind a Service."""

from __future__ import annotations

import pytest

from engine.cluster.flows import service_backends
from engine.cluster.lacking import looks
from engine.facts import Fact
from tests.engine.cluster.conftest import cluster, ends, node, pod, service

IP = "10.96.0.20"
DB = {"app": "db"}
LABELS = "kubectl get pods -n shop --show-labels"
POD = "kubectl describe pod -n shop db-0"
LOG = "kubectl logs --previous -n shop db-0"
TABLE = Fact("endpoints", {"namespace": "shop", "service": "db", "ready": (), "ports": (), "slice": False})


def asked(*facts: Fact) -> list[str]:
    """Commands for the Service shop/db of these facts."""
    made = cluster(node("n1", "10.0.0.1"), node("n2", "10.0.0.2"), service("shop/db", IP, DB, (5432, 5432)), *facts)
    (fact,) = service_backends(made)
    found = looks(made, fact)
    assert all(need.en and need.zh and need.en != need.zh for need in found)
    return [need.command for need in found]


@pytest.mark.parametrize(("state", "commands"), [
    ({}, [POD]),
    ({"reason": "CrashLoopBackOff"}, [POD, LOG]),
    ({"reason": "ErrImagePull"}, [POD]),
    ({"restarts": 14}, [POD, LOG]),
])
def test_not_ready(state: dict[str, object], commands: list[str]) -> None:
    """A selected pod that is not ready is described; the log of before is asked for only where a container has ended."""
    assert asked(pod("shop/db-0", "10.1.2.9", DB, "n2", ready=False, **state), ends("shop/db", not_ready=("10.1.2.9",), port=5432)) == commands


def test_labels_that_nobody_printed() -> None:
    """Tables print no labels: they are asked for, with the pod of the Service's name that is not ready; where no pod is unready, they alone."""
    assert asked(pod("shop/db-0", "10.1.2.9", None, "n2", ready=False), TABLE) == [LABELS, POD]
    assert asked(pod("shop/db-0", "10.1.2.9", None, "n2"), TABLE) == [LABELS]


def test_node_that_is_not_ready() -> None:
    """A pod whose node is not ready leads to the node."""
    unready = node("n2", "10.0.0.2", ready=False)
    base = cluster(unready, service("shop/db", IP, DB, (5432, 5432)), pod("shop/db-0", "10.1.2.9", None, "n2", ready=False), TABLE)
    (fact,) = service_backends(base)
    assert [need.command for need in looks(base, fact)] == [LABELS, POD, "kubectl describe node n2"]


def test_a_selector_that_a_remedy_mends() -> None:
    """Where a selector that fits is known, the remedy has it and nothing is asked for; names from the evidence are quoted."""
    assert asked(pod("shop/db-0", "10.1.2.9", {"app": "base"}, "n2"), ends("shop/db")) == []
    assert asked(pod("shop/db-0", "10.1.2.9", {"tier": "x"}, "n2"), ends("shop/db")) == [LABELS]
    told = Fact("service_backends", {"namespace": "a b;c", "service": "db", "lack": "unknown", "full": "a b;c/db"})
    assert [need.command for need in looks(cluster(listed=False), told)] == ["kubectl get pods -n 'a b;c' --show-labels"]
