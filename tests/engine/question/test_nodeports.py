"""A Service's node port, asked for by its name."""

from __future__ import annotations

from engine.facts import FactBase
from tests.engine.question.conftest import fact
from tests.engine.question.test_understand import ask

SERVICE = fact(
    "service", namespace="shop", name="web", type="NodePort", cluster_ips=("10.96.0.30",),
    ports=({"port": 80, "protocol": "TCP", "node_port": 30080},),
)  # fmt: skip
NODES = (
    fact("k8s_node", name="n1", addresses=("192.168.0.1",)), fact("k8s_node", name="n2", addresses=("192.168.0.2",)),
)  # fmt: skip


def test_the_nodes_are_asked() -> None:
    """The port is open on every node, and not on the Service's own address."""
    base = FactBase([SERVICE, *NODES])
    asked = {flow.partition(" > ")[2] for flow in ask(base, "connection refused on nodePort 30080 of web")}
    assert asked == {"192.168.0.1:30080/tcp", "192.168.0.2:30080/tcp"}


def test_its_own_port_is_asked_where_no_node_is_known() -> None:
    """What stands behind both is the same."""
    assert [flow.partition(" > ")[2] for flow in ask(FactBase([SERVICE]), "connection refused on nodePort 30080 of web")] == ["10.96.0.30:80/tcp"]


def test_other_ports_stay() -> None:
    """The Service's own port, and one that it has not, are asked of the Service."""
    base = FactBase([SERVICE, *NODES])
    for port in (80, 8080):
        assert [flow.partition(" > ")[2] for flow in ask(base, f"cannot connect to svc/web port {port}")] == [f"10.96.0.30:{port}/tcp"]
